"""What every form of a list comes down to: rows that name a clip, its class and what it was cut from."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field

from videotcav.errors import UnreadableText, closest, repeated
from videotcav.records import Distinct, Record
from videotcav.texts import read_text

FormName = Literal["table", "path label", "kinetics", "ssv2", "ucf101", "hmdb51", "folders"]
COLUMNS = ("path", "label", "start", "end", "source", "group")
LABELS = ("path", "label")


class ClipList(Record):
    """A list of clips, and how it is to be read: see `datasets()` for the forms.

    Attributes:
        list: the file, folder or pattern.
        form: which form it has, where that cannot be told for certain.
        videos: the folder of the videos; the list's own when left out.
        include: the classes that are taken, as the list calls them; all when empty.
        split: the part that is taken ("train"), where the list has parts.
        limit_per_class: at most so many clips of each class, drawn by the seed; the order of rows is without effect.
        labels: a file with the names of numbered classes: one a line, `1 Name` a line, or JSON.
        numbers_from: 0 or 1, what classes are counted from; without `labels` they are the model's own.
        columns: what columns are called in the list, where that is otherwise.
        cut: of Kinetics files without seconds in their names, whether they are the clip alone.
    """

    list: Path
    form: FormName | None = None
    videos: Path | None = None
    include: Distinct[str] = ()
    split: str = ""
    limit_per_class: int | None = Field(default=None, ge=1)
    labels: Path | None = None
    numbers_from: Literal[0, 1] | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    cut: bool | None = None


class Row(NamedTuple):
    """A row of a list: paths that its video may have below the folder of videos, the first that is there being it."""

    where: str
    paths: tuple[str, ...]
    label: str
    start: float | None = None
    end: float | None = None
    source: str = ""
    group: str = ""
    split: str = ""


def lines_of(path: Path) -> list[tuple[int, str]]:
    """The lines of a text that hold anything, with their numbers."""
    lines = re.split(r"\r\n|\r|\n", read_text(path).replace("\0", ""))
    return [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]


class Table:
    """A table with a first line of names, its cells between commas, semicolons or tabs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        text = read_text(path).replace("\0", "")
        first = text.lstrip("\r\n").partition("\n")[0]
        self.delimiter = max(",;\t", key=first.count)
        try:
            lines = csv.reader(io.StringIO(text, newline=""), delimiter=self.delimiter, strict=True)
            self._rows = [(lines.line_num, [cell.strip() for cell in cells]) for cells in lines if any(cells)]
        except csv.Error as error:
            raise UnreadableText(path, f"is not CSV: {error}") from None
        self.names = self._rows[0][1] if self._rows else []

    def rows(self, wanted: Sequence[str], needed: Sequence[str], given: Mapping[str, str]) -> Iterator[dict[str, str]]:
        """The cells of the wanted columns, empty where there is none; `line` is where they stand.

        Raises UnreadableText where a needed column, or one that was given another name, is not there.
        """
        if twice := repeated(filter(None, self.names)):
            raise UnreadableText(self.path, f"names the column '{twice[0]}' twice; rename one")
        if unknown := [name for name in given if name not in wanted]:
            raise UnreadableText(self.path, f"columns: there is no '{unknown[0]}'; known are {', '.join(wanted)}")
        lower = {name.casefold(): place for place, name in reversed([*enumerate(self.names)])}
        places = {name: lower.get(given.get(name, name).casefold()) for name in wanted}
        for name in (*needed, *given):
            if places[name] is None:
                asked = given.get(name, name)
                near = closest(asked, self.names) or ", ".join(filter(None, self.names)) or "none"
                raise UnreadableText(
                    self.path, f'has no column {asked}; closest: {near}; columns = {{ {name} = "NAME" }} names it'
                )
        for number, cells in self._rows[1:]:
            if len(cells) > len(self.names) and any(cells[len(self.names) :]):
                raise UnreadableText(
                    self.path, f"line {number} has {len(cells)} cells, and the first line names {len(self.names)}"
                )
            found = {name: cells[at] if at is not None and at < len(cells) else "" for name, at in places.items()}
            yield {**found, "line": str(number)}

    def seconds(self, row: Mapping[str, str], name: str) -> float | None:
        """A cell as seconds, with a decimal comma where semicolons part cells; None where it is empty."""
        text = row[name].replace(",", ".") if self.delimiter != "," else row[name]
        if not text:
            return None
        if not re.fullmatch(r"\d+(\.\d*)?|\.\d+", text):
            raise UnreadableText(
                self.path, f"line {row['line']}: {name} is '{row[name]}'; expected seconds, a number from 0 on"
            )
        return float(text)
