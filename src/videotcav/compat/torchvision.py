"""Import torchvision beside a CPU-only torch.

The registry's torchvision wheel is built against CUDA. Beside a torch that was built for the CPU its compiled
operators do not load, and `import torchvision` fails with "operator torchvision::nms does not exist" because it
attaches shape rules to operators that were never declared. Video models use none of these operators. Declaring
their signatures, and nothing else, lets the pure-Python models import; calling one still fails.

Nothing happens where torchvision imports as it is.
"""

from __future__ import annotations

import importlib
from types import ModuleType

import torch

_SIGNATURES = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)

_library: torch.library.Library | None = None  # torch forgets the operators when this object dies


def import_torchvision(module: str = "torchvision") -> ModuleType:
    """`torchvision` or a module of it, with the missing operators declared first where that is needed."""
    try:
        return importlib.import_module(module)
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
    _declare_missing_operators()
    return importlib.import_module(module)


def _declare_missing_operators() -> None:
    global _library  # noqa: PLW0603 - one library for the life of the process
    if _library is not None:
        return
    _library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call] # torch gives no types
    for signature in _SIGNATURES:
        _library.define(signature)  # type: ignore[no-untyped-call] # as above
