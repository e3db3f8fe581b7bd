"""The text of a first study file: what is known, and beside it in comments what else may be said."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import tomli_w

from videotcav.records import Kind, ModelCard
from videotcav.results.words import count
from videotcav.video.find import videos_in

_BOXES = "boxes.json"


@dataclass(frozen=True)
class Known:
    """What is known of a study that is to be written into `folder`; paths are absolute.

    `kinds` are the kinds of clips that each concept has.
    """

    folder: Path
    model: str
    weights: str | None
    card: ModelCard
    classes: Mapping[str, Sequence[Path]]
    concepts: Sequence[Path]
    random: Sequence[Path]
    question: str
    layers: tuple[str, ...]
    hypotheses: tuple[str, ...]
    kinds: Mapping[str, Sequence[Kind]] = field(default_factory=dict)

    def expecting(self, hypotheses: tuple[str, ...]) -> Self:
        """The same with these hypotheses."""
        return replace(self, hypotheses=hypotheses)

    def with_kinds(self, kinds: Mapping[str, Sequence[Kind]]) -> Self:
        """The same with the concepts that were found."""
        return replace(self, kinds=kinds)

    def path(self, place: Path) -> str:
        """A path as the file has it: relative to its folder where it lies below."""
        return str(place.relative_to(self.folder)) if place.is_relative_to(self.folder) else str(place)


def study_text_of(known: Known) -> str:
    """The file's text (TOML)."""
    return "\n".join(line for part in _parts(known) for line in (*part, ""))


def _parts(known: Known) -> Iterator[list[str]]:
    yield [
        "# A study, begun from videos and a model: change what you like. Plan it first: the plan says what it needs,",
        "# what it could see and what it will cost. Paths are relative to this file.",
    ]
    yield [
        _line("question", known.question),
        _line("seed", 0) + "  # of every draw: the same seed gives the same numbers",
    ]
    yield [
        "# Where the model is looked into. Left out, it is the model's own choice.",
        _line("layers", known.layers) if known.layers else "# " + _line("layers", known.card.default_layers),
    ]
    yield _hypotheses(known)
    yield [
        "[model]",
        _line("name", known.model),
        "# a name, or the path of a checkpoint:",
        '# weights = "…"' if known.weights is None else _line("weights", known.weights),
    ]
    for name, folders in known.classes.items():
        held = sum(len(videos_in(folder)) for folder in folders)
        yield [
            f"# The videos whose class is explained: {count(held, 'file')}.",
            tomli_w.dumps({"classes": {name: {"videos": ()}}}).splitlines()[0],
            _line("videos", [known.path(folder) for folder in folders]),
        ]
    yield [
        *(f"# {_said(name)}: {', '.join(kinds)}" for name, kinds in known.kinds.items()),
        "[concepts]",
        _line("folder", [known.path(folder) for folder in known.concepts]),
        "# " + _line("include", list(known.kinds)) + "  # these alone; all when left out",
    ]
    yield [
        "# Unrelated clips, about three times as many as a concept has: what every effect is measured against.",
        "[random]",
        _line("folder", [known.path(folder) for folder in known.random]),
    ]
    yield [
        "# Clips that were cut from one video are no independent ones: a table (CSV) says what was cut from what.",
        "# [sources]",
        '# table = "sources.csv"  # with the columns file and source',
    ]
    yield [
        "# Whether the class needs what pushes it: where its objects are, as a file of boxes or a detector (.onnx).",
        "# [interventions]",
        "# " + _line("boxes", _boxes(known)),
    ]
    yield ["[tests]", _line("alpha", 0.05), _line("correction", "holm")]
    yield [
        "# Maps of the first clips of each class.",
        "[cam]",
        _line("clips", 3),
        "# the class shown beside:",
        "# " + _line("against", next((each for each in known.card.classes if each not in known.classes), "…")),
    ]


def _hypotheses(known: Known) -> list[str]:
    lines = [
        "# What you expect, written down before you look: verdicts are corrected for these alone, and all else is",
        "# exploratory. Also: NAME > OTHER, NAME pushes away from CLASS, nothing about NAME matters.",
    ]
    if known.hypotheses:
        return [*lines, _line("hypotheses", known.hypotheses)]
    concept, kinds = next(iter(known.kinds.items()), ("NAME", ()))
    expected = [f"{concept} pushes {next(iter(known.classes), 'CLASS')}"]
    expected += [f"{concept}: moving > frozen"] * ("frozen" in kinds)
    return [*lines, "# " + _line("hypotheses", expected)]


def _boxes(known: Known) -> str:
    """A file of boxes beside the classes' videos, where there is one."""
    folders = [place for each in known.classes.values() for folder in each for place in (folder, folder.parent)]
    return known.path(next((each / _BOXES for each in folders if (each / _BOXES).is_file()), known.folder / _BOXES))


def _line(key: str, value: Any) -> str:
    """A key and its value on one line."""
    if isinstance(value, list | tuple):
        inside = ", ".join(_line(key, each).partition(" = ")[2] for each in value)
        return f"{key} = [{inside}]"
    return tomli_w.dumps({key: str(value) if isinstance(value, os.PathLike) else value}).rstrip("\n")


def _said(name: str) -> str:
    """A name as a comment may hold it, which TOML keeps free of control characters."""
    return name if name.isprintable() else repr(name)
