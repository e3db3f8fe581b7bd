"""The reliance profile: a row an edit, a dot a class. It reads like a nutrition label."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from videotcav.results.probe_facts import ProbeEffect, ProbeManifest
from videotcav.results.shown_figure import ShownFigure

_INK, _SOFT, _BAND = "#1c1d21", "#6f727a", "#e4e2dc"
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000", "#e69f00", "#56b4e9", "#8a6d00")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
"""Colours that colour-blind people tell apart, and a shape beside each, for print without colour."""


def profile_figure(manifest: ProbeManifest, rows: Sequence[ProbeEffect]) -> Figure:
    """Effects in σ, ranked edits first, those that are only shown below in grey; a panel a model.

    Each class has its colour and shape where they are few enough to be told apart; else all dots look alike and have
    no intervals. Filled dots have a verdict, hollow ones none. The grey band counts as no effect.
    """
    edits = [edit.name for edit in sorted(manifest.edits, key=lambda edit: not edit.ranked)]
    few = len(manifest.classes) <= len(_COLOURS)
    height = (0.26 + 0.11 * min(len(manifest.classes), len(_COLOURS))) * len(edits) + 1.5
    figure = ShownFigure(figsize=(8.0, height * len(manifest.models)), layout="constrained", facecolor="white")
    panels = figure.subplots(len(manifest.models), 1, sharex=True, squeeze=False)[:, 0]
    for axes, model in zip(panels, manifest.models, strict=True):
        axes.axvspan(-manifest.negligible_below, manifest.negligible_below, color=_BAND, lw=0)
        axes.axvline(0, color=_INK, lw=0.8)
        for number, class_name in enumerate(manifest.classes):
            own = [row for row in rows if (row.model, row.class_name) == (model, class_name)]
            _dots(axes, own, edits, number, len(manifest.classes), few=few)
        _frame(axes, manifest, edits, title=model)
    panels[-1].set_xlabel(
        "effect on the class’s score, in σ; left: the class needs what the edit takes away", fontsize=9
    )
    if few:
        handles, labels = panels[0].get_legend_handles_labels()
        unique = dict(zip(labels, handles, strict=True))
        legend = figure.legend(
            unique.values(),
            unique.keys(),
            loc="outside upper center",
            ncols=min(4, max(1, len(unique))),
            fontsize=9,
            frameon=False,
        )
        for text in legend.get_texts():
            text.set_parse_math(False)  # a class may have dollar signs in its name
    return figure


def _dots(
    axes: Axes, rows: Sequence[ProbeEffect], edits: Sequence[str], number: int, classes: int, *, few: bool
) -> None:
    """One class: a dot in the row of each edit, the classes of a row a little apart."""
    offset = (number + 0.5) / min(classes, len(_COLOURS)) - 0.5 if few else (number % 7 - 3) / 7
    for row in rows:
        if row.effect is None or row.low is None or row.high is None:
            continue
        at = edits.index(row.name) + 0.7 * offset
        colour = _COLOURS[number] if few else _COLOURS[0]
        if not row.ranked:
            colour = _SOFT
        is_told = row.verdict in ("positive", "negative", "negligible")
        if few:
            axes.plot([row.low, row.high], [at, at], color=colour, lw=1.3, solid_capstyle="butt")
        axes.plot(
            row.effect,
            at,
            _MARKERS[number] if few else "o",
            color=colour,
            mfc=colour if is_told else "white",
            ms=6 if few else 3,
            label=row.class_name if row.ranked else None,
        )


def _frame(axes: Axes, manifest: ProbeManifest, edits: Sequence[str], *, title: str) -> None:
    is_ranked = {edit.name: edit.ranked for edit in manifest.edits}
    axes.set_yticks(range(len(edits)), edits, fontsize=10)
    for label, edit in zip(axes.get_yticklabels(), edits, strict=True):
        label.set_color(_INK if is_ranked[edit] else _SOFT)
    for place, edit in enumerate(edits):
        if place and is_ranked[edits[place - 1]] != is_ranked[edit]:
            axes.axhline(place - 0.5, color=_SOFT, lw=0.8, ls=(0, (4, 3)))
            where = axes.get_yaxis_transform()
            axes.text(
                1, place - 0.48, "shown, not ranked", transform=where, ha="right", va="top", fontsize=8, color=_SOFT
            )
    axes.set_ylim(len(edits) - 0.4, -0.6)
    axes.tick_params(labelsize=9)
    axes.set_title(title, fontsize=10, loc="left", color=_INK).set_parse_math(False)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
