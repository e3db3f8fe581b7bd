"""A slice of the campaign of hostile inputs; the whole is `benchmarks/hostile_inputs.py`."""

from __future__ import annotations

import pytest

from campaign.corpus import ROOMS, SHARES, attempt, case

SLICE = 112
PER_ROUND = sum(SHARES.values())


@pytest.mark.parametrize("first", range(0, SLICE, PER_ROUND))
def test_numbers_that_are_right_or_one_sentence(first: int) -> None:
    became = [attempt(case(number)) for number in range(first, first + PER_ROUND)]
    assert [one for one in became if one["outcome"] not in ("same", "refused", "unknowable")] == []


def test_a_thousand_cases_try_every_mutation() -> None:
    tried = {(one.room, one.mutation) for one in map(case, range(1000))}
    assert tried == {(room, mutation) for room, mutations in ROOMS.items() for mutation in mutations}


def test_sentences_name_the_file_and_are_short() -> None:
    refused = [one for one in map(attempt, map(case, range(PER_ROUND))) if one["outcome"] == "refused"]
    assert refused
    for one in refused:
        assert "…" in one["said"], one  # the folder of the case: it stands in the path
        assert len(one["said"]) < 2000, one
