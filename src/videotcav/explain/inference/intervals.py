"""95 % intervals: a hierarchical bootstrap over the source videos of the concept, of the random sets and of the class.

A CAV must not be trained again on resampled clips: with half of its clips doubled it has less to learn from, its
noise is longer, and every statistic shrinks (in simulation such intervals covered 76 to 96 % instead of 95 %). So
the statistic is linearised: each source video is left out once, what that changes is its influence, and
influences are resampled. With few clips and many dimensions this errs on the wide side.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from videotcav.explain.cavs.gram import Floats, Rows
from videotcav.explain.design.draws import GramRows

_Score = Callable[[Rows], Floats]
"""Statistics (statistic, set, class) of kernel rows (set, n), averaged over the random sets."""

_ScoreRuns = Callable[[Rows, int], Floats]
"""Statistics (statistic, run, class) of training rows (run, k) and how many of them are positives."""


@dataclass(frozen=True)
class Influences:
    """How far each source video moves each statistic, be they the classic ones or that of a group: `concept` and
    `random` (statistic, source, class), mean 0; `clips` (statistic, m) is what each class clip itself contributes.

    The difference of two sets' influences is the influence on the difference of their statistics.
    """

    concept: Floats
    random: Floats
    clips: Floats

    def __sub__(self, other: Influences) -> Influences:
        return Influences(self.concept - other.concept, self.random - other.random, self.clips - other.clips)

    def among(self, concept: Rows, concept_of: int, random: Rows, random_of: int) -> Influences:
        """The same where the sources stand at the places `concept` of `concept_of` sources and `random` of
        `random_of`, so that another set's influences can be taken from them; those of the other sources are 0.
        """
        return Influences(_among(self.concept, concept, concept_of), _among(self.random, random, random_of), self.clips)

    def resampled_deviations(
        self, class_shares: Floats, resampled_shares: Floats, *, rng: np.random.Generator
    ) -> Floats:
        """Deviations from the estimate (statistic, resample, class) as all source videos are drawn again.

        `class_shares` (m, class) and `resampled_shares` (resample, m, class) are the class clips' shares in
        their class's mean before and after its source videos are drawn again.
        """
        resamples = len(resampled_shares)
        per_class = np.einsum("s m, r m c -> s r c", self.clips, resampled_shares - class_shares)
        deviations: Floats = per_class + _resampled_mean(self.concept, resamples, rng)
        return deviations + _resampled_mean(self.random, resamples, rng)


def concept_influence(concept: GramRows, *, score: _Score) -> Floats:
    """The influence (statistic, source, class) of each source video of a concept, by leaving it out."""
    source_index = concept.source_index
    sources = int(source_index.max()) + 1
    without: dict[int, list[int]] = {}
    for source in range(sources):
        without.setdefault(int((source_index != source).sum()), []).append(source)
    parts: dict[int, Floats] = {}
    for group in without.values():
        rows = np.stack([concept.rows[source_index != source] for source in group])
        parts.update(zip(group, np.moveaxis(score(rows), 1, 0), strict=True))
    return _jackknifed(np.stack([parts[source] for source in range(sources)], axis=1))


def random_influence(
    positives: Rows, pool: GramRows, negatives: Rows, eligible: Rows, per_draw: Floats, *, score_runs: _ScoreRuns
) -> Floats:
    """The influence (statistic, source, class) of each source video of the pool on a mean over random sets.

    `negatives` (draw, q) are positions in the pool, `eligible` the sources that they were drawn from,
    `per_draw` (statistic, draw, class) the statistics with each. Leaving a video out changes the draws that hold it.
    """
    source_index = pool.source_index
    draws = len(negatives)
    without: dict[int, list[tuple[int, int, Rows]]] = {}
    for draw, chosen in enumerate(negatives):
        for source in np.unique(source_index[chosen]):
            kept = chosen[source_index[chosen] != source]
            if len(kept):
                rows = np.concatenate([positives, pool.rows[kept]])
                without.setdefault(len(kept), []).append((draw, int(source), rows))
    left_out = np.zeros((len(per_draw), int(source_index.max()) + 1, per_draw.shape[-1]))
    for group in without.values():
        scores = score_runs(np.stack([rows for _, _, rows in group]), len(positives))
        for index, (draw, source, _) in enumerate(group):
            left_out[:, source] += (scores[:, index] - per_draw[:, draw]) / draws
    return _jackknifed(left_out[:, eligible])


def joint_influence(positives: GramRows, negatives: GramRows, *, score_runs: _ScoreRuns) -> Floats:
    """The influence (statistic, source, class) of each source video of two sets, which may share videos, on the CAV
    between them: a video is left out of both at once.
    """
    first, second = np.array(positives.sources), np.array(negatives.sources)
    without: dict[tuple[int, int], list[tuple[int, Rows]]] = {}
    sources = list(dict.fromkeys((*positives.sources, *negatives.sources)))
    for index, source in enumerate(sources):
        kept, held = positives.rows[first != source], negatives.rows[second != source]
        without.setdefault((len(kept), len(held)), []).append((index, np.concatenate([kept, held])))
    parts: dict[int, Floats] = {}
    for (count, _), group in without.items():
        scores = score_runs(np.stack([rows for _, rows in group]), count)
        parts.update(zip((index for index, _ in group), np.moveaxis(scores, 1, 0), strict=True))
    return _jackknifed(np.stack([parts[index] for index in range(len(sources))], axis=1))


def wilson(share: float, *, sources: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share among independent videos: never empty, also where all of them agree."""
    z = 1.959964
    centre = (share + z**2 / (2 * sources)) / (1 + z**2 / sources)
    half = z / (1 + z**2 / sources) * math.sqrt(share * (1 - share) / sources + z**2 / (4 * sources**2))
    return max(0.0, min(centre - half, share)), min(1.0, max(centre + half, share))


def _jackknifed(left_out: Floats) -> Floats:
    """Influences from statistics without each of k sources (statistic, k, class): means of k of them drawn with
    replacement have the jackknife's variance.
    """
    k = left_out.shape[1]
    influences: Floats = (left_out.mean(axis=1, keepdims=True) - left_out) * (k - 1) * np.sqrt(k / (k - 1))
    return influences


def _among(influences: Floats, places: Rows, of: int) -> Floats:
    """Influences (statistic, source, class) at some places among `of`: a resampled mean varies as before."""
    among = np.zeros((len(influences), of, influences.shape[-1]))
    among[:, places] = influences * (of / len(places))
    return among


def _resampled_mean(influences: Floats, resamples: int, rng: np.random.Generator) -> Floats:
    """Means (statistic, resample, class) of influences (statistic, k, class), k sources drawn with replacement."""
    k = influences.shape[1]
    shares = rng.multinomial(k, np.full(k, 1 / k), size=resamples) / k
    means: Floats = np.einsum("s k c, r k -> s r c", influences, shares)
    return means
