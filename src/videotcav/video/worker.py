"""The process in which FFmpeg runs: `python -m videotcav.video.worker`, asked and heard by `apart.py`.

It ends with its standard input, that is with whoever asks.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from videotcav.errors import VideoError
from videotcav.video.decode import Decoder

Answer = tuple[dict[str, Any], NDArray[Any] | None]


def main() -> None:
    """Answers until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever asks
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not look like an answer
    _bound_memory()
    for line in sys.stdin.buffer:
        for facts, array in _answered(json.loads(line)):
            if array is not None:
                facts |= {"shape": array.shape, "dtype": array.dtype.str}
            answers.write(json.dumps(facts).encode() + b"\n")
            if array is not None and array.size:
                answers.write(np.ascontiguousarray(array).data.cast("B"))
            answers.flush()


def _answered(question: dict[str, Any]) -> Iterator[Answer]:
    """The answers to one question, the last one without `more`; what goes wrong is an answer too."""
    try:
        decoder, state = _decoder(question)
        before = decoder.decoded
        for facts, array in _TASKS[question["task"]](decoder, question):
            yield {**facts, "state": state, "decoded": decoder.decoded - before}, array
            before = decoder.decoded
    except VideoError as error:
        yield {"reason": error.reason}, None
    except MemoryError:
        yield {"reason": "needs more memory than this machine can give; scale the video down, or cut it"}, None
    except (TypeError, AttributeError, NameError, ImportError, AssertionError) as error:
        yield {"fault": f"{type(error).__name__}: {error}"}, None  # of this code, or of a PyAV that it does not know
    except Exception as error:  # noqa: BLE001 - whatever a damaged file brings about, it is that file's fault alone
        yield {"reason": f"cannot be decoded ({type(error).__name__}: {error}); convert it, or leave it out"}, None


def _decoder(question: dict[str, Any]) -> tuple[Decoder, tuple[int, ...] | None]:
    """The decoder of a file that is still the one that was opened, and what changes with the file."""
    path, state = Path(question["path"]), None
    with suppress(OSError):  # where there is no file, the decoder puts it into words
        status = path.stat()
        state = (status.st_ino, status.st_mtime_ns, status.st_size)
    if state and question["state"] and state != tuple(question["state"]):
        raise VideoError(path, "has changed while it was read; start again when nothing writes to it")
    return _remembered(path, state), state


@lru_cache(maxsize=16)
def _remembered(path: Path, state: tuple[int, ...] | None) -> Decoder:  # noqa: ARG001 - a changed file is another one
    return Decoder(path)


def _open(decoder: Decoder, _: dict[str, Any]) -> Iterator[Answer]:
    yield {name: getattr(decoder, name) for name in ("duration_seconds", "tick_seconds", "remarks")}, decoder.times


def _frames(decoder: Decoder, question: dict[str, Any]) -> Iterator[Answer]:
    yield {}, decoder.frames(question["ranks"])


def _stream(decoder: Decoder, question: dict[str, Any]) -> Iterator[Answer]:
    yield from (({"more": True}, frame) for frame in decoder.stream(question["first"], question["stop"]))
    yield {}, None


_TASKS = {"open": _open, "frames": _frames, "stream": _stream}


def _bound_memory() -> None:
    """Half of the machine's memory at most: a file that wants more gets a sentence, the machine no trouble."""
    half = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (half if hard == resource.RLIM_INFINITY else min(half, hard), hard))


if __name__ == "__main__":
    main()
