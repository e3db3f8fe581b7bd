"""Boxes from a file, as a detector: annotations, fixed regions of the frame, another program's detections.

A file that knows which box belongs to which instance says so, and its word stands: nothing is tracked again.
`read_boxes.py` reads the formats.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from videotcav.concepts.detectors.detect import Detection, Detections, VideoFrames
from videotcav.concepts.detectors.masks import BoxEdges, Mask, Outline, Rle, mask_of
from videotcav.errors import BoxesError, BoxesNotFound, VideotcavWarning, closest
from videotcav.video.find import VIDEO_SUFFIXES
from videotcav.video.info import VideoInfo
from videotcav.video.read import frame_times
from videotcav.video.segment import segment_of

_MOST_DRIFT = 2  # frames, over the whole video: as far as a count of frames and a length in seconds are rounded
_SLACK = 0.0005  # seconds by which a frame counts as on show early: containers round its time
_SECONDS, _SHARE = 0.5, 0.02  # by which a length that a file states may differ from the video's


class BoxRow(NamedTuple):
    """What a file says of one thing in one frame."""

    left: float
    top: float
    right: float
    bottom: float
    score: float
    label: str
    instance: str | None = None
    outline: Outline | None = None


def without_ending(video: str) -> str:
    """A name of a video; what follows its last dot belongs to it where it is no ending of videos."""
    path = Path(video)
    return (path.with_suffix("") if path.suffix.lower() in VIDEO_SUFFIXES else path).as_posix()


@dataclass(frozen=True, eq=False)
class VideoBoxes:
    """What the file says of one video: rows by frame index; `size` is (width, height) where the file states it.

    `relative` boxes are fractions of the frame. A file that counts otherwise than the video says how: `rate` is how
    many of its frames are a second, `seconds` how long they are in all; `numbers` are those that its frames have in
    a video of which they are a part; `ticks` is how many a second its times are, which stand in the place of frames.
    `last` is the last frame that it lists, with boxes or without.
    """

    frames: Mapping[int, list[BoxRow]]
    size: tuple[int, int] | None = None
    relative: bool = False
    rate: float | None = None
    seconds: float | None = None
    numbers: tuple[int, ...] | None = None
    ticks: int | None = None
    last: int = 0

    @cached_property
    def knows_instances(self) -> bool:
        """Whether every box comes with the instance it belongs to; where one does not, all are tracked."""
        return all(row.instance is not None for rows in self.frames.values() for row in rows)


def _count(video: VideoInfo) -> int:
    return round(video.duration_seconds * video.frames_per_second)


def _times(video: VideoInfo) -> NDArray[np.float64]:
    """When each frame goes on show, in seconds; of a file that is not at hand as though they were evenly spread."""
    if video.path.is_file():
        return frame_times(video.path)
    return np.arange(_count(video)) / video.frames_per_second


@lru_cache(maxsize=64)
def _rows_of(boxes: VideoBoxes, video: VideoInfo) -> Mapping[int, list[BoxRow]]:
    """The rows by the index of the video's own frame, which may be one that the video has not."""
    if boxes.numbers is not None and abs(_count(video) - len(boxes.numbers)) > 1:
        return {boxes.numbers[place]: rows for place, rows in boxes.frames.items()}
    if boxes.ticks is not None:
        times, nearest = _times(video), dict[int, list[BoxRow]]()
        for tick, rows in sorted(boxes.frames.items()):
            at = tick / boxes.ticks
            beyond = at >= video.duration_seconds
            own = round(at * video.frames_per_second) if beyond else np.searchsorted((times[1:] + times[:-1]) / 2, at)
            nearest.setdefault(int(own), []).extend(rows)
        return nearest
    if boxes.rate is None:
        return boxes.frames
    shown = (_times(video) + _SLACK) * boxes.rate
    if np.abs(shown - np.arange(len(shown))).max(initial=0) < _MOST_DRIFT:
        return boxes.frames
    found = {index: boxes.frames.get(int(place)) for index, place in enumerate(shown)}
    end, pace = video.duration_seconds * boxes.rate, boxes.rate / video.frames_per_second
    late = {int(frame / pace): rows for frame, rows in boxes.frames.items() if frame > end + _MOST_DRIFT}
    return {index: rows for index, rows in found.items() if rows} | late


