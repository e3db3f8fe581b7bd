"""The process in which FFmpeg runs: `python -m videotcav.video.worker`, asked and heard by `apart.py`.

It ends with its standard input, that is with whoever asks.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from videotcav.errors import VideoError
from videotcav.video.decode import Decoder

LENGTH = struct.Struct(">I")
Answer = tuple[dict[str, Any], NDArray[Any] | None]


def main() -> None:
    """Answers until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever asks
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a library prints must not look like an answer
    _bound_memory()
    for line in sys.stdin.buffer:
        for facts, array in _answered(json.loads(line)):
            _write(answers, facts, array)


def _answered(question: dict[str, Any]) -> Iterator[Answer]:
    """The answers to one question, the last one without `more`; what goes wrong is an answer too."""
    try:
        yield from _TASKS[question["task"]](question)
    except VideoError as error:
        yield {"reason": error.reason}, None
    except MemoryError:
        yield {"reason": "needs more memory than this machine can give; scale the video down, or cut it"}, None
    except (TypeError, AttributeError, NameError, ImportError, AssertionError) as error:
        yield {"fault": f"{type(error).__name__}: {error}"}, None  # of this code, or of a PyAV that it does not know
    except Exception as error:  # noqa: BLE001 - whatever a damaged file brings about, it is that file's fault alone
        yield {"reason": f"cannot be decoded ({type(error).__name__}: {error}); convert it, or leave it out"}, None


def _open(question: dict[str, Any]) -> Iterator[Answer]:
    path = Path(question["path"])
    state = _state(path)
    decoder = Decoder(path) if state is None else _decoder(path, state)
    told = {name: getattr(decoder, name) for name in ("duration_seconds", "tick_seconds", "remarks")}
    yield {**told, "state": state}, decoder.times


def _info(question: dict[str, Any]) -> Iterator[Answer]:
    decoder = _known(question)
    before = decoder.decoded
    info = decoder.info().model_dump(mode="json", exclude={"path"})
    yield {"info": info, "decoded": decoder.decoded - before}, None


def _frames(question: dict[str, Any]) -> Iterator[Answer]:
    decoder = _known(question)
    before = decoder.decoded
    frames = decoder.frames(question["ranks"])
    yield {"decoded": decoder.decoded - before}, frames


def _stream(question: dict[str, Any]) -> Iterator[Answer]:
    decoder = _known(question)
    before = decoder.decoded
    for frame in decoder.stream():
        yield {"decoded": decoder.decoded - before, "more": True}, frame
        before = decoder.decoded
    yield {}, None


_TASKS = {"open": _open, "info": _info, "frames": _frames, "stream": _stream}


def _known(question: dict[str, Any]) -> Decoder:
    """The decoder of a file that is still the one that was opened."""
    path = Path(question["path"])
    state = _state(path)
    if state is not None and state != question["state"]:
        raise VideoError(path, "has changed while it was read; start again when nothing writes to it")
    return Decoder(path) if state is None else _decoder(path, state)


def _decoder(path: Path, state: list[int]) -> Decoder:
    return _remembered(path, tuple(state))


@lru_cache(maxsize=16)
def _remembered(path: Path, state: tuple[int, ...]) -> Decoder:  # noqa: ARG001 - a changed file is another one
    return Decoder(path)


def _state(path: Path) -> list[int] | None:
    """What changes with the file; None where there is none, which the decoder puts into words."""
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_ino, status.st_mtime_ns, status.st_size]


def _write(answers: BinaryIO, facts: dict[str, Any], array: NDArray[Any] | None) -> None:
    parts = []
    if array is not None:
        facts = facts | {"shape": array.shape, "dtype": array.dtype.str}
        if array.size:
            parts.append(np.ascontiguousarray(array).data.cast("B"))
    text = json.dumps(facts).encode()
    for left in (memoryview(LENGTH.pack(len(text)) + text), *parts):
        while left:
            left = left[answers.write(left) :]  # noqa: PLW2901 - what is left of this part


def _bound_memory() -> None:
    """Half of the machine's memory at most: a file that wants more gets a sentence, the machine no trouble."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 - Unix only

    half = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (half if hard == resource.RLIM_INFINITY else min(half, hard), hard))


if __name__ == "__main__":
    main()
