"""What makes two models the same: their weights and everything that decides what is computed with them."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterator
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from torch import nn

from videotcav.models.checkpoint import fingerprint
from videotcav.models.model import VideoModel

VERSIONED = ("torch", "torchvision", "transformers", "timm")
"""Packages whose modules are known by their version; those of others by their source."""


def identity(model: VideoModel) -> dict[str, str]:
    """Facts that differ between models which may compute different numbers from the same clip.

    The sha256 of the state dict as it is loaded now, of the printed architecture, and of the source of every module's
    class that does not come from a package known by its version; the versions of those that do; how pixels go in and
    layers come out; the device.
    """
    module, card = model.module, model.card
    # All that the card says, so that no field can be forgotten; its precision and weights are told apart elsewhere too.
    shapes = card.model_dump_json()
    transforms = [_source_of(each) for each in (model.reshape_transform, model.read_logits)]
    source = hashlib.sha256("".join(sorted(_sources(module))).encode()).hexdigest()
    return {
        "architecture": model.name,
        "weights_sha256": fingerprint(module),
        "modules_sha256": hashlib.sha256(f"{type(module).__qualname__} {module}".encode()).hexdigest(),
        "source_sha256": source,
        "shapes_sha256": hashlib.sha256("\0".join([shapes, *transforms]).encode()).hexdigest(),
        "device": model.device.type,
        **{package: found for package in VERSIONED if (found := _version(package))},
    }


def _sources(module: nn.Module) -> Iterator[str]:
    """The text of each file that defines the class of a module, or the class's own where it has no file."""
    for kind in {type(part) for part in module.modules()}:
        if kind.__module__.partition(".")[0] in VERSIONED:
            continue
        try:
            yield Path(inspect.getfile(kind)).read_text(encoding="utf-8")
        except (OSError, TypeError):  # built in a session: there is no file
            yield kind.__qualname__


def _source_of(function: object) -> str:
    """What a user's function does, as far as it can be told: its code, and what it closes over."""
    while isinstance(function, partial):
        function = (function.func, function.args, tuple(function.keywords.items()))
    if isinstance(function, tuple):
        return repr([_source_of(part) if callable(part) else part for part in function])
    code = getattr(function, "__code__", None)
    if code is None:
        return f"{type(function).__module__}.{type(function).__qualname__} {function!r}" if function is not None else ""
    held = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
    return repr((code.co_code, [repr(each) for each in code.co_consts], code.co_names, held, function.__defaults__))  # type: ignore[attr-defined]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
