"""A module of one's own, as small as can be, and its card."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from videotcav.errors import VideotcavWarning
from videotcav.models.load import load_model
from videotcav.models.model import VideoModel
from videotcav.records import ClipSpec, ModelCard

SPEC = ClipSpec(frames=3, seconds_between_frames=0.1, height=4, width=4, resize=4)
CLIPS = torch.randn(4, 3, 3, 4, 4, generator=torch.Generator().manual_seed(0))


def card(**more: Any) -> ModelCard:
    given = {"name": "own", "clip_spec": SPEC, "classes": ("a", "b", "c")}
    return ModelCard(**(given | more))


class Head(nn.Module):
    """A linear head, and what is made of its output."""

    def __init__(self, outputs: int, then: Callable[[Tensor], Any] = lambda x: x) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.linear, self.then = nn.Linear(144, outputs), then

    def forward(self, x: Tensor) -> Any:
        return self.then(self.linear(x.flatten(1)))


def quietly(module: nn.Module, **more: Any) -> VideoModel:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VideotcavWarning)
        return load_model(module, **({"card": card()} | more))
