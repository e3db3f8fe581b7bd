"""A study's concepts beside its pool: what they differ in, and the part of the pool that each is held against."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import numpy as np

from videotcav.concepts.folder import METADATA, read_records
from videotcav.concepts.review.matching import Labelled, match, tells_apart
from videotcav.engine.local import load_ahead
from videotcav.errors import ConceptError, StudyFileError, UnreadableText, VideoError, closest
from videotcav.explain.cavs.gram import Floats
from videotcav.explain.design.draws import generator
from videotcav.features.measure import ClipFile
from videotcav.records import KINDS, STILL, ConceptClip, Progress, silent
from videotcav.results.pool_facts import AppearanceDifference, PoolFacts
from videotcav.study.appearance import Appearance, appearance_differences, appearance_of
from videotcav.study.differences import label_differences
from videotcav.study.file import PoolSection, StudyText, columns
from videotcav.study.inputs import Inputs
from videotcav.video.labels import Labels
from videotcav.video.read import VideoFile

MOST_LOOKED_AT = 40
"""Clips of a concept, and of the pool, whose frames are looked at."""

LEAST_ALIKE = 3
"""Clips of the rarest label where a column counts as a score of the model's, cut in two or more."""

AnyClip = TypeVar("AnyClip", ConceptClip, ClipFile)


@dataclass(frozen=True)
class PoolTable:
    """The labels of a study's concept and random clips: of every track, whichever of its clips the table names."""

    section: PoolSection
    concepts: Mapping[str, Sequence[Labelled]]
    random: Sequence[Labelled]
    of_file: Mapping[Path, Labelled]
    columns: tuple[str, ...]
    remarks: tuple[str, ...] = field(default=())

    @classmethod
    def read(cls, section: PoolSection, file: StudyText, inputs: Inputs) -> PoolTable:
        """The table of the study's section `pool`. Raises StudyFileError, UnreadableText where it does not fit."""
        labels = Labels.read(file.folder / section.table)
        labels.refuse_unknown(section.named)
        cut_from = _cut_from(
            [file.folder / path for path in (*file.study.concepts.folders, *file.study.random.folders)]
        )
        named = {
            name: [clip for each in inputs.concepts if each.concept == name for clip in each.clips]
            for name in inputs.kinds
        }
        if isinstance(section.own, dict) and (unknown := [name for name in section.own if name not in named]):
            near = closest(unknown[0], named) or ", ".join(named)
            raise StudyFileError(file.path, [f"pool.own: '{unknown[0]}' is no concept of the study; closest: {near}"])
        found: dict[Path, Labelled] = {}

        def bearing(clips: Iterable[ConceptClip | ClipFile]) -> list[Labelled]:
            tracks: dict[tuple[str, str], list[ConceptClip | ClipFile]] = defaultdict(list)
            for clip in clips:
                tracks[clip.source, clip.path.stem].append(clip)
            made = []
            for (source, _), versions in tracks.items():
                told: dict[str, str | None] = {}
                for column in labels.columns:
                    each = (
                        labels.of(column, clip.path, cut_from.get(clip.path), inputs.videos.get(clip.path, source))
                        for clip in versions
                    )
                    told[column] = next(filter(None, each), None)
                one = Labelled(source, str(versions[0].path), told)
                found.update((clip.path, one) for clip in versions)
                made.append(one)
            return made

        concepts = {name: bearing(clips) for name, clips in named.items()}
        random = bearing(inputs.random)
        return cls(section, concepts, random, found, labels.columns, tuple(labels.remarks()))

    def own(self, concept: str) -> tuple[str, ...]:
        """The columns that say what the concept is."""
        return self.section.own_of(concept)

    def refuse_undeclared(self) -> None:
        """Nothing where no column tells a concept and the pool apart perfectly, but those that the study declares.

        Raises ConceptError.
        """
        for name, clips in self.concepts.items():
            for column in self.columns:
                if column in self.own(name) or column in columns(self.section.confounders):
                    continue
                if apart := tells_apart(column, clips, self.random, name=name):
                    raise ConceptError(
                        f"pool: {apart}: if it says what the concept is, name it in own; if it does not, it is named "
                        "in confounders"
                    )

    def matched(self, *, seed: int) -> tuple[dict[str, frozenset[Path]], dict[str, str]]:
        """The files of the pool that each concept is held against, and how near that match came.

        Raises ArgumentError, ConceptError or NotEnoughData where a pool must not or cannot be matched.
        """
        files, said = {}, {}
        for name, clips in self.concepts.items() if self.section.match else ():
            found = match(
                clips,
                self.random,
                columns(self.section.match),
                name=name,
                own=self.own(name),
                rng=generator(seed, "matched", name),
            )
            drawn = {id(clip) for clip in found.clips}
            files[name] = frozenset(path for path, clip in self.of_file.items() if id(clip) in drawn)
            said[name] = f"'{name}' is held against {found.matching.sources} source videos, {found.matching.sentence}"
        return files, said


