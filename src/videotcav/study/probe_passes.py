"""Clips and their edits past the models: each is decoded once, and edited while others are passed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import torch
import xxhash
from torch import Tensor

from videotcav.engine.local import batched, load_ahead
from videotcav.engine.store import Float32Array, RowsLost, Store
from videotcav.errors import NotEnoughMemory, VideoError, VideosError
from videotcav.explain.cavs.gram import Floats, Rows
from videotcav.features.extract import LOGITS, Passing, clips_a_pass
from videotcav.interventions.frames import Frames, to_frames, with_frames
from videotcav.interventions.whole import Changed
from videotcav.models.class_score import default_score
from videotcav.models.model import VideoModel
from videotcav.models.passes import logits, out_of_memory
from videotcav.records import ClipSpec, Progress
from videotcav.study.probe_inputs import ClipToProbe

_LOADED_BYTES = 2**29  # of clips with all their edits that wait for their passes
_MOST_LOADED = 8
_ROWS_A_SHARD = 256


@dataclass(frozen=True, eq=False)
class Answers:
    """What one model said: logits (clip, class) of the clips as they are, and after each edit.

    `changed` is the share of each clip's pixels that an edit changes, NaN where it was not made, for the reason `why`.
    """

    model: VideoModel
    before: Tensor
    after: Mapping[str, Tensor]
    changed: Mapping[str, Floats]
    why: Mapping[str, Mapping[int, str]]

    def logits(self, edit: str = "", rows: Rows | None = None) -> Tensor:
        """Of the clips as they are, or after an edit; of all, or of some."""
        found = self.after[edit] if edit else self.before
        return found if rows is None else found[torch.from_numpy(rows)]

    def score(self, class_name: str, edit: str = "", rows: Rows | None = None) -> Floats:
        """The score of a class, a number a clip."""
        found = default_score(self.model)(self.logits(edit, rows), self.model.class_index(class_name))
        return np.asarray(found.double().numpy())

    def probability(self, class_name: str, edit: str = "", rows: Rows | None = None) -> Floats:
        """The probability of a class, a number a clip."""
        found = self.model.probabilities(self.logits(edit, rows))[:, self.model.class_index(class_name)]
        return np.asarray(found.double().numpy())

    def predicted(self, edit: str = "", rows: Rows | None = None) -> Rows:
        """The class that each clip is given to."""
        return np.asarray(self.logits(edit, rows).argmax(dim=1).numpy(), dtype=np.intp)

    def of(self, rows: Sequence[int]) -> Answers:
        """The answers about some of the clips."""
        place = {row: new for new, row in enumerate(rows)}
        return replace(
            self,
            before=self.before[list(rows)],
            after={edit: found[list(rows)] for edit, found in self.after.items()},
            changed={edit: found[list(rows)] for edit, found in self.changed.items()},
            why={
                edit: {place[row]: why for row, why in whys.items() if row in place} for edit, whys in self.why.items()
            },
        )


@dataclass(frozen=True, eq=False)
class Passed:
    """The clips that could be read, what each model said of them, and why the others were left out."""

    clips: tuple[ClipToProbe, ...]
    answers: Mapping[str, Answers]
    left_out: Mapping[str, str]


class _Input(NamedTuple):
    """A clip's place, the edit of it, and its pixels, which `key` tells from all others where rows are kept."""

    clip: int
    edit: str
    pixels: Tensor
    key: str


