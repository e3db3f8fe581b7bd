"""How few videos overturn a verdict, beside a search of all subsets."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from videotcav.explain.inference.fragility import LEAST_KEPT, fewest_removed


def is_shown(values: np.ndarray) -> bool:
    return bool(stats.ttest_1samp(values, 0.0).pvalue <= 0.05)


def found_for(values: np.ndarray) -> int | None:
    return fewest_removed(
        values, None, nothing=0.0, is_effect=is_shown(values), still_effect=lambda kept: is_shown(values[kept])
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

    def still(kept: np.ndarray) -> bool:
        return bool(stats.ttest_ind(concept, pool[kept], equal_var=False).pvalue <= 0.05)

    everything = np.arange(len(pool))
    found = fewest_removed(pool, concept, nothing=0.0, is_effect=still(everything), still_effect=still)
    assert found is not None
    assert 1 <= found <= 10
