"""What concept and pool differ in: hand-made tables with known answers, a clean study, a confounded one."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest

from videotcav.concepts.review.matching import Labelled
from videotcav.results.pool_facts import LabelDifference
from videotcav.study.appearance import Appearance, appearance, appearance_differences
from videotcav.study.differences import label_differences


def clips(prefix: str, *labels: str, column: str = "place") -> list[Labelled]:
    """A clip of a source of its own for each label; empty where nobody says."""
    return [Labelled(f"{prefix}{n}", f"{prefix}{n}", {column: label or None}) for n, label in enumerate(labels)]


def told(
    concept: list[Labelled], pool: list[Labelled], *columns: str, seed: int = 0, **others: list[Labelled]
) -> tuple[LabelDifference, ...]:
    concepts = {"ball": concept, **others}
    pools = dict.fromkeys(concepts, pool)
    return label_differences(concepts, pools, dict.fromkeys(concepts, columns or ("place",)), seed=seed)


def test_z_and_p_are_those_of_all_relabellings() -> None:
    """3 of 4 on grass against 1 of 5, as a loop over all 126 choices of 4 of the 9 videos has it."""
    grass = np.array([1, 1, 1, 0, 1, 0, 0, 0, 0.0])
    sums = np.array([grass[list(four)].sum() for four in combinations(range(9), 4)])
    z = (3 - sums.mean()) / sums.std()
    (found,) = told(clips("c", "g", "g", "g", "c"), clips("p", "g", "c", "c", "c", "c"))
    assert found.z == pytest.approx(-z)  # the first level by name is "c"
    assert (found.level, found.of_concept, found.of_pool) == ("c", 0.25, 0.8)
    exact = np.mean(np.abs(sums - sums.mean()) >= abs(3 - sums.mean()) - 1e-9)
    assert found.p == pytest.approx(exact, abs=4 * math.sqrt(exact / 2000))


def test_the_largest_of_all_levels_and_columns_is_what_p_is_of() -> None:
    """The same column ten times says nothing new; ten other columns make the same difference less surprising."""
    rng = np.random.default_rng(5)
    places = ["gc"[n % 4 == 0 if n < 12 else n % 2] for n in range(52)]
    rows = [
        {"place": place}
        | {f"copy {k}": place for k in range(10)}
        | {f"other {k}": str(rng.integers(2)) for k in range(10)}
        for place in places
    ]
    side = [[Labelled(f"v{n}", f"v{n}", row) for n, row in enumerate(rows) if (n < 12) is own] for own in (True, False)]

    def p(*columns: str) -> float:
        return next(each.p for each in told(*side, *columns) if each.column == "place")

    alone = p("place")
    assert p("place", *(f"copy {k}" for k in range(10))) == pytest.approx(alone, abs=0.04)
    assert p("place", *(f"other {k}" for k in range(10))) > 2 * alone


def test_a_video_counts_once_and_the_concepts_videos_leave_the_pool() -> None:
    concept = clips("c", "g", "c")
    many = [*concept, *(Labelled("c0", f"more {n}", {"place": "g"}) for n in range(30))]
    pool = clips("p", "g", "c", "g", "c")
    assert told(many, [*pool, *clips("c", "s", "s")]) == told(concept, pool)


def test_videos_that_nobody_labelled_are_left_out_of_their_column() -> None:
    (found,) = told(clips("c", "g", "g", "", "c"), clips("p", "g", "c", "", "", "c"))
    assert (found.of_concept, found.of_pool) == (pytest.approx(1 / 3), pytest.approx(2 / 3))
    assert told(clips("c", "", ""), clips("p", "", "")) == told(clips("c", "", ""), clips("p", "g", "g")) == ()


def test_a_column_in_which_every_video_has_its_own_label_says_nothing() -> None:
    assert told(clips("c", "a", "b"), clips("p", "d", "e", "f")) == ()


def test_numbers_are_told_by_their_means() -> None:
    concept = clips("c", *(f"{n}.5" for n in range(20, 30)))
    (found,) = told(concept, clips("p", *(f"{n}.5" for n in range(40))))
    assert (found.level, found.of_concept, found.of_pool) == ("", pytest.approx(25), pytest.approx(20))
    assert not found.is_told
    (found,) = told(clips("c", *(f"{n}.5" for n in range(30, 40))), clips("p", *(f"{n}.5" for n in range(31))))
    assert found.is_told
    assert "on average" in found.sentence


def test_the_seed_and_the_name_alone_decide() -> None:
    concept, pool = clips("c", *"ggcg"), clips("p", *"gcccgccc")
    alone, beside = told(concept, pool), told(concept, pool, others=clips("d", *"gcgc"))
    assert alone == told(concept, pool)
    assert beside[0].p == min(1.0, 2 * alone[0].p)


# --- how often it warns --------------------------------------------------------------------------------------------

STUDIES = 200


def cautioned(share: float, *, concepts: int, seed: int) -> float:
    """The share of studies with a caution: sets of the proof's sizes (20 videos against 120), four columns, of which
    the first holds the class's own label in that share of the concepts' videos, and in a quarter of the pool's.
    """
    rng = np.random.default_rng(seed)
    columns = ("scene", "light", "camera", "site")
    levels = (4, 2, 3, 8)

    def videos(prefix: str, count: int, share: float) -> list[Labelled]:
        rows = [[str(rng.integers(most)) for most in levels] for _ in range(count)]
        for row in rows:
            row[0] = "0" if rng.random() < share else str(rng.integers(1, 4))
        return [
            Labelled(f"{prefix}{n}", f"{prefix}{n}", dict(zip(columns, row, strict=True))) for n, row in enumerate(rows)
        ]

    warned = 0
    studies = STUDIES // concepts if concepts > 1 else STUDIES
    for study in range(studies):
        sets = {f"concept {n}": videos(f"{n}-", 20, share) for n in range(concepts)}
        pools = dict.fromkeys(sets, videos("p", 120, 0.25))
        found = label_differences(sets, pools, dict.fromkeys(sets, columns), seed=study)
        warned += any(each.is_told for each in found)
    return warned / studies


@pytest.mark.parametrize("concepts", [1, 2])
def test_a_clean_study_is_cautioned_in_at_most_a_tenth_of_cases(concepts: int) -> None:
    assert cautioned(0.25, concepts=concepts, seed=1) <= 0.1


def test_a_confounded_study_is_told() -> None:
    """Four of five clips carry the class's own label."""
    assert cautioned(0.8, concepts=1, seed=2) >= 0.95


