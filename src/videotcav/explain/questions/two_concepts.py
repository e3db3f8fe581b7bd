"""Two concepts held against each other: does one move the class more than the other?"""

from __future__ import annotations

import numpy as np

from videotcav.explain.cavs.gram import Rows
from videotcav.explain.design.design import ConceptRows, null_shape
from videotcav.explain.design.draws import generator
from videotcav.explain.inference.accuracy import Accuracy
from videotcav.explain.inference.judge import Estimate
from videotcav.explain.inference.permutation import difference_null
from videotcav.explain.questions.scorer import Scorer
from videotcav.records import STATISTICS


def comparison_estimates(scorer: Scorer, first: ConceptRows, second: ConceptRows, accuracy: Accuracy) -> list[Estimate]:
    """Set-level randomisation of a difference: do the two concepts differ more than two draws from the pool do?

    `accuracy` is that of the concept which the layer recognises worse.
    """
    scored = [scorer.scored(each, scorer.negatives(each)) for each in (first, second)]
    shapes = [null_shape(each, scorer.pool) for each in (first, second)]
    order = generator(scorer.settings.seed, "joint", first.name, second.name).permutation(scorer.design.null_draws)
    # Neighbours in one random order: two concepts of one shape are never given the same pseudo-concept.
    one, other = (scorer.pseudo_concepts(shape).mean("set draw classes -> set classes") for shape in shapes)
    shifted = np.roll(order, 1)
    value = scored[0].per_draw.mean("draw classes -> classes") - scored[1].per_draw.mean("draw classes -> classes")
    places = _common_places(scorer, first, second)
    influences = scored[0].influences.among(*places[0]) - scored[1].influences.among(*places[1])
    resampled = scorer.resampled(first, influences)
    return [
        scorer.estimate(
            first,
            "concept",
            other=second.name,
            class_name=class_name,
            statistic=statistic,
            value=float(value[statistic][column]),
            deviations=resampled[statistic][:, column],
            null=difference_null(one[statistic][order, column], other[statistic][shifted, column]),
            accuracy=accuracy,
            random_clips=shapes[0].negatives,
        )
        for column, class_name in enumerate(scorer.classes)
        for statistic in STATISTICS
    ]


def _common_places(scorer: Scorer, *concepts: ConceptRows) -> list[tuple[Rows, int, Rows, int]]:
    """Where the sources of each set, and of the random clips it may have, stand among those of all sets and of the
    whole pool: a video that is in two sets is one video, and moves both.
    """
    together = list(dict.fromkeys(source for each in concepts for source in each.clips.sources))
    pool_sources = int(scorer.pool.source_index.max()) + 1
    return [
        (
            np.array([together.index(source) for source in dict.fromkeys(each.clips.sources)]),
            len(together),
            scorer.eligible(each),
            pool_sources,
        )
        for each in concepts
    ]
