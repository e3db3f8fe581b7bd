"""Attacks on the verdicts of a run: the smallest change of clips' pixels that overturns each, judged by its own test.

A change is found by following the gradient of the tested effect itself, which is a mean over clips, so that each clip
is changed for itself; whether it overturns the verdict the whole test says, asked anew with the changed clips.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from videotcav.engine.local import batched
from videotcav.engine.run_store import scratch_store
from videotcav.engine.store import Store
from videotcav.errors import ArgumentError, AuditError, NotEnoughData, StudyFileError
from videotcav.explain.design.design import Design
from videotcav.explain.design.draws import generator
from videotcav.explain.inference.multiplicity import Family
from videotcav.explain.questions.all import answers
from videotcav.explain.questions.contrast import Readouts
from videotcav.features.extract import ClipRef, Passing, clips_a_pass
from videotcav.features.measure import DEFAULT_MEMORY_BYTES, ClipReader, Measured, measure
from videotcav.models.model import VideoModel
from videotcav.models.perturb import Goal, perturbed
from videotcav.records import Progress, Result, Statistic, silent
from videotcav.results.attacked import CLEAR, UNCLEAR, AttackResults, AttackRow, Side
from videotcav.results.read import RunResults
from videotcav.study.inputs import Inputs, study_inputs
from videotcav.study.manifest import clips_digest
from videotcav.study.reading import clip_reader
from videotcav.study.run import Study

_MOVES = ("contrast", "shift")
_ALIKE = 0.01
"""How far a value may be from the run's own, as on another machine."""


def attack(
    run: RunResults | Path | str,
    *,
    files: Path | str | None = None,
    model: VideoModel | None = None,
    layer: str | None = None,
    include: Sequence[str] = (),
    statistics: Collection[Statistic] = ("contrast", "shift", "cosine"),
    levels: Sequence[float] = (1, 2, 4),
    control: float = 64,
    steps: int = 10,
    seed: int = 0,
    device: str | None = None,
    progress: Progress = silent,
) -> AttackResults:
    """The smallest change of clips' pixels that overturns each declared verdict of a run, beside the same for shift
    and the classic score, and beside changes of the pool's clips.

    Pixels are those that the model is shown, before they are normalised. Verdicts are judged in the run's own family of
    tests; beside contrasts a classic score is asked alone, as cosine, without a correction for others. Of a run of
    classic scores its own verdicts are attacked, as they were tested.

    Args:
        run: the folder of a run.
        files: the folder of its study file, which clips are named from; by default the first of the working folder
            and the run's own parents in which they are.
        model: the run's model, where it has no name that can be loaded.
        layer: where shift and the classic score are attacked; the run's last one by default.
        include: only these concepts.
        statistics: which verdicts, of a run of contrasts.
        levels: the bounds, in 255ths of the brightness of a pixel.
        control: a bound at which an attack must succeed; random changes within the largest of `levels` must not.
        steps: of the gradient, for each bound.
        seed: of the random starts.
        device: where the model is loaded.
        progress: shows which verdict is attacked.

    Raises:
        AuditError: clips, model or results are not those of the run any more, or nothing can be attacked.
        ArgumentError: bounds that are none, or a layer or concept that the run does not have.
    """
    levels = tuple(sorted(levels))
    if not levels or levels[0] <= 0 or control < levels[-1] or steps < 1:
        raise ArgumentError(
            "levels are bounds above 0, control is at least the largest of them, and steps are 1 or more"
        )
    told = run if isinstance(run, RunResults) else RunResults.read(Path(run))
    study = _again(told, files, model, device)
    if unlike := study.model.card.clip_spec.unlike_pictures:
        raise AuditError(f"{told.folder}: attacks change colour pictures, and {unlike}")
    if layer not in (None, *study.layers):
        raise ArgumentError(f"the layers of the run are {', '.join(study.layers)}; '{layer}' is none of them")
    known = told.manifest.concepts
    if strange := [name for name in include if name not in known]:
        raise ArgumentError(f"the concepts of the run are {', '.join(known)}; '{strange[0]}' is none of them")
    inputs, reader = _same_clips(told, study, progress)
    with scratch_store(DEFAULT_MEMORY_BYTES) as store:
        attacker = _Attacker(told, study, inputs, reader, store, layer or study.layers[-1], steps, seed)
        rows, remarks = attacker.targets(include, statistics)
        if not rows:
            raise AuditError(f"{told.folder}: no verdict that could be overturned is in it")
        sides: tuple[Side, ...] = ("concept", "pool")
        asked = [(row, side) for row in rows for side in sides if side == "concept" or row.against == "random"]
        found = [attacker.attacked(*each, levels, control) for each in progress(asked, "attacks", total=len(asked))]
    return AttackResults(tuple(found), levels, control, tuple(remarks))