@dataclass(frozen=True, eq=False)
class _Loaded:
    """A clip's pixels as they are, and after the edits that change any."""

    pixels: Tensor
    edited: Mapping[str, Tensor] = field(default_factory=dict)
    changed: Mapping[str, float] = field(default_factory=dict)
    why: Mapping[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Passer:
    """How clips are edited and passed. Only clips of the classes `asked` are edited.

    `edit` makes of a clip's frames some of the edits whose `names` these are.
    """

    names: tuple[str, ...]
    edit: Callable[[ClipToProbe, Frames], Mapping[str, Changed]]
    asked: tuple[str, ...]
    batch_size: int | None = None
    skip_bad: bool = False
    store: Store | None = None
    doing: str = "probing"

    def __call__(self, models: Mapping[str, VideoModel], clips: Sequence[ClipToProbe], progress: Progress) -> Passed:
        """What every model says of every clip. Models that are shown the same pixels share decoding and editing.

        Raises:
            NumericalError: a logit is NaN or infinite; names the clip and the edit.
            VideosError: videos cannot be read, and they may not be left out, or none is left.
        """
        by_spec: dict[ClipSpec, list[str]] = {}
        for label, model in models.items():
            by_spec.setdefault(model.card.clip_spec, []).append(label)
        bad: dict[int, str] = {}
        answers: dict[str, Answers] = {}
        for spec, labels in by_spec.items():
            answers |= self._pass({label: models[label] for label in labels}, spec, clips, bad, progress)
        left_out = {clips[row].name: reason for row, reason in sorted(bad.items())}
        kept = [row for row in range(len(clips)) if row not in bad]
        if left_out and (not self.skip_bad or not kept):
            raise VideosError(left_out)
        return Passed(tuple(clips[row] for row in kept), {label: answers[label].of(kept) for label in models}, left_out)

    def _pass(
        self,
        models: Mapping[str, VideoModel],
        spec: ClipSpec,
        clips: Sequence[ClipToProbe],
        bad: dict[int, str],
        progress: Progress,
    ) -> dict[str, Answers]:
        """What models of one clip spec say; clips that cannot be read are added to the `bad` ones."""
        size = self.batch_size or min(clips_a_pass(model) for model in models.values())
        kept = None if self.store is None else _Kept(self.store, models, size)
        source = _Source(self, spec, clips, bad, has_keys=kept is not None)
        answers = {label: self._unanswered(model, source) for label, model in models.items()}
        inputs = source.inputs(progress)
        for batch in batched(inputs if kept is None else kept.without(inputs), size):
            filled = [*batch, *[batch[-1]] * (size - len(batch))]  # other sizes round otherwise
            pixels = torch.stack([each.pixels for each in filled])
            names = [f"{clips[each.clip].name}{' after ' if each.edit else ''}{each.edit}" for each in filled]
            for label, model in models.items():
                said, is_whole = _logits(model, pixels, names)
                for each, row in zip(batch, said, strict=False):
                    answers[label].logits(each.edit)[each.clip] = row
                if kept is not None and is_whole:
                    kept.add(label, batch, said)
        try:
            for label, clip, edit, row in () if kept is None else kept.rows():
                answers[label].logits(edit)[clip] = row
        except RowsLost:  # told, and gone from the store: passed again
            return self._pass(models, spec, clips, bad, progress)
        for found in answers.values():
            for edit, shares in source.changed.items():
                same = torch.from_numpy(shares == 0)
                found.after[edit][same] = found.before[same]
        return answers

    def _unanswered(self, model: VideoModel, source: _Source) -> Answers:
        shape = (len(source.clips), len(model.card.classes))
        after = {name: torch.full(shape, torch.nan) for name in self.names}
        return Answers(model, torch.full(shape, torch.nan), after, source.changed, source.why)


class _Source:
    """Clips of one spec, read and edited ahead of their passes; what became of each edit is filled in meanwhile."""

    def __init__(
        self, how: Passer, spec: ClipSpec, clips: Sequence[ClipToProbe], bad: dict[int, str], *, has_keys: bool
    ) -> None:
        self.how, self.spec, self.clips, self.bad, self.has_keys = how, spec, clips, bad, has_keys
        self.changed = {name: np.full(len(clips), np.nan) for name in how.names}
        self.why: dict[str, dict[int, str]] = {name: {} for name in how.names}

    def inputs(self, progress: Progress) -> Iterator[_Input]:
        """Every clip as it is, and after each edit that changes it."""
        spec = self.spec
        clip_bytes = 4 * spec.channels * spec.frames * spec.height * spec.width * (1 + len(self.how.names))
        ahead = max(1, min(_MOST_LOADED, _LOADED_BYTES // clip_bytes))
        loaded = load_ahead(self.clips, self._load, ahead=ahead)
        for row, (_, found) in enumerate(progress(loaded, self.how.doing, total=len(self.clips))):
            if isinstance(found, VideoError):
                self.bad[row] = found.reason
            elif self.how.skip_bad or not self.bad:  # else the others are only tried: all bad ones are told at once
                yield from self._of(row, found)

    def _of(self, row: int, found: _Loaded) -> Iterator[_Input]:
        for edit, share in found.changed.items():
            self.changed[edit][row] = share
        for edit, reason in found.why.items():
            self.why[edit][row] = reason
        for edit, pixels in {"": found.pixels, **found.edited}.items():
            yield _Input(row, edit, pixels, found.keys.get(edit, ""))

    def _load(self, clip: ClipToProbe) -> _Loaded | VideoError:
        try:
            pixels = clip.read(self.spec)
        except VideoError as error:
            return error
        found = self._edited(clip, pixels) if clip.class_name in self.how.asked else _Loaded(pixels)
        if self.has_keys:
            found.keys.update({edit: _key(each) for edit, each in {"": pixels, **found.edited}.items()})
        return found

    def _edited(self, clip: ClipToProbe, pixels: Tensor) -> _Loaded:
        frames = to_frames(pixels, self.spec)
        found = self.how.edit(clip, frames)
        return _Loaded(
            pixels,
            edited={
                name: with_frames(pixels, frames, each.frames, self.spec)
                for name, each in found.items()
                if each.frames is not None and each.changed
            },
            changed={name: each.changed for name, each in found.items() if each.frames is not None},
            why={name: each.reason for name, each in found.items() if each.frames is None},
        )


class _Kept:
    """The logits that a store holds of some models, and those that are new."""

    def __init__(self, store: Store, models: Mapping[str, VideoModel], size: int) -> None:
        self.store = store
        self.keys = {
            label: Passing(model, "none", batch_size=size).cache_key(LOGITS, None) for label, model in models.items()
        }
        self.shelves = {label: store.shelf(key) for label, key in self.keys.items()}
        self.found: list[tuple[int, str, str]] = []
        self.waiting: dict[str, dict[str, Float32Array]] = {label: {} for label in models}

    def without(self, inputs: Iterator[_Input]) -> Iterator[_Input]:
        """The inputs that the store lacks for any of the models; the others are noted."""
        for each in inputs:
            if all(each.key in shelf for shelf in self.shelves.values()):
                self.found.append((each.clip, each.edit, each.key))
            else:
                yield each

    def add(self, label: str, batch: Sequence[_Input], said: Tensor) -> None:
        """Keeps what a pass of a model gave, where the store lacks it."""
        waiting = self.waiting[label]
        for each, row in zip(batch, said, strict=False):
            if each.key not in self.shelves[label]:
                waiting[each.key] = row.numpy()
        if len(waiting) >= _ROWS_A_SHARD:
            self._put(label)

    def _put(self, label: str) -> None:
        if waiting := self.waiting[label]:
            self.store.put(self.keys[label], [*waiting], [*waiting.values()])
            waiting.clear()

    def rows(self) -> Iterator[tuple[str, int, str, Tensor]]:
        """Model, clip, edit and logits of all that was found, when all passes are made. Raises RowsLost."""
        for label, shelf in self.shelves.items():
            self._put(label)
            if self.found:
                rows = shelf.rows([key for _, _, key in self.found]).whole()
                for (clip, edit, _), row in zip(self.found, rows, strict=True):
                    yield label, clip, edit, torch.from_numpy(row)


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
