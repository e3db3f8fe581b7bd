"""One layer of a study: trains its CAVs and scores them, the same way for every question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from einops import rearrange

from videotcav.errors import NumericalError
from videotcav.explain.cavs.cav import CLASSIFIERS, spread
from videotcav.explain.cavs.gram import Floats, Gram, Rows
from videotcav.explain.cavs.score import PerStatistic, run_statistics, statistics_with_shared_negatives
from videotcav.explain.design.design import (
    ConceptRows,
    Design,
    NullShape,
    concept_negatives,
    null_shape,
    shares_source,
)
from videotcav.explain.design.draws import GramRows, generator, source_shares
from videotcav.explain.inference.accuracy import Accuracy, held_out_accuracy
from videotcav.explain.inference.intervals import Influences, concept_influence, random_influence, wilson
from videotcav.explain.inference.judge import Estimate
from videotcav.explain.inference.permutation import Null, classic_two_sample
from videotcav.records import Against, Statistic

_ACCURACY_RESAMPLES = 1000

_NO_SPREAD = 1e-10
"""A spread that is no more of the clips' mean square than this is the rounding of clips that are all alike."""


@dataclass(frozen=True)
class Scored:
    """The statistics of a set with each of its random sets, `draw class`, and what they hang on."""

    per_draw: PerStatistic
    influences: Influences


class Scorer:
    """The scores of sets of clips at one layer.

    `classes` are those that the rows of `gram.cross` are of: the design's, or some of them.
    """

    def __init__(self, name: str, gram: Gram, design: Design, classes: Mapping[str, GramRows] | None = None) -> None:
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
        self._nulls: dict[NullShape, PerStatistic] = {}
        self._scored: dict[bytes, Scored] = {}

    def eligible(self, concept: ConceptRows) -> Rows:
        """The sources of the pool, by number, that the concept's random clips come from."""
        return np.unique(self.pool.source_index[~shares_source(self.pool, concept.clips)])

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

    def statistics(self, positives: Rows, negatives: Rows, shares: Floats) -> PerStatistic:
        """`set draw class` of kernel rows `positives` (set, n) with each of `negatives` (draw, q)."""
        return PerStatistic(
            statistics_with_shared_negatives(
                self.gram,
                positives,
                self.pool.rows[negatives],
                shares,
                classifier=self.classifier,
                penalty=self.penalty,
            )
        )

    def runs(self, runs: Rows, positives: int) -> PerStatistic:
        """`set draw class` of training rows (set, draw, k), the first `positives` of a run being its concept."""
        shares, classifier, penalty = self.class_shares, self.classifier, self.penalty
        return PerStatistic(
            run_statistics(self.gram, runs, shares, positives=positives, classifier=classifier, penalty=penalty)
        )

    def single_runs(self, runs: Rows, positives: int) -> PerStatistic:
        """`run class` of training rows (run, k), the first `positives` of a run being its concept."""
        return self.runs(runs[:, None], positives).mean("run 1 classes -> run classes")

    def pseudo_concepts(self, shape: NullShape) -> PerStatistic:
        """`set draw class` of the pseudo-concepts of a shape, computed once for all concepts of one shape."""
        if shape not in self._nulls:
            self._nulls[shape] = self.runs(self.design.pseudo_runs(shape), sum(shape.counts))
        return self._nulls[shape]

    def value(self, concept: ConceptRows) -> PerStatistic:
        """The statistics of a set, `class`: means over its random sets."""
        rows = concept.clips.rows[None]
        return self.statistics(rows, self.negatives(concept), self.class_shares).mean("1 draw classes -> classes")

    def scored(self, concept: ConceptRows, negatives: Rows) -> Scored:
        """What was observed of a set with its random sets, and how far each source video moves it."""
        key = concept.clips.rows.tobytes() + negatives.tobytes()
        if key not in self._scored:
            rows = concept.clips.rows
            per_clip = self.statistics(rows[None], negatives, np.eye(len(self.gram.cross)))
            per_draw = PerStatistic(
                rearrange(per_clip.values, "statistic 1 draw clip -> statistic draw clip") @ self.class_shares
            )
            influences = Influences(
                concept=concept_influence(
                    concept.clips,
                    score=lambda sets: (
                        self.statistics(sets, negatives, self.class_shares)
                        .mean("set draw classes -> set classes")
                        .values
                    ),
                ),
                random=random_influence(
                    rows,
                    self.pool,
                    negatives,
                    self.eligible(concept),
                    per_draw.values,
                    score_runs=lambda runs, positives: self.single_runs(runs, positives).values,
                ),
                clips=per_clip.mean("1 draw clip -> clip").values,
            )
            self._scored[key] = Scored(per_draw, influences)
        return self._scored[key]

    def resampled(self, concept: ConceptRows, influences: Influences) -> PerStatistic:
        """Deviations from an estimate, `resample class`, as all of its source videos are drawn again."""
        rng = generator(self.settings.seed, "bootstrap", concept.concept)
        return PerStatistic(influences.resampled_deviations(self.class_shares, self.resampled_shares, rng=rng))

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

    def limits(self, statistic: Statistic, clips: GramRows) -> tuple[float, float]:
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
