"""Integrated gradients on video: what every voxel adds on the way from a clip that shows less to the clip itself."""

from __future__ import annotations

from collections.abc import Callable

import torch
from einops import rearrange
from torch import Tensor

Slopes = Callable[[Tensor], Tensor]
"""Gradients `class clip channel time height width` of class scores, for pixels `clip channel time height width`."""


def integrated_gradients(
    slopes: Slopes, pixels: Tensor, baseline: Tensor, *, steps: int = 16, batch_size: int = 4
) -> Tensor:
    """What each voxel adds to each class's score, `class time height width`, of either sign.

    Sundararajan, Taly and Yan 2017, equation 1, by the midpoint rule: (x - x′) ∫ ∂f/∂x (x′ + α (x - x′)) dα over α in
    0…1, summed over channels. The sum over all voxels is f(x) - f(x′), but for the rule's own error: nothing is left
    out and nothing is counted twice. A gradient at x alone says nothing where the score has levelled off.

    Args:
        slopes: of class scores; called `steps` / `batch_size` times.
        pixels: x, of one clip, channel time height width.
        baseline: x′, what the score is held against, of the same shape: the clip behind a blur, or frozen.
        steps: points on the way.
        batch_size: points held at a time.
    """
    shares = (torch.arange(steps, dtype=pixels.dtype, device=pixels.device) + 0.5) / steps
    way = pixels - baseline
    points = (baseline + rearrange(part, "n -> n 1 1 1 1") * way for part in torch.split(shares, batch_size))
    mean = sum((slopes(batch).sum(dim=1) for batch in points), start=torch.zeros((), device="cpu")) / steps
    return torch.einsum("cthw,kcthw->kthw", way, mean.to(way.device))
