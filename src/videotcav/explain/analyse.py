"""From Gram blocks to rows of results: every concept, layer, class and statistic, tested and judged.

One pure function, `analyse`. The order of a study: decide all draws, train and score all CAVs of a layer, test,
correct over the family, judge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from videotcav.errors import NotEnoughData
from videotcav.explain.accuracy import Accuracy, held_out_accuracy
from videotcav.explain.cav import CLASSIFIERS, spread
from videotcav.explain.correct import bonferroni, correct, max_t
from videotcav.explain.design import (
    ConceptRows,
    NullShape,
    bootstrap_positions,
    concept_negatives,
    flips_within_pairs,
    null_shape,
    pseudo_runs,
)
from videotcav.explain.draws import Clips, generator, source_shares
from videotcav.explain.gram import Floats, Gram, Rows
from videotcav.explain.score import run_statistics, statistics_with_shared_negatives
from videotcav.explain.settings import AnalysisSettings
from videotcav.explain.tests import Null, classic_two_sample, flip_null, set_null
from videotcav.explain.verdict import verdict
from videotcav.records import STATISTICS, TWINS, Result, Statistic

Against = Literal["random", "frozen", "shuffled", "reversed"]


@dataclass(frozen=True)
class _Row:
    """One row before correction over the family."""

    of: ConceptRows
    against: Against
    layer: str
    class_name: str
    statistic: Statistic
    value: float
    low: float
    high: float
    null: Null
    largest_effect: float
    p_classic: float | None
    accuracy: Accuracy
    gradient_cosine: float
    random_clips: int

    @property
    def p(self) -> float:
        return self.null.p(self.value)


def analyse(
    grams: Mapping[str, Gram],
    *,
    concepts: Sequence[ConceptRows],
    random: Clips,
    classes: Mapping[str, Clips],
    settings: AnalysisSettings | None = None,
) -> list[Result]:
    """One result for every concept set × layer × class × statistic against random clips, and for every dynamic
    concept against each of its twins.

    `grams` maps layers to their inner products; `concepts` and `random` say which kernel rows are theirs,
    `classes` which rows of `cross` are each class's clips. The family of a correction is all rows of one
    statistic: the three statistics are three views of the same questions, not more questions.

    Raises:
        NotEnoughData: a set, the random pool or the null draws are too few; the message says what is needed.
    """
    settings = settings or AnalysisSettings()
    study = _Study(grams=grams, concepts=tuple(concepts), random=random, classes=classes, settings=settings)
    study.refuse_too_little()
    rows = [row for layer in grams for row in study.rows(layer)]
    order = {name: index for index, name in enumerate(dict.fromkeys(concept.name for concept in concepts))}
    rows.sort(key=lambda row: (order[row.of.name], row.against != "random"))
    results: dict[int, Result] = {}
    for statistic in STATISTICS:
        family = [index for index, row in enumerate(rows) if row.statistic == statistic]
        judged = _judge([rows[index] for index in family], study)
        results.update(zip(family, judged, strict=True))
    return [results[index] for index in sorted(results)]


def pairs_of(concepts: Sequence[ConceptRows]) -> list[tuple[ConceptRows, ConceptRows]]:
    """Each dynamic set with each of its twins, both restricted to the tracks that have both."""
    by_name = {(each.concept, each.kind): each for each in concepts}
    pairs = []
    for dynamic in concepts:
        for kind in TWINS:
            twin = by_name.get((dynamic.concept, kind))
            if dynamic.kind != "spatiotemporal" or twin is None:
                continue
            both = [clip_id for clip_id in dynamic.ids if clip_id in set(twin.ids)]
            pairs.append((dynamic.restricted(both), twin.restricted(both)))
    return pairs


@dataclass(frozen=True)
class _Study:
    grams: Mapping[str, Gram]
    concepts: tuple[ConceptRows, ...]
    random: Clips
    classes: Mapping[str, Clips]
    settings: AnalysisSettings

    @property
    def tests(self) -> int:
        """Tests in one family."""
        return (len(self.concepts) + len(pairs_of(self.concepts))) * len(self.grams) * len(self.classes)

    @property
    def draws(self) -> int:
        return self.settings.null_draws(self.tests)

    @property
    def class_weights(self) -> Floats:
        """(m, class): the share of each class clip in its class's mean."""
        weights = np.zeros((next(iter(self.grams.values())).cross.shape[0], len(self.classes)))
        for column, clips in enumerate(self.classes.values()):
            weights[clips.rows, column] = 1 / len(clips)
        return weights

    def refuse_too_little(self) -> None:
        settings = self.settings
        for each in (*self.concepts, *(dynamic for dynamic, _ in pairs_of(self.concepts))):
            sources = len(each.clips.counts)
            if len(each.clips) < settings.minimum_clips or sources < settings.minimum_sources:
                raise NotEnoughData(
                    f"concept '{each.name}' has {len(each.clips)} clips of {sources} source videos (that have all "
                    f"their twins); at least {settings.minimum_clips} clips of {settings.minimum_sources} videos are "
                    "needed. Add clips, or lower the minimum in the study's tests and say so"
                )
        needed = settings.null_draws_needed(self.tests)
        if self.draws < needed:
            raise NotEnoughData(
                f"{self.tests} tests at alpha {settings.alpha} with the correction '{settings.correction}' need at "
                f"least {needed} pseudo-concepts, not {self.draws}: raise pseudo_concepts, or leave it out"
            )
        for each in self.concepts:
            null_shape(each, self.random)

    def rows(self, layer: str) -> list[_Row]:
        return _Layer(self, layer).rows()


