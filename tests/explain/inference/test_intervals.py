"""Influences of a statistic whose influences are known: a mean of values."""

from __future__ import annotations

import numpy as np
import pytest

from videotcav.explain.design.draws import GramRows
from videotcav.explain.inference.intervals import Influences, concept_influence, random_influence

VALUES = np.array([0.0, 0.0, 0.0, 4.0, 1.0, 1.0])
NONE = np.zeros((3, 1, 1))


def mean_of(rows: np.ndarray) -> np.ndarray:
    return np.broadcast_to(VALUES[rows].mean(axis=-1)[None, :, None], (3, len(rows), 1))


def test_deviations_are_those_of_a_mean_of_values_drawn_again() -> None:
    """Of 0, 0, 0 and 4 the mean, 1, may rise by 3 and fall by 1: signs and the centre count. The jackknife's
    influences are as much wider as its variance is than that of drawing.
    """
    wider = np.sqrt(4 / 3)
    for influences in (
        concept_influence(GramRows(np.arange(4), tuple("abcd")), score=mean_of) / wider,
        np.broadcast_to(VALUES[None, :4, None] - 1.0, (3, 4, 1)),
    ):
        for concept, random in ((influences, NONE), (NONE, influences)):
            both = Influences(concept, random, np.zeros((3, 1)))
            found = both.resampled_deviations(np.zeros((1, 1)), np.zeros((20_000, 1, 1)), rng=np.random.default_rng(0))
            assert found[0].mean() == pytest.approx(0, abs=0.03)
            assert (found[0].min(), found[0].max()) == pytest.approx((-1, 3))


def test_class_clips_that_are_drawn_as_they_were_deviate_by_nothing() -> None:
    clips = np.arange(12.0).reshape(3, 4)
    shares = np.full((4, 1), 0.25)
    alone = Influences(NONE, NONE, clips)
    rng = np.random.default_rng(0)
    assert not alone.resampled_deviations(shares, np.stack([shares, shares]), rng=rng).any()
    one = np.eye(4)[:, [3]]
    found = alone.resampled_deviations(shares, one[None], rng=rng)
    assert found[:, 0, 0] == pytest.approx(clips[:, 3] - clips.mean(axis=1))


def test_a_set_differs_from_itself_by_nothing() -> None:
    rng = np.random.default_rng(0)
    own = Influences(rng.normal(size=(3, 4, 1)), rng.normal(size=(3, 5, 1)), rng.normal(size=(3, 6)))
    nothing = own - own
    assert not any(each.any() for each in (nothing.concept, nothing.random, nothing.clips))


def test_a_random_video_moves_the_mean_over_all_draws_that_hold_it() -> None:
    """Every video is left out of every set, in a plain loop; the first video is in two of the three sets."""
    pool = GramRows(np.arange(6), tuple("aabcde"))
    negatives = np.array([[0, 1, 3], [0, 4, 5], [2, 3, 4]])
    per_draw = mean_of(negatives)

    def score_runs(runs: np.ndarray, positives: int) -> np.ndarray:
        return mean_of(runs[:, positives:])

    found = random_influence(np.array([0]), pool, negatives, np.arange(5), per_draw, score_runs=score_runs)
    left_out = []
    for source in range(5):
        kept = [[row for row in chosen if pool.source_index[row] != source] for chosen in negatives.tolist()]
        left_out.append(np.mean([VALUES[rows].mean() for rows in kept]))
    expected = (np.mean(left_out) - np.array(left_out)) * 4 * np.sqrt(5 / 4)
    assert found[0, :, 0] == pytest.approx(expected)
