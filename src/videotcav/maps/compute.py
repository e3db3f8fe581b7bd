"""Pixels in, maps out: one forward pass for all layers and classes of a batch, one backward pass a class."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from einops import rearrange
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor

from videotcav.errors import LayoutError, VideotcavError, require_distinct
from videotcav.explain.saliency.cam import METHODS, PIXEL_METHODS, Over, method_of, upsample
from videotcav.explain.saliency.faithfulness import FILLS, blurred
from videotcav.explain.saliency.integrated import integrated_gradients
from videotcav.explain.saliency.rise import rise
from videotcav.maps.view import ClipMaps
from videotcav.models.model import VideoModel
from videotcav.models.passes import logits, pixel_gradients, volumes
from videotcav.records import Record
from videotcav.video.clips import Clips

METHOD_NAMES = (*METHODS, *PIXEL_METHODS)
PIXELS = "pixels"
"""What stands in the layer's place for a method that reads no layer."""


class PixelSettings(Record):
    """How the methods that read pixels go about it.

    `integrated-gradients` goes from `baseline`, a name of FILLS, in so many `steps`, `steps_at_once` of them held at a
    time (with what a backward pass needs). `rise` draws `masks` a clip, of `grid` cells in time, height and width, from
    `seed`, `batch_size` of them held at a time.
    """

    baseline: str = "blur"
    steps: PositiveInt = 16
    steps_at_once: PositiveInt = 4
    masks: PositiveInt = 512
    grid: tuple[PositiveInt, PositiveInt, PositiveInt] = (4, 7, 7)
    batch_size: PositiveInt = 16
    seed: NonNegativeInt = 0


def last_spatial_layer(model: VideoModel) -> str:
    """The deepest of the model's default layers whose output still has time, height and width."""
    for layer in reversed(model.card.default_layers):
        if "h w" in model.layout_of(layer):
            return layer
    raise LayoutError(f"{model.card.name} names no default layer with time, height and width; name one: --layer")


def layer_maps(
    model: VideoModel,
    pixels: Tensor,
    *,
    layers: Sequence[str],
    classes: Sequence[int],
    method: str = "grad-cam",
    weights: Over = "clip",
    pixel_settings: PixelSettings | None = None,
    clip_names: Sequence[str] = (),
) -> tuple[Tensor, Tensor]:
    """Maps of all layers and classes, and the logits, from one forward pass and one backward pass a class.

    Args:
        model: the model; handed back unchanged.
        pixels: `clip channel time height width`, preprocessed.
        layers: whose activations are weighted; `("pixels",)` for a method that reads none.
        classes: indices of the classes.
        method: one of METHOD_NAMES.
        weights: whether a channel's weight holds for the clip or for each time step of the layer.
        pixel_settings: for `rise`, which costs a forward pass a mask, and `integrated-gradients`, which costs a pass
            forward and back a step.
        clip_names: what errors call the clips.

    Returns:
        Maps `layer class clip time height width` at the pixels' resolution, not normalised; logits `clip class`.

    Raises:
        VideotcavError: there is no such method, or it has no such weights.
        LayoutError: a layer's output cannot be folded to time, height and width.
        NumericalError: NaN or infinity; names clip and layer.
    """
    if method in PIXEL_METHODS:
        if weights != "clip":
            raise VideotcavError(f"{method} has no channels to weigh: leave the weights over frames out")
        scores = logits(model, pixels, clip_names=clip_names)
        return pixel_maps(model, pixels, classes, method=method, settings=pixel_settings)[None], scores
    chosen = method_of(method, weights=weights)
    frames, height, width = pixels.shape[2:]
    found = volumes(model, pixels, layers, classes if chosen.needs_class else (), clip_names=clip_names)

    def of(layer: str, index: int) -> Tensor:
        activation = found.activations[layer]
        gradient = found.gradients[index][layer] if chosen.needs_class else activation
        return upsample(chosen.map(activation, gradient, weights=weights), frames=frames, height=height, width=width)

    maps = torch.stack([torch.stack([of(layer, index) for index in classes]) for layer in layers])
    return maps, found.logits


