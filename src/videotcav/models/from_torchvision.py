"""The video models of torchvision: their weights, input, classes, layouts and the layers worth looking at."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any

import torch
from torch import nn

from videotcav.errors import ModelError, closest
from videotcav.models import checkpoint
from videotcav.models.checkpoint import Checkpoint, State
from videotcav.models.families import FAMILIES
from videotcav.records import ClipSpec, ModelCard
from videotcav.torchvision_cpu import import_torchvision

OWN_SIZE = "swin3d"
"""The name of a Video Swin whose size the checkpoint itself states, as `metadata["architecture"]`."""

_ALIKE = 0.5  # share of common tensors from which on a checkpoint is said to look like an architecture


def names() -> tuple[str, ...]:
    """The video models that this torchvision has."""
    models, video = import_torchvision("torchvision.models"), import_torchvision("torchvision.models.video")
    return tuple(models.list_models(module=video))


def load(name: str, *, weights: str | None) -> tuple[nn.Module, ModelCard]:
    """A video model of torchvision with its card; a model source, see `load.ModelSource`.

    Args:
        name: as torchvision names it (`swin3d_t`), or `swin3d` for a Video Swin whose checkpoint states its size.
        weights: `KINETICS400_V1` or another name of torchvision's; a path to a checkpoint; None for random weights,
            the same at each call. A checkpoint with 400 outputs that names no classes is taken for Kinetics-400.

    Raises:
        ModelError: no such model or weights, no way to fetch them, or a checkpoint that does not fit.
    """
    if name == OWN_SIZE:
        return _own_size(weights)
    if name not in names():
        near = closest(name, names())
        suggestion = f"; closest: {near}" if near else ""
        raise ModelError(f"torchvision has no video model '{name}'{suggestion}. It has {', '.join(names())}")
    published = import_torchvision("torchvision.models").get_model_weights(name)
    kinetics = tuple(published.DEFAULT.meta["categories"])
    if weights is None:
        module = _built(name, len(kinetics))
        return module, _card(name, module, clip_spec=_clip_spec(name, module), classes=kinetics, weights="random")
    if weights in published.__members__:
        entry = published[weights]
        classes = tuple(entry.meta["categories"])
        module = _built(name, len(classes))
        _load_into(module, _fetched(entry), name=name, origin=str(entry))
        spec = _clip_spec(name, module, weights=entry)
        return module, _card(name, module, clip_spec=spec, classes=classes, weights=entry.name)
    if not Path(weights).suffix:
        known = ", ".join(published.__members__)
        raise ModelError(f"'{weights}' is neither weights of torchvision's {name} ({known}) nor a checkpoint file")
    held = checkpoint.read(Path(weights))
    head = held.state.get(FAMILIES[_class_of(name)].head)
    module = _built(name, len(kinetics) if head is None else len(head))
    _load_into(module, held.state, name=name, origin=weights, states_its_size=held.architecture is not None)
    spec = held.clip_spec or _clip_spec(name, module)
    return module, _card(name, module, clip_spec=spec, classes=_classes(held, module, kinetics), weights=held.path.name)


def _own_size(weights: str | None) -> tuple[nn.Module, ModelCard]:
    """A Video Swin built from the numbers that its checkpoint states."""
    if weights is None:
        raise ModelError(f"torchvision:{OWN_SIZE} is the Video Swin of a checkpoint that states its size: give weights")
    held = checkpoint.read(Path(weights))
    if held.architecture is None or held.clip_spec is None:
        raise ModelError(
            f"{weights}: its metadata must state 'architecture' (the arguments of torchvision's SwinTransformer3d) "
            "and 'clip_spec'; videotcav.models.checkpoint.save writes both"
        )
    try:
        with _seeded():
            module = import_torchvision("torchvision.models.video").SwinTransformer3d(**held.architecture)
    except (TypeError, ValueError, IndexError) as error:
        raise ModelError(f"{weights}: its architecture is not one of a SwinTransformer3d: {error}") from None
    _load_into(module, held.state, name=OWN_SIZE, origin=weights)
    classes = _classes(held, module, ())
    return module, _card(OWN_SIZE, module, clip_spec=held.clip_spec, classes=classes, weights=held.path.name)


def _card(name: str, module: nn.Module, *, clip_spec: ClipSpec, classes: tuple[str, ...], weights: str) -> ModelCard:
    family = FAMILIES[type(module).__name__]
    return ModelCard(
        name=f"torchvision:{name}",
        clip_spec=clip_spec,
        classes=classes,
        layouts=family.layouts,
        grids=family.grids(module),
        default_layers=family.stages(module),
        degenerate=family.degenerate,
        weights=weights,
    )


def _clip_spec(name: str, module: nn.Module, *, weights: Any = None) -> ClipSpec:
    """The input as the published weights' own transform makes it; frames and rate as they were evaluated."""
    family = FAMILIES[type(module).__name__]
    entry = weights or import_torchvision("torchvision.models").get_model_weights(name).DEFAULT
    transform = entry.transforms()
    height, width = transform.crop_size
    return ClipSpec(
        frames=family.frames,
        seconds_between_frames=1 / family.frames_per_second,
        height=height,
        width=width,
        resize=transform.resize_size[0] if len(transform.resize_size) == 1 else tuple(transform.resize_size),
        mean=tuple(transform.mean),
        std=tuple(transform.std),
    )


