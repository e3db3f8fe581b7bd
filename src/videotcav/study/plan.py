"""Before a run: what the declared family needs, what it could see, and what it will cost."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from pydantic import ByteSize

from videotcav.explain.design.design import LEAST_VIDEOS, ConceptRows, Design, draws_bytes
from videotcav.explain.design.settings import AnalysisSettings
from videotcav.explain.inference.power import detectable, equivalence_reach, videos_for_flips, visible_effect
from videotcav.explain.questions.entanglement import reads_kernel
from videotcav.features.measure import DEFAULT_MEMORY_BYTES, reading_rate
from videotcav.records import TWINS, Progress, Record, Result, Statistic, silent
from videotcav.results.pool_facts import PoolFacts
from videotcav.results.read import RunResults
from videotcav.results.table import sentences_html
from videotcav.study.class_shares import share_passes
from videotcav.study.cost_model import Costs, Rates, costs, statistics_seconds
from videotcav.study.cost_model import rates as rates_of
from videotcav.study.cost_model import widths as widths_of
from videotcav.study.design import study_design
from videotcav.study.edits import Editor
from videotcav.study.edits_plan import EditsPlan, edits_plan
from videotcav.study.file import StudyFile
from videotcav.study.inputs import Inputs, study_inputs
from videotcav.study.map_checks import most_passes
from videotcav.study.media import overlay_seconds
from videotcav.study.reading import clip_reader
from videotcav.study.run import Study

_95_PERCENT = 2 * 1.959964
_POOL_IN_SETS = 3
_SECONDS_PER_MINUTE, _SECONDS_PER_HOUR = 60, 3600
_UNITS_FROM = 2  # of a larger unit


class Requirement(Record):
    """Something that the study needs, and how much of it there is."""

    what: str
    has: int
    needs: int

    @property
    def is_met(self) -> bool:
        """Whether there is enough."""
        return self.has >= self.needs

    @property
    def sentence(self) -> str:
        """In words."""
        return f"{self.what}: {self.has}" + ("" if self.is_met else f", but {self.needs} are needed")


class Visible(Record):
    """The smallest effect on one question that would be significant with a power of 80 %."""

    question: str
    effect: float


class Plan(Record):
    """What a study needs, could see and will cost. `tests` is the declared family; `remarks` and
    `alignment` are of its files.

    `pool` is what concepts and pool differ in, `equivalence` says what it would take to show that a concept leaves the
    class alone, where that is more than there is. `edits` says of how many class clips each edit can be asked. The
    time is told of so many `workers` too.
    """

    tests: int
    null_draws: int
    needs: tuple[Requirement, ...]
    cost: Costs
    visible: tuple[Visible, ...]
    remarks: tuple[str, ...] = ()
    alignment: str = ""
    equivalence: str = ""
    edits: tuple[str, ...] = ()
    pool: PoolFacts | None = None
    workers: int = 1

    @property
    def is_enough(self) -> bool:
        """Whether every need is met."""
        return all(need.is_met for need in self.needs)

    @property
    def lines(self) -> list[str]:
        """In words, a line each."""
        needs = [f"{'  ' if need.is_met else '✗ '}{need.sentence}" for need in self.needs]
        cost = self.cost
        by_stage = ", ".join(f"{stage} {_duration(seconds)}" for stage, seconds in cost.seconds.items())
        return [
            f"{self.tests} tests in the declared family",
            *needs,
            *([f"  {self.alignment}"] if self.alignment else []),
            *(f"! {remark}" for remark in self.remarks),
            *(f"  {line}" for line in (self.pool.lines if self.pool else ())),
            *([f"  {self.equivalence}"] if self.equivalence else []),
            *(f"  {line}" for line in self.edits),
            *(f"  visible with a power of 80 %: ±{each.effect:.3g}, {each.question}" for each in self.visible),
            f"{cost.clips_forward} clips forward, {cost.clips_backward} of them backward",
            *([f"at most {cost.map_passes} forward passes more to check maps"] if cost.map_passes else []),
            *([f"at most {cost.edit_passes} forward passes more of edited clips"] if cost.edit_passes else []),
            *([f"at most {cost.share_passes} forward passes more for concepts' shares"] if cost.share_passes else []),
            f"about {_duration(cost.elapsed())} of one worker: {by_stage}; clips are read and edited beside the passes",
            *([f"about {_duration(cost.elapsed(self.workers))} of {self.workers} of them"] if self.workers > 1 else []),
            *([f"{cost.waits}, where there are cores or a GPU for both"] if cost.waits else []),
            f"{_size(cost.store_bytes)} of rows, {_size(cost.read_bytes)} read for {cost.operations:.1e} operations",
            f"{_size(cost.gram_bytes)} of inner products, {_size(cost.statistics_bytes)} of memory for the statistics",
        ]

    def _repr_html_(self) -> str:
        return sentences_html(self.lines)


class Spreads(NamedTuple):
    """Standard deviations that are stated instead of a pilot's: of the null, and of the estimate."""

    null: float
    estimate: float


