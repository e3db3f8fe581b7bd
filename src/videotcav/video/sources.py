"""What was cut from what: the one table of a study that says which recording each clip comes from.

Clips of one source are never treated as independent, whichever of a study's folders they lie in. Where the table has a
column of groups (patients, sites, matches), its groups take the place of sources.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path

from videotcav.errors import UnreadableText, VideotcavWarning
from videotcav.texts import read_table
from videotcav.video.segment import clip_name, file_of


class Sources:
    """The source of a file: what a table says, or None. Remembers what was asked, to tell what did not fit.

    `videos` are the sources of the files that `unit` was asked about.
    """

    def __init__(
        self,
        rows: Mapping[Path | str, str] | None = None,
        *,
        table: str = "the table of sources",
        groups: Mapping[Path | str, str] | None = None,
        grouped_by: str = "",
    ) -> None:
        self._groups = dict(groups or {})
        self._grouped_by = grouped_by
        self._alone: list[Path] = []
        self.videos: dict[Path, str] = {}
        self._rows = {Path(path).resolve(): source for path, source in (rows or {}).items()}
        self._table = table
        self._asked: dict[Path, bool] = {}

    @classmethod
    def read(cls, table: Path, *, file: str = "file", source: str = "source", group: str | None = None) -> Sources:
        """The table with these columns; files lie relative to it.

        Raises:
            UnreadableText: it cannot be read, lacks a column, or names two sources of one file, or no group or two
                groups of one source.
        """
        rows = read_table(table)
        missing = [name for name in (file, source, group) if name and rows and name not in rows[0]]
        if missing or not rows:
            found = ", ".join(filter(None, rows[0])) if rows else "no rows"
            raise UnreadableText(table, f"the table has no column {' and no '.join(missing) or file}; found: {found}")
        told: dict[Path | str, str] = {}
        for row in rows:
            path = (table.parent / row[file]).resolve()
            if told.setdefault(path, row[source]) != row[source]:
                raise UnreadableText(table, f"names two sources of {row[file]}: '{told[path]}' and '{row[source]}'")
        if group is None:
            return cls(told, table=str(table))
        groups: dict[Path | str, str] = {}
        for row in rows:
            if not row[group]:
                raise UnreadableText(table, f"names no {group} of {row[file]}")
            source_or_file = row[source] or (table.parent / row[file]).resolve()
            known = groups.setdefault(source_or_file, row[group])
            if known != row[group]:
                raise UnreadableText(table, f"column {group}: '{source_or_file}' is of '{known}' and of '{row[group]}'")
        return cls(told, table=str(table), groups=groups, grouped_by=group)

    def unit(self, path: Path, own: str, cut_from: Path | None = None) -> str:
        """What a file is drawn, flipped and permuted with: the group of its source, or else that source.

        `own` is its source where the table does not say.
        """
        source = self.of(path, cut_from) or own
        self.videos[path] = source
        group = self._group(path, source) or (cut_from and self._group(cut_from, source))
        if self._grouped_by and not group:
            self._alone.append(path)
        return group or source

    def _group(self, path: Path, source: str) -> str | None:
        return self._groups.get(source) or self._groups.get(file_of(path.resolve()))

    def of(self, path: Path, cut_from: Path | None = None) -> str | None:
        """The source of a file, or else of the video that it was cut from; None where the table does not say."""
        for each in (path, cut_from, file_of(path), cut_from and file_of(cut_from)):
            if each is not None and each.resolve() in self._rows:
                self._asked[each.resolve()] = True
                return self._rows[each.resolve()]
        if cut_from is None:  # else its own table says what it was cut from
            self._asked[path.resolve()] = False
        return None

    def remarks(self) -> list[str]:
        """What did not fit, in sentences: rows of files that are not there, and files that have no row.

        Raises:
            UnreadableText: no row fits any file, or a file without a group is called as a group is.
        """
        if not self._rows:
            return []
        names = set(self._groups.values())
        for path in self._alone:
            if self.videos[path] in names:
                raise UnreadableText(
                    self._table,
                    f"says no {self._grouped_by} of {path}, and its source has the name of one: '{self.videos[path]}'",
                )
        unknown = [path for path, known in self._asked.items() if not known]
        lost = [path for path in self._rows if not self._asked.get(path) and not file_of(path).exists()]
        if not any(self._asked.values()):
            raise UnreadableText(
                self._table,
                f"none of its {len(self._rows)} rows is about a file of this study, the first is about "
                f"{next(iter(self._rows))}; paths in it are relative to the table",
            )
        found = []
        if self._grouped_by:
            found.append(
                f"All clips of one {self._grouped_by}, by that column of {self._table}, count as one source video."
            )
            if self._alone:
                found.append(
                    f"{len(self._alone)} clips have no {self._grouped_by}, the first is {self._alone[0]}: each source "
                    "video of theirs counts by itself."
                )
        elif unknown:
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


_FROM_NAMES = (
    re.compile(r"([\w-]{11})_\d{6}_\d{6}"),  # Kinetics: YouTube id and seconds
    re.compile(r"v_(\w+_g\d{2})_c\d{2}"),  # UCF101: clips of one group are of one recording
)


def source_in(path: Path | str) -> str:
    """What the name of a file, or of a segment's, says it was cut from: of Kinetics and UCF101; else empty."""
    name = file_of(Path(path)).stem
    return next((found[1] for form in _FROM_NAMES if (found := form.fullmatch(name))), "")


