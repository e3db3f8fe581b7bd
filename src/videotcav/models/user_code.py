"""Code that users bring: imported and run, its errors told in one sentence with the file and the line."""

from __future__ import annotations

import importlib
import sysconfig
import traceback
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError
from torch import nn

from videotcav.compat.torchvision import import_torchvision
from videotcav.errors import ModelError, ModelNotFound, closest
from videotcav.records import ModelCard
from videotcav.texts import first_problem

_NOT_THEIRS = (str(Path(__file__).parents[1]), "site-packages", sysconfig.get_paths()["stdlib"], "<frozen ")
_SHOWN = 240

_Failed = (Exception, SystemExit)  # a script that reads its arguments as it is imported ends the interpreter


def built(package: str, function: str, *, sources: tuple[str, ...]) -> tuple[nn.Module, ModelCard | None]:
    """The module that a function of a Python module returns, and the card if it returns one.

    Raises:
        ModelError: it cannot be imported, or fails; says where. `sources` are what else the name could have meant.
    """
    name = f"{package}:{function}"
    with suppress(Exception):  # what a user's file imports beside a torch for CPUs must find it in order
        import_torchvision()
    try:
        module = importlib.import_module(package)
    except _Failed as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing is not None and f"{package}.".startswith(f"{missing}."):
            near = closest(package, sources)
            suggestion = f"; closest: {near}" if near else ""
            raise ModelNotFound(
                f"'{package}' is neither a source of models ({', '.join(sources)}){suggestion} nor a Python module"
            ) from None
        needs = f"it needs the package '{missing}'{place(error)}" if missing else where(error)
        raise ModelError(f"'{name}' cannot be imported: {needs}") from error
    if (build := getattr(module, function, None)) is None:
        near = closest(function, (known for known in vars(module) if not known.startswith("_")))
        raise ModelNotFound(f"the Python module '{package}' has no '{function}'{'; closest: ' * bool(near)}{near}")
    try:
        found = build()
    except _Failed as error:
        raise ModelError(f"'{name}' fails: {where(error)}") from error
    match found:
        case nn.Module():
            return found, None
        case (nn.Module() as network, ModelCard() as card):
            return network, card
        case other:
            inside = f" ({', '.join(type(each).__name__ for each in other)})" if isinstance(other, tuple) else ""
            raise ModelError(f"'{name}' returns {type(other).__name__}{inside}, not a module or a (module, ModelCard)")


def unpassable(card: ModelCard, error: Exception) -> ModelError:
    """What a module raised when it was passed clips as its card describes them, as a sentence."""
    spec = card.clip_spec
    return ModelError(
        f"{card.name} cannot be passed clips of {spec.channels} × {spec.frames} × {spec.height} × {spec.width} "
        f"(channel time height width; mean and std have a number a channel), as its card says: {where(error)}"
    )


def where(error: BaseException) -> str:
    """What a user's own code raised, in one sentence with the file and line."""
    said = first_problem(error) if isinstance(error, ValidationError) else " ".join(str(error).split())
    said = said if len(said) <= _SHOWN else f"{said[:_SHOWN]}…"
    if isinstance(error, SyntaxError):
        said = error.msg
    return f"{type(error).__name__}{': ' * bool(said)}{said}{place(error)}"


def place(error: BaseException) -> str:
    """The file and line of the last step that is neither Python's nor a library's, in brackets; empty if all are."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({Path(error.filename).name}, line {error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not any(part in frame.filename for part in _NOT_THEIRS)]
    return f" ({Path(theirs[-1].filename).name}, line {theirs[-1].lineno})" if theirs else ""