def plan_study(
    study: Study,
    *,
    pilot: RunResults | None = None,
    spreads: Spreads | None = None,
    clips_per_second: float | None = None,
    workers: int = 1,
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
    progress: Progress = silent,
) -> Plan:
    """The plan of a study, its clips counted and this machine timed. It passes the two clips whose maps come first.

    `pilot` is an earlier run, whose spreads are carried over; `clips_per_second` the rate of forward passes, with
    which nothing is passed, maps' pictures not timed; `workers` how many the time is told of too. Other arguments as
    those of `plan`. Raises as `Study.run` does before its passes.
    """
    file = study.file.study
    started = time.perf_counter()
    inputs = study.told(study_inputs(study.file).with_views(study.model.card.clip_spec.views), progress=progress)
    timed = {"inputs": time.perf_counter() - started}
    edits = edits_plan(Editor.of(study.file, inputs, study.clips()), inputs, progress=progress)
    if edits.seconds is not None:
        timed["editing"] = edits.seconds
    of_maps = 0.0 if clips_per_second else overlay_seconds(study.file, inputs, study.model)
    if pictures := edits.picture_seconds + of_maps:
        timed["pictures"] = pictures
    if seconds := statistics_seconds(study.design(inputs)):
        timed["statistics"] = seconds
    made = plan(
        file,
        inputs,
        widths=widths_of(study.model, study.layers, pooling=file.pooling),
        rates=rates_of(
            study.model,
            study.layers,
            pooling=file.pooling,
            clips_per_second=clips_per_second,
            clips_read=reading_rate(clip_reader(inputs.a_few(), study.clips())),
        ),
        memory_bytes=memory_bytes,
        map_passes=most_passes(file, inputs, study.model),
        edits=edits,
        timed=timed,
        cores_of_a_pass=torch.get_num_threads() if study.model.device.type == "cpu" else 0,
        pilot=pilot.results if pilot else (),
        spreads=spreads,
    )
    return made.model_copy(update={"workers": workers})


def plan(
    study: StudyFile,
    inputs: Inputs,
    *,
    widths: Mapping[str, int],
    rates: Rates | None = None,
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
    map_passes: int = 0,
    edits: EditsPlan | None = None,
    timed: Mapping[str, float] | None = None,
    cores_of_a_pass: int = 1,
    pilot: tuple[Result, ...] = (),
    spreads: Spreads | None = None,
) -> Plan:
    """The plan of a study with these inputs.

    Args:
        study: what is asked.
        inputs: the clips that there are.
        widths: activations of a clip at each layer, after pooling.
        rates: of the machine; without them the costs have no seconds.
        memory_bytes: as for a run.
        map_passes: that checking the maps will take at most.
        edits: what the edits of class clips will take.
        timed: seconds of stages that were timed as a whole, see `costs`.
        cores_of_a_pass: see `costs`.
        pilot: the results of an earlier run, whose spreads are carried over to the sizes of this one.
        spreads: stated in their stead, in units of the primary statistic.
    """
    design = study_design(study, inputs, layers=len(widths))
    settings, tests = study.tests, design.declared_tests
    if design.asks_contrast:
        draws = design.relabellings
        needs = [
            Requirement(what="relabellings", has=draws, needs=settings.relabellings_needed(tests)),
            *_of_contrast_pool(design),
        ]
        seen = tuple(_detectable(design, pilot))
        if spreads is not None:
            effect = detectable(spreads.estimate, tests=tests, settings=settings)
    else:
        draws = design.null_draws
        needs = [
            Requirement(what="pseudo-concepts", has=draws, needs=settings.null_draws_needed(tests)),
            *_of_pool(design),
        ]
        seen = tuple(_visible(design, pilot, study.told_by))
        if spreads is not None:
            effect = visible_effect(spreads.null, spreads.estimate, tests=tests, settings=settings)
    if spreads is not None:
        seen = (Visible(question="any test of such a spread", effect=effect),)
    return Plan(
        tests=tests,
        null_draws=draws,
        needs=(
            *needs[:1],
            *(need for each in design.concepts for need in _of_set(each, tests, settings)),
            *needs[1:],
        ),
        cost=costs(
            set_clips=len(inputs.set_files),
            class_clips=[len(clips) for clips in design.classes.values()],
            widths=widths,
            memory_bytes=memory_bytes,
            bootstrap_resamples=settings.bootstrap_resamples,
            draws_bytes=0
            if design.asks_contrast
            else draws_bytes(
                max((len(each.clips) for each in design.concepts), default=0),
                random_draws=settings.random_draws,
                null_draws=draws,
                classes=len(design.classes),
            ),
            kernel=reads_kernel(design),
            cavs=design.trains_cavs,
            map_passes=map_passes,
            edit_passes=edits.passes if edits else 0,
            share_passes=share_passes(study, inputs),
            rates=rates,
            timed=timed,
            cores_of_a_pass=cores_of_a_pass,
        ),
        visible=seen,
        remarks=inputs.remarks,
        pool=inputs.pool,
        alignment=inputs.alignment.sentence if inputs.alignment else "",
        equivalence=_equivalence(design) if design.asks_contrast else "",
        edits=edits.lines if edits else (),
    )


