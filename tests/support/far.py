"""An engine that behaves as a cluster does, in this process."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Far:
    """Each item is done by a copy of the worker that a pickle carries, from the last item to the first.

    `workers` are the types of the workers that came.
    """

    workers: list[str] = field(default_factory=list)

    def __call__(self, worker: Callable[[Iterable[Any]], Iterator[Any]], items: Sequence[Any]) -> Iterator[Any]:
        self.workers.append(type(worker).__name__)
        for item in reversed(items):
            copy, carried = pickle.loads(pickle.dumps((worker, item)))  # noqa: S301 - made here
            yield from pickle.loads(pickle.dumps([*copy([carried])]))  # noqa: S301 - as above
