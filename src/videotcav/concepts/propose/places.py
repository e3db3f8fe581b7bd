"""Where the object of a track is in any frame of its video, by mask where one is known, else by box."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from videotcav.concepts.propose.track import Track
from videotcav.records import Box


class ObjectPlace(NamedTuple):
    """A box in source pixels, or a picture of the source's size that is true where the object is."""

    where: Box | NDArray[np.bool_]
    interpolated: bool


def places(track: Track, frame: int) -> Iterator[ObjectPlace]:
    """Where the object is in a frame of the video; nowhere before the track's first and after its last frame.

    Between two frames of the track the box is interpolated, and the masks of both are carried along.
    """
    at = int(np.searchsorted(track.frames, frame))
    if at == len(track.frames) or frame < track.frames[0]:
        return
    if track.frames[at] == frame:
        mask = None if track.masks is None else track.masks[at]
        yield ObjectPlace(track.boxes[at] if mask is None else mask.pixels, interpolated=False)
        return
    before, after = track.boxes[at - 1], track.boxes[at]
    share = (frame - track.frames[at - 1]) / (track.frames[at] - track.frames[at - 1])
    between = Box(
        **{edge: (1 - share) * getattr(before, edge) + share * getattr(after, edge) for edge in Box.model_fields}
    )
    ends = (None, None) if track.masks is None else track.masks[at - 1 : at + 1]
    for box, mask in zip((before, after), ends, strict=True):
        if mask is None:
            yield ObjectPlace(between, interpolated=True)
        else:
            yield ObjectPlace(_shifted(mask.pixels, *_step(box, between)), interpolated=True)


def _step(box: Box, to: Box) -> tuple[int, int]:
    """How many rows and columns it is from the centre of a box to that of another."""
    return (
        round((to.top + to.bottom - box.top - box.bottom) / 2),
        round((to.left + to.right - box.left - box.right) / 2),
    )


def _shifted(pixels: NDArray[np.bool_], rows: int, columns: int) -> NDArray[np.bool_]:
    """The picture moved down and to the right; what leaves the frame is lost."""
    y, x = np.nonzero(pixels)
    y, x = y + rows, x + columns
    inside = (y >= 0) & (y < pixels.shape[0]) & (x >= 0) & (x < pixels.shape[1])
    moved = np.zeros_like(pixels)
    moved[y[inside], x[inside]] = True
    return moved
