"""Results as a notebook or a terminal shows them: a short table, one line a verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from videotcav.errors import MissingExtra
from videotcav.records import Result, Verdict
from videotcav.results.words import KIND_WORDS, p_value, score, span

if TYPE_CHECKING:
    from pandas import DataFrame

_HEADINGS = ("concept", "kind", "against", "layer", "class", "statistic", "value", "95 % interval", "p", "verdict")
_RIGHT = {6, 7, 8}
MARKS: dict[Verdict, str] = {
    "positive": "▲",
    "negative": "▼",
    "negligible": "≈",
    "undecided": "○",
    "fidelity too low": "∅",
    "no evidence": "○",
    "not learned": "∅",
    "degenerate": "≡",
    "underpowered": "…",
}


def results_table_text(results: Iterable[Result]) -> str:
    """The results as a plain table, a line each; p is the corrected one."""
    lines = [_HEADINGS, *map(_cells, results)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADINGS))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in _RIGHT else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def results_html(results: Iterable[Result], *, caption: str = "") -> str:
    """The results as an HTML table, see `table_html`."""
    return table_html(_HEADINGS, map(_cells, results), caption=caption)


def table_html(headings: Iterable[str], lines: Iterable[Iterable[str]], *, caption: str = "") -> str:
    """Lines of cells as an HTML table; whatever stands in it is escaped, and so is its caption."""
    head = Markup("").join(Markup("<th>{}</th>").format(heading) for heading in headings)
    body = Markup("\n").join(
        Markup("<tr>{}</tr>").format(Markup("").join(Markup("<td>{}</td>").format(cell) for cell in line))
        for line in lines
    )
    above = Markup("<caption>{}</caption>\n").format(caption) if caption else ""
    return str(
        Markup("<table>\n{}<thead><tr>{}</tr></thead>\n<tbody>\n{}\n</tbody>\n</table>").format(above, head, body)
    )


def sentences_html(sentences: Iterable[str]) -> str:
    """Sentences as a notebook shows them, the first one in bold; whatever stands in them is escaped."""
    first, *others = (line.strip() for line in sentences)
    below = Markup("").join(Markup("<p>{}</p>\n").format(line) for line in others)
    return str(Markup("<p><strong>{}</strong></p>\n{}").format(first, below))


def data_frame(rows: Iterable[Mapping[str, Any]]) -> DataFrame:
    """The rows as a table of pandas. Raises MissingExtra where pandas is not installed."""
    try:
        import pandas as pd  # noqa: PLC0415 - an extra
    except ImportError:
        raise MissingExtra("pandas", extra="pandas", purpose="to_pandas()") from None
    return pd.DataFrame(list(rows))


def _cells(row: Result) -> tuple[str, ...]:
    return (
        row.concept,
        KIND_WORDS[row.kind],
        row.other or row.against,
        row.layer or "the score",
        row.class_name,
        row.statistic,
        score(row.value, row.statistic),
        span(row.low, row.high, row.statistic),
        p_value(row.p_corrected),
        f"{MARKS[row.verdict]} {row.verdict}"
        + "".join(f" ({each})" for each in ("exploratory" * row.exploratory, row.origin) if each),
    )
