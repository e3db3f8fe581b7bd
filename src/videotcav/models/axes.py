"""Layouts that follow from what a module does: the axes of the pixels, followed through every operation of a pass.

A convolution in 3D, a batch norm, a pooling, whatever works number by number: each gives out the axes that it was
given. A permutation says where it puts them. Behind any other operation nothing is known, and nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from videotcav.errors import ModelError
from videotcav.models.model import first_tensor

Axes = tuple[str, ...]

_PIXELS: Axes = ("b", "c", "t", "h", "w")

_CHANNEL_SECOND = frozenset(
    "Convolution NativeBatchNorm CudnnBatchNorm MiopenBatchNorm NativeGroupNorm "  # noqa: SIM905
    "AvgPool3D AdaptiveAvgPool3D AdaptiveMaxPool3D MaxPool3DWithIndices FractionalMaxPool3D "
    "UpsampleNearest3D UpsampleNearestExact3D UpsampleTrilinear3D".split()
)
"""What torch calls operations in 3D: what goes in and comes out has clip and channel first."""

_KEEP_AXES = frozenset(
    "Add Sub Mul Div Neg Pow Exp Sqrt Abs Clamp Maximum Minimum Where Relu LeakyRelu PreluKernel Elu Celu Gelu Silu "  # noqa: SIM905
    "Mish Sigmoid LogSigmoid Tanh Softplus Hardtanh Hardsigmoid Hardswish Threshold Softmax NativeDropout "
    "Clone ToCopy Alias ConstantPadNd Expand Mean Sum Amax Amin NativeLayerNorm".split()
)
"""What torch calls operations that leave every axis whole and in its place, as long as there are as many of them."""


@contextmanager
def watched(module: nn.Module) -> Iterator[dict[str, str]]:
    """Inside, passes with a graph fill in the layout of every layer that runs, by name; empty where none follows."""
    found: dict[str, str] = {}
    followed: dict[Any, Axes | None] = {}

    def note(name: str, _module: nn.Module, _inputs: Any, output: Any) -> None:
        if not torch.is_grad_enabled():
            return
        try:
            axes = _axes(first_tensor(output).grad_fn, followed)
        except (ModelError, AttributeError):  # no tensor; or what torch saves of an operation has other names one day
            axes = None
        layout = "" if axes is None else " ".join(axes)
        found[name] = layout if found.setdefault(name, layout) == layout else ""

    parts = {
        name: part for name, part in module.named_modules() if name and not isinstance(part, torch.jit.ScriptModule)
    }
    hooks = [part.register_forward_hook(partial(note, name)) for name, part in parts.items()]
    try:
        yield found
    finally:
        followed.clear()
        for hook in hooks:
            hook.remove()


def _axes(node: Any, followed: dict[Any, Axes | None]) -> Axes | None:
    """What each axis of an operation's result is; None where that does not follow. `followed` is what is known."""
    waiting = [node]  # a list, since networks may be deeper than calls
    while waiting and node is not None:
        if waiting[-1] in followed:
            waiting.pop()
        elif unknown := [each for each in _before(waiting[-1]) if each not in followed]:
            waiting += unknown
        else:
            followed[waiting[-1]] = _followed(waiting[-1], followed)
    return followed.get(node)


def _before(node: Any) -> list[Any]:
    """The operations that give an operation what it works on; none where its result has not the axes of a clip."""
    if len(_shape(node)) != len(_PIXELS):
        return []
    return [before for before, _ in node.next_functions if before is not None]


def _followed(node: Any, followed: dict[Any, Axes | None]) -> Axes | None:
    leaf = getattr(node, "variable", None)
    if isinstance(leaf, Tensor):  # the pixels: nothing else in a pass asks for a gradient
        return _PIXELS if leaf.ndim == len(_PIXELS) and not isinstance(leaf, nn.Parameter) else None
    before = _before(node)
    known = {axes for each in before if (axes := followed[each]) is not None}
    return _behind(node, *known, before=before) if len(known) == 1 else None


def _behind(node: Any, axes: Axes, *, before: Sequence[Any]) -> Axes | None:
    """The axes of what an operation gives, of those of what goes in."""
    kind = _kind(node)
    if kind == "Permute":
        return tuple(axes[place] for place in _signed(node._saved_dims))  # noqa: SLF001 - what torch saves of it
    if kind == "Transpose":
        order = list(axes)
        one, other = _signed((node._saved_dim0, node._saved_dim1))  # noqa: SLF001 - as above
        order[one], order[other] = order[other], order[one]
        return tuple(order)
    if kind == "Cat":  # joined along time or space, places would not be those of the clip
        (joined,) = _signed((node._saved_dim,))  # noqa: SLF001 - as above
        keeps = axes[joined] == "c"
    elif kind == "Flip":  # of the colours: backwards along time or space, places would not be those of the clip
        keeps = all(axes[place] == "c" for place in _signed(node._saved_dims))  # noqa: SLF001 - as above
    elif kind == "Index":  # frames of a pathway, taken from the pixels before the module sees them
        keeps = all(map(_gives_the_pixels, before))
    elif kind == "Slice":  # of all there is, as older versions of torch make of a colon
        keeps = all(_shape(each) == _shape(node) for each in before)
    elif kind in _CHANNEL_SECOND:
        keeps = axes[:2] == _PIXELS[:2]
    else:
        keeps = kind in _KEEP_AXES
    return axes if keeps else None


def _gives_the_pixels(node: Any) -> bool:
    """Whether nothing but another precision and slices stand between this operation and the pixels as they were."""
    while _kind(node) in {"Slice", "ToCopy"}:
        (node, _), *_ = node.next_functions
    return _kind(node) == "AccumulateGrad"


def _shape(node: Any) -> tuple[int, ...]:
    """Of what an operation gives, or of the leaf that it is."""
    leaf = getattr(node, "variable", None)
    return tuple(node._input_metadata[0].shape if leaf is None else leaf.shape)  # noqa: SLF001 - it has no other name


def _kind(node: Any) -> str:
    return str(node.name()).rpartition("::")[2].partition("Backward")[0].lstrip("_")


def _signed(places: Iterable[int]) -> list[int]:
    """Places that torch keeps without their sign, as it was given."""
    return [place - 2**64 if place >= 2**63 else place for place in places]


def patterns(layouts: Mapping[str, str]) -> dict[str, str]:
    """The layouts of layers by shell patterns, as few as say it; empty ones are of layers that no pattern may fit."""
    shortened: dict[str, str] = {}
    for name, layout in layouts.items():
        if layout and not any(fnmatchcase(name, pattern) for pattern in shortened):
            shortened[next(each for each in _candidates(name) if _fits(each, layout, layouts))] = layout
    return shortened


def _candidates(name: str) -> Iterator[str]:
    """Patterns of a layer from the widest to its own name."""
    parts = name.split(".")
    yield from (f"{'.'.join(parts[:depth])}*" for depth in range(len(parts) + 1))
    yield ".".join("*" if part.isdecimal() else part for part in parts)
    yield name


def _fits(pattern: str, layout: str, layouts: Mapping[str, str]) -> bool:
    """Whether the pattern fits layers of this layout alone, and more than one where it is wider than a name."""
    fitting = [name for name in layouts if fnmatchcase(name, pattern)]
    return all(layouts[name] == layout for name in fitting) and (len(fitting) > 1 or pattern in layouts)
