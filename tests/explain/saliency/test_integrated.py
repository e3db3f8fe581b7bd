"""Integrated gradients where the integral is known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from videotcav.explain.saliency.integrated import integrated_gradients


def test_a_linear_score_is_shared_out_exactly() -> None:
    """f = Σ w x: each voxel adds Σ_c w (x - x′), whatever the number of steps and of batches."""
    weights, pixels, baseline = torch.randn(3, 2, 4, 3, 5, generator=torch.Generator().manual_seed(0)).unbind()

    def slopes(points: Tensor) -> Tensor:
        both = torch.stack([weights, -2 * weights])
        return both[:, None].expand(2, len(points), *weights.shape)

    once = (weights * (pixels - baseline)).sum(dim=0)
    for steps, batch_size in ((1, 4), (7, 3)):
        found = integrated_gradients(slopes, pixels, baseline, steps=steps, batch_size=batch_size)
        torch.testing.assert_close(found, torch.stack([once, -2 * once]))


def test_nothing_is_lost_where_the_score_has_levelled_off() -> None:
    """f = min(Σ x, 1) at Σ x = 4 has no slope, yet its parts add up to f(x) - f(0) = 1, each by its share."""
    pixels = torch.tensor([1.0, 3.0]).view(1, 1, 1, 2)

    def slopes(points: Tensor) -> Tensor:
        below = points.sum(dim=(1, 2, 3, 4), keepdim=True) < 1
        return below.float().expand_as(points)[None]

    assert not slopes(pixels[None]).any()
    found = integrated_gradients(slopes, pixels, torch.zeros_like(pixels), steps=16)
    assert found.flatten().tolist() == pytest.approx([0.25, 0.75])
