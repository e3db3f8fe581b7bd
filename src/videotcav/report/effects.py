"""Effects with their intervals over their nulls, one row a question: a figure for a notebook or a paper."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from videotcav.errors import NotEnoughData
from videotcav.records import Result
from videotcav.report.render import write_figures_page
from videotcav.results.shown_figure import ShownFigure
from videotcav.results.table import results_html
from videotcav.results.words import count, score

_INK, _SOFT, _SHOWN = "#1c1d21", "#8a8d96", "#0072b2"


def effects_figure(rows: Sequence[Result]) -> Figure:
    """Each result as a dot with its 95 % interval, the central 95 % of its null as a grey band behind it.

    Filled dots have a verdict, hollow ones none. Raises NotEnoughData where there is no row.
    """
    if not rows:
        raise NotEnoughData("there are no results to draw")
    figure = ShownFigure(figsize=(7.5, 0.32 * len(rows) + 1.1), layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    for place, row in enumerate(rows):
        axes.barh(place, row.null_high - row.null_low, left=row.null_low, height=0.7, color=_SOFT, alpha=0.25)
        is_shown = row.verdict in ("positive", "negative", "negligible")
        colour = _SHOWN if is_shown else _INK
        axes.plot([row.low, row.high], [place, place], color=colour, lw=1.5)
        axes.plot(row.value, place, "o", color=colour, mfc=colour if is_shown else "white", ms=6)
    axes.axvline(0, color=_INK, lw=0.8, ls=(0, (4, 3)))
    axes.set_yticks(range(len(rows)), [_asked(row) for row in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    statistics = dict.fromkeys(row.statistic for row in rows)
    is_contrast = rows[0].statistic in ("contrast", "shift")
    grey = "what counts as no effect" if is_contrast else "central 95 % of the null"
    unit = ", in standard deviations of the score over the pool" if is_contrast else ""
    axes.set_xlabel(f"{', '.join(statistics).replace('_', ' ')}{unit}; grey: {grey}", fontsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure


def _asked(row: Result) -> str:
    against = "" if row.against == "random" else f" − {row.other or row.against}"
    return f"{row.concept}/{row.kind}{against} → {row.class_name}{f', {row.layer}' if row.layer else ''}"


def _answer(rows: Sequence[Result]) -> list[str]:
    """How much is shown, and the largest of it."""
    decided = [row for row in rows if row.verdict in ("positive", "negative")]
    if not rows:
        return []
    if not decided:
        return [f"None of {count(len(rows), 'effect')} is shown."]
    largest = max(decided, key=lambda row: abs(row.value - row.null_centre))
    found = f"{largest.verdict}, {score(largest.value, largest.statistic)}"
    return [f"{len(decided)} of {count(len(rows), 'effect')} are shown, the largest is {_asked(largest)} ({found})."]


def write_results_page(page: Path | str, rows: Sequence[Result], sentences: Sequence[str]) -> Path:
    """The page of results that lie in no run folder: sentences, one figure a statistic, the table."""
    by_statistic = {
        name: [row for row in rows if row.statistic == name] for name in dict.fromkeys(row.statistic for row in rows)
    }
    return write_figures_page(
        page,
        (
            (f"{name.replace('_', ' ')}: effects with their intervals", effects_figure(of_it))
            for name, of_it in by_statistic.items()
        ),
        kicker="videotcav results",
        heading="Which concepts move the class?",
        sentences=[*_answer(rows), *sentences],
        table=results_html(rows),
        dpi=150,
    )
