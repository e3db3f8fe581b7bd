"""Scores beside which a concept's score can be set when the random pool is the wrong yardstick.

Set-level randomisation asks whether a concept is more than a draw from the pool. Other questions have other
nulls, made from the same score of other things: of *unrelated concepts* (does this one move the class more than
concepts do?), or of *the same concept in networks with random weights* (has training anything to do with it?).
`tests.set_null` turns either into a null with its p and its critical distance.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from videotcav.explain.design import ConceptRows, Design
from videotcav.explain.gram import Floats, Gram
from videotcav.explain.layer import Layer


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
