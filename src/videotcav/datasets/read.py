"""A list of clips as a study or a probe takes it: videos by class, what each was cut from, and what did not fit."""

from __future__ import annotations

import hashlib
import os
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field

from videotcav.datasets.forms import form_of, listed_rows
from videotcav.datasets.rows import ClipList, Row, lines_of
from videotcav.errors import UnreadableText, VideotcavWarning, closest
from videotcav.records import Record
from videotcav.texts import read_json
from videotcav.video.segment import clip_name, segment_path
from videotcav.video.sources import sources_by_name

_WORD = r"(?:\w+_)?(?:id|index|number|label|class|name)s?"
_HEADER = re.compile(rf"{_WORD}[\s,]+{_WORD}", re.IGNORECASE)


class Listed(Record):
    """The clips of a list: paths by class, which may be segments, and sources and groups of those that have one."""

    classes: dict[str, tuple[Path, ...]]
    sources: dict[Path, str] = Field(default_factory=dict)
    groups: dict[Path, str] = Field(default_factory=dict)
    remarks: tuple[str, ...] = ()


def read_list(given: ClipList, folder: Path, *, seed: int = 0) -> Listed:
    """The clips of a list; its paths are relative to `folder`, and those in it to the folder of videos.

    Clips whose file is not there are left out and told.

    Raises:
        UnreadableText: the list, or what is said of it, does not fit; no file is there; a clip has two classes; two
            classes differ by their case alone.
    """
    place = folder / given.list
    beside = place if place.is_dir() else place.parent
    videos = beside if given.videos is None else folder / given.videos
    given = given.model_copy(update={"form": given.form or form_of(given, place)})
    rows = listed_rows(given, place)
    remarks: list[str] = []
    rows = _of_split(rows, given, place)
    if unlabelled := [row for row in rows if not row.label]:
        remarks.append(_told(len(unlabelled), len(rows), place, "name no class", unlabelled[0].where))
        rows = [row for row in rows if row.label]
    rows = _of_classes(_named(rows, given, folder, place), given, place)
    found = _found(rows, videos, given, place, remarks)
    grouped = [row for row in found.values() if row.group]
    if grouped and len(grouped) < len(found):
        alone = next(row for row in found.values() if not row.group)
        raise UnreadableText(place, f"{alone.where} names no group, and other rows do: fill in all or none")
    classes: dict[str, list[Path]] = {}
    for path in sorted(found):
        classes.setdefault(found[path].label, []).append(path)
    if given.limit_per_class is not None:
        classes = {name: _drawn(paths, videos, given.limit_per_class, seed) for name, paths in classes.items()}
    kept = {path for paths in classes.values() for path in paths}
    return Listed(
        classes={name: tuple(classes[name]) for name in sorted(classes)},
        sources={path: row.source for path, row in found.items() if row.source and path in kept},
        groups={path: row.group for path, row in found.items() if row.group and path in kept},
        remarks=tuple(remarks),
    )


def clips_and_sources(
    videos: Path | str | Sequence[Path | str] | ClipList, sources: Mapping[str, str] | None = None, *, seed: int = 0
) -> tuple[Path | str | Sequence[Path | str], dict[str, str]]:
    """Videos as they are given, or the clips of a list; and what they were cut from, by name, as `sources` says first.

    What there is to tell of a list is told in a VideotcavWarning. Raises as `read_list`.
    """
    if not isinstance(videos, ClipList):
        return videos, {**(sources or {})}
    listed = read_list(videos, Path(), seed=seed)
    for remark in listed.remarks:
        warnings.warn(remark, VideotcavWarning, stacklevel=3)
    paths, known = [path for paths in listed.classes.values() for path in paths], listed.sources | listed.groups
    told = sources_by_name(videos.list, known.items())
    if alone := next((path for path in paths if path not in known and clip_name(path) in told), None):
        raise UnreadableText(
            videos.list,
            f"names a source of one '{clip_name(alone)}' and none of {alone}; videos go by their names here: name both",
        )
    return paths, {**told, **(sources or {})}


def _found(rows: Sequence[Row], videos: Path, given: ClipList, place: Path, remarks: list[str]) -> dict[Path, Row]:
    """The clips that are there, each with its row; adds what is told of the others."""
    found: dict[Path, Row] = {}
    again, lost = [], []
    for row in rows:
        path = _path(row, videos, given, place)
        if path is None:
            lost.append(row)
            continue
        known = found.setdefault(path, row)
        for what, one, other in (
            ("classes", known.label, row.label),
            ("sources", known.source, row.source),
            ("groups", known.group, row.group),
        ):
            if one != other:
                raise UnreadableText(
                    place, f"gives {path} two {what}: '{one}' in {known.where}, '{other}' in {row.where}"
                )
        if known is not row:
            again.append(row)
    if lost and not found:
        raise UnreadableText(
            place, f"none of the files of its {len(rows)} rows is there, the first would be {videos / lost[0].paths[0]}"
        )
    if lost:
        first = videos / lost[0].paths[0]
        remarks.append(_told(len(lost), len(rows), place, "are about files that are not there", str(first)))
    if again:
        remarks.append(_told(len(again), len(rows), place, "name a clip again, which counts once", again[0].where))
    return found


def _told(count: int, of: int, place: Path, what: str, first: str) -> str:
    return f"{count} of {of} rows of {place} {what}, the first is {first}."


