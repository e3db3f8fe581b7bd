"""How much of a concept a clip shows: a known answer, plain loops, and what must not matter."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from videotcav.errors import NotEnoughData
from videotcav.explain.questions.presence import Displacement, _auroc_interval, percentile

N_CONCEPT, N_POOL = 12, 30


def world(columns: int, shift: float, *, seed: int, offset: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Videos of a concept and of a pool that differ by `shift` along the first axis, and that axis' displacement."""
    rng = np.random.default_rng(seed)
    moved = np.zeros(columns)
    moved[0] = shift
    concept = rng.normal(size=(N_CONCEPT, columns)) + moved + offset
    return np.concatenate([concept, rng.normal(size=(N_POOL, columns)) + offset]), moved


def displacement(videos: np.ndarray) -> Displacement:
    return Displacement((videos @ videos.T)[None], N_CONCEPT)


def test_shares_are_right_on_average_though_means_are_noisy() -> None:
    """Of new clips at 0, a half and all of the displacement, in a hundred dimensions with twelve videos.

    The plain projection, whose |d|² holds the noise of both means, gives a new clip of the concept far less than 1.
    """
    wanted = np.array([0.0, 0.5, 1.0])
    found, plain = [], []
    for seed in range(150):
        videos, moved = world(100, 4.0, seed=seed)
        clips = np.random.default_rng(1000 + seed).normal(size=(3, 100)) + 3.0 + wanted[:, None] * moved
        of = displacement(videos)
        found.append([of.share((clip @ videos.T)[None]).value for clip in clips])
        d = videos[:N_CONCEPT].mean(axis=0) - videos[N_CONCEPT:].mean(axis=0)
        plain.append([(clip - videos[N_CONCEPT:].mean(axis=0)) @ d / (d @ d) for clip in clips])
    standard_error = np.std(found, axis=0) / np.sqrt(150)
    assert np.all(np.abs(np.mean(found, axis=0) - wanted) < 3 * standard_error + 0.03)
    assert np.mean(plain, axis=0)[2] < 0.8


def test_intervals_hold_the_truth() -> None:
    """Of a fixed clip, over fresh videos: 95 % of 300, by three standard errors of that count."""
    held = 0
    for seed in range(300):
        videos, moved = world(20, 3.0, seed=seed)
        clip = np.random.default_rng(5000 + seed).normal(size=20) + 3.0 + moved
        truth = (clip - 3.0) @ moved / (moved @ moved)
        estimate = displacement(videos).share((clip @ videos.T)[None])
        held += estimate.low <= truth <= estimate.high
    assert 0.912 <= held / 300 <= 0.99


def test_one_video_left_out_is_the_same_without_it() -> None:
    """What is computed from sums, held against sums of what is left and plain loops over pairs."""
    videos, _ = world(6, 2.0, seed=1)

    def plain(clip: np.ndarray, concept: np.ndarray, pool: np.ndarray) -> float:
        def pairs(some: np.ndarray) -> float:
            n = len(some)
            return sum(some[i] @ some[j] for i in range(n) for j in range(n) if i != j) / (n * (n - 1))

        across = concept.mean(axis=0) @ pool.mean(axis=0)
        above = clip @ (concept.mean(axis=0) - pool.mean(axis=0)) - across + pairs(pool)
        return above / (pairs(concept) + pairs(pool) - 2 * across)

    concept, pool = videos[:N_CONCEPT], videos[N_CONCEPT:]
    of = displacement(videos)
    in_concept = [plain(concept[i], np.delete(concept, i, axis=0), pool) for i in range(N_CONCEPT)]
    in_pool = [plain(pool[j], concept, np.delete(pool, j, axis=0)) for j in range(N_POOL)]
    np.testing.assert_allclose(of.held_out[0], in_concept)
    np.testing.assert_allclose(of.held_out[1], in_pool)
    clip = videos[0] + 1
    estimate = of.share((clip @ videos.T)[None])
    assert estimate.value == pytest.approx(plain(clip, concept, pool))
    without = [plain(clip, np.delete(concept, i, axis=0), pool) for i in range(N_CONCEPT)]
    others = [plain(clip, concept, np.delete(pool, j, axis=0)) for j in range(N_POOL)]
    variance = (N_CONCEPT - 1) * np.var(without) + (N_POOL - 1) * np.var(others)
    assert 1.9 < (estimate.high - estimate.value) / np.sqrt(variance) < 2.3  # a quantile of t
    ahead = []
    for i in range(N_CONCEPT):
        for j in range(N_POOL):
            d = np.delete(concept, i, axis=0).mean(axis=0) - np.delete(pool, j, axis=0).mean(axis=0)
            ahead.append((concept[i] - pool[j]) @ d > 0)
    assert of.auroc.value == pytest.approx(np.mean(ahead))


