"""Inner products of activations and gradients: all that anything after the model needs.

Every linear classifier used for a CAV has its direction in the span of its training activations, v = Xᵀα.
So K = X Xᵀ trains it and C = G Xᵀ scores it: the d-dimensional rows are read once, in blocks of columns,
and no later step depends on d.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from videotcav.errors import NotEnoughData, NumericalError

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Gram:
    """The inner products of one layer: n concept and random clips, m class clips.

    `kernel` (n, n) = X Xᵀ; `cross` (m, n) = G Xᵀ; `gradients` (m, m) = G Gᵀ, where clips of different classes may
    have 0: nobody asks for that. A kernel and gradients that nothing was to read are NaN.
    """

    kernel: Floats
    cross: Floats
    gradients: Floats

    @property
    def gradient_norms(self) -> Floats:
        """The length of the gradient at each class clip, (m,)."""
        norms: Floats = np.sqrt(np.clip(np.diagonal(self.gradients), 0.0, None))
        return norms

    def of_clips(self, rows: Rows) -> Gram:
        """The inner products of some of the concept and random clips, in the order of `rows`."""
        return Gram(self.kernel[np.ix_(rows, rows)], self.cross[:, rows], self.gradients)

    def of_class_clips(self, rows: Rows) -> Gram:
        """The inner products of some of the class clips, in the order of `rows`."""
        return Gram(self.kernel, self.cross[rows], self.gradients[np.ix_(rows, rows)])

    def gradient_cosine(self, rows: Rows | slice = slice(None)) -> float:
        """Mean cosine over all pairs of the gradients at `rows`; 1 where all class clips push the same way.

        Gradients of length 0 point nowhere and are left out; fewer than two others give 1.
        """
        block = self.gradients[rows][:, rows]
        norms = np.sqrt(np.clip(np.diagonal(block), 0.0, None))
        alive = norms > 0
        count = int(alive.sum())
        if count < 2:  # noqa: PLR2004 - a pair
            return 1.0
        cosines = block[np.ix_(alive, alive)] / np.outer(norms[alive], norms[alive])
        return float((cosines.sum() - np.trace(cosines)) / (count * (count - 1)))


def gram(
    blocks: Iterable[tuple[ArrayLike, ArrayLike]],
    *,
    layer: str = "",
    clips: Sequence[str] = (),
    class_clips: Sequence[str] = (),
) -> Gram:
    """The Gram blocks of rows that arrive as blocks of columns: pairs of X (n, b) and G (m, b).

    Products and sums are float64 whatever the blocks are, so the relative error is that of float64 (about
    √d · 1e-16) and a block may be of any width; only one block at a time is held in float64.

    Raises:
        NumericalError: a row has NaN or infinity; the message names the layer and the clips.
        NotEnoughData: there is no block.
    """
    kernel = cross = gradients = None
    for activation_block, gradient_block in blocks:
        X = np.asarray(activation_block, dtype=np.float64)
        G = np.asarray(gradient_block, dtype=np.float64)
        _refuse_non_finite(X, clips, f"the activation at layer '{layer}'")
        _refuse_non_finite(G, class_clips, f"the gradient at layer '{layer}'")
        if kernel is None or cross is None or gradients is None:
            kernel, cross, gradients = X @ X.T, G @ X.T, G @ G.T
        else:
            kernel += X @ X.T
            cross += G @ X.T
            gradients += G @ G.T
    if kernel is None or cross is None or gradients is None:
        raise NotEnoughData(f"layer '{layer}' has no activations: give at least one block of columns")
    return Gram(kernel=kernel, cross=cross, gradients=gradients)


def _refuse_non_finite(block: Floats, names: Sequence[str], what: str) -> None:
    bad = np.flatnonzero(~np.isfinite(block).all(axis=1))
    if bad.size == 0:
        return
    shown = ", ".join(names[row] if row < len(names) else f"clip {row}" for row in bad[:3].tolist())
    more = f" and {bad.size - 3} more" if bad.size > 3 else ""  # noqa: PLR2004 - as shown above
    raise NumericalError(
        f"{what} has NaN or infinite values for {shown}{more}; no score is given. "
        "Check these videos and the model's weights, or leave the clips out"
    )
