"""Changes of pixels against a linear network, for which the best change is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from videotcav.models.class_score import LOGIT
from videotcav.models.model import VideoModel
from videotcav.models.perturb import Goal, perturbed
from videotcav.records import ClipSpec, ModelCard

SPEC = ClipSpec(
    frames=2, seconds_between_frames=0.1, height=3, width=4, resize=4, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4)
)
MEAN, STD = (torch.tensor(each).view(1, 3, 1, 1, 1) for each in (SPEC.mean, SPEC.std))


@pytest.fixture
def linear() -> VideoModel:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(72, 5), nn.Linear(5, 2))
    card = ModelCard(name="linear", clip_spec=SPEC, classes=("a", "b"), layouts={"1": "b c"})
    return VideoModel(module, card)


def clips(low: float, high: float) -> torch.Tensor:
    levels = torch.rand(3, 3, 2, 3, 4, generator=torch.Generator().manual_seed(1)) * (high - low) + low
    return (levels - MEAN) / STD


def test_the_best_change_of_a_linear_score_is_the_bound_times_the_sum_of_its_weights(linear: VideoModel) -> None:
    pixels = clips(0.3, 0.7)
    found = perturbed(linear, pixels, Goal(0, LOGIT, 1.0), levels=4, steps=10, rng=np.random.default_rng(0))
    weights = (linear.module[2].weight @ linear.module[1].weight)[0].view(1, 3, 2, 3, 4)
    gain = (4 / 255 / STD * weights).abs().sum()
    assert torch.allclose(linear(found)[:, 0] - linear(pixels)[:, 0], gain.expand(3), rtol=1e-4)


def test_no_pixel_leaves_its_bound_nor_what_a_picture_can_be(linear: VideoModel) -> None:
    pixels = clips(0.0, 1.0)
    found = perturbed(linear, pixels, Goal(1, LOGIT, -1.0), levels=16, steps=5, rng=np.random.default_rng(0))
    levels = found * STD + MEAN
    assert ((found - pixels).abs() <= 16 / 255 / STD * (1 + 1e-4)).all()
    assert levels.min() >= -1e-6
    assert levels.max() <= 1 + 1e-6


def test_a_layers_readout_is_followed_where_the_score_says_nothing(linear: VideoModel) -> None:
    pixels, readout = clips(0.3, 0.7), torch.tensor([1.0, -2.0, 0.0, 0.5, 3.0])
    goal = Goal(0, LOGIT, 0.0, "1", readout)
    found = perturbed(linear, pixels, goal, levels=2, steps=10, rng=np.random.default_rng(0))
    gain = (2 / 255 / STD * (readout @ linear.module[1].weight).view(1, 3, 2, 3, 4)).abs().sum()
    moved = (linear.module[1](found.flatten(1)) - linear.module[1](pixels.flatten(1))) @ readout
    assert torch.allclose(moved, gain.expand(3), rtol=1e-4)


def test_without_steps_the_change_is_random_and_a_seed_says_which(linear: VideoModel) -> None:
    pixels, goal = clips(0.3, 0.7), Goal(0, LOGIT, 1.0)
    noise = [perturbed(linear, pixels, goal, levels=4, steps=0, rng=np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert torch.equal(noise[0], noise[1])
    assert not torch.equal(noise[0], noise[2])
    assert abs(((noise[0] - pixels) * STD * 255).mean()) < 0.5  # of ± 4
