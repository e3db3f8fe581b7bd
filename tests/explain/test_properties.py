"""What must hold whatever the numbers are: swaps, duplicates, constant features, single clips, precision, threads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from threadpoolctl import threadpool_limits

from support.analysed import analyse
from videotcav.errors import VideotcavError
from videotcav.explain.cavs.cav import CLASSIFIERS, spread
from videotcav.explain.cavs.gram import gram
from videotcav.explain.cavs.score import run_statistics
from videotcav.explain.design.settings import AnalysisSettings
from videotcav.explain.inference.permutation import classic_two_sample

NAMES = sorted(CLASSIFIERS)
SEEDS = st.integers(0, 2**32 - 1)


def study(seed: int, *, positives: int, negatives: int, dimensions: int, dtype: type = np.float64):
    rng = np.random.default_rng(seed)
    X = (rng.normal(size=(positives + negatives, dimensions)) + rng.normal(size=dimensions)).astype(dtype)
    return X, rng.normal(size=(5, dimensions)).astype(dtype)


def scores(X: np.ndarray, G: np.ndarray, *, positives: int, name: str, width: int = 10_000) -> np.ndarray:
    """Sign count, sensitivity and cosine of one run."""
    whole = gram((X[:, at : at + width], G[:, at : at + width]) for at in range(0, X.shape[1], width))
    runs = np.arange(len(X))[None, None]
    penalty = 0.1 * spread(whole.kernel) or 1.0
    weights = np.full((len(G), 1), 1 / len(G))
    return run_statistics(
        whole, runs, weights, positives=positives, classifier=CLASSIFIERS[name], penalty=penalty
    ).ravel()


@settings(max_examples=25, deadline=None, derandomize=True)
@given(name=st.sampled_from(NAMES), seed=SEEDS, positives=st.integers(1, 8), negatives=st.integers(1, 8))
def test_concept_and_random_swapped_turn_the_sign(name: str, seed: int, positives: int, negatives: int) -> None:
    X, G = study(seed, positives=positives, negatives=negatives, dimensions=20)
    there = scores(X, G, positives=positives, name=name)
    back = scores(np.roll(X, negatives, axis=0), G, positives=negatives, name=name)
    np.testing.assert_allclose(back[1:], -there[1:], rtol=1e-6, atol=1e-8)
    if np.abs(there[1:]).min() > 1e-6:
        assert back[0] == pytest.approx(1 - there[0])


@settings(max_examples=15, deadline=None, derandomize=True)
@given(name=st.sampled_from(NAMES), seed=SEEDS, constants=st.integers(1, 5), value=st.floats(-100, 100))
def test_features_that_never_change_change_nothing(name: str, seed: int, constants: int, value: float) -> None:
    """A feature that is the same in all clips cannot tell a concept: no CAV leans on it, though the class may."""
    X, G = study(seed, positives=5, negatives=6, dimensions=12)
    more = np.concatenate([X, np.full((len(X), constants), value)], axis=1)
    of_class = np.concatenate([G, np.random.default_rng(seed).normal(size=(len(G), constants))], axis=1)
    there, here = scores(more, of_class, positives=5, name=name), scores(X, G, positives=5, name=name)
    np.testing.assert_allclose(there[:2], here[:2], rtol=1e-5, atol=1e-6)  # the cosine knows of the longer gradient


@pytest.mark.parametrize("name", NAMES)
def test_duplicates_are_finite_and_mirror_images_of_nothing(name: str) -> None:
    """One clip many times is a concept with a direction; one that equals its random clips has none."""
    X, G = study(3, positives=4, negatives=4, dimensions=10)
    X[1:4] = X[0]
    assert np.isfinite(scores(X, G, positives=4, name=name)).all()
    X[4:] = X[0]
    np.testing.assert_allclose(scores(X, G, positives=4, name=name)[1:], 0.0, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_one_clip_against_one_is_the_line_between_them(name: str) -> None:
    X, G = study(5, positives=1, negatives=1, dimensions=7)
    line = (X[0] - X[1]) / np.linalg.norm(X[0] - X[1])
    expected = [(G @ line > 0).mean(), (G @ line).mean(), (G @ line / np.linalg.norm(G, axis=1)).mean()]
    np.testing.assert_allclose(scores(X, G, positives=1, name=name), expected, rtol=1e-7)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(name=st.sampled_from(NAMES), seed=SEEDS, width=st.integers(1, 40))
def test_float32_blocks_and_threads_change_rounding_alone(name: str, seed: int, width: int) -> None:
    X, G = study(seed, positives=6, negatives=7, dimensions=40)
    exact = scores(X, G, positives=6, name=name)
    single = scores(X.astype(np.float32), G.astype(np.float32), positives=6, name=name, width=width)
    np.testing.assert_allclose(single[1:], exact[1:], rtol=1e-4, atol=1e-5)
    with threadpool_limits(2):
        threaded = scores(X, G, positives=6, name=name, width=width)
    np.testing.assert_allclose(threaded[1:], exact[1:], rtol=1e-8, atol=1e-9)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=SEEDS, first=st.integers(2, 30), second=st.integers(2, 30), shift=st.floats(-2, 2))
def test_the_classic_test_is_scipys(seed: int, first: int, second: int, shift: float) -> None:
    rng = np.random.default_rng(seed)
    ours, random = rng.normal(size=first) + shift, rng.normal(size=second)
    assert classic_two_sample(ours, random).p == pytest.approx(stats.ttest_ind(ours, random, equal_var=False).pvalue)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["activation", "gradient"])
def test_what_is_not_a_number_is_named_and_never_averaged(gaussian_study, bad: float, where: str) -> None:
    made = gaussian_study(np.random.default_rng(1))
    made.add("near", "spatial", made.base(12) + 2 * made.w)
    X, G = made.X, made.G.copy()
    (X if where == "activation" else G)[7, 3] = bad
    with pytest.raises(VideotcavError, match=rf"the {where} at layer 'stage'.*clip 7"):
        analyse(
            {"stage": gram([(X, G)], layer="stage")},
            concepts=made.concepts,
            random=made.random,
            classes=made.classes,
            settings=AnalysisSettings(random_draws=2, pseudo_concepts=99, bootstrap_resamples=50),
        )
