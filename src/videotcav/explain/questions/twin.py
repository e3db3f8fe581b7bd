"""A concept in motion held against its own twin: does it matter that the very same tracks move?"""

from __future__ import annotations

import numpy as np

from videotcav.explain.cavs.score import PerStatistic
from videotcav.explain.design.design import ConceptRows, against_twin, flips_within_pairs
from videotcav.explain.inference.accuracy import Accuracy
from videotcav.explain.inference.judge import Estimate
from videotcav.explain.inference.permutation import flip_null
from videotcav.explain.questions.scorer import Scorer
from videotcav.records import STATISTICS


def twin_estimates(scorer: Scorer, dynamic: ConceptRows, twin: ConceptRows, accuracy: Accuracy) -> list[Estimate]:
    """The paired test: does it matter that the very same tracks move?"""
    negatives = scorer.negatives(dynamic)
    contrast, complete = flipped(scorer, dynamic, twin)
    influences = scorer.scored(dynamic, negatives).influences - scorer.scored(twin, negatives).influences
    resampled = scorer.resampled(dynamic, influences)
    return [
        scorer.estimate(
            dynamic,
            against_twin(twin),
            class_name=class_name,
            statistic=statistic,
            value=float(contrast[statistic][0, column]),
            deviations=resampled[statistic][:, column],
            null=flip_null(contrast[statistic][1:, column], complete=complete),
            accuracy=accuracy,
            random_clips=negatives.shape[1],
        )
        for column, class_name in enumerate(scorer.classes)
        for statistic in STATISTICS
    ]


def flipped(scorer: Scorer, dynamic: ConceptRows, twin: ConceptRows) -> tuple[PerStatistic, bool]:
    """Differences between the two sets, `flip class`: as observed, then after each flip of labels within
    pairs; and whether these are all flips there are.
    """
    flips, complete = flips_within_pairs(dynamic, draws=scorer.design.null_draws, settings=scorer.settings)
    flips = np.concatenate([np.zeros_like(flips[:1]), flips])
    negatives = scorer.negatives(dynamic)
    first, second = (
        scorer.statistics(np.where(chosen, twin.clips.rows, dynamic.clips.rows), negatives, scorer.class_shares)
        for chosen in (flips, ~flips)
    )
    return (first - second).mean("flip draw classes -> flip classes"), complete
