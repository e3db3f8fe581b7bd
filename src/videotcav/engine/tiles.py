"""Inner products of stored rows, tile by tile: however many clips and however wide the rows, the memory is bounded.

Rows are cut into blocks of at most 256, and columns into slices of 2048. A tile of products is a sum over slices of
float64 products of two blocks, always in the same order. So a product has the same bits whatever memory there was,
whoever computed it, and from whichever shards of the store its rows came.

Grains form panels, as large as the memory allows; the products of two panels are one piece of work, which reads every
row of both once and needs nothing but the store. A pair of panels and its mirror image are computed once.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, combinations_with_replacement
from math import isqrt
from mmap import MADV_DONTNEED, mmap
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from videotcav.engine.store import BLOCK_COLUMNS, CacheKey, Float32Array, Floats, Shelf, Store, StoredRows

BLOCK_ROWS = 256
SLICE_COLUMNS = 2048


@dataclass(frozen=True)
class RowBlock:
    """At most 256 rows of one cache key. Products with rows of no group are wanted, and `within` their own group."""

    cache_key: CacheKey
    clips: tuple[str, ...]
    group: str | None = None
    within: bool = True

    def wants(self, other: RowBlock) -> bool:
        """Whether the products of two blocks are ever asked for."""
        return self.within if self.group == other.group else self.group is None or other.group is None


@dataclass(frozen=True)
class PanelPair:
    """Two panels whose products are one piece of work; the same one twice on the diagonal. Starts are rows.

    `of` says whose products they are, where several matrices are computed at once.
    """

    first: tuple[RowBlock, ...]
    second: tuple[RowBlock, ...]
    first_start: int
    second_start: int
    of: str = ""

    @property
    def on_diagonal(self) -> bool:
        """Whether it is a panel with itself."""
        return self.first_start == self.second_start


def row_blocks(
    cache_key: CacheKey, clips: Sequence[str], group: str | None = None, *, within: bool = True
) -> list[RowBlock]:
    """The rows of these clips, in their order."""
    starts = range(0, len(clips), BLOCK_ROWS)
    return [RowBlock(cache_key, tuple(clips[start : start + BLOCK_ROWS]), group, within) for start in starts]


def pairs_of_panels(rows: Sequence[RowBlock], *, memory_bytes: int, of: str = "") -> list[PanelPair]:
    """All pairs of panels that hold wanted products, each pair once; `memory_bytes` is what one of them may take."""
    size = blocks_a_panel(memory_bytes)
    panels = [tuple(rows[first : first + size]) for first in range(0, len(rows), size)]
    starts = [0, *accumulate(sum(len(block.clips) for block in panel) for panel in panels)]
    return [
        PanelPair(panels[i], panels[j], starts[i], starts[j], of)
        for i, j in combinations_with_replacement(range(len(panels)), 2)
        if any(one.wants(other) for one in panels[i] for other in panels[j])
    ]


def blocks_a_panel(memory_bytes: int) -> int:
    """The most row blocks a panel may have: two panels' columns, a slice of both in float64, p × p products."""
    column_bytes = 2 * (4 * BLOCK_COLUMNS + 8 * SLICE_COLUMNS)
    rows = (isqrt(column_bytes**2 + 32 * memory_bytes) - column_bytes) // 16  # of 8 p² + column_bytes · p = memory
    return max(1, rows // BLOCK_ROWS)


@dataclass
class Multiplier:
    """A worker that computes the products of pairs of panels, all tiles of them that are wanted."""

    store: Store

    def __call__(self, pairs: Iterable[PanelPair]) -> Iterator[tuple[PanelPair, Floats]]:
        """Each pair with its products, `row of the first × row of the second`; 0 where they are not wanted.

        Raises RowsLost where a row is not in the store.
        """
        shelves: dict[str, Shelf] = {}

        def stored(block: RowBlock) -> StoredRows:
            name = json.dumps(block.cache_key, sort_keys=True)
            if name not in shelves:
                shelves[name] = self.store.shelf(block.cache_key)
            return shelves[name].rows(block.clips)

        # One BLAS thread a tile, and tiles side by side: the same bits however many threads there are.
        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(torch.get_num_threads()) as threads:
            for pair in pairs:
                first = [stored(block) for block in pair.first]
                second = first if pair.on_diagonal else [stored(block) for block in pair.second]
                yield pair, _products(pair, first, second, threads)


def _products(
    pair: PanelPair, first: Sequence[StoredRows], second: Sequence[StoredRows], threads: ThreadPoolExecutor
) -> Floats:
    tops, lefts = _edges(pair.first), _edges(pair.second)
    found = np.zeros((tops[-1], lefts[-1]))
    tiles = [
        (i, j)
        for i, one in enumerate(pair.first)
        for j, other in enumerate(pair.second)
        if one.wants(other) and (i <= j or not pair.on_diagonal)
    ]

    def add(left: Sequence[Floats], right: Sequence[Floats], tile: tuple[int, int]) -> None:
        i, j = tile
        found[tops[i] : tops[i + 1], lefts[j] : lefts[j + 1]] += left[i] @ right[j].T

    of_first, of_second = ([rows.column_blocks() for rows in panel] for panel in (first, second))
    (columns,) = {rows.columns for rows in (*first, *second)}
    for block in range(0, columns, BLOCK_COLUMNS):
        left = [next(blocks) for blocks in of_first]
        right = left if pair.on_diagonal else [next(blocks) for blocks in of_second]
        for start in range(0, min(BLOCK_COLUMNS, columns - block), SLICE_COLUMNS):
            one = _in_float64(left, start)
            other = one if pair.on_diagonal else _in_float64(right, start)
            list(threads.map(partial(add, one, other), tiles))
            del one, other  # or they would wait until the next ones are made
        del left, right
    if pair.on_diagonal:  # the other half, of which nothing is computed
        below = np.tril_indices_from(found, -1)
        found[below] = found.T[below]
    return found


def _in_float64(blocks: Sequence[Float32Array], start: int) -> list[Floats]:
    """A slice of the columns of each block; all of them at once would be twice what was read."""
    return [block[:, start : start + SLICE_COLUMNS].astype(np.float64) for block in blocks]


def _edges(panel: Sequence[RowBlock]) -> list[int]:
    """Where each block's rows begin, and the end of the last."""
    return [0, *accumulate(len(block.clips) for block in panel)]


class ProductMatrix:
    """`rows × columns` float64, at first 0, that is filled block by block.

    In memory, or in a file without a name in the folder `scratch`, which is gone with the array.
    """

    def __init__(self, rows: int, columns: int, *, scratch: Path | None = None) -> None:
        self._map: mmap | None = None
        if scratch is None:
            self.array: Floats = np.zeros((rows, columns))
            return
        size = 8 * rows * columns
        with tempfile.TemporaryFile(dir=scratch) as file:  # the map keeps it
            file.truncate(size)
            self._map = mmap(file.fileno(), size)
        self.array = np.frombuffer(self._map, np.float64).reshape(rows, columns)

    def put(self, top: int, left: int, block: Floats) -> None:
        """Fills a block."""
        self.array[top : top + len(block), left : left + block.shape[1]] = block
        if self._map is not None and hasattr(self._map, "madvise"):
            self._map.madvise(MADV_DONTNEED)  # what was written need not stay in memory
