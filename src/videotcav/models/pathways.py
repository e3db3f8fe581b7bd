"""Networks that see a clip more than once: which frames each pathway is given."""

from __future__ import annotations

from typing import Literal

import torch

from videotcav.errors import ModelError

Spacing = Literal["every", "even"]


def slow_fast(frames: int, *, alpha: int, spacing: Spacing) -> tuple[tuple[int, ...], ...]:
    """The frames of the slow pathway, which has every `alpha`-th, and of the fast one, which has all.

    Implementations differ in which frames the slow one gets, so it is never guessed: `every` takes frames 0, α, 2α …
    (mmaction2); `even` spreads as many from the first frame to the last (PySlowFast and pytorchvideo).

    Raises:
        ModelError: the clip cannot be thinned out that much.
    """
    if alpha < 1 or frames % alpha:
        raise ModelError(f"{frames} frames cannot be thinned out to every {alpha}th: take a multiple of {alpha} frames")
    whole = tuple(range(frames))
    spread = torch.linspace(0, frames - 1, frames // alpha, dtype=torch.float32, device="cpu")
    even = spread.long().tolist()  # as both round it: down
    return (tuple(even) if spacing == "even" else whole[::alpha]), whole
