"""One model's study: every concept against the pool and against its twin, beside what an intervention does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from validation.proof.concepts import CLIPS, Concept, logits, planted, tied
from validation.proof.passes import CLASS_CLIPS, POOL, Inventory, clips
from videotcav.explain.cavs.gram import Gram
from videotcav.explain.design.design import ConceptRows, Design, null_shape
from videotcav.explain.design.draws import draw_negatives, generator
from videotcav.explain.design.settings import AnalysisSettings
from videotcav.explain.inference.judge import Estimate, judge
from videotcav.explain.inference.permutation import classic_one_sample, classic_two_sample, flip_null, set_null
from videotcav.explain.questions.pool import pool_estimates
from videotcav.explain.questions.scorer import Scorer
from videotcav.explain.questions.twin import flipped, twin_estimates
from videotcav.models.model import VideoModel
from videotcav.records import STATISTICS

INTERVENED = 32
SETTINGS = AnalysisSettings(random_draws=10, pseudo_concepts=499, bootstrap_resamples=500)
FLIPS = 199
PAIR_GROUPS = ("motion", "distractor", "distractor alone", "planted")
COMPANY = ("ball passes", "tint 0", "patch 0", "stripes 0")
"""Concepts that stand beside the planted one in the study whose whole family is corrected."""

Row = dict[str, Any]


def truths(model: VideoModel, inventory: Inventory) -> list[Row]:
    """What forcing each concept on natural films, and taking its motion away, does to each class's logit, in units of
    the logit's standard deviation over natural films.
    """
    natural = logits(model, inventory.natural[:200])
    spread = natural.std(axis=0)
    rng = np.random.default_rng(3)
    rows = []
    for concept in inventory.concepts.values():
        forced = [concept.forced_on(film, rng) for film in inventory.natural[:INTERVENED]]
        rows.append(_truth(model, concept, "random", (logits(model, forced) - natural[:INTERVENED]) / spread))
        if concept.twin is not None and concept.group in PAIR_GROUPS:
            own = concept.films(INTERVENED, rng=rng)
            change = logits(model, own) - logits(model, [concept.twin_of(film) for film in own])
            rows.append(_truth(model, concept, concept.twin, change / spread))
    return rows


def _truth(model: VideoModel, concept: Concept, against: str, change: np.ndarray) -> Row:
    changes = dict(zip(model.card.classes, change.mean(axis=0).tolist(), strict=True))
    return {"concept": concept.name, "group": concept.group, "against": against, "change": changes}


def design_of(inventory: Inventory, sets: tuple[ConceptRows, ...], settings: AnalysisSettings) -> Design:
    """The study's design: these sets, the study's random clips and class clips."""
    classes = {name: clips(rows[:CLASS_CLIPS]) for name, rows in inventory.classes.items()}
    return Design(sets, clips(inventory.bank[:POOL]), classes, layers=len(inventory.grams), settings=settings)


def tested(inventory: Inventory, *, seed: int) -> list[Row]:
    """Every test of the study before any correction: a row a concept, yardstick, layer, class and statistic."""
    rows: list[Row] = []
    settings = SETTINGS.model_copy(update={"seed": seed})
    sets = tuple(inventory.sets.values())
    for name, gram in inventory.grams.items():
        design = design_of(inventory, sets, settings)
        layer = Scorer(name, gram, design)
        values = dict(zip(inventory.sets, np.moveaxis(concept_values(gram, design, sets), 1, 0), strict=True))
        twin_values = np.moveaxis(concept_values(gram, design, list(inventory.twins.values())), 1, 0)
        contrasts = {each: values[each] - twin for each, twin in zip(inventory.twins, twin_values, strict=True)}
        for concept in sets:
            rows += _against_random(inventory, layer, concept, _library(inventory, values, concept.concept))
        chosen = [each for each in inventory.twins if inventory.concepts[each].group in PAIR_GROUPS]
        both = tuple(each for own in chosen for each in (inventory.sets[own], inventory.twins[own]))
        pair_design = design_of(inventory, both, settings.model_copy(update={"pseudo_concepts": FLIPS}))
        paired = Scorer(name, gram, pair_design)
        for dynamic, twin in pair_design.pairs:
            observed, complete = flipped(paired, dynamic, twin)
            library = _library(inventory, contrasts, dynamic.concept)
            for index, statistic in enumerate(STATISTICS):
                for column, class_name in enumerate(design.classes):
                    null = flip_null(observed[statistic][1:, column], complete=complete)
                    value = float(observed[statistic][0, column])
                    rows.append(
                        _row(
                            inventory,
                            name,
                            dynamic.concept,
                            against=twin.kind,
                            statistic=statistic,
                            **{"class": class_name},
                        )
                        | _said(value, null)
                        | {"p_library": set_null(library[:, index, column]).p(value)}
                    )
    return rows


def _against_random(inventory: Inventory, layer: Scorer, concept: ConceptRows, library: np.ndarray) -> list[Row]:
    """The rows of one set against the pool, with the p of every other recipe beside it."""
    per_draw = layer.statistics(concept.clips.rows[None], layer.negatives(concept), layer.class_shares)
    null_runs = layer.pseudo_concepts(null_shape(concept, layer.pool))
    captum = captum_recipe(layer, concept)
    rows = []
    for index, statistic in enumerate(STATISTICS):
        for column, class_name in enumerate(layer.design.classes):
            runs = per_draw[statistic][0, :, column]
            null = set_null(null_runs[statistic][:, :, column].mean(axis=1))
            told = {"against": "random", "class": class_name, "statistic": statistic}
            row = _row(inventory, layer.name, concept.concept, **told) | _said(float(runs.mean()), null)
            row["p_library"] = set_null(library[:, index, column]).p(float(runs.mean()))
            if statistic == "sign_count":
                row["p_two_sample"] = classic_two_sample(runs, null_runs[statistic][: len(runs), 0, column]).p
                row["p_one_sample"] = classic_one_sample(runs).p
                row["p_captum"] = float(captum[column])
            rows.append(row)
    return rows


def concept_values(gram: Gram, design: Design, concepts: Sequence[ConceptRows]) -> np.ndarray:
    """The statistics of concept sets against random clips, (3, concept, class), without intervals or tests."""
    layer = Scorer("", gram, design)
    return np.stack([layer.value(concept).values for concept in concepts], axis=1)


def _row(inventory: Inventory, layer: str, concept: str, **more: str) -> Row:
    return {"concept": concept, "group": inventory.concepts[concept].group, "layer": layer, **more}


def _said(value: float, null: Any) -> Row:
    """The value, its distance from the null's centre, also in the null's own spread, and p."""
    effect = value - null.centre
    scale = max(float(np.sqrt((null.distances**2).mean())), 1e-12)
    return {"value": value, "effect": effect, "distance": effect / scale, "p": null.p(value)}


def _library(inventory: Inventory, values: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """The values of the other labels' sets, (set, 3, class): all but those of the concept's own sort, and those made
    to be what the rule names.
    """
    own = inventory.concepts[name].group
    groups = {other: inventory.concepts[other].group for other in values}
    kept = [values[other] for other, group in groups.items() if group not in (own, "planted", "tied")]
    return np.stack(kept)


def captum_recipe(layer: Scorer, concept: ConceptRows) -> np.ndarray:
    """P of the recipe in captum's tutorial, (class,): sign counts of concept against random sets, and of one fixed
    random set against the same ones, with Student's t-test.
    """
    rng = generator(layer.settings.seed, "captum", concept.concept)
    fixed = rng.permutation(len(layer.pool))[:CLIPS]
    excluded = np.isin(np.arange(len(layer.pool)), fixed)[None]
    negatives = draw_negatives(excluded, size=CLIPS, draws=layer.settings.random_draws, rng=rng)[0]
    both = np.stack([concept.clips.rows, layer.pool.rows[fixed]])
    ours, random = layer.statistics(both, negatives, layer.class_shares)["sign_count"]
    flat = (np.ptp(ours, axis=0) < 1e-9) & (np.ptp(random, axis=0) < 1e-9)  # noqa: PLR2004 - float noise
    p = np.where(np.abs(ours.mean(axis=0) - random.mean(axis=0)) < 1e-9, 1.0, 0.0)  # noqa: PLR2004 - as above
    for column in np.flatnonzero(~flat):
        p[column] = stats.ttest_ind(ours[:, column], random[:, column]).pvalue
    return p


def verdicts(model: VideoModel, rule: str, inventory: Inventory, *, seed: int) -> list[Row]:
    """What a user reads who asks for one class about its planted concept, its twin and four others, at all layers:
    verdicts after Holm's correction over that family.
    """
    settings = SETTINGS.model_copy(update={"seed": seed})
    asked = {
        concept.name: class_name
        for class_name in model.card.classes
        for concept in (planted(rule, class_name), tied(rule, class_name))
        if concept is not None
    }
    names = [*asked, *COMPANY]
    sets = tuple(inventory.sets[name] for name in names) + tuple(
        inventory.twins[name] for name in asked if name in inventory.twins
    )
    design = design_of(inventory, sets, settings)
    estimates: list[Estimate] = []
    for name, gram in inventory.grams.items():
        layer = Scorer(name, gram, design)
        accuracies = {each: layer.accuracy(inventory.sets[each]) for each in names}
        for each in names:
            estimates += pool_estimates(layer, inventory.sets[each], accuracies[each])
        for dynamic, twin in design.pairs:
            estimates += twin_estimates(layer, dynamic, twin, accuracies[dynamic.concept])
    rows = []
    for concept_name, class_name in asked.items():
        kept = (concept_name, *COMPANY)
        family = [
            each
            for each in estimates
            if each.class_name == class_name and each.of.concept in kept and each.statistic == "cosine"
        ]
        for result in judge(family, settings=settings):
            rows.append(  # noqa: PERF401 - a comprehension of this length hides its loop
                {
                    "asked": concept_name,
                    "group": inventory.concepts[concept_name].group,
                    "concept": result.concept,
                    "against": result.against,
                    "class": class_name,
                    "layer": result.layer,
                    "p": result.p,
                    "p_corrected": result.p_corrected,
                    "accuracy": result.accuracy,
                    "verdict": result.verdict,
                }
            )
    return rows
