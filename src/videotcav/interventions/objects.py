"""Edits of one object of a clip, and of all the rest (method.md 9): in the scene, with the camera's motion kept.

An object that is moved to another frame is cut out with a rim of what lies around it, and pasted where it was *in the
scene*: there the rim is what lies around it anyway, and no edge is made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from videotcav.errors import ArgumentError, closest
from videotcav.interventions.frames import Frames, Masks
from videotcav.interventions.whole import Changed, Watched, flat, shuffled
from videotcav.video.camera import Camera, MotionModel, camera_motion
from videotcav.video.fill import Fill, Filled, filled
from videotcav.video.softly import Softness, blended, soft

_RGB = 3


@dataclass(frozen=True, eq=False)
class Edited(Changed):
    """A clip with its object edited, and what that stands on.

    `residual` is what the camera's motion leaves outside the object, in grey levels.
    """

    residual: float = 0.0
    camera: MotionModel = "identity"


@dataclass(frozen=True, eq=False)
class ObjectClip:
    """A clip, where its object is, rim included, and what several edits of it need.

    No fill asks for what is `hidden` beside the object, nor for what `others` show. These stay as they are, but where
    this one is pasted over them.
    Raises ArgumentError where frames and masks do not fit each other.
    """

    frames: Frames
    masks: Masks
    fill: Fill | str = "median"
    seed: int = 0
    hidden: Masks | None = None
    others: Masks | None = None

    def __post_init__(self) -> None:
        if self.frames.dtype != np.uint8 or self.frames.ndim != 4 or self.frames.shape[3] != _RGB:  # noqa: PLR2004
            raise ArgumentError(
                "frames to be edited are uint8, time height width 3; got "
                f"{self.frames.dtype} {' × '.join(map(str, self.frames.shape))}"
            )
        for masks in (self.masks, *(() if self.others is None else (self.others,))):
            if masks.dtype != np.bool_ or masks.shape != self.frames.shape[:3]:
                raise ArgumentError(
                    f"an object's masks are to be bool and of the frames' size, {self.frames.shape[:3]} (time height "
                    f"width); got {masks.dtype} {masks.shape}"
                )
        if self.others is not None:
            object.__setattr__(self, "masks", self.masks & ~self.others)

    @cached_property
    def camera(self) -> Camera:
        """The camera's motion, as it is seen outside the object."""
        return camera_motion(self.frames, self.masks)

    @cached_property
    def softness(self) -> Softness:
        """How far each pixel is the object's: 1 in its mask, falling to 0 beside it; 0 where others are."""
        return self._own(soft(self.masks))

    @cached_property
    def without_object(self) -> Filled:
        """The clip with the object taken out."""
        return self.without(self.masks)

    def without(self, places: Masks) -> Filled:
        """The clip with these places filled, but for what others show."""
        hidden = [each for each in (self.hidden, self.others) if each is not None]
        covered = np.any([self.masks, *hidden], axis=0)
        how: dict[str, Any] = {"covered": covered, "others": self.others, "camera": self.camera, "fill": self.fill}
        return filled(self.frames, places, **how)

    def _own(self, softness: Softness) -> Softness:
        return softness if self.others is None else softness * ~self.others

    @cached_property
    def _cut(self) -> Softness:
        """The object with its rim: wherever a fill shows at all, and softly beside that; nothing of other objects."""
        return self._own(soft(self.softness > 0))

    @property
    def shown_in(self) -> list[int]:
        """The frames that show the object."""
        return [int(frame) for frame in np.flatnonzero(self.masks.any(axis=(1, 2)))]

    @property
    def held(self) -> int:
        """The frame that shows the object and is nearest to the middle."""
        return min(self.shown_in, key=lambda frame: (abs(frame - len(self.frames) // 2), frame))

    def with_object(self, scene: Frames, sources: Sequence[int]) -> Frames:
        """The scene with the object pasted into each frame as the frame `sources[t]` has it, where it was there."""
        pasted = scene.copy()
        for frame, source in enumerate(sources):
            share = np.rint(255 * self._cut[source]).astype(np.uint8)
            if not share.any():
                continue
            picture, seen = self.camera.carried(self.frames[source], source=source, target=frame)
            carried, _ = self.camera.carried(share, source=source, target=frame)
            softness = (carried * seen / 255).astype(np.float32)
            pasted[frame] = blended(scene[frame : frame + 1], picture[None], softness[None])[0]
        return pasted

    def edited(self, frames: Frames, *, inpainted: float | None = None) -> Edited:
        """These frames as an edit of the clip."""
        return Edited(
            frames,
            changed=float((frames != self.frames).any(axis=3).mean()),
            inpainted=inpainted,
            residual=self.camera.residual,
            camera=self.camera.kind,
        )

    def with_sources(self, sources: Sequence[int]) -> Edited:
        """The object shown in each frame as another frame has it; the rest goes on."""
        scene = self.without_object
        return self.edited(self.with_object(scene.frames, sources), inpainted=scene.inpainted)


Sham = Literal["round trip", "elsewhere", "none"]


@dataclass(frozen=True)
class ObjectEdit:
    """An edit of an object or of the rest: `about` says what it does, `without` what the class then has to do without.

    `fills` says whether it hangs on a fill, `sham` which handling without the purpose it has. An edit of the rest takes
    other objects for a part of it.
    """

    name: str
    about: str
    without: str
    sham: Sham
    fills: bool
    apply: Callable[[ObjectClip], Edited]
    of_rest: bool = False

    def __call__(self, clip: ObjectClip) -> Edited:
        """The clip after the edit; without frames, and with the reason, where no frame shows the object."""
        if not clip.shown_in:
            return Edited(None, reason="no frame of the clip shows the object")
        return self.apply(with_same_camera(clip, others=None) if self.of_rest and clip.others is not None else clip)


def _freeze(clip: ObjectClip) -> Edited:
    return clip.with_sources([clip.held] * len(clip.frames))


def _shuffle(clip: ObjectClip) -> Edited:
    order = shuffled(np.arange(len(clip.frames)), Watched(clip.frames, clip.seed).rng)
    return clip.with_sources(order.tolist())


def _reverse(clip: ObjectClip) -> Edited:
    return clip.with_sources(range(len(clip.frames))[::-1])


def _remove(clip: ObjectClip) -> Edited:
    return clip.edited(clip.without_object.frames, inpainted=clip.without_object.inpainted)


def _blur(clip: ObjectClip) -> Edited:
    return clip.edited(blended(clip.frames, Watched(clip.frames).blurred, clip.softness))


def _background_frozen(clip: ObjectClip) -> Edited:
    middle, scene = len(clip.frames) // 2, clip.without_object
    held = np.repeat(scene.frames[middle : middle + 1], len(clip.frames), axis=0)
    return clip.edited(blended(held, clip.frames, clip.softness), inpainted=scene.inpainted)


def _background_blurred(clip: ObjectClip) -> Edited:
    return clip.edited(blended(Watched(clip.frames).blurred, clip.frames, clip.softness))


def _background_removed(clip: ObjectClip) -> Edited:
    around = ~clip.masks
    if callable(clip.fill):
        empty = filled(clip.frames, around, camera=clip.camera, fill=clip.fill).frames
    elif clip.fill == "median":
        empty = flat(clip.frames, around)
    else:
        empty = Watched(clip.frames).blurred
    return clip.edited(blended(empty, clip.frames, clip.softness))


def _edits() -> tuple[ObjectEdit, ...]:
    def with_sham(name: str, about: str, without: str, apply: Callable[[ObjectClip], Edited]) -> ObjectEdit:
        return ObjectEdit(name, about, without, "round trip", fills=True, apply=apply)

    return (
        with_sham("freeze", "the object is held where it is in the scene", "the object's motion", _freeze),
        with_sham("shuffle", "the object's frames are in random order", "the order of the object's motion", _shuffle),
        with_sham("reverse", "the object's frames run backwards", "the direction of the object's motion", _reverse),
        ObjectEdit(
            "remove", "the object is taken out", "the object with all it does", "elsewhere", fills=True, apply=_remove
        ),
        ObjectEdit("blur", "the object is blurred", "the object's detail", "elsewhere", fills=False, apply=_blur),
        ObjectEdit(
            "background frozen",
            "all but the object is held",
            "what moves beside the object",
            "none",
            fills=True,
            apply=_background_frozen,
            of_rest=True,
        ),
        ObjectEdit(
            "background blurred",
            "all but the object is blurred",
            "the background's detail",
            "none",
            fills=False,
            apply=_background_blurred,
            of_rest=True,
        ),
        ObjectEdit(
            "background removed",
            "all but the object becomes its mean colour",
            "the background",
            "none",
            fills=True,
            apply=_background_removed,
            of_rest=True,
        ),
    )


OBJECT: dict[str, ObjectEdit] = {edit.name: edit for edit in _edits()}
"""All edits by name, in the order in which they are told."""


def object_edit(name: str) -> ObjectEdit:
    """The edit of that name. Raises ArgumentError with the closest names."""
    if name not in OBJECT:
        near = closest(name, OBJECT) or ", ".join(f"'{known}'" for known in OBJECT)
        raise ArgumentError(f"no edit '{name}' of objects; closest: {near}")
    return OBJECT[name]


def second_fill(clip: ObjectClip) -> ObjectClip:
    """The same clip with the fill that an edit is held against: another kind, that makes nothing up."""
    return with_same_camera(clip, fill="median" if clip.fill == "surroundings" else "surroundings")


def with_same_camera(clip: ObjectClip, **changes: Any) -> ObjectClip:
    """The clip with these changes; its camera is not estimated again."""
    other = replace(clip, **changes)
    if "camera" in vars(clip):
        vars(other)["camera"] = clip.camera
    return other


def side_by_side(original: Frames, edited: Frames, *, gap: int = 4) -> Frames:
    """The frames before and after an edit beside each other, with a white strip of `gap` pixels between them."""
    if original.shape != edited.shape:
        raise ArgumentError(f"frames beside each other are of one size; got {original.shape} and {edited.shape}")
    strip = np.full((*original.shape[:2], gap, original.shape[3]), 255, dtype=np.uint8)
    return np.concatenate([original, strip, edited], axis=2)
