"""A box that a person drew → where its object is in the frames around it. Pure: arrays in, boxes out.

What was drawn is looked for in each next frame by normalised cross-correlation, at five sizes about the last one, and
never learned anew: a tracker that learns follows the background in the end, this one says where it lost the object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from videotcav.errors import ArgumentError
from videotcav.records import Box

LEAST_LIKENESS = 0.7
"""Correlation below which an object is lost. It was chosen on 32 planted scenes of two seconds, where it keeps no box
with an IoU below 0.72 and loses most objects before their end.
"""

_SIZES = (1.0, 0.94, 0.97, 1.03, 1.06)
_CHANGE_OF_SIZE = 0.01  # what another size must be better by
_REACH, _REACH_PIXELS = 0.5, 8  # how far around the place that its motion leads to, in boxes and in pixels
_LEAST_SIDE = 4


class Sighting(NamedTuple):
    """Where the object is in a frame, and how much it looks like what was drawn (1 in the frame of the drawing)."""

    box: Box
    likeness: float


def follow(frames: NDArray[np.uint8], drawn: Mapping[int, Box]) -> list[Sighting | None]:
    """Where the object is in each frame (uint8 `time height width 3`); None where it is lost.

    `drawn` are boxes by frame. Each is followed back and forth up to the next drawn one. Raises ArgumentError for a
    box that is too small or lies outside the frame.
    """
    found: list[Sighting | None] = [None] * len(frames)
    for frame, box in drawn.items():
        found[frame] = Sighting(_inside(box, frames.shape[1:3]), 1.0)
    bounds = [-1, *sorted(drawn), len(frames)]
    for first, then in pairwise(bounds):
        for start, end, step in ((first, then, 1), (then, first, -1)):
            if start in drawn:
                for index, sighting in _sightings(frames, found[start], range(start + step, end, step), start):
                    before = found[index]
                    if before is None or sighting.likeness > before.likeness:
                        found[index] = sighting
    return found


def around(found: Sequence[Sighting | None], frame: int) -> range:
    """The consecutive frames about this one in which the object is seen."""
    first = last = frame
    while first > 0 and found[first - 1] is not None:
        first -= 1
    while last + 1 < len(found) and found[last + 1] is not None:
        last += 1
    return range(first, last + 1)


def _inside(box: Box, size: tuple[int, ...]) -> Box:
    height, width = size
    left, top = max(0, round(box.left)), max(0, round(box.top))
    right, bottom = min(width, round(box.right)), min(height, round(box.bottom))
    if right - left < _LEAST_SIDE or bottom - top < _LEAST_SIDE:
        raise ArgumentError(
            f"the box covers less than {_LEAST_SIDE}×{_LEAST_SIDE} pixels of the {width}×{height} frame: draw a larger "
            "one"
        )
    return Box(left=left, top=top, right=right, bottom=bottom)


def _sightings(
    frames: NDArray[np.uint8], drawn: Sighting | None, indices: range, start: int
) -> list[tuple[int, Sighting]]:
    """The frames in the order of `indices` up to where the object is lost."""
    assert drawn is not None  # noqa: S101 - asked only for frames with a drawing
    box = drawn.box
    picture = np.ascontiguousarray(
        frames[start][round(box.top) : round(box.bottom), round(box.left) : round(box.right)]
    )
    width, height, size = box.width, box.height, 1.0
    centre = np.array([(box.left + box.right) / 2, (box.top + box.bottom) / 2])
    motion = np.zeros(2)
    seen: list[tuple[int, Sighting]] = []
    for index in indices:
        tried = [
            _best_match(frames[index], picture, centre + motion, round(width * size * s), round(height * size * s))
            for s in _SIZES
        ]
        worth = [likeness - _CHANGE_OF_SIZE * (s != 1) for s, (likeness, _) in zip(_SIZES, tried, strict=True)]
        best = int(np.argmax(worth))
        if not worth[best] >= LEAST_LIKENESS:
            break
        size *= _SIZES[best]
        motion, centre = tried[best][1] - centre, tried[best][1]
        half = np.array([width, height]) * size / 2
        (left, top), (right, bottom) = (centre - half).tolist(), (centre + half).tolist()
        where = Box(left=left, top=top, right=right, bottom=bottom)
        seen.append((index, Sighting(where, min(tried[best][0], 1.0))))
    return seen


def _best_match(
    frame: NDArray[np.uint8], picture: NDArray[np.uint8], centre: NDArray[np.float64], width: int, height: int
) -> tuple[float, NDArray[np.float64]]:
    """How like the picture, at this size, is what lies near the centre; and the centre of that."""
    if min(width, height) < _LEAST_SIDE:
        return -1.0, centre
    smaller = width < picture.shape[1]
    scaled = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
    reach = round(max(width, height) * _REACH) + _REACH_PIXELS
    left, top = max(0, int(centre[0] - width / 2) - reach), max(0, int(centre[1] - height / 2) - reach)
    near = np.ascontiguousarray(frame[top : top + height + 2 * reach, left : left + width + 2 * reach])
    if near.shape[0] < height or near.shape[1] < width:
        return -1.0, centre
    likeness = np.nan_to_num(cv2.matchTemplate(near, scaled, cv2.TM_CCOEFF_NORMED), nan=-1.0, posinf=-1.0, neginf=-1.0)
    y, x = np.unravel_index(int(np.argmax(likeness)), likeness.shape)
    return float(likeness[y, x]), np.array([left + x + width / 2, top + y + height / 2])
