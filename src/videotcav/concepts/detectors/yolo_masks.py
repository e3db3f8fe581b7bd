"""Masks of YOLO's segment exports: each a weighted sum of the picture's prototypes (Bolya et al. 2019, YOLACT)."""

from __future__ import annotations

import cv2
import numpy as np
from einops import einsum
from numpy.typing import NDArray

from videotcav.concepts.detectors.letterbox import Letterbox
from videotcav.concepts.detectors.masks import Mask

Float32 = NDArray[np.float32]


def masks_of(
    prototypes: Float32, weights: Float32, boxes: Float32, fitted: Letterbox, *, height: int, width: int
) -> tuple[Mask | None, ...]:
    """The mask of each box, in source pixels; None where no pixel of the box is likelier in than out.

    `prototypes` are `prototype h w` over the whole input of `height` × `width`, `weights` `n prototype`, `boxes` `n 4`
    in source pixels. A sum above 0 is a probability above one half.
    """
    return tuple(
        _mask(cv2.resize(one, (width, height), interpolation=cv2.INTER_LINEAR), box, fitted)
        for one, box in zip(einsum(weights, prototypes, "n p, p h w -> n h w"), boxes, strict=True)
    )


def _mask(sums: NDArray[np.generic], box: Float32, fitted: Letterbox) -> Mask | None:
    seen = sums[fitted.top : fitted.top + fitted.height, fitted.left : fitted.left + fitted.width]
    size = (fitted.source_width, fitted.source_height)
    inside = cv2.resize(np.ascontiguousarray(seen), size, interpolation=cv2.INTER_LINEAR) > 0
    left, top = np.floor(box[:2]).astype(int)
    right, bottom = np.ceil(box[2:]).astype(int)
    pixels = np.zeros_like(inside, dtype=np.bool_)
    pixels[top:bottom, left:right] = inside[top:bottom, left:right]
    return Mask.of(pixels) if pixels.any() else None
