"""Sentences that can stand in a paper: what was found, by which test, on how much, and how sure that is."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from videotcav.records import Result, Verdict
from videotcav.report.hypotheses import statement
from videotcav.report.run import read_run


@pytest.fixture
def row(example_run: Path) -> Result:
    rows = read_run(example_run).results
    return next(r for r in rows if (r.kind, r.layer, r.verdict) == ("spatiotemporal", "features.4", "positive"))


def test_a_statement_names_test_family_interval_and_sizes(example_run: Path, row: Result) -> None:
    exact = row.model_copy(
        update={"value": 0.98, "low": 0.95, "high": 1.0, "p_corrected": 0.002, "accuracy": 0.9}
        | {"accuracy_low": 0.83, "accuracy_high": 0.93}
    )
    told = statement(exact, manifest=read_run(example_run).manifest, family=12)
    assert told.replace("\N{NO-BREAK SPACE}", " ") == (
        "At features.4, moving bar clips push the model towards “swing” (sign count 0.98, 95 % interval 0.95 to 1.00; "
        "set-level randomisation, 1,000 pseudo-concepts, p = 0.0020 after Holm's correction over 12 declared tests; "
        "held-out accuracy of the CAV 90 %, 95 % interval 83–93; 24 clips of 24 videos; 40 class clips of 40 videos)."
    )


@pytest.mark.parametrize("against", ["random", "frozen", "concept"])
def test_every_verdict_of_every_kind_has_a_statement_of_its_own(example_run: Path, row: Result, against: str) -> None:
    manifest = read_run(example_run).manifest
    rows = [
        row.model_copy(update={"verdict": verdict, "against": against, "other": "ball/spatial"})
        for verdict in get_args(Verdict)
    ]
    assert len({statement(each, manifest=manifest, family=3) for each in rows}) == len(get_args(Verdict))
    for each in rows:
        if each.verdict in ("not learned", "degenerate"):
            assert " p = " not in statement(each, manifest=manifest, family=3)


def test_what_was_not_declared_says_so_and_claims_no_declared_family(example_run: Path, row: Result) -> None:
    exploratory = row.model_copy(update={"exploratory": True})
    told = statement(exploratory, manifest=read_run(example_run).manifest, family=3)
    assert "exploratory: moving bar clips" in told
    assert "declared" not in told
