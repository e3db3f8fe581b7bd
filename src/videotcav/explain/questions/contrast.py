"""Contrast and shift: what a class's score does on a concept's clips, and from which layer on a linear readout says so.

*Contrast* is the score f itself, on the concept's clips against the pool's, or on moving clips against their own twins
(method.md 8.3). *Shift* is a layer's linear readout s = w · a, with w the mean over the class's clips of ∂f/∂a at that
layer (8.4). Both are held against the same units by the same relabellings, and both are told in standard deviations of
the score or the readout over the reference pool.

Against a twin this is an intervention within the clip. Against the pool it is an association: clips of a concept may
carry the class's own cues.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from videotcav.errors import NumericalError
from videotcav.explain.cavs.gram import Floats, Gram, Rows
from videotcav.explain.design.design import LEAST_VIDEOS, ConceptRows, Design, against_twin
from videotcav.explain.design.draws import Flags, GramRows, generator
from videotcav.explain.inference.interval_null import (
    Effects,
    Margins,
    Samples,
    against_others,
    against_pool,
    within_pairs,
)
from videotcav.records import Against

NO_SPREAD = 1e-6
"""Of the largest number: what float32 rounds away."""


@dataclass(frozen=True)
class ClipScores:
    """Of every concept and random clip: the score of each class in `values` (clip, class), and whether the model gives
    the clip to that class in `given` (clip, class). Layers have a readout only of a score that is `linear`.
    """

    values: Floats
    given: Flags
    linear: bool = True


@dataclass(frozen=True)
class Readouts:
    """Numbers of the concept and random clips: `values` (clip, column), a column a class and layer.

    The layer "" is the score itself. `columns` names them as (layer, class).
    """

    values: Floats
    columns: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, scores: ClipScores, grams: Mapping[str, Gram], classes: Mapping[str, GramRows]) -> Readouts:
        """The score of every class, and every layer's readout of it.

        The rows of `grams[layer].cross` are the gradients of each class's own score at the clips of that class, so
        their mean is the readout's w, and its inner products with the activations are the readouts.
        """
        values, columns = [scores.values], [("", name) for name in classes]
        for layer, gram in grams.items() if scores.linear else ():
            values.append(np.stack([gram.cross[clips.rows].mean(axis=0) for clips in classes.values()], axis=1))
            columns += [(layer, name) for name in classes]
        return cls(np.concatenate(values, axis=1), tuple(columns))

    def column(self, layer: str, class_name: str) -> int:
        """Where the readout of that layer stands; the score itself with the layer ""."""
        return self.columns.index((layer, class_name))

    def units(self, clips: GramRows, *, without: Collection[str] = ()) -> Units:
        """What is drawn independently: the source videos of these clips, but for some."""
        return Units.of(self.values[clips.rows], clips.sources, without=without)


@dataclass(frozen=True)
class Units:
    """One row of `values` (unit, column) a source video: the mean of its clips."""

    names: tuple[str, ...]
    values: Floats

    @classmethod
    def of(cls, values: Floats, sources: Sequence[str], *, without: Collection[str] = ()) -> Units:
        """The means of rows (clip, column) by source."""
        names = tuple(name for name in dict.fromkeys(sources) if name not in without)
        place = {name: index for index, name in enumerate(names)}
        kept = np.array([source in place for source in sources], dtype=np.bool_)
        index = np.array([place[source] for source in sources if source in place], dtype=np.intp)
        sums = np.zeros((len(names), values.shape[1]))
        np.add.at(sums, index, values[kept])
        return cls(names, sums / np.bincount(index, minlength=len(names))[:, None])

    def __len__(self) -> int:
        return len(self.names)

    def of_names(self, names: Sequence[str]) -> Floats:
        """The rows of these units, in that order."""
        return self.values[[self.names.index(name) for name in names]]


@dataclass(frozen=True)
class Sides:
    """What one question compares: the units of a concept, or their differences to what they are paired with, `first`;
    with those units of the reference pool that are `compared`, or with another concept's, `second`.
    """

    of: ConceptRows
    against: Against
    first: Floats
    reference: Floats
    compared: Flags | None = None
    second: Floats | None = None
    other: str = ""

    def relabellings(self, seed: int) -> np.random.Generator:
        """They hang on the seed and the question's name alone."""
        return generator(seed, "relabellings", self.of.name, self.against, self.other)

    def effects(self, margins: Margins, *, draws: int, seed: int) -> Effects:
        """The effects, a number a column."""
        asked = partial(within_pairs, self.first, self.reference)
        if self.compared is not None:
            asked = partial(against_pool, self.first, self.reference, compared=self.compared, pool=self.second)
        elif self.second is not None:
            asked = partial(against_others, self.first, self.second, self.reference)
        return asked(margins=margins, draws=draws, rng=self.relabellings(seed))

    def samples(
        self, columns: Rows, margins: Margins, *, first: Rows | None = None, second: Rows | None = None
    ) -> Samples:
        """Some columns, of the units at the places (kept, column) of one of the sides; the pool that is left is the
        reference then.
        """
        reference = self.reference[:, columns]
        if self.compared is not None and second is not None:
            left = np.repeat(~self.compared[:, None], len(columns), axis=1)
            left[np.flatnonzero(self.compared)[second], np.arange(len(columns))] = True
            reference = reference.T[left.T].reshape(len(columns), -1).T
        return Samples(
            _kept(self.first[:, columns], first),
            None if self.second is None else _kept(self.second[:, columns], second),
            margins.negligible_below * reference.std(axis=0, ddof=1),
        )


