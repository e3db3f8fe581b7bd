"""Stores of one run, gone when it has ended: in memory, in a temporary folder, or beside what it writes."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import numpy as np

from videotcav.engine.store import CacheKey, Float32Array, RowsLost, Shelf, Store, StoredRows, folder_name
from videotcav.errors import StoreError

_Rows = dict[str, Float32Array]
"""The row of each clip's key."""


class HeldStore(Store):
    """A store of one run in one process: in memory while that takes at most `at_most` bytes, from then on in `folder`.

    In memory are the very arrays that were put: copies of them, as files would be, cost some 3 % of the passes of a
    3D ResNet.
    """

    def __init__(self, folder: str, at_most: int) -> None:
        super().__init__(folder)
        self._at_most = at_most  # memory is of this process alone; without it others may write and read here too
        self._held: dict[str, tuple[CacheKey, _Rows]] = {}

    def put(self, cache_key: CacheKey, clips: Sequence[str], rows: Sequence[Float32Array]) -> None:
        """As `Store.put`."""
        size = sum(row.nbytes for row in rows)
        if self.bytes_in_memory + size <= self._at_most:
            self._held.setdefault(folder_name(cache_key), (cache_key, {}))[1].update(zip(clips, rows, strict=True))
            self.bytes_in_memory += size
            return
        held = list(self._held.values())
        self.forget()
        self._at_most = 0
        for key, some in held:
            super().put(key, list(some), list(some.values()))
        super().put(cache_key, clips, rows)

    def shelf(self, cache_key: CacheKey) -> Shelf:
        """As `Store.shelf`."""
        if not self._at_most:
            return super().shelf(cache_key)
        _, rows = self._held.get(folder_name(cache_key), (cache_key, {}))
        return _HeldShelf(rows)

    def forget(self) -> None:
        """Lets go of what is in memory."""
        self._held.clear()
        self.bytes_in_memory = 0


class _HeldShelf(Shelf):
    def __init__(self, rows: Mapping[str, Float32Array]) -> None:
        self._held = dict(rows)

    def __contains__(self, clip: str) -> bool:
        return clip in self._held

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def rows(self, clips: Sequence[str]) -> StoredRows:
        if missing := [clip for clip in clips if clip not in self._held]:
            raise RowsLost(missing[0])
        found = [self._held[clip] for clip in clips]
        return StoredRows(len(found), len(found[0]) if found else 0, partial(_columns, found))


def _columns(rows: Sequence[Float32Array], columns: slice) -> Float32Array:
    return np.stack([row[columns] for row in rows])


@contextmanager
def scratch_store(at_most: int) -> Iterator[Store]:
    """A store that is gone after the body: in memory up to `at_most` bytes, and with more in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="videotcav-") as folder:
        store = HeldStore(folder, at_most)
        try:
            yield store
        finally:
            store.forget()


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
