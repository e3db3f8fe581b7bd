"""Corrections against scipy and calculations by hand."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from videotcav.explain.inference.multiplicity import Family, benjamini_hochberg, bonferroni, correct, factor, holm

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


def family(p: list[float], equivalence: list[float], declared: str = "", nothing: str = "") -> Family:
    """A family of which the places that a string names are declared, and claim nothing."""
    flags = [np.array([str(place) in each for place in range(len(p))]) for each in (declared, nothing)]
    return Family(np.array(p), np.array(equivalence), *flags)


def test_without_a_declaration_all_tests_are_one_family() -> None:
    p, equivalence = family([0.01, 0.04, 0.03], [1.0, 0.02, 0.5]).beside(family([0.005], [1.0])).corrected("holm")
    np.testing.assert_allclose(p, [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(equivalence, [1.0, 0.08, 1.0, 1.0])


def test_what_is_declared_on_both_sides_is_corrected_together() -> None:
    both = family([0.01, 0.04, 0.03], [1.0, 0.02, 0.5], declared="0").beside(family([0.004, 0.9], [1, 1], declared="0"))
    p, _ = both.corrected("bonferroni")
    np.testing.assert_allclose(p, [0.02, 0.2, 0.15, 0.008, 1.0])  # two are declared; the others pay for all five
    np.testing.assert_array_equal(both.around(3), [0, 3])
    np.testing.assert_array_equal(both.around(1), range(5))


def test_a_claim_of_nothing_is_asked_by_its_equivalence() -> None:
    asked = family([0.01, 0.04, 0.03], [1.0, 0.02, 0.5], declared="01", nothing="1")
    p, equivalence = asked.corrected("bonferroni")
    np.testing.assert_allclose(p, [0.02, 0.12, 0.09])  # the difference that was not declared pays for all three
    np.testing.assert_allclose(equivalence, [1.0, 0.04, 1.0])
    np.testing.assert_allclose(asked.beside_one(0), [0.02])
    np.testing.assert_allclose(asked.beside_one(1), [0.01, 0.03])


@given(P_VALUES.map(lambda p: p**3), st.floats(0, 1), st.sampled_from(["none", "bonferroni", "holm", "bh"]))
def test_one_p_times_its_factor_is_significant_where_its_corrected_p_is(
    others: np.ndarray, one: float, by: str
) -> None:
    """Near the bounds too: at what the correction itself just lets pass, and a little beyond."""
    multiplied = factor(others, correction=by, alpha=0.05)
    for p in (one, 0.05 / multiplied * (1 - 1e-9), min(1.0, 0.05 / multiplied * (1 + 1e-6))):
        corrected = correct(np.append(others, p), correction=by)[-1]
        assert (p * multiplied <= 0.05) == (corrected <= 0.05)
