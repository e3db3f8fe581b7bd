"""Maps of models: finite differences, one pass for everything, and memory that does not grow."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from functools import partial

import pytest
import torch
from captum.attr import IntegratedGradients
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from videotcav.errors import LayerNotFound, LayoutError, ModelError, VideotcavError
from videotcav.explain.saliency.cam import METHODS, PIXEL_METHODS, grad_cam, upsample
from videotcav.explain.saliency.measures import FILLS
from videotcav.maps import PixelSettings, class_maps, last_spatial_layer, layer_maps, stream_maps
from videotcav.maps.passes import METHOD_NAMES, views_of
from videotcav.models.model import VideoModel
from videotcav.models.passes import volumes
from videotcav.video.clips import Clips

LAYERS = ("features.0", "features.2", "features.4")
FEW = PixelSettings(masks=8, grid=(2, 2, 2))


def test_a_channels_weight_is_what_finite_differences_say(swin: VideoModel, clips: Clips) -> None:
    """Grad-CAM's weight times the number of tokens is the slope of the logit when the whole channel is shifted."""
    pixels = clips.pixels[:1]
    found = volumes(swin, pixels, ["features.2"], [1])
    weights = found.gradients[1]["features.2"].mean(dim=(2, 3, 4))[0]
    part, module, step = swin.layer("features.2"), swin.module.eval(), 1e-2

    def logit(channel: int, shift: float) -> float:
        direction = shift * torch.eye(24)[channel]
        handle = part.register_forward_hook(lambda _module, _inputs, output: output + direction)
        try:
            with torch.no_grad():
                return float(module.double()(pixels.double())[0, 1])
        finally:
            handle.remove()
            module.float()

    for channel in (0, 7, 23):
        slope = (logit(channel, step) - logit(channel, -step)) / (2 * step)
        assert float(weights[channel]) * 64 == pytest.approx(slope, rel=2e-3, abs=1e-5)


def test_layers_and_classes_together_are_what_they_are_one_by_one(swin: VideoModel, clips: Clips) -> None:
    maps, scores = layer_maps(swin, clips.pixels, layers=LAYERS, classes=[2, 0])
    assert maps.shape == (3, 2, 3, 8, 32, 32)
    torch.testing.assert_close(scores, swin(clips.pixels))
    for row, layer in enumerate(LAYERS):
        for column, index in enumerate((2, 0)):
            alone, _ = class_maps(swin, clips.pixels, layer=layer, classes=[index])
            torch.testing.assert_close(maps[row, column], alone[0])


def test_all_layers_and_classes_share_one_forward_pass(swin: VideoModel, clips: Clips) -> None:
    calls = []
    handle = swin.module.register_forward_hook(lambda *_: calls.append(1))
    try:
        layer_maps(swin, clips.pixels, layers=LAYERS, classes=[0, 1, 2])
    finally:
        handle.remove()
    assert len(calls) == 1


@pytest.mark.parametrize("method", METHODS)
def test_every_method_runs_on_tokens(swin: VideoModel, clips: Clips, method: str) -> None:
    found = volumes(swin, clips.pixels, LAYERS, [1])
    maps, _ = layer_maps(swin, clips.pixels, layers=LAYERS, classes=[1], method=method)
    for row, layer in enumerate(LAYERS):
        small = METHODS[method].map(found.activations[layer], found.gradients[1][layer])
        torch.testing.assert_close(maps[row, 0], upsample(small, frames=8, height=32, width=32))


def test_weights_over_frames_reach_the_map(swin: VideoModel, clips: Clips) -> None:
    found = volumes(swin, clips.pixels, ["features.2"], [1])
    small = grad_cam(found.activations["features.2"], found.gradients[1]["features.2"], weights="frame")
    maps, _ = layer_maps(swin, clips.pixels, layers=["features.2"], classes=[1], weights="frame")
    torch.testing.assert_close(maps[0, 0], upsample(small, frames=8, height=32, width=32))
    assert not torch.allclose(maps[0, 0], class_maps(swin, clips.pixels, layer="features.2", classes=[1])[0][0])