def _classes(held: Checkpoint, module: nn.Module, kinetics: tuple[str, ...]) -> tuple[str, ...]:
    outputs = len(module.state_dict()[FAMILIES[type(module).__name__].head])
    if held.classes is None:
        return kinetics if len(kinetics) == outputs else tuple(f"class {index}" for index in range(outputs))
    if len(held.classes) != outputs:
        raise ModelError(f"{held.path}: {len(held.classes)} classes are named but the model has {outputs} outputs")
    return held.classes


def _built(name: str, classes: int) -> nn.Module:
    with _seeded():
        module = import_torchvision("torchvision.models").get_model(name, weights=None, num_classes=classes)
    assert isinstance(module, nn.Module)  # noqa: S101 - torchvision has no types
    return module


def _class_of(name: str) -> str:
    return type(_skeleton(name)).__name__


def _skeleton(name: str) -> nn.Module:
    """The model without memory for its weights: built in no time, good for its keys and shapes."""
    with torch.device("meta"):
        return _built(name, 400)


@contextmanager
def _seeded() -> Iterator[None]:
    """Random weights that are the same at each call, and the caller's generator left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def _fetched(entry: Any) -> State:
    """The published state dict, from torch's cache or the network."""
    try:
        state: State = entry.get_state_dict(progress=False, check_hash=True, weights_only=True, map_location="cpu")
    except (OSError, HTTPException, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        cache = Path(torch.hub.get_dir()) / "checkpoints"
        raise ModelError(
            f"the weights {entry} cannot be fetched ({error}); download {entry.url} elsewhere and put it into {cache}, "
            "or give its path as the weights"
        ) from None
    return state


def _load_into(module: nn.Module, state: State, *, name: str, origin: str, states_its_size: bool = False) -> None:
    wrong = checkpoint.mismatch(module, state)
    if not wrong:
        module.load_state_dict(dict(state))
        return
    hint = (
        f"it states a size of its own: name the model torchvision:{OWN_SIZE}" if states_its_size else _likeness(state)
    )
    raise ModelError(f"{origin}: does not fit torchvision:{name}: {wrong}. {hint}".rstrip())


def _likeness(state: State) -> str:
    """A sentence about the torchvision model whose tensors these are, or whose keys at least; empty for neither."""
    tensors = {(key, tuple(tensor.shape)) for key, tensor in state.items()}
    keys = set(state)
    by_tensors, by_keys = {}, {}
    for name in names():
        skeleton = _skeleton(name).state_dict()
        known = {(key, tuple(tensor.shape)) for key, tensor in skeleton.items()}
        by_tensors[name] = len(known & tensors) / len(known | tensors)
        by_keys[name] = len(keys & skeleton.keys()) / len(keys | skeleton.keys())
    alike, same_keys = max(by_tensors, key=by_tensors.__getitem__), max(by_keys, key=by_keys.__getitem__)
    if by_tensors[alike] > _ALIKE:
        return f"It looks like torchvision:{alike}"
    if by_keys[same_keys] > _ALIKE:
        return f"Its keys are like those of torchvision:{same_keys}, but of other sizes"
    return "It looks like no video model of torchvision"
