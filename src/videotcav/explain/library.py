"""Scores beside which a concept's score can be set when the random pool is the wrong yardstick.

Set-level randomisation asks whether a concept is more than a draw from the pool. Other questions have other
nulls, made from the same score of other things: of *unrelated concepts* (does this one move the class more than
concepts do?), or of *the same concept in networks with random weights* (has training anything to do with it?).
`tests.set_null` turns either into a null with its p and its critical distance.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from videotcav.explain.cav import Classifier
from videotcav.explain.design import ConceptRows, Design
from videotcav.explain.gram import Floats, Gram
from videotcav.explain.layer import Layer
from videotcav.explain.score import run_statistics


def concept_values(gram: Gram, design: Design, concepts: Sequence[ConceptRows]) -> Floats:
    """The statistics of concept sets against random clips, (3, concept, class), without intervals or tests.

    The values of the other concepts of a library are the null of one of them.
    """
    layer = Layer("", gram, design)
    return np.stack([layer.value(concept) for concept in concepts], axis=1)


def random_weights_values(grams: Sequence[Gram], design: Design, concept: ConceptRows) -> Floats:
    """The statistics of one concept in networks with fresh weights, (3, network, class): `grams` has one a network.

    The clips, the draws and the architecture are those of the study; only the weights differ. 19 networks are
    the fewest that can give p = 0.05.
    """
    return np.concatenate([concept_values(gram, design, [concept]) for gram in grams], axis=1)


def relative_values(
    gram: Gram, group: Sequence[ConceptRows], class_shares: Floats, *, classifier: Classifier, penalty: float
) -> Floats:
    """The statistics of one-versus-rest CAVs within a named group of concepts, (3, concept, class).

    Each concept's CAV is trained against the clips of all others of the group, as in relative TCAV (Kim et al.
    2018): what sets it apart from *them*. A group of two gives opposite CAVs, so sign counts that add up to 1.
    """
    values = []
    for concept in group:
        rest = [each.clips.rows for each in group if each is not concept]
        rows = np.concatenate([concept.clips.rows, *rest])
        scores = run_statistics(
            gram, rows[None, None], class_shares, positives=len(concept.clips), classifier=classifier, penalty=penalty
        )
        values.append(scores[:, 0, 0])
    return np.stack(values, axis=1)
