"""Autocast against fp32: close to it, finite where half precision alone would underflow, and fp32 in the results."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
import torch
from torch import Tensor, nn

from videotcav.errors import ArgumentError
from videotcav.models.fp32 import whole_fp32
from videotcav.models.load import load_model
from videotcav.models.model import VideoModel
from videotcav.models.passes import features, gradients, logits
from videotcav.records import ClipSpec, ModelCard, Precision

LAYERS = ("features.0", "features.2", "features.4")


@pytest.mark.parametrize(("precision", "least"), [("bf16", 0.99), ("fp16", 0.999)])
def test_gradients_point_where_those_of_fp32_do(
    swin: VideoModel, pixels: Tensor, precision: Precision, least: float
) -> None:
    half = load_model(swin.module, card=swin.card, precision=precision)
    assert half.card.precision == precision
    expected, found = (gradients(model, pixels, LAYERS, [0, 3]) for model in (swin, half))
    read = features(half, pixels, LAYERS)
    assert not torch.equal(found.logits, expected.logits)  # it did compute in something else
    torch.testing.assert_close(found.logits, expected.logits, rtol=0.05, atol=0.05)
    for layer in LAYERS:
        assert torch.equal(read[layer], found.activations[layer])
        for index in (0, 3):
            one, other = expected.gradients[index][layer], found.gradients[index][layer]
            assert other.dtype == torch.float32
            assert torch.cosine_similarity(one, other, dim=1).min() > least
    assert all(parameter.dtype == torch.float32 for parameter in half.module.parameters())


class Faint(nn.Module):
    """A score that is a mean over so many places that each one's gradient is 0 in half precision."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv3d(3, 2, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        return 1e-4 * self.layer(pixels).mean(dim=(2, 3, 4))


def test_small_gradients_survive_half_precision() -> None:
    spec = ClipSpec(frames=4, seconds_between_frames=1, height=16, width=16, resize=16)
    card = ModelCard(name="faint", clip_spec=spec, classes=("a", "b"))
    model = load_model(Faint(), card=card, precision="fp16")
    found = gradients(model, torch.ones(1, 3, 4, 16, 16), ["layer"], [0]).gradients[0]["layer"]
    expected = 1e-4 / (4 * 16 * 16)
    assert expected < torch.finfo(torch.float16).smallest_normal / 100
    torch.testing.assert_close(found[0, :1024], torch.full((1024,), expected), rtol=0.01, atol=0)


def test_another_precision_is_told_which_there_are(swin: VideoModel) -> None:
    with pytest.raises(ArgumentError, match="'fp8' is no precision; there are fp32, bf16, fp16"):
        load_model(swin.module, card=swin.card, precision="fp8")  # type: ignore[arg-type]


def switches() -> list[object]:
    backends = torch.backends
    of_products = [backends.cuda.matmul, backends.mkldnn.matmul, backends.cudnn.conv, backends.mkldnn.conv]
    return [each.fp32_precision for each in of_products]  # type: ignore[attr-defined]


@pytest.mark.parametrize("precision", ["highest", "high", "medium"])
@pytest.mark.parametrize("tf32", [True, False])
def test_a_pass_in_fp32_rounds_no_product_whatever_the_process_does(precision: str, tf32: bool) -> None:
    inside: list[object] = []

    class Seen(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            inside.extend(switches())
            with torch.backends.cudnn.flags(enabled=False, allow_tf32=torch.backends.cudnn.allow_tf32):
                inside.append(torch.backends.cudnn.allow_tf32)  # older switches can be read, and say the same
            return x.mean(dim=(2, 3, 4))

    spec = ClipSpec(frames=2, seconds_between_frames=1, height=8, width=8, resize=8)
    card = ModelCard(name="seen", clip_spec=spec, classes=("a", "b", "c"))
    model = load_model(Seen(), card=card)
    before = (torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision(), switches())
    try:
        torch.backends.cudnn.allow_tf32 = tf32
        torch.set_float32_matmul_precision(precision)
        own = switches()
        inside.clear()
        logits(model, torch.zeros(1, 3, 2, 8, 8))
        assert inside == ["ieee"] * 4 + [False]
        assert (torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()) == (tf32, precision)
        assert switches() == own
    finally:
        torch.backends.cudnn.allow_tf32, highest, _ = before
        torch.set_float32_matmul_precision(highest)


def test_the_last_thread_to_leave_puts_the_switches_back() -> None:
    before = switches()
    with ExitStack() as one, ExitStack() as other:
        one.enter_context(whole_fp32())
        other.enter_context(whole_fp32())
        one.close()
        assert switches() == ["ieee"] * 4
    assert switches() == before
