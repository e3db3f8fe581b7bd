"""The handling of an edit without its purpose: what is left of an effect beside it is not the handling's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, rfft2

from videotcav.interventions.frames import Masks
from videotcav.interventions.objects import Edited, ObjectClip, ObjectEdit, with_same_camera
from videotcav.interventions.whole import Watched
from videotcav.video.softly import border_width, soft

PLACES = 3
"""Elsewhere: how many places are tried, where there are so many. One is enough."""

INSIDE = 0.5
"""Share of the object that lies inside the picture elsewhere, in every frame that shows it."""

_APART = 0.5  # places lie at least so many times the object's width apart, as far as that is possible


def shams(edit: ObjectEdit, clip: ObjectClip) -> tuple[Edited, ...]:
    """The shams of an edit on this clip, none where it has none there.

    The round trip for what moves the object's frames about; for what takes its look away, the same elsewhere.
    """
    if edit.sham == "none" or not clip.shown_in:
        return ()
    if edit.sham == "round trip":
        return (round_trip(clip),)
    clip.camera  # noqa: B018 - estimated once, of the clip itself: the sham takes out nothing that moves
    places = elsewhere(clip.masks, others=clip.others, rng=Watched(clip.frames, clip.seed).rng)
    return tuple(edit.apply(with_same_camera(clip, masks=masks, hidden=clip.masks)) for masks in places)


def round_trip(clip: ObjectClip) -> Edited:
    """Every place that the object ever covers is filled, in every frame; then it is pasted back where it was."""
    frames = range(len(clip.frames))
    if clip.camera.stands:
        ever = np.broadcast_to(clip.masks.any(axis=0), clip.masks.shape)
    else:
        ever = np.stack(
            [
                np.any([clip.camera.carried_mask(clip.masks[at], source=at, target=frame) for at in frames], axis=0)
                for frame in frames
            ]
        )
    scene = clip.without(ever)
    return clip.edited(clip.with_object(scene.frames, frames), inpainted=scene.inpainted)


def elsewhere(
    masks: Masks, *, rng: np.random.Generator, others: Masks | None = None, count: int = PLACES
) -> list[Masks]:
    """Up to `count` times the same track at another place, chosen at random: never over the object in that frame,
    borders included, and at least half inside the picture, beside what others show, in every frame.
    """
    allowed = np.argwhere(_allowed(masks, others))
    height, width = masks.shape[1:]
    apart = _APART * float(np.sqrt(masks.sum(axis=(1, 2)).max()))
    chosen: list[NDArray[np.int64]] = []
    for place in allowed[rng.permutation(len(allowed))]:
        if all(np.hypot(*(place - other)) >= apart for other in chosen):
            chosen.append(place)
        if len(chosen) == count:
            break
    return [_shifted(masks, int(down) - height + 1, int(right) - width + 1) for down, right in chosen]


def _allowed(masks: Masks, others: Masks | None = None) -> NDArray[np.bool_]:
    """By how far the track may be moved: [height − 1 + down, width − 1 + right], of all moves that leave a pixel."""
    _, height, width = masks.shape
    ok = np.ones((2 * height - 1, 2 * width - 1), dtype=np.bool_)
    free = np.ones_like(masks) if others is None else ~others
    # A border that the picture cuts off is there again where the track is moved inwards.
    beyond = border_width(masks)
    inner = (slice(beyond, height + beyond), slice(beyond, width + beyond))
    borders = soft(np.pad(masks, ((0, 0), (beyond, beyond), (beyond, beyond)))) > 0
    for mask, border, room in zip(masks, borders, free, strict=True):
        if mask.any():
            shown = np.zeros_like(border)
            shown[inner] = border[inner]
            overlap = _overlaps(shown, border)[2 * beyond : -2 * beyond, 2 * beyond : -2 * beyond]
            ok &= (overlap == 0) & (_overlaps(room, mask) >= INSIDE * mask.sum())
    return ok


def _overlaps(fixed: Masks, moving: Masks) -> NDArray[np.int64]:
    """How many pixels of one picture lie on those of another, for all moves of it at once: their correlation."""
    size = [2 * length - 1 for length in fixed.shape]
    product = rfft2(fixed.astype(np.float64), size) * rfft2(moving[::-1, ::-1].astype(np.float64), size)
    return np.asarray(np.rint(irfft2(product, size)), dtype=np.int64)


def _shifted(masks: Masks, down: int, right: int) -> Masks:
    height, width = masks.shape[1:]
    moved = np.zeros_like(masks)
    top, bottom, left, end = max(0, down), min(height, height + down), max(0, right), min(width, width + right)
    moved[:, top:bottom, left:end] = masks[:, top - down : bottom - down, left - right : end - right]
    return moved
