"""Whatever precision, mode, threads and compilers a caller has around a module."""

from __future__ import annotations

import threading
import warnings
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from support.own import CLIPS, SPEC, Head, card
from videotcav.errors import ModelError
from videotcav.models.load import load_model
from videotcav.models.model import VideoModel
from videotcav.models.passes import features, gradients

# --- the caller's world --------------------------------------------------------------------------------------------


def test_a_callers_autocast_does_not_reach_passes_in_full_precision() -> None:
    model = load_model(Head(3), card=card())
    alone = gradients(model, CLIPS, ["linear"], [0])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = gradients(model, CLIPS, ["linear"], [0])
        assert torch.equal(model(CLIPS), alone.logits)
    assert torch.equal(inside.activations["linear"], alone.activations["linear"])


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_a_callers_modes_do_not_reach_gradients(mode: Callable[[], Any]) -> None:
    model = load_model(Head(3), card=card())
    alone = gradients(model, CLIPS, ["linear"], [0])
    with mode():
        inside = gradients(model, CLIPS, ["linear"], [0])
    assert torch.equal(inside.gradients[0]["linear"], alone.gradients[0]["linear"])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_modules_of_any_precision_take_clips(dtype: torch.dtype) -> None:
    found = features(load_model(Head(3).to(dtype), card=card()), CLIPS, ["linear"])["linear"]
    torch.testing.assert_close(found, Head(3).linear(CLIPS.flatten(1)).detach(), rtol=0.02, atol=0.02)


def test_small_gradients_of_a_module_in_half_precision_are_not_lost() -> None:
    """As small as at one of 2**26 places: float16 rounds it to 0, and the card, which says fp32, scales nothing."""
    module = Head(3, lambda x: x * 2.0**-13 * 2.0**-13)
    full = gradients(load_model(module, card=card()), CLIPS, ["linear"], [0]).gradients[0]["linear"]
    half = gradients(load_model(module.half(), card=card()), CLIPS, ["linear"], [0]).gradients[0]["linear"]
    assert full.abs().max() == 2.0**-26
    torch.testing.assert_close(half, full, rtol=0, atol=0)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_networks_of_other_channels_can_be_looked_into(channels: int) -> None:
    spec = SPEC.model_copy(update={"mean": (0.5,) * channels, "std": (0.5,) * channels})
    net = nn.Sequential(nn.Flatten(), nn.Linear(48 * channels, 3))
    model = load_model(net, card=card(clip_spec=spec))
    assert [layer.name for layer in model.layers()] == ["0", "1"]
    with pytest.raises(
        ModelError, match=r"cannot be passed clips of 3 × 3 × 4 × 4 \(.*mean and std have a number a channel"
    ):
        VideoModel(net, card()).layers()


def test_scripted_modules_and_named_tuples_are_passed() -> None:
    Pair = namedtuple("Pair", "out more")  # noqa: PYI024 - as users write it

    class Named(nn.Module):
        def forward(self, x: Tensor) -> Any:
            return Pair(x * 2, None)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.head = Named(), nn.Linear(144, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.layer(x.flatten(1)).out)

    model = load_model(Net(), card=card())
    found = gradients(model, CLIPS, ["layer"], [1]).gradients[1]["layer"]
    torch.testing.assert_close(found, model.module.head.weight[1].expand(4, -1).detach())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch advises against it; people have such files
        scripted = torch.jit.script(nn.Sequential(nn.Flatten(), nn.Linear(144, 3)))
    loaded = load_model(scripted, card=card())
    assert loaded(CLIPS).shape == (4, 3)
    for look in (loaded.layers, lambda: features(loaded, CLIPS, ["1"])):
        with pytest.raises(ModelError, match=r"compiled by torch\.jit, which lets nobody look into its layers: build"):
            look()


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointed_parts_give_right_gradients_or_a_sentence(*, reentrant: bool) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(5)
            self.layer, self.head = nn.Linear(144, 6), nn.Linear(6, 3)

        def forward(self, x: Tensor) -> Tensor:
            rows = self.layer(x.flatten(1))
            return checkpoint(lambda x: self.head(x.tanh()), rows, use_reentrant=reentrant)

    model = VideoModel(Net(), card())
    if reentrant:
        with pytest.raises(ModelError, match="reentrant checkpointing"):
            gradients(model, CLIPS, ["layer"], [0])
        return
    passed = gradients(model, CLIPS, ["layer"], [0])
    by_hand = model.module.head.weight[0] * (1 - passed.activations["layer"].tanh().square())
    torch.testing.assert_close(passed.gradients[0]["layer"], by_hand.detach())


def test_threads_that_borrow_one_module_leave_its_flags_as_they_were() -> None:
    module = Head(3)
    model = VideoModel(module.train(), card())
    expected = gradients(model, CLIPS, ["linear"], [0]).gradients[0]["linear"]
    found: list[Tensor] = []

    def work() -> None:
        found.extend(gradients(model, CLIPS, ["linear"], [0]).gradients[0]["linear"] for _ in range(5))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 20
    assert all(torch.equal(each, expected) for each in found)
    assert module.training
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert not any(part._forward_hooks for part in module.modules())
