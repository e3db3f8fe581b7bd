"""The video models of torchvision: their weights, input, classes, layouts and the layers worth looking at."""

from __future__ import annotations

import pickle
from dataclasses import replace
from http.client import HTTPException
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from videotcav.compat.torchvision import import_torchvision
from videotcav.errors import ModelError, ModelNotFound, closest
from videotcav.models import checkpoint, fit, from_mmaction
from videotcav.models.checkpoint import Checkpoint
from videotcav.models.families import FAMILIES
from videotcav.models.seeded import seeded
from videotcav.records import ClipSpec, KnownModel, ModelCard

OWN_SIZE = "swin3d"
"""The name of a Video Swin whose size the checkpoint itself states, as `metadata["architecture"]`."""

_KINDS = {"swin3d": "SwinTransformer3d", "mvit": "MViT", "s3d": "S3D", "": "VideoResNet"}
"""The family by how a name begins."""

_ALIKE = 0.5  # the share of common tensors, or keys, above which a checkpoint is said to look like an architecture


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
            One of mmaction2's Video Swin (`backbone.*`, `cls_head.*`) is renamed on loading.

    Raises:
        ModelError: no such model or weights, no way to fetch them, or a checkpoint that does not fit.
    """
    if name not in (known := (*names(), OWN_SIZE)):
        near = closest(name, known)
        suggestion = f"; closest: {near}" if near else ""
        raise ModelNotFound(f"torchvision has no video model '{name}'{suggestion}. It has {', '.join(names())}")
    published = {} if name == OWN_SIZE else {entry.name: entry for entry in _published(name)}
    if weights is None:
        return _random(name)
    if weights in published:
        return _downloaded(name, published[weights])
    path, _ = checkpoint.file_and_entry(weights)
    if not path.exists() and not path.suffix and path.name == str(path):
        listed = f" ({', '.join(published)})" if published else ""
        raise ModelNotFound(f"'{weights}' is neither weights of torchvision's {name}{listed} nor a checkpoint file")
    held = checkpoint.read(weights)
    return _from_file(name, replace(held, tables=from_mmaction.renamed(held.tables)))


def catalogue() -> tuple[KnownModel, ...]:
    """What can be named here, with the weights that are published for it."""
    return tuple(_known(name) for name in names())


def _known(name: str) -> KnownModel:
    entry = _published(name).DEFAULT
    family = FAMILIES[next(kind for start, kind in _KINDS.items() if name.startswith(start))]
    height, width = entry.transforms().crop_size
    return KnownModel(
        name=f"torchvision:{name}",
        frames=family.frames,
        seconds_between_frames=1 / family.frames_per_second,
        size=(height, width),
        classes=len(entry.meta["categories"]),
        weights=tuple(each.name for each in _published(name)),
        licence=entry.meta.get("license") or "none stated; trained on Kinetics-400",
        origin=entry.url,
    )


def card_for(name: str, module: nn.Module, *, clip_spec: ClipSpec, classes: tuple[str, ...], weights: str) -> ModelCard:
    """The card of a module that is one of torchvision's video models, of whatever size: layouts, grids, layers."""
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


def _random(name: str) -> tuple[nn.Module, ModelCard]:
    if name == OWN_SIZE:
        raise ModelError(f"torchvision:{OWN_SIZE} is the Video Swin of a checkpoint that states its size: give weights")
    classes = tuple(_published(name).DEFAULT.meta["categories"])
    module = _built(name, len(classes))
    return module, card_for(name, module, clip_spec=_clip_spec(name, module), classes=classes, weights="random")


def _downloaded(name: str, entry: Any) -> tuple[nn.Module, ModelCard]:
    classes = tuple(entry.meta["categories"])
    module = _built(name, len(classes))
    module.load_state_dict(_fetched(entry))
    spec = _clip_spec(name, module, weights=entry)
    return module, card_for(name, module, clip_spec=spec, classes=classes, weights=entry.name)


