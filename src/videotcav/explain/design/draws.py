"""Which clips go into which set: every random choice of a study, as arrays of rows.

Draws are made once and used for all layers, classes and statistics, so that a null is a joint one.
The unit is the source video: clips of one video are never treated as independent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from videotcav.explain.cavs.gram import Floats, Rows

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class GramRows:
    """Some clips: the `rows` of a Gram block they stand in, and the source video of each."""

    rows: Rows
    sources: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.rows) != len(self.sources):
            raise ValueError(f"{len(self.rows)} rows but {len(self.sources)} sources")

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def source_index(self) -> Rows:
        """The number of each clip's source, counted from 0 in the order of first appearance."""
        order = {source: index for index, source in enumerate(dict.fromkeys(self.sources))}
        return np.array([order[source] for source in self.sources], dtype=np.intp)

    @property
    def counts(self) -> tuple[int, ...]:
        """Clips of each source, the largest first: the shape that a pseudo-concept copies."""
        return tuple(sorted(np.bincount(self.source_index).tolist(), reverse=True)) if len(self) else ()


def generator(seed: int, *names: str) -> np.random.Generator:
    """A generator that depends on the seed and the names alone, so that the order of concepts changes nothing."""
    digest = hashlib.sha256("\0".join(names).encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:16], "big")])


def draw_sets(pool: GramRows, counts: Sequence[int], *, sets: int, rng: np.random.Generator) -> Rows:
    """Sets of clips with `counts` clips of one source each, as positions in `pool`, (sets, Σ counts).

    Sources are drawn first, the larger counts (which come first) going to the larger of them, then clips within
    each. A source with fewer clips than its count gives them again: then clips within a set are more alike than
    in the set it copies, which widens a null.
    """
    source_index = pool.source_index
    sizes = np.bincount(source_index)
    widest = int(sizes.max())
    members = np.zeros((len(sizes), widest), dtype=np.intp)
    members[source_index, _rank_within(source_index)] = np.arange(len(pool))
    drawn = rng.random((sets, len(sizes))).argsort(axis=1)[:, : len(counts)]
    by_size = np.argsort(-sizes[drawn], axis=1, kind="stable")
    drawn = np.take_along_axis(drawn, by_size, axis=1)
    parts = []
    for slot, count in enumerate(counts):
        source = drawn[:, slot]
        keys = np.where(np.arange(widest) < sizes[source][:, None], rng.random((sets, widest)), np.inf)
        order = keys.argsort(axis=1)
        chosen = np.take_along_axis(order, np.arange(count) % sizes[source][:, None], axis=1)
        parts.append(members[source[:, None], chosen])
    return np.concatenate(parts, axis=1)


def draw_negatives(excluded: Flags, *, size: int, draws: int, rng: np.random.Generator) -> Rows:
    """Random sets of `size` positions that are not `excluded` (sets, n), as (sets, draws, size)."""
    sets, n = excluded.shape
    result = np.empty((sets, draws, size), dtype=np.intp)
    for index in range(sets):
        keys = rng.random((draws, n))
        keys[:, excluded[index]] = np.inf
        result[index] = keys.argpartition(size - 1, axis=1)[:, :size]
    return result


def draw_flips(units: int, *, draws: int, rng: np.random.Generator) -> tuple[Flags, bool]:
    """Which units swap their labels, (flips, units), and whether these are all there are.

    A flip and its opposite give statistics of equal size and opposite sign, so only one of them is listed.
    All 2^(units − 1) are listed, the unflipped first, when they are no more than `draws`; otherwise `draws`
    random ones.
    """
    if units - 1 < draws.bit_length() and 2 ** (units - 1) <= draws:
        return np.array([(False, *rest) for rest in product((False, True), repeat=units - 1)]), True
    return rng.random((draws, units)) < 0.5, False  # noqa: PLR2004 - a fair coin


def source_shares(clips: GramRows, columns: int, *, resamples: int, rng: np.random.Generator) -> Floats:
    """Shares (resamples, columns) of class clips after their sources are drawn again; each row sums to 1."""
    source_index = clips.source_index
    sources = int(source_index.max()) + 1
    times = rng.multinomial(sources, np.full(sources, 1 / sources), size=resamples)[:, source_index]
    shares = np.zeros((resamples, columns))
    shares[:, clips.rows] = times / times.sum(axis=1, keepdims=True)
    return shares


def _rank_within(groups: Rows) -> Rows:
    """The position of each item among those of its own group."""
    order = np.argsort(groups, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(groups))[:-1]])
    rank = np.empty(len(groups), dtype=np.intp)
    rank[order] = np.arange(len(groups)) - starts[groups[order]]
    return rank
