"""Names → models: `torchvision:swin3d_t`, `planted:swin`, `package.module:build`, or a module as it is."""

from __future__ import annotations

import importlib
import sys
import traceback
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Protocol, get_args

import torch
from torch import Tensor, nn

from videotcav.errors import ModelError, VideotcavError, VideotcavWarning, closest
from videotcav.models import checkpoint
from videotcav.models.model import VideoModel, borrowed
from videotcav.models.output import ReadLogits, looked_at
from videotcav.records import KnownModel, ModelCard, Precision
from videotcav.torchvision_cpu import import_torchvision

__all__ = ["CATALOGUES", "GROUP", "ModelSource", "VideoModel", "known_models", "load_model", "sources"]

GROUP = "videotcav.models"
CATALOGUES = "videotcav.catalogues"

_BUNDLED = ("torchvision", "transformers", "planted")  # known to give one logit a class
_PACKAGE = Path(__file__).parents[1]


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
        weights: a name that the source knows, or a path to a .safetensors, .pt or .pth file. None: random weights, or
            those that the module has.
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
    if isinstance(name, nn.Module):
        module, own_card = name, None
    else:
        module, own_card, wanted = _named(name, wanted)
    is_bundled = isinstance(name, str) and name.partition(":")[0] in _BUNDLED and card is None
    card = card or own_card
    if wanted is not None:
        _load_into(module, Path(wanted), card)
    if card is None:
        subject = f"'{name}'" if isinstance(name, str) else f"a {type(name).__name__}"
        raise ModelError(
            f"{subject} comes without a card, so that nobody knows its input and its classes: give "
            "card=ModelCard(name=…, clip_spec=ClipSpec(…), classes=(…)), or let the function return (module, card)"
        )
    if wanted is not None:
        card = card.model_copy(update={"weights": Path(wanted).name, "weights_sha256": ""})
    if precision not in get_args(Precision):
        raise ModelError(f"'{precision}' is no precision; there are {', '.join(get_args(Precision))}")
    if precision != "fp32":
        card = card.model_copy(update={"precision": precision})
    if not card.weights_sha256:
        card = card.model_copy(update={"weights_sha256": checkpoint.fingerprint(module)})
    model = VideoModel(module=_moved(module, device), card=card, read_logits=read_logits)
    if not is_bundled:
        model = _checked(model, built_by=name if isinstance(name, str) else "")
    for remark in model.remarks:
        warnings.warn(remark, VideotcavWarning, stacklevel=2)
    return model


def _checked(model: VideoModel, *, built_by: str) -> VideoModel:
    """The model, its card completed by what its module gives for two clips. Raises ModelError."""
    if model.card.weights == ModelCard.model_fields["weights"].default:
        origin = f"as built by {built_by}" if built_by else "as given"
        model = replace(model, card=model.card.model_copy(update={"weights": origin}))

    def forward(pixels: Tensor) -> Any:
        with borrowed(model.module):
            return model.raw(pixels)

    try:
        return replace(model, card=looked_at(model.card, forward, model.read_logits))
    except VideotcavError:
        raise
    except Exception as error:
        spec = model.card.clip_spec
        shape = f"{spec.channels} × {spec.frames} × {spec.height} × {spec.width} (channel time height width)"
        raise ModelError(
            f"{model.name} cannot be passed clips of {shape}, as its card says: {_where(error)}"
        ) from error


def _where(error: BaseException) -> str:
    """What a user's own code raised, in one sentence with the file and line."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "site-packages" not in frame.filename and str(_PACKAGE) not in frame.filename]
    place = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    if isinstance(error, SyntaxError) and error.filename:
        place = f" ({Path(error.filename).name}, line {error.lineno})"
    first = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}{': ' if first else ''}{first}{place}"


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
        raise ModelError(f"'{name}' is no model: name it as source:model ({known}) or package.module:function")
    if prefix in installed:
        source: ModelSource = installed[prefix].load()
        return *source(rest, weights=weights), None
    return *_built(prefix, rest), weights


def _built(package: str, function: str) -> tuple[nn.Module, ModelCard | None]:
    name = f"{package}:{function}"
    try:
        build = getattr(_with_torchvision(partial(importlib.import_module, package)), function)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{package}.".startswith(f"{error.name}."):
            raise ModelError(f"'{name}' cannot be imported: it needs the package '{error.name}'") from error
        near = closest(package, sources())
        suggestion = f"; closest: {near}" if near else ""
        raise ModelError(
            f"'{package}' is neither a source of models ({', '.join(sources())}){suggestion} nor a Python module"
        ) from None
    except AttributeError as error:
        if package in sys.modules:
            raise ModelError(f"the Python module '{package}' has no '{function}'") from None
        raise ModelError(f"'{package}' cannot be imported: {_where(error)}") from error
    except Exception as error:
        raise ModelError(f"'{package}' cannot be imported: {_where(error)}") from error
    try:
        built = _with_torchvision(build)
    except Exception as error:
        raise ModelError(f"'{name}' fails: {_where(error)}") from error
    match built:
        case nn.Module() as module:
            return module, None
        case (nn.Module() as module, ModelCard() as card):
            return module, card
        case other:
            raise ModelError(f"'{name}' returns {type(other).__name__}, not a module or a (module, ModelCard)")


def _with_torchvision(work: Callable[[], Any]) -> Any:
    """What the work gives; again after torchvision was imported our way, where a user's code could not import it."""
    try:
        return work()
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
    import_torchvision()
    return work()


def _load_into(module: nn.Module, path: Path, card: ModelCard | None) -> None:
    held = checkpoint.read(path)
    name = card.name if card else type(module).__name__
    if wrong := checkpoint.mismatch(module, held.state):
        raise ModelError(f"{path}: does not fit {name}: {wrong}")
    if card and held.classes and held.classes != card.classes and sorted(held.classes) == sorted(card.classes):
        raise ModelError(
            f"{path}: has the classes of {name} in another order, beginning with '{held.classes[0]}' where the card "
            f"has '{card.classes[0]}'; correct the card's"
        )
    module.load_state_dict(held.state)


def _moved(module: nn.Module, device: str | torch.device | None) -> nn.Module:
    if device is None:
        return module
    try:
        return module.to(device)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f"the device '{device}' cannot be used: {str(error).splitlines()[0]}") from None
