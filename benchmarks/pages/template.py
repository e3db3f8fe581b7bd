"""A page of the docs: a template's words beside this file, filled from the numbers in benchmarks/results."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

sys.path.insert(0, str(Path(__file__).parents[2]))
from validation import targets
from validation.provenance import ROOT

RESULTS = ROOT / "benchmarks" / "results"
DOCS = ROOT / "docs"
Cells = Mapping[str, Mapping[str, Any]]


def filled(template: str, **facts: Any) -> str:
    """The page as Markdown. A name that the template asks for and nobody gives is an error."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - Markdown of our own results
    )
    environment.globals.update(table=table, promised=promised, pivot=pivot)
    return environment.get_template(template).render(facts)


def cells(name: str) -> Cells:
    """The results of a script, empty where they were not taken."""
    path = RESULTS / f"{name}.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))["cells"]) if path.is_file() else {}


def promised(*scripts: str, but: str = "") -> str:
    """What benchmarks promise: their rows of docs/targets.json as a table, but for those whose name begins so."""
    every = (row for script in scripts for row in targets.rows(f"benchmarks/{script}.py"))
    return targets.table(row for row in every if not (but and re.match(but, row.what)))


def pivot(script: str, pattern: str) -> str:
    """Rows of a benchmark as `validation.targets.pivot` arranges them."""
    return targets.pivot(targets.rows(f"benchmarks/{script}.py"), pattern)


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    head = list(header)
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *rows])
