"""Class activation maps against other libraries, against plain loops, and where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from torch import Tensor

from videotcav.errors import VideotcavError
from videotcav.explain.saliency.cam import (
    METHODS,
    eigen_cam,
    grad_cam,
    grad_cam_plus_plus,
    hires_cam,
    layer_cam,
    method_of,
    normalise,
    temporal_profile,
    upsample,
)
from videotcav.models.load import load_model
from videotcav.models.model import VideoModel
from videotcav.models.passes import Passes, volumes

torchcam = pytest.importorskip("torchcam.methods", reason="torch-cam (dev extra) is not installed")

LAYERS = ("layer1", "layer2", "layer3")
CLASS = 7


@pytest.fixture(scope="module")
def resnet() -> VideoModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = load_model("torchvision:r3d_18")
    model.module.eval()
    return model


@pytest.fixture(scope="module")
def clips() -> Tensor:
    return torch.randn(2, 3, 8, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def passed(resnet: VideoModel, clips: Tensor) -> Passes:
    return volumes(resnet, clips, LAYERS, [CLASS])


@pytest.mark.parametrize("layer", LAYERS)
def test_grad_cam_is_captums(resnet: VideoModel, clips: Tensor, passed: Passes, layer: str) -> None:
    oracle = LayerGradCam(resnet.module, resnet.layer(layer)).attribute(clips, CLASS, relu_attributions=True)
    ours = grad_cam(passed.activations[layer], passed.gradients[CLASS][layer])
    assert_same_map(ours, oracle.squeeze(1).detach())


@pytest.mark.parametrize("name", ["GradCAM", "LayerCAM"])
def test_all_layers_are_torch_cams(resnet: VideoModel, clips: Tensor, passed: Passes, name: str) -> None:
    method = {"GradCAM": grad_cam, "LayerCAM": layer_cam}[name]
    with getattr(torchcam, name)(resnet.module, list(LAYERS)) as oracle:
        found = oracle(CLASS, resnet.module(clips), normalized=False)
    for layer, theirs in zip(LAYERS, found, strict=True):
        assert_same_map(method(passed.activations[layer], passed.gradients[CLASS][layer]), theirs.detach())


@pytest.mark.parametrize("name", ["GradCAM", "GradCAMPlusPlus", "HiResCAM", "LayerCAM"])
def test_every_method_is_grad_cams(passed: Passes, name: str) -> None:
    """Their map before it is scaled and resized. Their Grad-CAM++ adds 1e-6 below the line: gradients are enlarged."""
    library = pytest.importorskip("pytorch_grad_cam", reason="grad-cam (peers extra) is not installed")
    ours = {
        "GradCAM": grad_cam,
        "GradCAMPlusPlus": grad_cam_plus_plus,
        "HiResCAM": hires_cam,
        "LayerCAM": layer_cam,
    }[name]
    activation, gradient = passed.activations["layer2"], passed.gradients[CLASS]["layer2"] * 1e6
    oracle = getattr(library, name)(torch.nn.Linear(1, 1), [])
    theirs = oracle.get_cam_image(None, None, None, activation.numpy(), gradient.numpy(), eigen_smooth=False)
    assert_same_map(ours(activation, gradient), torch.from_numpy(theirs).relu())


def assert_same_map(ours: Tensor, theirs: Tensor) -> None:
    assert ours.shape == theirs.shape
    assert ours.max() > 0
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5 * float(theirs.max()))


@pytest.fixture
def pair() -> tuple[Tensor, Tensor]:
    """An activation and a gradient: 2 clips, 3 channels, 2 × 3 × 4 positions."""
    activation, gradient = torch.randn(
        2, 2, 3, 2, 3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    return activation, gradient


@pytest.mark.parametrize("weights", ["clip", "frame"])
def test_grad_cam_equals_a_plain_loop(pair: tuple[Tensor, Tensor], weights: str) -> None:
    activation, gradient = pair
    found = grad_cam(activation, gradient, weights=weights)
    for clip, t, h, w in np.ndindex(2, 2, 3, 4):
        steps = slice(None) if weights == "clip" else slice(t, t + 1)
        terms = [
            float(gradient[clip, channel, steps].mean()) * float(activation[clip, channel, t, h, w])
            for channel in range(3)
        ]
        assert float(found[clip, t, h, w]) == pytest.approx(max(0.0, sum(terms)), abs=1e-12)


@pytest.mark.parametrize("weights", ["clip", "frame"])
def test_grad_cam_plus_plus_equals_its_equation(pair: tuple[Tensor, Tensor], weights: str) -> None:
    """Equation 19 of the paper, as it is printed, for activations that are not negative."""
    activation, gradient = pair[0].abs(), pair[1]
    found = grad_cam_plus_plus(activation, gradient, weights=weights)
    for clip, t in np.ndindex(2, 2):
        steps = range(2) if weights == "clip" else range(t, t + 1)
        total = torch.zeros(3, 4, dtype=torch.float64)
        for channel in range(3):
            A, g = activation[clip, channel], gradient[clip, channel]
            weight = 0.0
            for s in steps:
                for h, w in np.ndindex(3, 4):
                    below = 2 * g[s, h, w] ** 2 + A[list(steps)].sum() * g[s, h, w] ** 3
                    weight += float(g[s, h, w] ** 2 / below) * max(0.0, float(g[s, h, w]))
            total += weight * A[t]
        torch.testing.assert_close(found[clip, t], total.relu())


def test_weights_of_one_time_step_are_the_same_over_clip_and_frame(pair: tuple[Tensor, Tensor]) -> None:
    activation, gradient = (tensor[:, :, :1] for tensor in pair)
    for method in METHODS.values():
        one = method.map(activation, gradient, weights="frame" if method.pools else "clip")
        torch.testing.assert_close(one, method.map(activation, gradient, weights="clip"))


def test_a_linear_model_has_a_known_map() -> None:
    """For f = mean over positions of Σ_c u_c A_c every gradient method gives ReLU(Σ_c u_c A_c) / positions.

    LayerCAM keeps what has a positive gradient only; Grad-CAM++ is another weight.
    """
    activation = torch.randn(1, 3, 2, 4, 4, generator=torch.Generator().manual_seed(2))
    direction = torch.tensor([1.0, -2.0, 0.5])
    gradient = (direction / 32)[None, :, None, None, None].expand_as(activation)
    expected = torch.einsum("c,bcthw->bthw", direction, activation).relu() / 32
    torch.testing.assert_close(grad_cam(activation, gradient), expected)
    torch.testing.assert_close(grad_cam(activation, gradient, weights="frame"), expected)
    torch.testing.assert_close(hires_cam(activation, gradient), expected)
    kept = torch.einsum("c,bcthw->bthw", direction.relu(), activation).relu() / 32
    torch.testing.assert_close(layer_cam(activation, gradient), kept)


@pytest.mark.parametrize("weights", ["clip", "frame"])
def test_eigen_cam_finds_the_direction_that_a_rank_one_layer_has(weights: str) -> None:
    """An activation of one pattern in one direction: the map is that pattern, times the direction's length."""
    generator = torch.Generator().manual_seed(3)
    pattern = torch.rand(2, 3, 4, 5, generator=generator)
    direction = torch.tensor([3.0, 0.0, -4.0])
    activation = torch.einsum("bthw,c->bcthw", pattern, direction)
    torch.testing.assert_close(eigen_cam(activation, weights=weights), 5 * pattern)


