"""What was cut from what: the one table of a study that says which recording each clip comes from.

Clips of one source are never treated as independent, whichever of a study's folders they lie in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from re import fullmatch

from videotcav.errors import UnreadableText
from videotcav.texts import read_table


class Sources:
    """The source of a file: what a table says, or None. Remembers what was asked, to tell what did not fit."""

    def __init__(self, rows: Mapping[Path | str, str] | None = None, *, table: str = "the table of sources") -> None:
        self._rows = {Path(path).resolve(): source for path, source in (rows or {}).items()}
        self._table = table
        self._asked: dict[Path, bool] = {}

    @classmethod
    def read(cls, table: Path, *, file: str = "file", source: str = "source") -> Sources:
        """The table with these two columns; files lie relative to it.

        Raises:
            UnreadableText: it cannot be read, lacks a column, or names two sources of one file.
        """
        rows = read_table(table)
        missing = [name for name in (file, source) if rows and name not in rows[0]]
        if missing or not rows:
            found = ", ".join(filter(None, rows[0])) if rows else "no rows"
            raise UnreadableText(table, f"the table has no column {' and no '.join(missing) or file}; found: {found}")
        told: dict[Path | str, str] = {}
        for row in rows:
            path = (table.parent / row[file]).resolve()
            if told.setdefault(path, row[source]) != row[source]:
                raise UnreadableText(table, f"names two sources of {row[file]}: '{told[path]}' and '{row[source]}'")
        return cls(told, table=str(table))

    def of(self, path: Path, cut_from: Path | None = None) -> str | None:
        """The source of a file, or else of the video that it was cut from; None where the table does not say."""
        for each in (path, cut_from):
            if each is not None and each.resolve() in self._rows:
                self._asked[each.resolve()] = True
                return self._rows[each.resolve()]
        if cut_from is None:  # else its own table says what it was cut from
            self._asked[path.resolve()] = False
        return None

    def remarks(self) -> list[str]:
        """What did not fit, in sentences: rows of files that are not there, and files that have no row.

        Raises:
            UnreadableText: no row fits any file.
        """
        if not self._rows:
            return []
        unknown = [path for path, known in self._asked.items() if not known]
        lost = [path for path in self._rows if not self._asked.get(path) and not path.exists()]
        if not any(self._asked.values()):
            raise UnreadableText(
                self._table,
                f"none of its {len(self._rows)} rows is about a file of this study, the first is about "
                f"{next(iter(self._rows))}; paths in it are relative to the table",
            )
        found = []
        if unknown:
            found.append(
                f"{self._table} says nothing about {len(unknown)} of {len(self._asked)} clips, the first is "
                f"{unknown[0]}: each of them counts as a source of its own."
            )
        if lost:
            found.append(
                f"{len(lost)} of {len(self._rows)} rows of {self._table} are about files that are not there, the first "
                f"is {lost[0]}."
            )
        return found


def as_sources(given: Mapping[Path | str, str] | Path | str | None) -> Sources:
    """Sources from a mapping of paths, a table, or nothing."""
    return Sources.read(Path(given)) if isinstance(given, str | Path) else Sources(given)


def counted_pieces(paths: Iterable[Path]) -> Iterator[tuple[str, list[Path]]]:
    """Files that look like pieces of several longer videos by their names: what they share, and the files.

    `match_a_001.mp4`, `match_a_002.mp4` beside `match_b_001.mp4`: a counter behind more than one name. One name with a
    counter behind it says nothing.
    """
    groups: dict[tuple[Path, str], list[tuple[int, Path]]] = {}
    for path in paths:
        if found := fullmatch(r"(.*?\D)(\d{1,6})", path.stem):
            groups.setdefault((path.parent, found[1]), []).append((int(found[2]), path))
    several = {key: sorted(files) for key, files in groups.items() if len(files) > 1}
    folders = [folder for folder, _ in several]
    for (folder, name), files in several.items():
        steps = [later - earlier for (earlier, _), (later, _) in pairwise(files)]
        if folders.count(folder) > 1 and min(steps) > 0:
            yield name, [path for _, path in files]
