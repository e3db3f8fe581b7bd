"""Figures that are made of frames: rows of stills, boxes drawn over them as lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from videotcav.results.paper_facts import Mark, Still, Strip

WIDTH_INCHES = 7.0
INK, SOFT = "#1c1d21", "#5d6068"
BOX_COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#d55e00", "#cc79a7")  # Okabe and Ito's
_MOST = 6  # stills a row; fewer are no larger
_GAP_INCHES, _TITLE_INCHES, _CAPTION_INCHES = 0.06, 0.24, 0.16


def frames_figure(strips: Sequence[Strip], media: Path, *, tall: bool) -> Figure:
    """Strips below each other, each at the full width; `tall` for a single large frame."""
    most = max(len(strip.stills) for strip in strips)
    cell = 4.6 if tall else (WIDTH_INCHES - _GAP_INCHES * (_MOST - 1)) / max(_MOST, most)
    heights = [
        max(_shape(still, media)[1] / _shape(still, media)[0] for still in strip.stills) * cell for strip in strips
    ]
    heights = [min(height, 1.5 * cell) for height in heights]
    captioned = any(still.caption for strip in strips for still in strip.stills)
    foot = _CAPTION_INCHES if captioned else 0.05
    total = sum(heights) + len(strips) * (_TITLE_INCHES + foot)
    figure = Figure(figsize=(cell if tall else WIDTH_INCHES, total), facecolor="white")
    width = figure.get_figwidth()
    labels = list(dict.fromkeys(mark.label for strip in strips for still in strip.stills for mark in still.marks))
    colours = {label: BOX_COLOURS[place % len(BOX_COLOURS)] for place, label in enumerate(labels)}
    top = total
    for strip, height in zip(strips, heights, strict=True):
        figure.text(0, (top - 0.04) / total, strip.title, fontsize=8, color=INK, va="top", weight="bold")
        top -= _TITLE_INCHES
        for place, still in enumerate(strip.stills):
            left = place * (cell + _GAP_INCHES)
            axes = figure.add_axes((left / width, (top - height) / total, cell / width, height / total))
            axes.imshow(Image.open(media / still.path), interpolation="bicubic")
            axes.set_axis_off()
            _draw_marks(axes, still.marks, colours, named=tall)
            if still.caption:
                axes.text(
                    0.5, -0.03, still.caption, transform=axes.transAxes, fontsize=7, color=SOFT, ha="center", va="top"
                )
        top -= height + foot
    return figure


def add_scale(figure: Figure, colour_map: str) -> None:
    """The colour scale of the maps, below the frames."""
    height = figure.get_figheight()
    axes = figure.add_axes((0.7, -0.14 / height, 0.2, 0.08 / height))
    bar = figure.colorbar(ScalarMappable(cmap=mpl.colormaps[colour_map]), cax=axes, orientation="horizontal")
    bar.set_ticks([0, 1], labels=["none", "strongest"])
    bar.ax.tick_params(labelsize=7, colors=SOFT, length=0, pad=2)


def _shape(still: Still, media: Path) -> tuple[int, int]:
    with Image.open(media / still.path) as picture:
        return picture.size


def _draw_marks(axes: Axes, marks: Sequence[Mark], colours: dict[str, str], *, named: bool) -> None:
    for mark in marks:
        box, colour = mark.box, colours[mark.label]
        corner, size = (box.left - 0.5, box.top - 0.5), (box.width, box.height)
        for line, ink in ((2.0, "black"), (1.0, colour)):
            axes.add_patch(Rectangle(corner, *size, fill=False, linewidth=line, edgecolor=ink))
        if named:
            text = f"{mark.label} {mark.score:.2f}" if mark.score else f"{mark.label} (tracked)"
            axes.text(
                box.left, box.top - 1, text, fontsize=7, color="black", va="bottom", clip_on=True,
                bbox={"facecolor": colour, "pad": 1, "linewidth": 0},
            )  # fmt: skip
