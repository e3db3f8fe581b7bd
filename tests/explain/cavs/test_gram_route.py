"""The Gram route gives what plain d-dimensional arithmetic gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.svm import SVC

from videotcav.errors import NotEnoughData, NumericalError
from videotcav.explain.cavs.cav import CLASSIFIERS, mean_difference, ridge, spread
from videotcav.explain.cavs.gram import gram
from videotcav.explain.cavs.score import (
    PerStatistic,
    all_runs,
    run_statistics,
    sensitivities,
    statistics,
    statistics_with_shared_negatives,
)

N, M, D = 24, 9, 70


def rows(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(N, D)) + rng.normal(size=D), rng.normal(size=(M, D)) + 0.3


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


LABELS = np.where(np.arange(N) < 10, 1.0, -1.0)


@pytest.mark.parametrize("width", [1, 7, 70, 100])
def test_blocks_of_any_width_give_the_whole_product(width: int) -> None:
    X, G = (part.astype(np.float32) for part in rows())
    blocks = ((X[:, at : at + width], G[:, at : at + width]) for at in range(0, D, width))
    whole = gram(blocks)
    X64, G64 = X.astype(np.float64), G.astype(np.float64)
    np.testing.assert_allclose(whole.kernel, X64 @ X64.T, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(whole.cross, G64 @ X64.T, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(whole.gradients, G64 @ G64.T, rtol=1e-12, atol=1e-12)


def test_a_bad_activation_is_named_and_never_scored() -> None:
    X, G = rows()
    X[3, 5] = np.nan
    with pytest.raises(NumericalError, match=r"layer 'features\.2'.*c3\.mp4"):
        gram([(X, G)], layer="features.2", clips=[f"c{row}.mp4" for row in range(N)])
    with pytest.raises(NotEnoughData):
        gram([])


def test_gradient_cosine_is_the_mean_over_pairs() -> None:
    X, G = rows()
    cosines = [cosine(G[i], G[j]) for i in range(M) for j in range(i)]
    assert gram([(X, G)]).gradient_cosine() == pytest.approx(np.mean(cosines))
    assert gram([(X, np.tile(G[:1], (M, 1)))]).gradient_cosine() == pytest.approx(1.0)
    np.testing.assert_allclose(gram([(X, G)]).gradient_norms, np.linalg.norm(G, axis=1))


def test_ridge_finds_the_direction_and_the_intercept_of_scikit_learn() -> None:
    X, G = rows()
    kernel = gram([(X, G)]).kernel
    for share in (0.001, 0.1, 3.0):
        penalty = share * spread(kernel)
        fit = ridge(kernel, LABELS, penalty=penalty)
        oracle = Ridge(alpha=penalty, solver="cholesky").fit(X, LABELS)
        np.testing.assert_allclose(X.T @ fit.alpha, oracle.coef_, rtol=1e-6, atol=1e-10)
        assert fit.intercept == pytest.approx(oracle.intercept_)


def test_mean_difference_is_the_difference_of_means_and_the_pattern_cav() -> None:
    X, G = rows()
    fit = mean_difference(gram([(X, G)]).kernel, LABELS)
    up, down = X[LABELS > 0].mean(axis=0), X[LABELS < 0].mean(axis=0)
    np.testing.assert_allclose(X.T @ fit.alpha, up - down, atol=1e-12)
    assert (up + down) / 2 @ (up - down) + fit.intercept == pytest.approx(0.0, abs=1e-9)
    pattern = ((X - X.mean(axis=0)) * (LABELS - LABELS.mean())[:, None]).mean(axis=0) / LABELS.var()
    assert cosine(X.T @ fit.alpha, pattern) == pytest.approx(1.0)


@pytest.mark.parametrize("share", [0.0003, 0.01, 1.0])
def test_every_classifier_finds_the_direction_of_scikit_learn(share: float) -> None:
    """Cosine at least 0.9999 with the vector found in R^d, and the same side for every clip."""
    X, G = rows(4)
    labels = np.where(np.arange(N) < N // 2, 1.0, -1.0)
    X[labels > 0] += 0.2
    kernel = gram([(X, G)]).kernel
    penalty = share * spread(kernel)
    oracles = {
        "logistic": LogisticRegression(C=1 / penalty, tol=1e-10, max_iter=10_000),
        "svm": SVC(C=1 / penalty, kernel="linear", tol=1e-8),
    }
    for name, oracle in oracles.items():
        oracle.fit(X, labels)
        fit = CLASSIFIERS[name](kernel, labels, penalty=penalty)
        assert cosine(X.T @ fit.alpha, oracle.coef_[0]) >= 0.9999, name
        decisions = kernel @ fit.alpha + fit.intercept
        assert np.corrcoef(decisions, oracle.decision_function(X))[0, 1] > 0.9999, name
        np.testing.assert_allclose(decisions, oracle.decision_function(X), atol=1e-3)
        np.testing.assert_array_equal(decisions > 0, oracle.decision_function(X) > 0)


@given(seed=st.integers(0, 2**32 - 1), up=st.integers(2, 12), down=st.integers(2, 12), dimensions=st.integers(1, 60))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_over_random_studies_ridge_logistic_and_svm_score_as_scikit_learns_vectors(
    seed: int, up: int, down: int, dimensions: int
) -> None:
    """What five class clips score by the vector in R^d, whatever the sizes are; it may have no length, as SVMs may."""
    rng = np.random.default_rng(seed)
    X, G = rng.normal(size=(up + down, dimensions)), rng.normal(size=(5, dimensions))
    labels = np.repeat([1.0, -1.0], [up, down])
    whole = gram([(X, G)])
    penalty = 0.1 * spread(whole.kernel)
    oracles = {
        "ridge": Ridge(alpha=penalty, solver="cholesky"),
        "logistic": LogisticRegression(C=1 / penalty, tol=1e-10, max_iter=10_000),
        "svm": SVC(C=1 / penalty, kernel="linear", tol=1e-8),
    }
    for name, oracle in oracles.items():
        vector = oracle.fit(X, labels).coef_.ravel()
        fit = CLASSIFIERS[name](whole.kernel, labels, penalty=penalty)
        np.testing.assert_allclose(whole.cross @ fit.alpha, G @ vector, atol=1e-3, err_msg=name)


@pytest.mark.parametrize("name", CLASSIFIERS)
@given(scale=st.floats(0.01, 100), shift=st.floats(-5, 5), seed=st.integers(0, 1000))
@example(scale=0.01, shift=5.0, seed=0)  # a hundredth of the clips' distance from 0 is what tells them apart
@settings(max_examples=15, deadline=None)
def test_scaling_shifting_rotating_and_permuting_turn_no_cav(name: str, scale: float, shift: float, seed: int) -> None:
    X, G = rows(5)
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.normal(size=(D, D)))[0]
    order = rng.permutation(N)

    def scores(X: np.ndarray, G: np.ndarray, labels: np.ndarray) -> np.ndarray:
        whole = gram([(X, G)])
        fit = CLASSIFIERS[name](whole.kernel, labels, penalty=0.1 * spread(whole.kernel))
        return sensitivities(whole, np.arange(N)[None], fit.alpha[None])[0]

    before = scores(X, G, LABELS)
    after = scores((scale * X + shift)[order] @ turn, G @ turn, LABELS[order])
    np.testing.assert_allclose(after, before, atol=1e-4)
    np.testing.assert_allclose(scores(X, G, -LABELS), -before, atol=1e-4)  # concept and random change places


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_batch_of_runs_is_its_runs_one_by_one(name: str) -> None:
    X, G = rows()
    kernel = gram([(X, G)]).kernel
    rng = np.random.default_rng(1)
    chosen = rng.permuted(np.tile(np.arange(N), (5, 1)), axis=1)[:, :16]
    kernels = kernel[chosen[:, :, None], chosen[:, None, :]]
    labels = np.tile(np.where(np.arange(16) < 8, 1.0, -1.0), (5, 1))
    batch = CLASSIFIERS[name](kernels, labels, penalty=2.0)
    for index in range(5):
        single = CLASSIFIERS[name](kernels[index], labels[index], penalty=2.0)
        np.testing.assert_allclose(batch.alpha[index], single.alpha, rtol=1e-6, atol=1e-12)
        np.testing.assert_allclose(batch.intercept[index], single.intercept, rtol=1e-6)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_shared_random_sets_change_no_score(name: str) -> None:
    X, G = rows(6)
    whole = gram([(X, G)])
    rng = np.random.default_rng(6)
    positives, weights = rng.integers(0, 12, size=(5, 6)), np.eye(M)
    negatives = np.stack([rng.permutation(np.arange(12, N))[:5] for _ in range(3)])
    chosen = {"classifier": CLASSIFIERS[name], "penalty": 0.2 * spread(whole.kernel)}
    shared = statistics_with_shared_negatives(whole, positives, negatives, weights, **chosen)
    apart = run_statistics(whole, all_runs(positives, negatives), weights, positives=6, **chosen)
    np.testing.assert_allclose(shared, apart, atol=1e-9)


def test_scores_are_those_of_a_plain_loop() -> None:
    X, G = rows()
    whole = gram([(X, G)])
    rng = np.random.default_rng(2)
    positives = rng.integers(0, 12, size=(4, 6))  # with repeated rows, as a bootstrap draws them
    negatives = np.stack([rng.permutation(np.arange(12, N))[:5] for _ in range(3)])
    classes = np.array([[1 / 4] * 4 + [0] * 5, [0] * 4 + [1 / 5] * 5]).T
    penalty = 0.2 * spread(whole.kernel)
    fast = statistics_with_shared_negatives(whole, positives, negatives, classes, classifier=ridge, penalty=penalty)
    general = run_statistics(
        whole, all_runs(positives, negatives), classes, positives=6, classifier=ridge, penalty=penalty
    )
    np.testing.assert_allclose(fast, general, atol=1e-9)
    labels = np.array([1.0] * 6 + [-1.0] * 5)
    for a, positive in enumerate(positives):
        for b, negative in enumerate(negatives):
            v = Ridge(alpha=penalty).fit(X[[*positive, *negative]], labels).coef_
            v /= np.linalg.norm(v)
            for c, clips in enumerate((slice(0, 4), slice(4, 9))):
                S = [g @ v for g in G[clips]]
                cosines = [g @ v / np.linalg.norm(g) for g in G[clips]]
                expected = [np.mean([s > 0 for s in S]), np.mean(S), np.mean(cosines)]
                np.testing.assert_allclose(fast[:, a, b, c], expected, atol=1e-7)


@pytest.mark.parametrize("draws", [1, 8])
def test_sets_with_random_sets_of_their_own_score_as_in_a_plain_loop(draws: int) -> None:
    """With many draws the concept is eliminated once for all of them."""
    X, G = rows(8)
    whole = gram([(X, G)])
    rng = np.random.default_rng(8)
    order = rng.permuted(np.tile(np.arange(N), (3, 1)), axis=1)
    positives, rest = order[:, :6], order[:, 6:]
    negatives = np.stack([rng.permuted(rest, axis=1)[:, :5] for _ in range(draws)], axis=1)
    penalty = 0.2 * spread(whole.kernel)
    found = run_statistics(
        whole,
        all_runs(positives, negatives),
        np.full((M, 1), 1 / M),
        positives=6,
        classifier=CLASSIFIERS["ridge"],
        penalty=penalty,
    )
    labels = np.array([1.0] * 6 + [-1.0] * 5)
    for a, positive in enumerate(positives):
        for b, negative in enumerate(negatives[a]):
            v = Ridge(alpha=penalty).fit(X[[*positive, *negative]], labels).coef_
            S = G @ v / np.linalg.norm(v)
            expected = [(S > 0).mean(), S.mean(), (S / np.linalg.norm(G, axis=1)).mean()]
            np.testing.assert_allclose(found[:, a, b, 0], expected, atol=1e-9)


def test_a_linear_model_has_a_known_answer() -> None:
    """For f(x) = w·x the CAV w scores exactly 1 and −w exactly 0; their sensitivities are ±‖w‖, the cosines ±1."""
    rng = np.random.default_rng(3)
    w = rng.normal(size=D)
    X = np.stack([w, -w, rng.normal(size=D)])
    whole = gram([(X, np.tile(w, (M, 1)))])
    weights = np.full((M, 1), 1 / M)
    runs = np.array([[[0, 1]], [[1, 0]]])  # the concept is w, then −w
    scores = run_statistics(whole, runs, weights, positives=1, classifier=ridge, penalty=1.0)[:, :, 0, 0]
    length = np.linalg.norm(w)
    np.testing.assert_allclose(scores, [[1.0, 0.0], [length, -length], [1.0, -1.0]], rtol=1e-12)


def test_a_cav_without_length_and_a_gradient_without_length_score_zero() -> None:
    X, G = rows()
    G[0] = 0
    whole = gram([(np.tile(X[:1], (N, 1)), G)])
    assert not sensitivities(whole, np.array([[0, 1]]), np.array([[1.0, -1.0]])).any()
    weights = np.zeros((M, 1))
    weights[0] = 1
    scores = run_statistics(
        gram([(X, G)]), np.arange(6).reshape(1, 1, 6), weights, positives=3, classifier=ridge, penalty=1.0
    )
    np.testing.assert_allclose(scores, 0.0)


def test_statistics_are_told_apart_by_name() -> None:
    """By hand: S = 1, 3 and −2 over gradients of length 1, 2 and 4, in two draws, the second with twice the S."""
    sensitivity = np.array([[1.0, 3.0, -2.0], [2.0, 6.0, -4.0]])
    found = PerStatistic(statistics(sensitivity, np.array([1.0, 2.0, 4.0]), np.full((3, 1), 1 / 3)))
    assert found["sign_count"].ravel().tolist() == pytest.approx([2 / 3, 2 / 3])
    assert found["sensitivity"].ravel().tolist() == pytest.approx([2 / 3, 4 / 3])
    assert found["cosine"].ravel().tolist() == pytest.approx([2 / 3, 4 / 3])
    means = found.mean("draw classes -> classes")
    assert means["sensitivity"].tolist() == pytest.approx([1.0])
    assert (means - means)["cosine"].tolist() == [0.0]
