"""Checkpoint files: read without running what they hold, compared with a module before they are loaded."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
import unicodedata
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import torch
from pydantic import ValidationError
from safetensors.torch import save_file
from torch import Tensor, nn

from videotcav.errors import ModelError, ModelNotFound, UnreadableText
from videotcav.records import ClipSpec
from videotcav.texts import MOST_STUDY_BYTES, first_problem, parse_json, read_text

State = Mapping[str, Tensor]

_WRAPPERS = ("state_dict", "model_state_dict", "model")
_PREFIXES = ("module.", "_orig_mod.")  # what DataParallel and torch.compile put in front of every key
_PLAIN = "which no layer can be loaded with; save the weights as plain numbers, in 16 bits or more"


@dataclass(frozen=True)
class Checkpoint:
    """A state dict and what its file says about it: classes, input and architecture, each None where it is silent."""

    path: Path
    state: dict[str, Tensor]
    classes: tuple[str, ...] | None = None
    clip_spec: ClipSpec | None = None
    architecture: dict[str, Any] | None = None


def read(path: Path) -> Checkpoint:
    """The checkpoint in a `.safetensors`, `.pt` or `.pth` file.

    A state dict may be wrapped (`{"state_dict": …}`, `{"model": …}`) and its keys may begin with `module.`.
    Classes come from the metadata of a safetensors file, or else from a `classes.txt` beside the file, one a line.

    Raises:
        ModelError: the file is missing, damaged, no checkpoint, or needs code to run when it is opened; its tensors are
            not plain numbers; or what it says of itself cannot be true.
    """
    if not path.is_file():
        raise ModelNotFound(f"{path}: there is no such checkpoint file")
    metadata: dict[str, str] = {}
    if path.suffix == ".safetensors":
        try:
            with safetensors.safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                held: Any = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no mapping
        except (safetensors.SafetensorError, OSError) as error:
            raise ModelError(f"{path}: not a readable safetensors file ({error})") from None
    elif path.suffix in (".pt", ".pth"):
        held = _unpickled(path)
    else:
        raise ModelError(f"{path}: a checkpoint is a .safetensors, .pt or .pth file")
    try:
        return Checkpoint(
            path=path,
            state=_state(path, held),
            classes=_classes(path, metadata),
            clip_spec=ClipSpec.model_validate_json(metadata["clip_spec"]) if "clip_spec" in metadata else None,
            architecture=_architecture(path, metadata),
        )
    except ValidationError as error:
        raise ModelError(f"{path}: its metadata cannot be read: clip_spec: {first_problem(error)}") from None
    except UnreadableText as error:
        raise ModelError(str(error)) from None


def save(
    path: Path,
    module: nn.Module,
    *,
    classes: tuple[str, ...],
    clip_spec: ClipSpec,
    architecture: Mapping[str, Any] | None = None,
) -> None:
    """Write the module's weights as safetensors, with what is needed to load them again as metadata."""
    metadata = {"classes": json.dumps(classes), "clip_spec": clip_spec.model_dump_json()}
    if architecture is not None:
        metadata["architecture"] = json.dumps(dict(architecture))
    save_file({key: tensor.contiguous() for key, tensor in module.state_dict().items()}, path, metadata=metadata)


def mismatch(module: nn.Module, state: State) -> str:
    """Why the state dict does not fit the module: the first keys of each kind. Empty when it fits."""
    expected = module.state_dict()
    missing = [key for key in expected if key not in state]
    unexpected = [key for key in state if key not in expected]
    shapes = [
        f"'{key}' {tuple(state[key].shape)} instead of {tuple(tensor.shape)}"
        for key, tensor in expected.items()
        if key in state and state[key].shape != tensor.shape
    ]
    whole = [
        f"'{key}' {state[key].dtype} instead of {tensor.dtype}"
        for key, tensor in expected.items()
        if key in state and tensor.is_floating_point() and not state[key].is_floating_point()
    ]
    kinds = {
        "missing": [f"'{key}'" for key in missing],
        "unexpected": [f"'{key}'" for key in unexpected],
        "of another shape": shapes,
        "whole numbers": whole,
    }
    return "; ".join(f"{kind}: {_first(keys)}" for kind, keys in kinds.items() if keys)


def fingerprint(module: nn.Module) -> str:
    """The sha256 of the module's parameters and buffers, with their names and types.

    Raises:
        ModelError: some have no numbers yet.
    """
    digest = hashlib.sha256()
    for key, value in sorted(module.state_dict().items()):
        _digest(digest, key, value)
    return digest.hexdigest()


def _digest(digest: hashlib._Hash, key: str, value: object) -> None:
    if isinstance(value, tuple | list):  # what quantised layers pack
        for index, part in enumerate(value):
            _digest(digest, f"{key}.{index}", part)
    elif not isinstance(value, Tensor):
        digest.update(f"{key} {value!r}".encode())
    elif nn.parameter.is_lazy(value) or value.is_meta:
        raise ModelError(f"the module has no numbers in '{key}' yet; give it its weights, or pass it a clip, first")
    else:
        digest.update(f"{key} {value.dtype} {tuple(value.shape)}".encode())
        if value.is_quantized:
            digest.update(f"{value.qscheme()}".encode())
            value = value.dequantize()
        digest.update(value.detach().cpu().to_dense().contiguous().flatten().view(torch.uint8).numpy().data)


