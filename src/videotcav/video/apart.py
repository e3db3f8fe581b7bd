"""FFmpeg in processes of its own: what crashes, hangs or devours memory there is one file's `VideoError` here.

A worker is asked on its standard input, a JSON line a question, and answers on its standard output: a length, so many
bytes of JSON, and the bytes of an array. No pickle, no start-up code of the caller's, nothing shared. Workers are
started when they are needed and kept for the next file. A worker that dies is replaced and the file tried once more,
so that only a file that does it again is blamed. `VIDEOTCAV_DECODE=inside` decodes in the calling process instead.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import av
import numpy as np
from numpy.typing import NDArray

from videotcav.errors import VideoError, VideotcavError
from videotcav.records import VideoInfo
from videotcav.video.decode import Frames
from videotcav.video.worker import LENGTH

SLOWEST_ANSWER_SECONDS = 300.0
_PIPE_BYTES = 2**20
_LINUX_SET_PIPE_SIZE = 1031

Answer = TypeVar("Answer")
Space = TypeVar("Space", bytearray, memoryview)


def is_wanted() -> bool:
    """Whether files are decoded apart: everywhere but where the environment or the system says otherwise."""
    return os.environ.get("VIDEOTCAV_DECODE") != "inside" and sys.platform != "win32"


class Apart:
    """A `Decoder` in another process; the same names, the same answers, the same errors."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.decoded = 0
        facts, self.times = self._ask("open")
        self.duration_seconds = float(facts["duration_seconds"])
        self.tick_seconds = float(facts["tick_seconds"])
        self.remarks = tuple(facts["remarks"])
        self._state = facts["state"]

    def info(self) -> VideoInfo:
        """The record of this file; decodes its first frame."""
        return VideoInfo.model_validate({**self._ask("info")[0]["info"], "path": self.path})

    def frames(self, ranks: Sequence[int]) -> Frames:
        """The frames of the given ranks, in the given order."""
        pixels: Frames = self._ask("frames", ranks=list(ranks))[1]
        return pixels

    def stream(self) -> Iterator[Frames]:
        """Every frame in order. The worker is this generator's own until it ends."""
        worker = _POOL.taken(self.path)
        try:
            worker.send(self._question("stream"))
            for _ in range(len(self.times)):
                yield self._heard(worker)[1]
            self._heard(worker)
        except _Died as death:
            raise VideoError(self.path, death.reason) from None
        finally:
            _POOL.give_back(worker)

    def _ask(self, task: str, **arguments: object) -> tuple[dict[str, Any], Any]:
        def answer(worker: _Worker) -> tuple[dict[str, Any], Any]:
            worker.send(self._question(task, **arguments))
            return self._heard(worker)

        try:
            return _POOL.tried_twice(self.path, answer)
        except _Died as death:
            raise VideoError(self.path, death.reason) from None

    def _question(self, task: str, **arguments: object) -> dict[str, object]:
        return {"task": task, "path": str(self.path.absolute()), "state": getattr(self, "_state", None), **arguments}

    def _heard(self, worker: _Worker) -> tuple[dict[str, Any], Any]:
        facts, array = worker.answer()
        self.decoded += facts.get("decoded", 0)
        if "fault" in facts:
            raise VideotcavError(
                f"{self.path} could not be read, through no fault of its own: {facts['fault']}; this version of "
                f"videotcav and PyAV {av.__version__} do not fit"
            )
        if "reason" in facts:
            raise VideoError(self.path, facts["reason"])
        return facts, array


