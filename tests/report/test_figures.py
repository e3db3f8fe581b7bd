"""Where marks stand: by hand, at the ends, and beyond them."""

from __future__ import annotations

import math
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib.colors import to_hex

from videotcav.report.figures import Axis, colour_stops, figure
from videotcav.results.read import RunResults

LAYERS = ("features.0", "features.2", "features.4", "avgpool")


@pytest.mark.parametrize(
    ("value", "percent"), [(-1.0, 0.0), (-0.5, 25.0), (0.0, 50.0), (1.0, 100.0), (7.0, 100.0), (-7.0, 0.0)]
)
def test_a_value_stands_at_its_share_of_the_scale(value: float, percent: float) -> None:
    assert Axis(-1.0, 1.0, "cosine").percent(value) == percent


def test_a_bar_runs_from_the_centre_of_its_null(example_run: Path) -> None:
    drawn = figure(
        RunResults.read(example_run).results, layers=LAYERS, class_name="swing", statistic="sign_count", contrast=False
    )
    assert drawn is not None
    panel = drawn.panels[2]
    bars = {bar.result.kind: bar for concept, group in panel.groups if concept == "bar" for bar in group}
    up, down = bars["spatiotemporal"], bars["frozen"]
    assert up.left == up.null_centre
    assert up.left + up.width == pytest.approx(98.0)
    assert down.left == pytest.approx(3.0)
    assert down.left + down.width == pytest.approx(down.null_centre)


def test_a_scale_of_magnitudes_is_symmetric_and_holds_everything(example_run: Path) -> None:
    results = RunResults.read(example_run).results
    drawn = figure(results, layers=LAYERS, class_name="swing", statistic="sensitivity", contrast=False)
    assert drawn is not None
    for panel in drawn.panels:
        rows = [bar.result for _, group in panel.groups for bar in group]
        reach = max(abs(end) for row in rows for end in (row.low, row.high, row.null_low, row.null_high))
        assert panel.axis.low == -panel.axis.high
        assert reach <= panel.axis.high <= 2.5 * reach


def test_what_is_not_a_number_is_not_drawn(example_run: Path) -> None:
    rows = [row.model_copy(update={"value": math.nan}) for row in RunResults.read(example_run).results]
    assert figure(rows, layers=LAYERS, class_name="swing", statistic="cosine", contrast=False) is None


def test_the_legend_has_the_colours_of_the_map() -> None:
    stops = colour_stops("inferno")
    assert (stops[0], stops[-1]) == (
        (0.0, to_hex(mpl.colormaps["inferno"](0.0))),
        (100.0, to_hex(mpl.colormaps["inferno"](1.0))),
    )
    assert colour_stops("no such map") == ()
