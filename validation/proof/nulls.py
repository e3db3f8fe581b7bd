"""True nulls and the intervals' coverage: many studies made anew from one model's banks of films.

Sets drawn from the bank that the random clips are drawn from are exchangeable with pseudo-concepts, whatever the
network is: what is rejected is rejected falsely.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from validation.proof.concepts import CLIPS
from validation.proof.passes import CLASS_CLIPS, POOL, Inventory, clips
from validation.proof.study import captum_recipe
from videotcav.explain.design.design import ConceptRows, Design, null_shape
from videotcav.explain.design.settings import AnalysisSettings
from videotcav.explain.inference.accuracy import Accuracy
from videotcav.explain.inference.multiplicity import correct
from videotcav.explain.inference.permutation import classic_one_sample, classic_two_sample, set_null
from videotcav.explain.questions.pool import pool_estimates
from videotcav.explain.questions.scorer import Scorer
from videotcav.records import STATISTICS

SETS = 8
STUDIES = 12
ALPHA = 0.05
SETTINGS = AnalysisSettings(random_draws=10, pseudo_concepts=199)
COVERAGE_STUDIES, TRUTH_STUDIES = 8, 80
COVERAGE_SETTINGS = AnalysisSettings(random_draws=10, pseudo_concepts=19, bootstrap_resamples=500)

Counts = dict[str, Any]


def false_positives(inventory: Inventory, *, seed: int) -> Counts:
    """How many of how many tests of true nulls reject at 5 %, by test, statistic and layer; and families of `SETS` such
    tests, at one layer for one class, with at least one rejection after a correction.
    """
    counts: Counts = {"tests": 0, "families": 0, "rejected": {}, "families_rejected": {}}

    def add(kind: str, key: str, rejected: int) -> None:
        counts[kind][key] = counts[kind].get(key, 0) + int(rejected)

    for study in range(STUDIES):
        rng = np.random.default_rng([seed, 5, study])
        rows = rng.permutation(inventory.bank)
        sets = tuple(_set(f"null {at}", rows[POOL + at * CLIPS :][:CLIPS]) for at in range(SETS))
        classes = {name: clips(each[:CLASS_CLIPS]) for name, each in inventory.classes.items()}
        settings = SETTINGS.model_copy(update={"seed": 1000 * seed + study})
        design = Design(sets, clips(rows[:POOL]), classes, layers=1, settings=settings)
        counts["tests"] += SETS * len(classes)
        counts["families"] += len(classes)
        for name, gram in inventory.grams.items():
            layer = Scorer(name, gram, design)
            null = layer.pseudo_concepts(null_shape(sets[0], layer.pool))
            per_draw = np.stack(
                [
                    layer.statistics(each.clips.rows[None], layer.negatives(each), layer.class_shares).values[:, 0]
                    for each in sets
                ],
                axis=1,
            )
            captum = np.stack([captum_recipe(layer, each) for each in sets])
            for column in range(len(classes)):
                for index, statistic in enumerate(STATISTICS):
                    base = set_null(null[statistic][:, :, column].mean(axis=1))
                    values = per_draw[index, :, :, column].mean(axis=1)
                    p = np.array([base.p(value) for value in values])
                    add("rejected", f"set-level|{statistic}|{name}", (p <= ALPHA).sum())
                    for correction in ("none", "bonferroni", "holm", "bh"):
                        add(
                            "families_rejected",
                            f"{correction}|{statistic}|{name}",
                            bool((correct(p, correction=correction) <= ALPHA).any()),
                        )
                runs = per_draw[0, :, :, column]
                random = null["sign_count"][: runs.shape[1], 0, column]
                add(
                    "rejected",
                    f"two-sample t|sign_count|{name}",
                    sum(classic_two_sample(each, random).p <= ALPHA for each in runs),
                )
                add(
                    "rejected",
                    f"one-sample t|sign_count|{name}",
                    sum(classic_one_sample(each).p <= ALPHA for each in runs),
                )
                add("rejected", f"captum's recipe|sign_count|{name}", (captum[:, column] <= ALPHA).sum())
    return counts


def coverage(inventory: Inventory, *, seed: int) -> Counts:
    """How often 95 % intervals held the truth, by what was studied, statistic and layer.

    The truth is the mean of the statistic over studies made anew: fresh concept clips, random clips and class clips
    of the same numbers. (The value for infinitely many clips is another number: a CAV of 20 clips is noisier, which
    brings every statistic nearer to its null. An interval of one study does not claim to hold it.)
    """
    [(class_name, class_rows), *_] = inventory.classes.items()
    held: Counts = {}
    dummy = Accuracy(1.0, 1.0, 1.0)

    def draw(kind: str, study: int) -> tuple[Design, ConceptRows]:
        rng = np.random.default_rng([seed, 7, study])
        rows = rng.permutation(inventory.bank)
        own = rng.permutation(inventory.planted_bank)[:CLIPS] if kind == "planted" else rows[POOL : POOL + CLIPS]
        classes = {class_name: clips(rng.permutation(class_rows)[:CLASS_CLIPS])}
        settings = COVERAGE_SETTINGS.model_copy(update={"seed": study})
        concept = _set("concept", own)
        return Design((concept,), clips(rows[:POOL]), classes, layers=1, settings=settings), concept

    for kind in ("planted", "a draw from the pool"):
        for name, gram in inventory.grams.items():
            studies = [draw(kind, study) for study in range(TRUTH_STUDIES)]
            truth = np.mean(
                [Scorer(name, gram, design).value(concept).values[:, 0] for design, concept in studies], axis=0
            )
            for design, concept in studies[:COVERAGE_STUDIES]:
                for estimate, true in zip(
                    pool_estimates(Scorer(name, gram, design), concept, dummy), truth, strict=True
                ):
                    cell = held.setdefault(f"{kind}|{estimate.statistic}|{name}", [0, 0])
                    cell[0] += bool(estimate.low <= true <= estimate.high)
                    cell[1] += 1
    return held


def _set(name: str, rows: np.ndarray) -> ConceptRows:
    return ConceptRows(name, "spatial", tuple(map(str, range(len(rows)))), clips(rows))
