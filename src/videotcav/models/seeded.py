"""Random weights that are the same at each call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded() -> Iterator[None]:
    """Torch's generator seeded inside, and the caller's as it was afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
