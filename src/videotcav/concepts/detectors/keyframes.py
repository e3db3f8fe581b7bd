"""Boxes between the frames in which a person drew them: annotation tools go straight from one to the next."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from videotcav.concepts.detectors.masks import BoxEdges, Outline

MOST_BOXES = 3_000_000
"""Of a file, with those between its keyframes."""


class Keyframe(NamedTuple):
    """A box as it was drawn, or an ellipse in it: `box` is upright, `degrees` how far it is turned about its centre."""

    frame: int
    box: BoxEdges
    degrees: float = 0.0
    outline: Outline | None = None
    ellipse: bool = False

    @property
    def edges(self) -> BoxEdges:
        """Of the upright box around it."""
        left, top, right, bottom = self.box
        cos, sin = abs(math.cos(math.radians(self.degrees))), abs(math.sin(math.radians(self.degrees)))
        around = math.hypot if self.ellipse else lambda *parts: sum(parts)
        across = around((right - left) * cos, (bottom - top) * sin)
        down = around((right - left) * sin, (bottom - top) * cos)
        x, y = (left + right) / 2, (top + bottom) / 2
        return (x - across / 2, y - down / 2, x + across / 2, y + down / 2) if self.degrees else self.box


def between(before: Keyframe, after: Keyframe, frame: int) -> Keyframe:
    """What is in a frame between two others: a box on a straight line, turned the shorter way; of two polygons the
    one whose corners lie on straight lines between places that are equally far along their borders.

    Raises ValueError, whose text is the end of a sentence, where either is a mask, or only one is a polygon.
    """
    share = (frame - before.frame) / (after.frame - before.frame)
    if before.outline is not None or after.outline is not None:
        one, other = (key.outline for key in (before, after))
        if not isinstance(one, tuple) or not isinstance(other, tuple) or len(one) != 1 or len(other) != 1:
            raise ValueError(f"has nothing drawn until frame {after.frame}, and only boxes and polygons go on between")
        corners = _between_polygons(one[0], other[0], share)
        (left, top), (right, bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
        return Keyframe(frame, (left, top, right, bottom), outline=(tuple(corners.ravel().tolist()),))
    left, top, right, bottom = (a + share * (b - a) for a, b in zip(before.box, after.box, strict=True))
    turn = (after.degrees - before.degrees + 180) % 360 - 180
    return Keyframe(frame, (left, top, right, bottom), before.degrees + share * turn, ellipse=before.ellipse)


def _between_polygons(one: tuple[float, ...], other: tuple[float, ...], share: float) -> NDArray[np.float64]:
    """Corners `n 2`; each corner of either polygon, by its share of the way around from the first one, has one."""
    borders = [np.array([*polygon, *polygon[:2]]).reshape(-1, 2) for polygon in (one, other)]
    lengths = [np.r_[0.0, np.hypot(*np.diff(border, axis=0).T).cumsum()] for border in borders]
    ways = [length / (length[-1] or 1.0) for length in lengths]
    at = np.unique(np.concatenate([way[:-1] for way in ways]).round(9))
    first, second = (
        np.stack([np.interp(at, way, border[:, axis]) for axis in (0, 1)], axis=1)
        for way, border in zip(ways, borders, strict=True)
    )
    return np.asarray(first + share * (second - first))