def test_eigen_cam_is_numpys_svd(pair: tuple[Tensor, Tensor]) -> None:
    activation = pair[0]
    found = eigen_cam(activation)
    for clip in range(2):
        rows = activation[clip].numpy().reshape(3, -1).T
        projection = rows @ np.linalg.svd(rows)[2][0]
        expected = np.maximum(projection * np.sign(projection.sum()), 0).reshape(2, 3, 4)
        np.testing.assert_allclose(found[clip].numpy(), expected, atol=1e-12)


def test_gradients_too_small_to_be_squared_still_weigh() -> None:
    """Grad-CAM++ with g of 1e-25: its weight is g / 2, where g² would be 0 in float32."""
    activation = torch.ones(1, 1, 1, 1, 2)
    gradient = torch.full_like(activation, 1e-25)
    torch.testing.assert_close(
        grad_cam_plus_plus(activation, gradient), torch.full((1, 1, 1, 2), 1e-25), rtol=1e-5, atol=0
    )


@pytest.mark.parametrize(
    ("name", "weights", "says"),
    [
        ("gradcam", "clip", "no method 'gradcam'; closest: 'grad-cam'"),
        ("layercam", "frame", "layercam weighs each position by itself"),
        ("grad-cam", "video", "'clip' or 'frame', not 'video'"),
    ],
)
def test_what_is_no_method_is_told(name: str, weights: str, says: str) -> None:
    with pytest.raises(VideotcavError, match=says):
        method_of(name, weights=weights)


def test_upsampling_keeps_a_ramp_a_ramp() -> None:
    """Twice as many samples of a straight line lie on that line, away from the ends: linear in time as in space."""
    ramp = torch.arange(4.0)
    for axis in (1, 2, 3):
        shape = [1, 1, 1, 1]
        shape[axis] = 4
        cam = ramp.reshape(shape).expand(1, 4, 4, 4)
        larger = upsample(cam, frames=8, height=8, width=8)
        assert larger.shape == (1, 8, 8, 8)
        line = larger.movedim(axis, -1)[0, 3, 3]
        torch.testing.assert_close(line[1:-1], torch.arange(6) * 0.5 + 0.25)


def test_one_scale_for_the_whole_clip() -> None:
    cam = torch.tensor([[[[0.0, 2.0]], [[1.0, 4.0]]], [[[0.0, 0.0]], [[0.0, 0.0]]]])
    expected = torch.tensor([[[[0.0, 0.5]], [[0.25, 1.0]]], [[[0.0, 0.0]], [[0.0, 0.0]]]])
    assert torch.equal(normalise(cam), expected)


def test_a_profile_is_the_share_of_each_moment() -> None:
    cam = torch.tensor([[[[0.0, 2.0]], [[1.0, 5.0]]], [[[0.0, 0.0]], [[0.0, 0.0]]]])
    assert torch.equal(temporal_profile(cam), torch.tensor([[0.25, 0.75], [0.0, 0.0]]))
