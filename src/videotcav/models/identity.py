"""What makes two models the same: their weights and everything that decides what is computed with them."""

from __future__ import annotations

import dis
import hashlib
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType

import numpy as np
import torch
from pydantic import BaseModel
from torch import Tensor, nn

from videotcav.models.checkpoint import fingerprint
from videotcav.models.model import VideoModel

VERSIONED = ("torch", "torchvision", "transformers", "timm")
"""Packages whose modules are known by their version; those of others by their source."""

_ELSEWHERE = frozenset(vars(nn.Module())) - {
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
}
"""What every module has: flags that a pass sets itself, and what is told apart by weights, names and shapes."""

_HAS_NUMBER = re.compile(r" at 0x[0-9a-f]+")  # where an object lies, which is another place in each process
_COUNTED = re.compile(r"\bself\.(\w+) *[-+]=")
_WHOLE = (Tensor, np.ndarray, set, frozenset, BaseModel, nn.Module, type, ModuleType, FunctionType, BuiltinFunctionType)


def identity(model: VideoModel) -> dict[str, str]:
    """Facts that differ between models which may compute different numbers from the same clip.

    The sha256 of the state dict as it is loaded now, of the printed architecture with all else that its modules hold,
    and of the source of every module's class that does not come from a package known by its version; the versions of
    those that do; every other field of the model, its card among them; the device.
    """
    module = model.module
    # By construction, so that no field can be forgotten: what is not the module is described, whatever it is.
    others = "\0".join(_described(getattr(model, field.name)) for field in fields(model) if field.name != "module")
    source = "".join(sorted(_sources(module)))
    return {
        "architecture": model.name,
        "weights_sha256": fingerprint(module),
        "modules_sha256": _sha256(f"{type(module).__qualname__} {module} {_settings(model)}"),
        "source_sha256": _sha256(source),
        "fields_sha256": _sha256(others),
        "device": model.device.type,
        **{package: found for package in VERSIONED if (found := _version(package))},
    }


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _sources(module: nn.Module) -> Iterator[str]:
    """The text of each file that defines the class of a module, or the class's own where it has no file."""
    for kind in {type(part) for part in module.modules()}:
        if kind.__module__.partition(".")[0] in VERSIONED:
            continue
        try:
            yield Path(inspect.getfile(kind)).read_text(encoding="utf-8")
        except (OSError, TypeError):  # built in a session: there is no file
            yield kind.__qualname__


def _settings(model: VideoModel) -> dict[str, str]:
    return {key: value for key, value in stateful_parts(model.module).items() if key not in model.volatile}


def stateful_parts(module: nn.Module, seen: dict[int, object] | None = None) -> dict[str, str]:
    """What decides a module's numbers beside weights and source: attributes, hooks, buffers that are not saved."""
    return dict(_held(module, {} if seen is None else seen))


def counters(module: nn.Module) -> set[str]:
    """The keys in `stateful_parts` of attributes that the module's own code counts with (`self.passed += 1`)."""
    found = set()
    for name, part in module.named_modules():
        with suppress(OSError, TypeError):  # made in a session, or compiled: nothing to read
            found |= {f"{name}.{key}" for key in _COUNTED.findall(inspect.getsource(type(part)))}
    return found


def _held(module: nn.Module, seen: dict[int, object]) -> Iterator[tuple[str, str]]:
    seen.update((id(part), part) for part in module.modules())
    saved = module.state_dict(keep_vars=True)
    for name, buffer in module.named_buffers():
        if name not in saved:
            yield name, _described(buffer, seen)
    if isinstance(module, torch.jit.ScriptModule):
        yield "", str(module.inlined_graph)
    for name, part in module.named_modules():
        for key, value in vars(part).items():
            if key not in _ELSEWHERE:
                # Hooks are kept by numbers that hang on how many others there ever were.
                given = [_as_hook(hook) for hook in value.values()] if key.endswith("_hooks") else value
                yield f"{name}.{key}", _described(given, seen)


def _as_hook(hook: object) -> object:
    """A hook without the lists and counters that it writes down into what it sees."""
    if not isinstance(hook, FunctionType):
        return hook
    names = zip(hook.__code__.co_freevars, hook.__closure__ or (), strict=True)
    written = {step.argval for step in dis.get_instructions(hook) if step.opname == "STORE_DEREF"}
    held = [cell.cell_contents for name, cell in names if name not in written]
    return (hook.__code__, [value for value in held if not isinstance(value, list | dict | set)])


def _described(value: object, seen: dict[int, object] | None = None) -> str:
    """A value as text that is the same in every process, and another one for whatever computes something else."""
    seen = {} if seen is None else seen
    if id(value) in seen:
        return "…"
    parts = _parts(value, seen)
    if parts is None:
        return _leaf(value)
    seen[id(value)] = value  # kept, so that no other value takes its number
    return f"{type(value).__qualname__}[{', '.join(_described(part, seen) for part in parts)}]"


def _parts(value: object, seen: dict[int, object]) -> Iterable[object] | None:
    """What a compound value consists of; None for one that is whole."""
    found: Iterable[object] | None = None
    match value:
        case Mapping():
            found = [part for item in value.items() for part in item]
        case list() | tuple():
            found = value
        case nn.Module():
            found = [fingerprint(value), str(value), stateful_parts(value, seen), *sorted(_sources(value))]
        case partial():
            found = (value.func, value.args, value.keywords)
        case MethodType():
            found = (value.__func__, value.__self__)
        case FunctionType() if "site-packages" not in value.__code__.co_filename:
            used = [value.__globals__[name] for name in value.__code__.co_names if name in value.__globals__]
            cells = [cell.cell_contents for cell in value.__closure__ or ()]
            found = (value.__code__, used, cells, value.__defaults__, value.__kwdefaults__)
        case CodeType():
            found = (value.co_code, value.co_consts, value.co_names)
        case _ if _HAS_NUMBER.search(repr(value)) and not isinstance(value, _WHOLE):
            found = (type(value).__module__, getattr(value, "__dict__", {}))
    return found


def _leaf(value: object) -> str:
    match value:
        case Tensor():
            return f"{value.dtype} {tuple(value.shape)} {_sha256(str(value.tolist()))}"
        case np.ndarray():
            return f"{value.dtype} {value.shape} {_sha256(str(value.tolist()))}"
        case set() | frozenset():
            return str(sorted(map(_described, value)))
        case BaseModel():
            return value.model_dump_json()
    return _HAS_NUMBER.sub("", repr(value))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
