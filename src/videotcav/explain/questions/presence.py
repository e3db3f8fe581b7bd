"""How much of a concept a clip shows at a layer, and what that does to its score (method.md 8.13).

The displacement is d = mean of the concept's videos − mean of the pool's; the clip's share is (a − pool mean)·d / |d|²:
0 is like the pool, 1 like the concept. Means of few videos carry noise, which would make |d|² too large and every share
too small. So products of means are taken over pairs of *different* videos (U-statistics): a new clip of the concept has
a share of 1 on average, one of the pool 0, whatever the number of videos. All of it is inner products.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import optimize, stats

from videotcav.errors import NotEnoughData
from videotcav.explain.cavs.gram import Floats

FEWEST = 3
"""Videos of which one can be left out, so that products of two different ones remain."""


@dataclass(frozen=True)
class JackknifeEstimate:
    """A number with its 95 % interval, by leaving out one video after the other (jackknife)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class _Sums:
    """What every number here is made of: sums over the concept's n videos and the pool's N, and over pairs of them.

    With arrays in the place of numbers it is all ways to leave out one video.
    """

    n: int
    N: int
    concept_pairs: Floats
    pool_pairs: Floats
    both: Floats

    def share(self, with_concept: Floats, with_pool: Floats) -> Floats:
        """Of a clip, by the sums of its inner products with the concept's videos and with the pool's."""
        pool = self.pool_pairs / (self.N * (self.N - 1))
        above = with_concept / self.n - with_pool / self.N - self.both / (self.n * self.N) + pool
        with np.errstate(divide="ignore", invalid="ignore"):
            found: Floats = above / self.length()
        return found

    def length(self) -> Floats:
        """|d|² without the noise of its means, which may come out below 0."""
        concept = self.concept_pairs / (self.n * (self.n - 1))
        pool = self.pool_pairs / (self.N * (self.N - 1))
        found: Floats = concept + pool - 2 * self.both / (self.n * self.N)
        return found


