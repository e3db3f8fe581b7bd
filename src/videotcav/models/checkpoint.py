"""Checkpoint files: read without running what they hold, compared with a module before they are loaded."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
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

from videotcav.errors import ModelError
from videotcav.records import ClipSpec

State = Mapping[str, Tensor]

_WRAPPERS = ("state_dict", "model_state_dict", "model")
_PREFIXES = ("module.", "_orig_mod.")  # what DataParallel and torch.compile put in front of every key


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
        ModelError: the file is missing, damaged, no checkpoint, or needs code to run when it is opened.
    """
    if not path.is_file():
        raise ModelError(f"{path}: there is no such checkpoint file")
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
            architecture=json.loads(metadata["architecture"]) if "architecture" in metadata else None,
        )
    except (json.JSONDecodeError, ValidationError) as error:
        raise ModelError(f"{path}: its metadata cannot be read: {error}") from None


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
    kinds = {
        "missing": [f"'{key}'" for key in missing],
        "unexpected": [f"'{key}'" for key in unexpected],
        "of another shape": shapes,
    }
    return "; ".join(f"{kind}: {_first(keys)}" for kind, keys in kinds.items() if keys)


def fingerprint(module: nn.Module) -> str:
    """The sha256 of the module's parameters and buffers, with their names and types."""
    digest = hashlib.sha256()
    for key, tensor in sorted(module.state_dict().items()):
        digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _unpickled(path: Path) -> object:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # asks the user to write to torch about a strange file
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if (wanted := re.search(r"GLOBAL ([\w.]+)", str(error))) is None:
            raise ModelError(f"{path}: not a readable checkpoint") from None
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
    for prefix in _PREFIXES:
        if all(key.startswith(prefix) for key in held):
            held = {key.removeprefix(prefix): tensor for key, tensor in held.items()}
    return dict(held)


def _classes(path: Path, metadata: Mapping[str, str]) -> tuple[str, ...] | None:
    if "classes" in metadata:
        return tuple(json.loads(metadata["classes"]))
    beside = path.with_name("classes.txt")
    if not beside.is_file():
        return None
    try:
        text = beside.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ModelError(f"{beside}: is not UTF-8 text; write one class a line") from None
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _first(keys: list[str], *, shown: int = 3) -> str:
    more = f" and {len(keys) - shown} more" if len(keys) > shown else ""
    return ", ".join(keys[:shown]) + more
