"""Under a true null a test at 5 % rejects 5 % of the time: the default does, the published one does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import beta

from videotcav.explain.design.design import Design, null_shape
from videotcav.explain.design.settings import AnalysisSettings
from videotcav.explain.inference.permutation import classic_two_sample, flip_null, set_null
from videotcav.explain.questions.scorer import Scorer
from videotcav.explain.questions.twin import flipped

STUDIES, CONCEPTS = 200, 6
SETTINGS = AnalysisSettings(random_draws=6, pseudo_concepts=99, bootstrap_resamples=100)


def upper_bound(rejected: int, tests: int) -> float:
    """The upper end of the 95 % Clopper–Pearson interval."""
    return float(beta.ppf(0.975, rejected + 1, tests - rejected))


@pytest.fixture(scope="module")
def p_values(gaussian_study: Any) -> dict[str, np.ndarray]:
    """p of concepts that are draws from the random distribution, each p of its own concept."""
    by_set, classic, paired = [], [], []
    for seed in range(STUDIES):
        study = gaussian_study(np.random.default_rng([11, seed]), pool=40, dimensions=30, class_clips=10)
        for concept in range(CONCEPTS):
            base = study.rng.normal(size=(10, study.dimensions))
            for kind in ("spatiotemporal", "frozen") if concept == 0 else ("spatial",):
                study.add(f"c{concept}", kind, base + 0.5 * study.rng.normal(size=base.shape))
        settings = SETTINGS.model_copy(update={"seed": seed})
        layer = Scorer("l", study.gram, Design(tuple(study.concepts), study.random, study.classes, 1, settings))
        runs = layer.pseudo_concepts(null_shape(study.concepts[0], study.random)).values[..., 0]
        nulls = [set_null(each) for each in runs.mean(axis=2)]
        for concept in study.concepts:
            if concept.kind == "spatial":
                rows = concept.clips.rows[None]
                observed = layer.statistics(rows, layer.negatives(concept), layer.class_shares).values[:, 0, :, 0]
                by_set.append([null.p(each.mean()) for null, each in zip(nulls, observed, strict=True)])
                random = runs[:, : SETTINGS.random_draws, 0]
                classic.append([classic_two_sample(*each).p for each in zip(observed, random, strict=True)])
        contrasts, complete = flipped(layer, *layer.design.pairs[0])
        paired.append([flip_null(each[1:], complete=complete).p(each[0]) for each in contrasts.values[..., 0]])
    return {"set": np.array(by_set), "classic": np.array(classic), "paired": np.array(paired)}


def test_set_level_randomisation_keeps_its_level(p_values: dict[str, np.ndarray]) -> None:
    rejected = (p_values["set"] <= 0.05).sum(axis=0)
    assert len(p_values["set"]) >= 1000
    assert all(upper_bound(int(count), len(p_values["set"])) <= 0.07 for count in rejected)


def test_the_paired_test_keeps_its_level(p_values: dict[str, np.ndarray]) -> None:
    rejected = (p_values["paired"] <= 0.05).sum(axis=0)
    assert all(count <= 0.085 * len(p_values["paired"]) for count in rejected)  # 200 tests: 5 % + 2.3 errors


def test_the_published_t_test_does_not(p_values: dict[str, np.ndarray]) -> None:
    assert ((p_values["classic"] <= 0.05).mean(axis=0) > 0.15).all()
