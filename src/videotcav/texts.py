"""Text that people bring: read within bounds, so that no file, however large, deep or endless, holds the tool up."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import stat
import tomllib
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from videotcav.errors import TextNotFound, UnreadableText, repeated

MOST_BYTES = 2**30
"""Of a file of data: boxes, tables, decisions."""

MOST_STUDY_BYTES = 2**20
"""Of a file that a person writes."""

_DEEPEST = 100  # brackets in brackets, or names in a dotted key
_DOTTED = re.compile(rf"^[^=#\n]*?(?:\.[^=#\n.]*){{{_DEEPEST}}}", re.MULTILINE)


def read_bytes(path: Path | str, *, most_bytes: int = MOST_BYTES) -> bytes:
    """The content of a regular file of at most so many bytes. Raises UnreadableText."""
    path = Path(path)
    try:
        if not path.exists() and path.is_symlink():
            raise TextNotFound(path, f"is a link to {path.readlink()}, which is not there")
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise UnreadableText(path, "is no file with text in it")
            if found.st_size > most_bytes:
                raise UnreadableText(path, f"has {found.st_size:,} bytes; at most {most_bytes:,} are read")
            return file.read(most_bytes)
    except FileNotFoundError:
        raise TextNotFound(path, "cannot be read: there is no such file") from None
    except OSError as error:
        raise UnreadableText(path, f"cannot be read: {error.strerror or error}") from None


def read_text(path: Path | str, *, most_bytes: int = MOST_BYTES) -> str:
    """The text of a file in UTF-8, with or without a byte order mark. Raises UnreadableText."""
    try:
        return read_bytes(path, most_bytes=most_bytes).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnreadableText(path, "cannot be read: it is not UTF-8 text") from None


def read_names(path: Path | str) -> tuple[str, ...]:
    """The names in a file, one a line, whose numbers count from 0. Raises UnreadableText, also where there are none."""
    lines = re.split(r"\r\n|\r|\n", read_text(path).rstrip())  # not splitlines(): a name may hold U+2028 or U+0085
    names = tuple(line.strip() for line in lines)
    if Path(path).suffix.lower() in {".json", ".yaml", ".yml"}:
        raise UnreadableText(path, "is no list of names, one a line")
    if names == ("",):
        raise UnreadableText(path, "holds no names")
    if "" in names:
        raise UnreadableText(path, f"line {names.index('') + 1} is empty; the names below it have other numbers then")
    return names


def read_toml(path: Path | str) -> tuple[str, dict[str, Any]]:
    """The text of a TOML file and what it says. Raises UnreadableText."""
    text = read_text(path, most_bytes=MOST_STUDY_BYTES)
    if _DOTTED.search(text):
        raise UnreadableText(path, f"is not TOML that is read here: a key has more than {_DEEPEST} parts")
    try:
        return text, tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise UnreadableText(path, f"is not TOML: {_said(error)}") from None


def read_json(path: Path | str, *, most_bytes: int = MOST_BYTES) -> Any:
    """What a JSON file says. Raises UnreadableText."""
    return parse_json(read_bytes(path, most_bytes=most_bytes), path)


def parse_json(
    content: bytes | str,
    path: object,
    *,
    parse_float: Callable[[str], Any] = float,
    object_pairs_hook: Callable[[list[tuple[str, Any]]], Any] | None = None,
) -> Any:
    """What a JSON text says; `path` is where it came from. Raises UnreadableText."""
    try:
        return json.loads(content, parse_float=parse_float, object_pairs_hook=object_pairs_hook)
    except (ValueError, RecursionError) as error:
        raise UnreadableText(path, f"is not JSON: {_said(error)}") from None


def read_table(path: Path | str) -> list[dict[str, str]]:
    """The rows of a CSV table (`.tsv`: with tabs) by the names in its first line, told without blanks around them.

    Raises UnreadableText, also where two columns have one name, or a row has more cells than the first line names.
    """
    text = read_text(path).replace("\0", "")
    lines = csv.reader(io.StringIO(text, newline=""), delimiter="\t" if Path(path).suffix.lower() == ".tsv" else ",")
    try:
        names = [name.strip() for name in next(lines, [])]
        if twice := repeated(filter(None, names)):
            raise UnreadableText(path, f"names the column '{twice[0]}' twice; rename one")
        rows = []
        for cells in filter(None, lines):
            if any(cell.strip() for cell in cells[len(names) :]):
                raise UnreadableText(
                    path,
                    f"line {lines.line_num} has {len(cells)} cells, and the first line names {len(names)} columns; put "
                    "text with commas in quotes",
                )
            rows.append(dict(zip_longest(names, cells[: len(names)], fillvalue="")))
    except csv.Error as error:
        raise UnreadableText(path, f"is not CSV: {error}") from None
    return rows


def first_problem(error: ValidationError) -> str:
    """The first thing that a record has against what it was given, as the end of a sentence."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}{': ' * bool(where)}{first['msg'].removeprefix('Value error, ')}"


def _said(error: Exception) -> str:
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
