"""Concept activation vectors without the activations: classifiers that train on inner products.

A classifier takes a `kernel` (…, n, n) and `labels` (…, n) of ±1 and gives α with v = Xᵀα pointing towards +1,
and the intercept of its decision value f(x) = v·x + b. Leading axes are independent runs, solved in one batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, Protocol

import numpy as np
from scipy.special import expit

from videotcav.errors import NumericalError
from videotcav.explain.cavs.gram import Floats, Gram, Rows

ClassifierName = Literal["ridge", "logistic", "svm", "mean_difference"]


@dataclass(frozen=True)
class Fit:
    """A trained CAV on the Gram route: `alpha` (…, n) and `intercept` (…)."""

    alpha: Floats
    intercept: Floats


class Classifier(Protocol):
    """Anything that turns inner products and labels into CAVs. `penalty` is in units of the kernel."""

    def __call__(self, kernel: Floats, labels: Floats, *, penalty: float) -> Fit:
        """The CAVs of all runs."""
        ...


def spread(kernel: Floats) -> float:
    """Mean squared distance of the clips from their mean, tr(H K H) / n: the unit in which penalties are given.

    Scaling all activations by c scales K, this and therefore the penalty by c², so no CAV turns.
    """
    n = kernel.shape[-1]
    return float((np.trace(kernel) - kernel.sum() / n) / n)


def ridge(kernel: Floats, labels: Floats, *, penalty: float) -> Fit:
    """Least squares on the labels with penalty · ‖v‖² and a free intercept (the default).

    Minimises Σ (yᵢ − v·xᵢ − b)² + penalty · ‖v‖²: (H K H + penalty · I) α = H y with H = I − 11ᵀ/n, after
    which Σα = 0.
    """
    n = kernel.shape[-1]
    row_means = kernel.mean(axis=-1)
    means = row_means.mean(axis=-1)
    centred = kernel - row_means[..., :, None] - row_means[..., None, :] + means[..., None, None]
    diagonal = np.arange(n)
    centred[..., diagonal, diagonal] += penalty
    label_means = labels.mean(axis=-1)
    targets = labels - label_means[..., None]
    alpha = np.linalg.solve(centred, targets[..., None])[..., 0]
    return Fit(alpha=alpha, intercept=label_means - (row_means * alpha).sum(axis=-1))


def residual(gram: Gram, candidates: Rows, negatives: Rows, *, penalty: float) -> tuple[Gram, Floats]:
    """What is left of `candidates` once the clips `negatives` are explained: ridge with half of its work done.

    Ridge with a free intercept has the normal equations (K + penalty · I) α + b = y, Σα = 0. Eliminating the
    rows of the negatives, whose targets are −1, leaves for any choice P of candidates, whose targets are +1,

        (K̃ + penalty · I) α_P = 2,    v = X̃ᵀ α_P,    X̃ = X_P − W X_N,

    with W = [K_PN 1] A⁻¹ (its first columns), A the bordered kernel of the negatives. Given back are the inner
    products of X̃ (with itself and with the gradients) and K̃.
    """
    K = gram.kernel
    q = len(negatives)
    bordered = np.zeros((q + 1, q + 1))
    bordered[:q, :q] = K[np.ix_(negatives, negatives)] + penalty * np.eye(q)
    bordered[q, :q] = bordered[:q, q] = 1.0
    between = K[np.ix_(candidates, negatives)]
    with_one = np.hstack([between, np.ones((len(candidates), 1))])
    explained = np.linalg.solve(bordered, with_one.T).T
    W = explained[:, :q]
    own = K[np.ix_(candidates, candidates)]
    mixed = W @ between.T
    left = Gram(
        kernel=own - mixed - mixed.T + W @ K[np.ix_(negatives, negatives)] @ W.T,
        cross=gram.cross[:, candidates] - gram.cross[:, negatives] @ W.T,
        gradients=gram.gradients,
    )
    return left, own - explained @ with_one.T


def ridge_for_one_concept(kernel: Floats, positives: Rows, negatives: Rows, *, penalty: float) -> Floats:
    """Ridge's α (set, draw, n + q) of sets of `positives` (set, n), each with random sets of its own (set, draw, q).

    Eliminating the positives, whose targets are +1, as `residual` does the negatives, leaves for a random set N

        (K̃ + penalty · I) α_N = −2,    K̃ = K_NN − Bᵀ E,    α_P = −E α_N    (E without its last row, the intercept's),

    with B = [K_PN; 1] and E = A⁻¹ B, A the bordered kernel of the positives: one elimination a set serves its draws.
    """
    sets, draws, q = negatives.shape
    n, N = positives.shape[1], len(kernel)
    bordered = np.ones((sets, n + 1, n + 1))
    bordered[:, :n, :n] = kernel[positives[:, :, None], positives[:, None, :]]
    diagonal = np.arange(n)
    bordered[:, diagonal, diagonal] += penalty
    bordered[:, n, n] = 0.0
    B = np.ones((sets, n + 1, N))
    B[:, :n] = kernel[positives]
    E = np.linalg.solve(bordered, B)
    left = kernel - B.transpose(0, 2, 1) @ E
    places = negatives + N * np.arange(sets)[:, None, None]  # rows of all K̃, one below the other
    systems = left.reshape(sets * N, N)[places[..., :, None], negatives[..., None, :]]
    diagonal = np.arange(q)
    systems[..., diagonal, diagonal] += penalty
    alpha_negatives = np.linalg.solve(systems, np.full((q, 1), -2.0))[..., 0]
    spread_out = np.zeros((sets, draws, N))
    np.put_along_axis(spread_out, negatives, alpha_negatives, axis=-1)
    alpha_positives = -spread_out @ E[:, :n].transpose(0, 2, 1)
    return np.concatenate([alpha_positives, alpha_negatives], axis=-1)


def mean_difference(kernel: Floats, labels: Floats, *, penalty: float = 0.0) -> Fit:  # noqa: ARG001 - has no penalty
    """Mean of the +1 clips minus mean of the −1 clips, cut half-way between the two means.

    For binary labels this is also the pattern CAV (Pahde et al. 2022): the covariance of activation and label,
    cov(x, y), is the mean difference times the product of the two shares.
    """
    positive = labels > 0
    count = positive.sum(axis=-1, keepdims=True)
    alpha = np.where(positive, 1.0 / count, -1.0 / (labels.shape[-1] - count))
    return Fit(alpha=alpha, intercept=_half_way(kernel, labels, alpha))


def logistic(kernel: Floats, labels: Floats, *, penalty: float) -> Fit:
    """Logistic regression: minimises Σ log(1 + exp(−yᵢ f(xᵢ))) + penalty/2 · ‖v‖², the intercept free.

    Newton's method in the dual, with a step halved in every run where it would go uphill; scikit-learn's
    C is 1 / penalty. At the optimum penalty · αᵢ is the error of clip i's probability.

    Raises:
        NumericalError: it has not converged after 100 steps.
    """
    # About the clips' mean, which the intercept takes up: far from it, rounding would be all that is left of the clips.
    uncentred, kernel = kernel, _centred(kernel)
    n = kernel.shape[-1]
    targets = (labels > 0).astype(np.float64)
    alpha, intercept = np.zeros(labels.shape), np.zeros(labels.shape[:-1])
    diagonal = np.arange(n)

    def loss(a: Floats, f: Floats) -> Floats:
        smooth = penalty / 2 * (a * _decisions(kernel, a)).sum(axis=-1)
        total: Floats = np.logaddexp(0.0, -labels * f).sum(axis=-1) + smooth
        return total

    for _ in range(100):
        f = _decisions(kernel, alpha) + intercept[..., None]
        error = targets - expit(f)
        if np.abs(penalty * alpha - error).max() < 1e-9:  # noqa: PLR2004 - stationary to nine digits of a probability
            moved = _decisions(uncentred, alpha).mean(axis=-1)
            return Fit(alpha=alpha, intercept=intercept - moved)
        root = np.sqrt(np.clip(expit(f) * expit(-f), 1e-12, None))
        system = root[..., :, None] * kernel * root[..., None, :]
        system[..., diagonal, diagonal] += penalty
        solved = np.linalg.solve(system, np.stack([root * f + error / root, root], axis=-1))
        new_intercept = (root * solved[..., 0]).sum(axis=-1) / (root * solved[..., 1]).sum(axis=-1)
        step_alpha = root * (solved[..., 0] - new_intercept[..., None] * solved[..., 1]) - alpha
        step_intercept = new_intercept - intercept
        step_f = _decisions(kernel, step_alpha) + step_intercept[..., None]
        before, size = loss(alpha, f), np.ones(labels.shape[:-1])
        for _ in range(30):
            uphill = loss(alpha + size[..., None] * step_alpha, f + size[..., None] * step_f) > before + 1e-12 * n
            if not uphill.any():
                break
            size = np.where(uphill, size / 2, size)
        alpha = alpha + size[..., None] * step_alpha
        intercept = intercept + size * step_intercept
    raise NumericalError("logistic CAVs did not converge: use a larger penalty, or another classifier")


def svm(kernel: Floats, labels: Floats, *, penalty: float) -> Fit:
    """Linear support vector machine: minimises Σ max(0, 1 − yᵢ f(xᵢ)) + penalty/2 · ‖v‖², the intercept free.

    The dual, min ½ aᵀQa − Σa with 0 ≤ a ≤ C = 1/penalty and y·a = 0, by a primal-dual interior-point method
    (Wright 1997, chapter 5), all runs at once.

    Raises:
        NumericalError: it has not converged after 100 steps.
    """
    C = 1.0 / penalty
    n = kernel.shape[-1]
    Q = labels[..., :, None] * kernel * labels[..., None, :]
    a, lower, upper = (np.full(labels.shape, start) for start in (C / 2, 1.0, 1.0))
    b = np.zeros(labels.shape[:-1])
    diagonal = np.arange(n)
    for _ in range(100):
        slack = C - a
        gap = (a * lower + slack * upper).sum(axis=-1)
        gradient = _decisions(Q, a) - 1 + b[..., None] * labels
        infeasible = np.abs(gradient - lower + upper).max(axis=-1), np.abs((labels * a).sum(axis=-1))
        if gap.max() < 1e-9 * C * n and infeasible[0].max() < 1e-8 and infeasible[1].max() < 1e-8 * C:  # noqa: PLR2004
            return Fit(alpha=a * labels, intercept=b)
        target = 0.1 * gap[..., None] / (2 * n)
        system = Q.copy()
        system[..., diagonal, diagonal] += lower / a + upper / slack
        right = -gradient + target / a - target / slack
        solved = np.linalg.solve(system, np.stack([right, labels], axis=-1))
        step_b = ((labels * solved[..., 0]).sum(axis=-1) + (labels * a).sum(axis=-1)) / (labels * solved[..., 1]).sum(
            axis=-1
        )
        step_a = solved[..., 0] - step_b[..., None] * solved[..., 1]
        step_lower = (target - lower * step_a) / a - lower
        step_upper = (target + upper * step_a) / slack - upper
        primal = _to_boundary((a, step_a), (slack, -step_a))
        dual = _to_boundary((lower, step_lower), (upper, step_upper))
        a = a + primal[..., None] * step_a
        b = b + dual * step_b
        lower = lower + dual[..., None] * step_lower
        upper = upper + dual[..., None] * step_upper
    raise NumericalError("SVM CAVs did not converge: use a larger penalty, or another classifier")


def _to_boundary(*moves: tuple[Floats, Floats]) -> Floats:
    """The longest step, at most 1, that keeps every positive value positive, (…)."""
    longest = np.ones(moves[0][0].shape[:-1])
    for value, step in moves:
        ratio = np.where(step < 0, -value / np.where(step < 0, step, -1.0), np.inf)
        longest = np.minimum(longest, 0.995 * ratio.min(axis=-1))
    return longest


def _centred(kernel: Floats) -> Floats:
    """The inner products of clips about their mean."""
    rows = kernel - kernel.mean(axis=-1, keepdims=True)
    centred: Floats = rows - rows.mean(axis=-2, keepdims=True)
    return centred


def _decisions(kernel: Floats, alpha: Floats) -> Floats:
    """v·xᵢ for every clip of a run."""
    products: Floats = (kernel @ alpha[..., None])[..., 0]
    return products


def _half_way(kernel: Floats, labels: Floats, alpha: Floats) -> Floats:
    """The intercept that puts f = 0 half-way between the means of the two classes."""
    positive = labels > 0
    count = positive.sum(axis=-1, keepdims=True)
    share = np.where(positive, 1.0 / count, 1.0 / (labels.shape[-1] - count))
    middle: Floats = -0.5 * (_decisions(kernel, alpha) * share).sum(axis=-1)
    return middle


CLASSIFIERS: Mapping[ClassifierName, Classifier] = MappingProxyType(
    {"ridge": ridge, "logistic": logistic, "svm": svm, "mean_difference": mean_difference}
)
"""The classifiers by the name that a study file uses."""
