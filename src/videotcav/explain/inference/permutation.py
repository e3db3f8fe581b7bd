"""The tests: set-level randomisation, the paired flip, and the classic t-test for comparison.

All take statistics that were computed elsewhere and say how surprising they are. p is never 0 in the first
two: the observed set counts as one of its own draws.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from videotcav.explain.cavs.gram import Floats

_TIE = 1e-12
"""Float noise between statistics that are equal on paper, as a share of the largest of them: no p hangs on a unit."""


@dataclass(frozen=True)
class Null:
    """What a statistic does when the null is true: its `draws` (draw,) and the `centre` they lie about.

    `complete`: these are all the draws there are, the observed one among them (an exact test), not a sample.
    `mirrored`: for every draw its mirror image about the centre belongs to the null as well.
    """

    draws: Floats
    centre: float
    complete: bool = False
    mirrored: bool = False

    @property
    def distances(self) -> Floats:
        """How far each draw lies from the centre."""
        return np.abs(self.draws - self.centre)

    @property
    def band(self) -> tuple[float, float]:
        """The central 95 % of the null."""
        draws = np.concatenate([self.draws, 2 * self.centre - self.draws]) if self.mirrored else self.draws
        low, high = np.quantile(draws, [0.025, 0.975])
        return float(low), float(high)

    def p(self, observed: float) -> float:
        """(1 + #{draws at least as far from the centre as `observed`}) / (1 + draws); never 0.

        Where the null is complete the observed draw is counted already, and nothing is added.
        """
        tie = _TIE * max(abs(observed), abs(self.centre), float(np.abs(self.draws).max()))
        extreme = int((self.distances >= abs(observed - self.centre) - tie).sum())
        if self.complete:
            return max(1, extreme) / len(self.draws)
        return (1 + extreme) / (1 + len(self.draws))

    def critical_distance(self, level: float) -> float:
        """The distance from the centre that must be exceeded for p ≤ `level`; infinite when nothing suffices."""
        total = len(self.draws) + (not self.complete)
        allowed = math.floor(level * total + _TIE) - 1
        if allowed < 0:
            return math.inf
        return float(np.sort(self.distances)[::-1][min(allowed, len(self.draws) - 1)])


def set_null(draws: Floats) -> Null:
    """The null of set-level randomisation: the statistics of the pseudo-concepts, about their mean.

    The mean, not the median: a nearly saturated sign count has two heaps at 0 and 1, between which a median
    jumps. The centre of a sign count need not be 0.5: random vectors lean to one side where the class's
    gradients agree with the pool's own spread.
    """
    return Null(draws=draws, centre=float(draws.mean()))


def flip_null(draws: Floats, *, complete: bool) -> Null:
    """The null of the paired test: differences after label flips within pairs, about 0.

    A flip and its opposite give ±T: `draws` holds one of each such two, and the other is its mirror image.
    """
    return Null(draws=draws, centre=0.0, complete=complete, mirrored=True)


def difference_null(first: Floats, second: Floats) -> Null:
    """The null of two concepts held against each other: differences of two pseudo-concepts, one of each one's shape.

    Its centre is the difference of the two means, which is 0 for concepts of one shape. Each pseudo-concept has had
    the treatment of its concept, its own random sets included.
    """
    draws = first - second
    return Null(draws=draws, centre=float(draws.mean()))


def equivalence_p(effect: float, deviations: Floats, *, margin: float) -> float:
    """How surprising an effect is if the true one lies outside −margin … margin: p of two one-sided tests
    (Schuirmann 1987), small where the effect is within for sure.

    `deviations` (draw,) are those of the estimate under resampling. p is at most α exactly where the central 1 − 2α of
    effect + deviations lies within the margins; the estimate counts as one of its own draws, so p is never 0.
    """
    beyond = max(int((effect + deviations >= margin).sum()), int((effect + deviations <= -margin).sum()))
    return 1.0 if abs(effect) >= margin else (1 + beyond) / (1 + len(deviations))


@dataclass(frozen=True)
class TTest:
    """A t-test: its statistic (infinite where there is no spread at all) and its two-sided p."""

    statistic: float
    p: float


def classic_two_sample(concept_runs: ArrayLike, random_runs: ArrayLike) -> TTest:
    """The published test: scores of concept CAVs against scores of random-against-random CAVs, Welch's t.

    Its runs share one concept set, so they are not independent: more runs make false positives more likely,
    without limit. Where neither side has any spread, p is 1 for equal means and 0 for unequal ones.
    """
    a, b = np.asarray(concept_runs, dtype=np.float64), np.asarray(random_runs, dtype=np.float64)
    if _flat(a) and _flat(b):
        return _without_spread(float(a.mean()), float(b.mean()))
    result = stats.ttest_ind_from_stats(
        a.mean(), a.std(ddof=1), len(a), b.mean(), b.std(ddof=1), len(b), equal_var=False
    )
    return TTest(statistic=float(result.statistic), p=float(result.pvalue))


def classic_one_sample(concept_runs: ArrayLike, *, chance: float = 0.5) -> TTest:
    """The other published test: scores of concept CAVs against a fixed value; it shares the flaw of the first."""
    a = np.asarray(concept_runs, dtype=np.float64)
    if _flat(a):
        return _without_spread(float(a.mean()), chance)
    statistic = (a.mean() - chance) / (a.std(ddof=1) / math.sqrt(len(a)))
    return TTest(statistic=float(statistic), p=float(2 * stats.t.sf(abs(statistic), len(a) - 1)))


def _flat(values: Floats) -> bool:
    return bool(np.ptp(values) <= _TIE * np.abs(values).max())


def _without_spread(first: float, second: float) -> TTest:
    if abs(first - second) <= _TIE * max(abs(first), abs(second)):
        return TTest(statistic=0.0, p=1.0)
    return TTest(statistic=math.copysign(math.inf, first - second), p=0.0)
