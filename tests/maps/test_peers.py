"""captum, torch-cam and grad-cam on channels-last tokens, beside ours, against the truth.

Nothing is raised and nothing is warned of: they take time for channels, and channels for width. Told how to fold
the tokens, torch-cam and grad-cam give our map; captum cannot be told.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from captum.attr import LayerAttribution, LayerGradCam
from einops import einsum, reduce
from torch import Tensor

from videotcav.explain.saliency.cam import upsample
from videotcav.maps import layer_maps
from videotcav.models.model import VideoModel

torchcam = pytest.importorskip("torchcam.methods", reason="torch-cam (dev extra) is not installed")

Peer = Callable[..., Tensor]


def of_captum(model: VideoModel, layer: str, pixels: Tensor, index: int) -> Tensor:
    method = LayerGradCam(model.module.eval(), model.layer(layer))
    return method.attribute(pixels, index, relu_attributions=True)[:, 0].detach()


def of_torchcam(model: VideoModel, layer: str, pixels: Tensor, index: int, fold: object = None) -> Tensor:
    with torchcam.GradCAM(model.module.eval(), layer, reshape_transform=fold) as method:
        (found,) = method(index, model.module(pixels), normalized=False)
    return found.detach()


def of_gradcam(model: VideoModel, layer: str, pixels: Tensor, index: int, fold: object = None) -> Tensor:
    library = pytest.importorskip("pytorch_grad_cam", reason="grad-cam (peers extra) is not installed")
    targets = pytest.importorskip("pytorch_grad_cam.utils.model_targets")
    with library.GradCAM(model.module.eval(), [model.layer(layer)], reshape_transform=fold) as method:
        method.activations_and_grads(pixels)[:, index].sum().backward()
        found = method.activations_and_grads
        goals = [targets.ClassifierOutputTarget(index)] * len(pixels)
        activation, gradient = found.activations[0].numpy(), found.gradients[0].numpy()
        return torch.from_numpy(method.get_cam_image(None, None, goals, activation, gradient)).relu()


PEERS = {"captum": of_captum, "torch-cam": of_torchcam, "grad-cam": of_gradcam}


def by_hand(model: VideoModel, pixels: Tensor, index: int) -> Tensor:
    """Grad-CAM of `features.2` written out with the axes of Swin, from autograd alone."""
    module = model.module.eval()
    tokens = module.features[:3](module.patch_embed(pixels)).detach().requires_grad_()  # b t h w c
    logits = module.head(module.norm(module.features[3:](tokens)).mean(dim=(1, 2, 3)))
    (gradient,) = torch.autograd.grad(logits[:, index].sum(), tokens)
    weights = reduce(gradient, "b t h w c -> b c", "mean")
    return einsum(tokens.detach(), weights, "b t h w c, b c -> b t h w").relu()


@pytest.fixture
def pixels() -> Tensor:
    return torch.randn(2, 3, 8, 32, 32, generator=torch.Generator().manual_seed(4))


def test_ours_is_the_truth_on_swin(swin: VideoModel, pixels: Tensor) -> None:
    expected = upsample(by_hand(swin, pixels, 1), frames=8, height=32, width=32)
    maps, _ = layer_maps(swin, pixels, layers=["features.2"], classes=[1])
    torch.testing.assert_close(maps[0, 0], expected, rtol=1e-4, atol=1e-6)
    assert expected.max() > 0


@pytest.mark.parametrize("peer", PEERS.values(), ids=PEERS)
def test_peers_are_silently_wrong_on_swin(swin: VideoModel, pixels: Tensor, peer: Peer) -> None:
    """4 × 4 × 4 tokens of 24 channels: what they call time, height and width is height, width and channels."""
    truth = by_hand(swin, pixels, 1)
    theirs = peer(swin, "features.2", pixels, 1)
    assert truth.shape == (2, 4, 4, 4)
    assert theirs.shape == (2, 4, 4, 24)
    resized = LayerAttribution.interpolate(theirs[:, None], (8, 32, 32), "trilinear")[:, 0]
    wanted = upsample(truth, frames=8, height=32, width=32)
    for clip in range(2):
        together = torch.stack([resized[clip].flatten(), wanted[clip].flatten()])
        assert float(torch.corrcoef(together)[0, 1]) < 0.5


@pytest.mark.parametrize("peer", [of_torchcam, of_gradcam], ids=["torch-cam", "grad-cam"])
def test_peers_that_are_told_the_layout_agree(swin: VideoModel, pixels: Tensor, peer: Peer) -> None:
    told = peer(swin, "features.2", pixels, 1, lambda tokens: tokens.permute(0, 4, 1, 2, 3))
    torch.testing.assert_close(told, by_hand(swin, pixels, 1), rtol=1e-4, atol=1e-6)


T, H, W = 1, 2, 3


@pytest.fixture
def hot(token_net: VideoModel) -> tuple[Tensor, Tensor]:
    """A clip that is black but for one patch, which the class 1 likes, and its one token."""
    kernel = token_net.module.tokens.proj.weight.detach()
    patch = torch.einsum("c,cxthw->xthw", token_net.module.head.weight.detach()[1], kernel)
    pixels = torch.zeros(1, 3, 8, 32, 32)
    pixels[0, :, 2 * T : 2 * T + 2, 8 * H : 8 * H + 8, 8 * W : 8 * W + 8] = patch
    return pixels, torch.einsum("cxthw,xthw->c", kernel, patch)


def test_one_hot_token_is_found_where_it_is(token_net: VideoModel, hot: tuple[Tensor, Tensor]) -> None:
    """By hand: the map is ReLU(u·a) / 64 at the token, and 0 at all others."""
    pixels, token = hot
    expected = torch.zeros(1, 4, 4, 4)
    expected[0, T, H, W] = float(token_net.module.head.weight.detach()[1] @ token) / 64
    assert expected.max() > 0
    maps, _ = layer_maps(token_net, pixels, layers=["tokens"], classes=[1])
    torch.testing.assert_close(maps[0, 0], upsample(expected, frames=8, height=32, width=32))


@pytest.mark.parametrize("peer", PEERS.values(), ids=PEERS)
def test_peers_point_elsewhere_than_the_hot_token(
    token_net: VideoModel, hot: tuple[Tensor, Tensor], peer: Peer
) -> None:
    theirs = peer(token_net, "tokens", hot[0], 1)
    assert theirs.shape == (1, 4, 4, 6)
    resized = LayerAttribution.interpolate(theirs[:, None], (8, 32, 32), "trilinear")[0, 0]
    patch = resized[2 * T : 2 * T + 2, 8 * H : 8 * H + 8, 8 * W : 8 * W + 8]
    assert patch.sum() < 0.25 * resized.sum() or resized.max() == 0
