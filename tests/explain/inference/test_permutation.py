"""p-values against scipy, by enumeration and by hand; verdicts in the order in which they are given."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from videotcav.explain.design.settings import AnalysisSettings
from videotcav.explain.inference.intervals import wilson
from videotcav.explain.inference.permutation import (
    Null,
    TTest,
    classic_one_sample,
    classic_two_sample,
    equivalence_p,
    flip_null,
    set_null,
)
from videotcav.explain.inference.verdict import verdict
from videotcav.records import Verdict


def test_p_counts_the_observed_set_and_is_never_zero() -> None:
    null = set_null(np.array([0.3, 0.4, 0.5, 0.6, 0.7]))
    assert null.centre == pytest.approx(0.5)
    assert null.p(0.9) == pytest.approx(1 / 6)
    assert null.p(0.1) == pytest.approx(1 / 6)
    assert null.p(0.65) == pytest.approx(3 / 6)  # 0.3 and 0.7 are farther
    assert null.p(0.7) == pytest.approx(3 / 6)  # as far counts as extreme
    assert null.p(0.5) == 1.0


def test_two_heaps_have_their_centre_between_them() -> None:
    null = set_null(np.array([0.0] * 40 + [1.0] * 60))
    assert null.p(1.0) > 0.3


@given(st.lists(st.floats(-1, 1), min_size=30, max_size=80), st.floats(0.02, 0.5))
def test_a_value_beyond_the_critical_distance_is_significant_and_none_within_is(
    draws: list[float], level: float
) -> None:
    null = set_null(np.array(draws))
    distance = null.critical_distance(level)
    if math.isinf(distance):
        assert null.p(1e9) > level
        return
    assert null.p(null.centre + distance + 1e-6) <= level + 1e-9
    assert null.p(null.centre + max(0.0, distance - 1e-9)) > level - 1e-9


def test_flipping_pairs_gives_the_exact_p_of_enumeration() -> None:
    """The sum of differences, its sign flipped in all 2^n ways: half of them suffice."""
    differences = np.array([0.9, 0.4, -0.1, 0.7, 0.3])
    signs = np.array(list(product((1, -1), repeat=5)))
    whole = np.abs(signs @ differences)
    expected = (whole >= abs(differences.sum()) - 1e-12).mean()
    half = signs[signs[:, 0] > 0] @ differences
    assert flip_null(half, complete=True).p(differences.sum()) == pytest.approx(expected)
    oracle = stats.permutation_test((differences, np.zeros(5)), lambda a, b: (a - b).sum(), permutation_type="samples")
    assert expected == pytest.approx(oracle.pvalue)
    low, high = flip_null(half, complete=True).band
    assert low == pytest.approx(-high)


def test_the_classic_tests_are_scipys() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.6, 0.1, size=10), rng.normal(0.5, 0.2, size=14)
    two, one = stats.ttest_ind(a, b, equal_var=False), stats.ttest_1samp(a, 0.5)
    assert classic_two_sample(a, b).p == pytest.approx(two.pvalue)
    assert classic_two_sample(a, b).statistic == pytest.approx(two.statistic)
    assert classic_one_sample(a).p == pytest.approx(one.pvalue)
    assert classic_one_sample(a).statistic == pytest.approx(one.statistic)


def test_runs_without_spread_have_a_p_and_no_nan() -> None:
    assert classic_two_sample([1.0] * 5, [1.0] * 5).p == 1.0
    assert classic_two_sample([0.0] * 5, [0.0] * 5) == TTest(statistic=0.0, p=1.0)
    assert classic_two_sample([1.0] * 5, [0.0] * 5).p == 0.0
    assert classic_one_sample([0.5] * 5).p == 1.0
    assert classic_one_sample([0.0] * 5).statistic == -math.inf
    assert 0 < classic_two_sample([1.0] * 5, [0.0, 0.5, 1.0]).p < 1


def test_wilsons_interval_is_scipys_and_never_a_point() -> None:
    for count in (0, 3, 17, 20):
        oracle = stats.binomtest(count, 20).proportion_ci(method="wilson")
        assert wilson(count / 20, sources=20) == pytest.approx((oracle.low, oracle.high), abs=1e-6)


def test_enough_null_draws_for_a_significant_result() -> None:
    """36 tests at 5 %: 1/(1 + M) · 36 ≤ 0.05 from M = 719 on."""
    settings = AnalysisSettings()
    assert settings.null_draws_needed(36) == 719
    assert settings.null_draws(36) >= 719
    assert AnalysisSettings(correction="none").null_draws_needed(36) == 19
    assert AnalysisSettings(pseudo_concepts=100).null_draws(36) == 100
    assert Null(draws=np.zeros(719), centre=0.0).critical_distance(0.05 / 36) < math.inf
    assert Null(draws=np.zeros(718), centre=0.0).critical_distance(0.05 / 36) == math.inf


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "positive"),
        ({"effect": -0.4, "low": -0.5, "high": -0.3}, "negative"),
        ({"low": -0.1}, "no evidence"),  # significant, but the interval says otherwise
        ({"low": 0.0}, "no evidence"),  # an interval that reaches the centre is not on one side of it
        ({"effect": -0.4, "low": -0.5, "high": 0.0}, "no evidence"),
        ({"effect": -0.4, "low": -0.5, "high": 0.1}, "no evidence"),
        ({"effect": -0.4, "low": -0.5, "high": -0.3, "p_corrected": 0.06}, "no evidence"),
        ({"p_corrected": 0.06}, "no evidence"),
        ({"p_corrected": 0.06, "smallest_effect": math.inf}, "underpowered"),
        ({"p_corrected": 0.06, "smallest_effect": 0.5}, "underpowered"),
        ({"learned": False}, "not learned"),
        ({"learned": False, "degenerate": True}, "not learned"),
        ({"degenerate": True}, "degenerate"),
    ],
)
def test_the_first_verdict_that_holds_is_given(changed: dict[str, float | bool], expected: Verdict) -> None:
    facts = {
        "effect": 0.4,
        "low": 0.3,
        "high": 0.5,
        "p_corrected": 0.05,
        "alpha": 0.05,
        "smallest_effect": 0.2,
        "largest_effect": 0.5,
        "learned": True,
        "degenerate": False,
    }
    assert verdict(**{**facts, **changed}) == expected


def test_equivalence_counts_what_lies_at_a_margin_or_beyond() -> None:
    """By hand, with skewed deviations: of 0.5 + these, two reach 1; of −0.5 + these, one reaches −1."""
    deviations = np.array([0.5, 0.75, -0.25, 0.25, -0.5, 0.0, 0.125, 0.25, -0.125])
    assert equivalence_p(0.5, deviations, margin=1.0) == pytest.approx(3 / 10)
    assert equivalence_p(-0.5, deviations, margin=1.0) == pytest.approx(2 / 10)
    assert equivalence_p(-0.5, -deviations, margin=1.0) == pytest.approx(3 / 10)
