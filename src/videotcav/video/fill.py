"""What stands where an object is taken out: the scene as other frames show it, or another fill to hold it against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from videotcav.errors import ArgumentError, closest
from videotcav.video.camera import Camera
from videotcav.video.softly import Frames, Masks, blended, soft

Fill = Callable[[Frames, Masks], Frames]
"""Frames, and where they are to be filled → frames; what these show elsewhere is not used."""

_INPAINT_RADIUS = 3
_NOTHING = 1000  # above every grey level


@dataclass(frozen=True, eq=False)
class Filled:
    """Frames with places filled, and the share of the filled pixels that no frame shows, which are made up."""

    frames: Frames
    inpainted: float


def filled(
    frames: Frames,
    where: Masks,
    *,
    covered: Masks | None = None,
    others: Masks | None = None,
    camera: Camera,
    fill: Fill | str = "median",
) -> Filled:
    """The frames with the places `where` filled, softly.

    `covered` is what no frame may be asked for, `where` itself unless it is given; what `others` show stays as it is.
    Fills by name: `median`, the median over the frames in which a place is uncovered, after the camera's motion, and
    inpainted (Telea 2004) where it never is; `surroundings`, a blur of what lies around and is none of the others. A
    callable fills as it likes.

    Raises:
        ArgumentError: no such fill, or a callable gives other than frames of the same shape.
    """
    if isinstance(fill, str) and fill not in FILLS:
        raise ArgumentError(f"no fill '{fill}'; closest: {closest(fill, FILLS) or ', '.join(FILLS)}")
    if not where.any():
        return Filled(frames.copy(), 0.0)
    softness = soft(where)
    if others is not None:
        softness *= ~others
    if fill == "median":
        scene, unseen = _scene(frames, softness > 0, where if covered is None else covered, camera)
        own = where & (softness > 0)
        return Filled(blended(frames, scene, softness), float(unseen[own].mean()) if own.any() else 0.0)
    places = softness > 0
    if isinstance(fill, str):
        made = _surroundings(frames, places, places if others is None else places | others)
    else:
        made = fill(frames.copy(), places)
    if not isinstance(made, np.ndarray) or made.dtype != np.uint8 or made.shape != frames.shape:
        got = f"{made.dtype} {made.shape}" if isinstance(made, np.ndarray) else type(made).__name__
        raise ArgumentError(f"a fill gives back frames of its own kind, uint8 {frames.shape}; got {got}")
    return Filled(blended(frames, made, softness), 0.0)


FILLS = ("median", "surroundings")
"""The second is there to confirm the first: it makes nothing up and knows no other frame."""


def _scene(frames: Frames, where: Masks, covered: Masks, camera: Camera) -> tuple[Frames, Masks]:
    """The scene at the places, and which of them no frame shows."""
    made, unseen = frames.copy(), np.zeros(where.shape, dtype=np.bool_)
    if camera.stands:
        ever = np.asarray(where.any(axis=0))
        picture, missing = _median(frames, ~covered, ever)
        _inpaint(picture, missing)  # once: what is made up does not flicker
        made[where] = np.broadcast_to(picture, frames.shape)[where]
        return made, where & missing
    for frame, places in enumerate(where):
        if not places.any():
            continue
        rows, columns = (np.flatnonzero(places.any(axis=axis)) for axis in (1, 0))
        window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        pictures, uncovered = [], []
        for source in range(len(frames)):
            picture, seen = camera.carried(frames[source], source=source, target=frame)
            hidden = camera.carried_mask(covered[source], source=source, target=frame)
            pictures.append(picture[window])
            uncovered.append((seen & ~hidden)[window])
        picture, missing = _median(np.stack(pictures), np.stack(uncovered), places[window])
        whole, gone = frames[frame].copy(), np.zeros_like(places)
        whole[window][places[window]] = picture[places[window]]
        gone[window] = missing
        _inpaint(whole, gone)
        made[frame], unseen[frame] = whole, gone
    return made, unseen


def _median(pictures: Frames, uncovered: Masks, places: Masks) -> tuple[NDArray[np.uint8], Masks]:
    """One picture: the median of each place over the frames that show it; and the places that none shows."""
    picture = pictures[len(pictures) // 2].copy()
    levels = np.where(uncovered[:, places, None], pictures[:, places], np.int16(_NOTHING))
    levels = np.sort(levels.astype(np.int16), axis=0)
    count = uncovered[:, places].sum(axis=0)
    low, high = (
        np.take_along_axis(levels, np.maximum(at, 0)[None, :, None], axis=0)[0] for at in ((count - 1) // 2, count // 2)
    )
    seen = count > 0
    missing = np.zeros_like(places)
    missing[places] = ~seen
    levels_found = np.where(seen[:, None], (low + high + 1) // 2, picture[places])
    picture[places] = levels_found.astype(np.uint8)
    return picture, missing


def _inpaint(picture: NDArray[np.uint8], missing: Masks) -> None:
    if missing.all():
        picture[:] = 127  # nothing is left to go by
    elif missing.any():
        made = cv2.inpaint(np.ascontiguousarray(picture), missing.astype(np.uint8), _INPAINT_RADIUS, cv2.INPAINT_TELEA)
        picture[missing] = made[missing]


def _surroundings(frames: Frames, where: Masks, covered: Masks) -> Frames:
    """Each frame's mean of what lies around and is not covered, by a wide Gaussian: smooth, of its own colours."""
    made = frames.copy()
    for frame, places in enumerate(where):
        outside = (~(covered[frame] if not covered[frame].all() else places)).astype(np.float32)
        if not places.any() or not outside.any():
            continue
        far = float(cv2.distanceTransform(places.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE).max())
        deviation = max(1.0, far)
        weight = cv2.GaussianBlur(outside, (0, 0), deviation)
        total = cv2.GaussianBlur(frames[frame] * outside[..., None], (0, 0), deviation)
        mean = frames[frame][outside > 0].mean(axis=0)
        around = (total + 1e-6 * mean) / (weight + 1e-6)[..., None]
        made[frame][places] = np.rint(around[places]).astype(np.uint8)
    return made
