"""How much of one displacement others explain: known by hand, whatever the noise of means of few videos."""

from __future__ import annotations

import numpy as np
import pytest

from videotcav.explain.questions.coverage import explained_share

CHANNELS, VIDEOS = 40, 12


def rows(rng: np.random.Generator, mean: dict[int, float], videos: int = VIDEOS) -> np.ndarray:
    """Videos of unit noise about a mean that is 0 but for some channels."""
    found = rng.normal(size=(videos, CHANNELS))
    for channel, value in mean.items():
        found[:, channel] += value
    return found


def test_the_share_is_that_of_the_squared_length_and_its_interval_holds_it() -> None:
    """The class is 3 along one channel and 4 along another; a set along the first, nearly without noise, has 9/25."""
    shares, covered, naive = [], 0, []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        own, others = rows(rng, {0: 3.0, 1: 4.0}), rows(rng, {})
        known, pool = 0.01 * rows(rng, {0: 500.0}), 0.01 * rows(rng, {}, 30)
        found = explained_share(own, others, [known], pool, rng=rng)
        assert found is not None
        shares.append(found.share.value)
        covered += found.share.low <= 0.36 <= found.share.high
        moved = own.mean(axis=0) - others.mean(axis=0)
        naive.append(moved[0] ** 2 / (moved @ moved))
    assert np.mean(shares) == pytest.approx(0.36, abs=0.04)
    assert np.mean(naive) < 0.32  # with the noise of the means in its length
    assert covered >= 17


def test_sets_that_span_it_explain_all_and_one_beside_it_no_more_than_chance() -> None:
    rng = np.random.default_rng(0)
    own, others, pool = rows(rng, {0: 3.0, 1: 4.0}), rows(rng, {}), rows(rng, {}, 40)
    both = [rows(rng, {0: 60.0}), rows(rng, {0: 5.0, 1: 60.0})]
    spanned = explained_share(own, others, both, pool, rng=rng)
    assert spanned is not None
    assert spanned.share.value == pytest.approx(1.0, abs=0.02)
    assert spanned.by_chance < 0.3
    beside = explained_share(own, others, [rows(rng, {2: 60.0})], pool, rng=rng)
    assert beside is not None
    assert beside.share.value <= beside.by_chance


def test_nothing_is_told_of_what_chance_alone_sets_apart() -> None:
    rng = np.random.default_rng(1)
    pool, sets = rows(rng, {}), [rows(rng, {0: 5.0})]
    assert explained_share(rows(rng, {}), rows(rng, {}), sets, pool, rng=rng) is None
    assert explained_share(rows(rng, {0: 9.0}, 2), rows(rng, {}), sets, pool, rng=rng) is None
