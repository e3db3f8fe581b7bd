"""One layer of a study: train its CAVs, score them, and set each score beside its null."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from videotcav.errors import NumericalError
from videotcav.explain.cavs.cav import CLASSIFIERS, spread
from videotcav.explain.cavs.gram import Floats, Gram, Rows
from videotcav.explain.cavs.score import run_statistics, statistics_with_shared_negatives
from videotcav.explain.design.design import (
    ConceptRows,
    Design,
    NullShape,
    concept_negatives,
    flips_within_pairs,
    null_shape,
    shares_source,
)
from videotcav.explain.design.draws import Clips, generator, source_shares
from videotcav.explain.inference.accuracy import Accuracy, held_out_accuracy
from videotcav.explain.inference.intervals import Influences, concept_influence, random_influence, wilson
from videotcav.explain.inference.judge import Estimate
from videotcav.explain.inference.permutation import Null, classic_two_sample, flip_null, set_null
from videotcav.explain.questions.comparison import comparison_estimates
from videotcav.explain.questions.groups import relative_estimates
from videotcav.records import STATISTICS, Against, Statistic

_ACCURACY_RESAMPLES = 1000

_NO_SPREAD = 1e-10
"""A spread that is no more of the clips' mean square than this is the rounding of clips that are all alike."""


@dataclass(frozen=True)
class Scored:
    """The statistics of a set with each of its random sets, (3, draw, class), and what they hang on."""

    per_draw: Floats
    influences: Influences


