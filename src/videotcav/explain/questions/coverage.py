"""How much of one displacement the displacements of known sets explain, and what they leave (method.md 8.15).

d is the mean of some videos' rows less that of others'; P projects on the span of the sets' displacements, each the
mean of its videos less the pool's. Explained is |Pd|² / |d|². Both lengths are U-statistics, as in presence.py: the
noise of means of few videos does not count. That of the sets' own displacements does, so that a set of few videos
explains less than it might.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from videotcav.explain.cavs.gram import Floats
from videotcav.explain.questions.presence import FEWEST, Displacement, JackknifeEstimate, jackknifed

_ALPHA, DRAWS = 0.05, 99


class ExplainedShare(NamedTuple):
    """The share, and what 19 of 20 draws of as many sets of as many videos from the pool stay below; NaN where the pool
    is too small to draw from.
    """

    share: JackknifeEstimate
    by_chance: float


def explained_share(
    first: Floats, second: Floats, sets: Sequence[Floats], pool: Floats, *, rng: np.random.Generator
) -> ExplainedShare | None:
    """How much of `first` less `second` the `sets` less the `pool` explain, all rows being `video channel`.

    The interval leaves out one video of any of them after the other. None where there are fewer than three videos of
    one, or where the first lie no farther from the second than by chance (the two-sample test of presence.py).
    """
    if min(map(len, (first, second, pool, *sets))) < FEWEST:
        return None
    rows = np.concatenate([first, second])
    whole = _displacement(rows, len(first))
    if whole.p_apart(rng) > _ALPHA or not whole.length > 0:
        return None

    def along(basis: Floats) -> Displacement:
        return _displacement(rows @ basis, len(first))

    def share(some: Sequence[Floats], of_pool: Floats) -> float:
        return along(_basis(some, of_pool)).length / whole.length

    part = along(_basis(sets, pool))
    pairs = zip(part.lengths_without_one, whole.lengths_without_one, strict=True)
    without = [a / b for a, b in pairs]
    for at, each in enumerate(sets):
        others = [[*sets[:at], np.delete(each, one, axis=0), *sets[at + 1 :]] for one in range(len(each))]
        without.append(np.array([share(some, pool) for some in others]))
    without.append(np.array([share(sets, np.delete(pool, one, axis=0)) for one in range(len(pool))]))
    told = jackknifed(part.length / whole.length, *without)
    found = [share(drawn, rest) for drawn, rest in _drawn(pool, [len(each) for each in sets], rng)]
    chance = float(np.quantile(found, 1 - _ALPHA)) if found else float("nan")
    ends = (min(max(end, 0.0), 1.0) for end in (told.value, told.low, told.high))
    return ExplainedShare(JackknifeEstimate(*ends), min(max(chance, 0.0), 1.0) if found else chance)


def _displacement(rows: Floats, n: int) -> Displacement:
    return Displacement((rows @ rows.T)[None], n)


def _basis(sets: Sequence[Floats], pool: Floats) -> Floats:
    """An orthonormal basis of the span of displacements, `channel direction`."""
    moved = np.stack([each.mean(axis=0) for each in sets], axis=1) - pool.mean(axis=0)[:, None]
    left, lengths, _ = np.linalg.svd(moved, full_matrices=False)
    basis: Floats = left[:, lengths > 1e-9 * max(float(lengths.max()), 1e-300)]
    return basis


def _drawn(pool: Floats, sizes: Sequence[int], rng: np.random.Generator) -> Iterator[tuple[list[Floats], Floats]]:
    """Sets of these sizes drawn from the pool, and what no set took; sets may share videos where it is small."""
    if len(pool) < max(sizes) + FEWEST:
        return
    for _ in range(DRAWS):
        if len(pool) >= sum(sizes) + FEWEST:
            *drawn, rest = np.split(rng.permutation(pool), np.cumsum(sizes))
        else:
            drawn = [rng.permutation(pool)[:size] for size in sizes]
            rest = pool
        yield drawn, rest
