"""The interval null against scipy's permutation tests, hand-made t's, and simulations of its level and coverage."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from videotcav.explain.inference.interval_null import (
    EXCEEDANCES,
    Effects,
    Margins,
    against_others,
    against_pool,
    within_pairs,
)

ALL = 10**6
MARGINS = Margins(negligible_below=0.1, equivalence=0.3)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def welch(a: Any, b: Any, axis: int) -> Any:
    error = a.var(axis, ddof=1) / a.shape[axis] + b.var(axis, ddof=1) / b.shape[axis]
    return (a.mean(axis) - b.mean(axis)) / np.sqrt(error)


def by_scipy(first: Any, second: Any, unit: float, margin: float) -> float:
    """Both terms of the p by permutation, from scipy."""
    sign = 1.0 if first.mean() >= second.mean() else -1.0
    terms = [
        stats.permutation_test(
            (sign * first - side * margin * unit, sign * second),
            welch,
            n_resamples=np.inf,
            alternative="greater",
            vectorized=True,
        ).pvalue
        for side in (1, -1)
    ]
    return min(1.0, sum(terms))


@pytest.mark.parametrize("margin", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("apart", [-1.2, 0.05, 0.9])
def test_against_the_pool_p_is_scipys(margin: float, apart: float) -> None:
    concept, pool = rng().normal(apart, 1, (5, 2)), rng(1).exponential(1.0, (6, 2))
    found = against_pool(concept, pool, margins=Margins(margin, 0.6), draws=ALL, rng=rng())
    assert found.enumerated
    assert found.draws.tolist() == [math.comb(11, 5)] * 2
    for column in range(2):
        unit = pool[:, column].std(ddof=1)
        expected = by_scipy(concept[:, column], pool[:, column], unit, margin)
        assert found.p_relabelled[column] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("margin", [0.0, 0.1, 0.4])
def test_within_pairs_p_is_scipys(margin: float) -> None:
    differences, pool = rng(2).normal(0.4, 1, (9, 3)), rng(3).normal(0, 1, (20, 3))
    found = within_pairs(differences, pool, margins=Margins(margin, 0.6), draws=ALL, rng=rng())
    for column in range(3):
        own = differences[:, column] * np.sign(differences[:, column].mean())
        unit = pool[:, column].std(ddof=1)
        terms = [
            stats.permutation_test(
                (own - side * margin * unit,),
                lambda x, axis: x.mean(axis),
                permutation_type="samples",
                n_resamples=np.inf,
                alternative="greater",
                vectorized=True,
            ).pvalue
            for side in (1, -1)
        ]
        assert found.p_relabelled[column] == pytest.approx(min(1.0, sum(terms)), abs=1e-12)


def test_two_concepts_are_held_against_each_other_in_units_of_the_pool() -> None:
    first, second, pool = rng().normal(1, 1, (5, 1)), rng(1).normal(0, 1, (6, 1)), rng(2).normal(0, 3, (40, 1))
    found = against_others(first, second, pool, margins=MARGINS, draws=ALL, rng=rng())
    unit = pool.std(ddof=1)
    assert found.effect[0] == pytest.approx((first.mean() - second.mean()) / unit)
    assert found.p_relabelled[0] == pytest.approx(by_scipy(first[:, 0], second[:, 0], unit, 0.1), abs=1e-12)


def test_the_t_form_is_welchs_by_hand() -> None:
    concept, pool = rng().normal(0.7, 2, (12, 1)), rng(1).normal(0, 1, (30, 1))
    found = against_pool(concept, pool, margins=MARGINS, draws=99, rng=rng())
    own, others = concept.var(ddof=1) / 12, pool.var(ddof=1) / 30
    error, unit = math.sqrt(own + others), pool.std(ddof=1)
    freedom = (own + others) ** 2 / (own**2 / 11 + others**2 / 29)
    distance = abs(concept.mean() - pool.mean())
    p = stats.t.sf((distance - 0.1 * unit) / error, freedom) + stats.t.sf((distance + 0.1 * unit) / error, freedom)
    assert found.p_t[0] == pytest.approx(p)
    assert found.p[0] == max(found.p_t[0], found.p_relabelled[0])
    assert found.effect[0] == pytest.approx((concept.mean() - pool.mean()) / unit)


def test_without_a_margin_the_t_form_is_scipys_welch_test() -> None:
    concept, pool = rng().normal(0.5, 2, (14, 1)), rng(1).normal(0, 1, (25, 1))
    found = against_pool(concept, pool, margins=Margins(0.0, 0.3), draws=99, rng=rng())
    assert found.p_t[0] == pytest.approx(stats.ttest_ind(concept[:, 0], pool[:, 0], equal_var=False).pvalue)


def simulated(effect: float, *, n: int, spread: float = 1.0, skewed: bool = False, seed: int = 1) -> list[Effects]:
    draw = rng(seed)
    noise = (lambda size: draw.exponential(size=size) - 1) if skewed else (lambda size: draw.normal(size=size))
    return [
        against_pool(effect + spread * noise((n, 400)), noise((90, 400)), margins=MARGINS, draws=399, rng=draw)
        for _ in range(4)
    ]


@pytest.mark.parametrize(("n", "effect"), [(12, 0.0), (12, 2.0), (30, 1.0), (30, 3.0)])
def test_intervals_cover_also_large_effects(n: int, effect: float) -> None:
    """1 600 intervals: where σ were held fixed large effects would be covered in some 87 %."""
    covered = [((found.low <= effect) & (effect <= found.high)).mean() for found in simulated(effect, n=n)]
    assert 0.93 <= np.mean(covered) <= 0.965


@pytest.mark.parametrize("options", [{}, {"spread": 2.0}, {"skewed": True}], ids=["normal", "wide", "skewed"])
def test_the_level_holds_at_the_edge_of_the_interval(options: dict[str, Any]) -> None:
    """An effect of exactly δ is the hardest true null; neither form alone keeps its level for all three."""
    rejected = [(found.p <= 0.05).mean() for found in simulated(0.1, n=30, **options)]
    assert np.mean(rejected) <= 0.063


def test_draws_end_where_nothing_can_come_of_it() -> None:
    concept, pool = rng().normal(0, 1, (30, 1)), rng(1).normal(0, 1, (60, 1))
    found = against_pool(concept, pool, margins=MARGINS, draws=20_000, rng=rng())
    assert EXCEEDANCES <= found.draws[0] < 300
    assert found.p_relabelled[0] == pytest.approx(EXCEEDANCES / found.draws[0])
    strong = against_pool(concept + 3, pool, margins=MARGINS, draws=999, rng=rng())
    assert strong.draws[0] == 999
    assert strong.p_relabelled[0] == pytest.approx(2 / 1000)


def test_n_pairs_cannot_go_below_their_flips() -> None:
    found = within_pairs(
        np.full((6, 1), 5.0) + rng().normal(0, 0.1, (6, 1)),
        rng(1).normal(0, 1, (30, 1)),
        margins=MARGINS,
        draws=ALL,
        rng=rng(),
    )
    assert found.p_relabelled[0] == pytest.approx(2.0 ** (1 - 6))


def test_a_column_alone_is_what_it_is_among_others() -> None:
    concept, pool = rng().normal(0.4, 1, (20, 5)), rng(1).normal(0, 1, (60, 5))
    together = against_pool(concept, pool, margins=MARGINS, draws=2000, rng=rng(7))
    for column in range(5):
        alone = against_pool(concept[:, [column]], pool[:, [column]], margins=MARGINS, draws=2000, rng=rng(7))
        assert alone.draws[0] == together.draws[column]
        for name in ("p_relabelled", "p", "low"):
            assert getattr(alone, name)[0] == pytest.approx(getattr(together, name)[column], rel=1e-12)


@pytest.mark.parametrize("scale", [1e-12, -1.0, 1e9])
def test_scale_and_offset_of_scores_change_nothing_but_the_sign(scale: float) -> None:
    concept, pool = rng().normal(0.6, 1, (6, 1)), rng(1).normal(0, 1, (7, 1))
    one = against_pool(concept, pool, margins=MARGINS, draws=ALL, rng=rng())
    two = against_pool(scale * (concept + 3), scale * (pool + 3), margins=MARGINS, draws=ALL, rng=rng())
    assert two.p[0] == pytest.approx(one.p[0])
    assert two.effect[0] == pytest.approx(math.copysign(1, scale) * one.effect[0])


@pytest.mark.parametrize("concept", [np.zeros((8, 1)), np.ones((8, 1))])
def test_scores_without_any_spread_show_nothing(concept: Any) -> None:
    found = against_pool(concept, np.zeros((9, 1)), margins=MARGINS, draws=ALL, rng=rng())
    assert found.p[0] == 1.0
    assert within_pairs(concept, rng().normal(size=(30, 1)), margins=MARGINS, draws=ALL, rng=rng()).p[0] == 1.0


def test_equivalence_is_two_one_sided_tests() -> None:
    pool = rng(1).normal(0, 1, (4000, 1))
    near = against_pool(rng().normal(0.0, 1, (3000, 1)), pool, margins=MARGINS, draws=19, rng=rng())
    far = against_pool(rng().normal(0.5, 1, (3000, 1)), pool, margins=MARGINS, draws=19, rng=rng())
    assert near.p_equivalence[0] < 1e-6
    assert far.p_equivalence[0] > 0.99
    expected = stats.norm.sf((0.3 - abs(near.effect[0])) / near.standard_error[0])
    assert near.p_equivalence[0] == pytest.approx(expected, rel=0.05)


def test_a_matched_part_of_the_pool_is_compared_and_the_whole_is_the_unit() -> None:
    concept, pool = rng().normal(1, 1, (10, 1)), rng(1).normal(0, 1, (40, 1))
    some = np.arange(40) < 15
    found = against_pool(concept, pool, compared=some, margins=MARGINS, draws=99, rng=rng())
    assert found.effect[0] == pytest.approx((concept.mean() - pool[some].mean()) / pool.std(ddof=1))
