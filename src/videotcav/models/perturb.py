"""Pixels changed within a bound so that a class's score, or a layer's readout of it, rises (projected gradient).

Madry et al. 2018: steps along the sign of the gradient, each brought back into the bound, from a random start.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from videotcav.errors import ModelError
from videotcav.models.class_score import ClassScore
from videotcav.models.model import VideoModel, first_tensor
from videotcav.models.passes import pooled_shape, with_changes_in_place
from videotcav.models.tap import as_written
from videotcav.records import Pooling

_REACH = 2.5
"""How far all steps together could go, in units of the bound (Madry et al.)."""


@dataclass(frozen=True)
class Goal:
    """What is to rise at a clip: `weight` times the score of a class, and where there is a `layer` the inner product of
    `readout`, (d,), with its pooled activation.
    """

    class_index: int
    score: ClassScore
    weight: float
    layer: str = ""
    readout: Tensor = field(default_factory=lambda: torch.zeros(0, device="cpu"))
    pooling: Pooling = "none"


def perturbed(
    model: VideoModel, pixels: Tensor, goal: Goal, *, levels: float, steps: int, rng: np.random.Generator
) -> Tensor:
    """The pixels `clip channel time height width` with the goal's largest value that was found where no pixel is more
    than `levels` of 255 grey levels from its own, nor outside of 0 to 255; without steps they are random there. They
    need not be whole levels.

    Raises ModelError where the model gives no gradients of its pixels.
    """
    spec = model.card.clip_spec
    mean, std = (
        rearrange(torch.tensor(each, dtype=torch.float32, device="cpu"), "c -> 1 c 1 1 1")
        for each in (spec.mean, spec.std)
    )
    bound = levels / 255 / std
    low, high = torch.maximum(pixels - bound, -mean / std), torch.minimum(pixels + bound, (1 - mean) / std)
    noise = torch.from_numpy(rng.uniform(-1.0, 1.0, size=tuple(pixels.shape)).astype(np.float32))
    tried = (pixels + noise * bound).clamp(low, high)
    best, most = pixels.clone(), torch.full((len(pixels),), -torch.inf, dtype=torch.float32, device="cpu")
    for step in range(steps + 1):
        values, slopes = _slopes(model, tried, goal)
        better = values > most
        best[better], most[better] = tried[better], values[better]
        if step < steps:
            tried = (tried + _REACH / steps * bound * slopes.sign()).clamp(low, high)
    return best


def _slopes(model: VideoModel, pixels: Tensor, goal: Goal) -> tuple[Tensor, Tensor]:
    """The goal at each clip, and its gradient with respect to the pixels."""
    layers = [goal.layer] if goal.layer else []
    flat = pooled_shape(model, layers, goal.pooling, pixels)

    def differentiate() -> tuple[Tensor, Tensor]:
        read: list[Tensor] = []

        def note(_module: object, _inputs: object, output: Any) -> None:
            activation = flat(goal.layer, first_tensor(output).float())
            read.append(activation @ goal.readout.to(activation))

        with torch.inference_mode(mode=False), as_written(model.module), torch.enable_grad():
            hooks = [model.layer(layer).register_forward_hook(note) for layer in layers]
            try:
                seen = pixels.to(model.device).detach().requires_grad_()
                values = goal.weight * goal.score(model.forward(seen).float(), goal.class_index)
            finally:
                for hook in hooks:
                    hook.remove()
            values = values + sum(read)
            if not values.requires_grad:
                raise ModelError(f"{model.name} gives no gradients of its pixels, which an attack follows")
            (slopes,) = torch.autograd.grad(values.sum(), seen)
        return values.detach().cpu(), slopes.cpu().float()

    return with_changes_in_place(differentiate)
