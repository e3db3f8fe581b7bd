"""A model whose answer is known, it adds up the change between frames, and clips of noise to show it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import videotcav as vt
from videotcav.models.model import VideoModel

MODULE = "net_of_the_study_tests"
NET = '''
import torch
from torch import nn
from videotcav.records import ClipSpec, ModelCard

class Square(nn.Module):
    def forward(self, values):
        return values**2

class Change(nn.Module):
    """Logit "moving": how much brightness changes from frame to frame; logit "bright": how bright it is."""
    def __init__(self):
        super().__init__()
        self.diff = nn.Conv3d(3, 2, (2, 1, 1), bias=False)
        with torch.no_grad():
            self.diff.weight.zero_()
            self.diff.weight[0, :, 0], self.diff.weight[0, :, 1] = -1, 1
            self.diff.weight[1, :, 1] = 1
        self.square = Square()

    def forward(self, pixels):
        return torch.tanh(self.square(self.diff(pixels))).mean((2, 3, 4)) * 10

def build():
    spec = ClipSpec(frames=4, seconds_between_frames=0.1, height=16, width=16, resize=16)
    layouts = {"diff": "b c t h w", "square": "b c t h w"}
    return Change(), ModelCard(name="change", clip_spec=spec, classes=("moving", "bright"), layouts=layouts,
                               default_layers=("square",))

def build_still():
    """The same, but its logit "moving" looks at one frame of two: it cannot see change."""
    module, card = build()
    with torch.no_grad():
        module.diff.weight[0, :, 0] = 0
        module.diff.weight[0, :, 1] = 0.5
    return module, card.model_copy(update={"name": "still"})
'''


@contextmanager
def change_model(folder: Path) -> Iterator[VideoModel]:
    """The model, loaded from a file of its own in the folder, which Python finds for the while."""
    (folder / f"{MODULE}.py").write_text(NET)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield vt.load_model(f"{MODULE}:build")


def noise(rng: np.random.Generator, *, moving: bool, frames: int = 5) -> np.ndarray:
    """Blocks of random brightness, new in every frame or the same in all."""
    blocks = rng.integers(60, 200, (frames if moving else 1, 8, 8, 1)).repeat(3, axis=3)
    return np.broadcast_to(blocks, (frames, 8, 8, 3)).repeat(4, axis=1).repeat(4, axis=2).astype(np.uint8)
