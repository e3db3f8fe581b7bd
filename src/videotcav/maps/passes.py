"""Pixels in, maps out: one forward pass for all layers and classes of a batch, one backward pass a class."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn

from videotcav.errors import ArgumentError, LayoutError, require_distinct
from videotcav.explain.saliency.cam import METHODS, PIXEL_METHODS, Method, Over, method_of, upsample
from videotcav.explain.saliency.integrated import integrated_gradients
from videotcav.explain.saliency.measures import FILLS, blurred
from videotcav.explain.saliency.rise import rise
from videotcav.maps.view import PIXELS, PixelSettings, View
from videotcav.models.model import VideoModel
from videotcav.models.passes import logits, pixel_gradients, volumes

T = TypeVar("T")
METHOD_NAMES = (*METHODS, *PIXEL_METHODS)


def last_spatial_layer(model: VideoModel) -> str:
    """The deepest of the model's default layers whose output still has time, height and width."""
    for layer in reversed(model.card.default_layers):
        if "h w" in model.layout_of(layer):
            return layer
    raise LayoutError(f"{model.card.name} names no default layer with time, height and width", hint="name a `layer`")


def view_maps(
    model: VideoModel,
    pixels: Tensor,
    *,
    views: Sequence[View],
    classes: Sequence[int],
    weights: Over = "clip",
    pixel_settings: PixelSettings | None = None,
    clip_names: Sequence[str] = (),
) -> tuple[Tensor, Tensor]:
    """Maps of all views and classes, and the logits, from one forward pass and one backward pass a class.

    Args:
        model: the model; handed back unchanged.
        pixels: `clip channel time height width`, preprocessed.
        views: methods at layers; `views_of` checks them. A method that reads pixels needs passes of its own.
        classes: indices of the classes.
        weights: whether a channel's weight holds for the clip or for each time step of the layer.
        pixel_settings: for `rise`, which costs a forward pass a mask, and `integrated-gradients`, which costs a pass
            forward and back a step.
        clip_names: what errors call the clips.

    Returns:
        Maps `view class clip time height width` at the pixels' resolution, not normalised; logits `clip class`.

    Raises:
        ArgumentError: there is no such method, or it has no such weights.
        LayoutError: a layer's output cannot be folded to time, height and width.
        NumericalError: NaN or infinity; names clip and layer.
    """
    frames, height, width = pixels.shape[2:]
    methods = _of_layers([view.method for view in views], weights)
    if methods:
        layers = list(dict.fromkeys(view.layer for view in views if view.layer != PIXELS))
        needed = classes if any(method.needs_class for method in methods.values()) else ()
        found = volumes(model, pixels, layers, needed, clip_names=clip_names)

    def of(view: View) -> Tensor:
        if view.layer == PIXELS:
            return pixel_maps(model, pixels, classes, method=view.method, settings=pixel_settings)
        method, activation = methods[view.method], found.activations[view.layer]
        of_class = [
            method.map(
                activation, found.gradients[index][view.layer] if method.needs_class else activation, weights=weights
            )
            for index in (classes if method.needs_class else classes[:1])
        ]
        larger = torch.stack([upsample(each, frames=frames, height=height, width=width) for each in of_class])
        return larger.expand(len(classes), *larger.shape[1:])

    maps = torch.stack([of(view).cpu() for view in views])
    return maps, found.logits if methods else logits(model, pixels, clip_names=clip_names)


def layer_maps(
    model: VideoModel, pixels: Tensor, *, layers: Sequence[str], method: str = "grad-cam", **how: Any
) -> tuple[Tensor, Tensor]:
    """As `view_maps`, of one method: maps `layer class clip time height width`, and the logits."""
    return view_maps(model, pixels, views=[View(method=method, layer=layer) for layer in layers], **how)


def class_maps(model: VideoModel, pixels: Tensor, *, layer: str, classes: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Grad-CAM of each class at one layer, `class clip time height width`, and the logits `clip class`."""
    maps, scores = layer_maps(model, pixels, layers=[layer], classes=classes)
    return maps[0], scores


def _of_layers(methods: Sequence[str], weights: Over) -> dict[str, Method]:
    """Those of the methods that read layers. Raises ArgumentError where there is no such method or weights."""
    if weights != "clip" and (of_pixels := [method for method in methods if method in PIXEL_METHODS]):
        raise ArgumentError(f"{of_pixels[0]} has no channels to weigh: leave the weights over frames out")
    return {method: method_of(method, weights=weights) for method in methods if method not in PIXEL_METHODS}


def listed(given: Sequence[T]) -> Sequence[T]:
    """What was given, as a sequence also where it is one thing by itself."""
    return [given] if isinstance(given, str | int | nn.Module) else given  # type: ignore[list-item] # it is a T


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
        raise ArgumentError(f"no baseline '{settings.baseline}'; there are {', '.join(FILLS)}")

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
            "nothing",
            hint="name a `layer` that has, or save the numbers over time, as maps.npz",
        )


def views_of(
    model: VideoModel, layers: Sequence[str | nn.Module], methods: Sequence[str], *, weights: Over = "clip"
) -> tuple[View, ...]:
    """Each method at each of the layers named, or at the last spatial one; at `pixels` where it reads none.

    Raises:
        LayerNotFound: there is no such layer.
        ArgumentError: no such method or weights; one is named twice; a layer for methods that read none.
    """
    methods, layers = listed(methods), listed(layers)
    require_distinct("method", methods)
    of_layers = _of_layers(methods, weights)
    if not methods:
        raise ArgumentError(f"no method is named; there are {', '.join(METHOD_NAMES)}")
    if layers and not of_layers:
        raise ArgumentError(f"{', '.join(methods)} reads the pixels and no layer: leave the layer out")
    names = [model.layer_name(layer) for layer in layers]
    require_distinct("layer", names)
    names = names or ([last_spatial_layer(model)] if of_layers else [])
    return tuple(
        View(method=method, layer=layer)
        for method in methods
        for layer in (names if method in of_layers else (PIXELS,))
    )