class _Died(Exception):
    """The worker is gone; `reason` is the end of a sentence about the file that it had in hand."""

    def __init__(self, reason: str, *, may_try_again: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.may_try_again = may_try_again


class _Worker:
    """One process that decodes; `path` is the file that it had last."""

    def __init__(self) -> None:
        home = str(Path(__file__).parents[2])
        before = os.environ.get("PYTHONPATH")
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "videotcav.video.worker"],  # -P: no module of the current folder
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # what a dying C library prints is no sentence
            bufsize=0,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([home, before] if before else [home])},
        )
        self.path: Path | None = None
        self.is_idle = True
        if sys.platform == "linux":
            import fcntl  # noqa: PLC0415 - Unix only

            with suppress(OSError):  # a user's share of pipe memory is limited: then it is slower
                fcntl.fcntl(self._output.fileno(), _LINUX_SET_PIPE_SIZE, _PIPE_BYTES)

    @property
    def _output(self) -> Any:
        return self._process.stdout

    @property
    def process_id(self) -> int:
        """The system's number of the process."""
        return self._process.pid

    def send(self, question: dict[str, object]) -> None:
        """Puts a question; raises `_Died` where nobody is there to hear it."""
        assert self._process.stdin is not None  # noqa: S101 - asked for above
        self.is_idle = False
        try:
            self._process.stdin.write(json.dumps(question).encode() + b"\n")
        except OSError:
            raise self._death() from None

    def answer(self) -> tuple[dict[str, Any], NDArray[Any] | None]:
        """The next answer: facts, and an array where there is one."""
        (length,) = LENGTH.unpack(self._read(bytearray(LENGTH.size)))
        facts = json.loads(self._read(bytearray(length)))
        self.is_idle = not facts.get("more", False)
        if "shape" not in facts:
            return facts, None
        array = np.empty(facts["shape"], dtype=facts["dtype"])
        if array.size:
            self._read(array.data.cast("B"))
        return facts, array

    def end(self) -> None:
        """Ends the process, whatever it does."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()

    def _read(self, space: Space) -> Space:
        """Fills the space; raises `_Died` where less comes."""
        left = memoryview(space)
        while left:
            self._wait()
            count = self._output.readinto(left)
            if not count:
                raise self._death()
            left = left[count:]
        return space

    def _wait(self) -> None:
        ready = select.poll()
        ready.register(self._output, select.POLLIN)
        deadline = time.monotonic() + SLOWEST_ANSWER_SECONDS
        while not ready.poll(1000 * max(0.0, deadline - time.monotonic())):
            if time.monotonic() >= deadline:
                raise _Died(
                    f"keeps FFmpeg busy for more than {SLOWEST_ANSWER_SECONDS:.0f} s without a frame; "
                    "leave it out, or convert it",
                    may_try_again=False,
                )

    def _death(self) -> _Died:
        code = self._process.wait()
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return _Died(f"crashes FFmpeg ({how}); leave it out, or convert it", may_try_again=True)


class _Pool:
    """Workers that wait for the next file. A fork begins with none: two processes cannot share a conversation."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """No workers are known any more; those there were are left alone."""
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._most = max(2, os.cpu_count() or 1)
        self._room = threading.BoundedSemaphore(self._most)

    def taken(self, path: Path) -> _Worker:
        """A worker of one's own, best the one that had this file last; started where none waits."""
        with self._lock:
            known = next((worker for worker in self._idle if worker.path == path), None)
            worker = known or (self._idle[-1] if self._idle else None)
            if worker is not None:
                self._idle.remove(worker)
        worker = worker or _Worker()
        worker.path = path
        return worker

    def give_back(self, worker: _Worker) -> None:
        """The worker waits for the next file; one in the middle of something, or one too many, is ended."""
        with self._lock:
            if worker.is_idle and len(self._idle) < self._most:
                self._idle.append(worker)
                return
        worker.end()

    def tried_twice(self, path: Path, question: Callable[[_Worker], Answer]) -> Answer:
        """The answer of a worker, or of a second one where the first died over it."""
        with self._room:
            for last in (False, True):
                worker = self.taken(path)
                try:
                    return question(worker)
                except _Died as death:
                    if last or not death.may_try_again:
                        raise
                finally:
                    self.give_back(worker)
        raise AssertionError  # the loop returns or raises

    def process_ids(self) -> list[int]:
        """Of the workers that wait."""
        with self._lock:
            return [worker.process_id for worker in self._idle]

    def close(self) -> None:
        """Ends the workers that wait."""
        with self._lock:
            waiting, self._idle = self._idle, []
        for worker in waiting:
            worker.end()


_POOL = _Pool()
atexit.register(_POOL.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_POOL.forget)