class Layer:
    """The estimates of one layer. Arrays of statistics are (3, set or draw …, class), as `records.STATISTICS`.

    `classes` are those that the rows of `gram.cross` are of: the design's, or some of them.
    """

    def __init__(self, name: str, gram: Gram, design: Design, classes: Mapping[str, Clips] | None = None) -> None:
        self.name = name
        self.gram = gram
        self.design = design
        self.classes = design.classes if classes is None else classes
        self.pool = design.random
        self.settings = design.settings
        self.classifier = CLASSIFIERS[self.settings.classifier]
        # In units of the random clips' spread: all CAVs of a layer are trained alike, whatever else is studied.
        kernel = gram.of_clips(self.pool.rows).kernel
        variance = spread(kernel)
        self.penalty = self.settings.penalty * variance
        if not variance > _NO_SPREAD * float(np.trace(kernel)) / len(kernel):
            raise NumericalError(
                f"all random clips have the same activation at layer '{name}', so no concept can be told from them: "
                "name another layer, or check that the random clips differ"
            )
        self._nulls: dict[NullShape, Floats] = {}
        self._scored: dict[bytes, Scored] = {}

    def estimates(self) -> list[Estimate]:
        """All concepts against random clips, all dynamic concepts against their twins, all comparisons of two concepts,
        all groups within themselves.
        """
        accuracies = {each.name: self.accuracy(each) for each in self.design.concepts}
        estimates = []
        for each in self.design.concepts:
            estimates += self.against_random(each, accuracies[each.name])
        for dynamic, twin in self.design.pairs:
            estimates += self.against_twin(dynamic, twin, accuracies[dynamic.name])
        for first, second in self.design.comparisons:
            worse = min(accuracies[first.name], accuracies[second.name], key=lambda accuracy: accuracy.low)
            estimates += comparison_estimates(self, first, second, worse)
        for group in self.design.groups:
            estimates += relative_estimates(self, group)
        return estimates

    def against_random(self, concept: ConceptRows, accuracy: Accuracy) -> list[Estimate]:
        """Set-level randomisation: is the concept more than a draw from the random pool?"""
        negatives = self.negatives(concept)
        observed = self.scored(concept, negatives)
        null_runs = self.pseudo_concepts(null_shape(concept, self.pool))
        null = null_runs.mean(axis=2)
        random_against_random = null_runs[:, : self.settings.random_draws, 0]
        resampled = self.resampled(concept, observed.influences)
        return [
            self.estimate(
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
            for column, class_name in enumerate(self.classes)
            for index, statistic in enumerate(STATISTICS)
        ]

    def against_twin(self, dynamic: ConceptRows, twin: ConceptRows, accuracy: Accuracy) -> list[Estimate]:
        """The paired test: does it matter that the very same tracks move?"""
        negatives = self.negatives(dynamic)
        contrast, complete = self.flipped(dynamic, twin)
        influences = self.scored(dynamic, negatives).influences - self.scored(twin, negatives).influences
        resampled = self.resampled(dynamic, influences)
        return [
            self.estimate(
                dynamic,
                _against(twin),
                class_name=class_name,
                statistic=statistic,
                value=float(contrast[index, 0, column]),
                deviations=resampled[index, :, column],
                null=flip_null(contrast[index, 1:, column], complete=complete),
                accuracy=accuracy,
                random_clips=negatives.shape[1],
            )
            for column, class_name in enumerate(self.classes)
            for index, statistic in enumerate(STATISTICS)
        ]

    def eligible(self, concept: ConceptRows) -> Rows:
        """The sources of the pool, by number, that the concept's random clips come from."""
        return np.unique(self.pool.source_index[~shares_source(self.pool, concept.clips)])

    def flipped(self, dynamic: ConceptRows, twin: ConceptRows) -> tuple[Floats, bool]:
        """Differences between the two sets, (3, 1 + flip, class): as observed, then after each flip of labels within
        pairs; and whether these are all flips there are.
        """
        flips, complete = flips_within_pairs(dynamic, draws=self.design.null_draws, settings=self.settings)
        flips = np.concatenate([np.zeros_like(flips[:1]), flips])
        negatives = self.negatives(dynamic)
        first, second = (
            self.statistics(np.where(chosen, twin.clips.rows, dynamic.clips.rows), negatives, self.class_shares)
            for chosen in (flips, ~flips)
        )
        return (first - second).mean(axis=2), complete

    def accuracy(self, concept: ConceptRows) -> Accuracy:
        """Held-out accuracy of the concept's CAVs."""
        return held_out_accuracy(
            self.gram.kernel,
            concept.clips,
            self.pool,
            self.negatives(concept),
            classifier=self.classifier,
            penalty=self.penalty,
            folds=min(self.settings.accuracy_folds, len(concept.clips.counts)),
            resamples=_ACCURACY_RESAMPLES,
            rng=generator(self.settings.seed, "accuracy", concept.concept),
        )

    def negatives(self, concept: ConceptRows) -> Rows:
        """The concept's random sets, (draw, q), as positions in the pool."""
        return concept_negatives(concept, self.pool, null_shape(concept, self.pool), self.settings)

    def statistics(self, positives: Rows, negatives: Rows, shares: Floats) -> Floats:
        """(3, set, draw, class) of kernel rows `positives` (set, n) with each of `negatives` (draw, q)."""
        return statistics_with_shared_negatives(
            self.gram,
            positives,
            self.pool.rows[negatives],
            shares,
            classifier=self.classifier,
            penalty=self.penalty,
        )

    def runs(self, runs: Rows, positives: int) -> Floats:
        """(3, set, draw, class) of training rows (set, draw, k), the first `positives` of a run being its concept."""
        return run_statistics(
            self.gram, runs, self.class_shares, positives=positives, classifier=self.classifier, penalty=self.penalty
        )

    def pseudo_concepts(self, shape: NullShape) -> Floats:
        """(3, pseudo-concept, draw, class), computed once for all concepts of one shape."""
        if shape not in self._nulls:
            self._nulls[shape] = self.runs(self.design.pseudo_runs(shape), sum(shape.counts))
        return self._nulls[shape]

    def value(self, concept: ConceptRows) -> Floats:
        """The statistics of a set, (3, class): means over its random sets."""
        rows = concept.clips.rows[None]
        value: Floats = self.statistics(rows, self.negatives(concept), self.class_shares)[:, 0].mean(axis=1)
        return value

    def scored(self, concept: ConceptRows, negatives: Rows) -> Scored:
        """What was observed of a set with its random sets, and how far each source video moves it."""
        key = concept.clips.rows.tobytes() + negatives.tobytes()
        if key not in self._scored:
            rows = concept.clips.rows
            per_clip = self.statistics(rows[None], negatives, np.eye(len(self.gram.cross)))[:, 0]
            per_draw = per_clip @ self.class_shares
            influences = Influences(
                concept=concept_influence(
                    concept.clips,
                    score=lambda sets: self.statistics(sets, negatives, self.class_shares).mean(axis=2),
                ),
                random=random_influence(
                    rows,
                    self.pool,
                    negatives,
                    self.eligible(concept),
                    per_draw,
                    score_runs=lambda runs, positives: self.runs(runs[:, None], positives)[:, :, 0],
                ),
                clips=per_clip.mean(axis=1),
            )
            self._scored[key] = Scored(per_draw, influences)
        return self._scored[key]

    def resampled(self, concept: ConceptRows, influences: Influences) -> Floats:
        """Deviations from an estimate, (3, resample, class), as all of its source videos are drawn again."""
        rng = generator(self.settings.seed, "bootstrap", concept.concept)
        return influences.resampled_deviations(self.class_shares, self.resampled_shares, rng=rng)

    @cached_property
    def class_shares(self) -> Floats:
        """(m, class): the share of each class clip in its class's mean."""
        shares = np.zeros((len(self.gram.cross), len(self.classes)))
        for column, clips in enumerate(self.classes.values()):
            shares[clips.rows, column] = 1 / len(clips)
        return shares

    @cached_property
    def resampled_shares(self) -> Floats:
        """(resample, m, class): the same after resampling the source videos of each class."""
        resamples, columns = self.settings.bootstrap_resamples, len(self.gram.cross)
        shares = [
            source_shares(
                clips, columns, resamples=resamples, rng=generator(self.settings.seed, "class clips", class_name)
            )
            for class_name, clips in self.classes.items()
        ]
        return np.stack(shares, axis=-1)

    def limits(self, statistic: Statistic, clips: Clips) -> tuple[float, float]:
        """The least and the most that a statistic of these class clips can be."""
        bound = float(self.gram.gradient_norms[clips.rows].mean()) if statistic == "sensitivity" else 1.0
        return (0.0 if statistic == "sign_count" else -bound), bound

    def estimate(
        self,
        concept: ConceptRows,
        against: Against,
        *,
        class_name: str,
        statistic: Statistic,
        value: float,
        deviations: Floats,
        null: Null,
        accuracy: Accuracy,
        random_clips: int,
        runs: Floats | None = None,
        random_runs: Floats | None = None,
        other: str = "",
    ) -> Estimate:
        """An estimate with its interval, kept within what the statistic can be."""
        clips = self.classes[class_name]
        lowest, highest = self.limits(statistic, clips)
        if against != "random":
            lowest, highest = lowest - highest, highest - lowest
        low, high = np.clip(value + np.quantile(deviations, [0.025, 0.975]), lowest, highest)
        if statistic == "sign_count" and against == "random":
            floor, ceiling = wilson(value, sources=len(clips.counts))
            low, high = min(low, floor), max(high, ceiling)
        return Estimate(
            of=concept,
            against=against,
            other=other,
            layer=self.name,
            class_name=class_name,
            class_clips=clips,
            statistic=statistic,
            value=value,
            low=min(float(low), value),
            high=max(float(high), value),
            deviations=deviations,
            null=null,
            largest_effect=max(highest - null.centre, null.centre - lowest),
            p_classic=None if runs is None or random_runs is None else classic_two_sample(runs, random_runs).p,
            runs=() if runs is None else tuple(runs.tolist()),
            random_runs=() if random_runs is None else tuple(random_runs.tolist()),
            accuracy=accuracy,
            gradient_cosine=self.gram.gradient_cosine(clips.rows),
            random_clips=random_clips,
        )


def _against(twin: ConceptRows) -> Against:
    if twin.kind in ("frozen", "shuffled", "reversed"):
        return twin.kind
    raise ValueError(f"'{twin.name}' is no twin")
