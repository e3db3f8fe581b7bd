"""Templates of prompts with slots, from a TOML file; each filled one is a source."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from string import Formatter

from pydantic import Field, ValidationError

from videotcav.errors import UnreadableText, closest
from videotcav.records import Record
from videotcav.texts import first_problem, read_toml

RANDOM = "random"
"""The concept of the pool's clips."""

_NAME = re.compile(r"[^\W_.][\w-]*")
_SHORT = 40


class PromptSection(Record):
    """Templates, and slots of their own beside those of the file."""

    prompts: tuple[str, ...] = Field(min_length=1)
    slots: dict[str, tuple[str, ...]] = Field(default_factory=dict)


class PromptFile(Record):
    """What `prompts.toml` states: what a slot may be filled with, the templates of each concept and of the pool, and
    what no clip should show.
    """

    slots: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    concepts: dict[str, PromptSection] = Field(default_factory=dict)
    pool: PromptSection | None = None
    negative: str = ""


class Prompt(Record):
    """A filled template: one prompt in one scene, which is one source, whatever the seeds."""

    concept: str
    text: str

    @property
    def source(self) -> str:
        """Its name in files and tables."""
        words = re.sub(r"[^a-z0-9]+", "-", self.text.lower()).strip("-")
        return f"{self.concept}-{words[:_SHORT].strip('-')}-{hashlib.sha256(self.text.encode()).hexdigest()[:8]}"


def read_prompts(path: Path) -> tuple[list[Prompt], list[Prompt], str]:
    """The prompts of all concepts, those of the pool, and the negative prompt.

    Raises UnreadableText where a template has a slot that nothing fills, or anything else does not fit.
    """
    _, tables = read_toml(path)
    try:
        file = PromptFile.model_validate(tables)
    except ValidationError as error:
        raise UnreadableText(path, first_problem(error)) from None
    if not file.concepts:
        raise UnreadableText(path, "names no concept; write a table [concepts.NAME] with prompts")
    found = []
    for name, section in file.concepts.items():
        if not _NAME.fullmatch(name) or name == RANDOM:
            raise UnreadableText(path, f"concepts.{name}: cannot name a concept; take letters, digits, - and _")
        found += [Prompt(concept=name, text=text) for text in _filled(path, f"concepts.{name}", section, file.slots)]
    pool = [Prompt(concept=RANDOM, text=text) for text in _filled(path, "pool", file.pool, file.slots)]
    twice = {each.text for each in found} & {each.text for each in pool}
    if twice:
        raise UnreadableText(path, f"pool: “{min(twice)}” is a prompt of a concept too")
    return found, pool, file.negative


def _filled(
    path: Path, where: str, section: PromptSection | None, shared: Mapping[str, tuple[str, ...]]
) -> Iterator[str]:
    """Every template with every filling of its slots."""
    if section is None:
        return
    slots, seen = {**shared, **section.slots}, set()
    for template in section.prompts:
        names = _slots_of(path, where, template)
        for name in names:
            if not slots.get(name):
                near = closest(name, slots) or ", ".join(slots) or "none"
                raise UnreadableText(path, f"{where}: nothing fills the slot '{name}' of “{template}”; closest: {near}")
        for filling in product(*(slots[name] for name in names)):
            text = " ".join(template.format(**dict(zip(names, filling, strict=True))).split())
            if not text or text in seen:
                raise UnreadableText(path, f"{where}: “{text}” {'is there twice' if text else 'says nothing'}")
            seen.add(text)
            yield text


def _slots_of(path: Path, where: str, template: str) -> tuple[str, ...]:
    try:
        parts = [(name, form, turn) for _, name, form, turn in Formatter().parse(template) if name is not None]
    except ValueError as error:
        raise UnreadableText(path, f"{where}: “{template}” is no template ({error})") from None
    for name, form, turn in parts:
        if not name.isidentifier() or form or turn:
            raise UnreadableText(path, f"{where}: “{template}” has a slot that is no plain name, as {{scene}} is")
    return tuple(dict.fromkeys(name for name, _, _ in parts))