def _of_set(concept: ConceptRows, tests: int, settings: AnalysisSettings) -> Iterator[Requirement]:
    yield Requirement(what=f"clips of {concept.name}", has=len(concept.clips), needs=settings.minimum_clips)
    fewest = settings.minimum_sources
    if concept.kind in TWINS:
        fewest = max(fewest, videos_for_flips(tests, settings))
    yield Requirement(what=f"source videos of {concept.name}", has=len(concept.clips.counts), needs=fewest)


def _of_pool(design: Design) -> Iterator[Requirement]:
    """A pseudo-concept as large as the largest set, and half as many random clips of other videos beside it."""
    clips = max((len(each.clips) for each in design.concepts), default=0)
    videos = max((len(each.clips.counts) for each in design.concepts), default=0)
    beside = math.ceil(clips / 2)
    better = f"(better {_POOL_IN_SETS * clips})"
    yield Requirement(what=f"random clips {better}", has=len(design.random), needs=clips + beside)
    yield Requirement(what="random source videos", has=len(design.random.counts), needs=videos + 1)


def _of_contrast_pool(design: Design) -> Iterator[Requirement]:
    """Random videos that each concept is not cut from too."""
    for each in design.concepts:
        what = f"random source videos beside {each.name} (better {LEAST_VIDEOS})"
        yield Requirement(what=what, has=len(design.videos_beside(each)), needs=design.settings.minimum_sources)


def _equivalence(design: Design) -> str:
    """What shows that an effect lies within the margin, where a concept's scores spread as the pool's do."""
    settings = design.settings
    asked = [each for each in design.concepts if each.kind not in TWINS]
    pool = min((len(design.pool_of(each).counts) for each in asked), default=0)
    videos = min((len(each.clips.counts) for each in asked), default=0)
    room = (settings.margin / equivalence_reach(design.declared_tests, settings)) ** 2
    if not videos or not pool or 1 / videos + 1 / pool <= room:
        return ""
    beside = f", or by {math.ceil(1 / (room - 1 / pool))} against these {pool}" if room > 1 / pool else ""
    return (
        f"to show with a power of 80 % that an effect lies within ±{settings.margin:g} takes about "
        f"{math.ceil(2 / room)} videos against {math.ceil(2 / room)} random ones{beside}: with {videos} against "
        f"{pool}, no effect means undecided"
    )


def _detectable(design: Design, pilot: tuple[Result, ...]) -> Iterator[Visible]:
    """Of every contrast of the pilot; without one of every set, as if its scores spread as the pool's do."""
    tests, settings = design.declared_tests, design.settings
    videos = {each.name: len(each.clips.counts) for each in design.concepts}
    for each in () if pilot else design.concepts:
        pool = len(design.pool_of(each).counts)
        error = math.sqrt(1 / videos[each.name] + 1 / pool) if pool else math.inf
        yield Visible(
            question=f"{each.name} against random, where its scores spread as the pool's do",
            effect=detectable(error, tests=tests, settings=settings),
        )
    for row in pilot:
        count = videos.get(f"{row.concept}/{row.kind}", 0)
        if row.statistic != "contrast" or row.exploratory or not count:
            continue
        error = math.sqrt(row.concept_sources / count) * (row.high - row.low) / _95_PERCENT
        yield Visible(
            question=f"{row.concept}/{row.kind} against {row.other or row.against} for {row.class_name}",
            effect=detectable(error, tests=tests, settings=settings),
        )


def _visible(design: Design, pilot: tuple[Result, ...], primary: Statistic) -> Iterator[Visible]:
    """Of every row of the pilot that is not exploratory, in the primary statistic.

    Its spreads shrink with the square root of the set's size.
    """
    sizes = {each.name: len(each.clips) for each in design.concepts}
    for row in pilot:
        clips = sizes.get(f"{row.concept}/{row.kind}")
        if row.statistic != primary or row.exploratory or clips is None:
            continue
        shrink = math.sqrt(row.concept_clips / clips)
        against = row.other or row.against
        yield Visible(
            question=f"{row.concept}/{row.kind} against {against} at {row.layer} for {row.class_name}",
            effect=visible_effect(
                shrink * (row.null_high - row.null_low) / _95_PERCENT,
                shrink * (row.high - row.low) / _95_PERCENT,
                tests=design.declared_tests,
                settings=design.settings,
            ),
        )


def _duration(seconds: float) -> str:
    if seconds < _UNITS_FROM * _SECONDS_PER_MINUTE:
        return f"{seconds:.2g} s"
    if seconds < _UNITS_FROM * _SECONDS_PER_HOUR:
        return f"{seconds / _SECONDS_PER_MINUTE:.0f} min"
    return f"{seconds / _SECONDS_PER_HOUR:,.0f} h"


def _size(count: float) -> str:
    return ByteSize(count).human_readable(separator=" ")
