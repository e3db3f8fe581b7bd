"""Class activation maps on video (method.md 6): where and when a layer's evidence for a class lies.

Every method takes a layer's activation A and the gradient g of a class score with respect to it, both
`clip channel time height width`, and gives a map `clip time height width`, never negative.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, Protocol

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own abbreviation
from einops import rearrange, reduce
from torch import Tensor, einsum

from videotcav.errors import ArgumentError, closest

Over = Literal["clip", "frame"]
"""Over what a channel's weight is taken: the whole clip (Grad-CAM as defined for it), or each time step by itself
(what mmaction2 does: a channel may then count for one moment and against another)."""

_POOLED = {"clip": "b c t h w -> b c 1", "frame": "b c t h w -> b c t"}
_SPREAD = "b c t -> b c t 1 1"


class CamMap(Protocol):
    """A map from a layer's activation and gradient."""

    def __call__(self, activation: Tensor, gradient: Tensor, *, weights: Over = "clip") -> Tensor:
        """The map, `clip time height width`."""
        ...


@dataclass(frozen=True)
class Method:
    """A method by its name.

    `pools` is False where each position is weighted by itself, so that `weights` would be idle; `needs_class` is
    False where the map is the same whatever the class.
    """

    name: str
    map: CamMap
    pools: bool = True
    needs_class: bool = True


def grad_cam(activation: Tensor, gradient: Tensor, *, weights: Over = "clip") -> Tensor:
    """ReLU(Σ_c w_c A_c), w the gradient's mean over time and space. Selvaraju et al. 2017.

    Args:
        activation: of a layer, clip channel time height width.
        gradient: of a class score with respect to it, of the same shape.
        weights: whether the mean is taken over the whole clip or over each time step.
    """
    return _weighted(reduce(gradient, _POOLED[weights], "mean"), activation)


def grad_cam_plus_plus(activation: Tensor, gradient: Tensor, *, weights: Over = "clip") -> Tensor:
    """ReLU(Σ_c w_c A_c), w_c = Σ α ReLU(g) and α = g² / (2 g² + g³ ΣA). Chattopadhay et al. 2018, equation 19.

    Derived for activations that are never negative. Where they may be (transformers) α can blow up and change
    sign; it is left as the formula has it.
    """
    total = rearrange(reduce(activation, _POOLED[weights], "sum"), _SPREAD)
    # Divided by g², so that small gradients do not underflow: g² of 1e-25 is 0 in float32.
    below = 2 + gradient * total
    alpha = torch.where((gradient != 0) & (below != 0), 1 / below, 0)
    return _weighted(reduce(alpha * gradient.relu(), _POOLED[weights], "sum"), activation)


def hires_cam(activation: Tensor, gradient: Tensor, *, weights: Over = "clip") -> Tensor:  # noqa: ARG001 - as CamMap
    """ReLU(Σ_c g_c A_c), each position weighted by its own gradient. Draelos and Carin 2020."""
    return einsum("bcthw,bcthw->bthw", gradient, activation).relu()


def layer_cam(activation: Tensor, gradient: Tensor, *, weights: Over = "clip") -> Tensor:  # noqa: ARG001 - as CamMap
    """ReLU(Σ_c ReLU(g_c) A_c), each position weighted by its own positive gradient. Jiang et al. 2021."""
    return einsum("bcthw,bcthw->bthw", gradient.relu(), activation).relu()


def eigen_cam(activation: Tensor, gradient: Tensor | None = None, *, weights: Over = "clip") -> Tensor:  # noqa: ARG001 - as CamMap
    """The activation's projection on its first principal direction. Muhammad and Yeasin 2020.

    The same for every class: it says what stands out in the layer, not what speaks for a class. As published,
    positions × channels are not centred. A singular vector has no sign; it is taken so that the projections
    sum to more than 0, and what is left below is cut off.
    """
    groups = {"clip": "b c t h w -> b 1 (t h w) c", "frame": "b c t h w -> b t (h w) c"}[weights]
    left, strength, _ = torch.linalg.svd(rearrange(activation, groups), full_matrices=False)
    projected: Tensor = left[..., 0] * strength[..., :1]
    projected = projected * torch.where(projected.sum(dim=-1, keepdim=True) < 0, -1, 1)
    return projected.reshape(len(activation), *activation.shape[2:]).relu()


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        method.name: method
        for method in (
            Method("grad-cam", grad_cam),
            Method("grad-cam++", grad_cam_plus_plus),
            Method("hirescam", hires_cam, pools=False),
            Method("layercam", layer_cam, pools=False),
            Method("eigencam", eigen_cam, needs_class=False),
        )
    }
)
"""The methods that read a layer, by the name that the command line uses."""

PIXEL_METHODS = ("integrated-gradients", "rise")
"""The methods that read no layer: see `integrated.py` and `rise.py`."""


def method_of(name: str, *, weights: Over = "clip") -> Method:
    """The method of that name. Raises ArgumentError for an unknown one, and for weights that it does not have."""
    if name not in METHODS:
        known = (*METHODS, *PIXEL_METHODS)
        raise ArgumentError(f"no method '{name}'; closest: {closest(name, known) or ', '.join(known)}")
    method = METHODS[name]
    if weights not in _POOLED:
        raise ArgumentError(f"weights are taken over 'clip' or 'frame', not '{weights}'")
    if weights == "frame" and not method.pools:
        raise ArgumentError(f"{name} weighs each position by itself: leave the weights over frames out")
    return method


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


def temporal_profile(cam: Tensor) -> Tensor:
    """The importance of each time step, `clip time`: the share of the map that lies in it; sums to 1.

    A map that is 0 everywhere has a profile of zeros.
    """
    per_step = reduce(cam, "b t h w -> b t", "sum")
    total = reduce(per_step, "b t -> b 1", "sum")
    return per_step / total.where(total > 0, 1)


def _weighted(weights: Tensor, activation: Tensor) -> Tensor:
    """ReLU of the channels' sum; `weights` is clip channel time, with one time step where it holds for the clip."""
    return einsum("bct,bcthw->bthw", weights, activation).relu()
