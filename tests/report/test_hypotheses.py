"""Sentences that can stand in a paper: what was found, by which test, on how much, and how sure that is."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import get_args

import pytest

from videotcav.explain.design.hypotheses import outcome as outcome_of
from videotcav.explain.design.hypotheses import parse
from videotcav.records import Outcome, Result, Verdict
from videotcav.report.hypotheses import HypothesisAnswer, hypothesis_answers, statement
from videotcav.results.manifest import ConceptFacts, HypothesisFacts
from videotcav.results.read import RunResults


@pytest.fixture
def row(example_run: Path) -> Result:
    rows = RunResults.read(example_run).results
    return next(r for r in rows if (r.kind, r.layer, r.verdict) == ("spatiotemporal", "features.4", "positive"))


def test_a_statement_names_test_family_interval_and_sizes(example_run: Path, row: Result) -> None:
    exact = row.model_copy(
        update={"value": 0.98, "low": 0.95, "high": 1.0, "p_corrected": 0.002, "accuracy": 0.9}
        | {"accuracy_low": 0.83, "accuracy_high": 0.93}
    )
    told = statement(exact, manifest=RunResults.read(example_run).manifest, family=12)
    assert told.replace("\N{NO-BREAK SPACE}", " ") == (
        "At features.4, moving bar clips push the model towards “swing” (sign count 0.98, 95 % interval 0.95 to 1.00; "
        "set-level randomisation, 1,000 pseudo-concepts, p = 0.0020 after Holm's correction over 12 declared tests; "
        "held-out accuracy of the CAV 90 %, 95 % interval 83–93; 24 clips of 24 videos; 40 class clips of 40 videos)."
    )


@pytest.mark.parametrize("against", ["random", "frozen", "concept"])
def test_every_verdict_of_every_kind_has_a_statement_of_its_own(example_run: Path, row: Result, against: str) -> None:
    manifest = RunResults.read(example_run).manifest
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
    told = statement(exploratory, manifest=RunResults.read(example_run).manifest, family=3)
    assert "exploratory: moving bar clips" in told
    assert "declared" not in told


def answer(row: Result, verdict: Verdict, *, others: tuple[Verdict, ...] = (), outcome: Outcome = "supported"):
    told = row.model_copy(update={"verdict": verdict, "hypothesis": "bar matters"})
    rows = (told, *(told.model_copy(update={"verdict": other}) for other in others))
    return HypothesisAnswer("bar matters", outcome, told, rows, "")


def test_what_matters_against_the_class_is_not_told_like_what_matters_for_it(row: Result) -> None:
    for_it, against_it = answer(row, "positive"), answer(row, "negative")
    assert (for_it.in_words, for_it.mark) == ("supported: towards the class", "positive")
    assert (against_it.in_words, against_it.mark) == ("supported: away from the class", "negative")
    assert answer(row, "no evidence", outcome="not supported").in_words == "not supported"


def test_clips_of_one_kind_are_not_called_moving(example_run: Path, row: Result) -> None:
    """A folder `static/*.mp4` is of no stated kind: “moving static clips” would be made up."""
    manifest = RunResults.read(example_run).manifest
    alone = manifest.model_copy(update={"concepts": {"static": ConceptFacts(kinds={"spatiotemporal": 12})}})
    static = row.model_copy(update={"concept": "static", "verdict": "negative"})
    assert "“static” clips push the model away from “swing”" in statement(static, manifest=alone, family=3)
    both = {"static": ConceptFacts(kinds={"spatiotemporal": 12, "frozen": 12})}
    told = statement(static, manifest=manifest.model_copy(update={"concepts": both}), family=3)
    assert "moving static clips push the model away" in told


@pytest.mark.parametrize(
    "text", ["bar pushes swing", "bar pushes away from swing", "bar matters", "bar does not matter"]
)
def test_the_row_that_is_told_does_not_speak_for_another_outcome(example_run: Path, row: Result, text: str) -> None:
    """Of every two verdicts, in both orders, and whichever of the two has the smaller p."""
    run, hypothesis = RunResults.read(example_run), parse(text)
    for verdicts in permutations(get_args(Verdict), 2):
        became = outcome_of(hypothesis, verdicts)
        rows = [
            row.model_copy(update={"verdict": verdict, "p_corrected": 0.01 * (1 + place), "hypothesis": text})
            for place, verdict in enumerate(verdicts)
        ]
        facts = HypothesisFacts(text=text, claim=hypothesis.claim, outcome=became)
        manifest = run.manifest.model_copy(update={"hypotheses": (facts,)})
        (answered,) = hypothesis_answers(replace(run, manifest=manifest, results=tuple(rows)))
        alone = outcome_of(hypothesis, [answered.told.verdict])
        if became in ("supported", "contradicted", "cannot be judged"):
            assert alone == became, verdicts
        if became == "not supported":
            assert alone in ("not supported", "cannot be judged"), verdicts
            open_ones = {"undecided", "no evidence"} & set(verdicts)
            assert not open_ones or answered.told.verdict in open_ones, verdicts
