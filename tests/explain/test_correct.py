"""Corrections against scipy and calculations by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from videotcav.explain.correct import benjamini_hochberg, bonferroni, correct, holm, max_t

P_VALUES = st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=12).map(np.array)


def test_holm_by_hand() -> None:
    """Of 4 tests: 0.005·4, then 0.01·3 = 0.03, then 0.03·2 = 0.06, and 0.04·1 lifted to the 0.06 before it."""
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])


@given(P_VALUES)
def test_benjamini_hochberg_is_scipys(p: np.ndarray) -> None:
    np.testing.assert_allclose(benjamini_hochberg(p), false_discovery_control(p, method="bh"), rtol=1e-12)


@given(P_VALUES)
def test_no_correction_makes_a_p_smaller_and_bonferroni_is_the_strictest(p: np.ndarray) -> None:
    for corrected in (bonferroni(p), holm(p), benjamini_hochberg(p)):
        assert (corrected >= p - 1e-15).all()
        assert (corrected <= 1).all()
        assert (corrected <= bonferroni(p) + 1e-15).all()
        order = np.argsort(p, kind="stable")
        assert (np.diff(corrected[order]) >= -1e-15).all()


def test_max_t_of_one_test_is_its_own_p() -> None:
    null = np.array([[0.1, 0.5, 2.0, 3.0]])
    np.testing.assert_allclose(max_t(np.array([1.0]), null), [3 / 5])


def test_max_t_by_hand() -> None:
    """Two tests, four joint draws: the larger distance 2.5 is judged by the larger of each draw (3, 2, 4, 1), so
    by (1 + 2)/5; the other, 1.5, by its own draws (3, 0, 1, 1): (1 + 1)/5, lifted to the 3/5 before it.
    """
    null = np.array([[1.0, 2.0, 4.0, 1.0], [3.0, 0.0, 1.0, 1.0]])
    np.testing.assert_allclose(max_t(np.array([2.5, 1.5]), null), [3 / 5, 3 / 5])


def test_max_t_is_kinder_than_bonferroni_where_tests_go_together() -> None:
    """Ten copies of one test need no correction at all."""
    null = np.tile(np.abs(np.random.default_rng(0).normal(size=999)), (10, 1))
    np.testing.assert_allclose(max_t(np.full(10, 2.2), null), (1 + (null[0] >= 2.2).sum()) / 1000)


def test_no_correction_is_the_identity_and_max_t_asks_for_its_draws() -> None:
    p = np.array([0.2, 0.01])
    np.testing.assert_array_equal(correct(p, correction="none"), p)
    np.testing.assert_array_equal(correct(p, correction="holm"), holm(p))
    with pytest.raises(ValueError, match="joint null draws"):
        correct(p, correction="max-t")