def test_nothing_is_told_where_nothing_is() -> None:
    """The two-sample test keeps its level in many dimensions, and both see what is there."""
    ps = [
        displacement(world(300, 0.0, seed=seed)[0]).p_apart(np.random.default_rng(0), draws=199) for seed in range(200)
    ]
    assert np.mean(np.array(ps) <= 0.05) < 0.1
    assert np.mean(ps) == pytest.approx(0.5, abs=0.1)
    clear = displacement(world(20, 6.0, seed=0)[0])
    assert clear.p_apart(np.random.default_rng(0)) == 0.001
    assert clear.auroc.value > 0.97
    assert 0.8 < clear.auroc.low < clear.auroc.value <= clear.auroc.high <= 1


def test_scale_and_origin_of_a_layer_do_not_matter() -> None:
    videos, moved = world(30, 3.0, seed=4)
    clip = videos[3] + moved
    slope = np.random.default_rng(1).normal(size=30)
    scores = np.random.default_rng(2).normal(size=N_POOL)
    first = displacement(videos)
    one = first.share((clip @ videos.T)[None]), first.effect((clip @ videos.T)[None], videos @ slope, scores)
    larger = 1000 * videos + 7
    second = displacement(larger)
    products = ((1000 * clip + 7) @ larger.T)[None]
    other = second.share(products), second.effect(products, larger @ slope / 1000, 5 * scores)
    assert other[0].value == pytest.approx(one[0].value)
    assert other[0].low == pytest.approx(one[0].low)
    assert 5 * other[1].value == pytest.approx(one[1].value)
    assert 5 * other[1].high == pytest.approx(one[1].high)
    assert second.auroc == first.auroc


def test_moments_add_up_to_the_whole() -> None:
    rng = np.random.default_rng(0)
    steps = rng.normal(size=(N_CONCEPT + N_POOL, 4, 200))
    steps[:N_CONCEPT] += 1
    clip = rng.normal(size=(4, 200)) + np.array([0, 0, 2, 2])[:, None]
    of = Displacement(np.einsum("atc,bc->tab", steps, steps.mean(axis=1)), N_CONCEPT)
    shown = np.einsum("tc,bc->tb", clip, steps.mean(axis=1))
    over_time = of.over_time(shown)
    assert over_time.mean() == pytest.approx(of.share(shown).value)
    assert over_time[:2].mean() == pytest.approx(0, abs=0.5)
    assert over_time[2:].mean() == pytest.approx(2, abs=0.5)


def test_too_few_videos_are_refused() -> None:
    with pytest.raises(NotEnoughData, match="2 source videos"):
        Displacement(np.ones((1, 9, 9)), 2)
    assert percentile(0.5, np.array([0.0, 0.5, 1.0])) == pytest.approx(0.5)


def pairs(some: np.ndarray) -> float:
    """The mean inner product of two different ones."""
    n = len(some)
    return sum(some[i] @ some[j] for i in range(n) for j in range(n) if i != j) / (n * (n - 1))


@pytest.mark.parametrize("scale", [1.0, 1e-6])
def test_the_two_sample_test_is_that_of_all_ways_to_deal_the_videos(scale: float) -> None:
    """Three and five: 56 ways, each length in a plain loop; two videos are one and the same, so some ways tie."""
    videos = np.random.default_rng(3).normal(size=(8, 2)) + 1.0
    videos[:3] += 0.9
    videos[4] = videos[0]
    lengths = {}
    for chosen in combinations(range(8), 3):
        first, second = videos[list(chosen)], np.delete(videos, chosen, axis=0)
        lengths[chosen] = pairs(first) + pairs(second) - 2 * first.mean(axis=0) @ second.mean(axis=0)
    expected = np.mean([length >= lengths[0, 1, 2] - 1e-9 for length in lengths.values()])
    assert 0.03 < expected < 0.5
    of = Displacement(scale**2 * (videos @ videos.T)[None], 3)
    found = of.p_apart(np.random.default_rng(0), draws=40_000)
    assert found == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / 40_000))


