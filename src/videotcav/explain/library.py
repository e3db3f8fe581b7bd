"""Scores beside which a concept's score can be set when the random pool is the wrong yardstick.

Set-level randomisation asks whether a concept is more than a draw from the pool. Other questions have other
nulls, made from the same score of other things: of *unrelated concepts* (does this one move the class more than
concepts do?), or of *the same concept in networks with random weights* (has training anything to do with it?).
`tests.set_null` turns either into a null with its p and its critical distance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from videotcav.errors import NotEnoughData
from videotcav.explain.design import ConceptRows, Design
from videotcav.explain.draws import Clips
from videotcav.explain.gram import Floats, Gram
from videotcav.explain.judge import Estimate
from videotcav.explain.layer import Layer
from videotcav.explain.settings import AnalysisSettings
from videotcav.explain.tests import set_null
from videotcav.records import STATISTICS, Against


def library_of(design: Design, concept: ConceptRows) -> list[ConceptRows]:
    """The sets of all other concepts in the concept's own kind."""
    return [each for each in design.concepts if each.kind == concept.kind and each.concept != concept.concept]


def refuse_small_library(design: Design) -> None:
    """Nothing where every concept that asks for it has enough others beside it.

    Raises:
        NotEnoughData: a concept is unknown, or p, which is never below 1 / (1 + others), could not reach alpha after
            the correction.
    """
    settings, asked = design.settings, _asked(design)
    for name in settings.library:
        if name not in design.kinds:
            known = ", ".join(design.kinds)
            raise NotEnoughData(f"tests.library: no concept '{name}'; the study has: {known}")
    tests = len(asked) * design.layers * len(design.classes)
    needed = settings.null_draws_needed(tests)
    for each in asked:
        others = len(library_of(design, each))
        if others < needed:
            raise NotEnoughData(
                f"tests.library: beside '{each.name}' stand {others} other concepts of its kind, so p cannot be below "
                f"1/{1 + others}; {tests} tests at alpha {settings.alpha} with the correction '{settings.correction}' "
                f"need at least {needed}: add concepts, or name fewer in library, or use fewer layers or classes"
            )


def refuse_few_networks(settings: AnalysisSettings, *, tests: int) -> None:
    """Nothing where one of so many tests beside networks with random weights could be significant.

    Raises NotEnoughData with the number of networks that is needed.
    """
    asked, needed = settings.random_weights, settings.null_draws_needed(tests)
    if 0 < asked < needed:
        raise NotEnoughData(
            f"tests.random_weights: beside {asked} networks p cannot be below 1/{1 + asked}; {tests} tests at alpha "
            f"{settings.alpha} with the correction '{settings.correction}' need at least {needed}: ask for more, or "
            "use max-t, or fewer concepts, kinds, layers or classes"
        )


def library_estimates(layer: Layer) -> list[Estimate]:
    """The concepts of `settings.library` at a layer, each with the values of all others as its null.

    Value and interval are those against random clips: only the yardstick is another.
    """
    estimates = []
    values: dict[str, Floats] = {}
    for concept in _asked(layer.design):
        others = library_of(layer.design, concept)
        values |= {each.name: layer.value(each) for each in others if each.name not in values}
        null = np.stack([values[each.name] for each in others], axis=1)
        estimates += _beside(layer, concept, null, against="library")
    return estimates


def random_weights_estimates(layer: Layer, untrained: Sequence[Gram]) -> list[Estimate]:
    """All concepts at a layer, each with its own values in networks with random weights as its null.

    `untrained` has the inner products of this layer in each of them, of the same clips.
    """
    if not untrained:
        return []
    return [
        each
        for concept in layer.design.concepts
        for each in _beside(
            layer,
            concept,
            random_weights_values(untrained, layer.design, concept, classes=layer.classes),
            against="random weights",
        )
    ]


def _beside(layer: Layer, concept: ConceptRows, null: Floats, *, against: Against) -> list[Estimate]:
    """A concept's estimates against random clips with another null, (3, draw, class)."""
    estimates = []
    for each in layer.against_random(concept, layer.accuracy(concept)):
        column = list(layer.classes).index(each.class_name)
        about = set_null(null[STATISTICS.index(each.statistic), :, column])
        lowest, highest = layer.limits(each.statistic, each.class_clips)
        estimates.append(
            replace(
                each,
                against=against,
                null=about,
                largest_effect=max(highest - about.centre, about.centre - lowest),
                p_classic=None,
                runs=(),
                random_runs=(),
            )
        )
    return estimates


def _asked(design: Design) -> list[ConceptRows]:
    return [each for each in design.concepts if each.concept in design.settings.library]


def concept_values(
    gram: Gram, design: Design, concepts: Sequence[ConceptRows], *, classes: Mapping[str, Clips] | None = None
) -> Floats:
    """The statistics of concept sets against random clips, (3, concept, class), without intervals or tests.

    The values of the other concepts of a library are the null of one of them. `classes` are those that `gram` holds,
    where they are not all of the design's.
    """
    layer = Layer("", gram, design, classes)
    return np.stack([layer.value(concept) for concept in concepts], axis=1)


def random_weights_values(
    grams: Sequence[Gram], design: Design, concept: ConceptRows, *, classes: Mapping[str, Clips] | None = None
) -> Floats:
    """The statistics of one concept in networks with fresh weights, (3, network, class): `grams` has one a network.

    The clips, the draws and the architecture are those of the study; only the weights differ. 19 networks are
    the fewest that can give p = 0.05.
    """
    return np.concatenate([concept_values(gram, design, [concept], classes=classes) for gram in grams], axis=1)
