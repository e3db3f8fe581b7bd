"""The classes' own clips with their objects edited, past the model: the second leg of a study (method.md 9)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np

from videotcav.concepts.detectors.detect import require_label
from videotcav.engine.local import Engine, here
from videotcav.engine.store import Store
from videotcav.errors import TrackNotFound
from videotcav.explain.cavs.gram import Floats
from videotcav.explain.design.design import Design
from videotcav.explain.inference.multiplicity import Family
from videotcav.interventions.ask import Asked, ask, edits_family, judged_edits
from videotcav.interventions.frames import Frames, to_frames
from videotcav.interventions.whole import Changed
from videotcav.models.class_score import ClassScore
from videotcav.models.model import VideoModel
from videotcav.records import Progress, Result
from videotcav.results.edit_effect import BACKGROUND, EditEffect
from videotcav.results.manifest import InterventionFacts
from videotcav.study.edit_pictures import Pictures, worth_showing
from videotcav.study.file import InterventionsSection, StudyText
from videotcav.study.inputs import Inputs
from videotcav.study.object_edits import ObjectEditor, TargetEdit, edits_of
from videotcav.study.probe_inputs import ClipToProbe
from videotcav.study.probe_passes import Passer
from videotcav.study.reading import StudyClips
from videotcav.video.info import ClipOrigin

NO_INTERVENTIONS = "interventions: is missing; its boxes or detector say where the objects of class clips are"


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
        beside = beside.beside(Family.unseen(design.unseen_tests, declared=design.declares))
        return judged_edits(
            self.asked, settings=design.settings, beside=beside, needs=design.needs, declares=design.declares
        )


class Editor:
    """Asks what all edits of a study's class clips do, with their shams and second fills."""

    def __init__(
        self, file: StudyText, section: InterventionsSection, labels: Mapping[str, str], clips: StudyClips
    ) -> None:
        detector = section.finder(file.folder)
        for label in labels.values():
            if label != BACKGROUND:
                require_label(detector, label)
        self.section, self.labels, self.read, self.spec = section, labels, clips, clips.spec
        self.paths: dict[str, Path] = {}  # of the first view of each video
        self.edit = ObjectEditor(
            detector,
            tuple(TargetEdit(edit, target) for edit, target in section.of(labels)),
            {target: (label,) for target, label in labels.items()},
            seed=file.study.seed,
            grow=section.grow,
        )
        self._shown = replace(self.edit, alone=True)

    @classmethod
    def of(cls, file: StudyText, inputs: Inputs, clips: StudyClips) -> Self | None:
        """What edits the `clips` of a study; None where it asks for no edits.

        Raises NotFound where the boxes or the detector have no such label, BoxesError where they cannot be read.
        """
        section = file.study.interventions
        return None if section is None else cls(file, section, section.labels(inputs.kinds), clips)

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
        engine: Engine = here,
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
            self.edit,
            tuple(inputs.classes),
            score=score,
            batch_size=batch_size,
            store=store,
            engine=engine,
            doing="editing",
        )
        answers = passer({"": model}, clips, progress).answers[""]
        names = np.array([clip.class_name for clip in clips])
        rows = {name: np.flatnonzero(names == name) for name in inputs.classes}
        made = {edit.name: np.isfinite(answers.changed[edit.name]) for edit in self.edit.edits}
        self.refuse_nothing(clips, held=any(each.any() for each in made.values()))
        sources, edits = [clip.source for clip in clips], {(each.edit, each.target): each for each in self.edit.edits}
        found = [
            edits_of(answers, edits[edit, target].name, name, rows[name], sources, of=edits[edit, target])
            for edit, target, name in design.edits
        ]
        reference = dict(zip(inputs.classes, pool.T, strict=True))
        asked = ask(found, reference, settings=design.settings, beside=design.tests - len(design.edits))
        counts = {name: {edit: int(each[own].sum()) for edit, each in made.items()} for name, own in rows.items()}
        takes = {row: [edit for edit, each in made.items() if each[row]] for row in range(len(clips))}
        shown = worth_showing({clips[row]: edits for row, edits in takes.items()}, self.paths)
        return StudyEdits(
            tuple(asked),
            design,
            self.facts(counts, Counter(names.tolist())),
            {name: {edit: answers.score(name, edit, own) for edit in self.edit.names} for name, own in rows.items()},
            self.pictures(shown),
        )

    def preview(self, inputs: Inputs, *, progress: Progress) -> Pictures:
        """The first clip of each class that holds an object, beside each edit of it; nothing passes a model.

        Raises TrackNotFound where no clip has an object.
        """
        clips = [*self.clips(inputs)]
        pictures = Pictures()
        for clip in progress(sorted(clips, key=lambda clip: clip.name), "editing", total=len(clips)):
            if not {(clip.class_name, edit.name) for edit in self.edit.edits} <= pictures.firsts.keys():
                self.picture(clip, pictures)
        self.refuse_nothing(clips, held=bool(pictures.firsts))
        return pictures

    def pictures(self, clips: Sequence[ClipToProbe]) -> Pictures:
        """These clips beside their edits."""
        pictures = Pictures()
        for clip in clips:
            self.picture(clip, pictures)
        return pictures

    def picture(self, clip: ClipToProbe, pictures: Pictures) -> None:
        """Adds a clip beside its edits to the pictures."""
        origin, frames, made = self.made(clip, alone=True)
        shown = {name: each.frames for name, each in made.items() if each.frames is not None}
        pictures.add(clip, self.paths.get(clip.name), frames, shown, frames_per_second=origin.frames_per_second)

    def made(self, clip: ClipToProbe, *, alone: bool = False) -> tuple[ClipOrigin, Frames, dict[str, Changed]]:
        """Where a clip comes from, its frames, and these after every edit, with shams and second fills or `alone`."""
        origin, pixels = clip.read(self.spec)
        frames = to_frames(pixels, self.spec)
        return origin, frames, (self._shown if alone else self.edit)(origin, frames, self.spec)

    def clips(self, inputs: Inputs) -> Iterator[ClipToProbe]:
        """The class clips of a study, read as the study reads them."""
        for class_name, files in inputs.classes.items():
            for file in files:
                name = str(file.path) if file.view is None else f"{file.path}, view {file.view}"
                if not file.view:
                    self.paths[name] = file.path
                read = partial(self.read.of_class, class_name, file, inputs.moments.get(file.path))
                yield ClipToProbe(name, class_name, file.source, read)

    def refuse_nothing(self, clips: Sequence[ClipToProbe], *, held: bool) -> None:
        """Raises TrackNotFound where no clip of any class holds any object that is asked about."""
        if not held:
            names = " or ".join(f"'{target}'" for target in self.labels if target != BACKGROUND) or "any object"
            first = self.edit.why_missing(clips[0].read(self.spec)[0], self.spec)
            found = f"none of the {len(clips)} class clips holds {names}"
            raise TrackNotFound(f"interventions: {found}; the first: {first}")

    def facts(self, made: Mapping[str, Mapping[str, int]], clips: Mapping[str, int]) -> InterventionFacts:
        """What the manifest states of it: of how many of each class's clips each edit could be made."""
        return InterventionFacts(
            objects=str(self.section.boxes or self.section.detector),
            objects_sha256=self.edit.detector.sha256,
            labels=dict(self.labels),
            edits=self.section.edits,
            grow=self.section.grow,
            clips=dict(clips),
            holding={
                name: {each.target: counts[each.name] for each in self.edit.edits} for name, counts in made.items()
            },
        )
