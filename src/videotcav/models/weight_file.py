"""Files of weights → the tensors in them: told apart by their bytes, read without running what they name."""

from __future__ import annotations

import json
import re
import sys
import warnings
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, BinaryIO

import safetensors
import torch
from torch import Tensor

from videotcav.errors import ModelError, ModelNotFound, UnreadableText
from videotcav.texts import read_json

PLAIN = "which no layer can be loaded with; save the weights as plain numbers, in 16 bits or more"

_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # what torch.save wrote first before it wrote zip archives
_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "a pointer of Git LFS, not the file itself; fetch that with git lfs pull"),
    (b"<", "a page of the web or XML, not the file that should have been downloaded"),
    (b"\x89HDF", "an HDF5 file, as Keras writes it, not of PyTorch"),
    (b"\x93NUMPY", "an array of numpy, not named tensors"),
    (b"GGUF", "a GGUF file, not of PyTorch"),
    (b"\x1f\x8b", "compressed; unpack it first"),
    (b"BZh", "compressed; unpack it first"),
    (b"\xfd7zXZ", "compressed; unpack it first"),
    (b"7z\xbc\xaf", "compressed; unpack it first"),
    (b"\x80", "a plain pickle, not of torch.save; write its state dict with torch.save, or better as safetensors"),
)
_MEANINGS = {
    "TorchScript": "an archive of torch.jit, which is code; a function of your own may return torch.jit.load(…)",
    "persistent_load": "a whole module in the form before torch 1.6; save its state_dict() alone",
    "not in a subdirectory": "a zip archive, but not of torch.save",
    "Unsupported operand": "pickled in another form than that of torch.save; save its state_dict() anew",
    "locating file data.pkl": "a zip archive, but not of torch.save",
}
"""What torch says of a file that it does not read, and what that means."""
_TAR = 257  # where a tar archive says what it is

_HARMLESS = {"argparse", "collections", "copyreg", "dataclasses", "datetime", "decimal", "enum", "fractions"}
_HARMLESS |= {"functools", "numbers", "pathlib", "types", "typing", "uuid"}
"""Parts of Python whose objects trainers keep beside weights. What else of Python a file names is there to do harm."""
_HARMLESS_BUILTINS = {"bool", "bytes", "complex", "dict", "float", "frozenset", "getattr", "int", "list", "object"}
_HARMLESS_BUILTINS |= {"range", "set", "slice", "str", "tuple", "type"}
_SHOWN = 4


class _StandIn:
    """What a name in a file stands for: it takes what it is given and does nothing."""

    state: object = None

    def __new__(cls, *_: object) -> Any:
        return object.__new__(cls)

    def __setstate__(self, state: object) -> None:
        self.state = state


class _StandInDict(_StandIn):
    def __new__(cls, *_: object) -> Any:
        return OrderedDict()


class _StandInList(_StandIn):
    def __new__(cls, *_: object) -> Any:
        return []


def tables(path: Path) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """The tensors of a file, by the dictionary that holds them, and the texts that it carries beside them.

    A file of `torch.save`, new or old, a safetensors file, or the JSON index of one that lies in several parts. A
    dictionary is called by the keys that lead to it, joined by dots; the outermost is "". A module that was saved whole
    is a dictionary of its parameters and buffers. Values that stand where tensors would, and are none, are there as the
    name of what they are.

    Raises:
        ModelError: the file is missing, damaged or nothing of these, holds no tensor, or names code that would do harm.
    """
    held, texts = _opened(path)
    found = {place: table for place, table in _tables(held) if any(isinstance(each, Tensor) for each in table.values())}
    if not found:
        raise ModelError(f"{path}: holds no tensors with names, at its top or inside")
    return found, texts


def _opened(path: Path) -> tuple[object, dict[str, str]]:
    if path.is_dir():
        raise ModelError(f"{path}: is a folder; name the checkpoint file in it{_files_in(path)}")
    if not path.is_file():
        raise ModelNotFound(f"{path}: there is no such checkpoint file")
    try:
        with path.open("rb") as file:
            head = file.read(512)
            file.seek(0)
            if head.startswith((b"PK\x03\x04", _LEGACY)):
                return _unpickled(path, file), {}
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from None
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < path.stat().st_size:
        return _safetensors(path)
    if head.lstrip()[:1] == b"{":
        return _in_parts(path), {}
    known = next((said for start, said in _OTHERS if head.startswith(start)), "")
    known = "a tar archive; unpack it first" if head[_TAR : _TAR + 5] == b"ustar" else known
    begins = f"it begins with {head[:12]!r}" if head else "it is empty"
    raise ModelError(
        f"{path}: is {known}"
        if known
        else f"{path}: not a readable checkpoint: neither of torch.save nor safetensors ({begins})"
    )


def _files_in(folder: Path) -> str:
    names = sorted(each.name for each in folder.iterdir() if each.is_file() and each.stat().st_size)
    if ".metadata" in names:
        return "; of a distributed checkpoint, torch.distributed.checkpoint.format_utils.dcp_to_torch_save makes one"
    return f" ({', '.join(names[:_SHOWN])}{', …' * (len(names) > _SHOWN)})" if names else ""


def _safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118 - no mapping
    except (safetensors.SafetensorError, OSError) as error:
        raise ModelError(f"{path}: not a readable safetensors file ({error})") from None


