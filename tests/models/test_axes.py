"""Layouts that a pass shows: places are where the clip has them, and what cannot be followed is not said."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from support.own import quietly
from videotcav.compat.torchvision import import_torchvision
from videotcav.errors import VideotcavWarning
from videotcav.models.axes import patterns
from videotcav.models.load import load_model
from videotcav.models.model import VideoModel
from videotcav.records import ClipSpec, ModelCard

SPEC = ClipSpec(frames=4, seconds_between_frames=0.1, height=6, width=8, resize=8)


def card(**more: Any) -> ModelCard:
    return ModelCard(**({"name": "own", "clip_spec": SPEC, "classes": ("a", "b", "c")} | more))


class Net(nn.Module):
    """A body that keeps its input's size, and a head behind it."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body, self.head = body, nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(x)
        return self.head(x.mean(dim=(2, 3, 4)) if x.ndim == 5 else x.flatten(2).mean(2))


class Told(nn.Module):
    """What a function does, as a layer."""

    def __init__(self, does: Any, inner: nn.Module | None = None) -> None:
        super().__init__()
        self.does, self.inner = does, inner or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.does(x, self.inner)


def seen(body: nn.Module, **more: Any) -> VideoModel:
    torch.manual_seed(0)
    return quietly(Net(body), card=card(**more))


PLAIN = {
    "convolution": nn.Conv3d(3, 3, 3, padding=1),
    "transposed convolution": nn.ConvTranspose3d(3, 3, 1),
    "batch norm": nn.BatchNorm3d(3),
    "group norm": nn.GroupNorm(1, 3),
    "max pooling": nn.MaxPool3d(3, stride=1, padding=1),
    "mean pooling": nn.AvgPool3d(3, stride=1, padding=1),
    "adaptive pooling": nn.AdaptiveAvgPool3d((2, 3, 4)),
    "adaptive pooling to one place": nn.AdaptiveAvgPool3d(1),
    "adaptive maximum": nn.AdaptiveMaxPool3d((2, 3, 4)),
    "dropout": nn.Dropout3d(),
    "activation in place": nn.Sequential(nn.BatchNorm3d(3), nn.ReLU(inplace=True)),
    "residual": Told(lambda x, inner: torch.relu(inner(x) + x), nn.Conv3d(3, 3, 1)),
    "gate": Told(
        lambda x, inner: x * inner(x), nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Conv3d(3, 3, 1), nn.Sigmoid())
    ),
    "branches": Told(lambda x, inner: inner(torch.cat([x, x], dim=1)), nn.Conv3d(6, 3, 1)),
}


@pytest.mark.parametrize("body", PLAIN.values(), ids=PLAIN)
def test_a_network_of_plain_parts_says_how_its_layers_are_laid_out(body: nn.Module) -> None:
    model = seen(nn.Sequential(body))
    assert {layer.layout for layer in model.layers() if layer.name.startswith("body")} == {"b c t h w"}
    assert model.layout_of("head") == ""


def _turned(order: tuple[int, ...]) -> Any:
    back = tuple(order.index(place) for place in range(5))
    return lambda x, inner: inner(x.permute(order)).permute(back)


