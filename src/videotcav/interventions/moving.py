"""The places of a clip where anything ever moves, the camera's own motion apart."""

from __future__ import annotations

import warnings

import cv2
import numpy as np
from numpy.typing import NDArray

from videotcav.interventions.frames import Frames, Masks
from videotcav.video.camera import Camera, camera_motion

MOVED = 20
"""Grey levels, in any colour: what is further from the median of its place over time has moved."""

NEARLY_EVERYTHING = 0.75
"""The share of the picture that can move at most: with more, nobody can tell what moves from what is filmed."""

_SIDE = 1 / 6  # of the picture: how wide each of its four sides is
_MOVES, _LEFT = 0.1, 0.6  # the share of a side that moves with the camera, and what of it may be left
_CLEAR_SIDES = 3  # the fourth may show what stands in the picture itself, as a caption does
_OUT_OF_SIGHT = 0.25  # of what all frames show, the share that the middle frame does not
_SQUARE = np.ones((3, 3), dtype=np.uint8)

Place = NDArray[np.bool_]
"""`height width`."""


def moving_places(frames: Frames) -> Masks | str:
    """The places where anything ever moves, in each frame where it shows them: closed, and grown by a pixel.

    Where the camera moves, its motion is taken out first, and places are those of the scene; what the middle frame does
    not show of it counts as still. A reason, in words, where that cannot be done.

    A thing that moves before a blank wall looks like a camera that follows it, so that the camera is believed to move
    only where all four sides of the picture move, and three of them clearly less when its motion is taken out.
    """
    standing = _moved(frames)
    camera = camera_motion(frames)
    if camera.stands:
        if standing.mean() > NEARLY_EVERYTHING:
            return "nearly all of the picture moves"
        return np.broadcast_to(_closed_and_grown(standing), frames.shape[:3])
    steady, shown = _taken_out(frames, camera)
    sides = [(standing[side].mean(), steady[side].mean()) for side in _sides(frames.shape[1], frames.shape[2])]
    all_move = all(before > _MOVES and after <= before for before, after in sides)
    if not all_move or sum(after < _LEFT * before for before, after in sides) < _CLEAR_SIDES:
        return "the motion of the camera cannot be told from that of what it films"
    if steady.mean() > NEARLY_EVERYTHING or 1 - shown > _OUT_OF_SIGHT:
        return "the camera moves, and its motion cannot be taken out"
    return camera.masks_out_of_reference(_closed_and_grown(steady))


def _moved(frames: Frames) -> Place:
    twice = (2 * np.median(frames, axis=0)).astype(np.int16)  # whole, also between two grey levels
    ever = np.zeros(frames.shape[1:3], dtype=np.bool_)
    for frame in frames.astype(np.int16):
        ever |= (np.abs(2 * frame - twice) > 2 * MOVED).any(axis=2)
    return ever


def _taken_out(frames: Frames, camera: Camera) -> tuple[Place, float]:
    """What still moves when every frame lies on the middle one, and the share of all frames that this shows.

    A frame lies there to a fraction of a pixel, so that an edge may be a pixel beside the median's.
    """
    carried, seen = camera.into_reference(frames)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a place that no frame shows
        median = np.nanmedian(np.where(seen[..., None], carried, np.float32(np.nan)), axis=0).astype(np.float32)
    low, high = cv2.erode(median, _SQUARE), cv2.dilate(median, _SQUARE)
    ever = np.zeros(frames.shape[1:3], dtype=np.bool_)
    for frame, shown in zip(carried, seen, strict=True):
        ever |= ((frame < low - MOVED) | (frame > high + MOVED)).any(axis=2) & shown
    whole = np.ones(frames.shape[1:3], dtype=np.bool_)
    return ever, float(camera.masks_out_of_reference(whole).mean())


def _sides(height: int, width: int) -> list[tuple[slice, slice]]:
    rows, columns, every = max(1, round(_SIDE * height)), max(1, round(_SIDE * width)), slice(None)
    return [(slice(rows), every), (slice(-rows, None), every), (every, slice(columns)), (every, slice(-columns, None))]


def _closed_and_grown(where: Place) -> Place:
    closed = cv2.morphologyEx(where.astype(np.uint8), cv2.MORPH_CLOSE, _SQUARE)
    return np.asarray(cv2.dilate(closed, _SQUARE), dtype=np.bool_)
