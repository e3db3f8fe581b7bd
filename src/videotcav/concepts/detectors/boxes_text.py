"""Boxes as text: MOTChallenge's table, and the folders of YOLO that Ultralytics saves."""

from __future__ import annotations

import hashlib
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from videotcav.concepts.detectors.boxes import BoxesFile, BoxRow, VideoBoxes
from videotcav.concepts.detectors.coco_names import COCO_NAMES
from videotcav.errors import BoxesError
from videotcav.texts import read_bytes, read_text

FRAME_NUMBER = re.compile(r"_(\d+)$")
CLASSES = "classes.txt"
_MOT_COLUMNS = 6
_YOLO_COLUMNS, _YOLO_WITH_INSTANCE = 5, 7


def read_mot(path: Path, *, class_names: tuple[str, ...] | None) -> BoxesFile:
    """Rows of frame (from 1), instance (−1 unknown), left, top, width, height, score, class (from 1).

    Without `class_names` everything is an `object`.
    """
    if path.is_dir():
        nested = {gt: gt.parent.parent.name for gt in sorted(path.glob("*/gt/gt.txt"))}
        texts = nested or {text: text.stem for text in sorted(path.glob("*.txt")) if text.name != CLASSES}
    else:
        texts = {path: path.parent.parent.name if path.name == "gt.txt" else path.stem}
    videos = {}
    for text, video in texts.items():
        frames: dict[int, list[BoxRow]] = defaultdict(list)
        for where, row in _rows(text, least=_MOT_COLUMNS):
            frame, instance, left, top, width, height = row[:_MOT_COLUMNS]
            if frame < 1 or frame != int(frame):
                raise BoxesError(f"{where}: frame {frame:g}; MOT counts whole frames from 1")
            score = row[6] if len(row) > 6 and row[6] != -1 else 1.0  # noqa: PLR2004 - the seventh column; −1 unknown
            if not 0 <= score <= 1:
                raise BoxesError(f"{where}: the seventh column is a score from 0 to 1, got {score:g}")
            number = int(row[7]) - 1 if class_names and len(row) > 7 else 0  # noqa: PLR2004 - the eighth column
            label = _name(class_names or ("object",), number, where)
            known = None if instance < 0 else f"{instance:g}"
            frames[int(frame) - 1].append(BoxRow(left, top, left + width, top + height, score, label, known))
        videos[video] = VideoBoxes(frames=dict(frames))
    return BoxesFile(path=path, sha256=_hash(texts), labels=class_names or ("object",), videos=_some(path, videos))


def read_yolo(path: Path, *, class_names: tuple[str, ...] | None) -> BoxesFile:
    """One text a frame: class (from 0), centre x, centre y, width, height as shares of the frame, score, instance."""
    names = class_names or _class_names(path) or COCO_NAMES
    texts = [text for text in sorted(path.glob("*.txt")) if text.name != CLASSES]
    videos: dict[str, dict[int, list[BoxRow]]] = defaultdict(dict)
    for text in texts:
        number = FRAME_NUMBER.search(text.stem)
        if number is None or int(number[1]) < 1:
            raise BoxesError(f"{text}: a text of YOLO is named <video>_<frame>.txt, frames counted from 1")
        rows = []
        for where, row in _rows(text, least=_YOLO_COLUMNS):
            kind, x, y, width, height = row[:_YOLO_COLUMNS]
            score = row[5] if len(row) > _YOLO_COLUMNS else 1.0
            if not 0 <= score <= 1:
                raise BoxesError(f"{where}: the sixth column is a score from 0 to 1, got {score:g} (save_conf=True)")
            instance = f"{row[6]:g}" if len(row) >= _YOLO_WITH_INSTANCE else None
            label = _name(names, int(kind), where)
            rows.append(BoxRow(x - width / 2, y - height / 2, x + width / 2, y + height / 2, score, label, instance))
        videos[text.stem[: number.start()]][int(number[1]) - 1] = rows
    return BoxesFile(
        path=path,
        sha256=_hash(texts),
        labels=names,
        videos=_some(path, {video: VideoBoxes(frames=frames, relative=True) for video, frames in videos.items()}),
    )


def _rows(text: Path, *, least: int) -> Iterator[tuple[str, list[float]]]:
    for number, line in enumerate(read_text(text).splitlines(), start=1):
        if not line.strip():
            continue
        where = f"{text}, line {number}"
        try:
            row = [float(cell) for cell in line.replace(",", " ").split()]
        except ValueError:
            raise BoxesError(f"{where}: is not a row of numbers: {line[:60]}") from None
        if not all(map(math.isfinite, row)):
            raise BoxesError(f"{where}: is not a row of finite numbers: {line[:60]}")
        if len(row) < least:
            raise BoxesError(f"{where}: has {len(row)} columns, and needs {least} at least")
        yield where, row


def _name(names: tuple[str, ...], number: int, where: str) -> str:
    if not 0 <= number < len(names):
        raise BoxesError(f"{where}: class {number}, but only {len(names)} names are known; give a file of names")
    return names[number]


def _class_names(folder: Path) -> tuple[str, ...] | None:
    path = folder / CLASSES
    return tuple(read_text(path).split("\n")[:-1]) if path.exists() else None


def _some(path: Path, videos: dict[str, VideoBoxes]) -> dict[str, VideoBoxes]:
    if not videos:
        raise BoxesError(f"{path}: holds no texts with boxes")
    return videos


def _hash(texts: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.name.encode() + b"\0" + read_bytes(text))
    return digest.hexdigest()
