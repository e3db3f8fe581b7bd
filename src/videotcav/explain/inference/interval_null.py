"""Is an effect larger than a negligible one? The interval null |E| ≤ δ, by relabelling and by t, for many columns.

Scores stand as arrays `unit column`: a unit is what is drawn independently (a source video, or a group of them), a
column one question about the same units (a class, a readout of a layer). A relabelling of the units serves all columns.

The point null "E is 0" rejects whatever is tiny and sure: irrelevant motion is called an effect in 23 to 28 % of cases.
The p of the interval null (Hodges and Lehmann 1954) is the larger of two. Relabelling is liberal where the concept
spreads more than the pool, t where scores are skewed; together they keep their level.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations, islice, product

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from videotcav.explain.cavs.gram import Floats, Rows

Flags = NDArray[np.bool_]
Counts = NDArray[np.int64]

EXCEEDANCES = 20
"""A column's draws end when relabellings have been as extreme as often as this (Besag and Clifford 1991)."""

_DRAWS_AT_ONCE = 256
_FEW = 2**14  # relabellings that are enumerated whatever the number of draws: p is then the same for every seed
_ROUNDING = 1e-9  # of a statistic without unit: by so much two relabellings that are one may differ


@dataclass(frozen=True)
class Margins:
    """Two sizes of an effect, in standard deviations of the reference pool: what counts as nothing.

    An effect must exceed `negligible_below` (δ) to be shown; it must be below `equivalence` to be called negligible.
    """

    negligible_below: float = 0.1
    equivalence: float = 0.3


@dataclass(frozen=True)
class Effects:
    """What was found, a number a column.

    `effect`, with its 95 % interval and its `standard_error`, is in standard deviations of the reference pool. `p` is
    that of the interval null, the larger of `p_relabelled` and `p_t`; `p_equivalence` is that of the null that the
    effect is at least as large as the equivalence margin. `draws` were made for each column; `enumerated` says that
    they are all that there are.
    """

    effect: Floats
    low: Floats
    high: Floats
    standard_error: Floats
    p: Floats
    p_relabelled: Floats
    p_t: Floats
    p_equivalence: Floats
    draws: Counts
    enumerated: bool


def against_pool(
    concept: Floats,
    reference: Floats,
    *,
    compared: Flags | None = None,
    pool: Floats | None = None,
    margins: Margins,
    draws: int,
    rng: np.random.Generator,
) -> Effects:
    """The concept's mean score against the pool's, in standard deviations of the reference pool.

    Args:
        concept: scores of the concept's units, (n, column).
        reference: scores of the study's one, unmatched pool, (R, column): its spread is the unit of effects.
        compared: which units of the reference the concept is held against; all by default. A matched pool, and one
            without the concept's own videos, is part of the reference.
        pool: scores of the units that are compared, (N, column), where these are of some of a video's clips.
        margins: what counts as nothing.
        draws: relabellings at most; all are enumerated where they are no more, or few.
        rng: of the relabellings.
    """
    flags = np.ones(len(reference), dtype=np.bool_) if compared is None else compared
    pool = reference[flags] if pool is None else pool
    return _between(concept, pool, reference, flags, margins=margins, draws=draws, rng=rng)


def against_others(
    first: Floats, second: Floats, reference: Floats, *, margins: Margins, draws: int, rng: np.random.Generator
) -> Effects:
    """The mean score of one concept's units, (n, column), against another's, (N, column); otherwise as
    `against_pool`.
    """
    none = np.zeros(len(reference), dtype=np.bool_)
    return _between(first, second, reference, none, margins=margins, draws=draws, rng=rng)


def _between(
    first: Floats,
    second: Floats,
    reference: Floats,
    compared: Flags,
    *,
    margins: Margins,
    draws: int,
    rng: np.random.Generator,
) -> Effects:
    """One sample against another, which is of those units of the reference that are `compared`, or of none of them."""
    unit = reference.std(axis=0, ddof=1)
    samples = Samples(first, second, margins.negligible_below * unit)
    (own, freedom), (others, freedom_of_others) = samples.variances
    apart = () if compared.any() else ((_ratio(others, unit**2), freedom_of_others),)
    return _effects(
        samples,
        unit,
        standardised=lambda effect: _Error.of(
            (_ratio(own, unit**2), freedom),
            *apart,
            (_reference_error(effect, reference, compared, second), len(reference) - 1),
        ),
        draws=draws,
        rng=rng,
        margins=margins,
    )


