"""CAV maps: identities, a plain loop, and a test that is right as often as it says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.stats import binom

from videotcav.errors import NotEnoughData
from videotcav.explain.cavs.cav import ridge
from videotcav.explain.design.draws import GramRows
from videotcav.explain.saliency.concept_map import cluster_test, concept_directions

GRID = (4, 5, 6)


def clip_rows(first: int, count: int, *, sources: int) -> GramRows:
    return GramRows(np.arange(first, first + count), tuple(f"{first}-{index % sources}" for index in range(count)))


def test_weights_of_clips_are_the_mean_of_unit_cavs() -> None:
    """Against ridge regression in R^d, one random set after the other."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(30, 50))
    concept, pool = clip_rows(0, 6, sources=3), clip_rows(6, 24, sources=12)
    found = concept_directions(
        X @ X.T, concept, pool, draws=4, random_sets=3, classifier=ridge, penalty=2.0, rng=np.random.default_rng(2)
    )
    assert found.null.shape == (4, 30)
    # With one random set the direction is one unit CAV, and says by itself which clips it was trained on.
    one = concept_directions(
        X @ X.T, concept, pool, draws=4, random_sets=1, classifier=ridge, penalty=2.0, rng=np.random.default_rng(2)
    )
    for alpha in (one.concept, *one.null):
        used = np.flatnonzero(alpha)
        assert len(used) == 12
        assert np.linalg.norm(X.T @ alpha) == pytest.approx(1)
        positive = used[:6] if alpha is one.concept else used[alpha[used] > 0]
        if len(positive) != 6:  # ridge may give a clip of the concept a negative weight
            continue
        y = np.where(np.isin(used, positive), 1.0, -1.0)
        centred = X[used] - X[used].mean(axis=0)
        expected = np.linalg.solve(centred.T @ centred + 2.0 * np.eye(50), centred.T @ (y - y.mean()))
        np.testing.assert_allclose(X.T @ alpha, expected / np.linalg.norm(expected), atol=1e-10)
    assert set(np.flatnonzero(found.concept)) > set(range(6))
    assert np.linalg.norm(X.T @ found.concept) < 1


def test_pseudo_concepts_come_from_the_pool_alone() -> None:
    X = np.random.default_rng(3).normal(size=(30, 40))
    concept, pool = clip_rows(0, 6, sources=6), clip_rows(6, 24, sources=24)
    found = concept_directions(
        X @ X.T, concept, pool, draws=50, random_sets=2, classifier=ridge, penalty=1.0, rng=np.random.default_rng(4)
    )
    assert not found.null[:, :6].any()


def test_too_small_a_pool_is_refused_with_what_is_needed() -> None:
    concept, pool = clip_rows(0, 10, sources=10), clip_rows(10, 15, sources=15)
    with pytest.raises(NotEnoughData, match=r"has 15 clips .* needs at least 20 of 11"):
        concept_directions(
            np.eye(25),
            concept,
            pool,
            draws=1,
            random_sets=1,
            classifier=ridge,
            penalty=1.0,
            rng=np.random.default_rng(0),
        )


def smooth(rng: np.random.Generator, count: int) -> np.ndarray:
    """Maps whose spread differs from place to place and whose neighbours are alike."""
    noise = gaussian_filter(rng.normal(size=(count, *GRID)), sigma=(0, 1, 1, 1))
    return 0.5 + noise * np.linspace(0.2, 3, GRID[2])


def test_under_the_null_it_finds_something_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    trials, draws, alpha = 300, 59, 0.05
    wrong = 0
    for _ in range(trials):
        maps = smooth(rng, 1 + draws)
        wrong += bool(cluster_test(maps[0], maps[1:], threshold=1.5).significant(alpha).any())
    assert binom.ppf(0.001, trials, alpha) <= wrong <= binom.ppf(0.999, trials, alpha)


def test_a_planted_cluster_is_found_where_it_is_and_with_its_sign() -> None:
    maps = smooth(np.random.default_rng(6), 200)
    planted = np.zeros(GRID, dtype=bool)
    planted[1:3, 1:4, 2:5] = True
    spread = maps[1:].std(axis=0)
    observed = maps[0] - 5 * spread * planted
    test = cluster_test(observed, maps[1:])
    first = test.clusters[0]
    assert first.sign == -1
    assert first.p == 1 / 200
    found = test.significant()
    assert (found & planted).sum() >= 0.9 * planted.sum()
    assert (found & ~planted).sum() <= 0.3 * planted.sum()  # a cluster takes in what touches it by chance


def test_p_is_the_rank_of_the_mass() -> None:
    """By hand, one position: 20 among 0, 1, 2 and 10 has the mean 6.6; 3 among them lies in the middle."""
    null = np.array([0.0, 1.0, 2.0, 10.0]).reshape(4, 1, 1, 1)
    test = cluster_test(np.full((1, 1, 1), 20.0), null, threshold=1.0)
    (cluster,) = test.clusters
    assert cluster.p == 1 / 5
    assert cluster.mass == pytest.approx((20 - 6.6) / np.std([20, 0, 1, 2, 10]))
    assert cluster_test(np.full((1, 1, 1), 3.0), null, threshold=1.0).clusters == ()


def test_flipping_signs_over_clips_asks_another_question() -> None:
    """A direction drawn at random is found by sign flips nearly always, where gradients have a common part.

    Against other directions it is found as often as chance says. So flips are no null for a concept.
    """
    rng = np.random.default_rng(7)
    flipped = beyond = 0
    for _ in range(40):
        gradients = rng.normal(size=(1, 8, *GRID)) + 0.5 * rng.normal(size=(20, 8, *GRID))
        directions = rng.normal(size=(40, 8, *GRID))
        maps = np.einsum("bcthw,mcthw->mbthw", gradients, directions)
        signs = rng.choice((1.0, -1.0), size=(39, 20))
        flips = np.einsum("db,bthw->dthw", signs, maps[0]) / 20
        flipped += bool(cluster_test(maps[0].mean(axis=0), flips).significant().any())
        means = maps.mean(axis=1)
        beyond += bool(cluster_test(means[0], means[1:]).significant().any())
    assert flipped >= 36
    assert beyond <= binom.ppf(0.999, 40, 0.05)
