"""Names → models: `torchvision:swin3d_t`, `planted:swin`, `package.module:build`, or a module as it is."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Protocol, get_args

import torch
from torch import Tensor, nn

from videotcav.errors import ArgumentError, ModelError, ModelNotFound, VideotcavError, VideotcavWarning
from videotcav.models import checkpoint, fit
from videotcav.models.axes import patterns, watched
from videotcav.models.identity import counters, stateful_parts
from videotcav.models.model import VideoModel, borrowed
from videotcav.models.output import ReadLogits, inspected
from videotcav.models.tap import uncompiled
from videotcav.models.user_code import built, unpassable
from videotcav.records import KnownModel, ModelCard, Precision

__all__ = ["CATALOGUES", "GROUP", "ModelSource", "VideoModel", "known_models", "load_model", "sources"]

GROUP = "videotcav.models"
CATALOGUES = "videotcav.catalogues"

_BUNDLED = ("torchvision", "transformers", "planted")  # known to give one logit a class


class ModelSource(Protocol):
    """Where models come from: an entry point of the group `videotcav.models`, named as the part before the colon."""

    def __call__(self, name: str, *, weights: str | None) -> tuple[nn.Module, ModelCard]:
        """The module with its card, for the part of the name after the colon. Raises ModelError."""
        ...


def load_model(
    name: str | nn.Module,
    *,
    weights: str | Path | None = None,
    card: ModelCard | None = None,
    device: str | torch.device | None = None,
    precision: Precision = "fp32",
    read_logits: ReadLogits | None = None,
) -> VideoModel:
    """The model of that name, or the module itself, with its card.

    Args:
        name: `source:model` for an installed source; `package.module:function` for a function that returns a module,
            or a module and its card; or a module.
        weights: a name that the source knows, or the path of a checkpoint, behind it after a # which part of it
            (`net.pth#ema`) where several fit. None: random weights, or those that the module has.
        card: what must be known of the model; needed for a module or a function without one, and otherwise takes the
            place of the source's.
        device: where the model shall be, as `cpu`, `cuda` or `mps`; None leaves it where it is.
        precision: what passes compute in: `bf16` and `fp16` by autocast. Weights and results stay in fp32.
        read_logits: finds the logits in what the module returns, where the card cannot say where they are.

    What a module of one's own gives for two clips is held against its card; what was seen is told in a
    VideotcavWarning.

    Raises:
        ModelError: the model, its weights or the device cannot be used, or its output does not fit its card; the
            closest names are suggested.
    """
    wanted = None if weights is None else str(weights)
    if precision not in get_args(Precision):
        raise ArgumentError(f"'{precision}' is no precision; there are {', '.join(get_args(Precision))}")
    if isinstance(name, nn.Module):
        module, own_card = name, None
    else:
        module, own_card, wanted = _named(name, wanted)
    bundled = isinstance(name, str) and name.partition(":")[0] in _BUNDLED
    known_output = bundled and card is None and own_card is not None and len(own_card.classes) > 1
    card = card or own_card
    if wanted is not None:
        wanted = _filled(module, wanted, card)
    if card is None:
        subject = f"'{name}'" if isinstance(name, str) else f"a {type(name).__name__}"
        raise ModelError(
            f"{subject} comes without a card, so that nobody knows its input and its classes: give "
            "card=ModelCard(name=…, classes=(…), clip_spec=ClipSpec(frames=…, seconds_between_frames=…, height=…, "
            "width=…, resize=…)), or let the function return (module, card)"
        )
    facts: dict[str, str] = {} if precision == "fp32" else {"precision": precision}
    if wanted is not None:
        facts["weights"] = wanted
    elif not bundled and card.weights == ModelCard.model_fields["weights"].default:
        facts["weights"] = f"as built by {name}" if isinstance(name, str) else "as given"
    if not bundled or not card.weights_sha256:  # a card may have been another module's
        facts["weights_sha256"] = checkpoint.fingerprint(module)
    model = VideoModel(_moved(module, device), card.model_copy(update=facts), read_logits=read_logits)
    model = model if known_output else _checked(model)
    for remark in model.remarks:
        warnings.warn(remark, VideotcavWarning, stacklevel=2)
    return model


def _checked(model: VideoModel) -> VideoModel:
    """The model, its card completed by what its module gives for a few clips. Raises ModelError."""

    def forward(pixels: Tensor) -> Any:
        with borrowed(model.module):
            return model.raw(pixels)

    before = stateful_parts(model.module)
    devices = [model.device] if model.device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices), uncompiled(model.module), watched(model.module) as seen:
            found = inspected(model.module, model.card, forward, model.read_logits)
    except VideotcavError:
        raise
    except Exception as error:
        raise unpassable(model.card, error) from error
    changed = {key for key, value in stateful_parts(model.module).items() if before.get(key) != value}
    volatile = tuple(sorted(changed | counters(model.module)))
    return replace(model, card=_with_layouts(found.card, model, seen), cautions=found.cautions, volatile=volatile)


def _with_layouts(card: ModelCard, model: VideoModel, seen: Mapping[str, str]) -> ModelCard:
    """The card with the layouts that it does not state and a pass showed."""
    unsaid = {name: layout for name, layout in seen.items() if not model.layout_of(name)}
    return card.model_copy(update={"layouts": {**card.layouts, **patterns(unsaid)}})


def sources() -> dict[str, EntryPoint]:
    """The installed sources of models by name."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def known_models() -> tuple[KnownModel, ...]:
    """What the installed sources say can be named, each by an entry point of the group `videotcav.catalogues`."""
    entries = sorted(entry_points(group=CATALOGUES), key=lambda entry: entry.name)
    return tuple(known for entry in entries for known in entry.load()())


def _named(name: str, weights: str | None) -> tuple[nn.Module, ModelCard | None, str | None]:
    """Module, card, and the weights that are still to be loaded."""
    prefix, colon, rest = name.partition(":")
    installed = sources()
    if not colon or not rest:
        known = ", ".join(f"{source}:…" for source in installed)
        raise ModelNotFound(f"'{name}' is no model: name it as source:model ({known}) or package.module:function")
    if prefix in installed:
        source: ModelSource = installed[prefix].load()
        return *source(rest, weights=weights), None
    return *built(prefix, rest, sources=tuple(installed)), weights


def _filled(module: nn.Module, weights: str, card: ModelCard | None) -> str:
    """What a card says of the weights that the module was given from a file."""
    held = checkpoint.read(weights)
    name = card.name if card else type(module).__name__
    found = fit.weights_for(held, module.state_dict())
    if card and held.classes and held.classes != card.classes and sorted(held.classes) == sorted(card.classes):
        raise ModelError(
            f"{held.path}: has the classes of {name} in another order, beginning with '{held.classes[0]}' where the "
            f"card has '{card.classes[0]}'; correct the card's"
        )
    fit.load_into(module, found, origin=held.path, name=name)
    return found.label


def _moved(module: nn.Module, device: str | torch.device | None) -> nn.Module:
    if device is None:
        return module
    try:
        return module.to(device)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f"the device '{device}' cannot be used: {str(error).splitlines()[0]}") from None
