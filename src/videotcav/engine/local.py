"""Passes on this machine: clips are decoded by threads while the caller computes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Loaded = TypeVar("Loaded")


def load_ahead(
    items: Sequence[Item], load: Callable[[Item], Loaded], *, threads: int = 2, ahead: int = 8
) -> Iterator[tuple[Item, Loaded]]:
    """Each item with what `load` made of it, in order; at most `ahead` loaded items wait in memory.

    What `load` raises is raised here, at the item's turn.
    """
    pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="load")
    waiting: deque[tuple[Item, Future[Loaded]]] = deque()
    remaining = iter(items)
    try:
        waiting.extend((item, pool.submit(load, item)) for item in islice(remaining, ahead))
        while waiting:
            item, loaded = waiting.popleft()
            yield item, loaded.result()
            waiting.extend((later, pool.submit(load, later)) for later in islice(remaining, 1))
    finally:
        pool.shutdown(cancel_futures=True)


def batched(items: Iterator[Item], size: int) -> Iterator[list[Item]]:
    """Lists of `size` items in order, the last one shorter."""
    while batch := list(islice(items, size)):
        yield batch
