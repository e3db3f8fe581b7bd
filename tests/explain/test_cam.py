"""Grad-CAM against captum, against a plain loop, and where its answer is known."""

from __future__ import annotations

import pytest
import torch
from captum.attr import LayerGradCam

from videotcav.explain.cam import grad_cam, normalise, upsample
from videotcav.models.load import load_model
from videotcav.models.passes import volumes


def test_equals_captum_on_a_3d_cnn() -> None:
    model = load_model("torchvision:r3d_18")
    model.module.eval()
    clips = torch.randn(2, 3, 8, 32, 32, generator=torch.Generator().manual_seed(0))
    layers = ("layer1", "layer2", "layer3")
    found = volumes(model, clips, layers, [7])
    for layer in layers:
        oracle = LayerGradCam(model.module, model.layer(layer)).attribute(clips, 7, relu_attributions=True)
        ours = grad_cam(found.activations[layer], found.gradients[7][layer])
        torch.testing.assert_close(ours, oracle.squeeze(1).detach(), rtol=1e-5, atol=1e-5 * oracle.max().item())
        assert ours.max() > 0


def test_equals_a_plain_loop() -> None:
    generator = torch.Generator().manual_seed(1)
    activation, gradient = torch.randn(2, 2, 3, 2, 3, 4, generator=generator)
    found = grad_cam(activation, gradient)
    assert found.shape == (2, 2, 3, 4)
    for clip in range(2):
        weights = [float(gradient[clip, channel].mean()) for channel in range(3)]
        for t in range(2):
            for h in range(3):
                for w in range(4):
                    value = sum(weights[channel] * float(activation[clip, channel, t, h, w]) for channel in range(3))
                    assert float(found[clip, t, h, w]) == pytest.approx(max(0.0, value), abs=1e-6)


def test_a_linear_model_has_a_known_map() -> None:
    """For f = mean over positions of Σ_c u_c A_c the map is ReLU(Σ_c u_c A_c) / positions."""
    activation = torch.randn(1, 3, 2, 4, 4, generator=torch.Generator().manual_seed(2))
    direction = torch.tensor([1.0, -2.0, 0.5])
    gradient = (direction / 32)[None, :, None, None, None].expand_as(activation)
    expected = torch.einsum("c,bcthw->bthw", direction, activation).relu() / 32
    torch.testing.assert_close(grad_cam(activation, gradient), expected)


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
