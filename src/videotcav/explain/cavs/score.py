"""Scores of CAVs: how a class responds to a step along a concept. Each has its own name.

With v of unit length, S(x) = g(x)·v = (C α)(x) / √(αᵀKα).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from einops import reduce

from videotcav.explain.cavs.cav import Classifier, residual, ridge, ridge_for_one_concept
from videotcav.explain.cavs.gram import Floats, Gram, Rows
from videotcav.records import STATISTICS, Statistic

_RUNS_AT_ONCE = 256  # bounds memory, and keeps the gathered kernels in cache


@dataclass(frozen=True)
class PerStatistic:
    """Numbers of the classic statistics, by name: `values` is `statistic …`, in the order of `records.STATISTICS`."""

    values: Floats

    def __getitem__(self, statistic: Statistic) -> Floats:
        numbers: Floats = self.values[STATISTICS.index(statistic)]
        return numbers

    def __sub__(self, other: PerStatistic) -> PerStatistic:
        return PerStatistic(self.values - other.values)

    def mean(self, axes: str) -> PerStatistic:
        """Means of every statistic over the axes that are left out, as "set draw classes -> set classes"."""
        before, after = axes.split(" -> ")
        return PerStatistic(reduce(self.values, f"statistic {before} -> statistic {after}", "mean"))


def sensitivities(gram: Gram, rows: Rows, alpha: Floats) -> Floats:
    """S of every run at every class clip, (run, m), for `alpha` (run, k) on the kernel's `rows` (run, k).

    A row may occur several times in a run. A CAV of length 0 (all of its clips alike) has S = 0.
    """
    runs, n = len(rows), len(gram.kernel)
    flat = (np.arange(runs)[:, None] * n + rows).ravel()
    spread_out = np.bincount(flat, weights=alpha.ravel(), minlength=runs * n).reshape(runs, n)
    lengths = np.sqrt(np.clip(((spread_out @ gram.kernel) * spread_out).sum(axis=-1), 0.0, None))
    return (spread_out @ gram.cross.T) / np.where(lengths > 0, lengths, np.inf)[:, None]


def statistics(sensitivity: Floats, norms: Floats, weights: Floats) -> Floats:
    """The statistics in the order of `records.STATISTICS`, (statistic, …, run, w).

    `sensitivity` (…, run, m) is S, `norms` (m,) the gradients' lengths, `weights` (m, w) the shares of the
    class clips in each of w means: one column a class, or one a clip. `sign_count` is the share of S > 0,
    `sensitivity` the mean of S, `cosine` the mean of S / ‖g‖ (0 where the gradient is 0).
    """
    lengths = np.where(norms > 0, norms, np.inf)
    return np.stack(
        [(sensitivity > 0).astype(np.float64) @ weights, sensitivity @ weights, (sensitivity / lengths) @ weights]
    )


def run_statistics(
    gram: Gram, runs: Rows, weights: Floats, *, positives: int, classifier: Classifier, penalty: float
) -> Floats:
    """The statistics of many CAVs, (statistic, set, draw, w), trained on `runs` (set, draw, k) of kernel rows.

    The first `positives` rows of a run are the concept, the same in all draws of a set, the others its random clips,
    each of them once. For ridge the concept is eliminated once a set where that is less work than to solve
    for it again in every draw.
    """
    sets, draws, k = runs.shape
    occurs = np.zeros(len(gram.kernel), dtype=np.bool_)
    occurs[runs] = True
    gram, runs = gram.of_clips(np.flatnonzero(occurs)), (np.cumsum(occurs) - 1)[runs]
    norms, n = gram.gradient_norms, len(gram.kernel)
    eliminates = classifier is ridge and positives * n * (n + positives) < draws * k**3
    labels = np.where(np.arange(k) < positives, 1.0, -1.0)
    result = np.empty((len(STATISTICS), sets, draws, weights.shape[-1]))
    for part in _parts(sets, at_once=_RUNS_AT_ONCE // draws):
        rows = runs[part].reshape(-1, k)
        if eliminates:
            concept, random = runs[part, 0, :positives], runs[part, :, positives:]
            alpha = ridge_for_one_concept(gram.kernel, concept, random, penalty=penalty).reshape(-1, k)
        else:
            kernels = gram.kernel.take(_pairs(rows, n))
            alpha = classifier(kernels, np.broadcast_to(labels, rows.shape), penalty=penalty).alpha
        sensitivity = sensitivities(gram, rows, alpha).reshape(-1, draws, len(norms))
        result[:, part] = statistics(sensitivity, norms, weights)
    return result


def statistics_with_shared_negatives(
    gram: Gram, positives: Rows, negatives: Rows, weights: Floats, *, classifier: Classifier, penalty: float
) -> Floats:
    """The statistics of every set of `positives` (set, n) against each of the same `negatives` (draw, q).

    The same numbers, (statistic, set, draw, w), as `run_statistics` gives for all pairs of the two. For ridge each
    random set is eliminated once instead of being solved for again with every set of positives.
    """
    if classifier is not ridge:
        runs = all_runs(positives, negatives)
        return run_statistics(gram, runs, weights, positives=positives.shape[1], classifier=classifier, penalty=penalty)
    candidates, place = np.unique(positives, return_inverse=True)
    place = place.reshape(positives.shape)
    diagonal = np.arange(positives.shape[1])
    norms = gram.gradient_norms
    residuals = [residual(gram, candidates, rows, penalty=penalty) for rows in negatives]
    result = np.empty((len(STATISTICS), len(positives), len(negatives), weights.shape[-1]))
    for part in _parts(len(positives), at_once=2 * _RUNS_AT_ONCE):
        chosen = place[part]
        pairs = _pairs(chosen, len(candidates))
        targets = np.full((*chosen.shape, 1), 2.0)
        for draw, (left, solved) in enumerate(residuals):
            kernels = solved.take(pairs)
            kernels[:, diagonal, diagonal] += penalty
            alpha = np.linalg.solve(kernels, targets)[..., 0].astype(np.float64, copy=False)
            sensitivity = sensitivities(left, chosen, alpha)
            result[:, part, draw] = statistics(sensitivity[:, None], norms, weights)[:, :, 0]
    return result


def all_runs(positives: Rows, negatives: Rows) -> Rows:
    """Runs (set, draw, n + q) of positives (set, n) with their negatives, (draw, q) or (set, draw, q)."""
    sets, draws = len(positives), negatives.shape[-2]
    repeated = np.broadcast_to(positives[:, None, :], (sets, draws, positives.shape[1]))
    return np.concatenate([repeated, np.broadcast_to(negatives, (sets, *negatives.shape[-2:]))], axis=2)


def _parts(count: int, *, at_once: int) -> list[slice]:
    step = max(1, at_once)
    return [slice(start, min(start + step, count)) for start in range(0, count, step)]


def _pairs(rows: Rows, n: int) -> Rows:
    """Where the inner products of all pairs of `rows` (run, k) stand in a flattened (n, n) block: one fast gather."""
    pairs: Rows = rows[:, :, None] * n + rows[:, None, :]
    return pairs
