"""Other yardsticks: other concepts, other networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from videotcav.explain.analyse import analyse
from videotcav.explain.design import Design
from videotcav.explain.gram import gram
from videotcav.explain.library import concept_values, random_weights_values
from videotcav.explain.settings import AnalysisSettings
from videotcav.explain.tests import set_null

SETTINGS = AnalysisSettings(random_draws=3, pseudo_concepts=99, correction="none", bootstrap_resamples=100)


def library(make: Any, *, seed: int = 0) -> Any:
    """Twenty unrelated concepts, and a last one along w."""
    study = make(np.random.default_rng(seed))
    for index in range(20):
        study.add(f"other {index}", "spatial", study.base(12))
    study.add("racket", "spatial", study.base(12) + 3 * study.w)
    return study


def design(study: Any) -> Design:
    return Design(tuple(study.concepts), study.random, study.classes, 1, SETTINGS)


def test_values_are_those_of_the_whole_analysis(gaussian_study: Any) -> None:
    study = library(gaussian_study)
    study.concepts = study.concepts[-2:]
    results = analyse(
        {"l": study.gram}, concepts=study.concepts, random=study.random, classes=study.classes, settings=SETTINGS
    )
    values = concept_values(study.gram, design(study), study.concepts)
    np.testing.assert_allclose(values.transpose(1, 2, 0).ravel(), [each.value for each in results])


def test_a_concept_that_matters_stands_out_of_a_library(gaussian_study: Any) -> None:
    study = library(gaussian_study)
    *others, racket = concept_values(study.gram, design(study), study.concepts)[2, :, 0]
    assert set_null(np.array(others)).p(racket) == pytest.approx(1 / 21)


def test_random_weights_are_one_network_after_the_other(gaussian_study: Any) -> None:
    """Networks that turn activations at random, without turning the class with them, know nothing of racket."""
    study = library(gaussian_study)
    racket = study.concepts[-1]
    turns = [np.linalg.qr(np.random.default_rng([7, k]).normal(size=(60, 60)))[0] for k in range(19)]
    networks = [gram([(study.X @ turn, study.G)]) for turn in turns]
    values = random_weights_values(networks, design(study), racket)
    assert values.shape == (3, 19, 1)
    np.testing.assert_array_equal(values[:, 4], concept_values(networks[4], design(study), [racket])[:, 0])
    trained = concept_values(study.gram, design(study), [racket])[2, 0, 0]
    assert set_null(values[2, :, 0]).p(trained) == pytest.approx(0.05)
