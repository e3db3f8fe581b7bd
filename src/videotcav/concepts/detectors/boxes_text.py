"""Boxes as text: MOTChallenge's table, and the folders of YOLO that Ultralytics saves."""

from __future__ import annotations

import configparser
import hashlib
import math
import re
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from videotcav.concepts.detectors.boxes import BoxesFile, BoxRow, VideoBoxes
from videotcav.concepts.detectors.coco_names import COCO_NAMES
from videotcav.errors import BoxesError, VideotcavWarning
from videotcav.texts import read_bytes, read_names, read_text

FRAME_NUMBER = re.compile(r"_(\d+)$")
CLASSES = "classes.txt"
_LABELS = "labels.txt"  # CVAT's, beside gt.txt
_NAMES = {CLASSES, _LABELS}
_ANYTHING = ("object",)
_MOT_COLUMNS = 6
_FLAG, _CLASS, _VISIBILITY = 6, 7, 8  # columns of MOT, counted from 0
_TOO_LARGE = 2**53  # from here on not every whole number is a float
_YOLO_COLUMNS = 5
_OUTLINES, _KEYPOINTS = "yolo-outlines", "yolo-keypoints"
_NEAR, _MOST = 0.6, 0.8  # keypoints lie in their box or a tenth of its size beside it; a few that nobody sees lie at 0


def read_mot(path: Path, *, class_names: tuple[str, ...] | None) -> BoxesFile:
    """Rows of frame (from 1), instance (−1 unknown), left, top, width, height, score, class (from 1; −1 unknown).

    Without `class_names`, and `labels.txt` beside `gt.txt` as CVAT writes it, everything is an `object`. In ground
    truth the seventh column says whether a row is considered; rows with 0 are left out, which a warning tells.
    """
    if path.is_dir():
        nested = {gt: gt.parent.parent.name for gt in sorted(path.glob("*/gt/gt.txt"))}
        texts = nested or {text: text.stem for text in sorted(path.glob("*.txt")) if text.name not in _NAMES}
    else:
        texts = {path: path.parent.parent.name if path.name == "gt.txt" else path.stem}
    videos = {}
    names = class_names or _labels_of(texts) or _ANYTHING
    left_out = of = 0
    for text, video in texts.items():
        frames: dict[int, list[BoxRow]] = defaultdict(list)
        rows = list(_rows(text, least=_MOT_COLUMNS))
        considered = _considered(text, rows)
        left_out, of = left_out + len(rows) - len(considered), of + len(rows)
        for where, row in considered:
            frame, instance, left, top, width, height = row[:_MOT_COLUMNS]
            if frame < 1 or frame != int(frame):
                raise BoxesError(f"{where}: frame {frame:g}; MOT counts whole frames from 1")
            score = row[_FLAG] if len(row) > _FLAG and row[_FLAG] != -1 else 1.0
            if not 0 <= score <= 1:
                raise BoxesError(f"{where}: the seventh column is a score from 0 to 1, got {score:g}")
            number = row[_CLASS] if len(row) > _CLASS and row[_CLASS] != -1 else None
            if number is None and len(names) > 1:
                raise BoxesError(f"{where}: names no class (the eighth column), and there are {len(names)}")
            label = names[0] if number is None or names == _ANYTHING else class_of(names, number, where, first=1)
            known = None if instance < 0 else str(_whole(instance, "an instance", where))
            frames[int(frame) - 1].append(BoxRow(left, top, left + width, top + height, score, label, known))
        size, count = _sequence_of(text)
        videos[video] = VideoBoxes(frames=dict(frames), size=size, last=max(count - 1, 0))
    if left_out:
        told = f"{path}: {left_out} of {of} rows are left out, as ground truth does not consider them"
        warnings.warn(f"{told} (0 in the seventh column)", VideotcavWarning, stacklevel=2)
    return BoxesFile(path=path, sha256=_hash(texts), labels=names, videos=_some(path, videos))


def _sequence_of(text: Path) -> tuple[tuple[int, int] | None, int]:
    """Width and height, and the number of frames, of the sequence that ground truth is of, where MOT states them."""
    path = text.parent.parent / "seqinfo.ini"
    if text.name != "gt.txt" or not path.is_file():
        return None, 0
    said = configparser.ConfigParser(interpolation=None)
    try:
        said.read_string(read_text(path))
        width, height, count = (said.getint("Sequence", key) for key in ("imWidth", "imHeight", "seqLength"))
    except (configparser.Error, ValueError) as error:
        raise BoxesError(f"{path}: does not say size and length as MOT does: {' '.join(str(error).split())}") from None
    return (width, height), count


