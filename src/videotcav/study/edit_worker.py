"""A worker that reads clips, edits them and passes them: any part of the clips can be done anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import torch
import xxhash
from torch import Tensor

from videotcav.engine.local import load_ahead
from videotcav.engine.store import Float32Array
from videotcav.errors import NotEnoughMemory, VideoError
from videotcav.interventions.frames import Frames, to_frames, with_frames
from videotcav.interventions.whole import Changed
from videotcav.models.model import VideoModel
from videotcav.models.passes import logits, out_of_memory
from videotcav.records import ClipSpec
from videotcav.study.probe_inputs import ClipToProbe
from videotcav.video.info import ClipOrigin

_LOADED_BYTES = 2**29  # of clips with all their edits that wait for their passes
_MOST_LOADED = 8


class ClipEdits(Protocol):
    """Makes edits of clips; picklable."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of all its edits."""
        ...

    def __call__(self, origin: ClipOrigin, frames: Frames, spec: ClipSpec) -> Mapping[str, Changed]:
        """A clip after each edit, by name; where one cannot be made, the reason."""
        ...


@dataclass(frozen=True, eq=False)
class ClipSeen:
    """A clip that was read and edited: `keys` are those of its pixels, by edit, "" being none; or why it could not be.

    Of each edit there is the share of pixels that it `changed`, and of the filled ones that no frame shows; or `why` it
    was not made. An edit that changes nothing has no key.
    """

    clip: int
    bad: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)
    changed: Mapping[str, float] = field(default_factory=dict)
    inpainted: Mapping[str, float] = field(default_factory=dict)
    why: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Said:
    """The logits of every model for pixels of a clip; `whole` says that a pass was not made of smaller ones."""

    clip: int
    key: str
    logits: Mapping[str, Float32Array]
    whole: Mapping[str, bool]


class _Input(NamedTuple):
    """Pixels of a clip, and what messages call them."""

    clip: int
    name: str
    key: str
    pixels: Tensor


@dataclass(frozen=True)
class EditPasser:
    """Passes clips, and their edits where they are of the classes `asked`, `size` at a time.

    Pixels whose key is `known` are not passed; what a clip shows twice is passed once. Without `skip_bad` nothing more
    is passed after the first clip that cannot be read; the remaining ones are still tried.
    """

    models: Mapping[str, VideoModel]
    spec: ClipSpec
    edit: ClipEdits
    asked: frozenset[str]
    size: int
    skip_bad: bool
    known: frozenset[str]

    def __call__(self, groups: Iterable[Sequence[tuple[int, ClipToProbe]]]) -> Iterator[ClipSeen | Said]:
        """Each clip as it was seen, before what the models say of it. Raises NumericalError."""
        spec, stopped = self.spec, False
        clip_bytes = 4 * spec.channels * spec.frames * spec.height * spec.width * (1 + len(self.edit.names))
        ahead = max(1, min(_MOST_LOADED, _LOADED_BYTES // clip_bytes))
        waiting: list[_Input] = []
        for _, (seen, inputs) in load_ahead((each for group in groups for each in group), self._load, ahead=ahead):
            yield seen
            stopped = stopped or (bool(seen.bad) and not self.skip_bad)
            waiting += [] if stopped else inputs
            while len(waiting) >= self.size:
                yield from self._passed(waiting[: self.size])
                del waiting[: self.size]
        if waiting and not stopped:
            yield from self._passed(waiting)

    def _load(self, item: tuple[int, ClipToProbe]) -> tuple[ClipSeen, list[_Input]]:
        row, clip = item
        try:
            origin, pixels = clip.read(self.spec)
            shown = {"": pixels}
            made: Mapping[str, Changed] = {}
            if clip.class_name in self.asked:
                frames = to_frames(pixels, self.spec)
                made = self.edit(origin, frames, self.spec)
                for name, each in made.items():
                    if each.frames is not None and each.changed:
                        shown[name] = with_frames(pixels, frames, each.frames, self.spec)
        except VideoError as error:
            return ClipSeen(row, bad=error.reason), []
        keys = {name: _key(each) for name, each in shown.items()}
        inputs = {
            key: _Input(row, f"{clip.name}{' after ' if name else ''}{name}", key, shown[name])
            for name, key in reversed(keys.items())
            if key not in self.known
        }
        seen = ClipSeen(
            row,
            keys=keys,
            changed={name: each.changed for name, each in made.items() if each.frames is not None},
            inpainted={name: each.inpainted for name, each in made.items() if each.inpainted is not None},
            why={name: each.reason for name, each in made.items() if each.frames is None},
        )
        return seen, [*inputs.values()][::-1]

    def _passed(self, inputs: Sequence[_Input]) -> Iterator[Said]:
        filled = [*inputs, *[inputs[-1]] * (self.size - len(inputs))]  # other sizes round otherwise
        pixels, names = torch.stack([each.pixels for each in filled]), [each.name for each in filled]
        said = {label: _logits(model, pixels, names) for label, model in self.models.items()}
        for place, each in enumerate(inputs):
            rows = {label: found[place].numpy() for label, (found, _) in said.items()}
            yield Said(each.clip, each.key, rows, {label: is_whole for label, (_, is_whole) in said.items()})


def _key(pixels: Tensor) -> str:
    """What tells pixels from all others."""
    return f"pixels {xxhash.xxh3_128_hexdigest(pixels.contiguous().numpy().data)}"


def _logits(model: VideoModel, pixels: Tensor, names: Sequence[str]) -> tuple[Tensor, bool]:
    """The logits of a pass, and whether it was one: several smaller ones, where memory runs out, round otherwise."""
    try:
        return logits(model, pixels, clip_names=names).cpu(), True
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
    if len(pixels) == 1:
        raise NotEnoughMemory(
            f"one clip of {model.name} needs more memory than {model.device} has; take precision bf16 or another device"
        )
    half = len(pixels) // 2
    parts = [_logits(model, pixels[some], names[some])[0] for some in (slice(half), slice(half, None))]
    return torch.cat(parts), False
