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
    null = null_runs.mean(axis=2)
    random_against_random = null_runs[:, : scorer.settings.random_draws, 0]
    resampled = scorer.resampled(concept, observed.influences)
    return [
        scorer.estimate(
            concept,
            "random",
            class_name=class_name,
            statistic=statistic,
            value=float(observed.per_draw[index, :, column].mean()),
            deviations=resampled[index, :, column],
            null=set_null(null[index, :, column]),
            runs=observed.per_draw[index, :, column],
            random_runs=random_against_random[index, :, column],
            accuracy=accuracy,
            random_clips=negatives.shape[1],
        )
        for column, class_name in enumerate(scorer.classes)
        for index, statistic in enumerate(STATISTICS)
    ]
