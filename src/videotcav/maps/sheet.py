"""The contact sheet: where and when on one page, with seconds from left to right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from numpy.typing import NDArray

from videotcav.results.shown_figure import ShownFigure
from videotcav.video.overlay import COLOUR_MAP
from videotcav.video.read import Frames

_INK, _SOFT = "#1c1d21", "#5d6068"
_WIDTH_INCHES, _PROFILE_INCHES, _FOOT_INCHES = 11.0, 0.8, 0.75


@dataclass(frozen=True)
class SheetRow:
    """One row of the sheet: frames under their map (uint8 `time height width channel`), and its profile `time`.

    `during` marks the seconds of a known event below the profile.
    """

    caption: str
    frames: Frames
    profile: NDArray[np.floating]
    during: tuple[float, float] | None = None


def map_sheet(
    strips: Sequence[SheetRow],
    *,
    timestamps: Sequence[float],
    note: str = "one scale for all frames",
    shown: int = 8,
) -> Figure:
    """A figure of all strips below each other, each over its own profile; time runs along the shared axis.

    At most `shown` frames of each are drawn, each at its second, the strongest of every strip among them; `note` says
    what shares the scale of colours. All profiles share one axis.
    """
    count, height, width = strips[0].frames.shape[:3]
    chosen = _chosen([strip.profile for strip in strips], count=count, shown=min(shown, count))
    seconds = np.asarray(timestamps)
    edges = _edges(seconds)
    strip_inches = 0.92 * _WIDTH_INCHES / len(chosen) * height / width
    row_inches = strip_inches + _PROFILE_INCHES + 0.75
    total_inches = len(strips) * row_inches + _FOOT_INCHES
    figure = ShownFigure(figsize=(_WIDTH_INCHES, total_inches), dpi=120, facecolor="white")
    highest = max(float(strip.profile.max()) for strip in strips) or 1.0
    for row, strip in enumerate(strips):
        top = total_inches - row * row_inches - 0.4
        pictures = figure.add_axes((0.06, (top - strip_inches) / total_inches, 0.92, strip_inches / total_inches))
        pictures.imshow(_row_of(strip.frames[chosen]), aspect="auto")
        pictures.set_axis_off()
        pictures.set_title(strip.caption, loc="left", fontsize=11, color=_INK)
        for place, index in enumerate(chosen):
            pictures.text(
                *((place + 0.03) / len(chosen), 0.94), f"{seconds[index]:.2f} s", transform=pictures.transAxes,
                fontsize=8, color="white", va="top", bbox={"facecolor": "black", "alpha": 0.6, "pad": 1.5, "lw": 0},
            )  # fmt: skip
        when = figure.add_axes(
            (0.06, (top - strip_inches - 0.06 - _PROFILE_INCHES) / total_inches, 0.92, _PROFILE_INCHES / total_inches)
        )
        when.stairs(100 * strip.profile, edges, fill=True, color="#0072b2", alpha=0.35)
        when.stairs(100 * strip.profile, edges, color="#0072b2", lw=1.5)
        when.axhline(100 / count, color=_SOFT, lw=0.8, ls=(0, (4, 3)))
        if strip.during:
            when.axvspan(*strip.during, color="#e69f00", alpha=0.3, lw=0)
        when.set(xlim=(edges[0], edges[-1]), ylim=(0, 110 * highest))
        when.set_ylabel("% of map", fontsize=8, color=_SOFT)
        when.tick_params(labelsize=8, colors=_SOFT)
        for side in ("top", "right"):
            when.spines[side].set_visible(False)
        if row == len(strips) - 1:
            event = "; orange: the event" if strip.during else ""
            when.set_xlabel(f"seconds of the video   (dashed: every moment alike{event})", fontsize=8, color=_SOFT)
    scale = figure.add_axes((0.74, 0.18 / total_inches, 0.18, 0.1 / total_inches))
    bar = figure.colorbar(ScalarMappable(cmap=mpl.colormaps[COLOUR_MAP]), cax=scale, orientation="horizontal")
    bar.set_ticks([0, 1], labels=["0", "strongest"])
    bar.ax.tick_params(labelsize=7, colors=_SOFT, length=0, pad=1)
    bar.ax.set_title(note, fontsize=8, color=_SOFT, pad=3)
    return figure


def _chosen(profiles: Sequence[NDArray[np.floating]], *, count: int, shown: int) -> NDArray[np.intp]:
    """Frames spread evenly, the nearest of them moved to where a map is strongest: that one must be seen."""
    chosen = ((np.arange(shown) + 0.5) * count / shown).astype(np.intp)
    free = np.ones(shown, dtype=np.bool_)
    for strongest in dict.fromkeys(int(profile.argmax()) for profile in profiles):
        if free.any():
            nearest = min(np.flatnonzero(free), key=lambda place: abs(int(chosen[place]) - strongest))
            chosen[nearest], free[nearest] = strongest, False
    return np.unique(chosen)


def _edges(seconds: NDArray[np.floating]) -> NDArray[np.floating]:
    """Where each frame's stretch of time begins and ends: half-way to its neighbours."""
    if len(seconds) == 1:
        return np.array([seconds[0] - 0.5, seconds[0] + 0.5])
    middles = (seconds[1:] + seconds[:-1]) / 2
    return np.concatenate([[seconds[0] - (middles[0] - seconds[0])], middles, [2 * seconds[-1] - middles[-1]]])


def _row_of(frames: Frames) -> Frames:
    """Frames beside each other with a thin white gap."""
    gap = np.full((frames.shape[1], max(1, frames.shape[2] // 60), 3), 255, dtype=np.uint8)
    return np.concatenate([part for frame in frames for part in (frame, gap)][:-1], axis=1)
