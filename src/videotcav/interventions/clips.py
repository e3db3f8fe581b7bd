"""Clips with their object edited, as clips again: what a notebook passes to a model, and looks at."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from videotcav.concepts.detectors.detect import AnyDetector
from videotcav.errors import ArgumentError, TrackNotFound, VideotcavWarning
from videotcav.interventions.frames import Frames, Masks, to_frames, with_frames
from videotcav.interventions.locate import Located, objects_of
from videotcav.interventions.objects import ObjectClip, object_edit, side_by_side
from videotcav.interventions.sham import shams
from videotcav.records import ClipSpec, Progress, Record, silent
from videotcav.video.camera import MotionModel
from videotcav.video.clips import Clips
from videotcav.video.fill import Fill
from videotcav.video.strip import strip_png


class Told(Record):
    """What an edit of one clip did: the share of its pixels that `changed`; of those filled from other frames the share
    that none of these shows (`inpainted`, None where none are filled so); the camera's motion, and what that leaves
    outside the object, in grey levels (`residual`).
    """

    changed: float
    inpainted: float | None
    camera: MotionModel
    residual: float


@dataclass(frozen=True, repr=False)
class EditedClips(Clips):
    """Clips after an edit of their object; `told` is what it did to each, `before` are the pixels as they were."""

    edit: str = ""
    told: tuple[Told, ...] = ()
    before: Tensor = field(default_factory=lambda: torch.empty(0, device="cpu"))

    def preview(self, place: int = 0) -> Frames:
        """A clip before and after the edit, beside each other: uint8, time height width 3."""
        if not -len(self) <= place < len(self) or self.spec is None:
            raise ArgumentError(f"no clip {place} to show: there are {len(self)}, from 0 on")
        return side_by_side(to_frames(self.before[place], self.spec), to_frames(self.pixels[place], self.spec))

    def _repr_png_(self) -> bytes | None:
        """The first clip, each frame before and after the edit."""
        return strip_png(self.preview()) if len(self) and self.spec is not None else None


def edit_clips(
    clips: Clips,
    objects: Located | Masks | AnyDetector,
    edit: str,
    *,
    label: str | None = None,
    fill: Fill | str = "median",
    sham: bool = False,
    seed: int = 0,
    spec: ClipSpec | None = None,
    skip_bad: bool = False,
    progress: Progress = silent,
) -> EditedClips:
    """The clips with their object frozen, shuffled, reversed, removed or blurred, or with their background frozen,
    blurred or removed; all else is as it was, to the last bit.

    Args:
        clips: what the model is shown, as `read_clips` gives it.
        objects: where the object is: a file of boxes or masks or a detector, for its `label`; what `objects_of` found;
            or masks of the clips' own frames, bool, clip time height width, the object's rim included.
        edit: `freeze`, `shuffle`, `reverse`, `remove`, `blur`, `background frozen`, `background blurred`,
            `background removed`.
        label: what the object is called there.
        fill: what stands where the object was: `median`, `surroundings`, or a callable frames, places → frames.
        sham: take the edit's sham instead, the handling without the purpose; elsewhere, the first of its places.
        seed: of the order of shuffled frames and of the places of shams, together with each clip's own pixels.
        spec: what the clips were read by, where they do not know it.
        skip_bad: leave clips out that have no such object, and tell them in `left_out`.
        progress: what is told how far it is.

    Raises:
        ArgumentError: no such edit or fill, or masks of another size.
        TrackNotFound: clips have no such object, all of them named, or none has a sham.
    """
    chosen, spec = object_edit(edit), spec or clips.spec
    if spec is None:
        raise ArgumentError("these clips do not say what they were read by: give the model's clip spec, `spec=`")
    masks, others, missing = _masks(clips, objects, label, spec, progress)
    kept, pixels, told, left_out = [], [], [], dict(clips.left_out)
    for place in progress(range(len(clips)), "editing", total=len(clips)):
        record, before = clips.records[place], clips.pixels[place]
        name = str(record.video.path)
        if name in left_out:  # several clips of one video
            name += f" from {record.timestamps[0]:.2f} s"
        if place in missing:
            left_out[name] = missing[place]
            continue
        frames = to_frames(before, spec)
        clip = ObjectClip(frames, masks[place], fill=fill, seed=seed, others=others[place])
        made = next(iter(shams(chosen, clip)), None) if sham else chosen(clip)
        if made is None or made.frames is None:
            left_out[name] = made.reason if made else f"has no sham of '{edit}'"
            continue
        kept.append(place)
        pixels.append(with_frames(before, frames, made.frames, spec))
        told.append(Told(changed=made.changed, inpainted=made.inpainted, camera=made.camera, residual=made.residual))
    if not kept or (len(kept) < len(clips) and not skip_bad):
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items() if name not in clips.left_out)
        raise TrackNotFound(
            f"'{edit}' cannot be made of {len(clips) - len(kept)} of {len(clips)} clips: {reasons}",
            hint="leave them out with `skip_bad=True`",
        )
    unchanged = sum(each.changed == 0 for each in told)
    if unchanged:
        warnings.warn(f"'{edit}' changes nothing in {unchanged} of {len(kept)} clips.", VideotcavWarning, stacklevel=2)
    return EditedClips(
        records=tuple(clips.records[place] for place in kept),
        pixels=torch.stack(pixels),
        left_out=left_out,
        spec=spec,
        edit=edit,
        told=tuple(told),
        before=clips.pixels[kept],
    )


def _masks(
    clips: Clips,
    objects: Located | Masks | AnyDetector,
    label: str | None,
    spec: ClipSpec,
    progress: Progress,
) -> tuple[list[Masks], Sequence[Masks | None], dict[int, str]]:
    """Each clip's masks, the others in it, and which clips have none for which reason."""
    shape = (len(clips), spec.frames, spec.height, spec.width)
    if isinstance(objects, np.ndarray):
        if objects.dtype != np.bool_ or objects.shape != shape:
            raise ArgumentError(
                f"masks of these clips are bool of the shape {shape} (clip time height width), got "
                f"{objects.dtype} {objects.shape}"
            )
        return list(objects), [None] * len(clips), {}
    if not isinstance(objects, Located):
        if label is None:
            raise ArgumentError("a detector, or a file of boxes, finds many things: say what is edited as `label=`")
        objects = objects_of(clips.records, spec, objects, label, progress=progress)
    if len(objects.objects) != len(clips):
        raise ArgumentError(f"objects were looked for in {len(objects.objects)} clips, and {len(clips)} are edited")
    nothing = np.zeros(shape[1:], dtype=np.bool_)
    masks = [nothing if each is None else each.masks for each in objects.objects]
    return masks, objects.others or [None] * len(clips), dict(objects.missing)