class _Layer:
    """One layer of a study: its CAVs, scores and nulls."""

    def __init__(self, study: _Study, layer: str) -> None:
        self.study = study
        self.layer = layer
        self.gram = study.grams[layer]
        self.penalty = study.settings.penalty * spread(self.gram.kernel[np.ix_(study.random.rows, study.random.rows)])
        self.weights = study.class_weights
        self.nulls: dict[NullShape, Floats] = {}

    def statistics(self, positives: Rows, negatives: Rows, weights: Floats | None = None) -> Floats:
        """(3, set, draw, class) of kernel rows `positives` (set, n), each with every one of `negatives` (draw, q)."""
        return statistics_with_shared_negatives(
            self.gram,
            positives,
            negatives,
            self.weights if weights is None else weights,
            classifier=CLASSIFIERS[self.study.settings.classifier],
            penalty=self.penalty,
        )

    def null(self, shape: NullShape) -> Floats:
        """(3, pseudo-concept, draw, class), computed once for all concepts of one shape."""
        if shape not in self.nulls:
            study = self.study
            runs = pseudo_runs(study.random, shape, sets=study.draws, settings=study.settings)
            self.nulls[shape] = run_statistics(
                self.gram,
                runs,
                self.weights,
                positives=sum(shape.counts),
                classifier=CLASSIFIERS[study.settings.classifier],
                penalty=self.penalty,
            )
        return self.nulls[shape]

    def rows(self) -> list[_Row]:
        accuracies = {each.name: self.accuracy(each) for each in self.study.concepts}
        rows = []
        for each in self.study.concepts:
            rows += self.against_random(each, accuracies[each.name])
        for dynamic, twin in pairs_of(self.study.concepts):
            rows += self.against_twin(dynamic, twin, accuracies[dynamic.name])
        return rows

    def negatives(self, concept: ConceptRows) -> Rows:
        """Positions in the pool, (draw, q)."""
        shape = null_shape(concept, self.study.random)
        return concept_negatives(concept, self.study.random, shape, self.study.settings)

    def accuracy(self, concept: ConceptRows) -> Accuracy:
        settings = self.study.settings
        return held_out_accuracy(
            self.gram.kernel,
            concept.clips,
            self.study.random,
            self.negatives(concept),
            classifier=CLASSIFIERS[settings.classifier],
            penalty=self.penalty,
            folds=min(settings.accuracy_folds, len(concept.clips.counts)),
            resamples=1000,
            rng=generator(settings.seed, "accuracy", concept.concept),
        )

    def resampled_weights(self) -> Floats:
        """(resample, m, class) after resampling the class clips' source videos."""
        settings = self.study.settings
        rng = generator(settings.seed, "class clips")
        columns = len(self.gram.cross)
        shares = [
            source_shares(clips, columns, resamples=settings.bootstrap_resamples, rng=rng)
            for clips in self.study.classes.values()
        ]
        return np.stack(shares, axis=-1)

    def bootstrap(self, concept: ConceptRows, negatives: Rows) -> Floats:
        """(3, resample, class): the statistics after resampling concept videos, random sets and class videos."""
        clips, draws = bootstrap_positions(concept, self.study.settings)
        random_rows = self.study.random.rows[negatives]
        each = self.statistics(concept.clips.rows[clips], random_rows, self.resampled_weights())
        resampled: Floats = np.take_along_axis(each, draws[None, :, :, None], axis=2).mean(axis=2)
        return resampled

    def against_random(self, concept: ConceptRows, accuracy: Accuracy) -> list[_Row]:
        study = self.study
        negatives = self.negatives(concept)
        observed = self.statistics(concept.clips.rows[None], study.random.rows[negatives])[:, 0]
        null_runs = self.null(null_shape(concept, study.random))
        null = null_runs.mean(axis=2)
        # Concepts of one shape share their pseudo-concepts; a joint null must not make them move together.
        null = null[:, generator(study.settings.seed, "joint", concept.name).permutation(null.shape[1])]
        classic = null_runs[:, : study.settings.random_draws, 0]
        boot = self.bootstrap(concept, negatives)
        rows = []
        for column, name in enumerate(study.classes):
            for index, statistic in enumerate(STATISTICS):
                rows.append(
                    self.row(
                        concept,
                        "random",
                        class_name=name,
                        statistic=statistic,
                        value=float(observed[index, :, column].mean()),
                        boot=boot[index, :, column],
                        null=set_null(null[index, :, column]),
                        accuracy=accuracy,
                        p_classic=classic_two_sample(observed[index, :, column], classic[index, :, column]).p,
                        random_clips=negatives.shape[1],
                    )
                )
        return rows

    def against_twin(self, dynamic: ConceptRows, twin: ConceptRows, accuracy: Accuracy) -> list[_Row]:
        study = self.study
        negatives = self.negatives(dynamic)
        random_rows = study.random.rows[negatives]
        flips, complete = flips_within_pairs(dynamic, draws=study.draws, settings=study.settings)
        flips = np.concatenate([np.zeros_like(flips[:1]), flips])
        first = np.where(flips, twin.clips.rows, dynamic.clips.rows)
        second = np.where(flips, dynamic.clips.rows, twin.clips.rows)
        contrast = (self.statistics(first, random_rows) - self.statistics(second, random_rows)).mean(axis=2)
        boot = self.bootstrap(dynamic, negatives) - self.bootstrap(twin, negatives)
        rows = []
        for column, name in enumerate(study.classes):
            for index, statistic in enumerate(STATISTICS):
                rows.append(
                    self.row(
                        dynamic,
                        _against(twin),
                        class_name=name,
                        statistic=statistic,
                        value=float(contrast[index, 0, column]),
                        boot=boot[index, :, column],
                        null=flip_null(contrast[index, 1:, column], complete=complete),
                        accuracy=accuracy,
                        p_classic=None,
                        random_clips=negatives.shape[1],
                    )
                )
        return rows

    def row(
        self,
        concept: ConceptRows,
        against: Against,
        *,
        class_name: str,
        statistic: Statistic,
        value: float,
        boot: Floats,
        null: Null,
        accuracy: Accuracy,
        p_classic: float | None,
        random_clips: int,
    ) -> _Row:
        clips = self.study.classes[class_name]
        low, high = np.quantile(boot, [0.025, 0.975])
        lowest, highest = {
            "sign_count": (0.0, 1.0),
            "cosine": (-1.0, 1.0),
            "sensitivity": (-self.gram.gradient_norms[clips.rows].mean(), self.gram.gradient_norms[clips.rows].mean()),
        }[statistic]
        if against != "random":
            lowest, highest = lowest - highest, highest - lowest
        return _Row(
            of=concept,
            against=against,
            layer=self.layer,
            class_name=class_name,
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


def _judge(family: Sequence[_Row], study: _Study) -> list[Result]:
    """The results of one family: corrected and judged together."""
    settings = study.settings
    p = np.array([row.p for row in family])
    if settings.correction == "max-t":
        scales = np.array([_scale(row.null) for row in family])
        joint = np.stack([_joint_distances(row, study.draws, settings.seed) for row in family]) / scales[:, None]
        observed = np.array([abs(row.value - row.null.centre) for row in family]) / scales
        corrected = np.maximum(p, max_t(observed, joint))
        largest = Null(draws=joint.max(axis=0), centre=0.0).critical_distance(settings.alpha)
        critical = largest * scales
    else:
        corrected = correct(p, correction=settings.correction)
        level = settings.alpha / (1 if settings.correction == "none" else len(family))
        critical = np.array([row.null.critical_distance(level) for row in family])
    classic = [index for index, row in enumerate(family) if row.p_classic is not None]
    classic_corrected = dict(
        zip(
            classic, bonferroni(np.array([family[index].p_classic for index in classic], dtype=np.float64)), strict=True
        )
    )
    return [
        _result(
            row,
            study,
            p_corrected=float(corrected[index]),
            p_classic_corrected=classic_corrected.get(index),
            smallest_effect=float(critical[index]),
        )
        for index, row in enumerate(family)
    ]


def _scale(null: Null) -> float:
    """The null's standard distance from its centre, 1 where it has none."""
    return float(np.sqrt((null.distances**2).mean())) or 1.0


def _joint_distances(row: _Row, draws: int, seed: int) -> Floats:
    """As many null distances as the other rows have: a short exact null is drawn from again."""
    distances = row.null.distances
    if len(distances) == draws:
        return distances
    rng = generator(seed, "joint", row.of.name, row.against)
    return distances[rng.integers(len(distances), size=draws)]


def _result(
    row: _Row,
    study: _Study,
    *,
    p_corrected: float,
    p_classic_corrected: float | None,
    smallest_effect: float,
) -> Result:
    settings = study.settings
    centre = row.null.centre
    null_low, null_high = row.null.band
    class_clips = study.classes[row.class_name]
    return Result(
        concept=row.of.concept,
        kind=row.of.kind,
        against=row.against,
        layer=row.layer,
        class_name=row.class_name,
        statistic=row.statistic,
        value=row.value,
        low=row.low,
        high=row.high,
        null_centre=centre,
        null_low=null_low,
        null_high=null_high,
        p=row.p,
        p_corrected=p_corrected,
        null_draws=len(row.null.draws),
        p_classic=row.p_classic,
        p_classic_corrected=p_classic_corrected,
        accuracy=row.accuracy.value,
        accuracy_low=row.accuracy.low,
        accuracy_high=row.accuracy.high,
        smallest_effect=smallest_effect,
        gradient_cosine=row.gradient_cosine,
        concept_clips=len(row.of.clips),
        concept_sources=len(row.of.clips.counts),
        class_clips=len(class_clips),
        class_sources=len(class_clips.counts),
        random_clips=row.random_clips,
        verdict=verdict(
            effect=row.value - centre,
            low=row.low - centre,
            high=row.high - centre,
            p_corrected=p_corrected,
            alpha=settings.alpha,
            smallest_effect=smallest_effect,
            largest_effect=row.largest_effect,
            learned=row.accuracy.learned,
            degenerate=row.statistic == "sign_count" and row.gradient_cosine > settings.degenerate_cosine,
        ),
    )
