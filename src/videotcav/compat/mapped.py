"""Weights that lie in a mapped file: libraries hand them out where they are, at whatever address the file has them."""

from __future__ import annotations

from torch import nn


def in_memory(module: nn.Module) -> nn.Module:
    """The module, each of its weights in memory of its own.

    At an odd address the same product rounds otherwise than at an even one, so that a copy in another process would
    give other last bits than the module itself.
    """
    for weight in [*module.parameters(), *module.buffers()]:
        weight.data = weight.data.clone()
    return module
