"""How few source videos a verdict hangs on: the smallest number whose removal overturns it, found greedily.

An effect is overturned when it is one no longer, *undecided* when it becomes one. Removed is always the video whose
absence brings that nearest, and p is computed anew, so a number is an upper bound: fewer, chosen together, might do.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from videotcav.explain.cavs.gram import Floats, Rows
from videotcav.explain.design.draws import Flags

LEAST_KEPT = 3
"""Of fewer videos no spread can be told."""

Finds = Callable[[Rows, Rows], Flags]
"""Whether a test finds an effect, (k,): of k columns, by their numbers, and the places of the kept videos (kept, k)."""


def fewest_removed(
    values: Floats, other: Floats | None, *, nothing: Floats, is_effect: Flags, by_t: Finds, finds: Finds
) -> list[int | None]:
    """How few of some videos overturn each verdict; None where even all but a few do not.

    Args:
        values: scores of the videos that are removed, (n, column); differences within pairs where there is no `other`.
        other: scores of the videos on the other side, (N, column).
        nothing: the size of a negligible difference, in the scores' own unit, (column,).
        is_effect: whether the verdict is an effect, or undecided, (column,).
        by_t: whether t alone finds an effect: necessary for one, and cheap.
        finds: whether the whole test does, computed anew.
    """
    if len(values) <= LEAST_KEPT:
        return [None] * len(is_effect)
    order = removal_order(values, other, nothing=nothing, is_effect=is_effect)

    def overturns(test: Finds, at: Rows, removed: int) -> Flags:
        kept = np.ones((len(values), len(at)), dtype=np.bool_)
        np.put_along_axis(kept, order[:removed, at], values=False, axis=0)
        places: Rows = np.nonzero(kept.T)[1].reshape(len(at), -1).T
        found: Flags = test(at, places) != is_effect[at]
        return found

    every, end = np.arange(len(is_effect)), len(order) + 1
    # Where t finds none there is none, perhaps sooner; an effect comes up only where t finds it.
    numbers = np.arange(1, end)[:, None]
    possible = np.where(np.stack([overturns(by_t, every, removed) for removed in range(1, end)]), numbers, end)
    soonest = possible.min(axis=0)
    low, high = np.where(is_effect, 1, soonest), np.where(is_effect, soonest, end)
    probe = np.where(is_effect, np.maximum(soonest - 1, 1), soonest)
    while (active := np.flatnonzero(low < high)).size:
        for removed in np.unique(probe[active]).tolist():
            at = active[probe[active] == removed]
            overturned = overturns(finds, at, removed)
            high[at[overturned]], low[at[~overturned]] = removed, removed + 1
        # The more are gone the nearer is the end of an effect, so a search by halves finds it.
        possible[possible < low] = end
        low = np.where(is_effect, low, np.minimum(possible.min(axis=0), high))
        probe = np.where(is_effect, (low + high) // 2, low)
    return [int(removed) if removed < end else None for removed in low]


def removal_order(values: Floats, other: Floats | None, *, nothing: Floats, is_effect: Flags) -> Rows:
    """The places of the videos in the order of their removal, until `LEAST_KEPT` are left, (removed, column)."""
    columns = np.arange(values.shape[1])
    kept: Rows = np.repeat(np.arange(len(values))[:, None], len(columns), axis=1)
    order = []
    while len(kept) > LEAST_KEPT:
        without = np.abs(_distances(np.take_along_axis(values, kept, axis=0), other, nothing))
        goes = np.where(is_effect, without.argmin(axis=0), without.argmax(axis=0))
        order.append(kept[goes, columns])
        stays = np.arange(len(kept))[:, None] != goes
        kept = kept.T[stays.T].reshape(len(columns), -1).T
    return np.array(order, dtype=np.intp)


def _distances(values: Floats, other: Floats | None, nothing: Floats) -> Floats:
    """Welch's t beyond a negligible difference, after each of `values` is left out, with the sign of the difference."""
    n = len(values) - 1
    centred = values - values.mean(axis=0)
    deviations = -centred / n  # of the mean, without each
    variances = np.maximum((centred**2).sum(axis=0) - centred**2 - n * deviations**2, 0.0) / (n - 1) / n
    means = values.mean(axis=0) + deviations
    if other is not None:
        means = means - other.mean(axis=0)
        variances = variances + other.var(axis=0, ddof=1) / len(other)
    beyond = np.sign(means) * np.maximum(np.abs(means) - nothing, 0.0)
    found: Floats = beyond / np.sqrt(np.maximum(variances, np.finfo(np.float64).tiny))
    return found
