"""Every combination of a push and a need has its own true sentence."""

from __future__ import annotations

from typing import Any

import pytest

from support.legs import contrast, effect
from videotcav.records import Against, Verdict
from videotcav.results.both_legs import BothLegs, both_legs
from videotcav.results.edit_effect import EditVerdict

PUSH: dict[str, tuple[Verdict, float]] = {
    "towards": ("positive", 1.9),
    "away": ("negative", -1.9),
    "none": ("negligible", 0.02),
    "undecided": ("undecided", 0.6),
}
NEED: dict[str, tuple[EditVerdict, float | None]] = {
    "towards": ("negative", -1.4),
    "away": ("positive", 1.4),
    "none": ("negligible", -0.03),
    "undecided": ("undecided", -0.4),
    "not asked": ("not asked", None),
}
SHORT = {
    ("towards", "towards"): "pushes and is needed",
    ("towards", "away"): "pushes, hinders",
    ("towards", "none"): "pushes, not needed",
    ("towards", "undecided"): "pushes, need undecided",
    ("towards", "not asked"): "pushes, need not asked",
    ("away", "towards"): "pushes away, needed",
    ("away", "away"): "pushes away, hinders",
    ("away", "none"): "pushes away, not needed",
    ("away", "undecided"): "pushes away, need undecided",
    ("away", "not asked"): "pushes away, need not asked",
    ("none", "towards"): "not pushed, needed",
    ("none", "away"): "not pushed, hinders",
    ("none", "none"): "neither",
    ("none", "undecided"): "not pushed, need undecided",
    ("none", "not asked"): "not pushed, need not asked",
    ("undecided", "towards"): "push undecided, needed",
    ("undecided", "away"): "push undecided, hinders",
    ("undecided", "none"): "push undecided, not needed",
    ("undecided", "undecided"): "push undecided, need undecided",
    ("undecided", "not asked"): "push undecided, need not asked",
}


def legs(push: str, need: str, **others: Any) -> BothLegs:
    return BothLegs("racket", "swing", "random", contrast(*PUSH[push]), effect(*NEED[need], **others))


@pytest.mark.parametrize(("push", "need"), SHORT)
def test_each_leg_is_told_for_what_it_is(push: str, need: str) -> None:
    found = legs(push, need)
    assert found.legs == (push, need)
    assert found.short == SHORT[push, need]
    sentence = found.sentence
    assert sentence.startswith("Opposite signs: ") is (found.legs in {("towards", "away"), ("away", "towards")})
    assert ("pushes the model towards" in sentence) is (push == "towards")
    assert ("pushes the model away" in sentence) is (push == "away")
    assert ("does not push" in sentence) is (push == "none")
    assert ("is not shown to push" in sentence) is (push == "undecided")
    assert ("is needed for it" in sentence) is (need == "towards")
    assert ("hinders it" in sentence) is (need == "away")
    assert ("is not needed" in sentence) is (need == "none")
    assert ("is not shown to be needed" in sentence) is (need == "undecided")
    assert ("could not be asked" in sentence) is (need == "not asked")


def test_the_sentence_of_a_concept_that_pushes_and_is_needed() -> None:
    found = legs("towards", "towards", accuracy_before=0.91, accuracy_after=0.34, clips=20, sources=20, not_told=4)
    assert found.sentence == (
        "“racket” pushes the model towards “swing” (+1.90) and is needed for it (−1.40 without it). Accuracy falls "
        "from 91\N{NO-BREAK SPACE}% to 34\N{NO-BREAK SPACE}%. Asked on the 20 of the class's 24 clips that hold it."
    )


def test_a_push_that_is_not_needed_says_what_that_may_mean() -> None:
    assert "Something else in the class's clips is enough" in legs("towards", "none").sentence
    assert "Something else" not in legs("towards", "undecided").sentence


def test_clips_that_do_not_hold_the_object_are_told_from_those_that_the_edit_leaves_alone() -> None:
    found = legs("towards", "towards", clips=18, sources=18, not_told=4, unchanged=2)
    assert found.sentence.endswith(
        "Asked on 18 of the class's 24 clips: 4 do not hold it, and 2 are left as they are by the edit."
    )