def class_maps(model: VideoModel, pixels: Tensor, *, layer: str, classes: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Grad-CAM of each class at one layer, `class clip time height width`, and the logits `clip class`."""
    maps, scores = layer_maps(model, pixels, layers=[layer], classes=classes)
    return maps[0], scores


def stream_maps(
    model: VideoModel,
    batches: Iterable[Clips],
    *,
    layers: Sequence[str],
    classes: Sequence[int],
    method: str = "grad-cam",
    weights: Over = "clip",
    pixel_settings: PixelSettings | None = None,
) -> Iterator[ClipMaps]:
    """The maps of each clip, one clip after the other; never more than one batch of maps is held.

    Arguments as in `layer_maps`. `batches` may be a generator: a batch is asked for when the maps of the one before
    it have all been taken.
    """
    for batch in batches:
        names = [str(record.video.path) for record in batch.records]
        maps, scores = layer_maps(
            model,
            batch.pixels,
            layers=layers,
            classes=classes,
            method=method,
            weights=weights,
            pixel_settings=pixel_settings,
            clip_names=names,
        )
        shares = model.probabilities(scores)[:, list(classes)].cpu().numpy()
        values = maps.cpu().numpy()
        del maps, scores
        for position, record in enumerate(batch.records):
            yield ClipMaps(
                clip=record,
                layers=tuple(layers),
                classes=tuple(model.card.classes[index] for index in classes),
                method=method,
                weights=weights,
                # A copy: a view would keep the maps of the whole batch alive.
                values=values[:, :, position].copy(),
                probabilities=tuple(shares[position].tolist()),
            )
        del values, batch


def pixel_maps(
    model: VideoModel,
    pixels: Tensor,
    classes: Sequence[int],
    *,
    method: str,
    settings: PixelSettings | None = None,
) -> Tensor:
    """Maps `class clip time height width` of a method that reads pixels, clip by clip."""
    settings = settings or PixelSettings()
    one = {"rise": _rise, "integrated-gradients": _integrated}[method]
    return rearrange(torch.stack([one(model, clip, classes, settings) for clip in pixels]), "b k t h w -> k b t h w")


def _rise(model: VideoModel, clip: Tensor, classes: Sequence[int], settings: PixelSettings) -> Tensor:
    def probabilities(masked: Tensor) -> Tensor:
        return model.probabilities(logits(model, masked))[:, list(classes)].cpu()

    return rise(
        probabilities,
        clip.cpu(),
        masks=settings.masks,
        grid=settings.grid,
        batch_size=settings.batch_size,
        rng=np.random.default_rng(settings.seed),
    )


def _integrated(model: VideoModel, clip: Tensor, classes: Sequence[int], settings: PixelSettings) -> Tensor:
    """What speaks for the class: what neighbourhoods add, those that lower its score being cut off.

    Voxels beside each other add and take away by turns. Gathered by a Gaussian of a twentieth of the frame this
    cancels, as where attributions are summed over regions (Kapishnikov et al. 2019); frames stay apart.
    """
    if settings.baseline not in FILLS:
        raise VideotcavError(f"no baseline '{settings.baseline}'; there are {', '.join(FILLS)}")

    def slopes(points: Tensor) -> Tensor:
        return pixel_gradients(model, points, classes).cpu()

    pixels = clip.cpu()
    baseline = FILLS[settings.baseline](pixels[None])[0]
    found = integrated_gradients(slopes, pixels, baseline, steps=settings.steps, batch_size=settings.steps_at_once)
    gathered = blurred(rearrange(found, "k t h w -> k 1 t h w"), sigma=found.shape[-1] / 20)
    return rearrange(gathered, "k 1 t h w -> k t h w").relu()


def require_space(model: VideoModel, layer: str) -> None:
    """Nothing where a picture of a map at the layer shows something. Raises LayoutError for one without space."""
    layout = "" if layer == PIXELS else model.layout_of(layer)
    if layout and not {"h", "w"} <= set(re.findall(r"\w+", layout)):
        raise LayoutError(
            f"layer '{layer}' of {model.name} has no height and width (its layout is '{layout}'): a picture would show "
            "nothing; name a layer that has, or take the numbers over time (class_maps; videotcav cam -o maps.npz)"
        )


def check_layers(model: VideoModel, layers: Sequence[str], *, method: str) -> tuple[str, ...]:
    """The layers to read: those named, or the last spatial one; `pixels` for a method that reads none.

    Raises:
        LayerNotFound: there is no such layer.
        VideotcavError: a method that reads pixels was given a layer.
    """
    if method in PIXEL_METHODS:
        if layers:
            raise VideotcavError(f"{method} reads the pixels and no layer: leave the layer out")
        return (PIXELS,)
    require_distinct("layer", layers)
    for layer in layers:
        model.layer(layer)
    return tuple(layers) or (last_spatial_layer(model),)
