"""Corrections against scipy and calculations by hand."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from videotcav.explain.inference.multiplicity import benjamini_hochberg, bonferroni, correct, holm

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


def test_no_correction_is_the_identity() -> None:
    p = np.array([0.2, 0.01])
    np.testing.assert_array_equal(correct(p, correction="none"), p)
    np.testing.assert_array_equal(correct(p, correction="holm"), holm(p))