def _considered(text: Path, rows: list[tuple[str, list[float]]]) -> list[tuple[str, list[float]]]:
    """The rows of a text of MOT without those of ground truth that it says not to consider.

    The seventh column is that flag where it has 0 and 1 alone, in a file or folder named `gt` or beside a class and a
    visibility in every row. Raises BoxesError where it may as well be a score.
    """
    ignored = [where for where, row in rows if len(row) > _FLAG and row[_FLAG] == 0]
    if not ignored or any(row[_FLAG] not in {-1, 0, 1} for _, row in rows if len(row) > _FLAG):
        return rows
    of_truth = (len(row) > _VISIBILITY and row[_CLASS] >= 1 and 0 <= row[_VISIBILITY] <= 1 for _, row in rows)
    if "gt" not in {text.stem, text.parent.name} and not all(of_truth):
        raise BoxesError(
            f"{ignored[0]}: 0 in the seventh column is a score, or says that ground truth does not consider the row",
            hint="name ground truth <video>/gt/gt.txt, or leave out the rows whose score is 0",
        )
    return [(where, row) for where, row in rows if len(row) <= _FLAG or row[_FLAG] != 0]


def read_yolo(path: Path, *, class_names: tuple[str, ...] | None, form: str = "yolo") -> BoxesFile:
    """One text a frame, a row a thing: class (from 0), then shares of the frame, then perhaps score and instance.

    The shares are centre x, centre y, width, height, or the corners of an outline; `form` says which, where the
    numbers do not.
    """
    names = class_names or _class_names(path) or COCO_NAMES
    texts = {text: _frame_of(text) for text in sorted(path.glob("*.txt")) if text.name != CLASSES}
    lines = [(text, line) for text in texts for line in _rows(text, least=_YOLO_COLUMNS)]
    rows = _taken_apart([line for _, line in lines], form)
    videos: dict[str, dict[int, list[BoxRow]]] = defaultdict(lambda: defaultdict(list))
    for (text, _), row in zip(lines, rows, strict=True):
        video, frame = texts[text]
        known = videos[video][frame]
        if row.instance is not None and row.instance in {each.instance for each in known}:
            raise BoxesError(f"{row.where}: instance {row.instance} is in this frame already; is it a score of 1?")
        known.append(row.read(class_of(names, row.number, row.where, first=0), form))
    for video, frame in texts.values():
        videos[video].setdefault(frame, [])
    return BoxesFile(
        path=path,
        sha256=_hash(texts),
        labels=names,
        videos=_some(path, {video: VideoBoxes(frames=dict(frames), relative=True) for video, frames in videos.items()}),
    )


def _frame_of(text: Path) -> tuple[str, int]:
    """The video and the frame (from 0) that a text of YOLO is named after."""
    number = FRAME_NUMBER.search(text.stem)
    if number is None or int(number[1]) < 1:
        raise BoxesError(f"{text}: a text of YOLO is named <video>_<frame>.txt, frames counted from 1")
    return text.stem[: number.start()], int(number[1]) - 1


class _YoloRow(NamedTuple):
    """A row of YOLO taken apart: four shares are a box, more are an outline or a box with keypoints."""

    where: str
    number: float
    shares: list[float]
    score: float
    instance: str | None

    @property
    def is_box(self) -> bool:
        return len(self.shares) == 4  # noqa: PLR2004 - centre and sides

    def read(self, label: str, form: str) -> BoxRow:
        """The box, of an outline the one around it."""
        if self.is_box or form == _KEYPOINTS:
            x, y, width, height = self.shares[:4]
            edges = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
            return BoxRow(*edges, self.score, label, self.instance)
        across, down = self.shares[::2], self.shares[1::2]
        edges = (min(across), min(down), max(across), max(down))
        return BoxRow(*edges, self.score, label, self.instance, (tuple(self.shares),))


