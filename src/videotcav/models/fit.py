"""Which tensors of a checkpoint are a module's: those whose names are its own behind one and the same beginning."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from videotcav.errors import ModelError, VideotcavWarning
from videotcav.models.checkpoint import Checkpoint
from videotcav.models.weight_file import PLAIN

State = Mapping[str, Tensor]

_COUNTER = "num_batches_tracked"  # of batch norms: counts in training, and is not read afterwards
_BOOKKEEPING = (_COUNTER, "n_averaged", "total_ops", "total_params")
"""Ends of names that no layer computes with: counters of batch norms, of averaged models, and of thop."""
_WRAPPERS = re.compile(r"(?<![^.])(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
"""What torch.compile, FSDP and checkpointing of activations put between a module's name and those inside it."""

_SHOWN = 3


@dataclass(frozen=True)
class Fitted:
    """The tensors of a checkpoint under a module's own names.

    `label` says for a card which they are: the file, and behind a # the dictionary and the beginning of names that were
    taken. `left` names what stood beside them and is no part of the module.
    """

    state: dict[str, Any]
    label: str
    left: tuple[str, ...] = ()


def weights_for(
    held: Checkpoint, expected: State, *, resizable: Collection[str] = (), renamed_later: bool = False
) -> Fitted:
    """The tensors that fit a state dict of these names and shapes; those that come closest where none fit.

    They may lie in any dictionary of the file, and their names may all begin with something more (`model.`, `module.`).

    Args:
        held: the file.
        expected: the module's own.
        resizable: names of those whose first axis may have any length, as those of a head.
        renamed_later: whether some of the file's names may be others, which a library that loads them puts right.

    Raises:
        ModelError: several sets of weights fit, or beside those that do are others that the module has no place for,
            and the path does not say behind a # which are meant; or one is not of plain numbers.
    """
    found, homes = _named(held)
    _add_tied(found, homes, expected)
    names = {_bare(key): key for key in expected}
    needed = {name for name in names if not _ends(name, _COUNTER)}
    counts = _counted(found, needed)
    most = max(counts.values(), default=0) if renamed_later else len(needed)
    fitting = [start for start, count in counts.items() if count == most]
    right = [start for start in fitting if _has_shapes(found, start, expected, resizable)] or fitting
    start = _only_one(held, {each: _behind(found, homes, each, names) for each in right}) or _closest(held, counts)
    inside = _behind(found, homes, start, names)
    taken = {homes[start + name] for name in inside}
    left = [full for full, home in homes.items() if home in taken and not full.startswith(start)]
    state = {}
    for name, value in inside.items():
        if name in names:
            state[names[name]] = _plain(held, start + name, value)
        elif _ends(name, *_BOOKKEEPING):
            left.append(start + name)
        elif isinstance(value, Tensor):
            state[name] = value
    left = sorted(full for full in left if isinstance(found[full], Tensor))
    # A layer beside the module's, unlike counters and weights of a loss, may change what the network computes.
    layers = [full for full in left if found[full].ndim > 1]
    if fitting and layers and f"{held.entry}." != start:
        raise ModelError(
            f"{held.path}: all weights are there behind '{start}', but beside them are {shown(layers)}, for which "
            "there is no place",
            hint=f'if these are no part of the model, say so by `weights="{held.path}#{start.rstrip(".")}"`',
        )
    return Fitted(state, f"{held.path.name}#{start.rstrip('.')}" if start else held.path.name, tuple(left))


def closest_to(held: Checkpoint, expected: State) -> dict[str, Tensor]:
    """The tensors whose names have most in common with a module's, under those names, whether they fit or not."""
    found, homes = _named(held)
    names = {_bare(key): key for key in expected}
    inside = _behind(found, homes, _closest(held, _counted(found, names)), names)
    return {names.get(name, name): value for name, value in inside.items() if _is_plain(value)}


def load_into(module: nn.Module, weights: Fitted, *, origin: Path, name: str, hint: Callable[[], str] = str) -> None:
    """The module with these weights. Raises ModelError where they do not fit; `hint` adds a sentence."""
    if wrong := mismatch(module, weights.state):
        raise ModelError(f"{origin}: does not fit {name}: {wrong}. {hint()}".rstrip(". "))
    bare = {_bare(key): {"": value} for key, value in weights.state.items()}
    for group in _tied(module.state_dict()):
        first, *others = [key for key in group if key in bare] or [""]
        if differing := [key for key in others if not _same(bare[key], bare[first])]:
            raise ModelError(
                f"{origin}: does not fit {name}: '{first}' and '{differing[0]}' are one tensor there, two in the file"
            )
    module.load_state_dict({**module.state_dict(), **weights.state})  # counters that an old file lacks stay as they are
    tell_left(weights.left, origin=origin, name=name)


def tell_left(left: Sequence[str], *, origin: object, name: str) -> None:
    """A warning that names what a file holds beside the weights that were taken."""
    if left:
        text = f"{origin}: no part of {name} and left aside: {shown(left)}"
        warnings.warn(text, VideotcavWarning, stacklevel=3)


def mismatch(module: nn.Module, state: State) -> str:
    """Why the state dict does not fit the module: the first keys of each kind. Empty when it fits."""
    expected = module.state_dict()
    missing = [key for key in expected if key not in state and not _ends(key, _COUNTER)]
    unexpected = [key for key in state if key not in expected]
    shapes = {
        key: f"{tuple(state[key].shape)} instead of {tuple(tensor.shape)}"
        for key, tensor in expected.items()
        if key in state and not is_lazy(tensor) and state[key].shape != tensor.shape
    }
    whole = {
        key: f"{state[key].dtype} instead of {tensor.dtype}"
        for key, tensor in expected.items()
        if key in state and tensor.is_floating_point() and not state[key].is_floating_point()
    }
    kinds: dict[str, Collection[str]] = {
        "missing": missing,
        "unexpected": unexpected,
        "of another shape": shapes,
        "whole numbers": whole,
    }
    return "; ".join(f"{kind}: {shown(keys)}" for kind, keys in kinds.items() if keys)