def _in_parts(path: Path) -> dict[str, Tensor]:
    """The tensors of the files that an index names (`model.safetensors.index.json`)."""
    try:
        index = read_json(path)
    except UnreadableText as error:
        raise ModelError(str(error)) from None
    parts = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(parts, dict) or not parts or not all(isinstance(part, str) for part in parts.values()):
        raise ModelError(f"{path}: is JSON, but no index of a checkpoint in parts, which has a 'weight_map'")
    found: dict[str, Tensor] = {}
    for part in sorted(set(parts.values())):
        if Path(part).name != part or part == path.name:
            raise ModelError(f"{path}: names {json.dumps(part)} as a part, which is no file beside it")
        held, _ = _opened(path.with_name(part))
        named = {key for key, its in parts.items() if its == part}
        if not isinstance(held, dict) or held.keys() != named:
            differing = sorted(named ^ set(held if isinstance(held, dict) else ()))
            raise ModelError(f"{path}: and its part {part} differ in whether '{differing[0]}' is in it")
        found.update(held)
    return found


def _unpickled(path: Path, file: BinaryIO) -> object:
    """What `torch.save` wrote. Whatever a name in it stands for, nothing is imported: a stand-in takes its place."""
    kinds: dict[str, type] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # asks the user to write to torch about a strange file
        try:
            foreign = torch.serialization.get_unsafe_globals_in_checkpoint(file)
        except Exception:  # noqa: BLE001 - an old file, or a damaged one, which the next step says
            foreign = []
        kinds = {name: _stand_in(path, name, _StandIn) for name in foreign if re.fullmatch(r"[\w.]+", name)}
        while True:
            file.seek(0)
            try:
                with torch.serialization.safe_globals(list(kinds.values())):
                    return torch.load(file, map_location="cpu", weights_only=True)
            except UnpicklingError as error:
                name, kind = _wanted(str(error), kinds)
                if not name:
                    raise ModelError(
                        f"{path}: not a readable checkpoint ({_reason(error)}); save the state_dict() alone, or better "
                        "as .safetensors"
                    ) from None
                kinds[name] = _stand_in(path, name, kind)
            except Exception as error:  # noqa: BLE001 - damaged bytes fail in any way
                raise ModelError(f"{path}: not a readable checkpoint ({_reason(error)})") from None


def _wanted(said: str, kinds: Mapping[str, type]) -> tuple[str, type]:
    """The name that torch did not know, or whose stand-in must hold items; empty where it is something else."""
    if (found := re.search(r"GLOBAL ([\w.]+)", said)) and found[1] not in kinds:
        return found[1] if "." in found[1] else f"builtins.{found[1]}", _StandIn
    found = re.search(r"Can only (SETITEMS? for dict|extend lists|append to lists).* got <class '([\w.]+)'>", said)
    if found and kinds.get(found[2], dict).__base__ is _StandIn:
        return found[2], _StandInDict if found[1].startswith("SETITEM") else _StandInList
    return "", _StandIn


def _stand_in(path: Path, name: str, kind: type) -> type:
    module, _, last = name.rpartition(".")
    if tensor := re.fullmatch(r"torch\._utils\._rebuild_(\w+)_tensor", name):  # which torch does not rebuild
        raise ModelError(f"{path}: a tensor in it is of the kind '{tensor[1]}', {PLAIN}")
    top = module.partition(".")[0]
    known = last in _HARMLESS_BUILTINS if top == "builtins" else top in _HARMLESS or top not in sys.stdlib_module_names
    if not known:
        raise ModelError(
            f"{path}: refused, as it names {name}, which has no place in a checkpoint and would run code when others "
            "open the file; save the state_dict() alone, or better as .safetensors"
        )
    return type(last, (kind,), {"__module__": module})


def _reason(error: Exception) -> str:
    said = str(error)
    for part, meaning in _MEANINGS.items():
        if part in said:
            return meaning
    said = said.partition("WeightsUnpickler error:")[2] or said
    return said.strip().partition("\n")[0] or "it ends too early"


def _tables(held: object) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every dictionary in it once, the outer ones first, with its tensors and what stands in the place of some."""
    waiting, seen = deque([("", held)]), set()
    while waiting:
        place, value = waiting.popleft()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if (module := _module(value)) is not None:
            yield place, module
            continue
        table: dict[str, Any] = {}
        for key, each in _items(value):
            name = key if isinstance(key, str) else f"[{key!r}]"
            if isinstance(each, Tensor):
                if isinstance(value, Mapping | _StandIn):  # in a list it has no name
                    table[name] = each
            elif isinstance(each, Mapping | list | tuple | _StandIn):
                waiting.append((f"{place}.{name}" if place else name, each))
                if isinstance(each, _StandIn):
                    table[name] = f"{type(each).__module__}.{type(each).__name__}"
        yield place, table


def _items(value: object) -> Iterable[tuple[object, object]]:
    value = value.state if isinstance(value, _StandIn) else value
    if isinstance(value, list | tuple):
        return ((str(index), each) for index, each in enumerate(value))
    return value.items() if isinstance(value, Mapping) else ()


def _module(value: object, above: tuple[object, ...] = ()) -> dict[str, Any] | None:
    """The state dict of a module that was saved whole; None where the value is none."""
    state = value.state if isinstance(value, _StandIn) else None
    if not isinstance(state, Mapping) or "_modules" not in state or any(each is value for each in above):
        return None
    passing = state.get("_non_persistent_buffers_set")
    left_out = passing if isinstance(passing, set) else set()  # a file may hold anything there
    found = dict(_items(state.get("_parameters")))
    found |= {key: each for key, each in _items(state.get("_buffers")) if key not in left_out}
    for name, part in _items(state["_modules"]):
        found |= {f"{name}.{key}": each for key, each in (_module(part, (*above, value)) or {}).items()}
    return {str(key): each for key, each in found.items() if each is not None}
