"""Concept activation vectors without the activations: classifiers that train on inner products.

A classifier takes a `kernel` (…, n, n) and `labels` (…, n) of ±1 and gives α with v = Xᵀα pointing towards +1,
and the intercept of its decision value f(x) = v·x + b. Leading axes are independent runs, solved in one batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np

from videotcav.explain.gram import Floats, Gram, Rows


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


def mean_difference(kernel: Floats, labels: Floats, *, penalty: float = 0.0) -> Fit:  # noqa: ARG001 - has no penalty
    """Mean of the +1 clips minus mean of the −1 clips, cut half-way between the two means.

    For binary labels this is also the pattern CAV (Pahde et al. 2022): the covariance of activation and label,
    cov(x, y), is the mean difference times the product of the two shares.
    """
    positive = labels > 0
    count = positive.sum(axis=-1, keepdims=True)
    alpha = np.where(positive, 1.0 / count, -1.0 / (labels.shape[-1] - count))
    decisions = np.einsum("...ij,...j->...i", kernel, alpha)
    return Fit(alpha=alpha, intercept=-0.5 * (decisions * np.abs(alpha)).sum(axis=-1))


CLASSIFIERS: Mapping[str, Classifier] = MappingProxyType({"ridge": ridge, "mean_difference": mean_difference})
"""The classifiers by the name that a study file uses."""