def _unpickled(path: Path) -> object:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # asks the user to write to torch about a strange file
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if (wanted := re.search(r"GLOBAL ([\w.]+)", str(error))) is None:
            raise ModelError(f"{path}: not a readable checkpoint") from None
        if kind := re.fullmatch(r"torch\._utils\._rebuild_(\w+)_tensor", wanted[1]):  # which torch does not rebuild
            raise ModelError(f"{path}: a tensor in it is of the kind '{kind[1]}', {_PLAIN}") from None
        raise ModelError(
            f"{path}: refused, as it holds more than tensors ({wanted[1]}) and opening it would run code; "
            "save the state_dict() alone, or better as .safetensors"
        ) from None
    except (RuntimeError, EOFError, OSError, ValueError, LookupError) as error:
        reason = str(error).partition("\n")[0] or "it ends too early"
        raise ModelError(f"{path}: not a readable checkpoint ({reason})") from None


def _state(path: Path, held: object) -> dict[str, Tensor]:
    for wrapper in _WRAPPERS:
        if isinstance(held, dict) and isinstance(held.get(wrapper), dict):
            held = held[wrapper]
            break
    if not isinstance(held, dict) or not held or not all(isinstance(value, Tensor) for value in held.values()):
        wrappers = ", ".join(f"'{wrapper}'" for wrapper in _WRAPPERS)
        raise ModelError(f"{path}: holds no state dict of tensors, neither at its top nor under {wrappers}")
    if unnamed := [key for key in held if not isinstance(key, str)]:
        raise ModelError(
            f"{path}: holds no state dict: its tensors have names such as {unnamed[0]!r}, which are no text; "
            "save the module's state_dict()"
        )
    for key, tensor in held.items():
        if unusual := _unusual(tensor):
            raise ModelError(f"{path}: '{key}' is {unusual}, {_PLAIN}")
    for prefix in _PREFIXES:
        if all(key.startswith(prefix) for key in held):
            held = {key.removeprefix(prefix): tensor for key, tensor in held.items()}
    return dict(held)


def _unusual(tensor: Tensor) -> str:
    """What keeps a tensor from being weights as they are; empty where nothing does."""
    if tensor.is_meta:
        return "a tensor without its numbers (on the device 'meta')"
    if tensor.is_nested:
        return "a nested tensor"
    if tensor.layout is not torch.strided:
        return f"a sparse tensor ({tensor.layout})"
    # One byte a number means nothing without the scale beside it; copying it would take the steps for the values.
    if tensor.is_quantized or (tensor.is_floating_point() and tensor.element_size() == 1):
        return f"quantised ({tensor.dtype})"
    return f"complex ({tensor.dtype})" if tensor.is_complex() else ""


def _architecture(path: Path, metadata: Mapping[str, str]) -> dict[str, Any] | None:
    if "architecture" not in metadata:
        return None
    found = parse_json(metadata["architecture"], f"{path}: its metadata cannot be read: architecture")
    if not isinstance(found, dict):
        raise ModelError(f"{path}: its metadata 'architecture' is {_brief(found)}, not an object of named numbers")
    return found


def _classes(path: Path, metadata: Mapping[str, str]) -> tuple[str, ...] | None:
    if "classes" in metadata:
        found = parse_json(metadata["classes"], f"{path}: its metadata cannot be read: classes")
        if not isinstance(found, list):
            raise ModelError(f"{path}: its metadata 'classes' is {_brief(found)}, not a list of names")
        return _names(found, f"{path}: its metadata 'classes'")
    beside = path.with_name("classes.txt")
    if not beside.is_file():
        return None
    lines = read_text(beside, most_bytes=MOST_STUDY_BYTES).splitlines()
    return _names([line.strip() for line in lines if line.strip()], f"{beside}:")


def _names(found: list[Any], where: str) -> tuple[str, ...]:
    if not found:
        raise ModelError(f"{where} names no class")
    seen: set[str] = set()
    for index, name in enumerate(found):
        if not isinstance(name, str) or not name.strip() or any(unicodedata.category(c) in ("Cc", "Cs") for c in name):
            raise ModelError(f"{where} has {_brief(name)} at {index}, which is no name of a class")
        if name in seen:
            raise ModelError(f"{where} names '{name}' twice, so that nobody knows which is meant; tell them apart")
        seen.add(name)
    return tuple(found)


def _brief(value: object, *, shown: int = 40) -> str:
    text = repr(value)
    return text if len(text) <= shown else f"{text[:shown]}…"


def _first(keys: list[str], *, shown: int = 3) -> str:
    more = f" and {len(keys) - shown} more" if len(keys) > shown else ""
    return ", ".join(keys[:shown]) + more
