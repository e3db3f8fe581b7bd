"""What edits of the classes' own clips found: sentences, and the rows of a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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


def table_rows(effects: Sequence[EditEffect]) -> Iterator[tuple[str, ...]]:
    """The rows of the table, ranked edits first."""
    yield from (cells(row) for row in sorted(effects, key=lambda row: not row.ranked))
