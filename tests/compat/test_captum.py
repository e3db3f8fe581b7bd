"""The same clips given as captum gives them, and scores in captum's own shape."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from videotcav.api import grad_cam, tcav
from videotcav.compat.captum import clips_from_pixels, clips_of
from videotcav.engine.local import here
from videotcav.errors import (
    ConceptError,
    LayerNotFound,
    LayoutError,
    ModelError,
    NotEnoughData,
    VideotcavError,
    VideotcavWarning,
)
from videotcav.explain.design.settings import AnalysisSettings
from videotcav.features.measure import measure
from videotcav.models.load import VideoModel, load_model
from videotcav.records import ClipSpec, ModelCard
from videotcav.video.clips import Clips

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # captum's own, at import
    from captum.concept import Concept

SPEC = ClipSpec(frames=4, seconds_between_frames=0.1, height=6, width=6, resize=6)
GROUPS = {"light": ["bright", "dark"]}
SETTINGS = AnalysisSettings(scores="classic", random_draws=5, pseudo_concepts=99, bootstrap_resamples=100)


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
    model = replace(model, card=model.card.model_copy(update={"layouts": {}}))  # as of a network nobody can follow
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
    with pytest.raises(NotEnoughData, match="'empty': its data_iter yields no clip"):
        tcav(
            model,
            target="a",
            clips=clips_from_pixels(pixels(2, 1), "a"),
            concepts=[Concept(0, "empty", None)],
            random=clips_from_pixels(pixels(2, 1), "r"),
        )


def test_a_loader_of_a_tensor_dataset_is_a_loader_of_clips(model: VideoModel) -> None:
    """`DataLoader(TensorDataset(x))` yields lists of one tensor, which captum takes."""
    clips = pixels(12, 1, shift=1.0)
    loader = DataLoader(TensorDataset(clips), batch_size=5)
    torch.testing.assert_close(clips_of(Concept(1, "bright", loader)).pixels, clips)  # type: ignore[arg-type]
    with pytest.raises(ConceptError, match="yields str, not tensors of clips"):
        clips_of(Concept(1, "bright", [("text",)]))  # type: ignore[arg-type] # what people give


@pytest.mark.parametrize(
    ("given", "pool", "says"),
    [
        ([(1, "a"), (1, "b")], (9, "pool"), "two of the concepts have the id 1; give each one of its own"),
        ([(1, "a"), (2, "a")], (9, "pool"), "two of the concepts have the name 'a'"),
        ([(1, "a")], (1, "pool"), "two of the concepts have the id 1"),
        ([(1, "pool")], (9, "pool"), "two of the concepts have the name 'pool'"),
    ],
)
def test_no_concept_is_lost_to_another_of_its_number_or_name(
    model: VideoModel, given: list[tuple[int, str]], pool: tuple[int, str], says: str
) -> None:
    concepts = [concept(*each, pixels(12, seed, shift=1.0)) for seed, each in enumerate(given)]
    with pytest.raises(ConceptError, match=says):
        tcav(
            model,
            target="a",
            clips=clips_from_pixels(pixels(12, 3), "a"),
            concepts=concepts,
            random=concept(*pool, pixels(40, 8)),
            settings=SETTINGS,
        )


def test_clips_that_no_step_moves_are_counted_on_neither_side() -> None:
    """A third of the class clips is dark: their gradient is 0, so captum counts them neither for nor against."""

    class Gated(Net):
        def forward(self, pixels: Tensor) -> Tensor:
            gate = (pixels.mean(dim=(1, 2, 3, 4)) > -5).float()
            return super().forward(pixels) * gate[:, None]

    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = Gated()
    model = load_model(module, card=ModelCard(name="net", clip_spec=SPEC, classes=("a", "b")))
    of_class = pixels(12, 3)
    of_class[:4] -= 20
    results = tcav(
        model,
        target="a",
        clips=clips_from_pixels(of_class, "a"),
        concepts={"bright": clips_from_pixels(pixels(12, 1, shift=1.0), "bright")},
        random=clips_from_pixels(pixels(40, 2), "random"),
        layers=["first"],
        settings=SETTINGS,
    )
    both = results.as_captum()["0-1"]["first"]["sign_count"]
    assert both.sum() == pytest.approx(8 / 12)
    assert results.unmoved["first"] == pytest.approx(4 / 12)


def test_a_pool_that_holds_the_concept_is_refused(model: VideoModel) -> None:
    bright = pixels(12, 1, shift=1.0)
    with pytest.raises(ConceptError, match=r"the random pool holds 12 of the 12 clips of 'bright'"):
        tcav(
            model,
            target="a",
            clips=clips_from_pixels(pixels(12, 3), "a"),
            concepts={"bright": clips_from_pixels(bright, "bright")},
            random=clips_from_pixels(torch.cat([pixels(40, 2), bright]), "random"),
            layers=["first"],
            settings=SETTINGS,
        )


def test_twins_are_joined_by_track_and_refused_where_nobody_can_tell(model: VideoModel) -> None:
    def of(numbers: range, name: str, *, tracks: bool) -> Clips:
        clips = clips_from_pixels(
            torch.cat([pixels(1, 100 + n, shift=1.0 + (name == "frozen")) for n in numbers]), name
        )
        named = tuple(
            record.model_copy(update={"source": f"video {n}", "track": f"track {n}" * tracks})
            for n, record in zip(numbers, clips.records, strict=True)
        )
        return Clips(named, clips.pixels)

    shared: dict[str, Any] = {
        "target": "a",
        "clips": clips_from_pixels(pixels(12, 3), "a"),
        "random": clips_from_pixels(pixels(60, 2), "random"),
        "layers": ["first"],
        "settings": SETTINGS,
    }
    moving = of(range(13), "moving", tracks=True)
    lacking = tcav(model, concepts={"c": moving, "c/frozen": of(range(1, 13), "frozen", tracks=True)}, **shared)
    same = tcav(
        model,
        concepts={"c": of(range(1, 13), "moving", tracks=True), "c/frozen": of(range(1, 13), "frozen", tracks=True)},
        **shared,
    )
    contrast, expected = ([row.value for row in each if row.against == "frozen"] for each in (lacking, same))
    assert contrast == pytest.approx(expected)
    with pytest.raises(
        ConceptError, match=r"'c/spatiotemporal' has 13 clips and 'c/frozen' 12, and their records name"
    ):
        tcav(
            model,
            concepts={
                "c": of(range(13), "moving", tracks=False),
                "c/frozen": of(range(1, 13), "frozen", tracks=False),
            },
            **shared,
        )


@pytest.mark.parametrize(
    ("layers", "concepts", "says"), [(None, True, "no layer is named"), (["first"], False, "no con")]
)
def test_a_question_of_nothing_passes_nothing(model: VideoModel, layers: Any, says: str, *, concepts: bool) -> None:
    passed: list[int] = []
    model.module.register_forward_hook(lambda *_: passed.append(1))
    with pytest.raises(NotEnoughData, match=says):
        tcav(
            model,
            target="a",
            clips=clips_from_pixels(pixels(12, 3), "a"),
            concepts={"c": clips_from_pixels(pixels(12, 1), "c")} if concepts else {},
            random=clips_from_pixels(pixels(40, 2), "random"),
            layers=layers,
            settings=SETTINGS,
        )
    assert passed == []


def test_a_map_of_nothing_is_told() -> None:
    class Against(nn.Module):
        """All that its one layer gives speaks against the first class."""

        def __init__(self) -> None:
            super().__init__()
            self.first = nn.ReLU()

        def forward(self, pixels: Tensor) -> Tensor:
            found = self.first(pixels).mean(dim=(1, 2, 3, 4))
            return torch.stack([-found, found], dim=1)

    card = ModelCard(name="net", clip_spec=SPEC, classes=("a", "b"), layouts={"first": "b c t h w"})
    model, clips = load_model(Against(), card=card), clips_from_pixels(pixels(2, 4), "a")
    with pytest.warns(VideotcavWarning, match="2 of 2 maps of “a” at layer 'first' are zero everywhere"):
        grad_cam(model, clips, target="a", layer="first")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        grad_cam(model, clips, target="b", layer="first")


def test_a_module_made_in_inference_mode_is_refused() -> None:
    with torch.inference_mode():
        module = Net()
    with pytest.raises(ModelError, match=r"made inside torch\.inference_mode\(\)"):
        load_model(module, card=ModelCard(name="net", clip_spec=SPEC, classes=("a", "b")))


def asked(model: VideoModel, **changed: Any) -> Any:
    given: dict[str, Any] = {
        "target": "a",
        "clips": clips_from_pixels(pixels(12, 3), "a"),
        "concepts": {"bright": clips_from_pixels(pixels(12, 1, shift=1.0), "bright")},
        "random": clips_from_pixels(pixels(40, 2), "random"),
        "layers": ["first"],
        "settings": SETTINGS,
    }
    return tcav(model, **(given | changed))


@pytest.mark.parametrize("target", [0, "0", np.int64(0), torch.tensor(0)])
def test_a_class_is_asked_for_by_anything_that_names_one(model: VideoModel, target: Any) -> None:
    results = asked(model, target=target)
    assert {row.class_name for row in results} == {"a"}
    assert results.results == asked(model).results
    clips = clips_from_pixels(pixels(2, 4), "a")
    assert grad_cam(model, clips, target=target, layer="first", reshape_transform=lambda output: output).target == "a"


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"target": None}, "clips are of one class: say which as target"),
        ({"target": -1}, "no class -1 in net"),
        ({"random": None}, "random is the pool of clips .*, not NoneType"),
        ({"pooling": "mean"}, "no pooling 'mean'; there are none, space"),
        ({"primary": "magnitude"}, "no primary 'magnitude'; there are sign_count"),
        (
            {"clips": clips_from_pixels(torch.randn(12, 3, 4, 8, 8), "a")},
            r"clips of 'bright' are \(3, 4, 6, 6\) .*, those of 'a' \(3, 4, 8, 8\)",
        ),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(model: VideoModel, changed: dict[str, Any], says: str) -> None:
    with pytest.raises(VideotcavError, match=says):
        asked(model, **changed)


def test_bytes_are_no_preprocessed_clips() -> None:
    with pytest.raises(ConceptError, match=r"'a': clips are numbers as the model is given them, got torch\.uint8"):
        clips_from_pixels(torch.zeros(2, 3, 4, 6, 6, dtype=torch.uint8), "a")


def test_a_pool_that_holds_class_clips_is_told(model: VideoModel) -> None:
    of_class = pixels(12, 3)
    pool = clips_from_pixels(torch.cat([pixels(40, 2), of_class]), "random")
    with pytest.warns(VideotcavWarning, match=r"the random pool holds 12 of the 12 clips of the class “a”"):
        asked(model, random=pool)


def test_a_layer_without_space_is_no_picture_in_a_notebook_either(model: VideoModel) -> None:
    card = model.card.model_copy(update={"layouts": {"first": "b t c"}})
    with pytest.raises(LayoutError, match="layer 'first' of net has no height and width"):
        grad_cam(VideoModel(model.module, card), clips_from_pixels(pixels(2, 4), "a"), target="a", layer="first")


@pytest.mark.parametrize(
    ("settings", "groups", "read"),
    [
        (AnalysisSettings(), {}, False),
        (AnalysisSettings(pseudo_concepts=99), GROUPS, True),
        (SETTINGS, {}, True),
    ],
    ids=["contrast", "contrast and groups", "classic"],
)
def test_set_clips_are_multiplied_with_each_other_where_a_question_reads_that(
    model: VideoModel,
    settings: AnalysisSettings,
    groups: dict[str, list[str]],
    read: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wanted: set[bool] = set()

    def engine(worker: Any, items: Any) -> Any:
        wanted.update(block.within for item in items for block in getattr(item, "first", ()) if block.group is None)
        return here(worker, items)

    asking = partial(
        tcav,
        model,
        target="a",
        clips=clips_from_pixels(pixels(12, 3), "a"),
        concepts={
            "bright": clips_from_pixels(pixels(12, 1, shift=1.0), "bright"),
            "dark": clips_from_pixels(pixels(12, 4, shift=-1.0), "dark"),
        },
        random=clips_from_pixels(pixels(40, 2), "random"),
        groups=groups,
        layers=["first"],
        settings=settings,
    )
    found = asking(engine=engine)
    assert wanted == {read}
    monkeypatch.setattr(
        "videotcav.study.tcav.measure", lambda *given, **asked: measure(*given, **asked | {"kernel": True})
    )
    assert asking().results == found.results
