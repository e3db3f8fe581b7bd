"""Rows that a user saves to one Parquet file, outside any run folder, and reads back."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from videotcav.errors import RunFolderError
from videotcav.outputs import refuse_overwriting, whole_file
from videotcav.results.read import AnyRecord, read_rows


class _Row(Protocol):
    def as_row(self) -> dict[str, object]: ...


def save_rows(path: Path | str, rows: Iterable[_Row], *, key: str, about: str) -> Path:
    """Where the rows now lie, with `about` under `key`. Raises OutputError."""
    path = Path(path)
    refuse_overwriting([path])
    table = pa.Table.from_pylist([row.as_row() for row in rows])
    with whole_file(path) as unfinished:
        pq.write_table(table.replace_schema_metadata({key: about}), unfinished)
    return path


def saved_rows(path: Path | str, kind: type[AnyRecord], *, key: str, writer: str) -> tuple[tuple[AnyRecord, ...], str]:
    """The rows that `save_rows` wrote, and what it said of them. Raises RunFolderError where it did not."""
    rows = read_rows(Path(path), kind)
    about = (pq.read_schema(path).metadata or {}).get(key.encode())
    if about is None:
        raise RunFolderError(f"{path} is a table, but not one that {writer}.save wrote; read_run reads a run")
    return rows, about.decode()
