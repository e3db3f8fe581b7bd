"""Sets are drawn by source video, and from a seed and a name alone."""

from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from videotcav.explain.design.draws import GramRows, draw_flips, draw_negatives, draw_sets, generator, source_shares


def clips(*counts: int, first: int = 0) -> GramRows:
    """`counts[i]` clips of source i."""
    sources = tuple(f"video {index}" for index, count in enumerate(counts) for _ in range(count))
    return GramRows(np.arange(first, first + len(sources)), sources)


@given(
    pool=st.lists(st.integers(1, 5), min_size=4, max_size=12),
    wanted=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_a_pseudo_concept_has_the_clips_and_the_videos_of_the_set_it_copies(
    pool: list[int], wanted: list[int], seed: int
) -> None:
    from_pool, counts = clips(*pool), sorted(wanted, reverse=True)
    drawn = draw_sets(from_pool, counts, sets=7, rng=np.random.default_rng(seed))
    assert drawn.shape == (7, sum(counts))
    sizes = dict(enumerate(pool))
    for positions in drawn:
        sources = from_pool.source_index[positions]
        assert sorted(np.bincount(sources)[np.unique(sources)].tolist(), reverse=True) == counts
        for source in np.unique(sources):
            mine = positions[sources == source]
            assert len(set(mine.tolist())) == min(len(mine), sizes[source])  # clips repeat only where they run out


def test_each_source_is_drawn_equally_often() -> None:
    drawn = draw_sets(clips(*[1] * 10), [1, 1, 1], sets=4000, rng=np.random.default_rng(0))
    np.testing.assert_allclose(np.bincount(drawn.ravel()) / 4000, 0.3, atol=0.03)


def test_random_sets_avoid_what_is_excluded_and_hold_no_clip_twice() -> None:
    excluded = np.zeros((3, 12), dtype=bool)
    excluded[0, :6], excluded[1, 6:] = True, True
    drawn = draw_negatives(excluded, size=5, draws=8, rng=np.random.default_rng(1))
    assert drawn.shape == (3, 8, 5)
    assert drawn[0].min() >= 6
    assert drawn[1].max() < 6
    assert all(len(set(each.tolist())) == 5 for each in drawn.reshape(-1, 5))


def test_few_pairs_are_flipped_in_every_way_once_up_to_the_opposite() -> None:
    flips, complete = draw_flips(4, draws=100, rng=np.random.default_rng(0))
    assert complete
    assert not flips[0].any()
    listed = {tuple(row) for row in flips.tolist()} | {tuple(row) for row in (~flips).tolist()}
    assert listed == set(product((False, True), repeat=4))
    assert len(flips) == 8
    assert draw_flips(7, draws=64, rng=np.random.default_rng(0))[1]
    many, complete = draw_flips(8, draws=64, rng=np.random.default_rng(0))
    assert many.shape == (64, 8)
    assert not complete


def test_a_draw_depends_on_the_seed_and_the_names_alone() -> None:
    first = generator(3, "negatives", "racket").random(4)
    generator(3, "negatives", "ball").random(100)
    np.testing.assert_array_equal(generator(3, "negatives", "racket").random(4), first)
    assert not np.array_equal(generator(4, "negatives", "racket").random(4), first)
    assert not np.array_equal(generator(3, "negatives", "rackets").random(4), first)


def test_clips_of_one_video_are_resampled_together() -> None:
    some = clips(3, 1, 2, first=4)
    shares = source_shares(some, 12, resamples=50, rng=np.random.default_rng(2))
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    assert not shares[:, [0, 1, 2, 3, 10, 11]].any()
    np.testing.assert_array_equal(shares[:, 4], shares[:, 5])
    np.testing.assert_array_equal(shares[:, 8], shares[:, 9])
    assert some.counts == (3, 2, 1)
