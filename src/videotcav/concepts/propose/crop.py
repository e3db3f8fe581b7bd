"""Tracks → the pixels of concept clips, and of their twins. Pure: arrays in, arrays out; nothing is resampled.

Three ways to cut a moving object out:

- `paper`: each frame's own box, centred on a canvas as large as the largest box of the clip, the rest filled;
- `window`: a window of constant size that follows the object's smoothed centre, with the real surroundings, so that
  the flicker of padding cannot be mistaken for motion;
- `in-place`: the whole frame with everything outside the box filled, so that travel through the frame is kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from einops import repeat
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, laplace

from videotcav.records import Box, Kind

Mode = Literal["paper", "window", "in-place"]
Colour = tuple[int, int, int]
UInt8Array = NDArray[np.uint8]


def moving(
    frames: UInt8Array,
    boxes: Sequence[Box],
    *,
    mode: Mode,
    fill: Colour,
    context: float = 0.25,
    smoothing_frames: float = 2.0,
) -> UInt8Array:
    """The tracked object frame by frame, uint8 `time height width 3`.

    `frames` is `time height width 3` with one box a frame. The canvas of `paper` and `window` is a square with an
    even side; `context` is how much wider than the largest box a window is, `smoothing_frames` the standard deviation
    of the Gaussian that smooths its centre.
    """
    inside = [_pixels_of(box, frames.shape[1:3]) for box in boxes]
    if mode == "in-place":
        canvas = _filled(frames.shape, fill)
        for target, frame, (left, top, right, bottom) in zip(canvas, frames, inside, strict=True):
            target[top:bottom, left:right] = frame[top:bottom, left:right]
        return canvas
    largest = max(max(right - left, bottom - top) for left, top, right, bottom in inside)
    if mode == "window":
        side = _even(largest * (1 + context))
        centres = np.array([((box.left + box.right) / 2, (box.top + box.bottom) / 2) for box in boxes])
        if smoothing_frames > 0:
            centres = gaussian_filter1d(centres, smoothing_frames, axis=0, mode="nearest")
        windows = [(round(x - side / 2), round(y - side / 2)) for x, y in centres]
        return np.stack([_window(f, left, top, side, fill) for f, (left, top) in zip(frames, windows, strict=True)])
    side = _even(largest)
    return np.stack([_centred(frame, where, side, fill) for frame, where in zip(frames, inside, strict=True)])


def still(frame: UInt8Array, box: Box, *, mode: Mode, fill: Colour, context: float = 0.25) -> UInt8Array:
    """One frame's object alone, uint8 `height width 3`; its canvas knows nothing of the rest of the track."""
    (picture,) = moving(frame[None], [box], mode=mode, fill=fill, context=context)
    return np.asarray(picture)


def hold(image: UInt8Array, frames: int) -> UInt8Array:
    """A spatial clip: the image repeated, `time height width 3`."""
    return repeat(image, "h w c -> t h w c", t=frames)


def twin_orders(frames: int, *, still_frame: int, rng: np.random.Generator) -> dict[Kind, tuple[int, ...]]:
    """For the dynamic clip and each of its twins: which of its frames is shown when.

    Every twin is made of the dynamic clip's own pixels. The shuffled order is neither the true one nor the reversed.
    """
    forward = tuple(range(frames))
    backward = forward[::-1]
    shuffled = tuple(int(i) for i in rng.permutation(frames))
    while frames > 2 and shuffled in (forward, backward):  # noqa: PLR2004 - two frames have no third order
        shuffled = tuple(int(i) for i in rng.permutation(frames))
    return {
        "spatiotemporal": forward,
        "frozen": (still_frame,) * frames,
        "shuffled": shuffled,
        "reversed": backward,
    }


def sharpness(frame: UInt8Array, box: Box) -> float:
    """Variance of the Laplacian inside the box, in levels of green squared: low where the object is blurred."""
    left, top, right, bottom = _pixels_of(box, frame.shape[:2])
    return float(laplace(frame[top:bottom, left:right, 1].astype(np.float32)).var())


def _pixels_of(box: Box, size: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Whole pixels that the box touches inside a frame of (height, width): left, top, right, bottom."""
    height, width = size
    left, top = max(0, math.floor(box.left)), max(0, math.floor(box.top))
    right, bottom = min(width, math.ceil(box.right)), min(height, math.ceil(box.bottom))
    if left >= right or top >= bottom:
        raise ValueError(f"box {box} lies outside the {width}×{height} frame")
    return left, top, right, bottom


def _even(side: float) -> int:
    return 2 * math.ceil(side / 2)  # H.264 with 4:2:0 colour has no odd sizes


def _filled(shape: tuple[int, ...], fill: Colour) -> UInt8Array:
    canvas: UInt8Array = np.broadcast_to(np.array(fill, dtype=np.uint8), shape).copy()
    return canvas


def _centred(frame: UInt8Array, where: tuple[int, int, int, int], side: int, fill: Colour) -> UInt8Array:
    left, top, right, bottom = where
    canvas = _filled((side, side, 3), fill)
    y, x = (side - (bottom - top)) // 2, (side - (right - left)) // 2
    canvas[y : y + bottom - top, x : x + right - left] = frame[top:bottom, left:right]
    return canvas


def _window(frame: UInt8Array, left: int, top: int, side: int, fill: Colour) -> UInt8Array:
    height, width = frame.shape[:2]
    canvas = _filled((side, side, 3), fill)
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + side, width), min(top + side, height)
    if x0 < x1 and y0 < y1:
        canvas[y0 - top : y1 - top, x0 - left : x1 - left] = frame[y0:y1, x0:x1]
    return canvas
