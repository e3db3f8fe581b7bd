"""A module together with what must be known of it, and the promise to hand it back unchanged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import partial
from threading import RLock
from typing import Any, TypeVar
from weakref import WeakKeyDictionary, WeakSet

import numpy as np
import torch
from einops import rearrange
from pydantic import ValidationError
from torch import Tensor, nn

from videotcav.errors import ArgumentError, ClassNotFound, LayerNotFound, LayoutError, ModelError, closest
from videotcav.models.fp32 import whole_fp32
from videotcav.models.layout import fold
from videotcav.models.output import ReadLogits, remarks, rows_of
from videotcav.models.user_code import unpassable
from videotcav.records import ModelCard
from videotcav.texts import first_problem

T = TypeVar("T")

_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


_LOCKS: WeakKeyDictionary[nn.Module, RLock] = WeakKeyDictionary()
_BORROWED: WeakSet[nn.Module] = WeakSet()  # looked at under a module's own lock alone


@contextmanager
def borrowed(module: nn.Module) -> Iterator[None]:
    """Evaluation mode, constant parameters, whole fp32; every flag as it was afterwards, also when the body raises.

    Threads borrow a module one after the other. Whoever has borrowed it borrows it again for nothing: looking through
    hundreds of parts for every pass takes some 3 % of the time of a Video Swin.
    """
    with _LOCKS.setdefault(module, RLock()):
        if module in _BORROWED:
            yield
            return
        _BORROWED.add(module)
        try:
            with whole_fp32():
                yield from _borrowed(module)
        finally:
            _BORROWED.discard(module)


def _borrowed(module: nn.Module) -> Iterator[None]:
    if any(parameter.is_inference() for parameter in module.parameters()):
        raise ModelError(
            "the module was made inside torch.inference_mode(), where no gradient can ever pass it; build it and load "
            "its weights outside"
        )
    training = [(part, part.training) for part in module.modules()]
    trainable = [parameter for parameter in module.parameters() if parameter.requires_grad]
    try:
        # Not module.eval(): models override it, and what it changes could not be undone part by part.
        for part, _ in training:
            part.training = False
        for parameter in trainable:
            parameter.requires_grad_(False)
        yield
    finally:
        for part, was_training in training:
            part.training = was_training
        for parameter in trainable:
            parameter.requires_grad_(True)


def first_tensor(output: Any) -> Tensor:
    """The tensor that an output is, or the first one in a tuple or list (transformers return the grid beside it)."""
    if isinstance(output, Tensor):
        return output
    if isinstance(output, tuple | list) and output and isinstance(output[0], Tensor):
        return output[0]
    raise ModelError(f"a module returns {type(output).__name__}, not a tensor or a tuple that starts with one")


@dataclass(frozen=True)
class LayerInfo:
    """A layer that can be named: its module's type, the shape of its output for one clip, and its layout.

    `layout` is empty where nobody said how the output is laid out. `degenerate` layers have only linear operations
    between them and the logits: their gradient is the same for every clip (method.md 4.6). `folded` counts the layers
    inside it that a listing leaves out.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    layout: str
    degenerate: bool
    folded: int = 0


