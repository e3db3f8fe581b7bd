"""Stores of one run, gone when it has ended: in memory, in a temporary folder, or beside what it writes."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fsspec.implementations.memory import MemoryFileSystem

from videotcav.engine.store import Store
from videotcav.errors import StoreError


class HeldStore(Store):
    """A store of one run in one process: in memory while that takes at most `at_most` bytes, from then on in `folder`.

    Paths are the same in both, so nobody who reads notices the move.
    """

    def __init__(self, folder: str, at_most: int) -> None:
        super().__init__(folder)
        self._at_most = at_most
        self._disk = self.files
        if at_most:  # memory is of this process alone; without it others may write and read here too
            self.files = MemoryFileSystem()

    def write(self, path: str, content: bytes) -> None:
        """As `Store.write`."""
        if not self.is_local:
            if self.bytes_in_memory + len(content) <= self._at_most:
                self.files.pipe_file(path, content)
                self.bytes_in_memory += len(content)
                return
            self._move()
        super().write(path, content)

    def _move(self) -> None:
        memory, self.files = self.files, self._disk
        for path in memory.find(self.root):
            super().write(path, memory.cat_file(path))
            memory.rm_file(path)
        self.bytes_in_memory = 0


@contextmanager
def scratch_store(at_most: int) -> Iterator[Store]:
    """A store that is gone after the body: in memory up to `at_most` bytes, and with more in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="videotcav-") as folder:
        store = HeldStore(folder, at_most)
        try:
            yield store
        finally:
            if store.bytes_in_memory:
                store.files.rm(store.root, recursive=True)


@contextmanager
def scratch(folder: Path, *, result: Path | None = None) -> Iterator[Store]:
    """A store in a folder that is removed when the body ends well; when it does not, its rows wait for the next try.

    They wait for nothing where the `result` is there already: a run that was killed as it tidied up.
    Whoever ends last removes it: a lock, which also a killed process gives back, says who is still there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("a+")
    except OSError as error:
        raise StoreError(f"{folder}: no rows can be kept there: {error.strerror}") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        done = False
        try:
            yield Store(folder)
            done = True
        finally:
            is_there = result is not None and result.exists()
            if done or is_there or not any(folder.glob("*/*.safetensors")):
                with suppress(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder, ignore_errors=True)