def test_a_background_is_not_held_but_beside_an_object_that_was_found() -> None:
    need = effect(*NEED["towards"], target="background", clips=20, sources=20, not_told=4)
    found = BothLegs("background", "swing", "random", None, need)
    assert found.sentence.endswith("Asked on the 20 of the class's 24 clips in which an object was found.")
    none = effect(*NEED["not asked"], target="background", not_told=24)
    assert "no object was found in any of them" in BothLegs("background", "swing", "random", None, none).sentence


def test_an_edit_that_moves_no_score_is_told_and_has_no_number() -> None:
    found = legs("towards", "not asked", clips=12, sources=12, not_told=12, reason="moves no score")
    assert "of which 24 were read: the edit changes 12 of them, and the score of none." in found.sentence


def test_a_class_without_clips_that_hold_the_object_has_no_second_leg() -> None:
    found = legs("towards", "not asked", not_told=24)
    assert "could not be asked to be needed" in found.sentence
    assert "of which 24 were read: none of them holds it." in found.sentence
    found = legs("towards", "not asked", not_told=20, unchanged=4)
    assert "of which 24 were read: 20 do not hold it, and the edit leaves the others as they are." in found.sentence
    assert found.agreed == 0


def test_where_freezing_costs_as_much_the_motion_is_named() -> None:
    def with_freeze(value: float, verdict: EditVerdict = "negative") -> str:
        freeze = effect(verdict, value, edit="freeze")
        return BothLegs("racket", "swing", "random", None, effect("negative", -1.4), freeze).sentence

    assert "It is its motion" in with_freeze(-1.3)
    assert "motion" not in with_freeze(-0.6)
    assert "motion" not in with_freeze(-1.3, "undecided")
    assert "look" not in with_freeze(-0.1, "negligible")  # never said of what is removed with all it does


@pytest.mark.parametrize(
    ("push", "need", "agreed"),
    [(1.9, -1.4, 1.4), (0.5, -1.4, 0.5), (-1.9, 1.4, -1.4), (1.9, 1.4, 0.0), (-0.2, -3, 0.0)],
)
def test_the_number_of_both_is_the_one_nearer_to_nothing(push: float, need: float, agreed: float) -> None:
    found = BothLegs("racket", "swing", "random", contrast("undecided", push), effect("undecided", need))
    assert found.agreed == agreed


def test_each_comparison_stands_beside_the_edit_that_asks_the_same() -> None:
    twins: tuple[Against, ...] = ("frozen", "shuffled", "reversed")
    rows = [contrast("positive", 1.0, against=each) for each in ("random", *twins)]
    rows += [contrast("positive", 3.0, kind="spatial"), contrast("positive", 4.0, layer="top", statistic="shift")]
    rows += [contrast("positive", 5.0, class_name="idle"), contrast("positive", 6.0, concept="ball")]
    edits = [effect("negative", -1.0, edit=each) for each in ("remove", "freeze", "shuffle", "reverse", "blur")]
    edits += [effect("negative", -9.0, edit="still", target="")]
    found = both_legs(rows, edits)
    assert [(each.against, each.push and each.push.value, each.need and each.need.edit) for each in found] == [
        ("random", 1.0, "remove"),
        ("frozen", 1.0, "freeze"),
        ("shuffled", 1.0, "shuffle"),
        ("reversed", 1.0, "reverse"),
    ]
    assert found[1].sentence.startswith("The motion of “racket” pushes")


def test_still_crops_speak_for_a_concept_that_does_not_move() -> None:
    (found,) = both_legs([contrast("positive", 3.0, kind="spatial")], [effect("negative", -1.0)])
    assert found.push is not None
    assert found.push.kind == "spatial"


def test_what_is_no_concept_is_told_by_its_need_alone() -> None:
    found = BothLegs("background", "swing", "random", None, effect("negligible", 0.02))
    assert found.sentence == "“background” is not needed for “swing” (+0.02 without it)."
    assert found.short == "not needed"
