"""A slice of the campaign of hostile inputs; the whole is `benchmarks/hostile_inputs.py`."""

from __future__ import annotations

from collections import Counter

import pytest

from validation.campaign.corpus import ROOMS, Case, attempt, cases, lacking

SLICE = [0]
SLOW = ["large picture"]


@pytest.mark.parametrize("room", ROOMS)
def test_numbers_that_are_right_or_one_sentence(room: str) -> None:
    if lacking(room):
        pytest.skip(lacking(room))
    became = [attempt(case) for case in cases(SLICE, rooms=[room]) if case.mutation not in SLOW]
    assert [one for one in became if one["outcome"] not in ("same", "refused", "unknowable")] == []
    for one in became:
        assert len(one["said"]) < 2000, one


def test_sentences_name_the_file() -> None:
    refused = [one for one in map(attempt, cases(SLICE, rooms=["video", "boxes"])) if one["outcome"] == "refused"]
    assert refused
    for one in refused:
        assert "…" in one["said"], one  # the folder of the case: it stands in the path


def test_eight_numbers_of_every_mutation_are_more_than_a_thousand_cases() -> None:
    made = cases(range(8))
    assert len(set(made)) == len(made) > 1000
    assert set(Counter((one.room, one.mutation) for one in made).values()) == {8}


def test_a_case_is_the_same_whatever_others_there_are() -> None:
    """Its random numbers come from its own name: what it was refused for, it is refused for again."""
    alone = Case("boxes", "noise", 3)
    among = next(one for one in cases([3, 4]) if (one.room, one.mutation, one.number) == ("boxes", "noise", 3))
    assert attempt(alone) == attempt(among)
