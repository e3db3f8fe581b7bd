"""Whether torch.compile or the memory layout channels_last_3d makes passes of a 3D network faster.

Forward passes of four clips of 8 × 112 × 112 through torchvision's r3d_18 with random weights. What torch.compile takes
to compile is noted beside it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from harness import Book, options
from videotcav.models.load import load_model


def passes(module: Callable[[Tensor], Tensor], pixels: Tensor) -> Callable[[], Tensor]:
    """One forward pass, ready to be called."""

    def run() -> Tensor:
        with torch.no_grad():
            return module(pixels)

    return run


def channels_last(pixels: Tensor) -> Callable[[], Tensor]:
    """A pass with weights and pixels laid out with their channels last."""
    module: nn.Module = load_model("torchvision:r3d_18").module
    for parameter in module.parameters():
        if parameter.dim() == 5:  # noqa: PLR2004 - the weights of a 3D convolution
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last_3d)
    return passes(module, pixels.contiguous(memory_format=torch.channels_last_3d))


def main() -> None:
    """One race of three."""
    arguments = options(__doc__).parse_args()
    book = Book(__file__, "Ways to make passes faster", arguments)
    pixels = torch.randn(4, 3, 8, 112, 112, generator=torch.Generator().manual_seed(0))
    module = load_model("torchvision:r3d_18").module
    for title in book.wanted("r3d_18"):
        compiled = passes(torch.compile(module), pixels)
        started = time.perf_counter()
        compiled()
        seconds = time.perf_counter() - started
        contestants = {
            "plain": passes(module, pixels),
            "torch.compile": compiled,
            "channels last": channels_last(pixels),
        }
        book.race(title, contestants, clips=len(pixels))
        book.note(title, compile_seconds=seconds)


if __name__ == "__main__":
    main()
