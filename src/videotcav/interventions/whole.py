"""Edits of whole clips, which need no boxes: what the model relies on, asked by changing one thing everywhere.

The *ranked* edits each take one kind of evidence away and leave the rest. The *shown* ones take detail or places away,
whatever these hold: they come out on top for networks of every kind and say nothing of which evidence it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import cv2
import numpy as np
import xxhash
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from videotcav.errors import ArgumentError, closest
from videotcav.interventions.frames import Frames, Masks
from videotcav.interventions.moving import moving_places

BLUR = 0.1
"""Standard deviation of a blur, as a share of the frame's shorter side."""


@dataclass(frozen=True, eq=False)
class Changed:
    """A clip with one thing changed: its frames, and the share of its pixels that are other than before.

    `frames` is None where the edit cannot be made of this clip, and `reason` says why. `inpainted` is the share of the
    pixels filled from other frames that none of these shows, None for an edit that fills none so.
    """

    frames: Frames | None
    changed: float = 0.0
    reason: str = ""
    inpainted: float | None = None


@dataclass(frozen=True, eq=False)
class Watched:
    """A clip, and what several edits of it need."""

    frames: Frames
    seed: int = 0

    @property
    def rng(self) -> np.random.Generator:
        """Follows from the clip's own pictures, so that its edits do not hang on which clips stand beside it."""
        return np.random.default_rng([self.seed, xxhash.xxh64_intdigest(self.frames.tobytes())])

    @cached_property
    def blurred(self) -> Frames:
        """Every frame behind a Gaussian blur."""
        blur = ImageFilter.GaussianBlur(BLUR * min(self.frames.shape[1:3]))
        return np.stack([np.asarray(Image.fromarray(frame).filter(blur)) for frame in self.frames])

    @cached_property
    def moving(self) -> Masks | str:
        """The places where anything ever moves, see `moving_places`; a reason where that cannot be told."""
        return moving_places(self.frames)


Apply = Callable[[Watched], Frames | str]

Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True)
class WholeEdit:
    """An edit of a whole clip: `about` says what it does; `without` what the class then has to do without."""

    name: str
    about: str
    without: str
    ranked: bool
    apply: Apply

    def __call__(self, clip: Watched | Frames, *, seed: int = 0) -> Changed:
        """The clip after the edit; `seed` decides the order of shuffled frames, together with the clip itself."""
        clip = clip if isinstance(clip, Watched) else Watched(clip, seed)
        frames = self.apply(clip)
        if isinstance(frames, str):
            return Changed(None, reason=frames)
        return Changed(frames, float((frames != clip.frames).any(axis=3).mean()))


def held(frames: Frames, at: int) -> Frames:
    """One of the frames in the place of all."""
    return np.repeat(frames[at : at + 1] if at >= 0 else frames[at:], len(frames), axis=0)


def shuffled(frames: NDArray[Number], rng: np.random.Generator) -> NDArray[Number]:
    """The frames in an order that is neither their own nor the reverse, where they have a third."""
    forward = np.arange(len(frames))
    if len(frames) <= 2:  # noqa: PLR2004 - two frames have no third order
        return np.asarray(frames[::-1])
    order = rng.permutation(forward)
    while np.array_equal(order, forward) or np.array_equal(order, forward[::-1]):
        order = rng.permutation(forward)
    return np.asarray(frames[order])


def grey(frames: Frames) -> Frames:
    """Luma in all three colours (ITU-R BT.601)."""
    luma = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames])
    return np.repeat(luma[..., None], 3, axis=3)


def flat(frames: Frames, where: Masks) -> Frames:
    """The places in their own mean colour."""
    if not where.any():
        return frames.copy()
    means = [cv2.mean(frame, mask.astype(np.uint8))[:3] for frame, mask in zip(frames, where, strict=True)]
    colour = np.average(means, axis=0, weights=where.sum(axis=(1, 2)))
    return np.asarray(np.where(where[..., None], np.round(colour).astype(np.uint8), frames))


def middle(shape: tuple[int, ...]) -> Masks:
    """The central quarter of the area: half the height and half the width."""
    frames, height, width = shape[:3]
    rows, columns = (round(length / 2) for length in (height, width))
    top, left = (height - rows) // 2, (width - columns) // 2
    found = np.zeros((frames, height, width), dtype=np.bool_)
    found[:, top : top + rows, left : left + columns] = True
    return found


def still_part(clip: Watched) -> Frames | str:
    """What never moves in its mean colour."""
    return clip.moving if isinstance(clip.moving, str) else flat(clip.frames, ~clip.moving)


def moving_blurred(clip: Watched) -> Frames | str:
    """The places where anything ever moves, blurred."""
    if isinstance(clip.moving, str):
        return clip.moving
    return np.asarray(np.where(clip.moving[..., None], clip.blurred, clip.frames))


def _edits() -> tuple[WholeEdit, ...]:
    def ranked(name: str, about: str, without: str, apply: Apply) -> WholeEdit:
        return WholeEdit(name, about, without, ranked=True, apply=apply)

    def shown(name: str, about: str, without: str, apply: Apply) -> WholeEdit:
        return WholeEdit(name, about, without, ranked=False, apply=apply)

    return (
        ranked("still", "the middle frame is held", "motion", lambda clip: held(clip.frames, len(clip.frames) // 2)),
        ranked(
            "shuffle", "frames are in random order", "the order of frames", lambda clip: shuffled(clip.frames, clip.rng)
        ),
        ranked("reverse", "frames run backwards", "the direction of time", lambda clip: clip.frames[::-1].copy()),
        ranked("grey", "colours become their luma", "colour", lambda clip: grey(clip.frames)),
        ranked(
            "still part",
            "what never moves becomes its mean colour",
            "what never moves",
            still_part,
        ),
        ranked(
            "moving places",
            "wherever anything ever moves is blurred",
            "the look of what moves",
            moving_blurred,
        ),
        shown("blur", "every frame is blurred", "detail", lambda clip: clip.blurred),
        shown(
            "middle",
            "the central quarter of the area becomes its mean colour",
            "the middle of the picture",
            lambda clip: flat(clip.frames, middle(clip.frames.shape)),
        ),
        shown(
            "border",
            "all but the central quarter of the area becomes its mean colour",
            "the border of the picture",
            lambda clip: flat(clip.frames, ~middle(clip.frames.shape)),
        ),
        shown("first frame", "the first frame is held", "all but the first frame", lambda clip: held(clip.frames, 0)),
        shown("last frame", "the last frame is held", "all but the last frame", lambda clip: held(clip.frames, -1)),
    )


WHOLE: dict[str, WholeEdit] = {edit.name: edit for edit in _edits()}
"""All edits by name, the ranked ones first, in the order in which they are told."""


def whole_edit(name: str) -> WholeEdit:
    """The edit of that name. Raises ArgumentError with the closest names."""
    if name not in WHOLE:
        near = closest(name, WHOLE) or ", ".join(f"'{known}'" for known in WHOLE)
        raise ArgumentError(f"no edit '{name}' of whole clips; closest: {near}")
    return WHOLE[name]