def test_videos_that_are_all_alike_are_as_far_apart_as_any() -> None:
    alike = Displacement(np.ones((1, 6, 6)), 3)
    assert alike.p_apart(np.random.default_rng(0), draws=9) == 1.0
    assert np.isnan(alike.held_out[0]).all()  # a share of nothing, and no warning


def test_each_moment_is_beyond_what_the_pool_is_at_that_moment() -> None:
    rng = np.random.default_rng(5)
    steps = rng.normal(size=(9, 3, 4)) + np.array([0.0, 5.0, -3.0])[:, None]
    clip = rng.normal(size=(3, 4))
    whole = steps.mean(axis=1)
    of = Displacement(np.einsum("atc,bc->tab", steps, whole), 4)
    concept, pool = whole[:4], whole[4:]
    for moment, found in enumerate(of.over_time(np.einsum("tc,bc->tb", clip, whole))):
        base = np.mean(
            [
                steps[j, moment] @ (concept.mean(axis=0) - np.delete(pool, j - 4, axis=0).mean(axis=0))
                for j in range(4, 9)
            ]
        )
        along = clip[moment] @ (concept.mean(axis=0) - pool.mean(axis=0))
        assert found == pytest.approx((along - base) / of.length)


def test_the_effect_and_its_interval_by_leaving_videos_out() -> None:
    """Every video is really left out: of the products, of the gradient's and of the pool's scores."""
    n, N = 4, 5
    rng = np.random.default_rng(6)
    videos, clip, slope = rng.normal(size=(n + N, 3)), rng.normal(size=3) + 2, rng.normal(size=3)
    videos[:n] += 2
    scores = rng.normal(size=N)

    def effect(kept: np.ndarray) -> float:
        some, concept = videos[kept], int((kept < n).sum())
        share = Displacement((some @ some.T)[None], concept).share((clip @ some.T)[None]).value
        along = slope @ (some[:concept].mean(axis=0) - some[concept:].mean(axis=0))
        return share * along / scores[kept[kept >= n] - n].std(ddof=1)

    everything = np.arange(n + N)
    found = displacement_of(videos, n).effect((clip @ videos.T)[None], videos @ slope, scores)
    assert found.value == pytest.approx(effect(everything))
    parts = []
    for places in (range(n), range(n, n + N)):
        without = np.array([effect(np.delete(everything, place)) for place in places])
        parts.append(((len(without) - 1) * without.var(), len(without) - 1))
    variance = sum(part for part, _ in parts)
    freedom = variance**2 / sum(part**2 / of for part, of in parts)
    reach = stats.t.isf(0.025, freedom) * np.sqrt(variance)
    assert (found.low, found.high) == pytest.approx((found.value - reach, found.value + reach))


def displacement_of(videos: np.ndarray, n: int) -> Displacement:
    return Displacement((videos @ videos.T)[None], n)


def test_where_no_video_changes_anything_the_interval_is_a_point() -> None:
    """Three of one kind and three of the other; three are enough, and a clip between the kinds has a half."""
    videos = np.repeat(np.eye(2), 3, axis=0)
    found = displacement_of(videos, 3).share((np.array([0.5, 0.5]) @ videos.T)[None])
    assert (found.low, found.value, found.high) == (0.5, 0.5, 0.5)
    weights = displacement_of(videos, 3).weights()
    np.testing.assert_allclose(weights @ videos, [1.0, -1.0])  # D is the difference of the two means


@pytest.mark.parametrize(("ahead", "n", "N"), [(0.0, 12, 30), (0.2, 5, 8), (0.5, 12, 30), (0.8, 12, 30), (1.0, 4, 9)])
def test_the_interval_of_a_share_of_pairs_is_newcombes(ahead: float, n: int, N: int) -> None:
    """Both ends are θ with |value − θ| = z · SE(θ), Hanley and McNeil's SE with (n + N) / 2 in the place of each n."""

    def distance(truth: float) -> float:
        exponential, exponential_too = truth / (2 - truth), 2 * truth**2 / (1 + truth)
        shared = (n + N) / 2 - 1
        variance = (truth * (1 - truth) + shared * (exponential - truth**2 + exponential_too - truth**2)) / (n * N)
        return abs(ahead - truth) / np.sqrt(variance)

    low, high = _auroc_interval(ahead, n, N)
    assert 0 <= low <= ahead <= high <= 1
    for end in {low, high} - {0.0, 1.0}:
        assert distance(end) == pytest.approx(stats.norm.isf(0.025), rel=1e-5)
    assert (low == 0) == (ahead == 0)
    assert (high == 1) == (ahead == 1)
