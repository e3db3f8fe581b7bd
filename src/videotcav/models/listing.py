"""A model written out: its layers down to a depth, and its card as code that makes it again."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import replace
from types import FunctionType
from typing import Any

from videotcav.errors import ArgumentError
from videotcav.models.model import LayerInfo
from videotcav.records import ModelCard, Record

_WIDTH = 100
_INDENT = "    "
_OF_LOADING = ("precision", "weights", "weights_sha256")


def down_to(layers: Iterable[LayerInfo], depth: int | None) -> list[LayerInfo]:
    """The layers that lie in fewer than `depth` others, or all, each with how many inside it are left out.

    Parts that give nothing out themselves, as a ModuleList, do not count. Raises ArgumentError.
    """
    if depth is not None and depth < 1:
        raise ArgumentError(f"depth counts levels of layers from 1, got {depth}")
    shown: dict[str, LayerInfo] = {}
    above: dict[str, list[str]] = {}
    for layer in layers:
        above[layer.name] = [each for each in above if layer.name.startswith(f"{each}.")]
        if depth is None or len(above[layer.name]) < depth:
            shown[layer.name] = layer
        else:
            last = above[layer.name][depth - 1]
            shown[last] = replace(shown[last], folded=shown[last].folded + 1)
    return list(shown.values())


def card_code(card: ModelCard) -> str:
    """Python that makes this card again, without what its fields are by default, and without its weights, which
    whoever loads the model says.
    """
    return _written(card.model_copy(update={name: ModelCard.model_fields[name].default for name in _OF_LOADING}))


def _written(value: Any) -> str:
    """A value as code, on one line where it is short."""
    if isinstance(value, Record):
        fields = type(value).model_fields
        given = {name: getattr(value, name) for name in fields}
        usual = {name: field.get_default(call_default_factory=True) for name, field in fields.items()}
        items = [f"{name}={_written(held)}" for name, held in given.items() if held != usual[name]]
        return _enclosed(f"{type(value).__name__}(", items, ")")
    if isinstance(value, dict):
        return _enclosed("{", [f"{_written(key)}: {_written(held)}" for key, held in value.items()], "}")
    if isinstance(value, tuple):
        items = [_written(held) for held in value]
        return f"({items[0]},)" if len(items) == 1 else _enclosed("(", items, ")", filled=True)
    if isinstance(value, FunctionType):
        return value.__name__
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _enclosed(opening: str, items: Sequence[str], closing: str, *, filled: bool = False) -> str:
    line = f"{opening}{', '.join(items)}{closing}"
    if len(line) <= _WIDTH and "\n" not in line:
        return line
    if filled and len(items) > len("bcthw"):  # many short ones, such as classes
        rows, row = [], ""
        for item in items:
            if len(row) + len(item) > _WIDTH - len(_INDENT):
                rows.append(row.rstrip())
                row = ""
            row += f"{item}, "
        inside = "\n".join([*rows, row.rstrip()])
    else:
        inside = "\n".join(f"{item}," for item in items)
    return f"{opening}\n{textwrap.indent(inside, _INDENT)}\n{closing}"
