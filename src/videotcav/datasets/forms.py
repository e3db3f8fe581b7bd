"""The forms of lists: what each looks like, how its rows are read, and how it is told from the others."""

from __future__ import annotations

import csv
import glob
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from videotcav.datasets.rows import COLUMNS, LABELS, ClipList, FormName, Row, Table, lines_of
from videotcav.errors import UnreadableText
from videotcav.records import Record
from videotcav.texts import read_json
from videotcav.video.find import videos_in
from videotcav.video.sources import source_in


class DatasetForm(Record):
    """A form of list: what it looks like, what it needs, and what clips of it have as their source."""

    name: FormName
    looks_like: str
    needs: str
    source: str


FORMS = (
    DatasetForm(
        name="table",
        looks_like="path,label,start,end,source,group",
        needs="columns path and label; start, end (seconds), source and group may be left out",
        source="the column source, else the file",
    ),
    DatasetForm(
        name="path label",
        looks_like="abseiling/x.mp4 0 (SlowFast, VideoMAE, mmaction2)",
        needs="a path and a number a line; labels or numbers_from",
        source="the file; a Kinetics or UCF101 name as below",
    ),
    DatasetForm(
        name="kinetics",
        looks_like="label,youtube_id,time_start,time_end,split",
        needs="columns label, youtube_id, time_start, time_end; files ID_000010_000020.mp4",
        source="the YouTube id",
    ),
    DatasetForm(
        name="ssv2",
        looks_like='[{"id": "1", "template": "Pushing [something]"}]',
        needs="id and template; files 1.webm",
        source="the file",
    ),
    DatasetForm(
        name="ucf101",
        looks_like="ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1",
        needs="a path a line, of which the folder is the class",
        source="the group, as ApplyEyeMakeup_g08",
    ),
    DatasetForm(
        name="hmdb51",
        looks_like="clip_0.avi 1, in brush_hair_test_split1.txt",
        needs="files CLASS_test_splitN.txt; 1 is train, 2 test, and 0 is not used",
        source="the title before the class in the name",
    ),
    DatasetForm(
        name="folders",
        looks_like="videos/abseiling/x.mp4",
        needs="a folder with a folder of videos a class",
        source="the file; a Kinetics or UCF101 name as above",
    ),
)
"""Every form that is read."""

_UCF101 = re.compile(r"(?:(\w+)/)?(v_(\w+?)_g\d{2}_c\d{2})(\.\w+)?(?:\s+(\d+))?")
_HMDB51 = re.compile(r"(.+)_test_split(\d)\.txt")
_HMDB51_LINE = re.compile(r"(.+\.avi)\s+([012])")
_KINETICS = ("label", "youtube_id", "time_start", "time_end", "split")


def datasets() -> tuple[DatasetForm, ...]:
    """The forms of lists that are read as they are, with what each needs."""
    return FORMS


def listed_rows(given: ClipList, place: Path) -> list[Row]:
    """The rows of a list. Raises UnreadableText, also where its form cannot be told for certain."""
    readers: dict[FormName, Callable[[ClipList, Path], Iterator[Row]]] = {
        "table": _table,
        "path label": _path_label,
        "kinetics": _kinetics,
        "ssv2": _ssv2,
        "ucf101": _ucf101,
        "hmdb51": _hmdb51,
        "folders": _folders,
    }
    rows = list(readers[given.form or form_of(given, place)](given, place))
    if not rows:
        raise UnreadableText(place, "lists no clip")
    return rows


def form_of(given: ClipList, place: Path) -> FormName:
    """The form of a list, where it can be told for certain. Raises UnreadableText."""
    if place.is_dir():
        return "hmdb51" if any(_HMDB51.fullmatch(file.name) for file in place.glob("*.txt")) else "folders"
    if glob.has_magic(str(place)) and not place.exists():
        return "hmdb51"
    if place.suffix.lower() == ".json":
        return "ssv2"
    names = {name.casefold() for name in Table(place).names}
    lines = [line for _, line in lines_of(place)]
    tells: dict[FormName, bool] = {
        "kinetics": "youtube_id" in names,
        "table": all(given.columns.get(name, name).casefold() in names for name in LABELS),
        "ucf101": bool(lines) and all(_UCF101.fullmatch(line) for line in lines),
        "hmdb51": _HMDB51.fullmatch(place.name) is not None,
        "path label": bool(lines) and all(re.fullmatch(r".*[\s,;]\d+", line) for line in lines),
    }
    if form := next((name for name, is_it in tells.items() if is_it), None):
        return form
    known = ", ".join(f'"{each.name}"' for each in FORMS)
    raise UnreadableText(
        place, f"has no form that can be told for certain; say which: form = one of {known}, or name its columns"
    )


def _table(given: ClipList, place: Path) -> Iterator[Row]:
    table = Table(place)
    for row in table.rows((*COLUMNS, "split"), LABELS, given.columns):
        where = f"line {row['line']}"
        if not row["path"]:
            raise UnreadableText(place, f"{where} names no path")
        start, end = table.seconds(row, "start"), table.seconds(row, "end")
        if end is not None and end <= (start or 0):
            raise UnreadableText(place, f"{where}: a clip from {start or 0:g} s to {end:g} s has no length")
        yield Row(where, (row["path"],), row["label"], start, end, row["source"], row["group"], row["split"])


