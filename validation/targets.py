"""Every number that the project promises, as rows of docs/targets.json, written by the scripts that measured them.

    record("benchmarks/decoding.py", [Promise(area="speed", what="…", unit="×", target=at_least(1.0), value=1.2, n=5)])

A script calls `record` when it has measured; its rows take the place of those that it wrote before, all others stay.
Whether a target is met is computed, never said. A row that misses its target stays, with its value.

python -m validation.targets    # the rows that fall short
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from validation.provenance import ROOT, commit, in_words, machine
from videotcav.concepts.folder import held_folder

TARGETS = ROOT / "docs" / "targets.json"

Area = Literal["statistics", "maps", "interventions", "concepts", "speed", "scale", "reliability"]
Column = Literal["value", "low", "high"]
Unit = Literal["%", "×", "s", "ms", "MiB", ""]
"""How a number is told: a share in per cent, a ratio, a time, a size; else it is a plain number or a count."""


class Bound(BaseModel):
    """What a number must keep to."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if self.at_least is None and self.at_most is None:
            raise ValueError("a bound needs at_least, at_most or both")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError("at_least lies above at_most")
        return self

    def holds(self, number: float) -> bool:
        """Whether the number keeps to it."""
        return (self.at_least is None or number >= self.at_least) and (self.at_most is None or number <= self.at_most)


Target = dict[Column, Bound]


def at_least(number: float, *, on: Column = "value") -> Target:
    """A target from below, on the value or on an end of its interval."""
    return {on: Bound(at_least=float(number))}


def at_most(number: float, *, on: Column = "value") -> Target:
    """A target from above."""
    return {on: Bound(at_most=float(number))}


def both(*targets: Target) -> Target:
    """Targets on several numbers of a row."""
    return {on: bound for target in targets for on, bound in target.items()}


def between(low: float, high: float) -> Target:
    """A target on the value from both sides."""
    return {"value": Bound(at_least=float(low), at_most=float(high))}


