"""A sentence says what its row says: no more than the verdict, and never another number."""

from __future__ import annotations

import math
from pathlib import Path
from typing import get_args

import pytest

from videotcav.records import Result, Verdict
from videotcav.report.cautions import cautions
from videotcav.report.sentences import class_answers
from videotcav.report.verdicts import detail_of, lead_of
from videotcav.results.read import RunResults
from videotcav.results.words import count, listing, number, p_value, percent, score


@pytest.fixture
def row(example_run: Path) -> Result:
    """The moving bar at the last sound layer."""
    rows = RunResults.read(example_run).results
    return next(r for r in rows if (r.kind, r.layer, r.verdict) == ("spatiotemporal", "features.4", "positive"))


@pytest.mark.parametrize("against", ["random", "frozen", "shuffled", "reversed", "concept"])
def test_each_verdict_has_a_sentence_of_its_own(row: Result, against: str) -> None:
    row = row.model_copy(update={"against": against, "other": "ball/frozen"})
    leads = [lead_of(row.model_copy(update={"verdict": v})) for v in get_args(Verdict)]
    assert len(set(leads)) == len(get_args(Verdict))


@pytest.mark.parametrize("kind", ["spatial", "spatiotemporal", "frozen", "shuffled", "reversed"])
def test_each_kind_is_told_apart_and_named(row: Result, kind: str) -> None:
    lead = lead_of(row.model_copy(update={"kind": kind}))
    assert "bar" in lead
    assert lead.endswith("push the model towards “swing”")


@pytest.mark.parametrize("verdict", ["no evidence", "not learned", "degenerate", "underpowered"])
@pytest.mark.parametrize("against", ["random", "frozen", "concept"])
def test_no_effect_is_claimed_without_a_verdict(row: Result, verdict: str, against: str) -> None:
    lead = lead_of(row.model_copy(update={"verdict": verdict, "against": against, "other": "ball/spatial"}))
    assert "cannot" in lead or "no evidence" in lead.lower()


def test_the_numbers_of_a_sentence_are_those_of_its_row(example_run: Path, row: Result) -> None:
    exact = row.model_copy(
        update={"value": 0.98, "low": 0.95, "high": 1.0, "null_low": 0.31, "null_high": 0.7, "p_corrected": 0.002}
    )
    told = detail_of(exact, manifest=RunResults.read(example_run).manifest).replace("\N{NO-BREAK SPACE}", " ")
    assert told == (
        "Sign count 0.98 at features.4 (95 % interval 0.95 to 1.00; random sets give 0.31 to 0.70; "
        "p = 0.0020 after Holm)."
    )


def test_no_evidence_says_what_could_not_have_been_seen(example_run: Path, row: Result) -> None:
    unseen = row.model_copy(update={"verdict": "no evidence", "smallest_effect": 0.2, "p_corrected": 0.4})
    told = detail_of(unseen, manifest=RunResults.read(example_run).manifest)
    assert "An effect smaller than ±0.20 could not have been seen." in told


def test_an_underpowered_study_claims_no_bound(example_run: Path, row: Result) -> None:
    blind = row.model_copy(update={"verdict": "underpowered", "smallest_effect": math.inf})
    assert "No effect, however large" in detail_of(blind, manifest=RunResults.read(example_run).manifest)


def test_a_concept_is_told_at_the_last_layer_with_a_verdict(example_run: Path) -> None:
    """The planted answer: the bar at features.4, not where only the cosine speaks; its twins at the same layer."""
    (answer,) = class_answers(RunResults.read(example_run))
    bar, ball = answer.concepts
    assert (bar.concept, bar.layer, bar.verdict) == ("bar", "features.4", "positive")
    assert (ball.concept, ball.layer, ball.verdict) == ("ball", "features.4", "no evidence")
    assert {finding.result.layer for finding in bar.findings} == {"features.4"}
    assert bar.short == (
        "Moving bar clips push the model towards “swing”, and motion matters: frozen, the very same clips do the "
        "opposite."
    )
    assert [tuple(at.layer for at in finding.per_layer) for finding in bar.findings] == [
        ("features.0", "features.2", "features.4", "avgpool")
    ] * len(bar.findings)


def test_where_a_sign_says_nothing_the_cosine_speaks(example_run: Path) -> None:
    (answer,) = class_answers(RunResults.read(example_run))
    last = answer.concepts[0].findings[0].per_layer[-1]
    assert (last.layer, last.statistic, last.verdict) == ("avgpool", "cosine", "positive")


def test_a_model_that_does_not_know_the_class_is_told_first(run_folder: Path, write_run) -> None:
    write_run(run_folder, classes={"swing": {"clips": 50, "sources": 9, "accuracy": 0.44, "mean_probability": 0.3}})
    first, *others = cautions(RunResults.read(run_folder))
    assert first.grave
    assert "recognises only 44\N{NO-BREAK SPACE}% of the 50 clips of “swing”" in first.text
    assert "mean little" in first.text
    assert not any(caution.grave for caution in others)


def test_cautions_name_what_is_degenerate_not_learned_underpowered_and_unreviewed(example_run: Path) -> None:
    told = {caution.title: caution.text for caution in cautions(RunResults.read(example_run))}
    assert "avgpool" in told["Degenerate layer"]
    assert "features.0: “ball”" in told["Not learned"]
    assert "features.2: “ball” (moving)" in told["Underpowered"]
    assert "“ball”" in told["Concepts not reviewed"]
    assert "“bar”" not in told["Concepts not reviewed"]
    assert "1 file " in told["Left out"]


def test_a_sound_study_has_no_cautions(run_folder: Path, write_run) -> None:
    sound = [row.model_copy(update={"verdict": "no evidence"}) for row in write_run.results("swing")]
    write_run(run_folder, results=sound, concepts={}, left_out={})
    assert cautions(RunResults.read(run_folder)) == ()


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (number(-0.004), "0.00"),
        (number(-0.5), "−0.50"),
        (number(math.nan), "–"),
        (number(None), "–"),
        (score(0.123456, "cosine"), "0.123"),
        (score(-1234.5, "sensitivity"), "−1234"),
        (score(0.0123456, "sensitivity"), "0.0123"),
        (score(3.2e-7, "sensitivity"), "3.20 × 10⁻⁷"),
        (p_value(1.0), "1"),
        (p_value(0.2), "0.20"),
        (p_value(0.0314), "0.031"),
        (p_value(1 / 1001), "0.0010"),
        (p_value(0.0), "0"),
        (p_value(3.1e-9), "3.1 × 10⁻⁹"),
        (percent(0.444), "44\N{NO-BREAK SPACE}%"),
        (count(1, "class", "classes"), "1 class"),
        (count(1200, "clip"), "1,200 clips"),
        (listing(["a", "b", "c"]), "a, b and c"),
        (listing(["a"]), "a"),
    ],
)
def test_numbers_as_a_reader_sees_them(shown: str, expected: str) -> None:
    assert shown == expected
