"""Clips and their edits past the models: each is decoded once, and edited while others are passed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from videotcav.engine.local import Engine, batched, here
from videotcav.engine.store import Float32Array, RowsLost, Store
from videotcav.errors import VideosError
from videotcav.explain.cavs.gram import Floats, Rows
from videotcav.features.extract import LOGITS, Passing, clips_a_pass
from videotcav.models.class_score import ClassScore, default_score
from videotcav.models.model import VideoModel
from videotcav.records import ClipSpec, Progress
from videotcav.study.edit_worker import ClipEdits, ClipSeen, EditPasser, Said
from videotcav.study.probe_inputs import ClipToProbe

_ROWS_A_SHARD = 256
_CLIPS_A_GROUP = 4  # that one machine of several takes at a time


@dataclass(frozen=True, eq=False)
class Answers:
    """What one model said: logits (clip, class) of the clips as they are, and after each edit.

    `changed` is the share of each clip's pixels that an edit changes, NaN where it was not made, for the reason `why`;
    `inpainted` the share of those filled from other frames that none of these shows, NaN where none were.
    `asked_by` is what a class is asked by.
    """

    model: VideoModel
    before: Tensor
    after: Mapping[str, Tensor]
    changed: Mapping[str, Floats]
    inpainted: Mapping[str, Floats]
    why: Mapping[str, Mapping[int, str]]
    asked_by: ClassScore

    def logits(self, edit: str = "", rows: Rows | None = None) -> Tensor:
        """Of the clips as they are, or after an edit; of all, or of some."""
        found = self.after[edit] if edit else self.before
        return found if rows is None else found[torch.from_numpy(rows)]

    def score(self, class_name: str, edit: str = "", rows: Rows | None = None) -> Floats:
        """The score of a class, a number a clip."""
        found = self.asked_by(self.logits(edit, rows), self.model.class_index(class_name))
        return np.asarray(found.double().numpy())

    def probability(self, class_name: str, edit: str = "", rows: Rows | None = None) -> Floats:
        """The probability of a class, a number a clip."""
        found = self.model.probabilities(self.logits(edit, rows))[:, self.model.class_index(class_name)]
        return np.asarray(found.double().numpy())

    def predicted(self, edit: str = "", rows: Rows | None = None) -> Rows:
        """The class that each clip is given to."""
        return np.asarray(self.logits(edit, rows).argmax(dim=1).numpy(), dtype=np.intp)

    def together(self, videos: Sequence[int]) -> Answers:
        """The answers about videos, by which of them each row is a view of: the mean of its views' logits.

        An edit is made of a video where it is of all its views.
        """
        index, views = torch.tensor(videos, device="cpu"), np.bincount(videos)
        whys: dict[str, dict[int, str]] = {edit: {} for edit in self.why}
        for edit, why in self.why.items():
            for row, reason in sorted(why.items()):
                whys[edit].setdefault(videos[row], reason)

        def mean(found: Tensor) -> Tensor:
            summed = found.new_zeros(len(views), found.shape[1]).index_add(0, index, found)
            return summed / torch.from_numpy(views)[:, None]

        def share(found: Floats, *, of: Floats | None = None) -> Floats:
            held = np.ones(len(found)) if of is None else of
            with np.errstate(invalid="ignore"):
                return np.asarray(np.bincount(videos, found * held) / np.bincount(videos, held))

        return replace(
            self,
            before=mean(self.before),
            after={edit: mean(found) for edit, found in self.after.items()},
            changed={edit: share(found) for edit, found in self.changed.items()},
            inpainted={
                edit: share(np.nan_to_num(found), of=np.isfinite(found)) for edit, found in self.inpainted.items()
            },
            why=whys,
        )

    def of(self, rows: Sequence[int]) -> Answers:
        """The answers about some of the clips."""
        place, some = {row: new for new, row in enumerate(rows)}, list(rows)
        return replace(
            self,
            before=self.before[some],
            after={edit: found[some] for edit, found in self.after.items()},
            changed={edit: found[some] for edit, found in self.changed.items()},
            inpainted={edit: found[some] for edit, found in self.inpainted.items()},
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


@dataclass(frozen=True)
class Passer:
    """How clips are edited and passed. Only clips of the classes `asked` are edited.

    A class is asked by `score`, by what suits each model's head when left out.
    """

    edit: ClipEdits
    asked: tuple[str, ...]
    score: ClassScore | None = None
    batch_size: int | None = None
    skip_bad: bool = False
    store: Store | None = None
    engine: Engine = here
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
        views = [(video, view) for video, clip in enumerate(clips) for view in clip.views(spec)]
        videos = [video for video, _ in views]
        size = self.batch_size or min(clips_a_pass(model) for model in models.values())
        kept = None if self.store is None else _Kept(self.store, models, size)
        known = kept.known if kept else frozenset[str]()
        worker = EditPasser(models, spec, self.edit, frozenset(self.asked), size, self.skip_bad, known)
        heard = _Heard(models, self.edit.names, len(views), self.score)

        def seen() -> Iterator[ClipSeen]:
            for each in self.engine(worker, [*batched(enumerate(view for _, view in views), _CLIPS_A_GROUP)]):
                if isinstance(each, ClipSeen):
                    yield each
                    continue
                for label, row in each.logits.items():
                    heard.said(label, each.clip, each.key, row)
                if kept is not None:
                    kept.add(each)

        with kept or nullcontext():
            for each in progress(seen(), self.doing, total=len(views)):
                heard.saw(each)
                if each.bad:
                    bad[videos[each.clip]] = each.bad
        try:
            for label, clip, key, row in () if kept is None else kept.rows([*heard.places]):
                heard.said(label, clip, key, row)
        except RowsLost:  # told, and gone from the store: passed again
            return self._pass(models, spec, clips, bad, progress)
        return {label: found.together(videos) for label, found in heard.all_answers().items()}


class _Heard:
    """What becomes of clips and their edits, as it is heard; `places` are the edits that show a clip's pixels."""

    def __init__(
        self, models: Mapping[str, VideoModel], edits: Sequence[str], clips: int, score: ClassScore | None
    ) -> None:
        self.places: dict[tuple[int, str], list[str]] = {}
        self.changed, self.inpainted = ({name: np.full(clips, np.nan) for name in edits} for _ in range(2))
        self.why: dict[str, dict[int, str]] = {name: {} for name in edits}
        self.answers: dict[str, Answers] = {}
        for label, model in models.items():
            after = {
                edit: torch.full((clips, len(model.card.classes)), torch.nan, dtype=torch.float32, device="cpu")
                for edit in ("", *edits)
            }
            asked_by = score or default_score(model)
            self.answers[label] = Answers(model, after.pop(""), after, self.changed, self.inpainted, self.why, asked_by)

    def saw(self, seen: ClipSeen) -> None:
        """A clip was read and edited."""
        for found, told in ((self.changed, seen.changed), (self.inpainted, seen.inpainted)):
            for edit, share in told.items():
                found[edit][seen.clip] = share
        for edit, reason in seen.why.items():
            self.why[edit][seen.clip] = reason
        for edit, key in seen.keys.items():
            self.places.setdefault((seen.clip, key), []).append(edit)

    def said(self, label: str, clip: int, key: str, row: Float32Array) -> None:
        """A model passed pixels of a clip that was seen."""
        for edit in self.places[clip, key]:
            self.answers[label].logits(edit)[clip] = torch.tensor(
                row, device="cpu"
            )  # what a cluster sends is read-only

    def all_answers(self) -> dict[str, Answers]:
        """When all is heard: after an edit that changes nothing is as before it."""
        for found in self.answers.values():
            for edit, shares in self.changed.items():
                same = torch.from_numpy(shares == 0)
                found.after[edit][same] = found.before[same]
        return self.answers