def _bare(key: str) -> str:
    return _WRAPPERS.sub("", key)


def _ends(name: str, *ends: str) -> bool:
    return name.rpartition(".")[2] in ends


def _named(held: Checkpoint) -> tuple[dict[str, Any], dict[str, str]]:
    """What the file holds, or the part of it that is asked for, by full names, and in which dictionary each is."""
    found: dict[str, Any] = {}
    homes: dict[str, str] = {}
    for place, table in held.tables.items():
        for key, value in table.items():
            full = f"{place}.{_bare(key)}" if place else _bare(key)
            if not held.entry or full.startswith(f"{held.entry}."):
                found[full], homes[full] = value, place
    if not found:
        raise ModelError(f"{held.path}: has no '{held.entry}'; it holds {_places(held.tables)}")
    return found, homes


def _tied(expected: State) -> list[list[str]]:
    """The names that one tensor has, where it has several."""
    found: dict[tuple[object, ...], list[str]] = {}
    for key, tensor in expected.items():
        if isinstance(tensor, Tensor) and not is_lazy(tensor) and not tensor.is_meta and tensor.numel():
            found.setdefault((tensor.data_ptr(), tensor.shape, tensor.stride()), []).append(_bare(key))
    return [names for names in found.values() if len(names) > 1]


def _add_tied(found: dict[str, Any], homes: dict[str, str], expected: State) -> None:
    """Adds the names of tensors that are another's as well, of which safetensors' files hold one alone."""
    for group in _tied(expected):
        for full, name in [(full, name) for full in found for name in group if f".{full}".endswith(f".{name}")]:
            for other in (full.removesuffix(name) + each for each in group):
                found.setdefault(other, found[full])
                homes.setdefault(other, homes[full])


def _counted(found: Iterable[str], names: Collection[str]) -> Counter[str]:
    """How many of the names stand behind each beginning."""

    def ends(full: str) -> Iterator[int]:
        yield 0
        yield from (dot.end() for dot in re.finditer(r"\.", full))

    return Counter(full[:end] for full in found for end in ends(full) if full[end:] in names)


def _closest(held: Checkpoint, counts: Mapping[str, int]) -> str:
    """The beginning behind which most of the names are, or else that of the largest dictionary."""
    if counts:
        return max(counts, key=counts.__getitem__)
    place = max(held.tables, key=lambda each: len(held.tables[each]))
    return f"{place}." if place else ""


def _behind(found: Mapping[str, Any], homes: Mapping[str, str], start: str, names: Collection[str]) -> dict[str, Any]:
    """What is behind that beginning in each dictionary in which one of the names is, or in all where none is."""
    inside = {full.removeprefix(start): full for full in found if full.startswith(start)}
    known = {homes[full] for name, full in inside.items() if name in names} or set(homes.values())
    return {name: found[full] for name, full in inside.items() if homes[full] in known}


def _has_shapes(found: Mapping[str, Any], start: str, expected: State, resizable: Collection[str]) -> bool:
    for key, tensor in expected.items():
        value, skipped = found.get(start + _bare(key)), int(key in resizable)
        if _is_plain(value) and not is_lazy(tensor) and value.shape[skipped:] != tensor.shape[skipped:]:
            return False
    return True


def _only_one(held: Checkpoint, sets: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The beginning of the only set of weights, or the first of several with the same numbers; None for none."""
    if not sets:
        return None
    first, *others = sets
    if differing := [start for start in others if not _same(sets[start], sets[first])]:
        wanted = [start.rstrip(".") for start in (first, *differing)]
        raise ModelError(
            f"{held.path}: holds several sets of weights that fit: {_places(wanted)}",
            hint=f'say which is meant, as in `weights="{held.path}#{wanted[-1]}"`',
        )
    return first


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    def equal(value: object, others: object) -> bool:
        if value is others:
            return True
        return _is_plain(value) and _is_plain(others) and value.dtype == others.dtype and torch.equal(value, others)

    return one.keys() == other.keys() and all(equal(value, other[name]) for name, value in one.items())


def _is_plain(value: object) -> TypeGuard[Tensor]:
    return isinstance(value, Tensor) and not _unusual(value)


def _plain(held: Checkpoint, full: str, value: object) -> Tensor:
    """The value, where it is a tensor of plain numbers. Raises ModelError."""
    if not isinstance(value, Tensor):
        raise ModelError(f"{held.path}: '{full}' is a {value}, no tensor; save the module's state_dict()")
    if unusual := _unusual(value):
        raise ModelError(f"{held.path}: '{full}' is {unusual}, {PLAIN}")
    return value


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


def _places(places: Iterable[str]) -> str:
    return ", ".join(f"'{place}'" if place else "its outermost dictionary" for place in places)


def shown(keys: Collection[str] | Mapping[str, str]) -> str:
    """The first of some keys, with what a mapping says of each, and how many more there are."""
    said = keys if isinstance(keys, Mapping) else dict.fromkeys(keys, "")
    first = ", ".join(f"'{key}' {said[key]}".rstrip() for key in list(keys)[:_SHOWN])
    return first + (f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else "")
