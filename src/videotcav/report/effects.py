"""Effects with their intervals over their nulls, one row a question: a figure for a notebook or a paper."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from io import BytesIO

from markupsafe import Markup
from matplotlib.figure import Figure

from videotcav.errors import NotEnoughData
from videotcav.outputs import MARK
from videotcav.records import Result
from videotcav.results.table import results_html

_INK, _SOFT, _SHOWN = "#1c1d21", "#8a8d96", "#0072b2"


def effects_figure(rows: Sequence[Result]) -> Figure:
    """Each result as a dot with its 95 % interval, the central 95 % of its null as a grey band behind it.

    Filled dots have a verdict, hollow ones none. Raises NotEnoughData where there is no row.
    """
    if not rows:
        raise NotEnoughData("there are no results to draw")
    figure = Figure(figsize=(7.5, 0.32 * len(rows) + 1.1), layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    for place, row in enumerate(rows):
        axes.barh(place, row.null_high - row.null_low, left=row.null_low, height=0.7, color=_SOFT, alpha=0.25)
        is_shown = row.verdict in ("positive", "negative", "negligible")
        colour = _SHOWN if is_shown else _INK
        axes.plot([row.low, row.high], [place, place], color=colour, lw=1.5)
        axes.plot(row.value, place, "o", color=colour, mfc=colour if is_shown else "white", ms=6)
    axes.axvline(0, color=_INK, lw=0.8, ls=(0, (4, 3)))
    axes.set_yticks(range(len(rows)), [_asked(row) for row in rows], fontsize=8)
    axes.invert_yaxis()
    statistics = dict.fromkeys(row.statistic for row in rows)
    axes.set_xlabel(f"{', '.join(statistics).replace('_', ' ')}; grey: central 95 % of the null", fontsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure


def _asked(row: Result) -> str:
    against = "" if row.against == "random" else f" − {row.other or row.against}"
    return f"{row.concept}/{row.kind}{against} → {row.class_name}, {row.layer}"


def results_page(rows: Sequence[Result], sentences: Sequence[str]) -> str:
    """A page of results that lie in no run folder: sentences, one figure a statistic, the table."""
    pictures = [
        (statistic, _uri(effects_figure([row for row in rows if row.statistic == statistic])))
        for statistic in dict.fromkeys(row.statistic for row in rows)
    ]
    figures = Markup("\n").join(
        Markup('<figure><figcaption>{}</figcaption><img alt="Effects in {} with intervals" src="{}"></figure>').format(
            statistic.replace("_", " "), statistic.replace("_", " "), uri
        )
        for statistic, uri in pictures
    )
    said = Markup("\n").join(Markup("<li>{}</li>").format(sentence) for sentence in sentences)
    return str(
        Markup(_PAGE).format(mark=MARK, said=said, figures=figures, table=Markup(results_html(rows)))  # noqa: S704 - escaped there
    )


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="{mark}">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>Which concepts move the class?</title>
<style>body {{ font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem }}
img {{ max-width: 100% }} table {{ border-collapse: collapse; font-size: .85rem }}
td, th {{ border-bottom: 1px solid #ccc; padding: .2rem .5rem; text-align: left }}</style></head>
<body><h1>Which concepts move the class?</h1>
<ul>{said}</ul>
{figures}
<div style="overflow-x: auto">{table}</div></body></html>
"""


def _uri(figure: Figure) -> str:
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=150, metadata={"Software": None})
    return "data:image/png;base64," + base64.b64encode(picture.getvalue()).decode("ascii")