class Promise(BaseModel):
    """A measured number beside its target. No target: it is reported; no value: it was not measured."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    area: Area
    what: str = Field(min_length=1)
    unit: Unit = ""
    target: Target | None = Field(default=None, min_length=1)
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = Field(ge=0)
    """Of how many tests, clips or repeats the value was made."""
    commit: str = Field(default_factory=commit, min_length=1)
    machine: str = Field(default_factory=lambda: in_words(machine()), min_length=1)

    @model_validator(mode="after")
    def _numbers(self) -> Self:
        if (self.value is None) != (self.n == 0):
            raise ValueError(f"{self.what}: a value is made of n > 0, and no value of n = 0")
        if self.value is not None:
            if any(getattr(self, column) is None for column in self.target or ()):
                raise ValueError(f"{self.what}: the target is on a number that the row lacks")
            ends = [number for number in (self.low, self.value, self.high) if number is not None]
            if ends != sorted(ends):
                raise ValueError(f"{self.what}: low, value and high are not in this order: {ends}")
        return self

    def meets(self) -> bool | None:
        """Whether the target is met; what was not measured does not meet it. None where there is no target."""
        if self.target is None:
            return None
        numbers = {"value": self.value, "low": self.low, "high": self.high}
        return all((number := numbers[on]) is not None and bound.holds(number) for on, bound in self.target.items())


class Row(Promise):
    """A promise as it stands in docs/targets.json."""

    met: bool | None
    script: str = Field(min_length=1)

    @model_validator(mode="after")
    def _met(self) -> Self:
        if self.met != self.meets():
            raise ValueError(f"{self.what}: met is {self.met}, and its target says {self.meets()}")
        return self

    def short(self) -> bool:
        """Whether it falls short of its target."""
        return self.met is False


ROWS = TypeAdapter(list[Row])
ORDER = ("area", "what", "unit", "target", "value", "low", "high", "n", "met", "script", "commit", "machine")


def rows(script: str | None = None, *, area: Area | None = None, path: Path = TARGETS) -> list[Row]:
    """The rows of a script or an area, or all. ValueError where the file holds what no script wrote."""
    text = path.read_bytes() if path.is_file() else b"[]"
    found = ROWS.validate_json(text)
    doubled = [what for what, count in Counter((row.script, row.what) for row in found).items() if count > 1]
    if doubled:
        raise ValueError(f"{path.name} holds twice: {doubled[0]}")
    return [row for row in found if script in (None, row.script) and area in (None, row.area)]


def record(script: str, promises: Iterable[Promise], *, path: Path = TARGETS) -> None:
    """Puts the promises in the place of what the script wrote before; the file is whole at any moment.

    Scripts come in the order of their names, the rows of each in its own. ValueError where two rows say the same.
    """
    new = [Row(**vars(promise), met=promise.meets(), script=script) for promise in promises]
    if len({row.what for row in new}) < len(new):
        raise ValueError(f"{script} promises the same twice")
    with held_folder(path.parent):
        kept = [row for row in rows(path=path) if row.script != script]
        every = sorted([*kept, *new], key=lambda row: row.script)
        facts = [row.model_dump(exclude_none=False) for row in every]
        for fact in facts:
            fact["target"] = fact["target"] and {
                on: {name: number for name, number in bound.items() if number is not None}
                for on, bound in fact["target"].items()
            }
        text = json.dumps([{key: fact[key] for key in ORDER} for fact in facts], indent=1, ensure_ascii=False)
        draft = path.with_suffix(".draft")
        draft.write_text(text + "\n", encoding="utf-8")
        draft.replace(path)


def told(number: float, unit: Unit) -> str:
    """A number with its unit."""
    if unit == "%":
        return f"{100 * number:.1f} %"
    plain = f"{number:,.0f}" if abs(number) >= 1000 or number == int(number) else f"{number:.4g}"  # noqa: PLR2004 - digits
    return f"{plain} {unit}".strip()


def target_in_words(row: Promise) -> str:
    """The target, as `≤ 5 %, upper bound ≤ 7 %`."""
    names = {"value": "", "low": "lower bound ", "high": "upper bound "}
    return ", ".join(names[on] + _bound(bound, row.unit) for on, bound in (row.target or {}).items())


def _bound(bound: Bound, unit: Unit) -> str:
    def end(number: float) -> str:
        return told(number, unit).replace(".0 %", " %")

    if bound.at_least is not None and bound.at_most is not None:
        return f"{end(bound.at_least)} to {end(bound.at_most)}"
    if bound.at_most == 0:
        return "0"
    return f"≥ {end(bound.at_least)}" if bound.at_least is not None else f"≤ {end(bound.at_most or 0)}"


def value_in_words(row: Promise) -> str:
    """The value with its interval."""
    if row.value is None:
        return "not measured"
    low, high = ("" if end is None else told(end, row.unit) for end in (row.low, row.high))
    ends = f" ({low} to {high})" if low and high else f" (at most {high})" if high else f" (at least {low})" * bool(low)
    return told(row.value, row.unit) + ends


def table(shown: Iterable[Row]) -> str:
    """The rows as a table in Markdown; a target that is missed says so."""
    lines = ["| what | measured | n | target |", "| --- | --- | --- | --- |"]
    for row in shown:
        cells = (row.what, value_in_words(row), f"{row.n:,}", target_in_words(row) + ", **missed**" * row.short())
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def pivot(shown: Iterable[Row], pattern: str, elsewhere: str = "") -> str:
    """The values of rows as a table in Markdown, **bold** where a target is missed.

    The pattern must match a row's whole name; its groups `line` and `column` say where it stands, the column
    `elsewhere` where it is empty. Other rows are left out.
    """
    cells: dict[str, dict[str, str]] = {}
    for row in shown:
        if place := re.fullmatch(pattern, row.what):
            value = told(row.value, row.unit) if row.value is not None else "–"
            column = place["column"].removeprefix(", ") or elsewhere
            cells.setdefault(place["line"], {})[column] = f"**{value}**" if row.short() else value
    columns = list(dict.fromkeys(column for line in cells.values() for column in line))
    lines = [["", *columns], ["---"] * (len(columns) + 1)]
    lines += [[name, *(line.get(column, "–") for column in columns)] for name, line in cells.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(path: Path = TARGETS) -> None:
    """Prints the rows that fall short, area by area."""
    found = rows(path=path)
    promised = [row for row in found if row.target is not None]
    short = [row for row in promised if row.short()]
    print(f"{len(short)} of {len(promised)} numbers that have a target fall short of it.")
    for area in dict.fromkeys(row.area for row in short):
        print(f"\n{area}")
        for row in (each for each in short if each.area == area):
            print(f"  {row.what}: {value_in_words(row)}; the target is {target_in_words(row)}.")
            print(f"    {row.script}, n = {row.n:,}, at {row.commit}")


if __name__ == "__main__":
    main()
