"""Transformers' classifiers against transformers itself, autograd by hand and planted hot patches."""

from __future__ import annotations

import importlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from support.transformer_folders import HAS_VIDEOPRISM
from videotcav.compat.torchvision import import_torchvision
from videotcav.errors import LayoutError, MissingExtra, ModelError, VideotcavWarning
from videotcav.maps import layer_maps
from videotcav.models import from_transformers, transformers_families, transformers_input
from videotcav.models.load import load_model
from videotcav.models.model import VideoModel
from videotcav.models.passes import features, gradients
from videotcav.models.tap import tap
from videotcav.video.clips import _crop, preprocess

FAMILIES = ("videomae", "videomae-first", "timesformer", "timesformer-joint", "vivit", "vjepa2")
FAMILIES += ("videoprism",) * HAS_VIDEOPRISM
OF_VIDEOS = ("vjepa2", "videoprism")
CLASSES = ("swing", "slide", "bounce", "spin", "rest")
PATCH, SIDE, FRAMES = 8, 32, 4
Folder = Callable[[str], Path]


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def model(family: str, transformer_folder: Folder) -> VideoModel:
    return load_model(f"transformers:{transformer_folder(family)}")


@pytest.fixture
def clips() -> Tensor:
    return torch.randn(2, 3, FRAMES, SIDE, SIDE, generator=torch.Generator().manual_seed(4))


def by_transformers(model: VideoModel, clips: Tensor) -> Tensor:
    return model.module(clips.permute(0, 2, 1, 3, 4)).logits.reshape(len(clips), -1)  # VideoPrism's have a query's axis


def test_the_card_says_what_config_and_processor_say(model: VideoModel, family: str) -> None:
    spec = model.card.clip_spec
    assert model.card.classes == CLASSES
    assert (spec.frames, spec.height, spec.width) == (FRAMES, SIDE, SIDE)
    # VJEPA2VideoProcessor insists on its size, VideoPrism's squeezes the picture.
    assert spec.resize == {"vjepa2": int(SIDE * 256 / 224), "videoprism": (SIDE, SIDE)}.get(family, 36)
    assert model.card.weights_sha256


def test_pixels_are_those_of_the_processor(family: str, transformer_folder: Folder, model: VideoModel) -> None:
    """Constant frames to five digits; a random one within a grey level, as rounding may differ by one."""
    transformers = importlib.import_module("transformers")
    auto = transformers.AutoVideoProcessor if family in OF_VIDEOS else transformers.AutoImageProcessor
    processor = auto.from_pretrained(transformer_folder(family))
    spec = model.card.clip_spec
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (FRAMES, 6, 8, 3), dtype=np.uint8)
    for frames, tolerance in (
        (np.full((FRAMES, 90, 120, 3), 77, np.uint8), 1e-4),
        (coarse.repeat(15, axis=1).repeat(15, axis=2), 1.01 / 255 / min(spec.std)),
    ):
        expected = torch.as_tensor(next(iter(processor(list(frames), return_tensors="pt").values()))[0])
        found = preprocess(frames, spec).permute(1, 0, 2, 3)
        assert (found - expected).abs().max() <= tolerance


SIZES = [(height, width) for height in (45, 51, 64, 97, 120) for width in (45, 52, 80, 101, 133)]


