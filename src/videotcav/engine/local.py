"""Passes on this machine: clips are decoded by threads while the caller computes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Loaded = TypeVar("Loaded")
Done = TypeVar("Done")

LOADERS = 2
"""Threads that load what the model will pass next."""


class Engine(Protocol):
    """Where work is done. It knows nothing of what the work is."""

    def __call__(self, worker: Callable[[Iterable[Item]], Iterator[Done]], items: Sequence[Item]) -> Iterator[Done]:
        """What the worker makes of the items, which may come in any order.

        A worker is a picklable callable that needs nothing but itself: copies of it may do parts of the items in
        other processes, and a part may be done again when a copy is lost. What it raises is raised here.
        """
        ...


def here(worker: Callable[[Iterable[Item]], Iterator[Done]], items: Sequence[Item]) -> Iterator[Done]:
    """The engine that does all work in this process."""
    return worker(items)


def load_ahead(
    items: Iterable[Item], load: Callable[[Item], Loaded], *, threads: int = LOADERS, ahead: int = 8
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
