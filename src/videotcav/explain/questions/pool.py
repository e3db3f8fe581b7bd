"""A concept held against random clips: is it more than a draw from the pool?"""

from __future__ import annotations

from videotcav.explain.design.design import ConceptRows, null_shape
from videotcav.explain.inference.accuracy import Accuracy
from videotcav.explain.inference.judge import Estimate
from videotcav.explain.inference.permutation import set_null
from videotcav.explain.questions.scorer import Scorer
from videotcav.records import STATISTICS


def pool_estimates(scorer: Scorer, concept: ConceptRows, accuracy: Accuracy) -> list[Estimate]:
    """Set-level randomisation: is the concept more than a draw from the random pool?"""
    negatives = scorer.negatives(concept)
    observed = scorer.scored(concept, negatives)
    null_runs = scorer.pseudo_concepts(null_shape(concept, scorer.pool))
    null = null_runs.mean("set draw classes -> set classes")
    resampled = scorer.resampled(concept, observed.influences)
    return [
        scorer.estimate(
            concept,
            "random",
            class_name=class_name,
            statistic=statistic,
            value=float(observed.per_draw[statistic][:, column].mean()),
            deviations=resampled[statistic][:, column],
            null=set_null(null[statistic][:, column]),
            runs=observed.per_draw[statistic][:, column],
            random_runs=null_runs[statistic][: scorer.settings.random_draws, 0, column],
            accuracy=accuracy,
            random_clips=negatives.shape[1],
        )
        for column, class_name in enumerate(scorer.classes)
        for statistic in STATISTICS
    ]
