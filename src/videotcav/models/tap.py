"""Several layers' activations and gradients from one pass, and the model handed back unchanged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.utils.hooks import RemovableHandle

from videotcav.errors import ModelError
from videotcav.models.model import VideoModel, borrowed, first_tensor, scripted

# A gradient at one of thousands of positions is smaller than what half precision holds; a power of two costs nothing.
_SCALE = {"fp32": 1.0, "bf16": 1.0, "fp16": 2.0**12}


_AS_WRITTEN: WeakSet[nn.Module] = WeakSet()  # looked at by whoever has borrowed the module alone

_NO_BACKWARD = -1  # torch's number of the backward pass that runs now, where none does


class _AllLayersHaveRun(Exception):
    """Ends a pass of which nothing more is wanted."""


class Tapped:
    """A model while it is tapped: call it with pixels, then read `activations` and ask for `gradients`."""

    def __init__(self, model: VideoModel, layers: Sequence[str]) -> None:
        self._model = model
        self._layers = tuple(layers)
        self._outputs: dict[str, Tensor] = {}
        self._probes: dict[str, Tensor | GradientEdge] = {}
        self._stops = False

    def __call__(self, pixels: Tensor) -> Tensor:
        """The logits `clip class` for pixels `clip channel time height width`; exactly those of the untapped model."""
        self._forget()
        logits = self._model.forward(pixels)
        self._refuse_missing_layers()
        return logits

    def read(self, pixels: Tensor) -> dict[str, Tensor]:
        """The `activations` for pixels, from a pass that ends behind the last layer: what follows is not computed."""
        self._forget()
        self._stops = True
        try:
            self._model.forward(pixels)
        except _AllLayersHaveRun:
            pass
        finally:
            self._stops = False
        self._refuse_missing_layers()
        return self.activations

    def _stop_where_all_have_run(self) -> None:
        if self._stops and self._outputs.keys() >= set(self._layers):
            raise _AllLayersHaveRun

    def _forget(self) -> None:
        self._outputs.clear()
        self._probes.clear()

    def _refuse_missing_layers(self) -> None:
        for layer in self._layers:
            if layer not in self._outputs:
                raise ModelError(
                    f"layer '{layer}' does not run as a module in a forward pass of {self._model.name}; "
                    "name one that does: model.layers() lists them"
                )

    @property
    def activations(self) -> dict[str, Tensor]:
        """What each layer gave in the last pass, as the module shaped it, in the order in which they ran."""
        return {layer: output.detach() for layer, output in self._outputs.items()}

    def gradients(self, scores: Tensor) -> dict[str, Tensor]:
        """The gradient of each clip's score with respect to each layer's output, from one backward pass.

        Args:
            scores: one a clip, computed from the logits of the last pass. Clips do not see each other in
                evaluation mode, so the gradient of their sum holds each clip's own.
        """
        if not scores.requires_grad:
            raise ModelError(
                "the scores hang on no tapped layer: compute them from this tap's logits, with gradients on, and "
                "outside torch.inference_mode()"
            )
        # A module in half precision has gradients in it whatever the card says.
        halves = any(output.dtype is torch.float16 for output in self._outputs.values())
        scale = _SCALE["fp16" if halves else self._model.card.precision]
        total = scores.float().sum() * scale
        try:
            probes: Any = list(self._probes.values())
            found = torch.autograd.grad(total, probes, retain_graph=True, allow_unused=True)
        except RuntimeError as error:
            if "checkpoint" not in str(error).lower():
                raise
            raise ModelError(
                f"{self._model.name} runs parts of itself under torch's reentrant checkpointing, through which no "
                "gradient of a layer can be taken: build it with use_reentrant=False, or without checkpointing"
            ) from error
        gradients = {}
        for layer, gradient in zip(self._probes, found, strict=True):
            if gradient is None:
                raise ModelError(
                    f"the class scores of {self._model.name} do not depend on layer '{layer}': it runs, but what it "
                    "gives is not used, or only without its graph (detach, no_grad, checkpointing); name another"
                )
            gradients[layer] = gradient if scale == 1 else gradient.float() / scale
        return gradients

    def save(self, layer: str, _module: nn.Module, inputs: Any, output: Any) -> Any:
        """Keep the layer's output and pass a copy on, so that an in-place operation behind it changes only the copy."""
        if torch._C._current_graph_task_id() != _NO_BACKWARD:  # noqa: SLF001
            return output  # a checkpointed part runs again for its backward pass
        if layer in self._outputs:
            raise ModelError(
                f"layer '{layer}' of {self._model.name} runs more than once in a pass, so that it has no one "
                "activation; name a layer that runs once: model.layers() lists them"
            )
        tensor = first_tensor(output)
        if not torch.is_grad_enabled():
            self._outputs[layer] = tensor.clone()
            self._stop_where_all_have_run()
            return output
        if _shares_memory(tensor, inputs):
            # The module gives back its own input, as an in-place activation does: whoever holds that input goes on
            # with it, so it is neither copied nor cut off. Its place in the graph, or where that begins a 0 that is
            # added to it, has the gradient of all paths.
            self._outputs[layer] = tensor.detach().clone()
            if tensor.requires_grad:
                self._probes[layer] = get_gradient_edge(tensor)
            else:
                self._probes[layer] = zero = torch.zeros_like(tensor, requires_grad=True)
                tensor.add_(zero)
            self._stop_where_all_have_run()
            return output
        if not tensor.requires_grad:
            # The graph starts here: nothing in front of the first tapped layer is differentiated. A later layer
            # already hangs on the graph and must stay there, or the earlier one would get no gradient.
            tensor = tensor.detach().requires_grad_()
        self._outputs[layer] = self._probes[layer] = tensor
        self._stop_where_all_have_run()
        return with_first(output, tensor.clone())