def within_pairs(
    differences: Floats, reference: Floats, *, margins: Margins, draws: int, rng: np.random.Generator
) -> Effects:
    """The mean of differences within pairs, in standard deviations of the reference pool.

    Args:
        differences: of each unit, (n, column): the concept's score minus its twin's.
        reference: as of `against_pool`.
        margins: what counts as nothing.
        draws: sign flips at most; all 2ⁿ are enumerated where they are no more, or few.
        rng: of the flips.
    """
    unit = reference.std(axis=0, ddof=1)
    samples = Samples(differences, None, margins.negligible_below * unit)
    ((own, freedom),) = samples.variances
    return _effects(
        samples,
        unit,
        standardised=lambda effect: _Error.of(
            (_ratio(own, unit**2), freedom),
            (_reference_error(effect, reference), len(reference) - 1),
        ),
        draws=draws,
        rng=rng,
        margins=margins,
    )


def exceeding(differences: Floats, *, beyond: float, draws: int, rng: np.random.Generator) -> Floats:
    """The one-sided p of the null that the mean of differences is at most `beyond`, a number a column.

    It is the term of `within_pairs` in the direction of more: the larger of the share of sign flips of the differences
    less `beyond` that are as extreme, and of t's upper tail. Without spread p is 1.

    Args:
        differences: of each unit, (n, column).
        beyond: in the unit of the differences.
        draws: sign flips at most; all 2ⁿ are enumerated where they are no more, or few.
        rng: of the flips.
    """
    n = len(differences)
    p_relabelled, _ = _flips(n, draws=draws, rng=rng).p([_flipped(differences - beyond)])
    error = _Error.of((differences.var(axis=0, ddof=1) / n, n - 1))
    return np.maximum(p_relabelled, error.beyond(differences.mean(axis=0) - beyond))


# --- the two forms of p --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Samples:
    """What is compared: units (n, column) with others (N, column), or differences within pairs where there are none.

    `nothing`, (column,), is the size of a negligible difference. p is the larger of its two forms.
    """

    first: Floats
    second: Floats | None
    nothing: Floats

    def of(self, columns: Rows) -> Samples:
        """Some of the columns."""
        second = None if self.second is None else self.second[:, columns]
        return Samples(self.first[:, columns], second, self.nothing[columns])

    @property
    def difference(self) -> Floats:
        """Of the means, (column,)."""
        found: Floats = self.first.mean(axis=0)
        return found if self.second is None else found - self.second.mean(axis=0)

    @property
    def variances(self) -> tuple[tuple[Floats, int], ...]:
        """Of the mean of each sample, (column,), with its degrees of freedom."""
        samples = [self.first] if self.second is None else [self.first, self.second]
        return tuple((each.var(axis=0, ddof=1) / len(each), len(each) - 1) for each in samples)

    def p_t(self) -> Floats:
        """By t, (column,)."""
        error, size = _Error.of(*self.variances), np.abs(self.difference)
        found: Floats = np.minimum(1.0, error.beyond(size - self.nothing) + error.beyond(size + self.nothing))
        return found

    def p_relabelled(self, *, draws: int, rng: np.random.Generator) -> tuple[Floats, Counts, bool]:
        """By relabelling, (column,), with how many were made, and whether they are all that there are."""
        n = len(self.first)
        sign = np.where(self.difference < 0, -1.0, 1.0)
        if self.second is None:
            labels, turned = _flips(n, draws=draws, rng=rng), self.first * sign
            statistics = [_flipped(turned - self.nothing), _flipped(turned + self.nothing)]
        else:
            both = np.concatenate([self.first, self.second])
            labels, both = _swaps(len(both), n, draws=draws, rng=rng), (both - both.mean(axis=0)) * sign
            moved = self.nothing * (np.arange(len(both)) < n)[:, None]
            statistics = [_studentised(both - moved, n), _studentised(both + moved, n)]
        return *labels.p(statistics), labels.enumerated


# --- errors ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Error:
    """A standard error and its degrees of freedom (Welch and Satterthwaite), a number a column."""

    value: Floats
    freedom: Floats

    @classmethod
    def of(cls, *parts: tuple[Floats, int]) -> _Error:
        """The error of independent parts, each a variance of its mean and its own degrees of freedom."""
        variance = np.sum([part for part, _ in parts], axis=0)
        shares = [_ratio(part, variance) ** 2 / freedom for part, freedom in parts]
        return cls(np.sqrt(variance), _ratio(np.ones_like(variance), np.sum(shares, axis=0)))

    def beyond(self, distance: Floats) -> Floats:
        """How often t lies beyond a distance; where there is no error, always."""
        found: Floats = np.where(self.value > 0, stats.t.sf(_ratio(distance, self.value), self.freedom), 1.0)
        return found