def _from_file(name: str, held: Checkpoint) -> tuple[nn.Module, ModelCard]:
    kinetics: tuple[str, ...] = ()
    if name == OWN_SIZE:
        module = _own_size(held)
        found = fit.weights_for(held, module.state_dict())
    else:
        kinetics = tuple(_published(name).DEFAULT.meta["categories"])
        found = _found(name, held)
        head = found.state.get(FAMILIES[type(_skeleton(name)).__name__].head)
        module = _built(name, len(kinetics) if head is None or head.ndim == 0 else len(head))
    fit.load_into(module, found, origin=held.path, name=f"torchvision:{name}", hint=lambda: _likeness(name, held))
    return module, card_for(
        name,
        module,
        clip_spec=held.clip_spec or _clip_spec(name, module),
        classes=_classes(held, module, kinetics),
        weights=found.label,
    )


def _found(name: str, held: Checkpoint) -> fit.Fitted:
    """What comes closest to the weights of a model with any number of classes."""
    skeleton = _skeleton(name)
    head = FAMILIES[type(skeleton).__name__].head
    return fit.weights_for(held, skeleton.state_dict(), resizable=(head, head.replace("weight", "bias")))


def _own_size(held: Checkpoint) -> nn.Module:
    """A Video Swin built from the numbers that its checkpoint states."""
    if held.architecture is None or held.clip_spec is None:
        raise ModelError(
            f"{held.path}: its metadata must state 'architecture' (the arguments of torchvision's SwinTransformer3d) "
            "and 'clip_spec'; videotcav.models.checkpoint.save writes both"
        )
    swin = import_torchvision("torchvision.models.video").SwinTransformer3d
    try:
        with seeded():
            module: nn.Module = swin(**held.architecture)
    except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError, RuntimeError, MemoryError) as error:
        raise ModelError(
            f"{held.path}: its architecture is not one of a SwinTransformer3d: {str(error).partition(chr(10))[0]}"
        ) from None
    return module


def _published(name: str) -> Any:
    """Torchvision's enumeration of the weights published for a model."""
    return import_torchvision("torchvision.models").get_model_weights(name)


def _clip_spec(name: str, module: nn.Module, *, weights: Any = None) -> ClipSpec:
    """The input as the published weights' own transform makes it; frames and rate as they were evaluated."""
    family = FAMILIES[type(module).__name__]
    entry = weights or _published(name).DEFAULT
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
    with seeded():
        module: nn.Module = import_torchvision("torchvision.models").get_model(name, weights=None, num_classes=classes)
    return module


def _skeleton(name: str) -> nn.Module:
    """The model without memory for its weights: built in no time, good for its keys and shapes."""
    with torch.device("meta"):
        return _built(name, 400)


def _fetched(entry: Any) -> dict[str, Tensor]:
    """The published state dict, from torch's cache or the network."""
    try:
        state: dict[str, Tensor] = entry.get_state_dict(
            progress=False, check_hash=True, weights_only=True, map_location="cpu"
        )
    except (OSError, HTTPException, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        cache = Path(torch.hub.get_dir()) / "checkpoints"
        raise ModelError(
            f"the weights {entry} cannot be fetched ({error}); download {entry.url} elsewhere and put it into {cache}, "
            "or give its path as the weights"
        ) from None
    return state


def _likeness(name: str, held: Checkpoint) -> str:
    """A sentence about the torchvision model whose tensors these are, or whose keys at least."""
    if held.architecture is not None and name != OWN_SIZE:
        return f"It states a size of its own: name the model torchvision:{OWN_SIZE}"
    same_tensors, same_keys = {}, {}
    for each in names():
        skeleton = _skeleton(each).state_dict()
        state = fit.closest_to(held, skeleton)
        known = {(key, tuple(tensor.shape)) for key, tensor in skeleton.items()}
        tensors = {(key, tuple(tensor.shape)) for key, tensor in state.items()}
        same_tensors[each] = len(known & tensors) / len(known | tensors)
        common = len(state.keys() & skeleton.keys())
        # A smaller one of the family has a part of the keys of all the larger ones: the smallest of those it is.
        same_keys[each] = (common / max(1, len(state)), common / len(skeleton))
    alike, akin = max(same_tensors, key=same_tensors.__getitem__), max(same_keys, key=same_keys.__getitem__)
    if same_tensors[alike] > _ALIKE:
        return "All else is that network's" if alike == name else f"It looks like torchvision:{alike}"
    if same_keys[akin][0] > _ALIKE:
        return f"Its keys are like those of torchvision:{akin}, but of other sizes"
    return "It looks like no video model of torchvision"
