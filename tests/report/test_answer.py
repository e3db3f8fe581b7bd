"""The one sentence says what the rows say: for every kind of verdict, on either leg, and no more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest

from support.example_run import write_legs
from support.legs import DEMO, EDITS, contrast, effect
from videotcav.records import Result, StandardisedEffect, Verdict
from videotcav.report.answer import answer, trust
from videotcav.report.comparison import comparison_answer
from videotcav.report.glance import MOST_ROWS, glance
from videotcav.report.roles import concept_roles
from videotcav.results.edit_effect import EditEffect
from videotcav.results.manifest import ComparisonManifest
from videotcav.results.read import RunResults


@pytest.fixture
def answered(run_folder: Path):
    def run_of(results: list[Result], effects: list[EditEffect] | None = None, **changes: object) -> RunResults:
        return RunResults.read(write_legs(run_folder, results, effects or [], **changes))

    return run_of


def test_what_is_shown_comes_first_and_what_is_like_it_is_said_once(answered) -> None:
    assert answer(answered(DEMO, EDITS)) == (
        "“racket” and its motion push the model towards “swing” (+4.8 and +5.9) and are needed for it; the motion of "
        "“ball” pushes towards it (+1.9) but is not shown to be needed; a still “racket” is not shown to push either "
        "way."
    )


PUSHED: dict[Verdict, str] = {
    "positive": "“racket” pushes the model towards “swing” (+1.9).",
    "negative": "“racket” pushes the model away from “swing” (−1.9).",
    "negligible": "“racket” does not push the model either way for “swing”.",
    "undecided": "“racket” is not shown to push the model either way for “swing”.",
    "no evidence": "“racket” is not shown to push the model either way for “swing”.",
    "fidelity too low": "“racket” cannot be judged (what this layer tells does not follow the score) for “swing”.",
    "not learned": "“racket” cannot be judged (the model does not recognise it on new videos) for “swing”.",
    "degenerate": "“racket” cannot be judged (at this layer all directions score alike) for “swing”.",
    "underpowered": "“racket” cannot be judged (the study is too small) for “swing”.",
}


@pytest.mark.parametrize("verdict", get_args(Verdict))
def test_every_verdict_has_its_sentence(answered, verdict: Verdict) -> None:
    value = {"positive": 1.9, "negative": -1.9}.get(verdict, 0.05)
    assert answer(answered([contrast(verdict, value)])) == PUSHED[verdict]


@pytest.mark.parametrize(
    ("push", "need", "said"),
    [
        ("positive", "negative", "“racket” pushes the model towards “swing” (+1.9) and is needed for it."),
        ("positive", "positive", "“racket” pushes the model towards “swing” (+1.9) but hinders it on its own clips."),
        ("negative", "negative", "“racket” pushes the model away from “swing” (+1.9) but is needed for it."),
        ("positive", "negligible", "“racket” pushes the model towards “swing” (+1.9) but is not needed for it."),
        ("positive", "not asked", "“racket” pushes the model towards “swing” (+1.9)."),
        ("negligible", "negligible", "“racket” does not push the model either way and is not needed for “swing”."),
        ("undecided", "negative", "“racket” is not shown to push the model either way but is needed for “swing”."),
    ],
)
def test_both_legs_are_in_it(answered, push: Verdict, need: str, said: str) -> None:
    value = None if need == "not asked" else -1.4
    assert answer(answered([contrast(push, 1.9)], [effect(need, value)])) == said  # type: ignore[arg-type]


def test_each_class_is_named(answered) -> None:
    rows = [contrast("positive", 1.9), contrast("negative", -1.0, class_name="slide")]
    assert answer(answered(rows)) == (
        "“racket” pushes the model towards “swing” (+1.9); “racket” pushes the model away from “slide” (−1.0)."
    )


def test_classes_that_the_sentence_has_no_room_for_are_counted(answered) -> None:
    rows = [contrast("positive", 5.0 - number, class_name=f"class {number}") for number in range(5)]
    assert answer(answered(rows)).endswith("towards “class 2” (+3.0); 2 more classes below.")


def test_what_is_only_edited_is_answered_too(answered) -> None:
    run = answered([contrast("undecided", 0.1)], [effect("negative", -2.0, target="background")])
    assert answer(run).startswith("“background” is needed for “swing”; “racket” is not shown to push")


def test_classic_scores_name_their_statistic(example_run: Path) -> None:
    said = answer(RunResults.read(example_run))
    assert said.startswith(
        "“bar” and its motion push the model towards “swing” (sign count 0.98 and sign count +0.95);"
    )


def test_trust_tells_videos_review_fidelity_and_what_would_overturn_it(answered) -> None:
    shift = contrast("positive", 1.0).model_copy(update={"statistic": "shift", "layer": "features.4", "fidelity": 0.93})
    rows = [contrast("positive", 1.9, removed_of_concept=6), contrast("undecided", 0.3, kind="spatial"), shift]
    said = trust(answered(rows))
    assert said == [
        "20 videos of “racket”, 160 random ones and 40 of “swing” (98\N{NO-BREAK SPACE}% recognised).",
        "The concepts were reviewed.",
        "features.4 follows the score (fidelity 0.93).",
        "Without 6 of its 20 videos “racket” would have another verdict.",
        "A push alone is an association: something else in these clips may cause it.",
    ]


def test_trust_says_what_is_missing(answered) -> None:
    shift = contrast("fidelity too low", 1.0).model_copy(
        update={"statistic": "shift", "layer": "features.4", "fidelity": 0.4}
    )
    unseen = {"racket": {"kinds": {"spatiotemporal": 20}, "sources": 20, "review": "unreviewed"}}
    said = " ".join(trust(answered([contrast("undecided", 0.2), shift], concepts=unseen)))
    assert "No person reviewed the concepts." in said
    assert "features.4 does not follow the score (fidelity 0.40)." in said
    assert "Without" not in said  # nothing is shown that a few videos could overturn
    assert "association" not in said


def test_what_was_not_declared_is_a_lead(run_folder: Path, answered) -> None:
    declaration = {"declared": "2025-11-22", "study_sha256": "9ac3" * 16, "hypotheses": ["racket pushes swing"],
                   "primary": "contrast", "alpha": 0.05, "correction": "holm", "tests": 1}  # fmt: skip
    (run_folder / "declaration.json").write_text(json.dumps(declaration))
    rows = [
        contrast("positive", 1.9, hypothesis="racket pushes swing"),
        contrast("positive", 1.2, concept="ball", exploratory=True),
        contrast("undecided", 0.2, concept="bat", exploratory=True),
    ]
    from videotcav.results.declaration import Declaration  # noqa: PLC0415 - of this test alone

    run = answered(
        rows,
        [effect("negative", -1.0, exploratory=True)],
        hypotheses=[{"text": "racket pushes swing", "outcome": "supported"}],
        declaration_sha256=Declaration.model_validate(declaration).sha256,
    )
    assert trust(run)[-2:] == [
        "Declared beforehand: 1 of 1 hypothesis supported.",
        "Not declared, so a lead only: the need for “racket” and the push of “ball”.",
    ]


def test_dots_stand_where_the_numbers_are_and_wear_what_is_shown(answered) -> None:
    """On an axis from −10 to 10 a value v stands at 50 + 5 v percent; what its lack takes away stands to the right."""
    picture = glance(answered(DEMO, EDITS))
    assert picture is not None
    assert picture.heads == ("pushes", "is needed")
    rows = {row.name: row.dots for row in picture.rows}
    assert [*rows] == ["racket", "the motion of “racket”", "a still “racket”", "ball", "the motion of “ball”",
                       "a still “ball”", "background"]  # fmt: skip
    push, need = rows["racket"]
    assert push is not None
    assert need is not None
    assert (push.at, need.at) == pytest.approx((50 + 5 * 4.84, 50 + 5 * 5.45))
    assert push.band == pytest.approx((49.5, 50.5))
    assert need.text == "negative: without it the score changes by −5.45, 95 % interval −5.75 to −5.15"
    looks = {name: tuple(dot and dot.look for dot in dots) for name, dots in rows.items()}
    assert looks["the motion of “ball”"] == ("shown", "open")
    assert looks["a still “ball”"] == ("none", None)
    assert looks["background"] == (None, "none")


def test_the_picture_keeps_the_rows_that_say_most(answered) -> None:
    rows = [contrast("undecided", 0.2, concept=f"thing {number}") for number in range(12)]
    picture = glance(answered([*rows, contrast("positive", 3.0)]))
    assert picture is not None
    assert len(picture.rows) == MOST_ROWS
    assert picture.rows[-1].name == "racket"
    assert picture.more == 13 - MOST_ROWS


def test_a_concept_that_cannot_be_drawn_is_still_in_the_sentence(answered) -> None:
    run = answered([contrast("underpowered", 0.2).model_copy(update={"low": float("-inf"), "high": float("inf")})])
    assert len(concept_roles(run)) == 1
    assert glance(run) is None
    assert "the study is too small" in answer(run)


def test_models_that_do_the_same_are_named_together() -> None:
    def row(model: str, verdict: Verdict, value: float) -> StandardisedEffect:
        return StandardisedEffect(
            model=model, layer="", class_name="swing", concept="racket", kind="spatiotemporal", against="frozen",
            statistic="contrast", value=value, low=value - 1, high=value + 1, p_corrected=0.01, verdict=verdict,
        )  # fmt: skip

    models = {name: {"run": name, "layers": [], "name": name, "weights": ""} for name in ("a", "b", "c", "d")}
    manifest = ComparisonManifest.model_validate(
        {"videotcav": "0", "created": "2025", "command": "", "question": "?", "statistic": "contrast",
         "study_sha256": "0", "models": models}
    )  # fmt: skip
    rows = [row("a", "positive", 3.0), row("b", "undecided", 0.2), row("c", "positive", 2.0)]
    assert comparison_answer(manifest, rows) == (
        "a (+3.0) and c (+2.0) rely on the motion of “racket” for “swing”; b (+0.2) shows no reliance on the motion of "
        "“racket” for “swing”; d was not asked about the motion of “racket” for “swing”."
    )
