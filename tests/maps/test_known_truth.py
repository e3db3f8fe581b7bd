"""A model by hand that reads one thing at one moment: every method must point there, or the fault is the code's.

Red that changes within a patch of 2 × 4 × 4 pixels is the class; nothing mixes places. A blue square moves all the
time and does not matter, a red one stands still and does not matter, and a third, red, moves for one moment.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from videotcav.explain.saliency.cam import METHODS, PIXEL_METHODS
from videotcav.explain.saliency.measures import (
    energy_ratio,
    losses_by_frame,
    pointing_in_space,
    pointing_in_time,
    temporal_agreement,
)
from videotcav.maps import PixelSettings, layer_maps
from videotcav.models.model import VideoModel
from videotcav.models.passes import logits
from videotcav.records import ClipSpec, ModelCard

SPEC = ClipSpec(frames=8, seconds_between_frames=0.1, height=32, width=32, resize=32)
EVENT = (4, 5)


class RedChanges(nn.Module):
    """Logits: how much red rises or falls within patches, and nothing."""

    def __init__(self, *, channels_last: bool) -> None:
        super().__init__()
        self.patches = nn.Conv3d(3, 4, kernel_size=(2, 4, 4), stride=(2, 4, 4), bias=False)
        self.grid = nn.Identity()
        self.channels_last = channels_last
        with torch.no_grad():
            self.patches.weight.zero_()
            for channel, (colour, sign) in enumerate(((0, 1), (0, -1), (2, 1), (2, -1))):
                self.patches.weight[channel, colour, 0] = -sign
                self.patches.weight[channel, colour, 1] = sign

    def forward(self, pixels: Tensor) -> Tensor:
        found = self.patches(pixels).relu()
        found = self.grid(found.permute(0, 2, 3, 4, 1) if self.channels_last else found)
        red = found[..., :2] if self.channels_last else found[:, :2]
        score = red.flatten(1).sum(dim=1) / 20
        return torch.stack([score, torch.ones_like(score)], dim=1)


@pytest.fixture(params=["channels first", "channels last"])
def model(request: pytest.FixtureRequest) -> VideoModel:
    last = request.param == "channels last"
    layout = {"grid": "b t h w c" if last else "b c t h w"}
    card = ModelCard(name="red", clip_spec=SPEC, classes=("red moves", "rest"), layouts=layout)
    return VideoModel(RedChanges(channels_last=last), card)


@pytest.fixture
def scene() -> tuple[Tensor, Tensor, Tensor]:
    """Pixels, the box of the red square around its one move, and the frames of it; 1 clip."""
    pixels = torch.zeros(1, 3, 8, 32, 32)
    inside = torch.zeros(1, 8, 32, 32, dtype=torch.bool)
    pixels[0, 0, :, 2:10, 2:10] = 1  # red that stands
    for time in range(8):
        pixels[0, 2, time, 24:30, 2 * time : 2 * time + 8] = 1  # blue that moves
        left = 16 if time < EVENT[1] else 20
        pixels[0, 0, time, 12:20, left : left + 8] = 1
    inside[:, :, 12:20, 16:28] = True
    during = torch.from_numpy(np.isin(np.arange(8), EVENT))[None]
    return pixels, inside, during


@pytest.mark.parametrize("method", [*(name for name, method in METHODS.items() if method.needs_class), *PIXEL_METHODS])
def test_every_method_points_where_and_when_it_happens(
    model: VideoModel, scene: tuple[Tensor, Tensor, Tensor], method: str
) -> None:
    pixels, inside, during = scene
    layer = "pixels" if method in PIXEL_METHODS else "grid"
    settings = PixelSettings(baseline="freeze", masks=400, grid=(4, 8, 8))
    maps, _ = layer_maps(model, pixels, layers=[layer], classes=[0], method=method, pixel_settings=settings)
    cam = maps[0, 0]
    assert float(pointing_in_space(cam, inside)) == 1
    assert float(pointing_in_time(cam, during)) == 1
    assert float(energy_ratio(cam, inside & during[:, :, None, None])) >= (3 if method == "rise" else 10)


def test_what_frames_are_worth_is_the_event(model: VideoModel, scene: tuple[Tensor, Tensor, Tensor]) -> None:
    """Covering a frame by the one before it takes the score away at the event, and nowhere else."""
    pixels, _, during = scene
    before = torch.cat([pixels[:, :, :1], pixels[:, :, :-1]], dim=2)
    losses = losses_by_frame(lambda clips: logits(model, clips)[:, 0], pixels, before)
    assert losses[0, EVENT[1]] > 0
    assert float(losses[0, : EVENT[0]].abs().max()) == 0
    maps, _ = layer_maps(model, pixels, layers=["grid"], classes=[0])
    assert float(temporal_agreement(maps[0, 0], losses)) > 0.5
    assert bool(during[0, EVENT[1]])