@pytest.mark.parametrize("size", [{"shortest_edge": 37}, {"shortest_edge": 29}, {"height": 43, "width": 35}])
@pytest.mark.parametrize(
    "kind", ["VideoMAEImageProcessor", "bicubic", "VivitImageProcessor", "VJEPA2VideoProcessor", "half even"]
)
def test_pixels_of_any_size_are_those_of_the_processor_to_the_column(kind: str, size: dict[str, int]) -> None:
    """Resized, cropped and padded by the processor itself; one that rounds as torchvision does, as older ones, too."""
    functional = import_torchvision("torchvision.transforms.v2.functional")
    transformers = importlib.import_module("transformers")

    class HalfEven(transformers.VideoMAEImageProcessor):  # type: ignore[name-defined, misc] # no types there
        def center_crop(self, image: Tensor, size: Any, **_: Any) -> Tensor:
            return functional.center_crop(image, [size.height, size.width])

    processor = {"half even": HalfEven, "bicubic": transformers.VideoMAEImageProcessor}.get(kind)
    resample = {"resample": 3} if kind == "bicubic" else {}
    made = (processor or getattr(transformers, kind))(
        size=size, crop_size={"height": SIDE, "width": SIDE}, do_center_crop=True, **resample
    )
    config = transformers.VideoMAEConfig(image_size=SIDE, num_frames=1)
    family = transformers_families.FAMILIES["videomae"]
    if kind == "VivitImageProcessor" and "shortest_edge" in size and size["shortest_edge"] < SIDE:
        with pytest.raises(ModelError, match="pads 29 pixels to 32 otherwise"):
            transformers_input.clip_spec_of("own", config, made, family)
        return
    spec = transformers_input.clip_spec_of("own", config, made, family)
    rng = np.random.default_rng(0)
    for height, width in SIZES:
        coarse = rng.integers(0, 256, (1, 20, 23, 3), dtype=np.uint8)
        frames = coarse.repeat(6, axis=1).repeat(6, axis=2)[:, :height, :width]
        expected = torch.as_tensor(next(iter(made(list(frames), return_tensors="pt").values()))[0])
        found = preprocess(frames, spec).permute(1, 0, 2, 3)
        assert (found - expected).abs().max() <= 1.01 / 255 / min(spec.std), (height, width)


def test_a_map_goes_back_to_the_columns_that_the_processor_took(transformer_folder: Folder) -> None:
    """A ramp resized linearly stays one: each pixel of the processor holds the source column that it came from."""
    vivit = transformer_folder("vivit")
    made = importlib.import_module("transformers").AutoImageProcessor.from_pretrained(vivit)
    spec = load_model(f"transformers:{vivit}").card.clip_spec
    columns = np.arange(249, dtype=np.uint8)
    ramp = np.broadcast_to(columns[None, None, :, None], (FRAMES, 150, 249, 3))
    shown = torch.as_tensor(next(iter(made(list(ramp), return_tensors="pt").values()))[0])[0, 0, 0]
    black, white = (-spec.mean[0] / spec.std[0], (1 - spec.mean[0]) / spec.std[0])
    came_from = 255 * (shown - black) / (white - black)
    crop = _crop(150, 249, spec)
    step = 249 / crop.width
    torch.testing.assert_close(came_from, step * (crop.left + torch.arange(SIDE) + 0.5) - 0.5, rtol=0, atol=0.6)


def test_weights_lie_in_memory_and_not_in_the_file(model: VideoModel) -> None:
    """Where a file's bytes lie at odd addresses a copy elsewhere, as an actor's, rounds otherwise."""
    assert {weight.data_ptr() % 64 for weight in model.module.state_dict().values() if weight.numel()} == {0}