def _again(run: RunResults, files: Path | str | None, model: VideoModel | None, device: str | None) -> Study:
    """The study of a run, with its model. Raises AuditError where either is not to be had any more."""
    facts = run.manifest
    folder = _folder(run) if files is None else Path(files).absolute()
    how: dict[str, Any] = {"device": device, "precision": facts.model.precision or "fp32"}
    wanted = facts.model.name, facts.model.weights_sha256
    try:
        several = tomllib.loads(facts.study).get("models")
    except tomllib.TOMLDecodeError:
        raise AuditError(f"{run.folder}: the text of its study is damaged: run the study again") from None
    for number in range(len(several) if isinstance(several, list) else 1):
        try:
            study = Study.from_text(folder / "study.toml", facts.study, model=model or number, **how)
        except StudyFileError as error:
            raise AuditError(f"{run.folder}: its study cannot be asked again: {error}") from None
        if (study.model.card.name, study.model.card.weights_sha256) == wanted:
            return study
    raise AuditError(f"{run.folder}: its model {facts.model.name} has other weights now; attack with those of the run")


def _folder(run: RunResults) -> Path:
    """Where the clips of a run are named from."""
    names = [str(row["file"]).partition("#")[0] for row in run.clip_rows]
    for place in (Path.cwd(), *run.folder.absolute().parents):
        if names and all((place / name).exists() for name in names):
            return place
    raise AuditError(
        f"{run.folder}: its clips are not found from the working folder, nor from a folder above the run",
        hint="give the folder of its study file as `files=FOLDER`",
    )


def _same_clips(run: RunResults, study: Study, progress: Progress) -> tuple[Inputs, ClipReader]:
    """The clips of a run, and what reads them. Raises AuditError where they are not what they were."""
    inputs = study.told(study_inputs(study.file).with_views(study.model.card.clip_spec.views), progress=progress)
    inputs = inputs.without(run.manifest.left_out)
    reader = clip_reader(inputs, study.clips())
    reader.clips()
    if clips_digest(inputs, reader.digests) != run.manifest.clips_sha256:
        raise AuditError(
            f"{run.folder}: the clips below {study.file.folder} are not those of the run any more: run the study again"
        )
    return inputs, reader


@dataclass
class _ChangedReader(ClipReader):
    """A reader that has other pixels of some of the set clips, by their places, which are known by `mark`."""

    changed: Mapping[int, Tensor] = field(default_factory=dict)
    mark: str = ""

    def clips(self) -> Mapping[str | None, Sequence[ClipRef]]:
        found = super().clips()
        own = [replace(clip, key=self._key(place, clip)) for place, clip in enumerate(found[None])]
        return {**found, None: own}

    def loader(self) -> Callable[[ClipRef, str | None], Tensor]:
        load = super().loader()
        pixels = {self._key(place, clip): self.changed.get(place) for place, clip in enumerate(super().clips()[None])}

        def changed(clip: ClipRef, class_name: str | None) -> Tensor:
            found = pixels.get(clip.key) if class_name is None else None
            return load(clip, class_name) if found is None else found

        return changed

    def _key(self, place: int, clip: ClipRef) -> str:
        return f"{clip.key} changed {self.mark} {place}" if place in self.changed else clip.key