class _Kept:
    """The logits that a store holds of some models, and those that are new.

    At the end of its body all are in the store, also where somebody or something broke it off.
    """

    def __init__(self, store: Store, models: Mapping[str, VideoModel], size: int) -> None:
        self.store = store
        self.keys = {
            label: Passing(model, "none", batch_size=size).cache_key(LOGITS, None) for label, model in models.items()
        }
        self.shelves = {label: store.shelf(key) for label, key in self.keys.items()}
        self.waiting: dict[str, dict[str, Float32Array]] = {label: {} for label in models}

    @cached_property
    def known(self) -> frozenset[str]:
        """The keys of pixels that every model's logits are kept of."""
        return frozenset.intersection(*(frozenset(shelf) for shelf in self.shelves.values()))

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self.put()

    def add(self, said: Said) -> None:
        """Keeps what passes gave, where the store lacks it."""
        for label, row in said.logits.items():
            if said.whole[label] and said.key not in self.shelves[label]:
                self.waiting[label][said.key] = row
            if len(self.waiting[label]) >= _ROWS_A_SHARD:
                self.put()

    def put(self) -> None:
        """Moves what waits into the store."""
        for label, waiting in self.waiting.items():
            if waiting:
                self.store.put(self.keys[label], [*waiting], [*waiting.values()])
                waiting.clear()

    def rows(self, places: Sequence[tuple[int, str]]) -> Iterator[tuple[str, int, str, Float32Array]]:
        """Model, clip, key and logits of all places that were known, when all passes are made. Raises RowsLost."""
        found = [(clip, key) for clip, key in places if key in self.known]
        for label, shelf in self.shelves.items():
            if found:
                rows = shelf.rows([key for _, key in found]).whole()
                for (clip, key), row in zip(found, rows, strict=True):
                    yield label, clip, key, row