def named_source(path: Path, told: Mapping[str, str]) -> str:
    """What is told of a clip or of its file, see `sources_by_name`, or what its name says; else empty."""
    return told.get(clip_name(path)) or told.get(file_of(path).stem) or source_in(path)


def sources_by_name(place: Path | str, told: Iterable[tuple[Path, str]]) -> dict[str, str]:
    """What each clip is from, by its `clip_name`, where anything is told of it by a table or list (`place`).

    Raises UnreadableText where two are told of one name.
    """
    found: dict[str, str] = {}
    for path, source in told:
        name = clip_name(path)
        if source and found.setdefault(name, source) != source:
            both = f"'{found[name]}' and of '{source}'"
            raise UnreadableText(place, f"says that '{name}' is of {both}; videos go by their names here")
    return found


def tell_rows_of_others(sources: Mapping[str, str], paths: Iterable[Path]) -> None:
    """Warns where sources are named, by name without ending, of videos that are not among these."""
    here = {name for path in paths for name in (clip_name(path), file_of(path).stem)}
    if elsewhere := sorted(sources.keys() - here):
        message = (
            f"{len(elsewhere)} rows of sources are about videos that are not among these, such as '{elsewhere[0]}'"
        )
        warnings.warn(message, VideotcavWarning, stacklevel=4)


def counted_pieces(paths: Iterable[Path]) -> Iterator[tuple[str, list[Path]]]:
    """Files that look like pieces of several longer videos by their names: what they share, and the files.

    `match_a_001.mp4`, `match_a_002.mp4` beside `match_b_001.mp4`: a counter behind more than one name. One name with a
    counter behind it says nothing.
    """
    groups: dict[tuple[Path, str], list[tuple[int, Path]]] = {}
    for path in dict.fromkeys(map(file_of, paths)):
        if found := re.fullmatch(r"(.*?\D)(\d{1,6})", path.stem):
            groups.setdefault((path.parent, found[1]), []).append((int(found[2]), path))
    several = {key: sorted(files) for key, files in groups.items() if len(files) > 1}
    folders = [folder for folder, _ in several]
    for (folder, name), files in several.items():
        steps = [later - earlier for (earlier, _), (later, _) in pairwise(files)]
        if folders.count(folder) > 1 and min(steps) > 0:
            yield name, [path for _, path in files]