# --- what pixels tell ----------------------------------------------------------------------------------------------


def test_measures_of_pictures_that_can_be_computed_by_hand() -> None:
    grey = np.full((2, 6, 6, 3), 51, np.uint8)
    assert appearance(grey) == pytest.approx((0.2, 0.0, 0.0, 0.0, 0.0))
    red = np.zeros((2, 6, 6, 3), np.uint8)
    red[..., 0] = 255
    assert appearance(red) == pytest.approx((0.299, 0.0, 0.0, 1.0, 0.0))
    board = np.indices((6, 6)).sum(axis=0) % 2 * 255
    flicker = np.stack([board, 255 - board]).astype(np.uint8)[..., None].repeat(3, axis=-1)
    assert appearance(flicker) == pytest.approx((0.5, 0.5, 4.0, 0.0, 1.0))


def test_differences_are_in_deviations_of_the_pools_videos() -> None:
    def look(brightness: float) -> Appearance:
        return Appearance(brightness, 0.1, 0.1, 0.1, 0.1)

    concept = {"a": [look(0.5), look(0.7)], "b": [look(0.8)]}
    pool = {"c": [look(0.1)], "d": [look(0.3)], "e": [look(0.5)], "a": [look(0.9)]}
    first, *rest = appearance_differences({"ball": concept}, pool)
    assert (first.measure, first.of_concept, first.of_pool) == ("brightness", pytest.approx(0.7), pytest.approx(0.3))
    assert first.in_deviations == pytest.approx(0.4 / 0.2)
    assert [each.in_deviations for each in rest] == [0.0] * 4
