"""Weights that lie in a mapped file: libraries hand them out where they are, at whatever address the file has them."""

from __future__ import annotations

from torch import nn

_EVEN = 64
"""Bytes to which torch aligns what it allocates itself."""


def in_memory(module: nn.Module) -> nn.Module:
    """The module, each weight that lies at an odd address of a file moved to an even one in memory.

    The same product rounds otherwise there, so that a copy in another process would give other last bits than the
    module itself.
    """
    for weight in [*module.parameters(), *module.buffers()]:
        if weight.data_ptr() % _EVEN:
            weight.data = weight.data.clone()
    return module
