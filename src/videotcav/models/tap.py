"""Several layers' activations and gradients from one pass, and the model handed back unchanged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from videotcav.errors import ModelError
from videotcav.models.model import VideoModel, borrowed, first_tensor

# A gradient at one of thousands of positions is smaller than what half precision holds; a power of two costs nothing.
_SCALE = {"fp32": 1.0, "bf16": 1.0, "fp16": 2.0**12}


class _AllLayersHaveRun(Exception):
    """Ends a pass of which nothing more is wanted."""


class Tapped:
    """A model while it is tapped: call it with pixels, then read `activations` and ask for `gradients`."""

    def __init__(self, model: VideoModel, layers: Sequence[str]) -> None:
        self._model = model
        self._layers = tuple(layers)
        self._outputs: dict[str, Tensor] = {}
        self._stops = False

    def __call__(self, pixels: Tensor) -> Tensor:
        """The logits `clip class` for pixels `clip channel time height width`; exactly those of the untapped model."""
        self._outputs.clear()
        logits = self._model.forward(pixels)
        self._refuse_missing_layers()
        return logits

    def read(self, pixels: Tensor) -> dict[str, Tensor]:
        """The `activations` for pixels, from a pass that ends behind the last layer: what follows is not computed."""
        self._outputs.clear()
        self._stops = True
        try:
            self._model.forward(pixels)
        except _AllLayersHaveRun:
            pass
        finally:
            self._stops = False
        self._refuse_missing_layers()
        return self.activations

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
                "the scores hang on no tapped layer: compute them from this tap's logits, with gradients on"
            )
        scale = _SCALE[self._model.card.precision]
        total = scores.float().sum() * scale
        found = torch.autograd.grad(total, list(self._outputs.values()), retain_graph=True, allow_unused=True)
        gradients = {}
        for layer, gradient in zip(self._outputs, found, strict=True):
            if gradient is None:
                raise ModelError(f"the class scores of {self._model.name} do not depend on layer '{layer}'")
            gradients[layer] = gradient if scale == 1 else gradient.float() / scale
        return gradients

    def save(self, layer: str, _module: nn.Module, _inputs: Any, output: Any) -> Any:
        """Keep the layer's output and pass a copy on, so that an in-place operation behind it changes only the copy."""
        if layer in self._outputs:
            raise ModelError(
                f"layer '{layer}' of {self._model.name} runs more than once in a pass, so that it has no one "
                "activation; name a layer that runs once: model.layers() lists them"
            )
        tensor = first_tensor(output)
        if torch.is_grad_enabled() and not tensor.requires_grad:
            # The graph starts here: nothing in front of the first tapped layer is differentiated. A later layer
            # already hangs on the graph and must stay there, or the earlier one would get no gradient.
            tensor = tensor.detach().requires_grad_()
        self._outputs[layer] = tensor
        if self._stops and self._outputs.keys() >= set(self._layers):
            raise _AllLayersHaveRun
        if isinstance(output, list):
            return [tensor.clone(), *output[1:]]
        return tensor.clone() if isinstance(output, Tensor) else (tensor.clone(), *output[1:])


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
    hooks: list[RemovableHandle] = []
    try:
        with borrowed(model.module):
            hooks.extend(part.register_forward_hook(partial(tapped.save, layer)) for layer, part in parts.items())
            yield tapped
    finally:
        for hook in hooks:
            hook.remove()
