"""The classes' own clips with their objects edited, past the model: the second leg of a study (method.md 9)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from torch import Tensor

from videotcav.concepts.detectors.detect import load_detector, require_label
from videotcav.engine.store import Store
from videotcav.errors import TrackNotFound
from videotcav.explain.cavs.gram import Floats, Rows
from videotcav.explain.design.design import Design
from videotcav.explain.inference.multiplicity import Family
from videotcav.features.measure import ClipFile
from videotcav.interventions.ask import Asked, Edits, ask, edits_family, judged_edits
from videotcav.interventions.frames import Frames, Masks, to_frames
from videotcav.interventions.locate import objects_of_labels
from videotcav.interventions.objects import ObjectClip, ObjectEdit, object_edit, second_fill
from videotcav.interventions.sham import PLACES, shams
from videotcav.interventions.whole import Changed
from videotcav.models.class_score import ClassScore
from videotcav.models.model import VideoModel
from videotcav.records import ClipSpec, Progress, Result
from videotcav.results.edit_effect import BACKGROUND, EditEffect
from videotcav.results.manifest import InterventionFacts
from videotcav.study.edit_pictures import Pictures
from videotcav.study.file import InterventionsSection, StudyText
from videotcav.study.inputs import Inputs
from videotcav.study.probe_inputs import ClipToProbe
from videotcav.study.probe_passes import Answers, Passer
from videotcav.study.reading import read_with_origin
from videotcav.video.info import ClipOrigin

SECOND, SHAM = "second fill", "sham"

NO_INTERVENTIONS = "interventions: is missing; its boxes or detector say where the objects of class clips are"

_OF_REST = {"remove": "background removed", "freeze": "background frozen", "blur": "background blurred"}


@dataclass(frozen=True)
class StudyEdits:
    """What was asked of the edits of a study, before any correction; what the manifest states of them; the `scores` of
    each class's clips after each edit, sham and second fill, NaN where it was not made; and pictures of the edits.
    """

    asked: tuple[Asked, ...]
    design: Design
    facts: InterventionFacts
    scores: Mapping[str, Mapping[str, Floats]]
    pictures: Pictures

    @property
    def family(self) -> Family:
        """The tests that are corrected together with contrasts."""
        return edits_family(self.asked, needs=self.design.needs)

    def effects(self, results: Sequence[Result]) -> list[EditEffect]:
        """The rows, corrected together with the contrasts among the results."""
        contrasts = [row for row in results if row.statistic == "contrast"]
        claims = {each.text: each.claim for each in self.design.hypotheses}
        beside = Family.of(
            [row.p for row in contrasts],
            [row.p_equivalence for row in contrasts],
            [claims.get(row.hypothesis, "") for row in contrasts],
        )
        design = self.design
        return judged_edits(
            self.asked, settings=design.settings, beside=beside, needs=design.needs, declares=design.declares
        )


class Editor:
    """Makes all edits of a study's class clips, with their shams and second fills, and remembers what it saw.

    What it saw is kept by the clip's name, since clips come in any order, from several threads: the targets that each
    holds, why one lacks an object, and the share of each edit that is inpainted, by clip and edit.
    """

    def __init__(
        self, file: StudyText, section: InterventionsSection, labels: Mapping[str, str], spec: ClipSpec
    ) -> None:
        self.section, self.labels, self.spec = section, labels, spec
        self.seed, self.edges = file.study.seed, file.study.edges
        self.detector = load_detector(str(_found(section, file.folder)))
        for label in labels.values():
            if label != BACKGROUND:
                require_label(self.detector, label)
        self.edits = section.of(labels)
        self.names = [name for edit, target in self.edits for name in _variants(edit, target)]
        self.origins: dict[str, ClipOrigin] = {}
        self.paths: dict[str, Path] = {}
        self.holding: dict[str, set[str]] = {target: set() for target in labels}
        self.missing: dict[str, str] = {}
        self.inpainted: dict[tuple[str, str], float | None] = {}
        self.pictures = Pictures(1 / spec.seconds_between_frames)

    @property
    def shams(self) -> dict[str, str]:
        """The name of each edit, and of its first sham; nothing where it has none."""
        names = {_name(edit, target): f"{_name(edit, target)}, {SHAM} 1" for edit, target in self.edits}
        return {name: sham if sham in self.names else "" for name, sham in names.items()}

    @classmethod
    def of(cls, file: StudyText, inputs: Inputs, spec: ClipSpec) -> Self | None:
        """What edits the clips of a study; None where it asks for no edits.

        Raises NotFound where the boxes or the detector have no such label, BoxesError where they cannot be read.
        """
        section = file.study.interventions
        return None if section is None else cls(file, section, section.labels(inputs.kinds), spec)

    def asked(
        self,
        inputs: Inputs,
        design: Design,
        model: VideoModel,
        score: ClassScore,
        *,
        pool: Floats,
        store: Store | None = None,
        batch_size: int | None = None,
        progress: Progress,
    ) -> StudyEdits:
        """The edits of a study, past the model. The spread of the scores of the `pool`, (video, class), is the unit of
        effects. What the `store` holds of them is not passed again.

        Raises:
            TrackNotFound: no clip of any class has an object.
            VideosError: clips cannot be read.
        """
        clips = [*self.clips(inputs)]
        passer = Passer(
            tuple(self.names), self, tuple(inputs.classes), batch_size=batch_size, store=store, doing="editing"
        )
        answers = passer({"": model}, clips, progress).answers[""]
        self.refuse_nothing(clips)
        reference = dict(zip(inputs.classes, pool.T, strict=True))
        asking = {name: _Asking(answers, clips, name, score, self) for name in inputs.classes}
        found = [asking[name].edits(edit, target) for edit, target, name in design.edits]
        asked = ask(found, reference, settings=design.settings, beside=design.tests - len(design.edits))
        after = {name: each.after for name, each in asking.items()}
        return StudyEdits(tuple(asked), design, self.facts(clips), after, self.pictures)

    def preview(self, inputs: Inputs, *, progress: Progress) -> Pictures:
        """The first clip of each class that holds an object, beside each edit of it; nothing passes a model.

        Raises TrackNotFound where no clip has an object.
        """
        clips = [*self.clips(inputs)]
        for clip in progress(clips, "editing", total=len(clips)):
            wanted = {(clip.class_name, _name(edit, target)) for edit, target in self.edits}
            if not wanted <= self.pictures.firsts.keys():
                self(clip, to_frames(clip.read(self.spec), self.spec))
        self.refuse_nothing(clips)
        return self.pictures

    def clips(self, inputs: Inputs) -> Iterator[ClipToProbe]:
        """The class clips of a study, read as the study reads them."""
        for class_name, files in inputs.classes.items():
            for file in files:
                name = str(file.path) if file.view is None else f"{file.path}, view {file.view}"
                if not file.view:
                    self.paths[name] = file.path

                def read(
                    spec: ClipSpec, file: ClipFile = file, name: str = name, class_name: str = class_name
                ) -> Tensor:
                    moment = inputs.moments.get(file.path)
                    self.origins[name], pixels = read_with_origin(
                        file.path, class_name, spec=spec, view=file.view, event_seconds=moment, edges=self.edges
                    )
                    return pixels

                yield ClipToProbe(name, class_name, file.source, read)

    def __call__(self, clip: ClipToProbe, frames: Frames) -> dict[str, Changed]:
        """Every edit of the clip; without frames where it does not hold the object, or has no place for a sham."""
        located = self._located(clip)
        everything = np.any([*located.values()], axis=0) if located else None
        found: dict[str, Changed] = {}
        for target, label in self.labels.items():
            masks = everything if label == BACKGROUND else located.get(label)
            if masks is None:
                continue
            self.holding[target].add(clip.name)
            hidden = None if everything is None else everything & ~masks
            watched = ObjectClip(frames, masks, seed=self.seed, hidden=hidden)
            for edit in (edit for edit, of in self.edits if of == target):
                found |= dict(self._made(edit, target, clip, watched))
        edited = {_name(*edit): found[_name(*edit)] for edit in self.edits if _name(*edit) in found}
        shown = {name: made.frames for name, made in edited.items() if made.frames is not None}
        if shown:
            self.pictures.add(clip, self.paths.get(clip.name), frames, shown)
        return {name: found.get(name, Changed(None, reason="the clip does not hold it")) for name in self.names}

    def _made(self, edit: str, target: str, clip: ClipToProbe, watched: ObjectClip) -> Iterator[tuple[str, Changed]]:
        """An edit of the clip, the same with another fill, and its shams."""
        name, apply = _name(edit, target), _edit(edit, target)
        made = apply(watched)
        self.inpainted[clip.name, name] = made.inpainted
        yield name, made
        if apply.fills:
            yield f"{name}, {SECOND}", apply(second_fill(watched))
        for number, sham in enumerate(shams(apply, watched), start=1):
            yield f"{name}, {SHAM} {number}", sham

    def _located(self, clip: ClipToProbe) -> dict[str, Masks]:
        """Where the objects are in the clip, by label: those that are edited, and all others beside a background."""
        labels = {label for label in self.labels.values() if label != BACKGROUND}
        labels |= set(self.detector.labels) if BACKGROUND in self.labels.values() else set()
        found: dict[str, Masks] = {}
        for label, located in objects_of_labels(
            [self.origins[clip.name]], self.spec, self.detector, sorted(labels), box_error=self.section.grow
        ).items():
            if located.objects[0] is None:
                self.missing.setdefault(clip.name, located.missing[0])
            else:
                found[label] = located.objects[0].masks
        return found

    def refuse_nothing(self, clips: Sequence[ClipToProbe]) -> None:
        """Raises TrackNotFound where no clip of any class holds any object that is asked about."""
        if not any(self.holding.values()):
            names = " or ".join(f"'{target}'" for target in self.labels if target != BACKGROUND) or "any object"
            reasons = (self.missing[clip.name] for clip in clips if clip.name in self.missing)
            first = next(reasons, "no object was found in it")
            found = f"none of the {len(clips)} class clips holds {names}"
            raise TrackNotFound(f"interventions: {found}; the first: {first}")

    def facts(self, clips: Sequence[ClipToProbe]) -> InterventionFacts:
        """What the manifest states of it."""
        counts = Counter(clip.class_name for clip in clips)
        return InterventionFacts(
            objects=str(self.section.boxes or self.section.detector),
            objects_sha256=self.detector.sha256,
            labels=dict(self.labels),
            edits=self.section.edits,
            grow=self.section.grow,
            clips=dict(counts),
            holding={
                name: {
                    target: sum(clip.name in holding for clip in clips if clip.class_name == name)
                    for target, holding in self.holding.items()
                }
                for name in counts
            },
        )


@dataclass(frozen=True)
class _Asking:
    """What the model said of the edited clips of one class, put together edit by edit."""

    answers: Answers
    clips: Sequence[ClipToProbe]
    class_name: str
    score: ClassScore
    editor: Editor

    @cached_property
    def rows(self) -> Rows:
        """The class's own clips among all."""
        return np.flatnonzero([clip.class_name == self.class_name for clip in self.clips])

    @cached_property
    def after(self) -> dict[str, Floats]:
        """What they score after each edit, second fill and sham, by name."""
        return {name: self._scores(name) for name in self.editor.names}

    def edits(self, edit: str, target: str) -> Edits:
        """One edit of them."""
        name, variants, rows = _name(edit, target), _variants(edit, target), self.rows
        answers, index = self.answers, self.answers.model.class_index(self.class_name)
        share = answers.changed[name][rows]
        can = np.isfinite(share)
        held = rows[can]
        of_shams = [self.after[each][can] for each in variants if f", {SHAM} " in each]
        second = [self.after[each][can] for each in variants if each.endswith(SECOND)]
        told = [self.editor.inpainted[self.clips[row].name, name] for row in held.tolist()]
        inpainted = [each for each in told if each is not None]
        return Edits(
            edit=edit,
            target=target,
            class_name=self.class_name,
            sources=[self.clips[row].source for row in held.tolist()],
            before=self._scores("")[can],
            after=self.after[name][can],
            changed=share[can] > 0,
            not_told=int((~can).sum()),
            why=next(iter(answers.why[name].values()), "") if not can.all() else "",
            sham=_mean_of_those_there(of_shams) if of_shams else None,
            second_fill=second[0] if second else None,
            given_before=answers.predicted("", held) == index,
            given_after=answers.predicted(name, held) == index,
            probability_before=answers.probability(self.class_name, "", held),
            probability_after=answers.probability(self.class_name, name, held),
            inpainted=float(np.mean(inpainted)) if inpainted else None,
        )

    def _scores(self, edit: str) -> Floats:
        logits = self.answers.logits(edit, self.rows)
        index = self.answers.model.class_index(self.class_name)
        return np.asarray(self.score(logits, index).double().numpy())


def _mean_of_those_there(scores: Sequence[Floats]) -> Floats:
    """The mean over shams of those that each clip has; NaN where it has none."""
    there = np.isfinite(scores)
    found: Floats = np.where(
        there.any(axis=0), np.where(there, scores, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1), np.nan
    )
    return found


def _edit(edit: str, target: str) -> ObjectEdit:
    """What is done to an object; to the background under the name that it has there."""
    return object_edit(_OF_REST[edit] if target == BACKGROUND else edit)


def _name(edit: str, target: str) -> str:
    return f"{edit} {target}"


def _variants(edit: str, target: str) -> list[str]:
    """The names of an edit, of the same with another fill, and of its shams."""
    name, made = _name(edit, target), _edit(edit, target)
    count = {"none": 0, "round trip": 1, "elsewhere": PLACES}[made.sham]
    second = [f"{name}, {SECOND}"] if made.fills else []
    return [name, *second, *(f"{name}, {SHAM} {number}" for number in range(1, count + 1))]


def _found(section: InterventionsSection, folder: Path) -> Path | str:
    """The file of boxes or the detector, as it is looked for from the study's folder."""
    named = section.boxes or section.detector or ""
    return folder / named if (folder / named).exists() else named
