"""Folding against index arithmetic and a single hot token; pooling against autograd."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from videotcav.errors import LayoutError
from videotcav.models.layout import fold, pool, pool_gradient
from videotcav.models.model import VideoModel
from videotcav.models.tap import tap
from videotcav.records import Pooling

B, C, T, H, W = 2, 5, 3, 4, 6


def numbered(*shape: int) -> Tensor:
    return torch.arange(torch.Size(shape).numel()).reshape(shape)


@pytest.mark.parametrize("first", [0, 1])
def test_tokens_count_through_width_then_height_then_time(first: int) -> None:
    tokens = numbered(B, first + T * H * W, C)
    folded = fold(tokens, "b 1+(t h w) c" if first else "b (t h w) c", (T, H, W))
    assert folded.shape == (B, C, T, H, W)
    for t, h, w in ((0, 0, 0), (0, 0, 5), (0, 3, 0), (2, 0, 0), (1, 2, 4)):
        assert torch.equal(folded[:, :, t, h, w], tokens[:, first + (t * H + h) * W + w])


def test_the_other_layouts() -> None:
    assert torch.equal(
        fold(numbered(B, T, H, W, C), "b t h w c")[1, 2, 1, 3, 4], numbered(B, T, H, W, C)[1, 1, 3, 4, 2]
    )
    assert torch.equal(fold(numbered(B, C, T, H, W), "b c t h w"), numbered(B, C, T, H, W))
    assert torch.equal(fold(numbered(B, C), "b c"), numbered(B, C)[:, :, None, None, None])
    frames = numbered(B * T, C, H, W)  # a network that sees one frame at a time
    assert torch.equal(fold(frames, "(b t) c h w", (T, H, W))[1, :, 2], frames[1 * T + 2])
    space_first = numbered(B, 1 + H * W * T, C)  # as TimeSformer lays its tokens out
    assert torch.equal(
        fold(space_first, "b 1+(h w t) c", (T, H, W))[0, :, 1, 2, 3], space_first[0, 1 + (2 * W + 3) * T + 1]
    )


@pytest.mark.parametrize(
    ("layer", "merged"), [("patch_embed", 1), ("features.0", 1), ("features.2", 2), ("features.4", 4)]
)
def test_a_hot_patch_of_a_swin_stays_in_its_place(local_swin: VideoModel, layer: str, merged: int) -> None:
    """Patches are 2 × 4 × 4 pixels and each merging halves height and width; windows of one token mix nothing."""
    t, h, w = 3, 5, 2
    blank = torch.zeros(1, 3, 8, 32, 32)
    hot = blank.clone()
    hot[:, :, 2 * t : 2 * t + 2, 4 * h : 4 * h + 4, 4 * w : 4 * w + 4] = 1
    found = []
    for clip in (blank, hot):
        with tap(local_swin, [layer]) as tapped, torch.no_grad():
            tapped(clip)
        found.append(local_swin.fold(layer, tapped.activations[layer]))
    changed = (found[1] - found[0]).abs().sum(dim=(0, 1))
    assert changed.nonzero().tolist() == [[t, h // merged, w // merged]]


def test_a_hot_patch_of_a_multiscale_transformer_stays_in_its_place(mvit: VideoModel) -> None:
    blank = torch.zeros(1, 3, 4, 16, 16)
    hot = blank.clone()
    hot[:, :, 2, 4:8, 12:16] = 1
    found = []
    for clip in (blank, hot):
        with tap(mvit, ["pos_encoding"]) as tapped, torch.no_grad():
            tapped(clip)
        found.append(mvit.fold("pos_encoding", tapped.activations["pos_encoding"]))
    assert (found[1] - found[0]).abs().sum(dim=(0, 1)).nonzero().tolist() == [[2, 1, 3]]


@pytest.mark.parametrize(("pooling", "axes"), [("none", ()), ("space", (3, 4)), ("time", (2,)), ("all", (2, 3, 4))])
def test_the_pooled_gradient_is_the_derivative_of_moving_the_pooled_activation(pooling: Pooling, axes: tuple) -> None:
    """Moving a mean by δ moves each of its positions by δ; autograd differentiates with respect to that δ."""
    generator = torch.Generator().manual_seed(0)
    activation = torch.randn(B, C, T, H, W, generator=generator)
    weights = torch.randn(C, T, H, W, generator=generator)

    def score(x: Tensor) -> Tensor:
        return (torch.tanh(x) * weights).sum()

    kept = [1 if axis in axes else size for axis, size in enumerate(activation.shape)]
    shift = torch.zeros(kept, requires_grad=True)
    (expected,) = torch.autograd.grad(score(activation + shift), shift)
    leaf = activation.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(score(leaf), leaf)
    torch.testing.assert_close(pool_gradient(gradient, pooling), expected.flatten(1))
    expected_activation = activation.mean(dim=axes) if axes else activation
    torch.testing.assert_close(pool(activation, pooling), expected_activation.flatten(1))


@pytest.mark.parametrize(
    ("shape", "layout", "grid", "says"),
    [
        ((2, 3, 4, 5, 6), "b (t h w) c", (4, 5, 6), "would fit 'b c t h w' or 'b t h w c'"),
        ((2, 3, 4, 5, 6), "", None, "its layout is not known.*'b c t h w' or 'b t h w c'"),
        ((2, 25, 8), "b (t h w) c", (2, 3, 4), r"would fit 'b 1\+\(t h w\) c'"),
        ((2, 24, 8), "b 1+(t h w) c", (2, 3, 4), r"would fit 'b \(t h w\) c'"),
        ((2, 24, 8), "b (t h w) c", None, "needs the grid"),
        ((2, 7, 8), "b (t h w) c", (2, 3, 4), r"no known layout fits the shape \(2, 7, 8\) with the grid \(2, 3, 4\)"),
        ((2, 8), "b x", None, "'b x' is no layout; .* would fit 'b c'"),
        ((2, 8), "b c c", None, "is no layout"),
        ((2, 8), "b (c", None, "does not fit"),
        ((), "b 1+(t h w) c", (1, 1, 1), "does not fit"),
    ],
)
def test_what_does_not_fold_is_told_what_would(shape: tuple, layout: str, grid: tuple | None, says: str) -> None:
    with pytest.raises(LayoutError, match=says):
        fold(torch.zeros(shape), layout, grid)


def test_the_error_names_layer_and_model(mvit: VideoModel) -> None:
    with pytest.raises(LayoutError, match=r"layer 'blocks.0.attn' of mvit_v2_s: its layout is not known"):
        mvit.fold("blocks.0.attn", torch.zeros(1, 65, 8))
