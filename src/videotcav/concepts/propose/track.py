"""Detections → tracks, one instance each; the association is ByteTrack's (Zhang et al. 2022; package `trackers`).

Fast small things leave their own box within a frame, so boxes are compared with a margin (buffered IoU, Yang et al.
2023). On 14 real tennis clips a margin of half a box took the racket tracks of 16 frames or more from 11 to 17.
"""

from __future__ import annotations

import importlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Self

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from videotcav.concepts.detectors.detect import Detections
from videotcav.concepts.detectors.masks import Mask
from videotcav.concepts.propose.recipe import Recipe
from videotcav.errors import BoxesError, MissingExtra
from videotcav.records import Box, Record


class Track(Record):
    """One instance followed through a video: a box and a score at each of its frames (indices, ascending)."""

    id: str
    label: str
    frames: tuple[int, ...]
    boxes: tuple[Box, ...]
    scores: tuple[float, ...]
    masks: tuple[Mask | None, ...] | None = None

    @model_validator(mode="after")
    def _is_aligned(self) -> Self:
        if not self.frames or not len(self.frames) == len(self.boxes) == len(self.scores):
            raise ValueError("a track needs at least one frame, and one box and one score for each frame")
        if self.masks is not None and len(self.masks) != len(self.frames):
            raise ValueError("a track with masks needs one for each frame, None where it is not known")
        if any(later <= earlier for earlier, later in zip(self.frames, self.frames[1:], strict=False)):
            raise ValueError("the frames of a track must ascend")
        return self


class _Seen(NamedTuple):
    box: Box
    score: float
    mask: Mask | None


SeenByFrame = dict[int, _Seen]
"""What was seen of an instance, by frame."""

_CUT_WIDTH, _CUT_HEIGHT = 160, 90  # what PySceneDetect itself would scale a frame down to, about
_LEAST_OVERLAP = 0.1  # IoU of a detection and where its track should be; ByteTrack's own default


def tracks_of(
    found: Sequence[Detections], *, recipe: Recipe, labels: Collection[str], cuts: Collection[int] = ()
) -> list[Track]:
    """The tracks of these labels in one video; `found` has one `Detections` a frame, from frame 0.

    Instances that the detector knows are taken as they are. Others are tracked label by label: a track begins where
    a detection is confirmed by the next frame's, and ends at a shot cut (`cuts` are the first frames of new shots).
    """
    if any(detections.track_ids is not None for detections in found):
        return [track for track in known_tracks(found, min_score=recipe.min_score) if track.label in labels]
    present = sorted({label for detections in found for label in detections.labels if label in labels})
    return [track for label in present for track in _tracked(found, label, recipe, cuts)]


def known_tracks(found: Sequence[Detections], *, min_score: float) -> list[Track]:
    """The tracks of detections that know their instances, by label and id."""
    rows: dict[tuple[str, str], SeenByFrame] = defaultdict(dict)
    for frame, detections in enumerate(found):
        ids = detections.track_ids or ()
        for row, (label, instance) in enumerate(zip(detections.labels, ids, strict=True)):
            if frame in rows[label, instance]:
                raise BoxesError(f"track {instance} of '{label}' has two boxes in frame {frame}; an instance has one")
            if detections.scores[row] >= min_score:
                rows[label, instance][frame] = _seen(detections, row)
    return [_track(instance, label, seen) for (label, instance), seen in sorted(rows.items()) if seen]


def single_frames(found: Sequence[Detections], *, labels: Collection[str], min_score: float) -> list[Track]:
    """Every detection of these labels as a track of one frame; in a track the one that it begins with is missing."""
    return [
        _track(f"{frame}-{row}", label, {frame: _seen(detections, row)})
        for frame, detections in enumerate(found)
        for row, label in enumerate(detections.labels)
        if label in labels and detections.scores[row] >= min_score
    ]


class ShotCuts:
    """Finds the first frame of each new shot, frame by frame (PySceneDetect's ContentDetector at its own threshold)."""

    def __init__(self) -> None:
        scenedetect = _needed("scenedetect", purpose="finding shot cuts")
        self._timecode: Any = scenedetect.FrameTimecode
        self._detector: Any = scenedetect.ContentDetector(min_scene_len=1)

    def starts_at(self, frame: NDArray[np.uint8], index: int) -> bool:
        """Whether a new shot starts at the next frame, uint8 RGB `height width 3`."""
        step = max(1, frame.shape[1] // _CUT_WIDTH)
        small = cv2.resize(np.ascontiguousarray(frame[::step, ::step, ::-1]), (_CUT_WIDTH, _CUT_HEIGHT))
        return bool(self._detector.process_frame(self._timecode(index, 25.0), small))


def _tracked(found: Sequence[Detections], label: str, recipe: Recipe, cuts: Collection[int]) -> Iterator[Track]:
    """The tracks of one label, numbered in order of appearance."""
    supervision = _needed("supervision", purpose="tracking")
    trackers = _needed("trackers", purpose="tracking")
    number = 0
    for first, last in pairwise([0, *sorted(set(cuts)), len(found)]):
        tracker = trackers.ByteTrackTracker(
            lost_track_buffer=recipe.max_gap_frames,
            frame_rate=30.0,  # the buffer is then counted in frames
            track_activation_threshold=recipe.min_score,
            high_conf_det_threshold=recipe.min_score,
            minimum_consecutive_frames=1,
            minimum_iou_threshold=_LEAST_OVERLAP,
            iou=trackers.BIoU(buffer_ratio=recipe.search_margin),
        )
        seen: dict[int, SeenByFrame] = defaultdict(dict)
        for frame in range(first, last):
            detections = found[frame]
            mine = np.flatnonzero([other == label for other in detections.labels])
            boxes, scores = detections.boxes[mine], detections.scores[mine]
            now = tracker.update(supervision.Detections(xyxy=boxes, confidence=scores, data={"row": mine}))
            for row, instance in zip(now.data.get("row", ()), now.tracker_id, strict=True):
                if instance >= 0:
                    seen[int(instance)][frame] = _seen(detections, int(row))
        for _, rows in sorted(seen.items()):
            for piece in _between_jumps(rows, recipe.max_growth):
                yield _track(str(number), label, piece)
                number += 1


def _between_jumps(rows: SeenByFrame, max_growth: float) -> Iterator[SeenByFrame]:
    """The rows of a track, parted where the box grows or shrinks too much at once."""
    frames = sorted(rows)
    sides = [max(rows[frame].box.width, rows[frame].box.height) for frame in frames]
    jumps = [i for i in range(1, len(frames)) if not 1 / max_growth <= sides[i] / sides[i - 1] <= max_growth]
    for first, last in pairwise([0, *jumps, len(frames)]):
        yield {frame: rows[frame] for frame in frames[first:last]}


def _track(instance: str, label: str, seen: SeenByFrame) -> Track:
    frames = tuple(sorted(seen))
    masks = tuple(seen[frame].mask for frame in frames)
    return Track(
        id=instance,
        label=label,
        frames=frames,
        boxes=tuple(seen[frame].box for frame in frames),
        scores=tuple(seen[frame].score for frame in frames),
        masks=masks if any(mask is not None for mask in masks) else None,
    )


def _seen(detections: Detections, row: int) -> _Seen:
    left, top, right, bottom = (float(edge) for edge in detections.boxes[row])
    box = Box(left=left, top=top, right=right, bottom=bottom)
    return _Seen(box, float(detections.scores[row]), None if detections.masks is None else detections.masks[row])


def _needed(module: str, *, purpose: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or module, extra="detect", purpose=purpose) from None