@dataclass(frozen=True)
class VideoModel:
    """A video classifier whose layers and classes can be named.

    Call it with pixels `clip channel time height width`; `tap` and `passes` look inside. `reshape_transform` folds the
    outputs of layers whose layout neither card nor network says, as grad-cam takes it: a layer's output in, out
    `clip channel time height width`. `read_logits` finds the logits in what the module returns, where the card cannot
    say it. `cautions` are sentences on what was seen of the module when it was loaded, `volatile` its attributes that a
    pass changed, such as counters.
    """

    module: nn.Module
    card: ModelCard
    reshape_transform: Callable[[Tensor], Tensor] | None = None
    read_logits: ReadLogits | None = None
    cautions: tuple[str, ...] = ()
    volatile: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """How the model is named on the command line."""
        return self.card.name

    @property
    def device(self) -> torch.device:
        """Where the parameters are; clips are brought there."""
        parameter = next(self.module.parameters(), None)
        return torch.device("cpu") if parameter is None else parameter.device

    def with_clip(self, **changes: Any) -> VideoModel:
        """The same network, shown other clips: fields of its `ClipSpec`, as `clips_per_video=10, crops_per_clip=3`.

        Raises:
            ArgumentError: the clip spec has no such field, or not with this value.
        """
        try:
            spec = self.card.clip_spec.changed(changes)
        except ValidationError as error:
            raise ArgumentError(f"clips of {self.name}: {first_problem(error)}") from error
        return replace(self, card=self.card.model_copy(update={"clip_spec": spec}))

    def __call__(self, pixels: Tensor) -> Tensor:
        """The logits `clip class`, in evaluation mode and without a graph."""
        with borrowed(self.module), torch.no_grad():
            return self.forward(pixels)

    def forward(self, pixels: Tensor) -> Tensor:
        """The logits of one pass as the module is: its pixels in its own order, in the precision of the card.

        Raises:
            ModelError: what the module gives does not fit its card.
        """
        return rows_of(self.raw(pixels), self.card, clips=len(pixels), read=self.read_logits)

    def raw(self, pixels: Tensor) -> Any:
        """What the module itself returns for a copy of the pixels in its own order of colours: it may change it.

        The caller's autocast does not reach it: a pass has the precision that the card names.
        """
        parameter = next(self.module.parameters(), None)
        dtype = pixels.dtype if parameter is None or not parameter.is_floating_point() else parameter.dtype
        pixels = pixels.to(self.device, dtype)
        inputs: Any = self._ordered(pixels)
        if self.card.pathways:
            inputs = [self._ordered(pixels[:, :, list(frames)]) for frames in self.card.pathways]
        with self._autocast():
            return self.module(inputs)

    def probabilities(self, logits: Tensor) -> Tensor:
        """The probability of each class from logits `clip class`, as the network's own head makes it."""
        return logits.softmax(dim=1) if self.card.scores == "logits" else logits.sigmoid()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader of any result of this model must know, in sentences."""
        return (*remarks(self.card), *self.cautions)

    def class_index(self, name: str | int | np.integer[Any] | Tensor) -> int:
        """The index of a class given by its name or its index. Raises ClassNotFound with the closest names."""
        classes = self.card.classes
        if isinstance(name, Tensor) and name.numel() == 1 and not name.is_floating_point() and name.dtype != torch.bool:
            name = int(name)
        if isinstance(name, np.integer):
            name = int(name)
        if isinstance(name, bool) or not isinstance(name, str | int):
            raise ClassNotFound(
                f"{name!r} is no class of {self._short_name}: give one name, or one index from 0 to {len(classes) - 1}"
            )
        if isinstance(name, str) and name in classes:
            return classes.index(name)
        if isinstance(name, int) or name.isdecimal():
            if 0 <= int(name) < len(classes):
                return int(name)
            raise ClassNotFound(f"no class {name} in {self._short_name}; its {len(classes)} classes count from 0")
        near = closest(name, classes) or ", ".join(f"'{known}'" for known in classes[:3]) + " …"
        raise ClassNotFound(f"no class '{name}' among the {len(classes)} of {self._short_name}; closest: {near}")

    def layer(self, name: str) -> nn.Module:
        """The module of that name. Raises LayerNotFound with the closest names."""
        part: nn.Module | None = self.module
        for step in name.split("."):
            part = dict(part.named_children()).get(step) if part is not None else None
        if part is not None:
            return part
        near = closest(name, (known for known, _ in self.module.named_modules() if known))
        listing = f'`layers("{self.name}")` lists them' if ":" in self.name else "`model.layers()` lists them"
        suggestion = f"; closest: {near}" if near else ""
        raise LayerNotFound(f"no layer '{name}' in {self._short_name}{suggestion}", hint=listing)

    def layer_name(self, layer: str | nn.Module) -> str:
        """The name of a layer given by name or as the module itself. Raises LayerNotFound."""
        if isinstance(layer, str):
            self.layer(layer)
            return layer
        modules: dict[str, nn.Module] = dict(self.module.named_modules())
        for name, part in modules.items():
            if part is layer and name:
                return name
        raise LayerNotFound(f"this {type(layer).__name__} is no part of {self._short_name}; name it, or take its own")

    def layers(self) -> tuple[LayerInfo, ...]:
        """The layers that can be named, in the module's order, seen in one forward pass of zeros.

        A module that does not run in the pass, runs more than once, gives no tensor or is compiled by torch.jit is left
        out. Raises ModelError where the whole network is.
        """
        spec = self.card.clip_spec
        outputs: dict[str, list[tuple[int, ...]]] = {}

        def note(name: str, _module: nn.Module, _inputs: Any, output: Any) -> None:
            try:
                outputs.setdefault(name, []).append(tuple(first_tensor(output).shape))
            except ModelError:
                outputs[name] = []

        if isinstance(self.module, torch.jit.ScriptModule):
            raise scripted(self.card.name)
        parts = {
            name: part
            for name, part in self.module.named_modules()
            if name and not isinstance(part, torch.jit.ScriptModule)
        }
        clip = torch.zeros(1, spec.channels, spec.frames, spec.height, spec.width, dtype=torch.float32, device="cpu")
        hooks = [part.register_forward_hook(partial(note, name)) for name, part in parts.items()]
        try:
            self(clip)
        except ModelError:
            raise
        except Exception as error:
            raise unpassable(self.card, error) from error
        finally:
            for hook in hooks:
                hook.remove()
        return tuple(
            LayerInfo(
                name=name,
                kind=type(part).__name__,
                shape=outputs[name][0],
                layout=self.layout_of(name),
                degenerate=any(fnmatchcase(name, pattern) for pattern in self.card.degenerate),
            )
            for name, part in parts.items()
            if len(outputs.get(name, ())) == 1
        )

    def layout_of(self, layer: str) -> str:
        """How the layer's output is laid out, as an einops pattern; empty when the card does not say."""
        return _look_up(self.card.layouts, layer) or ""

    def fold(self, layer: str, output: Tensor, *, clips: int | None = None) -> Tensor:
        """The layer's output as `clip channel time height width`, of so many clips where that is known.

        Raises LayoutError naming the layer.
        """
        folded = self._folded(layer, output)
        if clips is not None and len(folded) != clips:
            raise LayoutError(
                f"layer '{layer}' of {self._short_name} gives {len(folded)} rows for {clips} clips by its layout "
                f"'{self.layout_of(layer)}'; correct the layout on the model's card"
            )
        return folded

    def _folded(self, layer: str, output: Tensor) -> Tensor:
        layout = self.layout_of(layer)
        if not layout and self.reshape_transform is not None:
            folded = self.reshape_transform(output)
            if folded.ndim == len("bcthw") and len(folded) == len(output):
                return folded
            raise LayoutError(
                f"reshape_transform makes {tuple(folded.shape)} of layer '{layer}' {tuple(output.shape)}; "
                "needed: clip channel time height width"
            )
        try:
            return fold(output, layout, _look_up(self.card.grids, layer))
        except LayoutError as error:
            raise LayoutError(f"layer '{layer}' of {self._short_name}: {error}") from None

    def _ordered(self, pixels: Tensor) -> Tensor:
        order = self.card.pixels
        pixels = pixels.flip(1) if self.card.colour == "BGR" else pixels
        ordered = pixels if order == "b c t h w" else rearrange(pixels, f"b c t h w -> {order}")
        return ordered.clone(memory_format=torch.contiguous_format)

    def _autocast(self) -> AbstractContextManager[Any]:
        kind = self.device.type
        if self.card.precision == "fp32":
            return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()
        return torch.autocast(kind, dtype=_AUTOCAST[self.card.precision])

    @property
    def _short_name(self) -> str:
        return self.name.rpartition(":")[2]


def scripted(name: str) -> ModelError:
    """That layers of a network which torch.jit compiled cannot be looked into."""
    return ModelError(
        f"{name} is compiled by torch.jit, which lets nobody look into its layers: build the network in Python and "
        "give this one's state_dict() as its weights; maps that need pixels alone (rise) work as it is"
    )


def _look_up(table: Mapping[str, T], layer: str) -> T | None:
    """The layer's own entry, or else that of the first shell pattern which it matches."""
    matches: Iterable[T] = (value for pattern, value in table.items() if fnmatchcase(layer, pattern))
    return table[layer] if layer in table else next(iter(matches), None)
