"""How many passes there are, what they give, and what stops them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from videotcav.errors import LayoutError, NumericalError
from videotcav.models.class_score import class_score
from videotcav.models.model import VideoModel
from videotcav.models.passes import features, gradients, logits, volumes
from videotcav.records import ModelCard, Pooling

LAYERS = ("features.0", "features.4")


class CountedSquare(torch.autograd.Function):
    """x² that counts its forward and backward passes."""

    forwards = backwards = 0

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        CountedSquare.forwards += 1
        context.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        CountedSquare.backwards += 1
        (x,) = context.saved_tensors
        return 2 * x * gradient


class Square(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return CountedSquare.apply(x)


def test_one_forward_pass_and_one_backward_pass_a_class_serve_all_layers() -> None:
    net = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), Square(), nn.Linear(6, 5))
    model = VideoModel(net, ModelCard.model_construct(name="net", classes=tuple("abcde"), layouts={"*": "b c"}))
    CountedSquare.forwards = CountedSquare.backwards = 0
    gradients(model, torch.ones(3, 4), ["0", "1", "2"], [0, 2, 4])
    assert (CountedSquare.forwards, CountedSquare.backwards) == (1, 3)
    features(model, torch.ones(3, 4), ["0", "1", "2"])
    assert (CountedSquare.forwards, CountedSquare.backwards) == (2, 3)


@pytest.mark.parametrize(("pooling", "axes"), [("space", (2, 3)), ("time", (1,)), ("all", (1, 2, 3))])
def test_pooled_gradients_of_a_swin_agree_with_autograd(
    swin: VideoModel, pixels: Tensor, pooling: Pooling, axes: tuple[int, ...]
) -> None:
    """By hand on b t h w c: a shift of the pooled activation is the same shift at every pooled position."""
    found = gradients(swin, pixels, ["features.2"], [1], pooling=pooling)
    module: Any = swin.module.eval()
    activation = module.features[:3](module.patch_embed(pixels)).detach()
    shift = torch.zeros([1 if axis in axes else size for axis, size in enumerate(activation.shape)], requires_grad=True)
    rest = module.features[3:](activation + shift)
    (expected,) = torch.autograd.grad(module.head(module.norm(rest).mean(dim=(1, 2, 3)))[:, 1].sum(), shift)
    torch.testing.assert_close(found.gradients[1]["features.2"], expected.movedim(-1, 1).flatten(1))
    means = activation.mean(dim=axes).movedim(-1, 1).flatten(1)
    torch.testing.assert_close(found.activations["features.2"], means)
    torch.testing.assert_close(features(swin, pixels, ["features.2"], pooling=pooling)["features.2"], means)


def test_without_pooling_the_output_is_flattened_as_it_is(mvit: VideoModel) -> None:
    """The class token stays, and no layout is needed."""
    clips = torch.randn(2, 3, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    found = gradients(mvit, clips, ["blocks.0", "blocks.0.attn"], [0])
    assert found.activations["blocks.0"].shape == found.gradients[0]["blocks.0"].shape == (2, (1 + 64) * 8)
    assert found.activations["blocks.0.attn"].shape == (2, 65 * 8)
    pooled = gradients(mvit, clips, ["blocks.0"], [0], pooling="all")
    expected = found.activations["blocks.0"].reshape(2, 65, 8)[:, 1:].mean(dim=1)
    torch.testing.assert_close(pooled.activations["blocks.0"], expected)
    with pytest.raises(LayoutError, match=r"blocks\.0\.attn"):
        gradients(mvit, clips, ["blocks.0.attn"], [0], pooling="all")


def test_the_gradient_of_a_probability_is_that_of_a_softmax(swin: VideoModel, pixels: Tensor) -> None:
    """∂p_k/∂a = p_k (∂f_k/∂a − Σ_j p_j ∂f_j/∂a)."""
    classes = range(5)
    by_logit = gradients(swin, pixels, LAYERS, classes)
    by_probability = gradients(swin, pixels, LAYERS, [2], score=class_score("probability", swin))
    probabilities = by_logit.logits.softmax(dim=1)
    for layer in LAYERS:
        each = torch.stack([by_logit.gradients[index][layer] for index in classes])
        mean = torch.einsum("bk,kbd->bd", probabilities, each)
        expected = probabilities[:, 2:3] * (each[2] - mean)
        torch.testing.assert_close(by_probability.gradients[2][layer], expected, rtol=1e-4, atol=1e-8)


def test_volumes_are_the_folded_gradients(swin: VideoModel, pixels: Tensor) -> None:
    flat = gradients(swin, pixels, LAYERS, [0])
    folded = volumes(swin, pixels, LAYERS, [0])
    assert folded.activations["features.4"].shape == (2, 48, 4, 2, 2)
    for layer in LAYERS:
        unfolded = folded.gradients[0][layer].movedim(1, -1).flatten(1)
        assert torch.equal(unfolded, flat.gradients[0][layer])


def test_results_are_float32_whatever_the_model_computes_in(swin: VideoModel, pixels: Tensor) -> None:
    swin.module.double()
    found = gradients(swin, pixels.double(), LAYERS, [0])
    tensors = [found.logits, *found.activations.values(), *found.gradients[0].values()]
    tensors += [logits(swin, pixels.double()), *features(swin, pixels.double(), LAYERS).values()]
    assert {tensor.dtype for tensor in tensors} == {torch.float32}
    assert not any(tensor.requires_grad for tensor in tensors)


def test_passes_work_where_the_caller_turned_gradients_off(swin: VideoModel, pixels: Tensor) -> None:
    expected = gradients(swin, pixels, LAYERS, [0])
    with torch.no_grad():
        found = gradients(swin, pixels, LAYERS, [0])
    assert torch.equal(found.gradients[0]["features.0"], expected.gradients[0]["features.0"])


def test_a_broken_clip_is_named_with_the_first_layer_that_shows_it(swin: VideoModel, pixels: Tensor) -> None:
    pixels[1, 0, 0, 0, 0] = torch.nan
    names = ("good.mp4", "bad.mp4")
    says = r"clip 'bad.mp4': the activation of torchvision:swin3d at layer 'features.0' is NaN"
    with pytest.raises(NumericalError, match=says):
        features(swin, pixels, ("features.4", "features.0"), clip_names=names)
    with pytest.raises(NumericalError, match=says):
        gradients(swin, pixels, LAYERS, [0], clip_names=names)
    with pytest.raises(NumericalError, match=r"clip 1: the logits of torchvision:swin3d"):
        logits(swin, pixels)


def test_broken_weights_are_found_at_their_layer(swin: VideoModel, pixels: Tensor) -> None:
    torch.nn.init.constant_(swin.module.get_submodule("features.2.0.norm1").weight, torch.inf)
    with pytest.raises(NumericalError, match=r"clip 0: .* layer 'features.2'"):
        features(swin, pixels, ("features.0", "features.2", "features.4"))


def test_an_infinite_gradient_is_no_score() -> None:
    """√x at 0 is finite and its derivative is not."""

    class Root(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.sqrt()

    net = nn.Sequential(nn.Identity(), Root())
    model = VideoModel(net, ModelCard.model_construct(name="root", classes=("a", "b")))
    with pytest.raises(NumericalError, match=r"clip 1: the gradient of class 'b' of root at layer '0'"):
        gradients(model, torch.tensor([[1.0, 1.0], [1.0, 0.0]]), ["0"], [1])


def test_large_numbers_whose_sum_overflows_are_finite() -> None:
    net = nn.Sequential(nn.Identity(), nn.Flatten())
    model = VideoModel(net, ModelCard.model_construct(name="flat", classes=tuple("abcdefgh")))
    large = torch.full((2, 8), 3e38)
    assert torch.equal(features(model, large, ["0"])["0"], large)
