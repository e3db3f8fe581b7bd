"""Every measure on networks whose maps are known: one that sees motion alone, and one that sees single frames."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from videotcav.maps.judged import BASELINES, ClipToEvaluate, Evaluated, Evaluator, FaithfulnessSettings
from videotcav.models.model import VideoModel
from videotcav.models.randomised import randomised
from videotcav.records import ModelCard
from videotcav.report.faithfulness import MEASURES

QUICK = FaithfulnessSettings(steps=4, rise_masks=16)
METHODS = ("grad-cam", "layercam", "integrated-gradients", "rise")


class Motion(nn.Module):
    """Class 0 is the mean square of the difference between frames; class 1 is what stays."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = nn.Conv3d(3, 1, kernel_size=(2, 1, 1), padding=(1, 0, 0), padding_mode="replicate", bias=False)
        with torch.no_grad():
            self.steps.weight.copy_(torch.tensor([-1.0, 1.0]).view(1, 1, 2, 1, 1).expand(1, 3, 2, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        energy = self.steps(pixels).mean(dim=1) ** 2
        score = 20 * energy.mean(dim=(1, 2, 3))
        return torch.stack([score, 0.5 - score], dim=1)


class SingleFrames(nn.Module):
    """Sees every frame by itself and their mean."""

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.Conv3d(3, 4, kernel_size=(1, 4, 4), stride=(1, 4, 4))
        self.head = nn.Linear(4, 2)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.head(self.look(pixels).relu().mean(dim=(2, 3, 4)))


def model_of(module: nn.Module, layer: str, token_net: VideoModel) -> VideoModel:
    spec = token_net.card.clip_spec
    card = ModelCard(name="net", clip_spec=spec, classes=("moves", "rests"), layouts={layer: "b c t h w"})
    return VideoModel(module, card)


@pytest.fixture
def moving() -> ClipToEvaluate:
    """A square that stands, moves one step between frames 3 and 4, and stands again; noise everywhere."""
    pixels = 0.02 * torch.randn(3, 8, 32, 32, generator=torch.Generator().manual_seed(1))
    inside = np.zeros((8, 32, 32), dtype=bool)
    for time in range(8):
        left = 8 if time < 4 else 16
        pixels[:, time, 10:18, left : left + 8] += 1
        inside[time, 10:18, left : left + 8] = True
    during = np.isin(np.arange(8), (3, 4))
    return ClipToEvaluate(name="moving", pixels=pixels, class_index=0, inside=inside, during=during)


@pytest.fixture
def judged(token_net: VideoModel, moving: ClipToEvaluate) -> Evaluated:
    return Evaluator(model_of(Motion(), "steps", token_net), "steps", METHODS, QUICK)(moving)


def test_every_method_and_baseline_has_every_measure(judged: Evaluated) -> None:
    for method in (*METHODS, *BASELINES):
        own = {measure for name, measure in judged.values if name == method}
        assert own == set(MEASURES) - ({"random weights"} if method in BASELINES else set())
        assert judged.maps[method].shape == (1, 8, 32, 32)
    assert judged.chance == pytest.approx({"energy": 1, "pointing in space": 64 / 1024, "pointing in time": 2 / 8})


def test_a_map_that_is_right_scores_right(judged: Evaluated) -> None:
    """LayerCAM of the difference at the moment of motion: the trace of the square, half inside its box."""
    assert judged.values["layercam", "energy"] > 3
    assert judged.values["layercam", "pointing in time"] == 1
    assert judged.values["layercam", "energy"] > judged.values["random blobs", "energy"]
    assert judged.values["random blobs", "energy"] == pytest.approx(1, abs=0.6)
    assert judged.values["moving pixels", "pointing in time"] == 1


def test_uncovering_the_motion_first_brings_the_score_back_sooner(judged: Evaluated) -> None:
    good, chance = (judged.values[method, "insertion freeze"] for method in ("layercam", "random blobs"))
    assert good > chance
    assert judged.probability > 0.5


def test_single_frames_know_no_order(token_net: VideoModel, moving: ClipToEvaluate) -> None:
    """Played backwards or shuffled, and put in order again, the map of such a network is the same."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = model_of(SingleFrames(), "look", token_net)
    found = Evaluator(model, "look", ("grad-cam",), QUICK)(moving)
    assert found.values["grad-cam", "reversal"] == pytest.approx(1, abs=1e-5)
    assert found.values["grad-cam", "shuffle"] > 0.7  # linear interpolation between frames sees their neighbours


def test_without_a_truth_its_measures_are_left_out(token_net: VideoModel, moving: ClipToEvaluate) -> None:
    unknown = ClipToEvaluate(name="moving", pixels=moving.pixels, class_index=0)
    found = Evaluator(model_of(Motion(), "steps", token_net), "steps", ("grad-cam",), QUICK)(unknown)
    assert {measure for _, measure in found.values} == set(MEASURES) - {
        "energy",
        "pointing in space",
        "pointing in time",
    }
    assert found.chance == {}


def test_random_weights_are_the_same_numbers_elsewhere(swin: VideoModel) -> None:
    blank = randomised(swin, rng=np.random.default_rng(0))
    for (name, own), other in zip(swin.module.named_parameters(), blank.module.parameters(), strict=True):
        assert torch.equal(own.flatten().sort().values, other.flatten().sort().values), name
    assert not torch.equal(swin.module.head.weight, blank.module.head.weight)


def test_the_same_seed_gives_the_same_numbers(token_net: VideoModel, moving: ClipToEvaluate, judged: Evaluated) -> None:
    again = Evaluator(model_of(Motion(), "steps", token_net), "steps", METHODS, QUICK)(moving)
    for key, value in judged.values.items():
        assert again.values[key] == value or math.isnan(value)


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"fills": ("blurr",)}, {"fills": ("blur", "blur")}, {"seed": -1}])
def test_settings_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        FaithfulnessSettings.model_validate(wrong)