def _reference_error(
    effect: Floats, reference: Floats, compared: Flags | None = None, pool: Floats | None = None
) -> Floats:
    """What the reference adds to the variance of an effect E = D / σ: as the mean that D is held against, and as the
    units that σ is estimated from (delta method).

    With z the standardised scores, unit j moves E by (−z_j − E (z_j² − 1) / 2) / R; the first part is that of the
    units that are compared, whose scores are the `pool`, the second that of all.
    """
    R = len(reference)
    unit = reference.std(axis=0, ddof=1)
    z = _ratio(reference - reference.mean(axis=0), unit)
    influence = -effect * (z**2 - (z**2).mean(axis=0)) / (2 * R)
    if compared is not None and pool is not None and compared.any():
        influence[compared] -= _ratio(pool - pool.mean(axis=0), unit) / len(pool)
    found: Floats = (influence**2).sum(axis=0) * R / (R - 1)
    return found


def _effects(
    samples: Samples,
    unit: Floats,
    *,
    standardised: Callable[[Floats], _Error],
    draws: int,
    rng: np.random.Generator,
    margins: Margins,
) -> Effects:
    p_t = samples.p_t()
    p_relabelled, made, enumerated = samples.p_relabelled(draws=draws, rng=rng)
    effect = _ratio(samples.difference, unit)
    error = standardised(effect)
    reach = stats.t.isf(0.025, error.freedom) * error.value
    return Effects(
        effect=effect,
        low=effect - reach,
        high=effect + reach,
        standard_error=error.value,
        p=np.maximum(p_relabelled, p_t),
        p_relabelled=p_relabelled,
        p_t=p_t,
        p_equivalence=error.beyond(margins.equivalence - np.abs(effect)),
        draws=made,
        enumerated=enumerated,
    )


# --- the form by relabelling ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Relabelled:
    """A statistic without unit that grows with the difference: as `observed`, (column,), and of any relabellings
    (draw, unit) for some of the columns, (draw, column).
    """

    observed: Floats
    of: Callable[[Floats, Rows], Floats]


@dataclass(frozen=True)
class _Labels:
    """Relabellings in `blocks` (draw, unit), of which `draws` are made: all that there are, or sampled ones."""

    blocks: Iterator[Floats]
    draws: int
    enumerated: bool

    def p(self, statistics: list[Relabelled]) -> tuple[Floats, Counts]:
        """See `relabelled_p`."""
        return relabelled_p(statistics, self.blocks, draws=self.draws, enumerated=self.enumerated)


def _flips(n: int, *, draws: int, rng: np.random.Generator) -> _Labels:
    """Signs of n differences; all of them where they are no more than `draws`, or few."""
    if (total := 2**n) <= max(draws, _FEW):
        return _Labels(_signs(n), total, enumerated=True)
    return _Labels(_random_signs(n, rng), draws, enumerated=False)


def _swaps(units: int, n: int, *, draws: int, rng: np.random.Generator) -> _Labels:
    """Which n of the units are the first sample; all choices where they are no more than `draws`, or few."""
    if (total := math.comb(units, n)) <= max(draws, _FEW):
        return _Labels(_subsets(units, n), total, enumerated=True)
    return _Labels(random_subsets(units, n, rng), draws, enumerated=False)


