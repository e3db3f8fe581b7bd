"""Relative scores: what sets a concept apart from the others of its group, not from random clips (Kim et al. 2018).

Each concept of a group gets one CAV, trained against the clips of all the others, and one sign count. The unit of
chance is the concept set again: pseudo-concepts from the random pool take its place against the same others.
"""

from __future__ import annotations

import numpy as np
from einops import rearrange

from videotcav.explain.cavs.gram import Floats, Rows
from videotcav.explain.cavs.score import PerStatistic, statistics_with_shared_negatives
from videotcav.explain.design.design import ConceptRows, Group
from videotcav.explain.design.draws import GramRows, draw_sets, generator
from videotcav.explain.inference.accuracy import held_out_accuracy
from videotcav.explain.inference.intervals import Influences, joint_influence, wilson
from videotcav.explain.inference.judge import Estimate
from videotcav.explain.inference.permutation import set_null
from videotcav.explain.questions.scorer import Scorer

_ACCURACY_RESAMPLES = 1000


def relative_estimates(scorer: Scorer, group: Group) -> list[Estimate]:
    """The relative sign count of every concept of the group and every class at one scorer."""
    return [estimate for concept in group.members for estimate in _estimates(scorer, group, concept)]


def _estimates(scorer: Scorer, group: Group, concept: ConceptRows) -> list[Estimate]:
    settings, rest = scorer.settings, group.rest(concept)
    rows = concept.clips.rows
    (per_clip,) = _sign_counts(scorer, rows[None], rest, np.eye(len(scorer.gram.cross)))
    influences = Influences(
        concept=joint_influence(
            concept.clips,
            rest,
            score_runs=lambda runs, positives: scorer.single_runs(runs, positives)["sign_count"][None],
        ),
        random=np.zeros((1, 1, len(scorer.classes))),
        clips=per_clip[None],
    )
    (deviations,) = influences.resampled_deviations(
        scorer.class_shares,
        scorer.resampled_shares,
        rng=generator(settings.seed, "bootstrap", "group", group.name, concept.name),
    )
    chosen = draw_sets(
        scorer.pool,
        concept.clips.counts,
        sets=scorer.design.relative_draws,
        rng=generator(settings.seed, "pseudo-concepts", "group", group.name, concept.name),
    )
    null = _sign_counts(scorer, scorer.pool.rows[chosen], rest, scorer.class_shares)
    accuracy = held_out_accuracy(
        scorer.gram.kernel,
        concept.clips,
        rest,
        np.arange(len(rest))[None],
        classifier=scorer.classifier,
        penalty=scorer.penalty,
        folds=min(settings.accuracy_folds, len(concept.clips.counts)),
        resamples=_ACCURACY_RESAMPLES,
        rng=generator(settings.seed, "accuracy", "group", group.name, concept.name),
    )
    estimates = []
    for column, (class_name, clips) in enumerate(scorer.classes.items()):
        value = float(per_clip[clips.rows].mean())  # not a sum of shares: one is one
        low, high = np.clip(value + np.quantile(deviations[:, column], [0.025, 0.975]), 0.0, 1.0)
        floor, ceiling = wilson(value, sources=len(clips.counts))
        about = set_null(null[:, column])
        estimates.append(
            Estimate(
                of=concept,
                against="group",
                group=group.name,
                layer=scorer.name,
                class_name=class_name,
                class_clips=clips,
                statistic="relative",
                value=value,
                low=min(float(low), floor),
                high=max(float(high), ceiling),
                deviations=deviations[:, column],
                null=about,
                largest_effect=max(1.0 - about.centre, about.centre),
                p_classic=None,
                accuracy=accuracy,
                gradient_cosine=scorer.gram.gradient_cosine(clips.rows),
                random_clips=len(rest),
            )
        )
    return estimates


def _sign_counts(scorer: Scorer, positives: Rows, rest: GramRows, shares: Floats) -> Floats:
    """Sign counts (set, column of `shares`) of the sets of kernel rows `positives` (set, n) against the rest."""
    scores = statistics_with_shared_negatives(
        scorer.gram, positives, rest.rows[None], shares, classifier=scorer.classifier, penalty=scorer.penalty
    )
    return rearrange(PerStatistic(scores)["sign_count"], "set 1 column -> set column")
