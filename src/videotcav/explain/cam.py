"""Class activation maps on video (METHOD 6): where and when a layer's evidence for a class lies."""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812 - torch's own abbreviation
from einops import rearrange, reduce
from torch import Tensor, einsum


def grad_cam(activation: Tensor, gradient: Tensor) -> Tensor:
    """The map `clip time height width`: ReLU(Σ_c w_c A_c), w the gradient's mean over time and space.

    Selvaraju et al. 2017, with the mean taken over the whole clip.

    Args:
        activation: of a layer, clip channel time height width.
        gradient: of a class score with respect to it, of the same shape.
    """
    weights = reduce(gradient, "b c t h w -> b c", "mean")
    return einsum("bc,bcthw->bthw", weights, activation).relu()


def upsample(cam: Tensor, *, frames: int, height: int, width: int) -> Tensor:
    """The map at the size of its clip, `clip time height width`, interpolated linearly in all three axes."""
    channelled = rearrange(cam, "b t h w -> b 1 t h w")
    larger = F.interpolate(channelled, size=(frames, height, width), mode="trilinear", align_corners=False)
    return rearrange(larger, "b 1 t h w -> b t h w")


def normalise(cam: Tensor) -> Tensor:
    """The map scaled to 0…1 with one scale for the whole clip, so that frames can be compared; 0 stays 0.

    A map that is 0 everywhere stays so.
    """
    peak = reduce(cam, "b t h w -> b 1 1 1", "max")
    return cam / peak.where(peak > 0, 1)
