"""Frames → the square that a detector looks at, and its boxes' way back to source pixels."""

from __future__ import annotations

from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

_GREY = 114  # what the YOLO family pads with in training

Placement = Literal["centred", "top-left"]


class Letterbox(NamedTuple):
    """How a frame was fitted: its place in the input, and the size it came from, both in pixels."""

    left: int
    top: int
    width: int
    height: int
    source_width: int
    source_height: int

    def to_source(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Boxes `n 4` (left, top, right, bottom) from input pixels to source pixels, clipped to the frame.

        Width and height have scales of their own, because the fitted size is rounded to whole pixels.
        """
        scale = np.array([self.source_width / self.width, self.source_height / self.height] * 2)
        offset = np.array([self.left, self.top] * 2)
        limit = np.array([self.source_width, self.source_height] * 2)
        source: NDArray[np.float32] = np.clip((boxes - offset) * scale, 0, limit).astype(np.float32)
        return source


def letterbox(
    frame: NDArray[np.uint8], *, height: int, width: int, placement: Placement
) -> tuple[NDArray[np.uint8], Letterbox]:
    """The frame (uint8 `height width 3`) scaled to fit and padded with grey, and how it was fitted."""
    source_height, source_width = frame.shape[:2]
    scale = min(height / source_height, width / source_width)
    fitted_width, fitted_height = max(1, round(source_width * scale)), max(1, round(source_height * scale))
    left, top = (width - fitted_width) // 2, (height - fitted_height) // 2
    if placement == "top-left":
        left = top = 0
    canvas = np.full((height, width, 3), _GREY, dtype=np.uint8)
    cv2.resize(
        frame,
        (fitted_width, fitted_height),
        dst=canvas[top : top + fitted_height, left : left + fitted_width],
        interpolation=cv2.INTER_LINEAR,
    )
    return canvas, Letterbox(left, top, fitted_width, fitted_height, source_width, source_height)
