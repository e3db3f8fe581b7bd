"""Edits of objects as a study and a probe ask them, each with another fill and its shams."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from videotcav.concepts.detectors.boxes import BoxesFile
from videotcav.concepts.detectors.detect import Detector
from videotcav.explain.cavs.gram import Floats, Rows
from videotcav.interventions.ask import Edits
from videotcav.interventions.frames import Frames
from videotcav.interventions.locate import looked_for, objects_of_labels
from videotcav.interventions.objects import ObjectClip, ObjectEdit, object_edit, second_fill
from videotcav.interventions.sham import PLACES, shams
from videotcav.interventions.tracks import BOX_ERROR, beside
from videotcav.interventions.whole import Changed
from videotcav.records import ClipSpec
from videotcav.results.edit_effect import BACKGROUND
from videotcav.study.probe_passes import Answers
from videotcav.video.info import ClipOrigin

_OF_REST = {"remove": "background removed", "freeze": "background frozen", "blur": "background blurred"}

NOT_HELD, NOTHING_FOUND = "the clip does not hold it", "no object was found in it"
"""Why an edit of an object, and of the background, cannot be made of a clip."""


@dataclass(frozen=True)
class TargetEdit:
    """An edit, and what it is made to: an object, or the background. `of` is what is then done."""

    edit: str
    target: str

    @property
    def of(self) -> ObjectEdit:
        """What is done to an object; to the background under the name that it has there."""
        return object_edit(_OF_REST[self.edit] if self.target == BACKGROUND else self.edit)

    @property
    def name(self) -> str:
        """As `freeze racket`."""
        return f"{self.edit} {self.target}"

    @property
    def second(self) -> str:
        """The name of the same with another fill; nothing where it fills none."""
        return f"{self.name}, second fill" if self.of.fills else ""

    @property
    def shams(self) -> tuple[str, ...]:
        """The names of its shams."""
        count = {"none": 0, "round trip": 1, "elsewhere": PLACES}[self.of.sham]
        return tuple(f"{self.name}, sham {number}" for number in range(1, count + 1))

    @property
    def names(self) -> tuple[str, ...]:
        """All of these."""
        return (self.name, *([self.second] if self.second else []), *self.shams)

    def made(self, clip: ObjectClip) -> Iterator[Changed]:
        """A clip after each of these, one at a time, but for the shams that it has no place for."""
        yield self.of(clip)
        if self.second:
            yield self.of(second_fill(clip))
        yield from shams(self.of, clip)


@dataclass(frozen=True)
class ObjectEditor:
    """Makes all edits of clips, with their shams and second fills.

    `targets` says which labels of the detector are which target; the background is all that no box covers, whatever its
    label. Boxes are grown by the share `grow`. `alone` makes edits without shams and second fills, as they are shown.
    """

    detector: Detector
    edits: tuple[TargetEdit, ...]
    targets: Mapping[str, tuple[str, ...]]
    seed: int
    grow: float = BOX_ERROR
    alone: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Of all edits, second fills and shams."""
        return tuple(name for edit in self.edits for name in self._names(edit))

    def _names(self, edit: TargetEdit) -> tuple[str, ...]:
        return edit.names[: 1 if self.alone else None]

    @cached_property
    def labels(self) -> list[str]:
        """What is looked for: what is edited, and all that there is beside a background or in a file."""
        return looked_for(self.detector, self._edited)

    @cached_property
    def _edited(self) -> list[str]:
        """The labels of what is edited; all that there are where that is a background."""
        if BACKGROUND in self.targets:
            return sorted(self.detector.labels)
        return sorted({label for labels in self.targets.values() for label in labels})

    def __call__(self, origin: ClipOrigin, frames: Frames, spec: ClipSpec) -> dict[str, Changed]:
        """Every edit of the clip; without frames where it does not hold the object, or has no place for a sham."""
        found = objects_of_labels([origin], spec, self.detector, self.labels, box_error=self.grow)
        held = {label: each.objects[0] for label, each in found.items() if each.objects[0] is not None}
        made: dict[str, Changed] = {}
        for target, labels in self.targets.items():
            own = [each for label, each in held.items() if target == BACKGROUND or label in labels]
            if not own:
                continue
            where = np.any([each.masks for each in own], axis=0)
            # Of all labels in a file, whatever else is edited.
            others = beside(own, held.values()) if isinstance(self.detector, BoxesFile) else None
            clip = ObjectClip(frames, where, seed=self.seed, others=others)
            for edit in self.edits:
                if edit.target == target:
                    made |= zip(self._names(edit), edit.made(clip), strict=False)
        none = {
            name: Changed(None, reason=NOTHING_FOUND if edit.target == BACKGROUND else NOT_HELD)
            for edit in self.edits
            for name in self._names(edit)
        }
        return {name: made.get(name, none[name]) for name in self.names}

    def why_missing(self, origin: ClipOrigin, spec: ClipSpec) -> str:
        """Why the clip has nothing that is looked for."""
        found = objects_of_labels([origin], spec, self.detector, self._edited, box_error=self.grow)
        return next((each.missing[0] for each in found.values() if each.missing), NOTHING_FOUND)


def edits_of(
    answers: Answers,
    name: str,
    class_name: str,
    rows: Rows,
    sources: Sequence[str],
    *,
    of: TargetEdit | None = None,
    of_clips: str = "",
    ranked: bool = True,
) -> Edits:
    """What the model said of an edit of some clips, but for those of which it cannot be made.

    `sources` are those of all clips. `of` is the edit where it is one of objects, which have shams and second fills.
    """
    can = np.isfinite(answers.changed[name][rows])
    whys = Counter(answers.why[name].get(int(row), "") for row in rows[~can])
    made, index = rows[can], answers.model.class_index(class_name)
    filled = answers.inpainted[name][made]
    of_shams = [answers.score(class_name, sham, made) for sham in of.shams] if of else []
    return Edits(
        edit=of.edit if of else name,
        target=of.target if of else "",
        class_name=class_name,
        sources=[sources[row] for row in made],
        before=answers.score(class_name, rows=made),
        after=answers.score(class_name, name, made),
        changed=answers.changed[name][made] > 0,
        sham=_mean_of_those_there(of_shams) if of_shams else None,
        second_fill=answers.score(class_name, of.second, made) if of and of.second else None,
        given_before=answers.predicted(rows=made) == index,
        given_after=answers.predicted(name, made) == index,
        not_told=int((~can).sum()),
        why=whys.most_common(1)[0][0] if whys else "",
        of_clips=of_clips,
        ranked=ranked,
        probability_before=answers.probability(class_name, rows=made),
        probability_after=answers.probability(class_name, name, made),
        inpainted=float(np.nanmean(filled)) if np.isfinite(filled).any() else None,
    )


def _mean_of_those_there(scores: Sequence[Floats]) -> Floats:
    """The mean over shams of those that each clip has; NaN where it has none."""
    there = np.isfinite(scores)
    found: Floats = np.where(
        there.any(axis=0), np.where(there, scores, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1), np.nan
    )
    return found
