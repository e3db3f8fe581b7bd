"""Can the CAV recognise its own concept? Held-out accuracy, split by source video."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from videotcav.explain.cavs.cav import Classifier
from videotcav.explain.cavs.gram import Floats, Rows
from videotcav.explain.design.draws import Flags, GramRows


@dataclass(frozen=True)
class Accuracy:
    """Balanced accuracy on held-out source videos (chance is 0.5) with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def learned(self) -> bool:
        """Whether the interval stays above chance."""
        return self.low > 0.5  # noqa: PLR2004 - chance


def held_out_accuracy(
    kernel: Floats,
    concept: GramRows,
    pool: GramRows,
    negatives: Rows,
    *,
    classifier: Classifier,
    penalty: float,
    folds: int,
    resamples: int,
    rng: np.random.Generator,
) -> Accuracy:
    """Mean balanced accuracy of CAVs on clips whose source videos they were not trained on.

    `negatives` (draws, q) are positions in `pool`; for each draw the sources of the concept and of the random
    clips are dealt into `folds` parts, and each part is judged by a CAV trained on the others. The interval
    comes from resampling the sources of both.
    """
    concept_fold = _deal(concept, folds, rng)
    part_of = dict(zip(concept.sources, concept_fold.tolist(), strict=True))
    dealt = _deal(pool, folds, rng).tolist()  # a video that both sides share is in one part
    pool_fold = np.array([part_of.get(source, part) for source, part in zip(pool.sources, dealt, strict=True)])
    concept_right = np.zeros(len(concept))
    pool_right, pool_seen = np.zeros(len(pool)), np.zeros(len(pool))
    for chosen in negatives:
        rows = np.concatenate([concept.rows, pool.rows[chosen]])
        fold = np.concatenate([concept_fold, pool_fold[chosen]])
        labels = np.where(np.arange(len(rows)) < len(concept), 1.0, -1.0)
        right = np.zeros(len(rows))
        for part in range(folds):
            test, train = np.flatnonzero(fold == part), np.flatnonzero(fold != part)
            if len(np.unique(labels[train])) < 2:  # noqa: PLR2004 - all random clips in one part: guessing
                right[test] = 0.5
                continue
            fit = classifier(kernel[np.ix_(rows[train], rows[train])], labels[train], penalty=penalty)
            decisions = kernel[np.ix_(rows[test], rows[train])] @ fit.alpha + fit.intercept
            right[test] = np.where(decisions == 0, 0.5, decisions * labels[test] > 0)
        concept_right += right[: len(concept)]
        pool_right[chosen] += right[len(concept) :]
        pool_seen[chosen] += 1

    def balanced(concept_times: Floats, pool_times: Floats) -> Floats:
        positive = concept_times @ concept_right / (concept_times.sum(axis=-1) * len(negatives))
        negative = pool_times @ pool_right / np.maximum(pool_times @ pool_seen, 1e-300)
        balanced_accuracy: Floats = 0.5 * (positive + negative)
        return balanced_accuracy

    value = balanced(np.ones((1, len(concept))), np.ones((1, len(pool))))[0]
    resampled = balanced(
        _resampled_times(concept, resamples, rng), _resampled_times(pool, resamples, rng, only=pool_seen > 0)
    )
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Accuracy(value=float(value), low=min(float(low), float(value)), high=max(float(high), float(value)))


def _deal(clips: GramRows, folds: int, rng: np.random.Generator) -> Rows:
    """The fold of each clip: sources, largest first and ties at random, each to the fold with fewest clips."""
    source_index = clips.source_index
    sizes = np.bincount(source_index)
    order = rng.permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    filled = np.zeros(folds)
    fold_of_source = np.empty(len(sizes), dtype=np.intp)
    for source in order:
        fold_of_source[source] = filled.argmin()
        filled[fold_of_source[source]] += sizes[source]
    return fold_of_source[source_index]


def _resampled_times(
    clips: GramRows,
    resamples: int,
    rng: np.random.Generator,
    *,
    only: Flags | None = None,
) -> Floats:
    """How often each clip occurs when its sources are drawn again with replacement, (resamples, clip)."""
    source_index = clips.source_index
    drawn_from = np.unique(source_index if only is None else source_index[only])
    times = np.zeros((resamples, int(source_index.max()) + 1))
    shares = np.full(len(drawn_from), 1 / len(drawn_from))
    times[:, drawn_from] = rng.multinomial(len(drawn_from), shares, size=resamples)
    return times[:, source_index]
