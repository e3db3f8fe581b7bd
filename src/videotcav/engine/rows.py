"""A matrix that grows by rows and is read by columns: what the passes produce, one row a clip."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]


class Rows:
    """`rows × columns` float32, of which at most `memory_bytes` stay in memory; the rest lies in a scratch file.

    The scratch file has no name in the file system and is gone when the object is closed or the process dies.
    """

    def __init__(self, *, memory_bytes: int, scratch: Path | None = None) -> None:
        self._memory_bytes = memory_bytes
        self._scratch = scratch
        self._kept: list[Float32Array] = []
        self._kept_rows = 0
        self._spilled_rows = 0
        self._file: IO[bytes] | None = None
        self.columns = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return self._kept_rows + self._spilled_rows

    def close(self) -> None:
        """Forgets the rows and their scratch file."""
        self._kept.clear()
        if self._file is not None:
            self._file.close()

    def append(self, rows: Float32Array) -> None:
        """Adds `rows × columns`; every call must bring the same number of columns."""
        if self.columns and rows.shape[1] != self.columns:
            raise ValueError(f"rows have {self.columns} columns, got {rows.shape[1]}")
        self.columns = rows.shape[1]
        row_bytes = self.columns * 4
        fits = self._file is None and (self._kept_rows + len(rows)) * row_bytes <= self._memory_bytes
        if fits:
            self._kept.append(np.array(rows, dtype=np.float32))
            self._kept_rows += len(rows)
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._scratch)  # noqa: SIM115 - closed in close()
        self._file.write(np.ascontiguousarray(rows, dtype=np.float32).tobytes())
        self._spilled_rows += len(rows)

    def column_blocks(self, block_columns: int) -> Iterator[Float32Array]:
        """Blocks of all rows, `rows × block_columns` (the last one narrower), left to right."""
        spilled = self._spilled()
        for start in range(0, self.columns, block_columns):
            stop = min(start + block_columns, self.columns)
            parts = [rows[:, start:stop] for rows in self._kept]
            if spilled is not None:
                parts.append(spilled[:, start:stop])
            yield np.concatenate(parts)

    def _spilled(self) -> Float32Array | None:
        if self._file is None:
            return None
        self._file.flush()
        return np.memmap(self._file, dtype=np.float32, mode="r", shape=(self._spilled_rows, self.columns))