@dataclass
class _Attacker:
    """Changes clips of a study and asks its tests again."""

    run: RunResults
    study: Study
    inputs: Inputs
    reader: ClipReader
    store: Store
    layer: str
    steps: int
    seed: int
    _measured: dict[object, Measured] = field(default_factory=dict)
    _results: dict[object, list[Result]] = field(default_factory=dict)

    @cached_property
    def design(self) -> Design:
        """The study's own, without its groups."""
        return replace(self.study.design(self.inputs), groups=())

    @cached_property
    def readouts(self) -> Readouts:
        """Scores and readouts of the clips as they are."""
        measured = self._measure(None)
        return Readouts.of(measured.scores(self.study.model, self.study.score), measured.grams, self.design.classes)

    def targets(self, include: Sequence[str], statistics: Collection[Statistic]) -> tuple[list[Result], list[str]]:
        """The verdicts that can be overturned, and remarks on what cannot be asked.

        Raises AuditError where results are not what they were in the run.
        """
        asked, main = self._own_rows(None), self.study.file.study.told_by
        told = {_question(row): row for row in self.run.results}
        for row in asked:
            was = told.get(_question(row))
            if was and (was.verdict != row.verdict or abs(was.value - row.value) > _ALIKE * max(1, abs(was.value))):
                raise AuditError(
                    f"{self.run.folder}: {row.concept}/{row.kind} is {row.verdict} ({row.value:.3g}), in the run "
                    f"{was.verdict} ({was.value:.3g}): its model or the libraries are not what they were"
                )
        wanted = [
            row
            for row in asked
            if row.statistic == main and not row.exploratory and (not include or row.concept in include)
        ]
        if not self.design.asks_contrast:
            return [row for row in wanted if row.verdict in (*CLEAR, *UNCLEAR)], []
        questions = {_question(row)[:5] for row in wanted}
        wanted += [row for row in asked if row.layer == self.layer and _question(row)[:5] in questions]
        remarks = []
        try:
            if "cosine" in statistics:
                wanted += [each for row in wanted if row.statistic == "contrast" for each in self._classic(row, None)]
        except NotEnoughData as error:
            remarks.append(f"classic scores were not attacked: {error}")
        return [row for row in wanted if row.statistic in statistics and row.verdict in (*CLEAR, *UNCLEAR)], remarks

    def attacked(self, row: Result, side: Side, levels: Sequence[float], control: float) -> AttackRow:
        """What became of a verdict."""
        facts: dict[str, Any] = {"changed": side}
        for name, level, steps in (("control", control, self.steps), ("noise", levels[-1], 0)):
            facts[name] = self._asked_again(row, side, level, steps).verdict != row.verdict
        for level in levels:
            found = self._asked_again(row, side, level, self.steps)
            if found.verdict != row.verdict:
                facts |= {"overturned_at": level, "becomes": found.verdict}
                break
        same = {name: getattr(row, name) for name in AttackRow.model_fields if name in Result.model_fields}
        return AttackRow(**same, **facts)

    def _asked_again(self, row: Result, side: Side, level: float, steps: int) -> Result:
        change = self._change(row, side, level, steps)
        if not self.design.asks_contrast or row.statistic in _MOVES:
            return next(each for each in self._own_rows(change) if _question(each) == _question(row))
        [found] = self._classic(row, change)
        return found

    def _change(self, row: Result, side: Side, level: float, steps: int) -> _Change:
        """Which clips are changed, and where to: an effect towards none, a null to the side on which it is."""
        concept = next(each for each in self.design.concepts if each.name == f"{row.concept}/{row.kind}")
        clips = concept.clips if side == "concept" else self.design.pool_of(concept)
        up = row.value >= row.null_centre
        towards = -1 if (up == (row.verdict not in CLEAR)) == (side == "pool") else 1
        classic = row.statistic not in _MOVES
        return _Change(tuple(clips.rows.tolist()), row.class_name, row.layer, classic, towards, level, steps)

    def _own_rows(self, change: _Change | None) -> list[Result]:
        """What the run's own tests say with the clips so changed."""
        if change not in self._results:
            measured = self._measure(change)
            tests = [(e.p, e.p_equivalence, e.hypothesis) for e in self.run.effects if e.ranked and e.p is not None]
            edits = Family.of(*map(list, zip(*tests, strict=True))) if tests else Family.of([], [], [])
            scores = measured.scores(self.study.model, self.study.score)
            how: dict[str, Any] = {"primary": self.study.file.study.told_by, "edits": edits, "removals": False}
            self._results[change] = answers(measured.grams, self.design, scores=scores, **how)
        return self._results[change]

    def _classic(self, row: Result, change: _Change | None) -> list[Result]:
        """The cosine of the same question at the attacked layer, asked alone."""
        names = {f"{row.concept}/{row.kind}", f"{row.concept}/{row.against}", row.other}
        clips = self.design.classes[row.class_name]
        alone = replace(
            self.design,
            concepts=tuple(each for each in self.design.concepts if each.name in names),
            classes={row.class_name: replace(clips, rows=np.arange(len(clips)))},
            layers=1,
            settings=self.design.settings.model_copy(update={"scores": "classic"}),
            hypotheses=(),
            matched={},
            edits=(),
            needs=(),
        )
        found = answers({self.layer: self._measure(change).grams[self.layer].of_class_clips(clips.rows)}, alone)
        asked = (row.concept, row.kind, row.against, row.other, row.class_name)
        return [each for each in found if each.statistic == "cosine" and _question(each)[:5] == asked]

    def _measure(self, change: _Change | None) -> Measured:
        if change not in self._measured:
            if change is not None:
                self._measured = {key: found for key, found in self._measured.items() if key is None}
            study, reader = self.study, self.reader
            if change is not None:
                changed = dict(zip(change.places, self._pixels(change), strict=True))
                reader = _ChangedReader(**vars(self.reader), changed=changed, mark=repr(change))
            self._measured[change] = measure(
                study.model,
                reader,
                classes=tuple(self.inputs.classes),
                layers=study.layers,
                pooling=study.file.study.pooling,
                score=study.score,
                store=self.store,
            )
        return self._measured[change]

    def _pixels(self, change: _Change) -> Iterator[Tensor]:
        """The changed clips, in the order of their places."""
        clips, load, goal = self.reader.clips()[None], self.reader.loader(), self._goal(change)
        rng = generator(self.seed, repr(change))
        for some in batched(iter(change.places), clips_a_pass(self.study.model)):
            pixels = torch.stack([load(clips[place], None) for place in some])
            yield from perturbed(self.study.model, pixels, goal, levels=change.level, steps=change.steps, rng=rng)

    def _goal(self, change: _Change) -> Goal:
        """The effect itself, in its own units: of a layer's row the score and the readout, both of which decide it; of
        a classic score the readout, along which the mean of the clips moves the vector.
        """
        study, name, layer = self.study, change.class_name, change.layer
        index, pooling = study.model.class_index(name), study.file.study.pooling
        units = self.readouts.units(self.design.random).values.std(axis=0, ddof=1)
        weight = 0.0 if change.is_classic else change.towards / float(units[self.readouts.column("", name)])
        if not layer:
            return Goal(index, study.score, weight)
        keys = [clip.key for clip in self.reader.clips()[name]]
        gradients = self.store.shelf(Passing(study.model, pooling, study.score).cache_key(layer, name)).rows(keys)
        unit = 1.0 if change.is_classic else float(units[self.readouts.column(layer, name)])
        readout = torch.from_numpy(gradients.whole().mean(axis=0)) * (change.towards / unit)
        return Goal(index, study.score, weight, layer, readout, pooling)


@dataclass(frozen=True)
class _Change:
    """Which set clips are changed, by their places, which way, how far; without steps at random."""

    places: tuple[int, ...]
    class_name: str
    layer: str
    is_classic: bool
    towards: int
    level: float
    steps: int


def _question(row: Result) -> tuple[str, ...]:
    return (row.concept, row.kind, row.against, row.other, row.class_name, row.layer, row.statistic)