def _taken_apart(rows: list[tuple[str, list[float]]], form: str) -> list[_YoloRow]:
    """All rows of a folder; raises BoxesError where their numbers leave open what they are.

    Behind class and shares, which come in pairs, Ultralytics writes a score (`save_conf`), an instance (of tracks),
    both or neither. Whole numbers are instances.
    """
    for where, row in rows:
        if len(row) % 2 != len(rows[0][1]) % 2:
            raise BoxesError(
                f"{where}: has {len(row)} columns, and {rows[0][0]} has {len(rows[0][1])}; one has a score"
            )
    last = [row[-1] for _, row in rows]
    are_whole = all(number == int(number) for number in last)
    extras: tuple[str, ...] = ()
    if rows and len(rows[0][1]) % 2 == 0:
        extras = ("instance",) if are_whole else ("score",)
    elif any(len(row) > _YOLO_COLUMNS for _, row in rows) and (max(last) > 1 or are_whole):
        extras = ("score", "instance")
    found = [_without_extras(where, row, extras) for where, row in rows]
    long = [row for row in found if not row.is_box]
    if long and form == "yolo":
        advice = f"name its `form`: {_OUTLINES} or {_KEYPOINTS}"
        if len(extras) > 1 and max(last) <= 1:
            raise BoxesError(f"{long[0].where}: its last number is a corner of an outline, or an instance", hint=advice)
        if all(_may_be_keypoints(row.shares) for row in long):
            raise BoxesError(f"{long[0].where}: is an outline, or a box with keypoints inside", hint=advice)
    return found


def _without_extras(where: str, row: list[float], extras: tuple[str, ...]) -> _YoloRow:
    end = len(row) - len(extras)
    said, shares = dict(zip(extras, row[end:], strict=True)), row[1:end]
    if len(shares) < _YOLO_COLUMNS - 1:
        raise BoxesError(f"{where}: has {len(row)} columns; other rows end in {' and '.join(extras)}")
    score, instance = said.get("score", 1.0), said.get("instance")
    if not 0 <= score <= 1:
        raise BoxesError(f"{where}: {score:g} stands where others have a score from 0 to 1")
    known = None if instance is None else str(_whole(instance, "an instance", where))
    if len(shares) >= _YOLO_COLUMNS and not all(0 <= share <= 1 for share in shares):
        raise BoxesError(f"{where}: outlines and keypoints are told in shares of the frame, from 0 to 1")
    return _YoloRow(where, row[0], shares, score, known)


def _may_be_keypoints(shares: list[float]) -> bool:
    """Whether most points, of two numbers or three, lie in or near the box that the first four numbers would be."""
    (x, y, width, height), rest = shares[:4], shares[4:]

    def are_inside(step: int) -> bool:
        points = list(zip(rest[::step], rest[1::step], strict=True))
        near = [abs(px - x) <= _NEAR * width and abs(py - y) <= _NEAR * height for px, py in points]
        return sum(near) >= _MOST * len(near)

    return any(len(rest) % step == 0 and are_inside(step) for step in (2, 3))


def _rows(text: Path, *, least: int) -> Iterator[tuple[str, list[float]]]:
    for number, line in enumerate(read_text(text).splitlines(), start=1):
        if not line.strip():
            continue
        where = f"{text}, line {number}"
        try:
            row = [float(cell) for cell in (line.rstrip(", \t\r").split(",") if "," in line else line.split())]
        except ValueError:
            raise BoxesError(f"{where}: is not a row of numbers: {line[:60]}") from None
        if not all(map(math.isfinite, row)):
            raise BoxesError(f"{where}: is not a row of finite numbers: {line[:60]}")
        if len(row) < least:
            raise BoxesError(f"{where}: has {len(row)} columns, and needs {least} at least")
        yield where, row


def _whole(number: float, what: str, where: str) -> int:
    if number != int(number):
        raise BoxesError(f"{where}: {what} is a whole number, and {number:.15g} stands in its column")
    if abs(number) >= _TOO_LARGE:
        raise BoxesError(f"{where}: {what} is a number below {_TOO_LARGE:,}")
    return int(number)


def class_of(names: tuple[str, ...], number: float, where: str, *, first: int) -> str:
    """The name of a class whose numbers count from `first`. Raises BoxesError where it has none."""
    place = _whole(number, "a class", where) - first
    if not 0 <= place < len(names):
        raise BoxesError(
            f"{where}: class {number:g}, but only {len(names)} names are known, from {first} on; give a file of names"
        )
    return names[place]


def _labels_of(texts: Iterable[Path]) -> tuple[str, ...] | None:
    """The names beside the texts; raises BoxesError where they differ from one video to the next."""
    found = {_class_names(text.parent, _LABELS): text for text in texts}
    if len(found) > 1:
        raise BoxesError(f"{' and '.join(map(str, found.values()))}: the {_LABELS} beside them are not the same")
    return next(iter(found), None)


def _class_names(folder: Path, name: str = CLASSES) -> tuple[str, ...] | None:
    path = folder / name
    return read_names(path) if path.exists() else None


def _some(path: Path, videos: dict[str, VideoBoxes]) -> dict[str, VideoBoxes]:
    if not videos:
        raise BoxesError(f"{path}: holds no texts with boxes")
    return videos


def _hash(texts: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.name.encode() + b"\0" + read_bytes(text))
    return digest.hexdigest()
