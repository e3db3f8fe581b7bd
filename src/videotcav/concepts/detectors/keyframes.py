"""Boxes between the frames in which a person drew them: annotation tools go straight from one to the next."""

from __future__ import annotations

import math
from typing import NamedTuple

from videotcav.concepts.detectors.masks import BoxEdges, Outline

MOST_BOXES = 3_000_000
"""Of a file, with those between its keyframes."""


class Keyframe(NamedTuple):
    """A box as it was drawn: `box` is upright, `degrees` is how far it is turned about its centre."""

    frame: int
    box: BoxEdges
    degrees: float = 0.0
    outline: Outline | None = None

    @property
    def edges(self) -> BoxEdges:
        """Of the upright box around it."""
        left, top, right, bottom = self.box
        cos, sin = abs(math.cos(math.radians(self.degrees))), abs(math.sin(math.radians(self.degrees)))
        across, down = (right - left) * cos + (bottom - top) * sin, (right - left) * sin + (bottom - top) * cos
        x, y = (left + right) / 2, (top + bottom) / 2
        return (x - across / 2, y - down / 2, x + across / 2, y + down / 2) if self.degrees else self.box


def between(before: Keyframe, after: Keyframe, frame: int) -> Keyframe:
    """The box in a frame between two others: on a straight line, turned the shorter way, without an outline."""
    share = (frame - before.frame) / (after.frame - before.frame)
    left, top, right, bottom = (a + share * (b - a) for a, b in zip(before.box, after.box, strict=True))
    turn = (after.degrees - before.degrees + 180) % 360 - 180
    return Keyframe(frame, (left, top, right, bottom), before.degrees + share * turn)
