"""How few videos overturn a verdict, beside a search of all subsets."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from videotcav.explain.inference.fragility import LEAST_KEPT, Finds, fewest_removed, removal_order


def is_shown(values: np.ndarray) -> bool:
    return bool(stats.ttest_1samp(values, 0.0).pvalue <= 0.05)


def found_for(values: np.ndarray) -> int | None:
    (found,) = fewest(values, None, is_effect=is_shown(values), shown=is_shown)
    return found


def fewest(
    values: np.ndarray, other: np.ndarray | None, *, is_effect: bool, shown: Callable[[np.ndarray], bool]
) -> list[int | None]:
    """Of one column, whose test says what `shown` says of the kept values."""

    def finds(at: np.ndarray, kept: np.ndarray) -> np.ndarray:
        assert (at.tolist(), kept.shape[1]) == ([0], 1)
        return np.array([shown(values[kept[:, 0]])])

    return fewest_removed(
        values[:, None],
        None if other is None else other[:, None],
        nothing=np.zeros(1),
        is_effect=np.array([is_effect]),
        by_t=finds,
        finds=finds,
    )


def by_all_subsets(values: np.ndarray) -> int | None:
    for removed in range(1, len(values) - LEAST_KEPT + 1):
        for kept in combinations(range(len(values)), len(values) - removed):
            if is_shown(values[list(kept)]) != is_shown(values):
                return removed
    return None


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("mean", [0.3, 0.9, 1.5])
def test_it_is_an_upper_bound_and_mostly_the_number_itself(seed: int, mean: float) -> None:
    values = np.random.default_rng(seed).normal(mean, 1, 9)
    found, least = found_for(values), by_all_subsets(values)
    assert found is None or least is not None
    assert found is None or found >= least
    assert found is None or found <= least + 1


def test_one_video_that_bears_all_is_told() -> None:
    values = np.concatenate([np.random.default_rng(0).normal(0.35, 0.6, 11), [-2.5]])
    assert not is_shown(values)
    assert found_for(values) == 1


def test_what_nothing_overturns_has_no_number() -> None:
    assert found_for(np.random.default_rng(0).normal(50, 0.1, 12)) is None


def test_both_sides_count() -> None:
    draw = np.random.default_rng(3)
    concept, pool = draw.normal(0.8, 1, 12), draw.normal(0, 1, 30)

    def still(left: np.ndarray) -> bool:
        return bool(stats.ttest_ind(concept, left, equal_var=False).pvalue <= 0.05)

    (found,) = fewest(pool, concept, is_effect=still(pool), shown=still)
    assert found is not None
    assert 1 <= found <= 10


def t_beyond(values: np.ndarray, other: np.ndarray | None, nothing: float) -> float:
    """Scipy's t of the difference beyond a negligible one, 0 within it."""
    mean = values.mean() - (0.0 if other is None else other.mean())
    beyond = values - np.sign(mean) * nothing
    if abs(mean) <= nothing:
        return 0.0
    return float(
        stats.ttest_1samp(beyond, 0.0).statistic
        if other is None
        else stats.ttest_ind(beyond, other, equal_var=False).statistic
    )


@pytest.mark.parametrize("is_effect", [True, False])
@pytest.mark.parametrize("two_sided", [True, False])
@pytest.mark.parametrize("mean", [0.5, -0.7])
def test_each_video_that_goes_is_the_one_whose_absence_brings_the_end_nearest(
    mean: float, two_sided: bool, is_effect: bool
) -> None:
    for seed in range(8):
        draw = np.random.default_rng(seed)
        values, other = draw.normal(mean, 1 + seed, 9), draw.normal(0, 1, 7) if two_sided else None
        kept, expected = list(range(9)), []
        while len(kept) > LEAST_KEPT:
            t = [abs(t_beyond(np.delete(values[kept], at), other, 0.1)) for at in range(len(kept))]
            if 0.0 in t:  # several bring it all the way: which of them goes is of no account
                break
            expected.append(kept.pop(int(np.argmin(t) if is_effect else np.argmax(t))))
        found = removal_order(
            values[:, None],
            None if other is None else other[:, None],
            nothing=np.array([0.1]),
            is_effect=np.array([is_effect]),
        )[:, 0]
        assert found[: len(expected)].tolist() == expected
        assert len(found) == 9 - LEAST_KEPT


def test_a_verdict_may_hang_on_all_but_the_last_three() -> None:
    """Of nine videos six may go; a verdict that only three of them overturn has that number, not none."""
    values = np.random.default_rng(0).normal(1, 1, 9)
    for least in (LEAST_KEPT, LEAST_KEPT - 1):
        (found,) = fewest(values, None, is_effect=True, shown=lambda left, least=least: len(left) > least)
        assert found == (6 if least == LEAST_KEPT else None)


def test_many_columns_are_asked_together_and_each_alone_has_the_same_answer() -> None:
    draw = np.random.default_rng(5)
    values, other = draw.normal(draw.normal(0.3, 0.5, 12), 1, (14, 12)), draw.normal(0, 1, (25, 12))

    def test(columns: np.ndarray, *, alpha: float) -> Finds:
        def finds(at: np.ndarray, kept: np.ndarray) -> np.ndarray:
            some = np.take_along_axis(values[:, columns[at]], kept, axis=0)
            found = stats.ttest_ind(some, other[:, columns[at]], equal_var=False).pvalue <= alpha
            return found & (np.random.default_rng(len(kept)).random(values.shape[1])[columns[at]] < 0.9)

        return finds

    def found(columns: np.ndarray) -> list[int | None]:
        everything = np.repeat(np.arange(len(values))[:, None], len(columns), axis=1)
        strict = test(columns, alpha=0.02)
        return fewest_removed(
            values[:, columns],
            other[:, columns],
            nothing=np.zeros(len(columns)),
            is_effect=strict(np.arange(len(columns)), everything),
            by_t=test(columns, alpha=0.05),
            finds=strict,
        )

    together = found(np.arange(12))
    assert together == [each for column in range(12) for each in found(np.array([column]))]
    assert len(set(together)) > 3


def test_an_effect_that_comes_up_late_and_only_once_is_found() -> None:
    """By a test that finds it with six videos left and with no other number: a search by halves would miss it."""
    values = np.random.default_rng(0).normal(0, 1, 20)
    (found,) = fewest(values, None, is_effect=False, shown=lambda left: len(left) == 6)
    assert found == 14