class Detached(nn.Module):
    """A model whose gradients cannot be taken."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, pixels: Tensor) -> Tensor:
        with torch.no_grad():
            return self.inner(pixels)


def test_rise_needs_no_gradient(token_net: VideoModel, clips: Clips) -> None:
    model = VideoModel(Detached(token_net.module), token_net.card)
    maps, scores = layer_maps(
        model, clips.pixels, layers=("pixels",), classes=[0, 2], method="rise", pixel_settings=FEW
    )
    assert maps.shape == (1, 2, 3, 8, 32, 32)
    assert scores.shape == (3, 3)
    assert float(maps.max()) > 0


def test_what_pixels_cannot_do_is_said(swin: VideoModel, token_net: VideoModel, clips: Clips) -> None:
    blind = VideoModel(Detached(token_net.module), token_net.card)
    integrated = partial(layer_maps, layers=("pixels",), classes=[0], method="integrated-gradients")
    with pytest.raises(ModelError, match="no gradients of its pixels; rise needs none"):
        integrated(blind, clips.pixels)
    with pytest.raises(VideotcavError, match="no channels to weigh"):
        integrated(swin, clips.pixels, weights="frame")
    with pytest.raises(VideotcavError, match="rise has no channels to weigh"):
        views_of(swin, (), ["grad-cam", "rise"], weights="frame")
    with pytest.raises(VideotcavError, match="no baseline 'black'; there are blur, freeze, mean"):
        integrated(swin, clips.pixels, pixel_settings=PixelSettings(baseline="black"))


@pytest.mark.parametrize("baseline", FILLS)
def test_integrated_gradients_are_captums_gathered(swin: VideoModel, clips: Clips, baseline: str) -> None:
    pixels = clips.pixels[:2]
    maps, scores = layer_maps(
        swin,
        pixels,
        layers=("pixels",),
        classes=[2, 0],
        method="integrated-gradients",
        pixel_settings=PixelSettings(baseline=baseline, steps=6, steps_at_once=4),
    )
    torch.testing.assert_close(scores, swin(pixels))
    for row, index in enumerate((2, 0)):
        expected = IntegratedGradients(swin.module.eval()).attribute(
            pixels, FILLS[baseline](pixels), target=index, n_steps=6, method="riemann_middle"
        )
        summed = expected.sum(dim=1).detach().numpy()
        expected = torch.from_numpy(
            gaussian_filter(summed, (0, 0, 1.6, 1.6), mode="nearest", radius=(0, 0, 5, 5))
        ).relu()
        torch.testing.assert_close(maps[0, row], expected, rtol=1e-4, atol=1e-5 * float(expected.max()))


def test_streamed_maps_are_those_of_one_batch_and_memory_does_not_grow(swin: VideoModel, clips: Clips) -> None:
    """At no time is more than one batch of clips or of maps alive, however many there are."""
    alive: dict[str, weakref.WeakSet[object]] = {"batches": weakref.WeakSet(), "maps": weakref.WeakSet()}
    most = {"batches": 0, "maps": 0}

    def count() -> None:
        for what, things in alive.items():
            most[what] = max(most[what], len(things))

    def batches() -> Iterator[Clips]:
        for _ in range(12):
            batch = Clips(records=clips.records[:2], pixels=clips.pixels[:2].clone())
            alive["batches"].add(batch.pixels)
            count()
            yield batch
            del batch

    gc.collect()
    seen = 0
    expected = layer_maps(swin, clips.pixels[:2], layers=LAYERS, classes=[1])[0].numpy()
    for found in stream_maps(swin, batches(), layers=LAYERS, classes=[1]):
        alive["maps"].add(found)
        count()
        assert (found.values[0] == expected[:, :, seen % 2]).all()
        seen += 1
        del found
    assert seen == 24
    assert most == {"batches": 1, "maps": 1}


def test_a_map_knows_its_clip_and_its_class(swin: VideoModel, clips: Clips) -> None:
    found = list(stream_maps(swin, [clips], layers=["features.2"], classes=[2]))
    assert [maps.clips for maps in found] == [(record,) for record in clips.records]
    assert {maps.classes for maps in found} == {(("rest",),)}
    shares = swin(clips.pixels).softmax(dim=1)[:, 2].tolist()
    assert [maps.probabilities[0][0] for maps in found] == pytest.approx(shares)
    assert repr(found[0]) == "ClipMaps(grad-cam at features.2, of 'rest': 8 × 32 × 32 (time height width))"


def test_layers_are_checked_before_a_video_is_read(swin: VideoModel, token_net: VideoModel) -> None:
    assert last_spatial_layer(token_net) == "tokens"
    assert [str(view) for view in views_of(token_net, (), ["grad-cam", "rise"])] == ["grad-cam at tokens", "rise"]
    assert [view.layer for view in views_of(swin, (), "rise")] == ["pixels"]
    with pytest.raises(LayerNotFound, match=r"closest: 'features.2'"):
        views_of(swin, ["feature.2"], ["grad-cam"])
    for method in PIXEL_METHODS:
        with pytest.raises(VideotcavError, match=f"{method} reads the pixels and no layer"):
            views_of(swin, ["features.2"], [method])
    assert set(METHOD_NAMES) == {*METHODS, *PIXEL_METHODS}


def test_a_layer_that_cannot_be_folded_is_told_what_would_fit(swin: VideoModel, clips: Clips) -> None:
    unknown = VideoModel(swin.module, swin.card.model_copy(update={"layouts": {}}))
    with pytest.raises(LayoutError, match=r"layer 'features.0.0.mlp.0' .*would fit"):
        layer_maps(unknown, clips.pixels, layers=["features.0.0.mlp.0"], classes=[0])
