"""CVAT's XML of videos (`CVAT for video 1.1`), of a task, a job or a project."""

from __future__ import annotations

import hashlib
import math
import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np

from videotcav.concepts.detectors.boxes import BoxesFile, BoxRow, VideoBoxes, without_ending
from videotcav.concepts.detectors.keyframes import MOST_BOXES, Keyframe, between
from videotcav.concepts.detectors.masks import BoxEdges, Mask, Outline, Rle, require_runs
from videotcav.errors import BoxesError, VideotcavWarning
from videotcav.texts import read_bytes

_SHAPES = {"box", "ellipse", "polygon", "mask"}
_OTHERS = {"polyline", "points", "cuboid", "skeleton"}
_STEP = re.compile(r"step\s*=\s*([1-9]\d*)\s*")
_MOST_PIXELS = 2**27
_MOST_DIGITS = 9


@dataclass
class _Task:
    """One video: which of its frames are annotated, and by how much they are shifted in the export of a project."""

    facts: dict[str, str] = field(default_factory=dict)
    shift: int = 0

    def number(self, name: str, otherwise: int) -> int:
        said = _whole_number(self.facts.get(name, ""))
        return otherwise if said is None else said

    @property
    def first(self) -> int:
        return self.number("start_frame", 0)

    @property
    def step(self) -> int:
        found = _STEP.fullmatch(self.facts.get("frame_filter", ""))
        return int(found[1]) if found else 1

    @property
    def last(self) -> int | None:
        """The last frame that is annotated, where the file says it."""
        size = self.number("size", 0)
        last = self.number("stop_frame", self.first + (size - 1) * self.step if size else -1)
        return None if last < 0 else last

    @property
    def sides(self) -> tuple[int, int] | None:
        width, height = self.number("width", 0), self.number("height", 0)
        return (width, height) if width and height else None


@dataclass
class _Track:
    where: str
    label: str
    task: str | None
    shapes: dict[int, tuple[str, dict[str, str]]] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)


class _Document:
    """What stands in a file, taken up as it is parsed."""

    def __init__(self, path: Path) -> None:
        self.path, self.tags, self.text = path, list[str](), list[str]()
        self.tasks, self.labels, self.tracks = list[_Task](), list[str](), dict[str, _Track]()
        self._track: _Track | None = None

    def doctype(self, *_: object) -> None:
        """Called before any entity is declared."""
        raise BoxesError(f"{self.path}: is XML with a document type (DTD), which is not read")

    def start(self, tag: str, says: dict[str, str]) -> None:
        self.tags.append(tag)
        self.text.clear()
        if tag == "image":
            raise BoxesError(
                f"{self.path}: is CVAT for images; export the task as CVAT for video 1.1, which has tracks"
            )
        if tag in {"task", "job"} and "meta" in self.tags:
            self.tasks.append(_Task())
        elif tag == "track":
            where = f"{self.path}: track {says.get('id', '')}"
            if not says.get("id") or not says.get("label") or says["id"] in self.tracks:
                raise BoxesError(f"{where} needs a label, and an id of its own")
            self._track = self.tracks[says["id"]] = _Track(where, says["label"], says.get("task_id"))
        elif self._track is not None and self.tags[-2] == "track":
            self._take(self._track, tag, says)

    def _take(self, track: _Track, tag: str, says: dict[str, str]) -> None:
        if tag in _OTHERS:
            track.others.add(tag)
        elif tag in _SHAPES:
            frame = _whole_number(says.get("frame", ""))
            if frame is None or frame in track.shapes:
                said = says.get("frame", "")[:20]
                raise BoxesError(f"{track.where}: frame '{said}' is no number of a frame, or is there twice")
            track.shapes[frame] = tag, says

    def data(self, text: str) -> None:
        self.text.append(text)

    def end(self, tag: str) -> None:
        self.tags.pop()
        said, around = "".join(self.text).strip(), self.tags[-1] if self.tags else ""
        self.text.clear()
        if tag == "track":
            self._track = None
        elif "meta" not in self.tags:
            return
        elif around == "label" and tag == "name":
            self.labels.append(said)
        elif around in {"task", "job", "original_size"} and self.tasks:
            self.tasks[-1].facts[tag] = said

    def close(self) -> _Document:
        return self


