"""A network that has learned nothing, for whoever asks whether training has anything to do with a result."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import torch

from videotcav.models.checkpoint import fingerprint
from videotcav.models.model import VideoModel


def randomised(model: VideoModel, *, rng: np.random.Generator) -> VideoModel:
    """A copy of the model whose every parameter holds its own numbers in random places.

    The scale of every layer stays what it was; what was learned is gone. Adebayo et al. 2018 ask that a map
    follow. Buffers, as running means, stay.
    """
    module = copy.deepcopy(model.module)
    with torch.no_grad():
        for parameter in module.parameters():
            order = torch.from_numpy(rng.permutation(parameter.numel())).to(parameter.device)
            parameter.copy_(parameter.flatten()[order].view_as(parameter))
    weights = {"weights": f"{model.card.weights}, shuffled", "weights_sha256": fingerprint(module)}
    return replace(model, module=module, card=model.card.model_copy(update=weights))
