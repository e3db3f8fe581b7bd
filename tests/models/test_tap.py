"""Taps against torch.autograd by hand, and the model handed back as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from videotcav.errors import LayerNotFound, ModelError
from videotcav.models.model import VideoModel, borrowed
from videotcav.models.tap import tap
from videotcav.records import ModelCard

SWIN_LAYERS = ("features.0", "features.2", "features.4")


def gradient_by_hand(rest: Callable[[Tensor], Tensor], activation: Tensor, class_index: int) -> Tensor:
    """What autograd says about the rest of the network, with the activation as a leaf of its own."""
    leaf = activation.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(rest(leaf)[:, class_index].sum(), leaf)
    return gradient


def in_place_net_by_hand(module: Any) -> dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]]:
    """For each layer: from pixels to its output, and from its output to the logits, without an in-place operation."""

    def head(out: Tensor) -> Tensor:
        return module.head((out * 0.5).square().mean(dim=(2, 3, 4)))

    def behind_relu1(x: Tensor) -> Tensor:
        return head((module.conv2(x) + x).relu())

    def behind_conv1(x: Tensor) -> Tensor:
        return behind_relu1(module.norm(x).relu())

    def up_to_relu1(pixels: Tensor) -> Tensor:
        return module.norm(module.conv1(pixels)).relu()

    def up_to_relu2(pixels: Tensor) -> Tensor:
        x = up_to_relu1(pixels)
        return (module.conv2(x) + x).relu()

    return {
        "conv1": (module.conv1, behind_conv1),
        "relu1": (up_to_relu1, behind_relu1),
        "relu2": (up_to_relu2, head),
    }


def test_in_place_operations_do_not_reach_the_activations(in_place_net: VideoModel, small_pixels: Tensor) -> None:
    layers = ("conv1", "relu1", "relu2")
    with tap(in_place_net, layers) as tapped:
        logits = tapped(small_pixels)
        gradients = tapped.gradients(logits[:, 2])
        activations = tapped.activations
    in_place_net.module.eval()
    for layer, (up_to, rest) in in_place_net_by_hand(in_place_net.module).items():
        expected = up_to(small_pixels)
        torch.testing.assert_close(activations[layer], expected)
        torch.testing.assert_close(gradients[layer], gradient_by_hand(rest, expected, 2))


@pytest.mark.parametrize("layers", [SWIN_LAYERS, SWIN_LAYERS[1:], SWIN_LAYERS[2:], SWIN_LAYERS[::-1]])
def test_all_layers_of_a_swin_get_their_gradient_from_one_pass(
    swin: VideoModel, pixels: Tensor, layers: tuple[str, ...]
) -> None:
    with tap(swin, layers) as tapped:
        logits = tapped(pixels)
        gradients = {index: tapped.gradients(logits[:, index]) for index in (0, 3)}
        activations = tapped.activations
    module: Any = swin.module.eval()

    def rest(stage: int) -> Callable[[Tensor], Tensor]:
        return lambda x: module.head(module.norm(module.features[stage + 1 :](x)).mean(dim=(1, 2, 3)))

    for layer in layers:
        stage = int(layer.removeprefix("features."))
        expected = module.features[: stage + 1](module.patch_embed(pixels))
        torch.testing.assert_close(activations[layer], expected)
        for index in (0, 3):
            by_hand = gradient_by_hand(rest(stage), expected, index)
            assert by_hand.abs().max() > 0
            torch.testing.assert_close(gradients[index][layer], by_hand)


@pytest.mark.parametrize("name", ["swin", "in_place_net", "mvit"])
def test_the_tapped_model_gives_exactly_the_untapped_logits(name: str, request: pytest.FixtureRequest) -> None:
    model: VideoModel = request.getfixturevalue(name)
    spec = model.card.clip_spec
    clips = torch.randn(2, 3, spec.frames, spec.height, spec.width, generator=torch.Generator().manual_seed(6))
    layers = [layer.name for layer in model.layers()]
    expected = model(clips)
    with tap(model, layers) as tapped:
        assert torch.equal(tapped(clips), expected)
        assert set(tapped.activations) == set(layers)
    with tap(model, layers) as tapped, torch.no_grad():
        assert torch.equal(tapped(clips), expected)


def test_tokens_beside_their_grid_are_tapped_and_passed_on(mvit: VideoModel) -> None:
    """MViT's blocks give (tokens, grid). Oracle: the central difference of the logit along a direction."""
    clips = torch.randn(1, 3, 4, 16, 16, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    mvit.module.double()
    with tap(mvit, ["blocks.0", "blocks.1"]) as tapped:
        gradients = tapped.gradients(tapped(clips)[:, 1])
    for layer, gradient in gradients.items():
        direction = torch.randn(gradient.shape, generator=torch.Generator().manual_seed(8), dtype=torch.float64)

        def logit_at(step: float, layer: str = layer, direction: Tensor = direction) -> float:
            move = mvit.layer(layer).register_forward_hook(lambda _m, _i, out: (out[0] + step * direction, out[1]))
            value = mvit(clips)[0, 1].item()
            move.remove()
            return value

        difference = (logit_at(1e-5) - logit_at(-1e-5)) / 2e-5
        assert difference == pytest.approx((gradient * direction).sum().item(), rel=1e-5)


class CountedIdentity(torch.autograd.Function):
    """Identity that counts how often it is differentiated."""

    backwards = 0

    @staticmethod
    def forward(_context: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(_context: Any, gradient: Tensor) -> Tensor:
        CountedIdentity.backwards += 1
        return gradient


class Counted(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return CountedIdentity.apply(x)


def test_nothing_in_front_of_the_first_tapped_layer_is_differentiated() -> None:
    net = nn.Sequential(nn.Linear(4, 4), Counted(), nn.Linear(4, 4), nn.Linear(4, 3))
    model = VideoModel(net, ModelCard.model_construct(name="counted", classes=("a", "b", "c")))
    CountedIdentity.backwards = 0
    with tap(model, ["2"]) as tapped:
        tapped.gradients(tapped(torch.ones(2, 4))[:, 0])
    assert CountedIdentity.backwards == 0
    with tap(model, ["0", "2"]) as tapped:
        tapped.gradients(tapped(torch.ones(2, 4))[:, 0])
    assert CountedIdentity.backwards == 1


def state_of(module: nn.Module) -> dict[str, Any]:
    """Everything that a tap might change."""
    return {
        "training": [part.training for part in module.modules()],
        "hooks": [(len(part._forward_hooks), len(part._forward_pre_hooks)) for part in module.modules()],
        "requires_grad": [parameter.requires_grad for parameter in module.parameters()],
        "grad": [parameter.grad for parameter in module.parameters()],
        "tensors": [tensor.clone() for tensor in module.state_dict().values()],
    }


def assert_same(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert {key: before[key] for key in before if key != "tensors"} == {
        key: after[key] for key in after if key != "tensors"
    }
    assert all(torch.equal(old, new) for old, new in zip(before["tensors"], after["tensors"], strict=True))


def half_frozen(module: Any) -> None:
    """Flags that no single call of train() or requires_grad_() could restore."""
    module.train()
    module.norm.eval()
    module.conv1.weight.requires_grad_(False)


def test_the_model_is_handed_back_unchanged(in_place_net: VideoModel, small_pixels: Tensor) -> None:
    half_frozen(in_place_net.module)
    in_place_net.module.conv2.register_forward_hook(lambda *_: None)
    before = state_of(in_place_net.module)
    with tap(in_place_net, ["conv1", "relu2"]) as tapped:
        tapped.gradients(tapped(small_pixels)[:, 0])
        assert not any(part.training for part in in_place_net.module.modules())
        assert not any(parameter.requires_grad for parameter in in_place_net.module.parameters())
    assert_same(before, state_of(in_place_net.module))


def test_the_model_is_handed_back_unchanged_when_the_body_raises(
    in_place_net: VideoModel, small_pixels: Tensor
) -> None:
    half_frozen(in_place_net.module)
    before = state_of(in_place_net.module)

    def fail_in_body() -> None:
        with tap(in_place_net, ["conv1"]) as tapped:
            tapped(small_pixels)
            raise RuntimeError("on purpose")

    def fail_in_forward() -> None:
        with tap(in_place_net, ["conv1"]) as tapped:
            tapped(small_pixels[:, :1])

    def fail_in_the_names() -> None:
        with tap(in_place_net, ["conv1", "conv9"]):
            pass

    for fail, error in (
        (fail_in_body, RuntimeError),
        (fail_in_forward, RuntimeError),
        (fail_in_the_names, LayerNotFound),
    ):
        with pytest.raises(error):
            fail()
        assert_same(before, state_of(in_place_net.module))


def test_borrowing_leaves_a_trainable_model_trainable(in_place_net: VideoModel) -> None:
    with borrowed(in_place_net.module), borrowed(in_place_net.module):
        pass
    assert all(parameter.requires_grad for parameter in in_place_net.module.parameters())


class Odd(nn.Module):
    """A layer that runs twice, one that never runs, one that the logits do not need."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.first = nn.Linear(4, 4)
        self.unused = nn.Linear(4, 4)
        self.aside = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.first(x))
        self.aside(x)
        return self.relu(x)


@pytest.mark.parametrize(
    ("layer", "says"),
    [("relu", "runs more than once"), ("unused", "does not run"), ("aside", "do not depend on layer 'aside'")],
)
def test_a_layer_without_one_activation_is_refused(layer: str, says: str) -> None:
    model = VideoModel(Odd(), ModelCard.model_construct(name="odd", classes=tuple("abcd")))
    with pytest.raises(ModelError, match=says), tap(model, ["first", layer]) as tapped:
        tapped.gradients(tapped(torch.ones(1, 4))[:, 0])


def test_gradients_need_a_graph(swin: VideoModel, pixels: Tensor) -> None:
    with tap(swin, ["features.0"]) as tapped, torch.no_grad():
        logits = tapped(pixels)
    with pytest.raises(ModelError, match="gradients on"):
        tapped.gradients(logits[:, 0])


def test_reading_activations_computes_nothing_behind_the_last_layer() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3))
    model = VideoModel(net, ModelCard.model_construct(name="small", classes=("a", "b", "c")))
    ran: list[str] = []
    for name, part in net.named_children():
        part.register_forward_hook(lambda *_, name=name: ran.append(name))
    inputs = torch.randn(2, 4, generator=torch.Generator().manual_seed(9))
    with tap(model, ["1", "0"]) as tapped:
        tapped(inputs)
        whole = tapped.activations
        ran.clear()
        read = tapped.read(inputs)
        assert ran == ["0", "1"]
        assert whole.keys() == read.keys()
        assert all(torch.equal(read[layer], whole[layer]) for layer in whole)
        assert tapped(inputs).shape == (2, 3)  # a pass to the end, as before


def test_reading_a_layer_that_never_runs_is_refused() -> None:
    model = VideoModel(Odd(), ModelCard.model_construct(name="odd", classes=tuple("abcd")))
    with pytest.raises(ModelError, match="does not run"), tap(model, ["first", "unused"]) as tapped:
        tapped.read(torch.ones(1, 4))
