"""The figures of a paper folder, drawn from what it holds: rows of frames, scores as bars, the test as boxes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from PIL import Image

from videotcav.records import Result
from videotcav.report.sentences import unique
from videotcav.results.paper_facts import DYNAMIC, PAPER_KINDS, STATIC, PaperFacts, Strip
from videotcav.results.table import MARKS
from videotcav.results.words import p_value

INK, SOFT, BAND, LINE = "#1c1d21", "#5d6068", "#d5d3cd", "#dedcd6"
FRAMES = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#d55e00", "#cc79a7")  # Okabe and Ito's, as all colours here
_BESIDE = 3  # labels of more bars do not fit beside each other
_MOST = 6  # stills a row; fewer are no larger
_COLUMN_INCHES, _PAGE_INCHES, _GAP_INCHES, _TITLE_INCHES, _CAPTION_INCHES = 3.4, 7.0, 0.06, 0.24, 0.16


class BarStyle(NamedTuple):
    """Colour and hatch of a bar: two channels, so that print and every eye can tell them apart."""

    colour: str
    hatch: str = ""


STILL, MOVES, CHANCE = BarStyle("#0072b2"), BarStyle("#d55e00", "////"), BarStyle("#9a9aa0")
CONCEPTS = tuple(
    map(
        BarStyle,
        ("#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#f0e442", "#0072b2", "#d55e00"),
        ("", "////", "....", "xxxx", "\\\\\\\\", "++++", "oo"),
    )
)


def figures(
    facts: PaperFacts, rows: Sequence[Result], tested: Sequence[Result], media: Path
) -> Iterator[tuple[str, Figure]]:
    """The number of each figure that there is something to draw from, and the figure."""
    for pictured, strips in facts.strips.items():
        figure = frames(strips, media, tall=pictured == "4")
        if pictured == "1":
            _colour_scale(figure, facts.colour_map)
        yield pictured, figure
    for number, group in (("7", STATIC), ("8", DYNAMIC)):
        if mine := [row for row in rows if row.group == group]:
            concepts = unique(row.concept for row in mine)
            looks = {concept: CONCEPTS[place % len(CONCEPTS)] for place, concept in enumerate(concepts)}
            panel = {name: [row for row in mine if row.concept == name] for name in concepts}
            yield number, relative_scores({"": panel}, looks, facts, panel_inches=2.3)
    pairs = unique(row.group for row in rows if row.group not in ("", STATIC, DYNAMIC))
    if pairs:
        kinds = PAPER_KINDS.items()
        panels = {
            pair: {name: [row for row in rows if (row.group, row.kind) == (pair, kind)] for kind, name in kinds}
            for pair in pairs
        }
        yield "9", relative_scores(panels, {STATIC: STILL, DYNAMIC: MOVES}, facts, panel_inches=2.1)
    yield "10", box_plots(tested, facts)


def relative_scores(
    panels: Mapping[str, Mapping[str, Sequence[Result]]],
    looks: Mapping[str, BarStyle],
    facts: PaperFacts,
    *,
    panel_inches: float,
) -> Figure:
    """Panels with a cluster of bars a layer, a bar a series: null bands behind them, intervals before them."""
    across = min(3, len(panels))
    down = -(-len(panels) // across)
    width = 0.8 / len(looks)
    figure = _figure(_COLUMN_INCHES if across == 1 else _PAGE_INCHES, panel_inches * down)
    for number, (title, series) in enumerate(panels.items()):
        axes = figure.add_subplot(down, across, number + 1)
        for place, (name, rows) in enumerate(series.items()):
            x = np.array([facts.layers.index(row.layer) for row in rows]) + (place - (len(looks) - 1) / 2) * width
            value, low, high, null_low, null_high = np.array(
                [(row.value, row.low, row.high, row.null_low, row.null_high) for row in rows]
            ).T
            look = looks[name]
            axes.bar(x, null_high - null_low, 0.96 * width, null_low, color=BAND, linewidth=0, zorder=1)
            axes.bar(
                x, value, 0.66 * width, edgecolor=INK, linewidth=0.6, zorder=2, facecolor=look.colour, hatch=look.hatch
            )
            axes.plot([x, x], [low, high], color=INK, linewidth=0.9, zorder=3)
            for end in (low, high):
                axes.plot([x - 0.12 * width, x + 0.12 * width], [end, end], color=INK, linewidth=0.9, zorder=3)
            turn = 90 if len(looks) > _BESIDE else 0
            for at, shown in zip(x, value, strict=True):
                axes.text(at, 1.03, f"{shown:.2f}", fontsize=6, color=INK, ha="center", va="bottom", rotation=turn)
        names = [f"{layer}\n(degenerate)" if layer in facts.degenerate else layer for layer in facts.layers]
        _dress(axes, names, title=title, label="" if number % across else "relative TCAV score")
        axes.set(xlim=(-0.5, len(names) - 0.5), ylim=(0, 1.14))
    _legend(figure, looks)
    return figure


def box_plots(rows: Sequence[Result], facts: PaperFacts) -> Figure:
    """A panel a layer; for every set a box of its runs beside one of random sets against random sets.

    Below each pair stands what set-level randomisation says: its mark and its corrected p.
    """
    figure = _figure(_PAGE_INCHES, 1.9 * len(facts.layers) + 0.3)
    for number, layer in enumerate(facts.layers, start=1):
        axes = figure.add_subplot(len(facts.layers), 1, number)
        here = [row for row in rows if row.layer == layer]
        for place, row in enumerate(here):
            _box(axes, row.runs, place - 0.18, (MOVES if PAPER_KINDS[row.kind] == DYNAMIC else STILL).colour)
            _box(axes, row.random_runs, place + 0.18, CHANCE.colour)
            if row.p_classic_corrected is not None and row.p_classic_corrected <= facts.alpha:
                axes.text(place, 1.07, "★", fontsize=8, color=INK, ha="center", va="bottom", family="DejaVu Sans")
        note = "  (degenerate: see the text)" if layer in facts.degenerate else ""
        names = [
            f"{row.concept}\n{PAPER_KINDS[row.kind]}\n{MARKS[row.verdict]} p = {p_value(row.p_corrected)}"
            for row in here
        ]
        _dress(axes, names, title=f"{layer}{note}", label="TCAV score", font="DejaVu Sans")
        axes.set(xlim=(-0.6, len(here) - 0.4), ylim=(-0.04, 1.22))
    _legend(figure, {STATIC: STILL, DYNAMIC: BarStyle(MOVES.colour), "random against random": CHANCE})
    return figure


def frames(strips: Sequence[Strip], media: Path, *, tall: bool) -> Figure:
    """Strips of stills below each other, each at the full width; `tall` for a single large frame with named boxes."""
    cell = 4.6 if tall else (_PAGE_INCHES - _GAP_INCHES * (_MOST - 1)) / max(_MOST, *(len(s.stills) for s in strips))
    pictures = [[Image.open(media / still.path) for still in strip.stills] for strip in strips]
    heights = [min(1.5, max(each.height / each.width for each in row)) * cell for row in pictures]
    stills = [still for strip in strips for still in strip.stills]
    foot = _CAPTION_INCHES if any(still.caption for still in stills) else 0.05
    width, top = cell if tall else _PAGE_INCHES, sum(heights) + len(strips) * (_TITLE_INCHES + foot)
    figure, total = Figure(figsize=(width, top), facecolor="white"), top
    colours = {
        label: FRAMES[place % len(FRAMES)]
        for place, label in enumerate(unique(mark.label for still in stills for mark in still.marks))
    }
    for strip, row, height in zip(strips, pictures, heights, strict=True):
        figure.text(0, (top - 0.04) / total, strip.title, fontsize=8, color=INK, va="top", weight="bold")
        top -= _TITLE_INCHES + height
        for place, (still, picture) in enumerate(zip(strip.stills, row, strict=True)):
            left = place * (cell + _GAP_INCHES)
            axes = figure.add_axes((left / width, top / total, cell / width, height / total))
            axes.imshow(picture, interpolation="bicubic")
            axes.set_axis_off()
            for mark in still.marks:
                box, colour = mark.box, colours[mark.label]
                for line, ink in ((2.0, "black"), (1.0, colour)):
                    corner = (box.left - 0.5, box.top - 0.5)
                    axes.add_patch(Rectangle(corner, box.width, box.height, fill=False, linewidth=line, edgecolor=ink))
                if tall:
                    score = f"{mark.score:.2f}" if mark.score else "(tracked)"
                    axes.text(
                        box.left, box.top - 1, f"{mark.label} {score}", fontsize=7, color="black", va="bottom",
                        clip_on=True, bbox={"facecolor": colour, "pad": 1, "linewidth": 0},
                    )  # fmt: skip
            below = {"transform": axes.transAxes, "ha": "center", "va": "top"}
            axes.text(0.5, -0.03, still.caption, below, fontsize=7, color=SOFT)
        top -= foot
    return figure


def _colour_scale(figure: Figure, colour_map: str) -> None:
    """The colour scale of the maps, below the frames."""
    height = figure.get_figheight()
    axes = figure.add_axes((0.7, -0.14 / height, 0.2, 0.08 / height))
    bar = figure.colorbar(ScalarMappable(cmap=mpl.colormaps[colour_map]), cax=axes, orientation="horizontal")
    bar.set_ticks([0, 1], labels=["none", "strongest"])
    bar.ax.tick_params(labelsize=7, colors=SOFT, length=0, pad=2)


def _figure(width: float, height: float) -> Figure:
    return Figure(figsize=(width, height), facecolor="white", layout="constrained")


def _dress(axes: Axes, names: Sequence[str], *, title: str, label: str, font: str | None = None) -> None:
    axes.set_xticks(range(len(names)), names, fontsize=7, fontfamily=font)
    axes.set_yticks([0, 0.5, 1])
    axes.set_ylabel(label, fontsize=8, color=INK)
    axes.set_title(title, fontsize=8, color=INK, weight="bold", loc="left")
    axes.tick_params(axis="both", colors=INK, length=2, width=0.6)
    axes.tick_params(axis="y", labelsize=7)
    axes.grid(axis="y", color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set(linewidth=0.6, color=SOFT)


def _box(axes: Axes, runs: Sequence[float], x: float, colour: str) -> None:
    line = {"color": INK, "linewidth": 0.7}
    axes.boxplot(
        [list(runs)], positions=[x], widths=0.28, patch_artist=True, manage_ticks=False, showfliers=False,
        boxprops={"facecolor": colour, "edgecolor": INK, "linewidth": 0.7, "alpha": 0.7},
        medianprops={"color": INK, "linewidth": 1.6}, whiskerprops=line, capprops=line,
    )  # fmt: skip
    axes.plot([x] * len(runs), runs, ".", markersize=2.5, color=INK, alpha=0.6, markeredgewidth=0)  # few: show them all


def _legend(figure: Figure, looks: Mapping[str, BarStyle]) -> None:
    patches = [
        Patch(facecolor=look.colour, hatch=look.hatch, edgecolor=INK, linewidth=0.6, label=name)
        for name, look in looks.items()
    ]
    figure.legend(
        handles=patches, loc="outside upper center", ncols=min(4, len(patches)), fontsize=7,
        frameon=False, handlelength=1.6, columnspacing=1.2,
    )  # fmt: skip
