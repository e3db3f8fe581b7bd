"""BGR at a network's door: its first layer's weights turned the same way make the same network of it."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from support.clips import in_memory
from videotcav.maps import clip_maps
from videotcav.models.identity import identity
from videotcav.models.load import load_model
from videotcav.models.model import VideoModel
from videotcav.models.passes import gradients
from videotcav.records import ClipSpec, ModelCard

SPEC = ClipSpec(frames=4, seconds_between_frames=0.1, height=8, width=8, resize=8, mean=(0.1, 0.5, 0.8))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv3d(3, 6, 3, padding=1)
        self.head = nn.Linear(6, 3)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.head(torch.tanh(self.first(pixels)).square().mean(dim=(2, 3, 4)))


class TwoPathways(Net):
    def forward(self, pixels: list[Tensor]) -> Tensor:
        return super().forward(pixels[0]) + super().forward(pixels[1]).square()


class TimeFirst(Net):
    def forward(self, pixels: Tensor) -> Tensor:
        return super().forward(pixels.transpose(1, 2))


def model(kind: type[Net], *, turned: bool, colour: str, **card) -> VideoModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = kind()
    if turned:
        with torch.no_grad():
            module.first.weight.copy_(module.first.weight[:, [2, 1, 0]])
    names = {"name": "net", "classes": ("a", "b", "c"), "default_layers": ("first",)}
    return load_model(module, card=ModelCard(**names, clip_spec=SPEC, colour=colour, **card))


@pytest.fixture
def pixels() -> Tensor:
    return torch.randn(3, 3, 4, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("kind", "card"),
    [(Net, {}), (TwoPathways, {"pathways": ((0, 2), (0, 1, 2, 3))}), (TimeFirst, {"pixels": "b t c h w"})],
)
def test_a_network_of_bgr_is_the_one_of_rgb_with_turned_weights(kind: type[Net], card, pixels: Tensor) -> None:
    rgb, bgr = model(kind, turned=False, colour="RGB", **card), model(kind, turned=True, colour="BGR", **card)
    assert torch.allclose(rgb(pixels), bgr(pixels), atol=1e-6)
    before = pixels.clone()
    assert not torch.allclose(rgb(pixels), model(kind, turned=True, colour="RGB", **card)(pixels), atol=1e-3)
    assert torch.equal(pixels, before)


def test_gradients_and_maps_over_pixels_are_red_green_blue(pixels: Tensor) -> None:
    """Gradients go back through the door: a channel's is that of its colour, whatever the order inside."""
    rgb, bgr = model(Net, turned=False, colour="RGB"), model(Net, turned=True, colour="BGR")
    assert rgb.layout_of("first") == bgr.layout_of("first") == "b c t h w"
    one, two = (gradients(each, pixels, ("first",), (0,), pooling="none").gradients[0]["first"] for each in (rgb, bgr))
    assert torch.allclose(one, two, atol=1e-6)
    clips = in_memory(pixels, prefix="clip")
    methods = ("grad-cam", "integrated-gradients", "rise")
    values = [clip_maps(each, clips, methods=methods, classes=["a"]).values for each in (rgb, bgr)]
    assert values[0] == pytest.approx(values[1], abs=1e-5)
    wanted = pixels.clone().requires_grad_()
    found = pixels.clone().requires_grad_()
    rgb.forward(wanted)[:, 0].sum().backward()
    bgr.forward(found)[:, 0].sum().backward()
    assert torch.allclose(wanted.grad, found.grad, atol=1e-6)
    assert not torch.allclose(wanted.grad, found.grad.flip(1), atol=1e-6)


def test_layouts_are_followed_through_turned_colours_and_not_through_turned_time() -> None:
    class Turned(Net):
        def forward(self, pixels: Tensor) -> Tensor:
            return super().forward(pixels.flip(2))

    two = model(TwoPathways, turned=True, colour="BGR", pathways=((0, 2), (0, 1, 2, 3)))
    assert two.layout_of("first") == "b c t h w"
    assert model(Turned, turned=False, colour="BGR").layout_of("first") == ""


def test_rows_of_another_order_of_colours_are_other_rows() -> None:
    """The store keeps rows by this identity."""
    assert identity(model(Net, turned=False, colour="RGB")) != identity(model(Net, turned=False, colour="BGR"))


def test_an_order_of_three_colours_needs_three() -> None:
    grey = SPEC.model_copy(update={"mean": (0.5,), "std": (0.5,)})
    with pytest.raises(ValidationError, match="BGR is an order of three colours, but there are 1 channels"):
        ModelCard(name="net", classes=("a",), clip_spec=grey, colour="BGR")
    with pytest.raises(ValidationError, match="'RGB' or 'BGR'"):
        ModelCard(name="net", classes=("a",), clip_spec=SPEC, colour="bgr")
