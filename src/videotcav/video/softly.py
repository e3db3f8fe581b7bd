"""Places of frames with a soft border: what edits and cuts blend in, so that no edge of their own is seen."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]
"""`time height width channel`."""

Masks = NDArray[np.bool_]
"""`time height width`."""

Softness = NDArray[np.float32]
"""`time height width`: how much of what is blended in each pixel gets, 0…1."""

_SOFT_SHARE = 1 / 64  # of the shorter side: how wide a border is, a pixel at least


def grown(masks: Masks, pixels: int = 1) -> Masks:
    """The masks with a rim of so many pixels; an object's own rim is half its colour."""
    if not pixels:
        return masks
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1, 2 * pixels + 1))
    return np.stack([cv2.dilate(mask.astype(np.uint8), disc) > 0 for mask in masks])


def border_width(masks: Masks) -> int:
    """How many pixels wide the border of an edit is."""
    return max(1, round(_SOFT_SHARE * int(min(masks.shape[1:]))))


def soft(masks: Masks, *, width: int | None = None) -> Softness:
    """1 in the masks, falling to 0 outside them over the width of a border, in pixels."""
    width = border_width(masks) if width is None else width
    found = np.zeros(masks.shape, dtype=np.float32)
    for frame, mask in enumerate(masks):
        if mask.any():
            far = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
            found[frame] = np.clip(1 - far / (width + 1), 0, 1)
    return found


def blended(below: Frames, above: Frames, softness: Softness) -> Frames:
    """The frames above over those below; where the softness is 0 or 1 the pixels are those of one of them exactly."""
    share = softness[..., None]
    return np.asarray(np.rint(below + share * (above.astype(np.float32) - below)), dtype=np.uint8)
