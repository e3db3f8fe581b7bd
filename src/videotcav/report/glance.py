"""The one picture of a run: what each concept pushes beside what the class needs, a dot a concept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from videotcav.records import Statistic
from videotcav.report.figures import Axis, nice
from videotcav.report.roles import ConceptRole, concept_roles
from videotcav.results.read import RunResults
from videotcav.results.words import STATISTIC_WORDS, score, span

MOST_ROWS = 8
SIGMAS = "standard deviations of the score over random videos"
_LOOKS = {"towards": "shown", "away": "shown", "none": "none"}

Ends = tuple[float, float, float]
"""A value and its interval."""


@dataclass(frozen=True)
class Dot:
    """An effect on an axis: in percent of its width the dot, its interval, and the band of what counts as none.

    `look` is `shown`, `none` where the effect is shown to be negligible, and `open` where nothing is shown.
    """

    at: float
    low: float
    high: float
    band: tuple[float, float]
    look: str
    text: str


@dataclass(frozen=True)
class GlanceRow:
    """A line of the picture: what it is called, and a dot under each head; None where that was not asked."""

    name: str
    dots: tuple[Dot | None, ...]


@dataclass(frozen=True)
class Glance:
    """The picture: rows of dots under `heads` on one axis; `more` counts the rows that it has no room for."""

    heads: tuple[str, ...]
    rows: tuple[GlanceRow, ...]
    axis: Axis
    unit: str
    more: int = 0


def glance(run: RunResults) -> Glance | None:
    """The picture of a run, its most telling rows in the order of its results; None where nothing can be drawn."""
    found = [role for role in concept_roles(run) if _drawable(role)]
    if not found:
        return None
    shown = sorted(sorted(found, key=lambda role: role.rank)[:MOST_ROWS], key=found.index)
    statistic = run.manifest.tests.primary
    nothing = run.manifest.tests.negligible_below or 0.0
    axis = _axis(shown, statistic)
    several = len({role.class_name for role in shown}) > 1
    heads = ("pushes", "is needed") if any(role.need is not None for role in shown) else ("pushes",)
    return Glance(
        heads=heads,
        rows=tuple(GlanceRow(_name(role, several=several), _dots(role, axis, nothing)[: len(heads)]) for role in shown),
        axis=axis,
        unit=SIGMAS if statistic == "contrast" else STATISTIC_WORDS[statistic],
        more=len(found) - len(shown),
    )


def _drawable(role: ConceptRole) -> bool:
    return any(map(is_finite, _spans(role)))


def _spans(role: ConceptRole) -> list[Ends]:
    """Value and interval of each leg that has them, a need as what the lack of it takes away."""
    push, need = role.push, role.need
    found = [(push.value, push.low, push.high)] if push else []
    if need is not None and need.effect is not None and need.low is not None and need.high is not None:
        found.append((-need.effect, -need.high, -need.low))
    return found


def _axis(shown: Sequence[ConceptRole], statistic: Statistic) -> Axis:
    """One scale for both legs: they count the same."""
    rows = [role.push for role in shown if role.push]
    if statistic == "sign_count" and all(row.statistic == "sign_count" and row.against == "random" for row in rows):
        return Axis(0.0, 1.0, statistic)
    ends = [abs(end) for role in shown for ends in _spans(role) for end in ends if math.isfinite(end)]
    reach = nice(max(ends, default=1.0))
    return Axis(-reach, reach, statistic)


def _name(role: ConceptRole, *, several: bool) -> str:
    name = role.concept if role.against == "random" and not role.is_still else role.name
    return f"{name} → {role.class_name}" if several else name


def _dots(role: ConceptRole, axis: Axis, nothing: float) -> tuple[Dot | None, Dot | None]:
    push = need = None
    row, effect = role.push, role.need
    if row is not None and is_finite(ends := (row.value, row.low, row.high)):
        said = f"{row.verdict}: {score(row.value, row.statistic)}"
        text = f"{said}, 95 % interval {span(row.low, row.high, row.statistic)}"
        push = dot(ends, (row.null_low, row.null_high), axis, look=_LOOKS.get(role.pushes, "open"), text=text)
    if effect is not None and effect.effect is not None and (spans := _spans(role)) and is_finite(spans[-1]):
        value, low, high = spans[-1]
        said = f"{effect.verdict}: without it the score changes by {score(-value, 'contrast')}"
        text = f"{said}, 95 % interval {span(-high, -low, 'contrast')}"
        look = _LOOKS.get(role.needed, "open")
        need = dot((value, low, high), (-nothing, nothing), axis, look=look, text=text)
    return push, need


def dot(ends: Ends, band: tuple[float, float], axis: Axis, *, look: str, text: str) -> Dot:
    """A dot at the first of `ends`, with an interval from the second to the third, over a band."""
    value, low, high = map(axis.percent, ends)
    return Dot(value, low, high, (axis.percent(band[0]), axis.percent(band[1])), look, text)


def is_finite(ends: Ends) -> bool:
    """Whether it can be drawn."""
    return all(map(math.isfinite, ends))