@dataclass(frozen=True)
class Displacement:
    """A concept against the pool at one layer.

    `parts` is `moment video video`, the concept's `n` videos first and then the pool's: the inner product of the first
    video's activation at that moment with the second video's; its mean over moments is that of whole activations.
    """

    parts: Floats
    n: int

    def __post_init__(self) -> None:
        if min(self.n, self.N) < FEWEST:
            raise NotEnoughData(
                f"the concept has {self.n} source videos and the pool {self.N} others; how much of a concept a clip "
                f"shows needs at least {FEWEST} of each"
            )

    @property
    def N(self) -> int:  # noqa: N802 - as in the formulas
        """Videos of the pool."""
        return len(self.parts[0]) - self.n

    @cached_property
    def _kernel(self) -> Floats:
        kernel: Floats = self.parts.mean(axis=0)
        return kernel

    @cached_property
    def _rows(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Sums of each video with the others of its set, and with the other set: of the concept, of the pool."""
        others = self._kernel * (1 - np.eye(len(self._kernel)))
        n = self.n
        return (
            others[:n, :n].sum(axis=1),
            others[:n, n:].sum(axis=1),
            others[n:, n:].sum(axis=1),
            others[:n, n:].sum(axis=0),
        )

    @cached_property
    def _whole(self) -> _Sums:
        own, other, pool, _ = self._rows
        return _Sums(self.n, self.N, own.sum(), pool.sum(), other.sum())

    @cached_property
    def _without_one(self) -> tuple[_Sums, _Sums]:
        """Each video of the concept left out, and each of the pool."""
        own, other, pool, with_concept = self._rows
        all_of = self._whole
        return (
            _Sums(self.n - 1, self.N, all_of.concept_pairs - 2 * own, all_of.pool_pairs, all_of.both - other),
            _Sums(self.n, self.N - 1, all_of.concept_pairs, all_of.pool_pairs - 2 * pool, all_of.both - with_concept),
        )

    @property
    def length(self) -> float:
        """|d|² without the noise of its means: not above 0 where nothing is left of it."""
        return float(self._whole.length())

    @property
    def lengths_without_one(self) -> tuple[Floats, Floats]:
        """The same without each video of the concept, and without each of the pool."""
        without_concept, without_pool = self._without_one
        return without_concept.length(), without_pool.length()

    @cached_property
    def held_out(self) -> tuple[Floats, Floats]:
        """The share of each video of the concept, and of the pool, by all other videos."""
        own, other, pool, with_concept = self._rows
        without_concept, without_pool = self._without_one
        return without_concept.share(own, other), without_pool.share(with_concept, pool)

    @cached_property
    def auroc(self) -> JackknifeEstimate:
        """How often a video of the concept lies further along d than one of the pool, d being that of all but the two.

        So it is 0.5 on average where the two do not differ. The interval is the score form of Hanley and McNeil's
        variance (Newcombe 2006), which does not shrink to nothing at 1.
        """
        own, other, pool, with_concept = self._rows
        n, N, both = self.n, self.N, self._kernel[: self.n, self.n :]
        ahead = (
            (own / (n - 1))[:, None]
            - (other[:, None] - both) / (N - 1)
            - (with_concept - both) / (n - 1)
            + pool / (N - 1)
        )
        rounding = 1e-12 * np.abs(np.diagonal(self._kernel)).max()
        value = float(np.where(np.abs(ahead) <= rounding, 0.5, ahead > 0).mean())
        return JackknifeEstimate(value, *_auroc_interval(value, n, N))

    def p_apart(self, rng: np.random.Generator, *, draws: int = 999) -> float:
        """How often videos dealt anew to concept and pool lie as far apart (a kernel two-sample test, Gretton et al.
        2012): (1 + #) / (1 + draws).
        """
        videos = self.n + self.N
        others = self._kernel * (1 - np.eye(videos))
        first = np.zeros((1 + draws, videos))
        first[0, : self.n] = 1
        np.put_along_axis(first[1:], rng.random((draws, videos)).argpartition(self.n - 1, axis=1)[:, : self.n], 1, 1)
        with_first = first @ others
        own, all_of = (with_first * first).sum(axis=1), with_first.sum(axis=1)
        both = all_of - own
        lengths = _Sums(self.n, self.N, own, others.sum() - own - 2 * both, both).length()
        rounding = 1e-9 * np.abs(lengths).max()
        return float((1 + (lengths[1:] >= lengths[0] - rounding).sum()) / (1 + draws))

    def share(self, clip: Floats) -> JackknifeEstimate:
        """Of a clip, by its inner products with the videos, `moment video`."""
        value, *without = self._shares(clip)
        return jackknifed(float(value), *without)

    def over_time(self, clip: Floats) -> Floats:
        """The share at each moment, (moment,), whose mean is the share: how far the clip is along d at that moment,
        beyond what the pool is at the same moment.
        """
        n, N = self.n, self.N
        pool = self.parts[:, n:]
        same = np.trace(pool[:, :, n:], axis1=1, axis2=2)
        base = pool[:, :, :n].mean(axis=(1, 2)) - (pool[:, :, n:].sum(axis=(1, 2)) - same) / (N * (N - 1))
        found: Floats = (clip[:, :n].mean(axis=1) - clip[:, n:].mean(axis=1) - base) / self.length
        return found

    def effect(self, clip: Floats, gradient: Floats, pool_scores: Floats) -> JackknifeEstimate:
        """What its share does to the clip's score to first order, in standard deviations of the score over the pool.

        `gradient` is the inner products of the score's gradient at the clip with the videos, (video,), and
        `pool_scores` are the scores of the pool's videos.
        """
        n, N = self.n, self.N
        share, *shares = self._shares(clip)
        concept, pool = gradient[:n], gradient[n:]
        slope = concept.mean() - pool.mean()
        slopes = (
            (concept.sum() - concept) / (n - 1) - pool.mean(),
            concept.mean() - (pool.sum() - pool) / (N - 1),
        )
        unit = pool_scores.std(ddof=1)
        units = (np.full(n, unit), np.array([np.delete(pool_scores, j).std(ddof=1) for j in range(N)]))
        without = (a * b / c for a, b, c in zip(shares, slopes, units, strict=True))
        return jackknifed(float(share * slope / unit), *without)

    def weights(self) -> Floats:
        """D as weights of the videos."""
        return np.concatenate([np.full(self.n, 1 / self.n), np.full(self.N, -1 / self.N)])

    def _shares(self, clip: Floats) -> tuple[Floats, Floats, Floats]:
        """The share, and those without each video of the concept, and of the pool."""
        products = clip.mean(axis=0)
        concept, pool = products[: self.n], products[self.n :]
        without_concept, without_pool = self._without_one
        return (
            self._whole.share(concept.sum(), pool.sum()),
            without_concept.share(concept.sum() - concept, pool.sum()),
            without_pool.share(concept.sum(), pool.sum() - pool),
        )


def jackknifed(value: float, *without: Floats) -> JackknifeEstimate:
    """The estimate of a number by what it is without each video of one set, of another, and so on."""
    parts = [((len(each) - 1) * each.var(), len(each) - 1) for each in without]
    variance = sum(part for part, _ in parts)
    freedom = variance**2 / sum(part**2 / of for part, of in parts) if variance > 0 else 1.0
    reach = float(stats.t.isf(0.025, freedom) * np.sqrt(variance))
    return JackknifeEstimate(value, value - reach, value + reach)


def percentile(value: float, among: Floats) -> float:
    """The share of numbers that lie below a value, equal ones counted half."""
    return float(((among < value) + 0.5 * (among == value)).mean())


def _auroc_interval(value: float, n: int, N: int) -> tuple[float, float]:
    several = (n + N) / 2 - 1

    def beyond(truth: float) -> float:
        spread = 1 + several * ((1 - truth) / (2 - truth) + truth / (1 + truth))
        variance = truth * (1 - truth) * spread / (n * N)
        return (value - truth) ** 2 - float(stats.norm.isf(0.025)) ** 2 * variance

    # The value itself is a root where it is 0 or 1, and not the one that is looked for.
    below, above = value - 1e-9, value + 1e-9
    low = optimize.brentq(beyond, 0.0, below) if below > 0 > beyond(below) else 0.0
    high = optimize.brentq(beyond, above, 1.0) if above < 1 and beyond(above) < 0 else 1.0
    return float(low), float(high)
