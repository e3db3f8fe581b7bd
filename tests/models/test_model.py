"""Names of layers and classes, and which layers are degenerate."""

from __future__ import annotations

import pytest
import torch

from videotcav.compat.torchvision import import_torchvision
from videotcav.errors import ClassNotFound, LayerNotFound
from videotcav.models.from_torchvision import card_for
from videotcav.models.load import load_model
from videotcav.models.model import VideoModel
from videotcav.models.passes import gradients
from videotcav.records import ClipSpec

DEGENERATE = 0.999  # method.md 4.6


@pytest.mark.parametrize(("asked", "index"), [("spin", 3), (3, 3), ("3", 3), ("swing", 0)])
def test_a_class_is_found_by_name_or_index(swin: VideoModel, asked: str | int, index: int) -> None:
    assert swin.class_index(asked) == index


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("swingg", "no class 'swingg' among the 5 of swin3d; closest: 'swing'"),
        ("zzz", "no class 'zzz' .*closest: 'swing', 'slide', 'bounce' …"),
        (5, "no class 5 in swin3d; its 5 classes count from 0"),
        (-1, "no class -1"),
    ],
)
def test_an_unknown_class_is_told_the_closest(swin: VideoModel, asked: str | int, says: str) -> None:
    with pytest.raises(ClassNotFound, match=says):
        swin.class_index(asked)


def test_an_unknown_layer_is_told_the_closest(swin: VideoModel) -> None:
    says = r"no layer 'feature.2' in swin3d; closest: 'features.2'.*; `layers\(\"torchvision:swin3d\"\)` lists them"
    with pytest.raises(LayerNotFound, match=says):
        swin.layer("feature.2")
    with pytest.raises(LayerNotFound, match="no layer ''"):
        swin.layer("")


def test_layers_are_listed_with_shape_and_layout(swin: VideoModel) -> None:
    listed = {layer.name: layer for layer in swin.layers()}
    assert listed["patch_embed.proj"].shape == (1, 12, 4, 8, 8)
    assert listed["patch_embed.proj"].layout == "b c t h w"
    assert listed["features.2"].shape == (1, 4, 4, 4, 24)
    assert listed["features.2"].layout == "b t h w c"
    assert listed["features.2"].kind == "Sequential"
    assert listed["head"].shape == (1, 5)
    # Swin uses the weights of this one without calling it.
    assert "features.0.0.attn.qkv" not in listed
    assert swin.module.training
    assert not any(part._forward_hooks for part in swin.module.modules())


@pytest.mark.parametrize("name", ["swin", "mvit"])
def test_every_listed_layout_folds_its_layer(name: str, request: pytest.FixtureRequest) -> None:
    model: VideoModel = request.getfixturevalue(name)
    known = [layer for layer in model.layers() if layer.layout]
    assert {"norm", *model.card.default_layers} <= {layer.name for layer in known}
    for layer in known:
        folded = model.fold(layer.name, torch.zeros(layer.shape))
        assert folded.ndim == 5
        channels = layer.shape[1] if layer.layout in {"b c t h w", "b c"} else layer.shape[-1]
        assert folded.shape[1] == channels


def small_clips(model: VideoModel) -> torch.Tensor:
    spec = model.card.clip_spec
    return torch.randn(2, 3, spec.frames, spec.height, spec.width, generator=torch.Generator().manual_seed(0))


def resnet(name: str) -> VideoModel:
    module = import_torchvision("torchvision.models").get_model(name, weights=None, num_classes=4)
    spec = ClipSpec(frames=8, seconds_between_frames=0.1, height=32, width=32, resize=32)
    return VideoModel(module, card_for(name, module, clip_spec=spec, classes=tuple("abcd"), weights="random"))


def s3d() -> VideoModel:
    """With a mean over whatever is there instead of over 7 × 7 places, which would need 224 × 224 pixels."""
    model = load_model("torchvision:s3d")
    model.module.avgpool = torch.nn.AdaptiveAvgPool3d(1)
    spec = model.card.clip_spec.model_copy(update={"frames": 16, "height": 64, "width": 64})
    return VideoModel(model.module, model.card.model_copy(update={"clip_spec": spec}))


@pytest.mark.parametrize("name", ["swin", "mvit", "r3d_18", "mc3_18", "r2plus1d_18", "s3d"])
def test_degenerate_layers_have_one_gradient_for_all_clips_and_default_layers_have_not(
    name: str, request: pytest.FixtureRequest
) -> None:
    if name in {"swin", "mvit"}:
        model: VideoModel = request.getfixturevalue(name)
    else:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = s3d() if name == "s3d" else resnet(name)
    degenerate = [layer.name for layer in model.layers() if layer.degenerate and not layer.name.endswith(".branch0")]
    assert degenerate
    assert model.card.default_layers
    found = gradients(model, small_clips(model), (*degenerate, *model.card.default_layers), [1])
    for layer, gradient in found.gradients[1].items():
        unit = torch.nn.functional.normalize(gradient.double(), dim=1)
        cosines = (unit @ unit.T)[~torch.eye(2, dtype=torch.bool)]
        assert bool((cosines > DEGENERATE).all()) == (layer in degenerate), (layer, cosines)