def _of_split(rows: Sequence[Row], given: ClipList, place: Path) -> list[Row]:
    if not given.split:
        return list(rows)
    kept = [row for row in rows if row.split.casefold() == given.split.casefold()]
    if not kept:
        known = sorted({row.split for row in rows if row.split})
        raise UnreadableText(place, f"has no split '{given.split}'; it has: {', '.join(known) or 'none'}")
    return kept


def _named(rows: Sequence[Row], given: ClipList, folder: Path, place: Path) -> list[Row]:
    """The rows with the names of their classes: of numbers what the file of labels says, or else the model's number."""
    numbers = [int(row.label) for row in rows if row.label.isdecimal()]
    if numbers and len(numbers) < len(rows):
        odd = next(row for row in rows if not row.label.isdecimal())
        raise UnreadableText(place, f"{odd.where}: class '{odd.label}' is a name, and other classes are numbers")
    if given.labels is None:
        if numbers and given.numbers_from is None:
            raise UnreadableText(
                place,
                f"its classes are numbers ({min(numbers)} to {max(numbers)}): say what they are called, as labels = "
                '"classes.txt", or that they are the model\'s own, as numbers_from = 0 (or 1)',
            )
        base = given.numbers_from or 0
        if numbers and min(numbers) < base:
            raise UnreadableText(place, f"has the class {min(numbers)}, and numbers_from = {base}")
        return [row._replace(label=str(int(row.label) - base)) for row in rows] if numbers else list(rows)
    file = folder / given.labels
    names, known = _labels(file, given, bool(numbers) and 0 in numbers)
    if numbers:
        if absent := sorted({number for number in numbers if number not in names}):
            raise UnreadableText(place, f"has the class {absent[0]}, which {file} does not name")
        return [row._replace(label=names[int(row.label)]) for row in rows]
    for row in rows:
        if row.label not in known:
            near = closest(row.label, known) or ", ".join(sorted(known)[:3])
            raise UnreadableText(place, f"{row.where}: class '{row.label}' is not named in {file}; closest: {near}")
    return list(rows)


def _labels(file: Path, given: ClipList, has_zero: bool) -> tuple[Mapping[int, str], set[str]]:
    """The names by number, and all of them."""
    if file.suffix.lower() == ".json":
        raw = read_json(file)
        raw = dict(enumerate(raw, given.numbers_from or 0)) if isinstance(raw, list) else raw
        if not isinstance(raw, dict):
            raise UnreadableText(file, "has no names of classes")
        pairs = [(str(one), str(other)) for one, other in raw.items()]
        if all(number.isdecimal() for number, _ in pairs):
            named = {int(number): name for number, name in pairs}
        elif all(number.isdecimal() for _, number in pairs):
            named = {int(number): name for name, number in pairs}
        else:
            raise UnreadableText(file, "has no number for every class")
        named = {number: re.sub(r'[\[\]"]', "", name) for number, name in named.items()}  # SSv2's, and PyTorchVideo's
        return named, set(named.values())
    lines = [line for _, line in lines_of(file)]
    lines = lines[1:] if lines and _HEADER.fullmatch(lines[0]) else lines
    forms = (r"(?P<number>\d+)[\s,]+(?P<name>.+)", r"(?P<name>.+?)\s*[,\t]\s*(?P<number>\d+)")
    numbered = next((found for form in forms if all(found := [re.fullmatch(form, line) for line in lines])), [])
    if numbered:
        named = {int(found["number"]): found["name"].strip('"') for found in numbered if found}
    elif given.numbers_from is None and not has_zero:
        raise UnreadableText(file, "has names without numbers: say what they are counted from, as numbers_from = 0")
    else:
        named = dict(enumerate(lines, given.numbers_from or 0))
    if len(named) < len(lines):
        raise UnreadableText(file, "gives two classes one number")
    return named, set(named.values())


def _of_classes(rows: Sequence[Row], given: ClipList, place: Path) -> list[Row]:
    labels = dict.fromkeys(row.label for row in rows)
    for name in given.include:
        if name not in labels:
            near = closest(name, labels) or ", ".join([*labels][:3])
            raise UnreadableText(place, f"include: it has no class '{name}'; closest: {near}")
    kept = [row for row in rows if row.label in given.include] if given.include else list(rows)
    if not kept:
        raise UnreadableText(place, "names no class")
    seen: dict[str, str] = {}
    for name in dict.fromkeys(row.label for row in kept):
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            raise UnreadableText(place, f"has the classes '{other}' and '{name}', which differ by their case alone")
    return kept


def _path(row: Row, videos: Path, given: ClipList, place: Path) -> Path | None:
    """The clip of a row, its file being the first that is there; None where none is."""
    names = [each for path in row.paths for each in dict.fromkeys([path, path.replace("\\", "/")])]
    file = next((videos / name for name in names if os.path.lexists(videos / name)), None)
    if file is None:
        return None
    if row.start is not None and given.form == "kinetics":
        if file.stem == row.source and given.cut is None:
            raise UnreadableText(
                place,
                f"{file} may be the clip or the whole video of {row.where}: say which, as cut = true or cut = false",
            )
        if file.stem != row.source or given.cut:
            return file
    return segment_path(file, row.start, row.end)


def _drawn(paths: Sequence[Path], videos: Path, count: int, seed: int) -> list[Path]:
    """So many of the clips, the same ones however the list is ordered and wherever it lies."""

    def key(path: Path) -> str:
        own = path.relative_to(videos) if path.is_relative_to(videos) else path
        return hashlib.sha256(f"{seed} {own.as_posix()}".encode()).hexdigest()

    return sorted(sorted(paths, key=key)[:count])