def _path_label(_: ClipList, place: Path) -> Iterator[Row]:
    lines = lines_of(place)
    parts = [_path_and_number(line) for _, line in lines]
    for (number, line), found in zip(lines, parts, strict=True):
        if found is None:
            raise UnreadableText(place, f"line {number} is no path with a number behind it: '{line[:80]}'")
        path, label = found
        yield Row(f"line {number}", (path,), label, source=source_in(path))


def _path_and_number(line: str) -> tuple[str, str] | None:
    """A path, which may hold blanks and commas, and the number behind it."""
    found = re.fullmatch(r"(.+?)\s*[\t ,;]\s*(\d+)", line)
    if found is None:
        return None
    path = next(csv.reader([found[1]], delimiter="\0"))[0] if found[1].startswith('"') else found[1]
    return path.strip(), found[2]


def _kinetics(given: ClipList, place: Path) -> Iterator[Row]:
    table = Table(place)
    if "label" not in {name.casefold() for name in table.names} and "label" not in given.columns:
        raise UnreadableText(place, "has no column label: the lists of test sets have none")
    for row in table.rows(_KINETICS, _KINETICS[:4], given.columns):
        start, end = (table.seconds(row, name) for name in ("time_start", "time_end"))
        if start is None or end is None or end <= start:
            raise UnreadableText(place, f"line {row['line']}: time_start and time_end are no seconds of a clip")
        label, name = row["label"], row["youtube_id"]
        folders = ["", *(f"{each}/" for each in dict.fromkeys([label, label.replace(" ", "_")]) if each)]
        if row["split"]:
            folders += [f"{row['split']}/{each}" for each in folders]
        named = f"{name}_{round(start):06}_{round(end):06}"
        paths = [f"{folder}{named}{ending}" for folder in folders for ending in (".mp4", ".mkv", ".webm")]
        whole = [f"{folder}{name}{ending}" for folder in folders for ending in (".mp4", ".mkv", ".webm")]
        where = f"line {row['line']}"
        yield Row(where, (*paths, *whole), label, start, end, name, split=row["split"])


def _ssv2(_: ClipList, place: Path) -> Iterator[Row]:
    found = read_json(place)
    if not isinstance(found, list) or not all(isinstance(each, dict) and "id" in each for each in found):
        raise UnreadableText(place, 'is no list of clips, as [{"id": "1", "template": "Pushing [something]"}]')
    if found and not any("template" in each for each in found):
        raise UnreadableText(place, "has no template, and so no classes: the list of a test set has none")
    for number, each in enumerate(found, 1):
        label = re.sub(r"[\[\]]", "", str(each.get("template", "")))
        yield Row(f"entry {number}", tuple(f"{each['id']}{ending}" for ending in (".webm", ".mp4")), label)


def _ucf101(_: ClipList, place: Path) -> Iterator[Row]:
    for number, line in lines_of(place):
        found = _UCF101.fullmatch(line)
        if found is None or (found[1] or found[3]).casefold() != found[3].casefold():  # HandstandPushups/v_HandStand…
            raise UnreadableText(place, f"line {number} is no clip of UCF101: '{line[:80]}'")
        label, stem, ending = found[1] or found[3], found[2], found[4] or ".avi"
        folder = f"{label}/{stem}{ending}"
        yield Row(f"line {number}", (folder, f"{stem}{ending}"), label, source=source_in(stem))


def _hmdb51(_: ClipList, place: Path) -> Iterator[Row]:
    files = _files(place)
    named = [(file, found) for file in files if (found := _HMDB51.fullmatch(file.name))]
    if not named:
        raise UnreadableText(place, "has no files CLASS_test_splitN.txt")
    splits = sorted({found[2] for _, found in named})
    if len(splits) > 1:
        raise UnreadableText(
            place, f'has the splits {", ".join(splits)}: take one of them, as list = "{place.name}/*_test_split1.txt"'
        )
    parts = {"1": "train", "2": "test"}
    for file, found in named:
        label = found[1]
        for number, line in lines_of(file):
            told = _HMDB51_LINE.fullmatch(line)
            if told is None:
                raise UnreadableText(file, f"line {number} is no name.avi with 0, 1 or 2 behind it: '{line[:80]}'")
            if told[2] == "0":
                continue
            title = told[1].partition(f"_{label}_")[0] if f"_{label}_" in told[1] else Path(told[1]).stem
            where = f"{file.name}, line {number}"
            yield Row(where, (f"{label}/{told[1]}", told[1]), label, source=title, split=parts[told[2]])


def _files(place: Path) -> Sequence[Path]:
    if place.is_dir():
        return sorted(place.glob("*.txt"))
    return [place] if place.exists() else sorted(map(Path, glob.glob(str(place))))  # noqa: PTH207 - absolute patterns too


def _folders(_: ClipList, place: Path) -> Iterator[Row]:
    if not place.is_dir():
        raise UnreadableText(place, "is no folder with a folder of videos a class")
    for folder in sorted(path for path in place.iterdir() if path.is_dir() and not path.name.startswith(".")):
        for video in videos_in(folder, below=True):
            yield Row(str(video), (str(video.absolute()),), folder.name, source=source_in(video))