def test_the_untapped_logits_and_the_module_are_handed_back(model: VideoModel, clips: Tensor) -> None:
    with torch.no_grad():
        expected = by_transformers(model, clips)
    layers = [layer.name for layer in model.layers()]
    with tap(model, layers) as tapped:  # torch may add up in another order where there are gradients
        torch.testing.assert_close(tapped(clips).detach(), expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(model(clips), expected, rtol=1e-6, atol=1e-6)
    assert not any(part._forward_hooks for part in model.module.modules())
    assert all(parameter.requires_grad for parameter in model.module.parameters())


def test_gradients_are_those_of_autograd_by_hand(model: VideoModel, clips: Tensor) -> None:
    """The layer's output is put back as a leaf of its own, and the rest of transformers' network differentiated."""
    layers = model.card.default_layers
    found = gradients(model, clips, layers, [1])
    for layer in layers:
        leaves: list[Tensor] = []

        def as_leaf(_module: nn.Module, _inputs: Any, output: Any, leaves: list[Tensor] = leaves) -> Any:
            whole = isinstance(output, Tensor)
            leaves.append((output if whole else output[0]).detach().requires_grad_())
            return leaves[0] if whole else (leaves[0], *output[1:])

        hook = model.layer(layer).register_forward_hook(as_leaf)
        score = by_transformers(model, clips)[:, 1].sum()
        hook.remove()
        (expected,) = torch.autograd.grad(score, leaves[0])
        leaf = leaves[0].detach()
        apart = len(leaf) != len(clips)  # frames or places of a clip in rows of their own, which one row then holds
        rows = [(model.fold(layer, each) if apart else each).flatten(1) for each in (leaf, expected)]
        torch.testing.assert_close(found.activations[layer], rows[0])
        torch.testing.assert_close(found.gradients[1][layer], rows[1])
        assert expected.abs().max() > 0


def mute_attention(module: nn.Module) -> None:
    """Attention adds nothing, so that every token stays what its own patch made it."""
    for name, part in module.named_modules():
        if isinstance(part, nn.Linear) and name.endswith(("attention.output.dense", "attention.proj", "out_proj")):
            nn.init.zeros_(part.weight)
        if isinstance(part, nn.Linear) and name.endswith(("attention.o_proj", "temporal_dense")):
            nn.init.zeros_(part.weight)


def changed(model: VideoModel, layers: list[str], place: tuple[int, int, int], *, tubelet: int) -> dict[str, Tensor]:
    """How much each place of the folded layers moves, `t h w`, when one patch of a blank clip lights up."""
    t, h, w = place
    noise = torch.randn(3, tubelet, PATCH, PATCH, generator=torch.Generator().manual_seed(1))
    hot = torch.zeros(1, 3, FRAMES, SIDE, SIDE)
    time, rows = slice(t * tubelet, (t + 1) * tubelet), slice(PATCH * h, PATCH * (h + 1))
    hot[0, :, time, rows, PATCH * w : PATCH * (w + 1)] = noise
    folded = []
    for clip in (torch.zeros_like(hot), hot):
        with tap(model, layers) as tapped, torch.no_grad():
            tapped(clip)
        folded.append({layer: model.fold(layer, output) for layer, output in tapped.activations.items()})
    return {layer: (folded[1][layer] - folded[0][layer]).abs().sum(dim=(0, 1)) for layer in layers}


def test_a_hot_patch_stays_in_its_place_at_every_layer(model: VideoModel, family: str) -> None:
    mute_attention(model.module)
    tubelet = 1 if family.startswith(("timesformer", "videoprism")) else 2
    grid = (FRAMES // tubelet, SIDE // PATCH, SIDE // PATCH)
    layers = [layer.name for layer in model.layers() if layer.layout not in ("", "b c")]
    assert set(model.card.default_layers) < set(layers)
    for layer, moved in changed(model, layers, (1, 2, 3), tubelet=tubelet).items():
        assert moved.shape == grid
        muted = ("attention" in layer and "norm" not in layer) or "temporal_dense" in layer
        if not muted or layer.endswith("qkv"):
            assert (moved > 1e-5 * moved.max()).nonzero().tolist() == [[1, 2, 3]], layer


def test_with_attention_the_hot_patch_still_moves_its_own_place_most(model: VideoModel, family: str) -> None:
    tubelet = 1 if family.startswith(("timesformer", "videoprism")) else 2
    first = model.card.default_layers[0]
    for place in ((1, 2, 3), (0, 3, 0), (1, 0, 2)):
        moved = changed(model, [first], place, tubelet=tubelet)[first]
        assert np.unravel_index(int(moved.argmax()), moved.shape) == place


def test_exactly_the_layers_without_anything_nonlinear_behind_them_are_degenerate(
    model: VideoModel, clips: Tensor
) -> None:
    """method.md 4.6: their gradient is the same for every clip, that of every other layer is not."""
    flagged = {layer.name for layer in model.layers() if layer.degenerate} - {"classifier"}
    layers = [layer.name for layer in model.layers() if layer.name != "classifier"]  # its gradient is the class itself
    with tap(model, layers) as tapped:
        score = tapped(clips)[:, 1].sum()
        # Some layers have none: nothing hangs on the tokens that a class token leaves behind.
        slopes = torch.autograd.grad(score, list(tapped._probes.values()), allow_unused=True)
    found = set()
    for layer, slope in zip(tapped._outputs, slopes, strict=True):
        if slope is not None and slope.any():
            one, other = slope.reshape(2, -1)
            if torch.allclose(one, other, rtol=1e-4, atol=1e-9):
                found.add(layer)
    assert found == flagged != set()


def test_maps_and_features_of_the_default_layers(model: VideoModel, clips: Tensor) -> None:
    layers = model.card.default_layers
    maps, _ = layer_maps(model, clips, layers=layers, classes=[0, 1])
    assert maps.shape == (len(layers), 2, 2, FRAMES, SIDE, SIDE)
    assert all(maps[position].max() > 0 for position in range(len(layers)))
    rows = features(model, clips, layers, pooling="space")
    assert all(row.shape[0] == 2 for row in rows.values())


def test_a_layer_that_sees_frames_apart_still_gives_one_row_a_clip(transformer_folder: Folder, clips: Tensor) -> None:
    model = load_model(f"transformers:{transformer_folder('timesformer')}")
    layer = "timesformer.embeddings.patch_embeddings.projection"
    rows = features(model, clips, [layer])[layer]
    alone = features(model, clips[1:], [layer])[layer]
    torch.testing.assert_close(rows[1:], alone)
    assert rows.shape == (2, 24 * FRAMES * 16)


def test_random_weights_are_the_same_at_each_call(transformer_folder: Folder) -> None:
    name = f"transformers:{transformer_folder('videomae')}"
    first, second = load_model(name, weights="random"), load_model(name, weights="random")
    assert first.card.weights_sha256 == second.card.weights_sha256 != load_model(name).card.weights_sha256
    assert first.card.weights == "random"


def edited(folder: Path, target: Path, file: str, **changes: Any) -> str:
    shutil.copytree(folder, target)
    path = target / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return f"transformers:{target}"


def test_heads_of_one_output_and_of_many_labels_have_sigmoids(transformer_folder: Folder, tmp_path: Path) -> None:
    """One output is no softmax over one class, whose probability would be 1; labels that go together are not shares."""
    videomae = transformer_folder("videomae")
    clip = torch.randn(2, 3, FRAMES, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    one = edited(videomae, tmp_path / "one", "config.json", id2label={"0": "swing"}, label2id={"swing": 0})
    with pytest.warns(VideotcavWarning, match="one output a clip: it speaks for “swing”"):
        model = load_model(one, weights="random")
    assert model.card.classes == ("not swing", "swing")
    assert model.card.weights == "random"
    torch.testing.assert_close(model.probabilities(model(clip))[:, 1], by_transformers(model, clip)[:, 0].sigmoid())
    many = edited(videomae, tmp_path / "many", "config.json", problem_type="multi_label_classification")
    model = load_model(many)
    torch.testing.assert_close(model.probabilities(model(clip)), by_transformers(model, clip).sigmoid())


def test_classes_of_one_name_are_told_apart(transformer_folder: Folder, tmp_path: Path) -> None:
    labels = {str(index): name for index, name in enumerate(("swing", "other", "spin", "other", "rest"))}
    twice = edited(transformer_folder("videomae"), tmp_path / "twice", "config.json", id2label=labels)
    assert load_model(twice).card.classes == ("swing", "other (1)", "spin", "other (3)", "rest")


def test_what_cannot_be_a_classifier_says_so(
    transformer_folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    videomae, timesformer = transformer_folder("videomae"), transformer_folder("timesformer")
    with pytest.raises(ModelError, match=r"transformers:\./nowhere: there is no such folder"):
        load_model("transformers:./nowhere")
    with pytest.raises(ModelError, match=r"safetensors: is a file, and which network .* config\.json: name the folder"):
        load_model(f"transformers:{videomae / 'model.safetensors'}")
    (tmp_path / "none").mkdir()
    with pytest.raises(ModelError, match=r"none: has no config\.json, which names the network"):
        load_model(f"transformers:{tmp_path / 'none'}")
    with pytest.raises(ModelError, match=r"is a vit, no video classifier; transformers has .*videomae"):
        load_model(edited(videomae, tmp_path / "vit", "config.json", model_type="vit"))
    with pytest.raises(ModelError, match="one score a frame"):
        load_model(edited(timesformer, tmp_path / "frames", "config.json", attention_type="space_only"))
    crop = {"crop_size": {"height": 16, "width": 16}}
    with pytest.raises(ModelError, match=r"gives 16 × 16 pixels, the model takes 32 × 32"):
        load_model(edited(videomae, tmp_path / "crop", "preprocessor_config.json", **crop))
    bare = tmp_path / "bare"
    shutil.copytree(videomae, bare, ignore=shutil.ignore_patterns("preprocessor_config.json"))
    with pytest.raises(ModelError, match=r"has no preprocessor_config.json"):
        load_model(f"transformers:{bare}")
    (bare / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(ModelError, match="its weights cannot be read"):
        load_model(f"transformers:{bare}")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match=r"cannot be fetched from the Hugging Face hub.*transformers:\./folder"):
        load_model("transformers:nobody/no-such-model-here")


def test_every_classifier_that_transformers_maps_is_a_family_here(transformer_folder: Folder) -> None:
    """A new one in its table fails here until it is described, and proved by the tests of this file."""
    import_torchvision()  # which transformers needs in order
    configs = [json.loads((transformer_folder(family) / "config.json").read_text()) for family in FAMILIES]
    mapped = set(from_transformers._known(importlib.import_module("transformers")))
    assert mapped == {config["model_type"] for config in configs} <= transformers_families.FAMILIES.keys()


@pytest.mark.skipif(not HAS_VIDEOPRISM, reason="this transformers is older than VideoPrism")
def test_a_rate_that_nobody_states_is_asked_for(transformer_folder: Folder, tmp_path: Path) -> None:
    name = edited(transformer_folder("videoprism"), tmp_path / "own", "video_preprocessor_config.json", fps=None)
    with pytest.raises(ModelError, match=r'own: nobody knows how far .* as "fps" into the JSON of its processor'):
        load_model(name)
    assert (
        load_model(
            edited(transformer_folder("videoprism"), tmp_path / "slow", "video_preprocessor_config.json", fps=4)
        ).card.clip_spec.seconds_between_frames
        == 0.25
    )


def test_a_family_that_nobody_described_is_not_guessed(transformer_folder: Folder, clips: Tensor) -> None:
    model = load_model(f"transformers:{transformer_folder('videomae')}")
    card = from_transformers.card_for(
        "new",
        type(model.module.config)(model_type="new", num_labels=5),
        clip_spec=model.card.clip_spec,
        weights="random",
    )
    assert (card.grids, card.default_layers) == ({"*": (8, 14, 14)}, ()) or not card.default_layers
    with pytest.raises(LayoutError, match="layout is not known"):
        VideoModel(model.module, card).fold("videomae.encoder.layer.0", torch.zeros(1, 32, 24))


def test_without_the_extra_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = importlib.import_module

    def without(name: str) -> object:
        if name == "transformers":
            raise ModuleNotFoundError(name)
        return genuine(name)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(MissingExtra, match=r'needs transformers: pip install "videotcav\[hub\]"'):
        load_model("transformers:./folder")
