"""How far the concepts of a study are one and the same to a layer (method.md 8.14). No verdict follows from it.

The displacement of a concept is the mean of its videos' activations minus the mean of the pool's. Displacements lie in
the span of the activations, d = Xᵀβ, so all of their inner products are in the Gram blocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from videotcav.explain.cavs.gram import Floats, Gram
from videotcav.explain.design.design import ConceptRows, Design, shares_source
from videotcav.explain.design.draws import GramRows

_INDEPENDENT = 1e-9  # of the largest singular value: displacements that point the same way are one direction


@dataclass(frozen=True)
class Entanglement:
    """Of one layer: `cosines` (concept, concept) between displacements, NaN where one of them is not longer than the
    noise of its means, and each concept's `own` effect (concept, class): what its displacement does to the layer's
    readout once the others' directions are taken out of it. `whole` is the same with nothing taken out. Both are in
    standard deviations of the readout over the pool's videos, as shift is; NaN where it has none.
    """

    cosines: Floats
    whole: Floats
    own: Floats


def held_together(design: Design) -> tuple[ConceptRows, ...]:
    """One set of each concept: its moving clips, or its still ones where none move; none where there is one concept."""
    chosen: dict[str, ConceptRows] = {}
    for each in sorted(design.concepts, key=lambda each: (each.kind != "spatiotemporal", each.kind != "spatial")):
        chosen.setdefault(each.concept, each)
    ordered = tuple(chosen[name] for name in design.kinds)
    return ordered if len(ordered) > 1 else ()


def reads_kernel(design: Design) -> bool:
    """Whether anything that is told of a run needs the products of set clips with each other: CAVs do, and this."""
    return design.trains_cavs or bool(held_together(design))


def entanglements(grams: Mapping[str, Gram], design: Design) -> dict[str, Entanglement]:
    """The concepts of `held_together` at each layer; nothing where there are no two."""
    concepts = held_together(design)
    pools = [_without(design.pool_of(each), each.clips) for each in concepts]
    if not concepts or not all(map(len, pools)):
        return {}
    classes = tuple(design.classes.values())
    return {
        layer: entanglement(gram, [each.clips for each in concepts], pools, classes, design.random)
        for layer, gram in grams.items()
    }


def entanglement(
    gram: Gram,
    concepts: Sequence[GramRows],
    pools: Sequence[GramRows],
    classes: Sequence[GramRows],
    reference: GramRows,
) -> Entanglement:
    """The displacements of concepts, each against its pool, held against each other at one layer.

    Products of means run over pairs of different videos: the noise of a video that two means share, the pool's above
    all, would make any two concepts look alike.
    """
    n = len(gram.kernel)
    sets = np.array([_weights(clips, n) for clips in (*concepts, *pools)])
    count = len(concepts)
    betas = sets[:count] - sets[count:]
    products = _apart(_between_videos(gram, sets, [*concepts, *pools, reference]), count)
    squares = np.diagonal(products)
    lengths = np.sqrt(np.where(squares > 0, squares, np.nan))
    readouts = np.stack([gram.cross[clips.rows].mean(axis=0) for clips in classes], axis=1)
    videos = np.unique(reference.source_index)
    spread = np.array([readouts[reference.rows[reference.source_index == video]].mean(axis=0) for video in videos])
    unit = spread.std(axis=0, ddof=1) if len(videos) > 1 else np.zeros(len(classes))
    unit = np.where(unit > 0, unit, np.nan)
    whole = betas @ readouts
    inner = betas @ (gram.kernel @ betas.T)
    own = np.array([whole[at] - _explained(inner, whole, at) for at in range(count)])
    cosines = np.clip(products / np.outer(lengths, lengths), -1.0, 1.0)
    return Entanglement(cosines, whole / unit, own / unit)


def _weights(clips: GramRows, n: int) -> Floats:
    """The mean over videos as weights of all clips, (clip,)."""
    index = clips.source_index
    weights = np.zeros(n)
    weights[clips.rows] = 1 / np.bincount(index)[index] / len(clips.counts)
    return weights


def _between_videos(gram: Gram, sets: Floats, of: Sequence[GramRows]) -> Floats:
    """The inner products of means, (set, set), over pairs of clips of different videos; NaN where there are none."""
    sums = sets @ (gram.kernel @ sets.T)
    weights = np.ones_like(sums)
    rows_of: dict[str, set[int]] = {}
    for clips in of:
        for row, source in zip(clips.rows.tolist(), clips.sources, strict=True):
            rows_of.setdefault(source, set()).add(row)
    for together in rows_of.values():
        rows = np.array(sorted(together))
        part = sets[:, rows]
        sums -= part @ gram.kernel[np.ix_(rows, rows)] @ part.T
        weights -= np.outer(part.sum(axis=1), part.sum(axis=1))
    found: Floats = np.where(weights > _INDEPENDENT, sums / np.where(weights > _INDEPENDENT, weights, 1.0), np.nan)
    return found


def _apart(between: Floats, count: int) -> Floats:
    """The inner products of displacements, from those of the concepts' means and then of their pools'."""
    concepts, pools = slice(count), slice(count, None)
    found: Floats = (
        between[concepts, concepts] + between[pools, pools] - between[concepts, pools] - between[pools, concepts]
    )
    return found


def _without(pool: GramRows, concept: GramRows) -> GramRows:
    """The pool without the concept's own videos."""
    kept = ~shares_source(pool, concept)
    sources = tuple(source for source, is_kept in zip(pool.sources, kept, strict=True) if is_kept)
    return GramRows(pool.rows[kept], sources)


def _explained(products: Floats, whole: Floats, at: int) -> Floats:
    """What a readout gives of a concept's displacement that lies in the others' directions, (class,)."""
    others = np.delete(np.arange(len(products)), at)
    inverse = np.linalg.pinv(products[np.ix_(others, others)], rcond=_INDEPENDENT, hermitian=True)
    found: Floats = products[at, others] @ inverse @ whole[others]
    return found
