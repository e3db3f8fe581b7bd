"""How far the concepts of a study are one and the same to a layer. Descriptive: no verdict follows from it.

The displacement of a concept is the mean of its clips' activations minus the mean of the pool's. Displacements lie in
the span of the activations, d = Xᵀβ, so all of their inner products are in the Gram blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from videotcav.explain.cavs.gram import Floats, Gram
from videotcav.explain.design.draws import Clips

_INDEPENDENT = 1e-9  # of the largest singular value: displacements that point the same way are one direction


@dataclass(frozen=True)
class Entanglement:
    """Of one layer: `cosines` (concept, concept) between displacements, and each concept's `own` effect
    (concept, class): what its displacement does to the readout once the others' directions are taken out of it.
    `whole` (concept, class) is the same with nothing taken out. Both are in the score's own unit.
    """

    cosines: Floats
    whole: Floats
    own: Floats


def entanglement(gram: Gram, concepts: Sequence[Clips], pool: Clips, classes: Sequence[Clips]) -> Entanglement:
    """The displacements of concepts held against each other at one layer."""
    betas = np.zeros((len(concepts), len(gram.kernel)))
    for beta, concept in zip(betas, concepts, strict=True):
        beta[concept.rows] += 1 / len(concept)
        beta[pool.rows] -= 1 / len(pool)
    products = betas @ gram.kernel @ betas.T
    lengths = np.sqrt(np.clip(np.diagonal(products), 0.0, None))
    sizes = np.outer(lengths, lengths)
    readouts = np.stack([gram.cross[clips.rows].mean(axis=0) for clips in classes], axis=1)
    whole = betas @ readouts
    own = np.array([whole[at] - _explained(products, whole, at) for at in range(len(concepts))])
    return Entanglement(products / np.where(sizes > 0, sizes, 1.0), whole, own)


def _explained(products: Floats, whole: Floats, at: int) -> Floats:
    """What a readout gives of a concept's displacement that lies in the others' directions, (class,)."""
    others = np.delete(np.arange(len(products)), at)
    inverse = np.linalg.pinv(products[np.ix_(others, others)], rcond=_INDEPENDENT, hermitian=True)
    found: Floats = products[at, others] @ inverse @ whole[others]
    return found
