"""Where every mark of a figure stands, in percent of its width; the page's template draws it as SVG.

Percentages let one figure fill a laptop or a phone with its text at the same size, and CSS give it the colours
of light, dark and paper.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.colors import to_hex

from videotcav.records import TWINS, Result, Statistic
from videotcav.report.sentences import question_order, unique
from videotcav.results.words import score

_NICE = (1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True)
class Axis:
    """A scale from `low` to `high`; positions outside it are drawn at its ends."""

    low: float
    high: float
    statistic: Statistic

    def percent(self, value: float) -> float:
        """Where a value stands, from 0 to 100."""
        fraction = (value - self.low) / (self.high - self.low)
        return round(100 * min(1.0, max(0.0, fraction)), 2)

    @property
    def ticks(self) -> tuple[tuple[float, str], ...]:
        """Position and label of the two ends and the middle."""
        middle = (self.low + self.high) / 2
        return tuple((self.percent(tick), _tick(tick)) for tick in (self.low, middle, self.high))


@dataclass(frozen=True)
class Bar:
    """One row of a panel: a bar from the centre of its null to its value, all positions in percent."""

    result: Result
    value: float
    low: float
    high: float
    null_centre: float
    null_low: float
    null_high: float

    @property
    def left(self) -> float:
        """Where the bar starts."""
        return min(self.value, self.null_centre)

    @property
    def width(self) -> float:
        """How long the bar is."""
        return round(abs(self.value - self.null_centre), 2)

    @property
    def null_width(self) -> float:
        """How wide the null band is."""
        return round(self.null_high - self.null_low, 2)


@dataclass(frozen=True)
class LayerPanel:
    """One layer: its scale, and its bars by concept."""

    layer: str
    place: str
    axis: Axis
    groups: tuple[tuple[str, tuple[Bar, ...]], ...]

    @property
    def is_degenerate(self) -> bool:
        """Whether no bar of this panel says anything."""
        return all(bar.result.verdict == "degenerate" for _, bars in self.groups for bar in bars)


@dataclass(frozen=True)
class Figure:
    """A class and a statistic, a panel a layer; `contrast` where the bars are differences to a twin."""

    class_name: str
    statistic: Statistic
    contrast: bool
    panels: tuple[LayerPanel, ...]
    group: str = ""


def figure(
    results: Sequence[Result],
    *,
    layers: Sequence[str],
    class_name: str,
    statistic: Statistic,
    contrast: bool,
    group: str = "",
) -> Figure | None:
    """Bars of one class and statistic, or None where the results have none of them; `group` for relative ones."""
    rows = [
        row
        for row in results
        if row.class_name == class_name
        and row.statistic == statistic
        and row.against in (TWINS if contrast else ("random", "group"))
        and row.group == group
        and _is_drawable(row)
    ]
    rows.sort(key=lambda row: question_order(row.kind, row.against))
    panels = tuple(
        LayerPanel(
            layer=layer,
            place=f"layer {place} of {len(layers)}" if layer else "",
            axis=axis,
            groups=tuple(
                (concept, tuple(_bar(row, axis) for row in here if row.concept == concept))
                for concept in _in_order_of(results, [row.concept for row in here])
            ),
        )
        for place, layer in enumerate(layers, start=1)
        if (here := [row for row in rows if row.layer == layer])
        and (axis := _axis(here, statistic=statistic, contrast=contrast))
    )
    return Figure(class_name, statistic, contrast, panels, group) if panels else None


def colour_stops(colour_map: str, *, stops: int = 9) -> tuple[tuple[float, str], ...]:
    """A colour map of matplotlib as (percent, hex colour), for the legend of the overlays."""
    if colour_map not in mpl.colormaps:
        return ()
    colours = mpl.colormaps[colour_map]
    return tuple((round(100 * k / (stops - 1), 2), to_hex(colours(k / (stops - 1)))) for k in range(stops))


def _is_drawable(row: Result) -> bool:
    return all(map(math.isfinite, (row.value, row.low, row.high, row.null_centre, row.null_low, row.null_high)))


def _in_order_of(results: Sequence[Result], names: Iterable[str]) -> list[str]:
    wanted = set(names)
    return [concept for concept in unique(row.concept for row in results) if concept in wanted]


def _axis(rows: Sequence[Result], *, statistic: Statistic, contrast: bool) -> Axis:
    if statistic in ("sign_count", "relative"):
        return Axis(-1.0 if contrast else 0.0, 1.0, statistic)
    reach = max(abs(value) for row in rows for value in (row.value, row.low, row.high, row.null_low, row.null_high))
    end = nice(reach)
    return Axis(-end, end, statistic)


def nice(reach: float) -> float:
    """The next of 1, 2, 5 × a power of ten: where an axis ends."""
    if reach == 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(reach))
    return next(step for step in _NICE if step * power >= reach) * power


def _tick(value: float) -> str:
    return f"{value:g}".replace("-", "−")


def _bar(row: Result, axis: Axis) -> Bar:
    return Bar(
        result=row,
        value=axis.percent(row.value),
        low=axis.percent(row.low),
        high=axis.percent(row.high),
        null_centre=axis.percent(row.null_centre),
        null_low=axis.percent(row.null_low),
        null_high=axis.percent(row.null_high),
    )


def describe(row: Result) -> str:
    """A bar in words, for those who cannot see it."""
    statistic = row.statistic
    return (
        f"{row.verdict}: {score(row.value, statistic)}, 95 % interval {score(row.low, statistic)} to "
        f"{score(row.high, statistic)}; null {score(row.null_low, statistic)} to {score(row.null_high, statistic)}"
    )