def _kept(values: Floats, places: Rows | None) -> Floats:
    return values if places is None else np.take_along_axis(values, places, axis=0)


def sides(readouts: Readouts, design: Design) -> Iterator[Sides]:
    """Every question of a study: each concept set against the pool, each moving one against each of its twins, and
    the comparisons of two concepts that hypotheses ask for.

    Raises NumericalError where the score has no spread over the pool.
    """
    reference = readouts.units(design.random)
    _refuse_flat(readouts, reference)
    for concept in design.concepts:
        pool = readouts.units(design.pool_of(concept), without=set(concept.clips.sources))
        kept = set(pool.names)
        compared = np.array([name in kept for name in reference.names], dtype=np.bool_)
        others = pool.of_names([name for name in reference.names if name in kept])
        yield Sides(concept, "random", readouts.units(concept.clips).values, reference.values, compared, others)
        for moving, twin in design.pairs:
            if moving.concept == concept.concept and concept.kind == "spatiotemporal":
                yield Sides(moving, against_twin(twin), _differences(readouts, moving, twin), reference.values)
    for first, second in design.comparisons:
        yield _of_two(readouts, first, second, reference.values)


def _differences(readouts: Readouts, moving: ConceptRows, twin: ConceptRows) -> Floats:
    """Of each source video the mean difference of its moving clips to their twins, which are joined by track."""
    differences = readouts.values[moving.clips.rows] - readouts.values[twin.clips.rows]
    return Units.of(differences, moving.clips.sources).values


def _of_two(readouts: Readouts, first: ConceptRows, second: ConceptRows, reference: Floats) -> Sides:
    """Two concepts: within the videos that show both, where these are at least half of the smaller set's videos;
    otherwise between the videos that show only one of them.
    """
    one, two = readouts.units(first.clips), readouts.units(second.clips)
    both = [name for name in one.names if name in set(two.names)]
    if 2 * len(both) >= min(len(one), len(two)):
        return Sides(first, "concept", one.of_names(both) - two.of_names(both), reference, other=second.name)
    one, two = readouts.units(first.clips, without=both), readouts.units(second.clips, without=both)
    return Sides(first, "concept", one.values, reference, second=two.values, other=second.name)


def _refuse_flat(readouts: Readouts, reference: Units) -> None:
    for column, (layer, class_name) in enumerate(readouts.columns):
        scores = reference.values[:, column]
        if not layer and scores.std() <= NO_SPREAD * np.abs(scores).max():
            raise NumericalError(
                f"the score of '{class_name}' is the same for all random clips, so that nothing can be held against "
                "its spread: check that the random clips differ, and that the model does"
            )


def fidelities(readouts: Readouts, pool: GramRows) -> Floats:
    """How closely each column follows its class's score over the pool's videos: their correlation, (column,).

    NaN where the pool has fewer than `LEAST_VIDEOS` videos, or one of the two does not vary.
    """
    units = readouts.units(pool).values
    if len(units) < LEAST_VIDEOS:
        return np.full(len(readouts.columns), np.nan)
    score = units[:, [readouts.column("", class_name) for _, class_name in readouts.columns]]
    centred, of_score = units - units.mean(axis=0), score - score.mean(axis=0)
    sizes = np.sqrt((centred**2).sum(axis=0) * (of_score**2).sum(axis=0))
    found: Floats = np.where(sizes > 0, (centred * of_score).sum(axis=0) / np.where(sizes > 0, sizes, 1.0), np.nan)
    return found
