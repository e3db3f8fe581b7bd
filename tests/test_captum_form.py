"""The same clips given as captum gives them, and scores in captum's own shape."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from videotcav.captum_form import clips_from_pixels
from videotcav.errors import ConceptError, LayerNotFound, LayoutError
from videotcav.explain.settings import AnalysisSettings
from videotcav.models.load import VideoModel, load_model
from videotcav.notebook import grad_cam, tcav
from videotcav.records import ClipSpec, ModelCard

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # captum's own, at import
    from captum.concept import Concept

SPEC = ClipSpec(frames=4, seconds_between_frames=0.1, height=6, width=6, resize=6)
SETTINGS = AnalysisSettings(random_draws=5, pseudo_concepts=99, bootstrap_resamples=100)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv3d(3, 4, 3, padding=1)
        self.head = nn.Linear(4, 2)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.head(torch.tanh(self.first(pixels)).mean(dim=(2, 3, 4)))


@pytest.fixture
def model() -> VideoModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = Net()
    return load_model(module, card=ModelCard(name="net", clip_spec=SPEC, classes=("a", "b")))


def pixels(count: int, seed: int, shift: float = 0.0) -> Tensor:
    return torch.randn(count, 3, 4, 6, 6, generator=torch.Generator().manual_seed(seed)) + shift


def concept(number: int, name: str, clips: Tensor) -> Any:
    return Concept(number, name, list(clips.split(5)))  # type: ignore[arg-type] # any iterable of batches will do


def test_captum_concepts_give_the_numbers_of_the_same_clips(model: VideoModel) -> None:
    bright, pool, of_class = pixels(12, 1, shift=1.0), pixels(40, 2), clips_from_pixels(pixels(12, 3), "a")
    shared = {"target": "a", "clips": of_class, "settings": SETTINGS}
    theirs = tcav(
        model,
        concepts=[concept(7, "bright", bright)],
        random=concept(9, "random", pool),
        layers=[model.module.first],  # type: ignore[list-item] # a module, as captum takes it
        **shared,  # type: ignore[arg-type]
    )
    ours = tcav(
        model,
        concepts={"bright": clips_from_pixels(bright, "bright")},
        random=clips_from_pixels(pool, "random"),
        layers=["first"],
        **shared,  # type: ignore[arg-type]
    )
    assert theirs.results == ours.results
    scores = theirs.as_captum()
    assert list(scores) == ["7-9"]
    assert list(ours.as_captum()) == ["0-1"]
    values = {row.statistic: row.value for row in ours if row.against == "random"}
    found = scores["7-9"]["first"]
    torch.testing.assert_close(found["sign_count"], torch.tensor([values["sign_count"], 1 - values["sign_count"]]))
    torch.testing.assert_close(found["magnitude"], torch.tensor([values["sensitivity"], -values["sensitivity"]]))


def test_a_reshape_transform_folds_what_nobody_described(model: VideoModel) -> None:
    clips = clips_from_pixels(pixels(2, 4), "a")
    with pytest.raises(LayoutError, match="its layout is not known"):
        grad_cam(model, clips, target="a", layer="first")
    found = grad_cam(model, clips, target="a", layer=model.module.first, reshape_transform=lambda output: output)  # type: ignore[arg-type]
    described = replace(model, card=model.card.model_copy(update={"layouts": {"first": "b c t h w"}}))
    expected = grad_cam(described, clips, target="a", layer="first")
    assert (found.maps == expected.maps).all()
    with pytest.raises(LayoutError, match=r"reshape_transform makes \(2, 4, 144\) of layer 'first'"):
        grad_cam(model, clips, target="a", layer="first", reshape_transform=lambda output: output.flatten(2))


def test_what_is_no_part_of_the_model_or_holds_no_clip(model: VideoModel) -> None:
    with pytest.raises(LayerNotFound, match="this Conv3d is no part of net"):
        model.layer_name(nn.Conv3d(1, 1, 1))
    with pytest.raises(ConceptError, match="'empty': its data_iter yields no clip"):
        tcav(
            model,
            target="a",
            clips=clips_from_pixels(pixels(2, 1), "a"),
            concepts=[Concept(0, "empty", None)],
            random=clips_from_pixels(pixels(2, 1), "r"),
        )