def read_cvat(path: Path) -> BoxesFile:
    """The tracks of an XML file, or of a folder of them (also `<video>/annotations.xml`), frames counted from 0.

    A track goes straight from one keyframe to the next and ends where it is `outside`. A task names its video; that of
    a job is named as the file is. A video in which no shape goes on over frames has no tracks, and is tracked.
    """
    files = sorted([*path.glob("*.xml"), *path.glob("*/*.xml")]) if path.is_dir() else [path]
    digest, labels = hashlib.sha256(), dict[str, None]()
    videos: dict[str, VideoBoxes] = {}
    left_out: Counter[str] = Counter()
    for file in files:
        data = read_bytes(file)
        digest.update(file.name.encode() + b"\0" + data)
        document = _parsed(file, data)
        for video, boxes in _videos(document):
            if video in videos:
                raise BoxesError(f"{file}: the video {video} has boxes in another file or task too; keep one of them")
            videos[video] = boxes
        labels.update(dict.fromkeys([*document.labels, *(track.label for track in document.tracks.values())]))
        left_out.update(shape for track in document.tracks.values() for shape in track.others)
    if not any(boxes.frames for boxes in videos.values()):
        has = f", but tracks of {', '.join(sorted(left_out))}" if left_out else ""
        raise BoxesError(f"{path}: holds no boxes, ellipses, polygons or masks of tracks{has}")
    if left_out:
        told = f"{path}: {left_out.total()} tracks are left out, as they are no boxes: {', '.join(sorted(left_out))}"
        warnings.warn(told, VideotcavWarning, stacklevel=2)
    sha256 = digest.hexdigest() if path.is_dir() else hashlib.sha256(data).hexdigest()
    return BoxesFile(path=path, sha256=sha256, labels=tuple(labels), videos=videos)


def _parsed(path: Path, data: bytes) -> _Document:
    document = _Document(path)
    parser = ET.XMLParser(target=document)  # noqa: S314 - see the import
    try:
        parser.feed(data)
        parser.close()
    except (ET.ParseError, LookupError, ValueError) as error:  # also of encodings that there are not
        raise BoxesError(f"{path}: is not XML: {error}") from None
    if not document.tasks and not document.tracks:
        raise BoxesError(f"{path}: is XML, but not CVAT's of a video: it has no task, job or track")
    _shift(document.tasks)
    return document


def _shift(tasks: list[_Task]) -> None:
    """In a project the frames of a task are counted on from those of the task before it, within each subset."""
    end, subset = 0, None
    for task in tasks:
        if task.facts.get("subset") != subset:
            end, subset = 0, task.facts.get("subset")
        task.shift = end
        end += task.first + task.step * task.number("size", 0)


def _videos(document: _Document) -> Iterator[tuple[str, VideoBoxes]]:
    tasks = document.tasks or [_Task()]
    of: dict[int, dict[str, list[Keyframe]]] = defaultdict(dict)
    known, boxes = {task.facts.get("id"): place for place, task in enumerate(tasks)}, 0
    for name, track in document.tracks.items():
        place = known.get(track.task) if len(tasks) > 1 else 0
        if place is None:
            raise BoxesError(f"{track.where}: task_id '{track.task}' is no task of the file")
        spans = _spans(track, tasks[place])
        boxes += sum(stop - key.frame for key, _, stop in spans)
        if boxes > MOST_BOXES:
            raise BoxesError(f"{track.where}: with it the file has more than {MOST_BOXES:,} boxes; split it")
        try:
            of[place][name] = [
                key if frame == key.frame else between(key, after, frame) if after else key._replace(frame=frame)
                for key, after, stop in spans
                for frame in range(key.frame, stop)
            ]
        except ValueError as error:
            raise BoxesError(f"{track.where}: {error}; export the task as CVAT for video 1.1, whole") from None
    for place, task in enumerate(tasks):
        is_tracked = any(len(keys) > 1 for keys in of[place].values())
        frames: dict[int, list[BoxRow]] = defaultdict(list)
        for name, keys in of[place].items():
            label = document.tracks[name].label
            for key in keys:
                row = BoxRow(*key.edges, 1.0, label, name if is_tracked else None, key.outline)
                frames[key.frame].append(row)
        stem = document.path.parent.name if document.path.name == "annotations.xml" else document.path.stem
        source = task.facts.get("source") or stem
        yield without_ending(source), VideoBoxes(frames=dict(frames), size=task.sides, last=task.last or 0)


