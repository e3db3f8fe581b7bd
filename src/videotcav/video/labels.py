"""What people know of their videos: a table of files, each with a label in every column."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from videotcav.errors import UnreadableText, closest, repeated
from videotcav.texts import parse_json, read_bytes, read_table, read_text
from videotcav.video.segment import file_of

FILE_COLUMNS = ("file", "file_name")
"""What the column of files may be called: as other tables of ours have it, or as `metadata.jsonl` does."""

MISSING = ("", "NA", "N/A", "NaN", "nan", "null")
"""Cells that say nothing, as spreadsheets and data frames write them."""


class Labels:
    """The labels of files by column, as text; None where the table does not say. Remembers what was asked.

    A row is about a clip, or about the video that clips were cut from: by its path, or by the name of its source.
    """

    def __init__(
        self, rows: Mapping[Path | str, Mapping[str, str | None]], *, table: Path | str = "the table of labels"
    ) -> None:
        self.table = table
        self._rows = {str(name): dict(row) for name, row in rows.items()}
        self._paths = {(Path(table).parent / name).resolve(): name for name in self._rows}
        self.columns = tuple(dict.fromkeys(column for row in self._rows.values() for column in row))
        self._asked: set[str] = set()

    @classmethod
    def read(cls, table: Path | str) -> Labels:
        """The table (CSV, JSONL or Parquet): its column `file` or `file_name` names paths relative to it, or sources.

        All other columns are labels, but for those that hold lists or tables.

        Raises:
            UnreadableText: it cannot be read, names a column twice or no file, or gives a file two labels of a column.
        """
        table = Path(table)
        rows = rows_in_table(table)
        columns = tuple(dict.fromkeys(column for row in rows for column in row))
        file = next((name for name in FILE_COLUMNS if name in columns), None)
        if file is None:
            found = ", ".join(filter(None, columns)) or "no rows"
            raise UnreadableText(table, f"the table has no column file; found: {found}")
        nested = {name for row in rows for name, value in row.items() if isinstance(value, list | dict | tuple)}
        names = [name for name in columns if name and name != file and name not in nested]
        told: dict[Path, tuple[str, dict[str, str | None]]] = {}
        for number, row in enumerate(rows, 1):
            name = as_label(row.get(file))
            if name is None:
                raise UnreadableText(table, f"row {number} names no file; fill in the column {file}")
            path = (table.parent / name).resolve()
            labels = {column: as_label(row.get(column)) for column in names}
            known = told.setdefault(path, (name, labels))[1]
            if other := next((column for column in names if known[column] != labels[column]), None):
                raise UnreadableText(
                    table,
                    f"says two things of {name}: {other} is {_shown(known[other])} and {_shown(labels[other])}",
                )
        return cls(dict(told.values()), table=table)

    def of(self, column: str, path: Path, cut_from: Path | None = None, source: str = "") -> str | None:
        """The label of a file, or else of the video that it was cut from, or of its source; None where the table does
        not say.
        """
        files = (path, cut_from, file_of(path), cut_from and file_of(cut_from))
        paths = (self._paths.get(each.resolve()) for each in files if each is not None)
        for name in (*paths, source):
            row = self._rows.get(name or "")
            if name and row is not None:
                self._asked.add(name)
                if row.get(column) is not None:
                    return row[column]
        return None

    def refuse_unknown(self, columns: Iterable[str]) -> None:
        """Nothing where the table has all of these columns. Raises UnreadableText with the closest name."""
        for column in columns:
            if column not in self.columns:
                near = closest(column, self.columns)
                known = f"closest: {near}" if near else f"it has: {', '.join(self.columns) or 'no labels'}"
                raise UnreadableText(self.table, f"has no column '{column}' of labels; {known}")

    def remarks(self) -> list[str]:
        """What did not fit, in sentences: rows of files that are not there.

        Raises:
            UnreadableText: no row is about any file that was asked for.
        """
        if not self._asked:
            first = next(iter(self._rows), None)
            raise UnreadableText(
                self.table,
                f"none of its {len(self._rows)} rows is about a clip or a source video here, the first is about "
                f"{first}; paths in it are relative to the table",
            )
        lost = [path for path, name in self._paths.items() if name not in self._asked and not file_of(path).exists()]
        if not lost:
            return []
        said = f"{len(lost)} of {len(self._rows)} rows of {self.table} are about files that are not there"
        return [f"{said}, the first is {lost[0]}."]


def as_label(value: object) -> str | None:
    """A cell as text, so that 1, 1.0 and "1" are one label; None where it says nothing."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if math.isnan(value):
            return None
        value = int(value) if value.is_integer() else value
    text = "" if value is None else str(value).strip()
    return None if text in MISSING else text


def rows_in_table(table: Path) -> Sequence[Mapping[str, Any]]:
    """The rows of a table by the names of its columns: CSV, TSV, JSONL or Parquet. Raises UnreadableText."""
    content = read_bytes(table)
    if table.suffix.lower() in (".jsonl", ".ndjson") or content.lstrip()[:1] == b"{":
        lines = enumerate(read_text(table).split("\n"), 1)  # not splitlines(): a name may hold U+2028 or U+0085
        return [_line(line, table, number) for number, line in lines if line.strip()]
    if table.suffix.lower() == ".parquet" or content.startswith(b"PAR1"):
        try:
            found = pq.read_table(pa.BufferReader(content), use_threads=False)
        except (pa.ArrowException, OSError) as error:
            raise UnreadableText(table, f"is not Parquet: {str(error).splitlines()[0]}") from None
        _refuse_twice([name.strip() for name in found.column_names], table)
        return [{name.strip(): value for name, value in row.items()} for row in found.to_pylist()]
    return read_table(table)


def _line(line: str, table: Path, number: int) -> dict[str, Any]:
    where = f"{table}, line {number}"

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        _refuse_twice([name.strip() for name, _ in pairs], where)
        return {name.strip(): value for name, value in pairs}

    row = parse_json(line, where, object_pairs_hook=once)
    if not isinstance(row, dict):
        raise UnreadableText(where, "is no object with a name and a value for each column")
    return row


def _refuse_twice(names: Sequence[str], where: object) -> None:
    if twice := repeated(filter(None, names)):
        raise UnreadableText(where, f"names the column '{twice[0]}' twice; rename one")


def _shown(label: str | None) -> str:
    return "empty" if label is None else f"'{label}'"
