"""What edits of the classes' own clips found: sentences, a picture of pushes beside needs, and the rows of a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from videotcav.results.both_legs import BothLegs
from videotcav.results.edit_effect import EditEffect, EditReason
from videotcav.results.words import count, number, p_value, percent, signed, span

HEADINGS = (
    "Edit",
    "Class",
    "Verdict",
    "Effect",
    "95 % interval",
    "p corrected",
    "Sham",
    "Other fill",
    "Inpainted",
    "Accuracy",
    "Clips (videos)",
)

_REASONS: dict[EditReason, str] = {
    "changes nothing": "it changes no clip",
    "moves no score": "it changes the clips, and the score of none",
    "not told": "it can be made of no clip",
    "too few videos": "too few videos for any test",
    "sham not possible": "too few clips have room for a sham of it",
    "too few shams": "too few videos to hold it against a sham of it",
    "sham moves it too": "a sham of it moves the score about as much",
    "hangs on the fill": "another fill does not bear it out",
}
_INK, _SOFT, _SHOWN = "#1c1d21", "#8a8d96", "#0072b2"


def sentence(row: EditEffect, *, negligible_below: float) -> str:
    """A row as a sentence for a paper."""
    if row.effect is None or row.p_corrected is None:
        return f"{row.name.capitalize()}: not asked of “{row.class_name}”, as {why(row) or 'it is only shown'}."
    clips = f"{count(row.clips, 'clip')} of {count(row.sources, 'video')} of “{row.class_name}”"
    interval = f"95\N{NO-BREAK SPACE}% interval {span(row.low or 0.0, row.high or 0.0, 'contrast')}"
    test = (
        f"interval test against ±{number(negligible_below)}, signs flipped over videos, p = {p_value(row.p_corrected)}"
    )
    if row.verdict == "negligible":
        test = f"two one-sided tests, p = {p_value(row.p_equivalence_corrected)}"
    parts = [f"effect {signed(row.effect, 'contrast')} standard deviations, {interval}", test]
    parts += [f"its sham {signed(row.sham, 'contrast')}"] if row.sham is not None else []
    parts.append(clips)
    does = {
        "positive": "raises the score",
        "negative": "lowers the score",
        "negligible": "changes the score by less than would be of interest",
    }.get(row.verdict, "is neither shown to move the score nor shown to leave it alone")
    reason = f" ({why(row)})" if why(row) else ""
    return f"“{row.name}” {does}{reason}: {'; '.join(parts)}."


def why(row: EditEffect) -> str:
    """Why a row has no verdict, where more than its p says so."""
    return _REASONS.get(row.reason, "")


def cells(row: EditEffect) -> tuple[str, ...]:
    """What a table shows of a row, under `HEADINGS`."""
    has_accuracy = row.accuracy_before is not None
    accuracy = f"{percent(row.accuracy_before)} → {percent(row.accuracy_after)}" if has_accuracy else ""
    shams = "" if row.with_sham is None else f"{number(row.sham)} ({row.with_sham} of {row.clips})"
    return (
        row.name,
        row.class_name,
        f"{row.verdict}{f': {why(row)}' if why(row) else ''}",
        "–" if row.effect is None else signed(row.effect, "contrast"),
        "–" if row.low is None or row.high is None else span(row.low, row.high, "contrast"),
        p_value(row.p_corrected),
        shams,
        number(row.second_fill) if row.second_fill is not None else "",
        percent(row.inpainted) if row.inpainted is not None else "",
        accuracy,
        f"{row.clips} ({row.sources})",
    )


def legs_figure(legs: Sequence[BothLegs], *, negligible_below: float) -> Figure:
    """Pushes beside needs, a row a concept and comparison: each a dot with its 95 % interval, filled where it is shown.

    To the right is for the class on both sides: a need is how much lower the class's own clips score after the edit.
    """
    figure = Figure(figsize=(8.0, 0.42 * len(legs) + 1.2), layout="constrained", facecolor="white")
    pushes, needs = figure.subplots(1, 2, sharey=True)
    for place, each in enumerate(legs):
        if each.push is not None:
            row = each.push
            _dot(pushes, place, row.value, row.low, row.high, shown=row.verdict in ("positive", "negative"))
        need = each.need
        if need is not None and need.effect is not None and need.low is not None and need.high is not None:
            is_shown = need.verdict in ("positive", "negative")
            _dot(needs, place, -need.effect, -need.high, -need.low, shown=is_shown)
    for axes, title in ((pushes, "pushes, on the concept's clips"), (needs, "is needed, on the class's own clips")):
        axes.axvspan(-negligible_below, negligible_below, color=_SOFT, alpha=0.25, lw=0)
        axes.axvline(0, color=_INK, lw=0.8, ls=(0, (4, 3)))
        axes.set_title(title, fontsize=9)
        axes.set_xlabel("standard deviations of the score", fontsize=8)
        axes.tick_params(labelsize=8)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    several = len({each.class_name for each in legs}) > 1
    pushes.set_yticks(range(len(legs)), [_label(each, several=several) for each in legs], fontsize=8)
    pushes.set_ylim(len(legs) - 0.4, -0.6)
    return figure


def _dot(axes: Axes, place: int, value: float, low: float, high: float, *, shown: bool) -> None:
    colour = _SHOWN if shown else _INK
    axes.plot([low, high], [place, place], color=colour, lw=1.5)
    axes.plot(value, place, "o", color=colour, mfc=colour if shown else "white", ms=6)


def _label(legs: BothLegs, *, several: bool) -> str:
    what = {"random": "", "frozen": ", its motion", "shuffled": ", its order", "reversed": ", its direction"}
    return f"{legs.concept}{what[legs.against]}{f' → {legs.class_name}' if several else ''}"


def table_rows(effects: Sequence[EditEffect]) -> Iterator[tuple[str, ...]]:
    """The rows of the table, ranked edits first."""
    yield from (cells(row) for row in sorted(effects, key=lambda row: not row.ranked))
