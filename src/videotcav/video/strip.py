"""Frames beside each other, as a notebook shows a clip."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SHOWN = 8


def strip_png(frames: NDArray[np.uint8]) -> bytes:
    """At most eight frames of a clip, uint8 `time height width 3`, evenly over it, as the bytes of a PNG file."""
    places = np.unique(np.linspace(0, len(frames) - 1, min(SHOWN, len(frames))).round().astype(int))
    picture = BytesIO()
    Image.fromarray(np.concatenate([frames[place] for place in places], axis=1)).save(picture, format="png")
    return picture.getvalue()
