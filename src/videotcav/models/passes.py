"""Pixels in, activations and gradients out: one forward pass for all layers, one backward pass a class."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from videotcav.errors import LayoutError, ModelError, NumericalError
from videotcav.models.class_score import LOGIT, ClassScore
from videotcav.models.layout import pool, pool_gradient
from videotcav.models.model import VideoModel, borrowed
from videotcav.models.tap import tap
from videotcav.records import Pooling

T = TypeVar("T")

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory")

_Shape = Callable[[str, Tensor], Tensor]


@dataclass(frozen=True)
class Passes:
    """What forward and backward passes over some clips gave, in float32.

    Attributes:
        logits: clip class.
        activations: for each layer `clip d`, or `clip channel time height width` from `volumes`.
        gradients: for each class index and layer the gradient of that class's score, shaped as the activations.
    """

    logits: Tensor
    activations: dict[str, Tensor]
    gradients: dict[int, dict[str, Tensor]]


def out_of_memory(error: RuntimeError) -> bool:
    """Whether the device, or the machine, had no memory left for a pass."""
    # CUDA has a type for it; the allocators of the CPU and of MPS have only a message.
    return isinstance(error, torch.OutOfMemoryError) or any(said in str(error) for said in _OUT_OF_MEMORY)


def logits(model: VideoModel, pixels: Tensor, *, clip_names: Sequence[str] = ()) -> Tensor:
    """The logits `clip class` in float32. Raises NumericalError naming the clip when one is not finite."""
    found = model(pixels).float()
    _check_finite(found, f"the logits of {model.name}", clip_names, clips=len(pixels))
    return found


def features(
    model: VideoModel,
    pixels: Tensor,
    layers: Sequence[str],
    *,
    pooling: Pooling = "none",
    clip_names: Sequence[str] = (),
) -> dict[str, Tensor]:
    """The activations of each layer, `clip d` in float32, from one forward pass that ends behind the last of them.

    Arguments and errors as in `forward`.
    """
    flat = pooled_shape(model, layers, pooling, pixels)
    with tap(model, layers) as tapped, torch.no_grad():
        activations = tapped.read(pixels)
    return _shaped(activations, layers, flat, f"the activation of {model.name}", clip_names, clips=len(pixels))


def forward(
    model: VideoModel,
    pixels: Tensor,
    layers: Sequence[str],
    *,
    pooling: Pooling = "none",
    clip_names: Sequence[str] = (),
) -> Passes:
    """The logits, and the activations of each layer, from one whole forward pass without a graph.

    With pooling `none` the layer's output is flattened as it is, class token included; any other pooling folds it
    first (the layer's layout must be known), where a class token has no place.

    Args:
        model: the model; handed back unchanged.
        pixels: clip channel time height width, preprocessed.
        layers: names of layers.
        pooling: which axes are averaged.
        clip_names: what errors call the clips; their positions where absent.

    Raises:
        NumericalError: an activation or a logit is NaN or infinite; names clip and layer.
    """
    flat = pooled_shape(model, layers, pooling, pixels)
    with tap(model, layers) as tapped, torch.no_grad():
        found = tapped(pixels).float()
        activations = tapped.activations
    what = f"the activation of {model.name}"
    shaped = _shaped(activations, layers, flat, what, clip_names, clips=len(pixels))
    _check_finite(found, f"the logits of {model.name}", clip_names, clips=len(pixels))
    return Passes(logits=found, activations=shaped, gradients={})


def gradients(
    model: VideoModel,
    pixels: Tensor,
    layers: Sequence[str],
    class_indices: Sequence[int],
    *,
    pooling: Pooling = "none",
    score: ClassScore = LOGIT,
    clip_names: Sequence[str] = (),
) -> Passes:
    """Logits, activations and gradients, from one forward pass and one backward pass for each class.

    Arguments and errors as in `forward`; `score` is what is differentiated, of each class.
    Gradients are those with respect to the *pooled* activation.
    """
    flat = (
        pooled_shape(model, layers, pooling, pixels),
        pooled_shape(model, layers, pooling, pixels, reduction=pool_gradient),
    )
    return _passes(model, pixels, layers, class_indices, score=score, shapes=flat, clip_names=clip_names)


def volumes(
    model: VideoModel,
    pixels: Tensor,
    layers: Sequence[str],
    class_indices: Sequence[int],
    *,
    score: ClassScore = LOGIT,
    clip_names: Sequence[str] = (),
) -> Passes:
    """As `gradients`, with activations and gradients folded to `clip channel time height width`, as a CAM needs them.

    Raises:
        LayoutError: nobody said how a layer's output is laid out.
    """
    folded = partial(model.fold, clips=len(pixels))
    return _passes(model, pixels, layers, class_indices, score=score, shapes=(folded, folded), clip_names=clip_names)


def pixel_gradients(
    model: VideoModel, pixels: Tensor, class_indices: Sequence[int], *, clip_names: Sequence[str] = ()
) -> Tensor:
    """The gradient of each class's logit with respect to the pixels, `class clip channel time height width`.

    One forward pass, one backward pass a class.

    Raises:
        ModelError: the model's logits do not hang on its pixels, as where it computes without gradients.
        NumericalError: a gradient is NaN or infinite; names the clip.
    """
    class_indices = [model.class_index(index) for index in class_indices]

    def differentiate() -> list[Tensor]:
        with borrowed(model.module), torch.enable_grad():
            seen = pixels.to(model.device).detach().requires_grad_()
            scores = model.forward(seen)
            if not scores.requires_grad:
                raise ModelError(f"{model.name} gives no gradients of its pixels; rise needs none")
            return [torch.autograd.grad(scores[:, index].sum(), seen, retain_graph=True)[0] for index in class_indices]

    found = with_changes_in_place(differentiate)
    for index, gradient in zip(class_indices, found, strict=True):
        what = f"the gradient of class '{model.card.classes[index]}' of {model.name} with respect to the pixels"
        _check_finite(gradient, what, clip_names, clips=len(gradient))
    return torch.stack(found).float()


def _passes(
    model: VideoModel,
    pixels: Tensor,
    layers: Sequence[str],
    class_indices: Sequence[int],
    *,
    score: ClassScore,
    shapes: tuple[_Shape, _Shape],
    clip_names: Sequence[str],
) -> Passes:
    class_indices = [model.class_index(index) for index in class_indices]
    return with_changes_in_place(
        partial(
            _differentiated, model, pixels, layers, class_indices, score=score, shapes=shapes, clip_names=clip_names
        )
    )


def with_changes_in_place(work: Callable[[], T]) -> T:
    """What the work gives; again with copies of what was changed where the network changes what its graph still needs.

    `x = relu(x); x += y` fits into no backward pass otherwise. Copies cost time, so they are made only where they must.
    """
    try:
        return work()
    except RuntimeError as error:
        if "modified by an inplace operation" not in str(error):
            raise
    with torch.autograd.graph.allow_mutation_on_saved_tensors():
        return work()


def _differentiated(
    model: VideoModel,
    pixels: Tensor,
    layers: Sequence[str],
    class_indices: Sequence[int],
    *,
    score: ClassScore,
    shapes: tuple[_Shape, _Shape],
    clip_names: Sequence[str],
) -> Passes:
    activation_shape, gradient_shape = shapes
    found: dict[int, dict[str, Tensor]] = {}
    with tap(model, layers) as tapped, torch.enable_grad():
        raw = tapped(pixels)
        # Before any backward pass, so that the error names the first layer that went wrong.
        activations = _shaped(
            tapped.activations, layers, activation_shape, f"the activation of {model.name}", clip_names, clips=len(raw)
        )
        _check_finite(raw.detach(), f"the logits of {model.name}", clip_names, clips=len(raw))
        for index in class_indices:
            what = f"the gradient of class '{model.card.classes[index]}' of {model.name}"
            slopes = tapped.gradients(score(raw.float(), index))
            found[index] = _shaped(slopes, layers, gradient_shape, what, clip_names, clips=len(raw))
    return Passes(logits=raw.detach().float(), activations=activations, gradients=found)


def pooled_shape(
    model: VideoModel,
    layers: Sequence[str],
    pooling: Pooling,
    pixels: Tensor,
    *,
    reduction: Callable[[Tensor, Pooling], Tensor] = pool,
) -> _Shape:
    """What pools a layer's output for these pixels and flattens it to `clip d`."""
    clips = len(pixels)
    whole = rows_are_clips(model, layers, pixels) if pooling == "none" else set()

    def shape(layer: str, output: Tensor) -> Tensor:
        if pooling != "none":
            return reduction(model.fold(layer, output, clips=clips), pooling)
        # Steps or places may stand in the first axis, beside the clips or instead of them: only a layout tells.
        if layer not in whole:
            output = model.fold(layer, output, clips=clips)
        return output.flatten(1)

    return shape


_ROWS: WeakKeyDictionary[nn.Module, set[str]] = WeakKeyDictionary()


def rows_are_clips(model: VideoModel, layers: Sequence[str], pixels: Tensor) -> set[str]:
    """Those of the layers of whose output each row is a clip.

    The layout says so; where nobody said how a layer is laid out, the first of `pixels` alone shows it, once.

    Raises:
        LayoutError: there is no layout, and one clip has several rows.
    """
    said = {layer: layout for layer in layers if (layout := model.layout_of(layer))}
    whole = {layer for layer, layout in said.items() if layout.split()[0] == "b"}
    if model.reshape_transform is not None:
        return whole
    seen = _ROWS.setdefault(model.module, set())
    unsaid = [layer for layer in layers if layer not in said]
    if not seen.issuperset(unsaid):
        with tap(model, unsaid) as tapped, torch.no_grad():
            alone = tapped.read(pixels[:1])
        for layer, output in alone.items():
            if output.ndim < 2 or len(output) != 1:  # noqa: PLR2004 - a row, and what is in it
                shape = tuple(output.shape)
                raise LayoutError(
                    f"layer '{layer}' of {model.name} gives {shape[0] if shape else 0} rows for one clip (shape "
                    f"{shape}); say how it is laid out, as ModelCard(layouts={{'…': 't b c'}}), or name another layer"
                )
        seen.update(unsaid)
    return whole.union(unsaid)


def _shaped(
    outputs: Mapping[str, Tensor],
    layers: Sequence[str],
    shape: _Shape,
    what: str,
    clip_names: Sequence[str],
    *,
    clips: int,
) -> dict[str, Tensor]:
    """The outputs checked in the order in which the layers ran, shaped, in float32, in the order asked for."""
    for layer, output in outputs.items():
        _check_finite(output, f"{what} at layer '{layer}'", clip_names, clips=clips)
    return {layer: shape(layer, outputs[layer].float()) for layer in layers}


def _check_finite(values: Tensor, what: str, clip_names: Sequence[str], *, clips: int) -> None:
    sums = values.flatten(1).sum(dim=1)
    if sums.isfinite().all():  # thirty times as fast as looking at every number; only sums can overflow
        return
    finite = values.isfinite().flatten(1).all(dim=1).tolist()
    if all(finite):
        return
    position = finite.index(False) * clips // len(finite)
    clip = f"'{clip_names[position]}'" if clip_names else str(position)
    raise NumericalError(
        f"clip {clip}: {what} is NaN or infinite; look at the clip's pixels and at the weights, no score was computed"
    )