@contextmanager
def tap(model: VideoModel, layers: Sequence[str]) -> Iterator[Tapped]:
    """The model with these layers open: one forward pass and one backward pass a class serve all of them.

    Inside, the model is in evaluation mode and its parameters are constants; afterwards, also when the body raises,
    its hooks, training flags and requires_grad flags are what they were.

    Raises:
        LayerNotFound: there is no such layer; the closest are named.
        ModelError: a layer runs twice or never in a pass, or the score does not depend on it.
    """
    tapped = Tapped(model, layers)
    parts = {layer: model.layer(layer) for layer in layers}
    for layer, part in parts.items():
        if isinstance(part, torch.jit.ScriptModule):
            raise scripted(f"layer '{layer}' of {model.name}")
    hooks: list[RemovableHandle] = []
    try:
        # A caller's inference mode would leave no graph.
        with torch.inference_mode(mode=False), as_written(model.module), _with_changes_of_inputs(parts.values()):
            hooks.extend(part.register_forward_hook(partial(tapped.save, layer)) for layer, part in parts.items())
            yield tapped
    finally:
        for hook in hooks:
            hook.remove()


def _shares_memory(tensor: Tensor, inputs: Any) -> bool:
    place = tensor.untyped_storage().data_ptr()
    flat = [item for each in inputs for item in (each if isinstance(each, tuple | list) else (each,))]
    return any(isinstance(each, Tensor) and each.untyped_storage().data_ptr() == place for each in flat)


def with_first(output: Any, tensor: Tensor) -> Any:
    """The output of a module with another first tensor, of the same type."""
    if isinstance(output, Tensor):
        return tensor
    if isinstance(output, list):
        return [tensor, *output[1:]]
    return output._replace(**{output._fields[0]: tensor}) if hasattr(output, "_fields") else (tensor, *output[1:])


def _with_changes_of_inputs(layers: Iterable[nn.Module]) -> AbstractContextManager[object]:
    """Changes in place are allowed for where a tapped layer gives back its own input, which then cannot be copied.

    It costs some 3 % of a pass, so it is left out where no layer is of that kind.
    """
    alike = (nn.Identity, nn.Flatten, nn.Unflatten, nn.modules.dropout._DropoutNd)  # noqa: SLF001 - their base class
    if any(isinstance(layer, alike) or getattr(layer, "inplace", False) for layer in layers):
        return torch.autograd.graph.allow_mutation_on_saved_tensors()
    return nullcontext()


@contextmanager
def as_written(module: nn.Module) -> Iterator[None]:
    """The module borrowed, and uncompiled; where both are so already, nothing is looked at again."""
    with borrowed(module):
        if module in _AS_WRITTEN:
            yield
            return
        _AS_WRITTEN.add(module)
        try:
            with uncompiled(module):
                yield
        finally:
            _AS_WRITTEN.discard(module)


def uncompiled(module: nn.Module) -> AbstractContextManager[None]:
    """Compiled parts run as they were written: compiled code calls no hooks."""
    parts = module.modules()
    if any(type(part).__name__ == "OptimizedModule" or getattr(part, "_compiled_call_impl", None) for part in parts):
        stance: AbstractContextManager[None] = torch.compiler.set_stance("force_eager")
        return stance
    return nullcontext()
