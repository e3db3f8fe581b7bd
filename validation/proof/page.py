"""docs/validity-classic.md, from the numbers in results/validity.json alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from validation.proof.promises import CLASSIC, SCRIPT, promises
from validation.provenance import ROOT
from validation.targets import record, rows, table, told

RESULT = ROOT / "benchmarks" / "results" / "validity.json"
PAGE = ROOT / "docs" / "validity-classic.md"
RECIPES = ("default", "library", "two-sample t", "one-sample t", "captum's recipe")

Facts = Mapping[str, Any]


def write_page(found: Facts) -> None:
    """The rows of docs/targets.json, and the page that is filled from them."""
    record(SCRIPT, promises(found))
    PAGE.write_text(page(found), encoding="utf-8")


def page(found: Facts) -> str:
    """The page as Markdown."""
    words = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - Markdown of our own results
    )
    own = rows(SCRIPT)
    said = {row.what.removeprefix(CLASSIC): told(row.value, row.unit) for row in own if row.value is not None}
    rejected = "\n".join(f"| {' | '.join(line)} |" for line in _rejected(found))
    facts = {"found": found, "rows": own, "said": said, "rejected": rejected}
    return words.get_template("classic.md.j2").render(facts, table=table)


def _rejected(found: Facts) -> Iterator[list[str]]:
    """How often each test rejects, all layers together."""
    yield ["", *RECIPES, "tests"]
    yield ["---"] * (len(RECIPES) + 2)
    nulls = found["true_nulls"]
    ours, *recipes = (
        nulls[f"{test}|all layers"] for test in ("set-level|cosine", *(f"{name}|sign_count" for name in RECIPES[2:]))
    )
    yield ["nothing there: true nulls", _percent(ours), "–", *map(_percent, recipes), f"{ours['of']:,}"]
    for key, words in (
        ("irrelevant", "irrelevant, {sort}"),
        ("relevant_rejected", "**relevant**, against the {against}"),
    ):
        for row in found[key]:
            if row["layer"] == "all layers" and row["default"]["of"]:
                yield [words.format(**row), *(_percent(row[name]) for name in RECIPES), f"{row['default']['of']:,}"]


def _percent(cell: Facts) -> str:
    return "–" if cell["share"] is None else f"{100 * cell['share']:.1f} %"


def read() -> Facts:
    """The stored numbers."""
    found: Facts = json.loads(RESULT.read_text(encoding="utf-8"))
    return found
