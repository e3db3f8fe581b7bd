"""CAV maps (method.md 1 and 6): where and when in a clip the sensitivity to a concept sits, and whether it is chance.

The sensitivity S = g·v (Kim et al. 2018, equation 1) is a sum over channels and positions; left unsummed over the
positions it is a density over time, height and width. With v = Xᵀα it is Σᵢ αᵢ Dᵢ, where Dᵢ = Σ_c g_c X_ic is the
density of clip i's activation: once these are known, a thousand null directions cost a small matrix product.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from videotcav.errors import NotEnoughData
from videotcav.explain.cavs.cav import Classifier
from videotcav.explain.cavs.gram import Floats
from videotcav.explain.design.draws import GramRows, draw_negatives, draw_sets

Volume = NDArray[np.float64]
TOUCHING = ndimage.generate_binary_structure(3, 1)
"""Positions touch that share a face, in time as in space."""


@dataclass(frozen=True, eq=False)
class Directions:
    """Unit directions as weights of clips, v = Xᵀα: of the concept (n,), and of `null` pseudo-concepts (draw, n)."""

    concept: Floats
    null: Floats


def concept_directions(
    kernel: Floats,
    concept: GramRows,
    pool: GramRows,
    *,
    draws: int,
    random_sets: int,
    classifier: Classifier,
    penalty: float,
    rng: np.random.Generator,
) -> Directions:
    """The concept's direction, and those of `draws` pseudo-concepts that got the very same treatment.

    A pseudo-concept has as many clips of as many source videos as the concept, drawn from the random pool
    (method.md 4.1). Each direction is the mean of unit CAVs against `random_sets` random sets of the concept's size.

    Args:
        kernel: inner products of all clips, (n, n).
        concept: the rows of the concept's clips, and their sources.
        pool: the rows of the random clips, and their sources.
        draws: how many pseudo-concepts.
        random_sets: how many random sets each direction is averaged over.
        classifier: how a CAV is trained.
        penalty: of the classifier, in units of the kernel.
        rng: decides every draw.

    Raises:
        NotEnoughData: the pool cannot give a pseudo-concept and random clips beside it.
    """
    size, sources = len(concept), len(set(pool.sources))
    if len(pool) < 2 * size or sources <= len(concept.counts):
        raise NotEnoughData(
            f"the random pool has {len(pool)} clips of {sources} source videos; a concept of {size} clips of "
            f"{len(concept.counts)} needs at least {2 * size} of {len(concept.counts) + 1}"
        )
    pseudo = draw_sets(pool, concept.counts, sets=draws, rng=rng)
    taken = np.zeros((1 + draws, len(pool)), dtype=np.bool_)
    taken[1 + np.arange(draws)[:, None], pseudo] = True
    negatives = pool.rows[draw_negatives(taken, size=size, draws=random_sets, rng=rng)]
    positives = np.concatenate([concept.rows[None], pool.rows[pseudo]])
    rows = np.concatenate([np.repeat(positives[:, None], random_sets, axis=1), negatives], axis=2)
    labels = np.broadcast_to(np.repeat([1.0, -1.0], size), rows.shape)
    weights = np.zeros((1 + draws, len(kernel)))
    for set_weights, set_rows, set_labels in zip(weights, rows, labels, strict=True):
        blocks = kernel[set_rows[:, :, None], set_rows[:, None, :]]
        alpha = classifier(blocks, set_labels, penalty=penalty).alpha
        lengths = np.sqrt(np.einsum("ri,rij,rj->r", alpha, blocks, alpha))
        np.add.at(set_weights, set_rows, alpha / lengths[:, None] / random_sets)
    return Directions(concept=weights[0], null=weights[1:])


@dataclass(frozen=True, eq=False)
class Cluster:
    """Positions that touch and lie beyond the null on one side: `where` is `time height width`, `mass` their Σ|z|."""

    where: NDArray[np.bool_]
    mass: float
    sign: int
    p: float


@dataclass(frozen=True, eq=False)
class ClusterTest:
    """How far a map lies from its null at each position (`z`), and its clusters, the largest mass first."""

    z: Volume
    clusters: tuple[Cluster, ...]

    def significant(self, alpha: float = 0.05) -> NDArray[np.bool_]:
        """Where the map is more than chance, `time height width`."""
        found = np.zeros(self.z.shape, dtype=np.bool_)
        for cluster in self.clusters:
            if cluster.p <= alpha:
                found |= cluster.where
        return found


def cluster_test(observed: Volume, null: Volume, *, threshold: float = 2.0) -> ClusterTest:
    """Which clusters of a map are more than chance. Maris and Oostenveld 2007, with a null of one's own choice.

    Every map is put on the scale of the null: z at each position by the mean and spread over the observed map *and*
    the null maps, so that under the null the observed one is but one of them. Positions with |z| above `threshold`
    that touch and have one sign form a cluster; its mass is held against the largest mass in each null map, which
    corrects for all positions at once: p = (1 + #{null at least as large}) / (1 + draws).

    The null decides what is tested. Maps of *pseudo-concepts* ask whether the concept is more than a draw from the
    random pool (method.md 4.1). Flipping signs over clips would ask whether *this direction's* density is 0 on average,
    which is false of nearly every direction, random ones too, as soon as the class's gradients have a common part.

    Args:
        observed: the map, time height width.
        null: maps under the null, draw time height width.
        threshold: |z| from which a position counts; decides what is found, not how often nothing is.
    """
    together = np.concatenate([observed[None], null])
    spread = together.std(axis=0)
    z = (together - together.mean(axis=0)) / np.where(spread > 0, spread, 1)
    largest = np.array([max((mass for _, mass, _ in _clusters(one, threshold)), default=0.0) for one in z[1:]])
    clusters = [
        Cluster(where, mass, sign, p=float((1 + (largest >= mass).sum()) / (1 + len(null))))
        for where, mass, sign in _clusters(z[0], threshold)
    ]
    return ClusterTest(z=z[0], clusters=tuple(sorted(clusters, key=lambda cluster: -cluster.mass)))


def _clusters(z: Volume, threshold: float) -> list[tuple[NDArray[np.bool_], float, int]]:
    found = []
    for sign in (1, -1):
        labels, count = ndimage.label(sign * z > threshold, structure=TOUCHING)
        masses = ndimage.sum_labels(np.abs(z), labels, index=range(1, count + 1))
        found += [(labels == number + 1, float(mass), sign) for number, mass in enumerate(masses)]
    return found
