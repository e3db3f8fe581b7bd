"""Figures that are made of numbers: relative scores as bars, the published test as box plots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from videotcav.records import Result
from videotcav.results.paper_facts import PaperFacts
from videotcav.results.words import p_value

INK, SOFT, BAND, LINE = "#1c1d21", "#5d6068", "#d5d3cd", "#dedcd6"
STILL, MOVES = "#0072b2", "#d55e00"
CONCEPT_COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#f0e442", "#0072b2", "#d55e00")  # Okabe and Ito's
HATCHES = ("", "////", "....", "xxxx", "\\\\\\\\", "++++", "oo")
_BESIDE = 3  # labels of more bars do not fit beside each other
_COLUMN_INCHES, _PAGE_INCHES = 3.4, 7.0
_MARKS = {
    "positive": "▲", "negative": "▼", "no evidence": "○", "not learned": "∅", "degenerate": "≡", "underpowered": "…",
}  # fmt: skip


class Look(NamedTuple):
    """Colour and hatch of a bar: two channels, so that print and every eye can tell them apart."""

    colour: str
    hatch: str


def bars(rows: Sequence[Result], facts: PaperFacts) -> Figure:
    """Figures 7 and 8: a cluster of bars a layer, one a concept."""
    concepts = list(dict.fromkeys(row.concept for row in rows))
    figure = Figure(figsize=(_COLUMN_INCHES, 2.3), facecolor="white", layout="constrained")
    axes = figure.add_subplot()
    for place, concept in enumerate(concepts):
        mine = [row for row in rows if row.concept == concept]
        look = Look(CONCEPT_COLOURS[place % 7], HATCHES[place % 7])
        _cluster(axes, mine, facts, place=place, of=len(concepts), look=look)
    _dress(axes, facts)
    _legend(figure, [(name, CONCEPT_COLOURS[at % 7], HATCHES[at % 7]) for at, name in enumerate(concepts)])
    return figure


def static_against_dynamic(rows: Sequence[Result], facts: PaperFacts) -> Figure:
    """Figure 9: a panel a concept, at each layer its static and its dynamic clips against each other."""
    concepts = list(dict.fromkeys(row.group for row in rows))
    across = min(3, len(concepts))
    down = -(-len(concepts) // across)
    width = _COLUMN_INCHES if across == 1 else _PAGE_INCHES
    figure = Figure(figsize=(width, 2.1 * down), facecolor="white", layout="constrained")
    for place, concept in enumerate(concepts, start=1):
        axes = figure.add_subplot(down, across, place)
        for side, (kind, colour, hatch) in enumerate((("spatial", STILL, ""), ("spatiotemporal", MOVES, "////"))):
            mine = [row for row in rows if row.group == concept and row.kind == kind]
            _cluster(axes, mine, facts, place=side, of=2, look=Look(colour, hatch))
        _dress(axes, facts, labelled=(place - 1) % across == 0)
        axes.set_title(concept, fontsize=8, color=INK, weight="bold", loc="left")
    _legend(figure, [("static", STILL, ""), ("dynamic", MOVES, "////")])
    return figure


def box_plots(rows: Sequence[Result], facts: PaperFacts) -> Figure:
    """Figure 10: a panel a layer; for every set a box of its runs beside one of random sets against random sets.

    Below each pair stands what set-level randomisation says: its mark and its corrected p.
    """
    sets = list(dict.fromkeys((row.concept, row.kind) for row in rows))
    figure = Figure(figsize=(_PAGE_INCHES, 1.9 * len(facts.layers) + 0.3), facecolor="white", layout="constrained")
    for number, layer in enumerate(facts.layers, start=1):
        axes = figure.add_subplot(len(facts.layers), 1, number)
        here = {(row.concept, row.kind): row for row in rows if row.layer == layer}
        for place, key in enumerate(sets):
            row = here[key]
            _box(axes, row.runs, place - 0.18, MOVES if row.kind == "spatiotemporal" else STILL)
            _box(axes, row.random_runs, place + 0.18, "#9a9aa0")
            if row.p_classic_corrected is not None and row.p_classic_corrected <= facts.alpha:
                axes.text(place, 1.07, "★", fontsize=8, color=INK, ha="center", va="bottom", family="DejaVu Sans")
        axes.set_xticks(
            range(len(sets)),
            [
                f"{concept}\n{'dynamic' if kind == 'spatiotemporal' else 'static'}\n"
                f"{_MARKS[here[concept, kind].verdict]} p = {p_value(here[concept, kind].p_corrected)}"
                for concept, kind in sets
            ],
            fontsize=7,
            fontfamily="DejaVu Sans",
        )
        axes.set_xlim(-0.6, len(sets) - 0.4)
        axes.set_ylim(-0.04, 1.22)
        axes.set_yticks([0, 0.5, 1])
        axes.set_ylabel("TCAV score", fontsize=8, color=INK)
        note = "  (degenerate: see the text)" if layer in facts.degenerate else ""
        axes.set_title(f"{layer}{note}", fontsize=8, color=INK, weight="bold", loc="left")
        _plain(axes)
    _legend(figure, [("static", STILL, ""), ("dynamic", MOVES, ""), ("random against random", "#9a9aa0", "")])
    return figure


def _cluster(axes: Axes, rows: Sequence[Result], facts: PaperFacts, *, place: int, of: int, look: Look) -> None:
    """One bar of the cluster of every layer, its null band behind it and its interval before it."""
    width = 0.8 / of
    for row in rows:
        x = facts.layers.index(row.layer) + (place - (of - 1) / 2) * width
        axes.bar(x, row.null_high - row.null_low, 0.96 * width, row.null_low, color=BAND, linewidth=0, zorder=1)
        axes.bar(
            x, row.value, 0.66 * width, edgecolor=INK, linewidth=0.6, zorder=2, facecolor=look.colour, hatch=look.hatch
        )
        axes.plot([x, x], [row.low, row.high], color=INK, linewidth=0.9, zorder=3)
        for end in (row.low, row.high):
            axes.plot([x - 0.12 * width, x + 0.12 * width], [end, end], color=INK, linewidth=0.9, zorder=3)
        axes.text(
            x,
            1.03,
            f"{row.value:.2f}",
            fontsize=6,
            color=INK,
            ha="center",
            va="bottom",
            rotation=90 if of > _BESIDE else 0,
        )


def _dress(axes: Axes, facts: PaperFacts, *, labelled: bool = True) -> None:
    axes.set_xticks(
        range(len(facts.layers)),
        [f"{layer}\n(degenerate)" if layer in facts.degenerate else layer for layer in facts.layers],
        fontsize=7,
    )
    axes.set_xlim(-0.5, len(facts.layers) - 0.5)
    axes.set_ylim(0, 1.14)
    axes.set_yticks([0, 0.5, 1])
    if labelled:
        axes.set_ylabel("relative TCAV score", fontsize=8, color=INK)
    _plain(axes)


def _plain(axes: Axes) -> None:
    axes.tick_params(axis="both", colors=INK, length=2, width=0.6)
    axes.tick_params(axis="y", labelsize=7)
    axes.grid(axis="y", color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set(linewidth=0.6, color=SOFT)


def _box(axes: Axes, runs: Sequence[float], x: float, colour: str) -> None:
    line = {"color": INK, "linewidth": 0.7}
    axes.boxplot(
        [list(runs)], positions=[x], widths=0.28, patch_artist=True, manage_ticks=False,
        boxprops={"facecolor": colour, "edgecolor": INK, "linewidth": 0.7, "alpha": 0.7},
        medianprops={"color": INK, "linewidth": 1.6}, whiskerprops=line, capprops=line,
        showfliers=False,
    )  # fmt: skip
    axes.plot([x] * len(runs), runs, ".", markersize=2.5, color=INK, alpha=0.6, markeredgewidth=0)  # few: show them all


def _legend(figure: Figure, entries: Sequence[tuple[str, str, str]]) -> None:
    patches = [
        Patch(facecolor=colour, hatch=hatch, edgecolor=INK, linewidth=0.6, label=name)
        for name, colour, hatch in entries
    ]
    figure.legend(
        handles=patches, loc="outside upper center", ncols=min(4, len(patches)), fontsize=7,
        frameon=False, handlelength=1.6, columnspacing=1.2,
    )  # fmt: skip