@pytest.mark.parametrize("order", [(0, 1, 3, 4, 2), (0, 1, 4, 3, 2), (0, 1, 2, 4, 3)])
def test_axes_that_a_network_permutes_are_followed(order: tuple[int, ...]) -> None:
    """A convolution of one pixel does the same in any order: folded, the layer is that of the unpermuted network."""
    point = nn.Conv3d(3, 3, 1)
    plain, turned = seen(nn.Sequential(point)), seen(Told(_turned(order), point))
    assert turned.layout_of("body.inner") == " ".join("bcthw"[place] for place in order)
    clip = torch.randn(2, 3, 4, 6, 8, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(_folded(turned, "body.inner", clip), _folded(plain, "body.0", clip))


def _folded(model: VideoModel, layer: str, clip: Tensor) -> Tensor:
    kept: list[Tensor] = []
    hook = model.layer(layer).register_forward_hook(lambda _module, _inputs, output: kept.append(output))
    model(clip)
    hook.remove()
    return model.fold(layer, kept[0], clips=2)


def test_channels_last_are_told_by_the_order_that_a_network_turns_to() -> None:
    turn = Told(lambda x, inner: inner(x.transpose(1, -1)).transpose(1, -1), nn.LayerNorm(3))
    assert seen(turn).layout_of("body.inner") == "b w t h c"
    last = Told(lambda x, inner: inner(x.movedim(1, -1)).movedim(-1, 1), nn.LayerNorm(3))
    assert seen(last).layout_of("body.inner") == "b t h w c"


@pytest.mark.parametrize("pixels", ["b c t h w", "b t c h w", "b t h w c"])
def test_the_order_that_the_module_wants_its_pixels_in_is_its_own(pixels: str) -> None:
    places = tuple(pixels.split().index(axis) for axis in "bcthw")
    model = seen(Told(lambda x, inner: inner(x.permute(places)), nn.Conv3d(3, 3, 1)), pixels=pixels)
    assert model.layout_of("body.inner") == "b c t h w"


def test_all_of_an_axis_is_that_axis() -> None:
    assert seen(Told(lambda x, inner: inner(x[:, :, :]), nn.Conv3d(3, 3, 1))).layout_of("body.inner") == "b c t h w"


def test_a_network_may_be_deeper_than_calls() -> None:
    def deep(x: Tensor, inner: nn.Module) -> Tensor:
        for _ in range(3000):
            x = x + 1
        return inner(x)

    assert seen(Told(deep, nn.Conv3d(3, 3, 1))).layout_of("body.inner") == "b c t h w"


UNKNOWN = {
    "time for channels": Told(lambda x, inner: inner(x.transpose(1, 2)).transpose(1, 2), nn.Conv3d(4, 4, 1)),
    "tokens folded anew": Told(lambda x, inner: inner(x.flatten(2).reshape(x.shape)), nn.Conv3d(3, 3, 1)),
    "a clip beside itself": Told(lambda x, inner: inner(torch.cat([x, x], dim=2)), nn.Conv3d(3, 3, 1)),
    "half of the frames": Told(lambda x, inner: inner(x[:, :, :2]), nn.Conv3d(3, 3, 1)),
    "frames in another order": Told(lambda x, inner: inner(x[:, :, [3, 0, 2, 1]]), nn.Conv3d(3, 3, 1)),
    "mirrored": Told(lambda x, inner: inner(x.flip(4)), nn.Conv3d(3, 3, 1)),
    "rolled": Told(lambda x, inner: inner(x.roll(1, dims=2)), nn.Conv3d(3, 3, 1)),
    "pixels that were left": Told(lambda x, inner: inner(x.detach()), nn.Conv3d(3, 3, 1)),
}


@pytest.mark.parametrize("body", UNKNOWN.values(), ids=UNKNOWN)
def test_nothing_is_said_where_places_move_or_cannot_be_followed(body: nn.Module) -> None:
    assert seen(body).layout_of("body.inner") == ""


def test_what_the_card_says_stays() -> None:
    model = seen(nn.Sequential(nn.Conv3d(3, 3, 1), nn.ReLU()), layouts={"body.0": "b c t w h"})
    assert model.layout_of("body.0") == "b c t w h"
    assert model.layout_of("body.1") == "b c t h w"


def test_a_layer_that_runs_in_two_orders_has_none() -> None:
    both = Told(lambda x, inner: inner(x) + inner(x.transpose(3, 4)).transpose(3, 4), nn.Conv3d(3, 3, 1))
    assert seen(both).layout_of("body.inner") == ""


def test_frames_of_a_pathway_are_those_that_it_is_given() -> None:
    class Two(Net):
        def forward(self, x: list[Tensor]) -> Tensor:
            slow, fast = x
            return self.head(self.body(slow).mean(dim=(2, 3, 4)) + fast.mean(dim=(2, 3, 4)))

    torch.manual_seed(0)
    model = quietly(Two(nn.Conv3d(3, 3, 1)), card=card(pathways=((0, 2), (0, 1, 2, 3))))
    assert model.layout_of("body") == "b c t h w"


@pytest.mark.parametrize("name", ["r3d_18", "mc3_18", "r2plus1d_18"])
def test_a_residual_network_needs_no_layouts_on_its_card(name: str) -> None:
    """torchvision's own, handed over as somebody's: every layer is laid out as its family says."""
    video = import_torchvision("torchvision.models.video")
    net = getattr(video, name)(num_classes=3)
    spec = ClipSpec(frames=4, seconds_between_frames=0.1, height=32, width=32, resize=32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VideotcavWarning)
        model = load_model(net, card=card(clip_spec=spec))
    assert {row.name: row.layout for row in model.layers() if row.layout != "b c t h w"} == {"fc": ""}
    assert len(model.card.layouts) < 10


def test_patterns_fit_what_they_are_made_of_and_nothing_else() -> None:
    layouts = {f"blocks.{n}.{part}": "b c t h w" for n in range(12) for part in ("conv", "pool")}
    layouts |= {f"blocks.{n}.mix": "" for n in range(12)} | {"stem": "b c t h w", "stem.0": "b c t h w", "head": ""}
    assert patterns(layouts) == {"blocks.*.conv": "b c t h w", "blocks.*.pool": "b c t h w", "stem*": "b c t h w"}
    assert patterns({"conv1": "b c t h w", "conv10": ""}) == {"conv1": "b c t h w"}
    assert patterns({"a": "b c t h w", "b": "b c t h w"}) == {"*": "b c t h w"}
