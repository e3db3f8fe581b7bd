"""One layer of a study: train its CAVs, score them, and set each score beside its null."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from videotcav.explain.accuracy import Accuracy, held_out_accuracy
from videotcav.explain.cav import CLASSIFIERS, spread
from videotcav.explain.design import (
    ConceptRows,
    Design,
    NullShape,
    bootstrap_positions,
    concept_negatives,
    flips_within_pairs,
    null_shape,
    pseudo_runs,
)
from videotcav.explain.draws import generator, source_shares
from videotcav.explain.gram import Floats, Gram, Rows
from videotcav.explain.judge import Against, Estimate
from videotcav.explain.score import run_statistics, statistics_with_shared_negatives
from videotcav.explain.tests import Null, classic_two_sample, flip_null, set_null
from videotcav.records import STATISTICS, Statistic

_ACCURACY_RESAMPLES = 1000


class Layer:
    """The estimates of one layer. Arrays of statistics are (3, set or draw …, class), as `records.STATISTICS`."""

    def __init__(self, name: str, gram: Gram, design: Design) -> None:
        self.name = name
        self.gram = gram
        self.design = design
        self.pool = design.random
        self.settings = design.settings
        self.classifier = CLASSIFIERS[self.settings.classifier]
        # In units of the random clips' spread: all CAVs of a layer are trained alike, whatever else is studied.
        self.penalty = self.settings.penalty * spread(gram.of_clips(self.pool.rows).kernel)
        self._nulls: dict[NullShape, Floats] = {}

    def estimates(self) -> list[Estimate]:
        """All concepts against random clips, then all dynamic concepts against their twins."""
        accuracies = {each.name: self.accuracy(each) for each in self.design.concepts}
        estimates = []
        for each in self.design.concepts:
            estimates += self.against_random(each, accuracies[each.name])
        for dynamic, twin in self.design.pairs:
            estimates += self.against_twin(dynamic, twin, accuracies[dynamic.name])
        return estimates

    def against_random(self, concept: ConceptRows, accuracy: Accuracy) -> list[Estimate]:
        """Set-level randomisation: is the concept more than a draw from the random pool?"""
        negatives = self.negatives(concept)
        observed = self.statistics(concept.clips.rows[None], negatives, self.class_shares)[:, 0]
        null_runs = self.pseudo_concepts(null_shape(concept, self.pool))
        # Concepts of one shape share their pseudo-concepts; in a joint null each needs an order of its own.
        order = generator(self.settings.seed, "joint", concept.name).permutation(null_runs.shape[1])
        null = null_runs.mean(axis=2)[:, order]
        random_against_random = null_runs[:, : self.settings.random_draws, 0]
        boot = self.bootstrap(concept, negatives)
        return [
            self._estimate(
                concept,
                "random",
                class_name=class_name,
                statistic=statistic,
                value=float(observed[index, :, column].mean()),
                boot=boot[index, :, column],
                null=set_null(null[index, :, column]),
                p_classic=classic_two_sample(observed[index, :, column], random_against_random[index, :, column]).p,
                accuracy=accuracy,
                random_clips=negatives.shape[1],
            )
            for column, class_name in enumerate(self.design.classes)
            for index, statistic in enumerate(STATISTICS)
        ]

    def against_twin(self, dynamic: ConceptRows, twin: ConceptRows, accuracy: Accuracy) -> list[Estimate]:
        """The paired test: does it matter that the very same tracks move?"""
        negatives = self.negatives(dynamic)
        flips, complete = flips_within_pairs(dynamic, draws=self.design.null_draws, settings=self.settings)
        flips = np.concatenate([np.zeros_like(flips[:1]), flips])  # the first is what was observed
        first = np.where(flips, twin.clips.rows, dynamic.clips.rows)
        second = np.where(flips, dynamic.clips.rows, twin.clips.rows)
        scores = (self.statistics(rows, negatives, self.class_shares).mean(axis=2) for rows in (first, second))
        contrast = next(scores) - next(scores)
        boot = self.bootstrap(dynamic, negatives) - self.bootstrap(twin, negatives)
        return [
            self._estimate(
                dynamic,
                _against(twin),
                class_name=class_name,
                statistic=statistic,
                value=float(contrast[index, 0, column]),
                boot=boot[index, :, column],
                null=flip_null(contrast[index, 1:, column], complete=complete),
                p_classic=None,
                accuracy=accuracy,
                random_clips=negatives.shape[1],
            )
            for column, class_name in enumerate(self.design.classes)
            for index, statistic in enumerate(STATISTICS)
        ]

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

    def pseudo_concepts(self, shape: NullShape) -> Floats:
        """(3, pseudo-concept, draw, class), computed once for all concepts of one shape."""
        if shape not in self._nulls:
            self._nulls[shape] = run_statistics(
                self.gram,
                pseudo_runs(self.pool, shape, sets=self.design.null_draws, settings=self.settings),
                self.class_shares,
                positives=sum(shape.counts),
                classifier=self.classifier,
                penalty=self.penalty,
            )
        return self._nulls[shape]

    def bootstrap(self, concept: ConceptRows, negatives: Rows) -> Floats:
        """(3, resample, class): the statistics after resampling concept videos, random sets and class videos."""
        clips, draws = bootstrap_positions(concept, self.settings)
        each = self.statistics(concept.clips.rows[clips], negatives, self.resampled_shares)
        resampled: Floats = np.take_along_axis(each, draws[None, :, :, None], axis=2).mean(axis=2)
        return resampled

    @cached_property
    def class_shares(self) -> Floats:
        """(m, class): the share of each class clip in its class's mean."""
        shares = np.zeros((len(self.gram.cross), len(self.design.classes)))
        for column, clips in enumerate(self.design.classes.values()):
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
            for class_name, clips in self.design.classes.items()
        ]
        return np.stack(shares, axis=-1)

    def _estimate(
        self,
        concept: ConceptRows,
        against: Against,
        *,
        class_name: str,
        statistic: Statistic,
        value: float,
        boot: Floats,
        null: Null,
        p_classic: float | None,
        accuracy: Accuracy,
        random_clips: int,
    ) -> Estimate:
        clips = self.design.classes[class_name]
        low, high = np.quantile(boot, [0.025, 0.975])
        bound = float(self.gram.gradient_norms[clips.rows].mean()) if statistic == "sensitivity" else 1.0
        lowest, highest = (0.0 if statistic == "sign_count" else -bound), bound
        if against != "random":
            lowest, highest = lowest - highest, highest - lowest
        return Estimate(
            of=concept,
            against=against,
            layer=self.name,
            class_name=class_name,
            class_clips=clips,
            statistic=statistic,
            value=value,
            low=min(float(low), value),
            high=max(float(high), value),
            null=null,
            largest_effect=max(highest - null.centre, null.centre - lowest),
            p_classic=p_classic,
            accuracy=accuracy,
            gradient_cosine=self.gram.gradient_cosine(clips.rows),
            random_clips=random_clips,
        )


def _against(twin: ConceptRows) -> Against:
    if twin.kind in ("frozen", "shuffled", "reversed"):
        return twin.kind
    raise ValueError(f"'{twin.name}' is no twin")