def _inside(boxes: VideoBoxes, row: BoxRow, width: int, height: int) -> BoxEdges | None:
    """The part of a box that lies in the frame, in pixels; None where that is nothing."""
    wide, high = (width, height) if boxes.relative else (1, 1)
    left, top, right, bottom = row.left * wide, row.top * high, row.right * wide, row.bottom * high
    inside = max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height))
    return inside if inside[0] < inside[2] and inside[1] < inside[3] else None


@lru_cache(maxsize=64)
def _outside(boxes: VideoBoxes, video: VideoInfo) -> list[tuple[int, BoxRow]]:
    """The frame and the row of each box that shows nothing of the frame."""
    rows = ((frame, row) for frame, rows in sorted(_rows_of(boxes, video).items()) for row in rows)
    return [(frame, row) for frame, row in rows if _inside(boxes, row, video.width, video.height) is None]


@dataclass(frozen=True)
class BoxesFile:
    """A detector that looks boxes up. `videos` is keyed by file name without its ending."""

    path: Path
    sha256: str
    labels: tuple[str, ...]
    videos: Mapping[str, VideoBoxes]
    name: str = "boxes"

    @property
    def settings(self) -> dict[str, str | float]:
        """None: a file has no thresholds, and grows with the videos that it describes."""
        return {}

    @property
    def knows_instances(self) -> bool:
        """Whether every box comes with the instance it belongs to."""
        return all(video.knows_instances for video in self.videos.values())

    def __call__(self, frames: VideoFrames) -> list[Detections]:
        """The file's boxes in these frames; raises BoxesError where the file does not fit the video."""
        boxes = self._of(frames.video)
        self._tell_of_boxes_outside(boxes, frames.video)
        indices = range(frames.first, frames.first + len(frames.pixels))
        return [self._detections(boxes, index, frames.video) for index in indices]

    def _of(self, video: VideoInfo) -> VideoBoxes:
        if segment_of(video.path):
            raise BoxesError(f"{self.path}: counts the frames of whole files, and {video.path.name} is a part of one")
        near = [key for key in self.videos if Path(key).name in {video.path.stem, video.path.name}]
        if len(near) > 1:
            near = [key for key in near if f"/{video.path.with_name(Path(key).name).as_posix()}".endswith(f"/{key}")]
        if len(near) != 1:
            hint = closest(video.path.stem, self.videos)
            raise BoxesNotFound(
                f"{self.path}: has no boxes for the video {video.path.name}"
                + (f"; closest: {hint}" if hint else "; its videos must be named as the files are")
            )
        boxes = self.videos[near[0]]
        if boxes.size is not None and boxes.size != (video.width, video.height):
            raise BoxesError(
                f"{self.path}: says {video.path.name} is {boxes.size[0]}×{boxes.size[1]}, but it is "
                f"{video.width}×{video.height}; its boxes belong to another version of the video"
            )
        lasts, may_differ = video.duration_seconds, max(_SECONDS, _SHARE * video.duration_seconds)
        if boxes.seconds is not None and abs(boxes.seconds - lasts) > may_differ:
            raise BoxesError(
                f"{self.path}: says {video.path.name} lasts {boxes.seconds:.4g} s, but it lasts {lasts:.4g} s; "
                "its boxes belong to another version of the video"
            )
        last, count = max(_rows_of(boxes, video), default=0), _count(video)
        if max(last, boxes.last) >= count:
            raise BoxesError(
                f"{self.path}: {'has boxes in' if last >= count else 'lists'} frame {max(last, boxes.last)} of "
                f"{video.path.name}, whose last frame is {count - 1}, the first being 0"
            )
        return boxes

    def _tell_of_boxes_outside(self, boxes: VideoBoxes, video: VideoInfo) -> None:
        """Warns of boxes that are left out; raises BoxesError where no other is left, as of the wrong unit."""
        outside = _outside(boxes, video)
        if not outside:
            return
        left_out, (frame, row) = len(outside), outside[0]
        of, edges = sum(map(len, _rows_of(boxes, video).values())), ", ".join(f"{edge:g}" for edge in row[:4])
        such = (
            f"the box ({edges}) of '{row.label}' in frame {frame} of {video.path.name} lies outside the "
            f"{video.width}×{video.height} frame or is empty"
        )
        if left_out == of:
            others = f", as all {of} boxes do" if of > 1 else ""
            raise BoxesError(f"{self.path}: {such}{others}", hint="give the boxes of this video, in its pixels")
        told = f"{self.path}: {left_out} of {of} boxes are left out, as {such}"
        warnings.warn(told, VideotcavWarning, stacklevel=3)

    def _detections(self, boxes: VideoBoxes, index: int, video: VideoInfo) -> Detections:
        found = []
        for row in dict.fromkeys(_rows_of(boxes, video).get(index, ())):  # a row that is there twice is one box
            inside = _inside(boxes, row, video.width, video.height)
            if inside is None:
                continue
            instance = row.instance if boxes.knows_instances else None
            where = f"{self.path}: the mask of '{row.label}' in frame {index} of {video.path.name}"
            outline = _in_pixels(row.outline, video) if boxes.relative and row.outline is not None else row.outline
            mask = None if outline is None else _mask(outline, video, where=where)
            if mask is not None and not _meet(mask.edges, inside):
                edges = ", ".join(f"{edge:g}" for edge in row[:4])
                raise BoxesError(f"{where} has no pixel in its box ({edges})")
            found.append(Detection(*inside, row.score, row.label, instance, mask))
        return Detections.of(found)