def beside_pool(inputs: Inputs, file: StudyText, *, progress: Progress = silent) -> Inputs:
    """The same with what concepts and pool differ in, as facts and remarks, and with matched pools where asked for.

    Raises ConceptError, ArgumentError, NotEnoughData, StudyFileError or UnreadableText where the table or the match
    does not fit.
    """
    section, seed = file.study.pool, file.study.seed
    facts, remarks = PoolFacts(), list[str]()
    matched, told = dict[str, frozenset[Path]](), dict[str, dict[Path, str | None]]()
    if section is not None:
        try:
            table = PoolTable.read(section, file, inputs)
        except UnreadableText as error:
            raise StudyFileError(file.path, [f"pool.table: {error}"]) from None
        table.refuse_undeclared()
        matched, said = table.matched(seed=seed)
        drawn = {name: {id(table.of_file[path]) for path in paths} for name, paths in matched.items()}
        labels = label_differences(
            table.concepts,
            {
                name: [clip for clip in table.random if name not in drawn or id(clip) in drawn[name]]
                for name in table.concepts
            },
            {name: [column for column in table.columns if column not in table.own(name)] for name in table.concepts},
            seed=seed,
        )
        compared = tuple(column for column in table.columns if any(each.column == column for each in labels))
        remarks = [*table.remarks, *(f"{each}." for each in said.values())]
        remarks += [each.sentence for each in labels if each.is_told]
        told = {
            column: {path: clip.labels.get(column) for path, clip in table.of_file.items()}
            for column in columns(section.match)
        }
        facts = PoolFacts(columns=compared, match=columns(section.match), matched=said, labels=labels)
    facts = facts.model_copy(update={"appearance": _appearance(inputs, progress=progress)})
    return replace(inputs, remarks=(*inputs.remarks, *remarks), pool=facts, matched=matched, labels=told)


def refuse_matched_outputs(inputs: Inputs, predicted: Sequence[str], scores: Floats) -> None:
    """Nothing where no column that the study's pools are matched on is what the model says; see `refuse_outputs`."""
    files = inputs.set_files
    refuse_outputs(
        {column: [told.get(file.path) for file in files] for column, told in inputs.labels.items()},
        predicted=predicted,
        scores=dict(zip(inputs.classes, scores.T, strict=True)),
    )


def refuse_outputs(
    labels: Mapping[str, Sequence[str | None]], *, predicted: Sequence[str], scores: Mapping[str, Floats]
) -> None:
    """Nothing where none of the columns is what the model says of the clips, under whatever names.

    Args:
        labels: the label of each clip in each column that a pool is matched on.
        predicted: the class that the model gives each clip to.
        scores: what each class is asked by, of each clip.

    Raises ConceptError for a column that is the predicted class, whether it is a certain class, or a score of a class
    that is cut into levels.
    """
    for column, told in labels.items():
        known = [place for place, label in enumerate(told) if label is not None]
        here = [str(told[place]) for place in known]
        given = [predicted[place] for place in known]
        said = "the class that the model predicts" if _one_to_one(here, given) else ""
        for name in dict.fromkeys(given):
            if not said and _one_to_one(here, [str(each == name) for each in given]):
                said = f"whether the model predicts '{name}'"
        for name, values in scores.items():
            if not said and _cut(here, values[known]):
                said = f"the model's score of '{name}', cut into levels"
        if said:
            raise ConceptError(
                f"pool.match: the column '{column}' is {said}: matched on what the model says, no effect is left to "
                "find; match on what people see in the clips"
            )


def _one_to_one(labels: Sequence[str], others: Sequence[str]) -> bool:
    pairs = set(zip(labels, others, strict=True))
    return len(pairs) == len(set(labels)) == len(set(others)) > 1


def _cut(labels: Sequence[str], values: Floats) -> bool:
    """Whether every label stands for an interval of the values that no other reaches into."""
    counts = {label: labels.count(label) for label in set(labels)}
    if len(counts) < 2 or min(counts.values()) < LEAST_ALIKE:  # noqa: PLR2004 - one level tells nothing
        return False
    order = np.argsort(values, kind="stable")
    runs = 1 + sum(labels[one] != labels[other] for one, other in pairwise(order.tolist()))
    return bool(runs == len(counts))


def _cut_from(folders: Iterable[Path]) -> dict[Path, Path]:
    """The video that each clip was cut from, where its folder says so."""
    return {
        folder / record.file_name: folder / record.source_video
        for folder in folders
        if (folder / METADATA).exists()
        for record in read_records(folder)
    }


def _appearance(inputs: Inputs, *, progress: Progress) -> tuple[AppearanceDifference, ...]:
    """How the clips of each concept look beside the pool's: moving ones where it has them, a few of each."""
    kinds = sorted(inputs.concepts, key=lambda each: (each.kind in STILL, KINDS.index(each.kind)))
    sets = {each.concept: each for each in reversed(kinds)}
    moving = [file for file in inputs.random if file.kind not in STILL] or inputs.random
    wanted: list[tuple[str, Path, str]] = [("", file.path, file.source) for file in _spread(moving)]
    for name in inputs.kinds:
        wanted += [(name, clip.path, clip.source) for clip in _spread(sets[name].clips)]
    looks: dict[str, dict[str, list[Appearance]]] = defaultdict(lambda: defaultdict(list))
    loaded = load_ahead(wanted, _look)
    for (name, _, source), look in progress(loaded, "looking", total=len(wanted)):
        if look is not None:
            looks[name][source].append(look)
    return appearance_differences({name: looks[name] for name in inputs.kinds}, looks[""])


def _spread(files: Sequence[AnyClip]) -> list[AnyClip]:
    at = np.unique(np.linspace(0, max(len(files) - 1, 0), min(len(files), MOST_LOOKED_AT)).round().astype(int))
    return [files[place] for place in at.tolist()]


def _look(item: tuple[str, Path, str]) -> Appearance | None:
    try:
        return appearance_of(VideoFile(item[1]))
    except VideoError:
        return None  # told where it is read for the passes
