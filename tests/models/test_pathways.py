"""Two pathways: which frames each is given, and where a hot frame shows up in both."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from videotcav.errors import ModelError
from videotcav.maps import layer_maps
from videotcav.models.model import VideoModel
from videotcav.models.passes import gradients
from videotcav.models.pathways import slow_fast
from videotcav.models.tap import tap
from videotcav.records import ClipSpec, ModelCard

SPEC = ClipSpec(frames=8, seconds_between_frames=0.1, height=6, width=6, resize=6)
SLOW, FAST = "stage.slow", "stage.fast"


class Stage(nn.Module):
    """A list in, a list out, the fast pathway's features joined to the slow one's: as pytorchvideo has it."""

    def __init__(self) -> None:
        super().__init__()
        self.slow = nn.Conv3d(3, 6, (1, 3, 3), padding=(0, 1, 1))
        self.fast = nn.Conv3d(3, 2, (1, 3, 3), padding=(0, 1, 1))
        self.lateral = nn.Conv3d(2, 4, (4, 1, 1), stride=(4, 1, 1))

    def forward(self, pathways: list[Tensor]) -> list[Tensor]:
        pathways[0], pathways[1] = self.slow(pathways[0]), self.fast(pathways[1])  # in place, as there
        return [torch.cat([pathways[0], self.lateral(pathways[1])], dim=1).relu(), pathways[1].relu()]


class SlowFast(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stage = Stage()
        self.head = nn.Linear(12, 3)

    def forward(self, pathways: list[Tensor]) -> Tensor:
        pooled = [each.square().mean(dim=(2, 3, 4)) for each in self.stage(list(pathways))]
        return self.head(torch.cat(pooled, dim=1))


@pytest.fixture
def model() -> VideoModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = SlowFast()
    card = ModelCard(
        name="two",
        clip_spec=SPEC,
        classes=("a", "b", "c"),
        layouts={"head": "b c", "*": "b c t h w"},
        pathways=slow_fast(8, alpha=4, spacing="every"),
        default_layers=(SLOW, FAST),
    )
    return VideoModel(module, card)


@pytest.fixture
def clips() -> Tensor:
    return torch.randn(2, 3, 8, 6, 6, generator=torch.Generator().manual_seed(1))


def test_both_published_ways_to_thin_a_clip_out() -> None:
    whole = tuple(range(32))
    assert slow_fast(32, alpha=8, spacing="every") == ((0, 8, 16, 24), whole)  # interpolate(scale_factor=1/8, nearest)
    # torch.linspace(0, 31, 4).long(), as PackPathway has it
    assert slow_fast(32, alpha=8, spacing="even") == ((0, 10, 20, 31), whole)
    with pytest.raises(ModelError, match="multiple of 5"):
        slow_fast(32, alpha=5, spacing="every")


def test_logits_are_those_of_the_module_given_its_list(model: VideoModel, clips: Tensor) -> None:
    with torch.no_grad():
        expected = model.module([clips[:, :, ::4], clips])
    assert torch.equal(model(clips), expected)
    with tap(model, ["stage", SLOW, FAST]) as tapped:
        assert torch.equal(tapped(clips), expected)


def test_a_hot_frame_is_seen_by_the_pathways_that_are_given_it(model: VideoModel) -> None:
    for frame, slow_steps in ((4, [1]), (5, [])):
        hot = torch.zeros(1, 3, 8, 6, 6)
        hot[:, :, frame, 2, 4] = 1
        folded = []
        for clip in (torch.zeros_like(hot), hot):
            with tap(model, [SLOW, FAST]) as tapped, torch.no_grad():
                tapped(clip)
            folded.append({layer: model.fold(layer, output) for layer, output in tapped.activations.items()})
        moved = {layer: (folded[1][layer] - folded[0][layer]).abs().sum(dim=(0, 1)) for layer in (SLOW, FAST)}
        assert moved[SLOW].sum(dim=(1, 2)).nonzero().flatten().tolist() == slow_steps
        assert moved[FAST].sum(dim=(1, 2)).nonzero().flatten().tolist() == [frame]


def test_gradients_of_both_pathways_against_autograd(model: VideoModel, clips: Tensor) -> None:
    found = gradients(model, clips, [SLOW, FAST], [2])
    stage: Stage = model.module.stage  # type: ignore[assignment]
    slow = stage.slow(clips[:, :, ::4]).detach().requires_grad_()
    fast = stage.fast(clips).detach().requires_grad_()
    joined = torch.cat([slow, stage.lateral(fast)], dim=1).relu()
    pooled = [each.square().mean(dim=(2, 3, 4)) for each in (joined, fast.relu())]
    expected = torch.autograd.grad(model.module.head(torch.cat(pooled, dim=1))[:, 2].sum(), [slow, fast])
    for layer, gradient in zip((SLOW, FAST), expected, strict=True):
        torch.testing.assert_close(found.gradients[2][layer], gradient.flatten(1))


def test_maps_of_both_pathways_lie_over_the_same_clip(model: VideoModel, clips: Tensor) -> None:
    maps, _ = layer_maps(model, clips, layers=[SLOW, FAST], classes=[0])
    assert maps.shape == (2, 1, 2, 8, 6, 6)


def test_a_pathway_beyond_the_clip_is_refused() -> None:
    with pytest.raises(ValueError, match="a pathway takes frames 0 … 7 of the clip"):
        ModelCard(name="two", clip_spec=SPEC, classes=("a",), pathways=((0, 8),))
    with pytest.raises(ValueError, match="pixels names the axes"):
        ModelCard(name="two", clip_spec=SPEC, classes=("a",), pixels="b c h w")
