"""The same clips with something taken out of one layer: what the rest of the network makes of it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from videotcav.models.model import VideoModel, first_tensor
from videotcav.models.tap import as_written, with_first


def logits_without(model: VideoModel, pixels: Tensor, layer: str, taken: Tensor) -> Tensor:
    """The logits `clip class` of clips from whose activation at `layer` something is taken.

    `taken` is `clip channel time height width`, an axis of length 1 standing for all its positions. What the layer
    gives beside what its layout folds, as a class token, stays.

    Raises LayoutError where nobody said how the layer is laid out.
    """

    def change(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        with torch.enable_grad():
            whole = first_tensor(output).detach().requires_grad_()
            folded = model.fold(layer, whole, clips=len(pixels))
            # Folding moves numbers and changes none, so that its gradient is the way back.
            (back,) = torch.autograd.grad(folded, whole, taken.to(folded).expand_as(folded))
        return with_first(output, whole.detach() - back)

    part = model.layer(layer)
    with torch.inference_mode(mode=False), torch.no_grad(), as_written(model.module):
        hook = part.register_forward_hook(change)
        try:
            return model.forward(pixels).float()
        finally:
            hook.remove()
