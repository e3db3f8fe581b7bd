"""Boxes from a file, as a detector: annotations, fixed regions of the frame, another program's detections.

A file that knows which box belongs to which instance says so, and its word stands: nothing is tracked again.
`read_boxes.py` reads the formats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from videotcav.concepts.detectors.detect import Detections, VideoFrames
from videotcav.errors import BoxesError, closest
from videotcav.video.info import VideoInfo

Row = tuple[float, float, float, float, float, str, str | None]
"""Left, top, right, bottom, score, label, instance."""


@dataclass(frozen=True)
class VideoBoxes:
    """What the file says of one video: rows by frame index; `size` is (width, height) where the file states it.

    `relative` boxes are fractions of the frame.
    """

    frames: Mapping[int, list[Row]]
    size: tuple[int, int] | None = None
    relative: bool = False

    @cached_property
    def knows_instances(self) -> bool:
        """Whether every box comes with the instance it belongs to; where one does not, all are tracked."""
        return all(instance is not None for rows in self.frames.values() for *_, instance in rows)


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
        indices = range(frames.first, frames.first + len(frames.pixels))
        return [self._detections(boxes, index, frames.video) for index in indices]

    def _of(self, video: VideoInfo) -> VideoBoxes:
        near = [key for key in self.videos if Path(key).name == video.path.stem]
        if len(near) > 1:
            near = [key for key in near if f"/{video.path.with_suffix('').as_posix()}".endswith(f"/{key}")]
        if len(near) != 1:
            hint = closest(video.path.stem, self.videos)
            raise BoxesError(
                f"{self.path}: has no boxes for the video {video.path.name}"
                + (f"; closest: {hint}" if hint else "; its videos must be named as the files are")
            )
        boxes = self.videos[near[0]]
        if boxes.size is not None and boxes.size != (video.width, video.height):
            raise BoxesError(
                f"{self.path}: says {video.path.name} is {boxes.size[0]}×{boxes.size[1]}, but it is "
                f"{video.width}×{video.height}; its boxes belong to another version of the video"
            )
        count = round(video.duration_seconds * video.frames_per_second)
        last = max(boxes.frames, default=0)
        if last >= count:
            raise BoxesError(
                f"{self.path}: has boxes in frame {last} of {video.path.name}, whose last frame is {count - 1}"
            )
        return boxes

    def _detections(self, boxes: VideoBoxes, index: int, video: VideoInfo) -> Detections:
        scale = (video.width, video.height) if boxes.relative else (1, 1)
        rows = []
        # A row that is there twice is one box.
        for left, top, right, bottom, score, label, instance in dict.fromkeys(boxes.frames.get(index, ())):
            edges = (left * scale[0], top * scale[1], right * scale[0], bottom * scale[1])
            inside = (max(edges[0], 0), max(edges[1], 0), min(edges[2], video.width), min(edges[3], video.height))
            if inside[0] >= inside[2] or inside[1] >= inside[3]:
                shown = ", ".join(f"{edge:g}" for edge in edges)
                raise BoxesError(
                    f"{self.path}: the box ({shown}) of '{label}' in frame {index} of {video.path.name} lies outside "
                    f"the {video.width}×{video.height} frame or is empty"
                )
            rows.append((*inside, score, label, instance if boxes.knows_instances else None))
        return Detections.of(rows)


@dataclass(frozen=True)
class Regions:
    """A detector of places that never move: a scoreboard, a watermark. `places` are (left, top, right, bottom).

    A place whose four numbers are 1 at most is a share of the frame, others are pixels.
    """

    path: Path
    sha256: str
    places: Mapping[str, tuple[float, float, float, float]]
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
        video = frames.video
        rows: list[Row] = []
        for label, place in self.places.items():
            scale = (video.width, video.height) * 2 if max(place) <= 1 else (1,) * 4
            left, top, right, bottom = (edge * factor for edge, factor in zip(place, scale, strict=True))
            if not (0 <= left < right <= video.width and 0 <= top < bottom <= video.height):
                raise BoxesError(
                    f"{self.path}: '{label}' {list(place)} does not lie within the {video.width}×{video.height} frame "
                    f"of {video.path.name}; it needs left < right and top < bottom"
                )
            rows.append((left, top, right, bottom, 1.0, label, "0"))
        return [Detections.of(rows)] * len(frames.pixels)
