"""torchvision's models: its own numbers, weights of the published form, checkpoints that fit and that do not."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from torch import Tensor

from videotcav.compat.torchvision import import_torchvision
from videotcav.errors import ModelError, VideotcavWarning
from videotcav.models import checkpoint, from_torchvision
from videotcav.models.load import load_model
from videotcav.models.model import VideoModel
from videotcav.records import ClipSpec

ARCHITECTURE = {
    "patch_size": [2, 4, 4],
    "embed_dim": 12,
    "depths": [1, 2, 1],
    "num_heads": [1, 2, 4],
    "window_size": [2, 2, 2],
    "num_classes": 5,
}


@pytest.mark.parametrize("name", from_torchvision.names())
def test_the_input_is_that_of_the_published_weights(name: str) -> None:
    """Oracles: the weights' own transform on a clip of noise, and what their documentation says of the sampling."""
    module = from_torchvision._skeleton(name)
    entry = import_torchvision("torchvision.models").get_model_weights(name).DEFAULT
    spec = from_torchvision._clip_spec(name, module)
    said = re.search(r"frame_rate=([\d.]+).*clip_len=(\d+)", entry.meta["_docs"])
    assert said is not None
    assert spec.frames == int(said[2])
    assert spec.seconds_between_frames == pytest.approx(1 / float(said[1]))
    functional = import_torchvision("torchvision.transforms.functional")
    frames = torch.randint(0, 256, (1, 3, 150, 201), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    resized = functional.resize(frames, spec.resize, antialias=False)
    cropped = functional.center_crop(resized, [spec.height, spec.width]) / 255
    mean, std = (torch.tensor(numbers)[:, None, None] for numbers in (spec.mean, spec.std))
    torch.testing.assert_close(entry.transforms()(frames)[:, 0], (cropped[0] - mean) / std)


@pytest.mark.parametrize("name", from_torchvision.names())
def test_default_layers_and_layouts_name_what_is_there(name: str) -> None:
    module = from_torchvision._skeleton(name)
    spec = from_torchvision._clip_spec(name, module)
    card = from_torchvision.card_for(name, module, clip_spec=spec, classes=("a",), weights="random")
    model = VideoModel(module, card)
    assert len(card.default_layers) >= 3
    for layer in (*card.default_layers, *card.grids):
        model.layer(layer)
        assert model.layout_of(layer)


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Tensor]:
    """A state dict of the form of s3d's KINETICS400_V1, where torch keeps what it has downloaded."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    torchvision = import_torchvision("torchvision.models.video")
    state = torchvision.s3d(weights=None).state_dict()
    cache = tmp_path / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    torch.save(state, cache / Path(torchvision.S3D_Weights.KINETICS400_V1.url).name)
    return state


def test_kinetics_weights_are_loaded_by_name_or_by_path(tmp_path: Path, published: dict[str, Tensor]) -> None:
    by_name = load_model("torchvision:s3d", weights="KINETICS400_V1")
    (path,) = (tmp_path / "hub" / "checkpoints").iterdir()
    by_path = load_model("torchvision:s3d", weights=path)
    for model in (by_name, by_path):
        assert all(torch.equal(tensor, published[key]) for key, tensor in model.module.state_dict().items())
        assert model.card.classes[model.class_index("playing tennis")] == "playing tennis"
        assert len(model.card.classes) == 400
    assert by_name.card.weights == "KINETICS400_V1"
    assert by_path.card.weights == path.name
    assert by_name.card.weights_sha256 == by_path.card.weights_sha256


def test_without_a_network_the_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "urlopen", unreachable)
    says = r"S3D_Weights\.KINETICS400_V1 cannot be fetched .*no route to host.*download https://.*s3d.*give its path"
    with pytest.raises(ModelError, match=says):
        load_model("torchvision:s3d", weights="KINETICS400_V1")


def test_a_checkpoint_of_another_architecture_is_recognised(tmp_path: Path, published: dict[str, Tensor]) -> None:
    path = tmp_path / "strokes.pth"
    torch.save({"state_dict": {f"module.{key}": tensor for key, tensor in published.items()}}, path)
    says = (
        r"strokes\.pth: does not fit torchvision:r3d_18: missing: 'stem\.0\.weight'.*and \d+ more; "
        r"unexpected: 'module\.features\.0\.0\.0\.weight'.*It looks like torchvision:s3d"
    )
    with pytest.raises(ModelError, match=says):
        load_model("torchvision:r3d_18", weights=path)


def test_a_trainers_file_of_any_ending_is_looked_into(tmp_path: Path, published: dict[str, Tensor]) -> None:
    """Its classes too: the head is where the rest is."""
    head = {key: published[key][:3] for key in ("classifier.1.weight", "classifier.1.bias")}
    state = {f"model.{key}": tensor for key, tensor in (published | head).items()}
    torch.save({"model_state": state, "epoch": 7}, tmp_path / "checkpoint_epoch_00007.pyth")
    for file in ("checkpoint_epoch_00007.pyth", "last"):
        (tmp_path / "checkpoint_epoch_00007.pyth").rename(tmp_path / file)
        model = load_model("torchvision:s3d", weights=tmp_path / file)
        assert len(model.card.classes) == 3
        assert model.card.weights == f"{file}#model_state.model"
        assert all(torch.equal(tensor, state[f"model.{key}"]) for key, tensor in model.module.state_dict().items())
        (tmp_path / file).rename(tmp_path / "checkpoint_epoch_00007.pyth")


def test_a_network_without_its_head_is_said_to_be_that(tmp_path: Path, published: dict[str, Tensor]) -> None:
    torch.save({key: tensor for key, tensor in published.items() if "classifier" not in key}, tmp_path / "net.pth")
    says = r"missing: 'classifier\.1\.weight', 'classifier\.1\.bias'\. All else is that network's$"
    with pytest.raises(ModelError, match=says):
        load_model("torchvision:s3d", weights=tmp_path / "net.pth")


def test_of_two_heads_the_user_says_which(tmp_path: Path, published: dict[str, Tensor]) -> None:
    head = {key: published[key][:3] for key in ("classifier.1.weight", "classifier.1.bias")}
    torch.save({"pretrained": published, "tuned": published | head}, tmp_path / "net.pth")
    with pytest.raises(ModelError, match="several sets of weights that fit: 'pretrained', 'tuned'"):
        load_model("torchvision:s3d", weights=tmp_path / "net.pth")
    assert len(load_model("torchvision:s3d", weights=f"{tmp_path / 'net.pth'}#tuned").card.classes) == 3
    # Of another network, what it looks like is said nevertheless.
    with pytest.raises(ModelError, match=r"does not fit torchvision:r3d_18: .*It looks like torchvision:s3d"):
        load_model("torchvision:r3d_18", weights=tmp_path / "net.pth")


def test_the_number_of_classes_is_read_from_the_head(tmp_path: Path, published: dict[str, Tensor]) -> None:
    head = {key: published[key][:3] for key in ("classifier.1.weight", "classifier.1.bias")}
    torch.save(published | head, tmp_path / "three.pth")
    assert load_model("torchvision:s3d", weights=tmp_path / "three.pth").card.classes == (
        "class 0",
        "class 1",
        "class 2",
    )
    (tmp_path / "classes.txt").write_text("serve\nsmash\nslice\n")
    assert load_model("torchvision:s3d", weights=tmp_path / "three.pth").card.classes == ("serve", "smash", "slice")
    (tmp_path / "classes.txt").write_text("serve\nsmash\n")
    with pytest.raises(ModelError, match="2 classes are named but the model has 3 outputs"):
        load_model("torchvision:s3d", weights=tmp_path / "three.pth")


def test_a_swin_of_its_own_size_comes_back_as_it_was_saved(tmp_path: Path, swin: VideoModel, pixels: Tensor) -> None:
    path = tmp_path / "strokes.safetensors"
    card = swin.card
    checkpoint.save(path, swin.module, classes=card.classes, clip_spec=card.clip_spec, architecture=ARCHITECTURE)
    loaded = load_model("torchvision:swin3d", weights=path)
    assert torch.equal(loaded(pixels), swin(pixels))
    assert loaded.card.classes == card.classes
    assert loaded.card.clip_spec == card.clip_spec
    assert loaded.card.default_layers == ("features.0", "features.2", "features.4")
    assert loaded.card.weights_sha256 == checkpoint.fingerprint(swin.module)
    with pytest.raises(ModelError, match=r"does not fit torchvision:swin3d_t: .*name the model torchvision:swin3d$"):
        load_model("torchvision:swin3d_t", weights=path)


def test_a_head_of_one_output_is_a_sigmoid(tmp_path: Path, pixels: Tensor) -> None:
    path, architecture = tmp_path / "one.safetensors", ARCHITECTURE | {"num_classes": 1}
    module = import_torchvision("torchvision.models.video").SwinTransformer3d(**architecture)
    spec = ClipSpec(frames=8, seconds_between_frames=0.1, height=32, width=32, resize=32)
    checkpoint.save(path, module, classes=("swing",), clip_spec=spec, architecture=architecture)
    with pytest.warns(VideotcavWarning, match="its negative for “not swing”"):
        loaded = load_model("torchvision:swin3d", weights=path)
    expected = module.eval()(pixels)[:, 0].sigmoid()
    torch.testing.assert_close(loaded.probabilities(loaded(pixels))[:, 1], expected)


def test_a_swin_of_unknown_size_is_refused(tmp_path: Path, swin: VideoModel) -> None:
    path = tmp_path / "net.safetensors"
    known = {"classes": swin.card.classes, "clip_spec": swin.card.clip_spec}
    with pytest.raises(ModelError, match="give weights"):
        load_model("torchvision:swin3d")
    checkpoint.save(path, swin.module, **known)
    with pytest.raises(ModelError, match=r"net\.safetensors: its metadata must state 'architecture'"):
        load_model("torchvision:swin3d", weights=path)
    with pytest.raises(ModelError, match=r"Its keys are like those of torchvision:swin3d_t, but of other sizes"):
        load_model("torchvision:swin3d_t", weights=path)
    checkpoint.save(path, swin.module, architecture={"width": 3}, **known)
    with pytest.raises(ModelError, match=r"net\.safetensors: its architecture is not one of a SwinTransformer3d"):
        load_model("torchvision:swin3d", weights=path)
    checkpoint.save(path, swin.module, architecture=ARCHITECTURE | {"embed_dim": 24}, **known)
    with pytest.raises(
        ModelError, match=r"does not fit torchvision:swin3d: of another shape: 'patch_embed\.proj\.weight'"
    ):
        load_model("torchvision:swin3d", weights=path)


def test_random_weights_are_the_same_each_time_and_disturb_no_generator() -> None:
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    first, second = (load_model("torchvision:s3d") for _ in range(2))
    assert torch.equal(torch.rand(3), expected)
    assert first.card.weights == "random"
    assert first.card.weights_sha256 == second.card.weights_sha256 == checkpoint.fingerprint(second.module)


@pytest.mark.parametrize(
    ("name", "weights", "says"),
    [
        ("swin3dt", None, "torchvision has no video model 'swin3dt'; closest: 'swin3d_t'.* It has .*r3d_18"),
        ("s3d", "KINETICS", r"'KINETICS' is neither weights of torchvision's s3d \(KINETICS400_V1\) nor a checkpoint"),
        ("s3d", "absent.pth", "absent.pth: there is no such checkpoint file"),
        ("s3d", "absent/weights", "absent/weights: there is no such checkpoint file"),
    ],
)
def test_wrong_names_are_told_the_right_ones(name: str, weights: str | None, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        load_model(f"torchvision:{name}", weights=weights)
