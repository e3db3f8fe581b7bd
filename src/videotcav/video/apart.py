"""FFmpeg in processes of its own: what crashes, hangs or devours memory there is one file's `VideoError` here.

A worker is asked a JSON line a question on a socket, and answers on it: a JSON line, and the bytes of an array. Workers
are started when they are needed and kept for the next file. A worker that dies is replaced and the file tried once
more, so that only a file that does it again is blamed. `VIDEOTCAV_DECODE=inside` decodes in the calling process.

No `ProcessPoolExecutor`: it would unpickle what comes from the process that reads strangers' files, run the caller's
script once more in each worker, refuse to work in a daemonic process (a data loader's), fail every file in hand when
one crashes, and leave workers behind when the caller is killed.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np

from videotcav.errors import VideoError, VideotcavError
from videotcav.video.decode import Frames
from videotcav.video.worker import Answer

SLOWEST_ANSWER_SECONDS = 300.0
_MOST_WORKERS = max(2, os.cpu_count() or 1)


def is_wanted() -> bool:
    """Whether files are decoded apart: everywhere but where the environment says otherwise."""
    return os.environ.get("VIDEOTCAV_DECODE") != "inside"


class Apart:
    """A `Decoder` in another process; the same names, the same answers, the same errors."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.decoded = 0
        self._state: list[int] | None = None
        facts, self.times = self._ask("open")
        self.duration_seconds = float(facts["duration_seconds"])
        self.tick_seconds = float(facts["tick_seconds"])
        self.remarks = tuple(facts["remarks"])
        self._state = facts["state"]

    def frames(self, ranks: Sequence[int]) -> Frames:
        """The frames of the given ranks, in the given order."""
        pixels: Frames = self._ask("frames", ranks=list(ranks))[1]
        return pixels

    def stream(self, first: int, stop: int) -> Generator[Frames, None, None]:
        """The frames of these ranks in order. The worker is this generator's own until it ends."""
        with _POOL.lent(self.path) as worker:
            answers = self._answers(worker, "stream", first=first, stop=stop)
            yield from (array for _, array in answers if array is not None)

    def _ask(self, task: str, **arguments: object) -> tuple[dict[str, Any], Any]:
        with _POOL.room:
            try:
                return self._asked(task, **arguments)
            except _Crash:
                return self._asked(task, **arguments)

    def _asked(self, task: str, **arguments: object) -> tuple[dict[str, Any], Any]:
        with _POOL.lent(self.path) as worker:
            (answer,) = self._answers(worker, task, **arguments)
        return answer

    def _answers(self, worker: _Worker, task: str, **arguments: object) -> Iterator[Answer]:
        question = {"task": task, "path": str(self.path.absolute()), "state": self._state, **arguments}
        for facts, array in worker.answers(self.path, question):
            self.decoded += facts.get("decoded", 0)
            if "fault" in facts:
                raise VideotcavError(
                    f"{self.path} could not be read, through no fault of its own: {facts['fault']}; this version of "
                    f"videotcav and PyAV {av.__version__} do not fit"
                )
            if "reason" in facts:
                raise VideoError(self.path, facts["reason"])
            yield facts, array


class _Crash(VideoError):
    """The worker died over the file, or of something else at that time."""


class _Worker:
    """One process that decodes; `path` is the file that it had last."""

    def __init__(self) -> None:
        home = str(Path(__file__).parents[2])
        before = os.environ.get("PYTHONPATH")
        self._socket, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "videotcav.video.worker"],  # -P: no module of the current folder
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.DEVNULL,  # what a dying C library prints is no sentence
                env={**os.environ, "PYTHONPATH": os.pathsep.join([home, before] if before else [home])},
            )
        self._heard = self._socket.makefile("rb")
        self.path: Path | None = None
        self.is_idle = True

    def answers(self, path: Path, question: dict[str, object]) -> Iterator[Answer]:
        """The answers to a question about the file: facts, and an array where there is one."""
        self.path, self.is_idle = path, False
        self._socket.settimeout(SLOWEST_ANSWER_SECONDS)
        try:
            self._socket.sendall(json.dumps(question).encode() + b"\n")
            while not self.is_idle:
                facts, array = self._answer()
                self.is_idle = not facts.get("more", False)
                yield facts, array
        except TimeoutError:
            raise VideoError(
                path,
                f"keeps FFmpeg busy for more than {SLOWEST_ANSWER_SECONDS:.0f} s without a frame; "
                "leave it out, or convert it",
            ) from None
        except (OSError, EOFError):
            code = self.process.wait()
            how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            raise _Crash(path, f"crashes FFmpeg ({how}); leave it out, or convert it") from None

    def _answer(self) -> Answer:
        line = self._heard.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        facts = json.loads(line)
        array = np.empty(facts["shape"], dtype=facts["dtype"]) if "shape" in facts else None
        if array is not None and array.size and self._heard.readinto(array.data.cast("B")) < array.nbytes:
            raise EOFError
        return facts, array

    def end(self) -> None:
        """Ends the process, whatever it does."""
        self.process.kill()
        self._heard.close()
        self._socket.close()
        self.process.wait()


class _Pool:
    """Workers that wait for the next file. A fork begins with none: two processes cannot share a conversation."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """No workers are known any more; those there were are left alone."""
        self._lock = threading.Lock()
        self.waiting: list[_Worker] = []
        self.room = threading.BoundedSemaphore(_MOST_WORKERS)

    @contextmanager
    def lent(self, path: Path) -> Iterator[_Worker]:
        """A worker of one's own, best the one that had this file last; afterwards it waits for the next one.

        One in the middle of something, or one too many, is ended.
        """
        with self._lock:
            best = max(self.waiting, key=lambda worker: worker.path == path, default=None)
            if best is not None:
                self.waiting.remove(best)
        worker = best or _Worker()
        try:
            yield worker
        finally:
            with self._lock:
                stays = worker.is_idle and len(self.waiting) < _MOST_WORKERS
                if stays:
                    self.waiting.append(worker)
            if not stays:
                worker.end()

    def close(self) -> None:
        """Ends the workers that wait."""
        with self._lock:
            waiting, self.waiting = self.waiting, []
        for worker in waiting:
            worker.end()


_POOL = _Pool()
atexit.register(_POOL.close)
os.register_at_fork(after_in_child=_POOL.forget)