@dataclass(frozen=True)
class Regions:
    """A detector of places that never move: a scoreboard, a watermark.

    `places` are (left, top, right, bottom) or outlines. One whose numbers are 1 at most is in shares of the frame,
    others are in pixels.
    """

    path: Path
    sha256: str
    places: Mapping[str, BoxEdges | Outline]
    name: str = "regions"

    knows_instances = True

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the places."""
        return tuple(self.places)

    @property
    def settings(self) -> dict[str, str | float]:
        """None: a file of places has no thresholds."""
        return {}

    def __call__(self, frames: VideoFrames) -> list[Detections]:
        """Every place in every frame; raises BoxesError where one lies outside the frame."""
        found = [self._found(label, place, frames.video) for label, place in self.places.items()]
        return [Detections.of(found)] * len(frames.pixels)

    def _found(self, label: str, place: BoxEdges | Outline, video: VideoInfo) -> Detection:
        if isinstance(place, Rle) or isinstance(place[0], tuple):
            mask = _mask(_in_pixels(place, video), video, where=f"{self.path}: '{label}' of {video.path.name}")
            if mask.edges is None:
                raise BoxesError(f"{self.path}: '{label}' covers no pixel of {video.path.name}")
            return Detection(*mask.edges, 1.0, label, "0", mask)
        scale = (video.width, video.height) * 2 if max(place) <= 1 else (1,) * 4
        left, top, right, bottom = (edge * factor for edge, factor in zip(place, scale, strict=True))
        if not (0 <= left < right <= video.width and 0 <= top < bottom <= video.height):
            raise BoxesError(
                f"{self.path}: '{label}' {list(place)} does not lie within the {video.width}×{video.height} frame "
                f"of {video.path.name}; it needs left < right and top < bottom"
            )
        return Detection(left, top, right, bottom, 1.0, label, "0")


def _in_pixels(outline: Outline, video: VideoInfo) -> Outline:
    if isinstance(outline, Rle) or any(number > 1 for polygon in outline for number in polygon):
        return outline
    sides = (video.width, video.height)
    return tuple(tuple(number * sides[axis % 2] for axis, number in enumerate(polygon)) for polygon in outline)


def _mask(outline: Outline, video: VideoInfo, *, where: str) -> Mask:
    try:
        return mask_of(outline, height=video.height, width=video.width)
    except ValueError as error:
        raise BoxesError(f"{where} {error}") from None


def _meet(mask: BoxEdges | None, box: BoxEdges) -> bool:
    """Whether a mask's edges have a pixel in common with the box; an empty one is an object that is hidden."""
    return mask is None or (mask[0] < box[2] and box[0] < mask[2] and mask[1] < box[3] and box[1] < mask[3])
