"""Work done ahead on one other thread, so that decoding overlaps with detection."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_END = object()


def ahead(items: Iterable[T], *, depth: int) -> Iterator[T]:
    """The items in order, each computed on another thread while up to `depth` later ones wait. Errors come through."""
    source = iter(items)
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as pool:
        waiting: deque[Future[T | object]] = deque(pool.submit(next, source, _END) for _ in range(depth))
        try:
            while (item := waiting.popleft().result()) is not _END:
                waiting.append(pool.submit(next, source, _END))
                yield item  # type: ignore[misc] # it is not _END
        finally:
            for future in waiting:
                future.cancel()
