"""A notebook's `tcav` with hypotheses: the same sentences, families and outcomes as in a study file."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from videotcav.api import TcavResults, tcav
from videotcav.compat.captum import clips_from_pixels
from videotcav.errors import ArgumentError, HypothesisError, NotEnoughData
from videotcav.explain.design.settings import AnalysisSettings, unread
from videotcav.models.load import load_model
from videotcav.models.model import VideoModel
from videotcav.records import ClipSpec, ModelCard

SPEC = ClipSpec(frames=4, seconds_between_frames=0.1, height=6, width=6, resize=6)


class Brightness(nn.Module):
    """Its logit of class a grows with the mean of the clip; its layer is the pixels."""

    clips = 0

    def __init__(self) -> None:
        super().__init__()
        self.eye = nn.Identity()

    def forward(self, pixels: Tensor) -> Tensor:
        Brightness.clips += len(pixels)
        mean = torch.tanh(self.eye(pixels).flatten(1).mean(dim=1))
        return torch.stack([mean, -mean], dim=1)


def pixels(count: int, seed: int, shift: float = 0.0) -> Tensor:
    return torch.randn(count, 3, 4, 6, 6, generator=torch.Generator().manual_seed(seed)) + shift


@pytest.fixture
def model() -> VideoModel:
    return load_model(Brightness(), card=ModelCard(name="net", clip_spec=SPEC, classes=("a", "b")))


def ask(model: VideoModel, *hypotheses: str, equivalence_margin: float | None = None, clips: int = 12) -> TcavResults:
    concepts = {
        "bright/spatiotemporal": clips_from_pixels(pixels(clips, 1, shift=1.0), "bright"),
        "bright/frozen": clips_from_pixels(pixels(clips, 2), "frozen"),
        "noise": clips_from_pixels(pixels(clips, 3), "noise"),
    }
    return tcav(
        model,
        target="a",
        clips=clips_from_pixels(pixels(12, 4), "a"),
        concepts=concepts,
        random=clips_from_pixels(pixels(60, 5), "random"),
        layers=["eye"],
        settings=AnalysisSettings(
            scores="classic",
            equivalence_margin=equivalence_margin,
            random_draws=5,
            bootstrap_resamples=200,
            degenerate_cosine=0.99999,
        ),
        hypotheses=hypotheses,
        primary="sensitivity",
    )


def test_what_was_not_declared_is_exploratory_and_each_hypothesis_has_an_outcome(model: VideoModel) -> None:
    found = ask(model, "bright matters", "bright: dynamic > frozen", "noise > bright")
    assert found.outcomes["bright: dynamic > frozen"] != "contradicted"
    assert set(found.outcomes) == {"bright matters", "bright: dynamic > frozen", "noise > bright"}
    declared = {(row.concept, row.kind, row.against) for row in found if row.hypothesis}
    assert ("bright", "spatiotemporal", "random") in declared
    assert ("bright", "spatiotemporal", "frozen") in declared
    assert {row.exploratory for row in found if row.concept == "noise" and row.against == "random"} == {True}
    assert not any(row.exploratory for row in ask(model))


def test_all_mistakes_are_told_before_the_first_pass(model: VideoModel) -> None:
    before = Brightness.clips
    with pytest.raises(HypothesisError) as told:
        ask(
            model, "brite matters", "bright: dynamic > spinning", "noise matters at head", "nothing about noise matters"
        )
    for part in (
        "no concept 'brite'",
        "unknown kind 'spinning'",
        "'noise matters at head'",
        "needs equivalence_margin",
    ):
        assert part in str(told.value)
    with pytest.raises(NotEnoughData, match="at least 10"):
        ask(model, clips=4)
    assert Brightness.clips == before


class Watched(AnalysisSettings):
    """Settings that know which of them were read."""

    def __getattribute__(self, name: str) -> Any:
        if name in AnalysisSettings.model_fields:
            READ.add(name)
        return super().__getattribute__(name)


READ: set[str] = set()


@pytest.mark.parametrize("groups", [{}, {"both": ["bright", "noise"]}])
@pytest.mark.parametrize("scores", ["contrast", "classic"])
def test_a_setting_is_read_or_refused(model: VideoModel, scores: str, groups: dict[str, list[str]]) -> None:
    """A run notes what it reads: what it leaves unread, and only that, is refused when it is set."""
    every = AnalysisSettings(scores=scores, bootstrap_resamples=100, random_draws=2)
    values = every.model_dump() | {"pseudo_concepts": 99, "relabellings": 999, "equivalence_margin": 0.3}
    refused = {name for name, _ in unread(values, scores=scores, groups=bool(groups))}
    shared = {
        "target": "a",
        "clips": clips_from_pixels(pixels(12, 4), "a"),
        "concepts": {
            "bright": clips_from_pixels(pixels(12, 1, shift=1.0), "bright"),
            "noise": clips_from_pixels(pixels(12, 3), "noise"),
        },
        "random": clips_from_pixels(pixels(60, 5), "random"),
        "layers": ["eye"],
        "groups": groups,
    }
    settings = Watched(**{name: value for name, value in values.items() if name not in refused})
    READ.clear()
    tcav(model, **shared, settings=settings, hypotheses=["nothing about noise matters"])
    assert READ.isdisjoint(refused)
    assert READ | refused == set(AnalysisSettings.model_fields)
    for name in refused:
        with pytest.raises(ArgumentError, match=f"{name}: only .* read it; leave it out"):
            tcav(model, **shared, settings=AnalysisSettings(scores=scores, **{name: values[name]}))
