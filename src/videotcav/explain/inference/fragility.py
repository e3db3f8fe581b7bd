"""How few source videos a verdict hangs on: the smallest number whose removal overturns it, found greedily.

An effect is overturned when it is one no longer, *undecided* when it becomes one. Removed is always the video whose
absence brings that nearest, and p is computed anew, so a number is an upper bound: fewer, chosen together, might do.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable

import numpy as np

from videotcav.explain.cavs.gram import Floats, Rows

LEAST_KEPT = 3
"""Of fewer videos no spread can be told."""


def fewest_removed(
    values: Floats,
    other: Floats | None,
    *,
    nothing: float,
    is_effect: bool,
    still_effect: Callable[[Rows], bool],
) -> int | None:
    """How few of some videos overturn one verdict; None where even all but a few do not.

    Args:
        values: scores of the videos that are removed, (n,); differences within pairs where there is no `other`.
        other: scores of the videos on the other side, (N,).
        nothing: the size of a negligible difference, in the scores' own unit.
        is_effect: whether the verdict is an effect, or undecided.
        still_effect: whether the test, computed anew, finds an effect for the videos at the kept places.
    """
    order = removal_order(values, other, nothing=nothing, is_effect=is_effect)

    def is_overturned(removed: int) -> bool:
        kept = np.ones(len(values), dtype=np.bool_)
        kept[order[:removed]] = False
        return still_effect(np.flatnonzero(kept)) != is_effect

    # The more are gone the nearer it is, so a search by halves finds the first; where that fails it is a later one.
    removed = bisect_left(range(1, len(order) + 1), x=True, key=is_overturned) + 1
    return removed if removed <= len(order) else None


def removal_order(values: Floats, other: Floats | None, *, nothing: float, is_effect: bool) -> list[int]:
    """The places of the videos in the order of their removal, until `LEAST_KEPT` are left."""
    kept = list(range(len(values)))
    order = []
    while len(kept) > LEAST_KEPT:
        without = np.abs(_distances(values[kept], other, nothing))
        order.append(kept.pop(int(without.argmin() if is_effect else without.argmax())))
    return order


def _distances(values: Floats, other: Floats | None, nothing: float) -> Floats:
    """Welch's t beyond a negligible difference, after each of `values` is left out, with the sign of the difference."""
    n = len(values) - 1
    centred = values - values.mean()
    deviations = -centred / n  # of the mean, without each
    variances = np.maximum((centred**2).sum() - centred**2 - n * deviations**2, 0.0) / (n - 1) / n
    means = values.mean() + deviations
    if other is not None:
        means = means - other.mean()
        variances = variances + other.var(ddof=1) / len(other)
    beyond = np.sign(means) * np.maximum(np.abs(means) - nothing, 0.0)
    found: Floats = beyond / np.sqrt(np.maximum(variances, np.finfo(np.float64).tiny))
    return found
