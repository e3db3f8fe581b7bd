"""Writes docs/study-file.md: every key of a study file, from its models and from the words in study_file.toml."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import tomli_w
from pydantic.fields import FieldInfo
from template import DOCS, filled, table

from videotcav.datasets.rows import ClipList
from videotcav.records import Record
from videotcav.study.file import StudyFile

PAGE = DOCS / "study-file.md"
WORDS = Path(__file__).with_name("study_file.toml")
TOP = "study"
NOT_IN_FILES = {"tests.seed"}  # a study has one seed, at the top


def main() -> None:
    """Writes the page."""
    words = tomllib.loads(WORDS.read_text(encoding="utf-8"))
    text = filled("study_file.md.j2", sections="\n\n".join(sections(words)))
    PAGE.write_text(text, encoding="utf-8")


def sections(words: Mapping[str, Mapping[str, tuple[str, str, str]]]) -> Iterator[str]:
    """A heading and a table for each table of the file. KeyError where words and models do not have the same keys."""
    fields = {**dict(keys(StudyFile)), **dict(keys(ClipList, "classes"))}
    told = {f"{section}.{key}" for section in words for key in words[section]}
    if missing := fields.keys() ^ told:
        raise KeyError(f"in the models or in {WORDS.name} alone: {', '.join(sorted(missing))}")
    for section, texts in words.items():
        rows = (
            (
                f"`{key}`",
                what + _choices(fields[f"{section}.{key}"]),
                _default(fields[f"{section}.{key}"]),
                unit,
                f"`{example}`",
            )
            for key, (what, unit, example) in texts.items()
        )
        heading = "At the top" if section == TOP else f"`[{section}]`"
        yield f"## {heading}\n\n" + table(("key", "what it says", "default", "unit", "example"), rows)


def keys(model: type[Record], section: str = TOP) -> Iterator[tuple[str, FieldInfo]]:
    """Each key that a file may have, as `section.key`, depth first."""
    for name, field in model.model_fields.items():
        inside, named = _table(field.annotation)
        if inside is not None:
            own = name if section == TOP else f"{section}.{name}"
            yield from keys(inside, f"{own}.NAME" if named else own)
        elif f"{section}.{name}" not in NOT_IN_FILES:
            yield f"{section}.{name}", field


def _table(annotation: Any) -> tuple[type[Record] | None, bool]:
    """The record that an annotation is about, or None, and whether there is one a name."""
    if isinstance(annotation, type) and issubclass(annotation, Record):
        return annotation, False
    arguments = get_args(annotation)
    for each in arguments:
        if isinstance(each, type) and issubclass(each, Record):
            return each, get_origin(annotation) is dict
    return None, False


def _choices(field: FieldInfo) -> str:
    """What may be chosen, where that is a list, and the bounds of a number."""
    choices = [json.dumps(value) for value in _literals(field.annotation)]
    said = f" One of `{'`, `'.join(choices)}`." if choices else ""
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    bounds = [
        f"{sign} {getattr(limit, name):g}"
        for limit in _metadata(field)
        for name, sign in signs.items()
        if getattr(limit, name, None) is not None and abs(getattr(limit, name)) < 1e9  # noqa: PLR2004 - a seed's bound
    ]
    return said + (f" {' and '.join(bounds)}." if bounds else "")


def _literals(annotation: Any) -> list[Any]:
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    return [value for each in get_args(annotation) for value in _literals(each)]


def _metadata(field: FieldInfo) -> list[Any]:
    """The bounds of a field, also where it may be left out."""
    inner = [each for part in get_args(field.annotation) for each in getattr(part, "__metadata__", ())]
    found = [*field.metadata, *inner]
    return [limit for each in found for limit in (each.metadata if isinstance(each, FieldInfo) else [each])]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**needed**"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, NoneType) or value in ("", (), {}):
        return "–"
    return f"`{tomli_w.dumps({'key': value}).removeprefix('key = ').replace(chr(10), ' ').strip()}`"


if __name__ == "__main__":
    main()