def _spans(track: _Track, task: _Task) -> list[tuple[Keyframe, Keyframe | None, int]]:
    """Where a track can be seen: from a shape to the next, before which frame; from the last one on as it is.

    CVAT writes a shape of one frame as a track that ends in the next, but for the last two frames.
    """
    keys = sorted(track.shapes)
    if not keys:
        return []
    low, last = task.first + task.shift, task.last
    if keys[0] < low or (last is not None and keys[-1] > last + task.shift):
        bad, high = keys[0] if keys[0] < low else keys[-1], "" if last is None else f" to {last + task.shift}"
        raise BoxesError(f"{track.where}: frame {bad} is none of its task, whose frames are {low}{high}")
    drawn = [(_key(track, frame, task), track.shapes[frame][1].get("outside") == "1") for frame in keys]
    spans: list[tuple[Keyframe, Keyframe | None, int]] = [
        (key, after, after.frame - task.step + 1 if is_end else after.frame)
        for (key, outside), (after, is_end) in pairwise(drawn)
        if not outside
    ]
    key, outside = drawn[-1]
    goes_on = last is not None and (len(drawn) > 1 or key.frame + task.step < last)
    return spans if outside else [*spans, (key, None, last + 1 if last is not None and goes_on else key.frame + 1)]


def _key(track: _Track, frame: int, task: _Task) -> Keyframe:
    """The shape of a track in a frame of the export, at its frame of the video."""
    shape, says = track.shapes[frame]
    where, at = f"{track.where}, frame {frame}", frame - task.shift

    def number(name: str) -> float:
        return _number(says.get(name, ""), name, where)

    degrees = number("rotation") if "rotation" in says else 0.0
    if shape == "box":
        return Keyframe(at, (number("xtl"), number("ytl"), number("xbr"), number("ybr")), degrees)
    if shape == "ellipse":
        x, y, wide, high = (number(name) for name in ("cx", "cy", "rx", "ry"))
        return Keyframe(at, (x - wide, y - high, x + wide, y + high), degrees, ellipse=True)
    if shape == "polygon":
        pairs = [pair.split(",") for pair in says.get("points", "").split(";")]
        if any(len(pair) != 2 for pair in pairs):  # noqa: PLR2004 - x and y
            raise BoxesError(f"{where}: its points are no pairs of numbers")
        xs, ys = ([_number(pair[axis], "points", where) for pair in pairs] for axis in (0, 1))
        outline = tuple(each for pair in zip(xs, ys, strict=True) for each in pair)
        return Keyframe(at, (min(xs), min(ys), max(xs), max(ys)), outline=(outline,))
    left, top = number("left"), number("top")
    box = (left, top, left + number("width"), top + number("height"))
    return Keyframe(at, box, outline=_outline(says.get("rle", ""), box, task, where))


def _outline(rle: str, box: BoxEdges, task: _Task, where: str) -> Outline:
    """CVAT's run lengths, row by row within the box and background first, as COCO's of the whole frame."""
    left, top, right, bottom = map(int, box)
    if not all(edge.is_integer() for edge in box):
        raise BoxesError(f"{where}: its mask begins or ends within a pixel")
    if task.sides is None:
        raise BoxesError(f"{where}: is a mask, and the file states no original_size of the video")
    width, height = task.sides
    if width * height > _MOST_PIXELS or not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise BoxesError(f"{where}: its mask does not lie within the {width}×{height} frame")
    try:
        runs = tuple(int(run) for run in rle.split(","))
        require_runs(runs, bottom - top, right - left)
    except ValueError as error:
        raise BoxesError(f"{where}: its mask is no run lengths of CVAT: {error}") from None
    pixels = np.zeros((height, width), dtype=bool)
    own = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    pixels[top:bottom, left:right] = own.reshape(bottom - top, right - left)
    return Rle(size=(height, width), counts=Mask.of(pixels).counts)


def _whole_number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else None


def _number(text: str, name: str, where: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise BoxesError(f"{where}: {name} '{text[:20]}' is no number")
    return number