def relabelled_p(
    statistics: list[Relabelled], labels: Iterator[Floats], *, draws: int, enumerated: bool
) -> tuple[Floats, Counts]:
    """The sum of the p of several statistics, at most 1, and the relabellings that were made for each column.

    `labels` come in blocks (draw, unit), as many as are wanted.
    Each p is (1 + #) / (1 + draws), or # / draws where all relabellings are enumerated. Sampled ones end for a column
    with the draw that makes it `EXCEEDANCES` of all statistics together; the sum is then that number by the draws.
    A statistic that is NaN, as of scores without spread, gives p = 1.
    """
    least = np.stack([each.observed - _ROUNDING * np.maximum(1.0, np.abs(each.observed)) for each in statistics])
    columns = least.shape[1]
    p, made = np.ones(columns), np.zeros(columns, dtype=np.int64)
    counts = np.zeros((len(statistics), columns), dtype=np.int64)
    active: Rows = np.flatnonzero(np.isfinite(least).all(axis=0))
    done = 0
    while len(active) and done < draws:
        some = next(labels)[: draws - done]
        extreme = np.stack([each.of(some, active) for each in statistics]) >= least[:, None, active]
        together = counts[:, active].sum(axis=0) + extreme.sum(axis=0).cumsum(axis=0)
        counts[:, active] += extreme.sum(axis=1)
        if not enumerated:
            is_enough = together >= EXCEEDANCES
            last = is_enough.argmax(axis=0)
            ends = is_enough.any(axis=0)
            made[active[ends]] = (done + last + 1)[ends]
            p[active[ends]] = together[last, np.arange(len(active))][ends] / made[active[ends]]
            active = active[~ends]
        done += len(some)
    made[active] = done
    extra = 0 if enumerated else 1
    p[active] = ((extra + counts[:, active]) / (extra + draws)).sum(axis=0)
    return np.minimum(1.0, p), made


def _studentised(both: Floats, n: int) -> Relabelled:
    """Welch's t of the units that a label of 1 names, n of them, against the others; the first n as observed."""
    N = len(both) - n
    squares = both**2
    total, total_squares = both.sum(axis=0), squares.sum(axis=0)

    def statistic(labels: Floats, columns: Rows) -> Floats:
        first, first_squares = labels @ both[:, columns], labels @ squares[:, columns]
        second, second_squares = total[columns] - first, total_squares[columns] - first_squares
        variance = _variance_of_mean(first, first_squares, n) + _variance_of_mean(second, second_squares, N)
        return _ratio(first / n - second / N, np.sqrt(variance), otherwise=np.inf)

    every = np.arange(both.shape[1])
    observed = statistic((np.arange(n + N) < n)[None].astype(np.float64), every)[0]
    has_spread = np.maximum(both[:n].std(axis=0), both[n:].std(axis=0)) > _ROUNDING * np.abs(both).max(axis=0)
    return Relabelled(np.where(has_spread, observed, np.nan), statistic)


def _variance_of_mean(sums: Floats, squares: Floats, count: int) -> Floats:
    found: Floats = np.maximum(squares - sums**2 / count, 0.0) / (count - 1) / count
    return found


def _flipped(differences: Floats) -> Relabelled:
    """The sum of differences under the signs of a label; studentising would not change the order of relabellings."""
    shares = _ratio(differences, np.abs(differences).sum(axis=0))
    has_spread = differences.std(axis=0) > _ROUNDING * np.abs(differences).max(axis=0)
    return Relabelled(
        np.where(has_spread, shares.sum(axis=0), np.nan), lambda signs, columns: signs @ shares[:, columns]
    )


def _subsets(units: int, n: int) -> Iterator[Floats]:
    every = combinations(range(units), n)
    while chosen := list(islice(every, _DRAWS_AT_ONCE)):
        labels = np.zeros((len(chosen), units))
        np.put_along_axis(labels, np.array(chosen), 1.0, axis=1)
        yield labels


def random_subsets(units: int, n: int, rng: np.random.Generator) -> Iterator[Floats]:
    """Labels without end, in blocks (draw, unit): 1 for n of the units, each n as likely as any other, else 0."""
    while True:
        numbers = rng.random((_DRAWS_AT_ONCE, units))
        yield (numbers <= np.partition(numbers, n - 1, axis=1)[:, n - 1 : n]).astype(np.float64)


def _signs(n: int) -> Iterator[Floats]:
    every = product((1.0, -1.0), repeat=n)
    while signs := list(islice(every, _DRAWS_AT_ONCE)):
        yield np.array(signs)


def _random_signs(n: int, rng: np.random.Generator) -> Iterator[Floats]:
    while True:
        yield np.where(rng.random((_DRAWS_AT_ONCE, n)) < 0.5, -1.0, 1.0)  # noqa: PLR2004 - a fair coin


def _ratio(above: Floats, below: Floats, *, otherwise: float = 0.0) -> Floats:
    """Above / below; where below is 0, `otherwise` with the sign of above (0 where that is 0 too)."""
    below = np.broadcast_to(below, np.broadcast_shapes(np.shape(above), np.shape(below)))
    is_zero = below == 0
    beyond = 0.0 if otherwise == 0 else np.where(above == 0, 0.0, np.copysign(otherwise, above))
    found: Floats = np.where(is_zero, beyond, above / np.where(is_zero, 1.0, below))
    return found
