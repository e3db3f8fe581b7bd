"""How much of each concept a video shows, over time: a figure for a notebook, and a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from videotcav.errors import NotEnoughData
from videotcav.report.render import write_figures_page
from videotcav.results.concept_score import HEADINGS, ConceptScore
from videotcav.results.shown_figure import ShownFigure
from videotcav.results.table import table_html

_INK, _SOFT = "#1c1d21", "#8a8d96"
_LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
MOST_SHOWN = 12
"""How many videos a page draws."""


def share_figure(rows: Sequence[ConceptScore]) -> Figure:
    """A panel a layer, a line a concept: its share at each moment of one video's clips, 0 the pool and 1 the concept.

    Raises NotEnoughData where there is no row.
    """
    if not rows:
        raise NotEnoughData("there are no scores to draw")
    layers, names = list(dict.fromkeys(row.layer for row in rows)), list(dict.fromkeys(row.name for row in rows))
    figure = ShownFigure(figsize=(7.5, 2.0 * len(layers) + 0.6), layout="constrained", facecolor="white")
    panels = figure.subplots(len(layers), 1, sharex=True, squeeze=False)[:, 0]
    for axes, layer in zip(panels, layers, strict=True):
        for number, name in enumerate(names):
            own = sorted(
                (row for row in rows if (row.layer, row.name) == (layer, name)), key=lambda row: row.first_seconds
            )
            told = [row for row in own if row.is_told]
            colour = _LINES[number % len(_LINES)]
            label = f"{name}: {_summary(told)}"
            for place, row in enumerate(told):
                axes.plot(
                    row.seconds, row.over_time, marker="o", ms=3, lw=1.5, color=colour, label="" if place else label
                )
            if not told:
                axes.plot([], [], color=colour, label=label)
        for level in (0, 1):
            axes.axhline(level, color=_SOFT, lw=0.8, ls=(0, (4, 3)))
        axes.set_ylabel("share", fontsize=8)
        axes.set_title(layer, fontsize=9, loc="left", color=_INK)
        axes.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
        axes.tick_params(labelsize=8)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    panels[-1].set_xlabel("seconds; 0 is like the pool, 1 like the concept", fontsize=8)
    return figure


def _summary(told: Sequence[ConceptScore]) -> str:
    if not told:
        return "not told from the pool"
    if len(told) > 1:
        return f"{len(told)} clips"
    return f"{told[0].share:.2f} ({told[0].low:.2f} to {told[0].high:.2f})"


def _answer(rows: Sequence[ConceptScore]) -> str:
    """What is shown most, and where."""
    told = [row for row in rows if row.share is not None]
    if not told:
        return "No layer tells any of the concepts from random clips, so that nothing is said of the clips."
    most = max(told, key=lambda row: row.share or 0.0)
    return f"{Path(most.clip).name} shows most of {most.name} at {most.layer}: a share of {_summary([most])}."


def write_scores_page(page: Path | str, rows: Sequence[ConceptScore]) -> Path:
    """The page of scores: a figure a video and the table. Raises OutputError."""
    clips = list(dict.fromkeys(row.clip for row in rows))
    sentences = [
        _answer(rows),
        "A share of 0 is like random clips, of 1 like the concept's own.",
        "“By” is what it adds to the class's score to first order, “exactly” what the score loses without it.",
        "σ is the standard deviation of the score over random videos.",
    ]
    if len(clips) > MOST_SHOWN:
        sentences.append(f"The first {MOST_SHOWN} of {len(clips)} videos are drawn; the table has all.")
    return write_figures_page(
        page,
        ((Path(clip).name, share_figure([row for row in rows if row.clip == clip])) for clip in clips[:MOST_SHOWN]),
        kicker="videotcav concept scores",
        heading="How much of each concept does the clip show?",
        sentences=sentences,
        table=table_html(HEADINGS, (row.cells() for row in rows)),
        dpi=120,
    )
