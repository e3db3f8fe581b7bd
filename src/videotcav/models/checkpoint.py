"""Checkpoint files: their tensors, and what they say of classes, input and architecture."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors.torch import save_file
from torch import Tensor, nn

from videotcav.errors import ModelError, UnreadableText
from videotcav.models import weight_file
from videotcav.records import ClipSpec
from videotcav.texts import first_problem, parse_json, read_names


@dataclass(frozen=True)
class Checkpoint:
    """The tensors of a file, by the dictionary that holds them, and what it says of itself: None where it is silent.

    `entry` is the part of it that is asked for: the keys that lead there, and the beginning of names, joined by dots.
    """

    path: Path
    tables: dict[str, dict[str, Any]]
    entry: str = ""
    classes: tuple[str, ...] | None = None
    clip_spec: ClipSpec | None = None
    architecture: dict[str, Any] | None = None


def file_and_entry(weights: str | Path) -> tuple[Path, str]:
    """The file, and the part of it that is named behind a # (`net.pth#ema`); empty where none is."""
    path, mark, entry = str(weights).rpartition("#")
    named = mark and "/" not in entry and not Path(weights).exists()
    return (Path(path), entry) if named else (Path(weights), "")


def read(weights: str | Path) -> Checkpoint:
    """The checkpoint in a file, whatever its ending; a part of it where one is named behind a # (`net.pth#ema`).

    Classes come from the metadata of a safetensors file, or else from a `classes.txt` beside the file, one a line.

    Raises:
        ModelError: as `weight_file.tables`; or what the file says of itself cannot be true.
    """
    path, entry = file_and_entry(weights)
    tables, metadata = weight_file.tables(path)
    try:
        return Checkpoint(
            path=path,
            tables=tables,
            entry=entry,
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
    return _names(list(read_names(beside)), f"{beside}:") if beside.is_file() else None


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
