"""Other yardsticks: other concepts, other networks, and the rest of a group."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from videotcav.explain.analyse import analyse
from videotcav.explain.cav import ridge
from videotcav.explain.design import ConceptRows, Design
from videotcav.explain.draws import Clips
from videotcav.explain.gram import gram
from videotcav.explain.library import concept_values, random_weights_values, relative_values
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


def test_relative_cavs_by_hand() -> None:
    """Concepts at −1, 0 and 3 on a line, a class that likes more: the first is below the rest, the last above,
    and the middle one, whose rest has its mean at 1, below.
    """
    X = np.array([[-1.0], [-1.0], [0.0], [0.0], [3.0], [3.0]])
    three = gram([(X, np.array([[2.0], [5.0]]))])
    group = [
        ConceptRows(name, "spatial", ("a", "b"), Clips(np.array([2 * at, 2 * at + 1]), ("v", "w")))
        for at, name in enumerate(("low", "middle", "high"))
    ]
    values = relative_values(three, group, np.full((2, 1), 0.5), classifier=ridge, penalty=0.5)
    np.testing.assert_allclose(values[:, :, 0], [[0, 0, 1], [-3.5, -3.5, 3.5], [-1, -1, 1]])


def test_two_concepts_of_a_group_are_opposites(gaussian_study: Any) -> None:
    study = library(gaussian_study)
    shares = np.full((20, 1), 1 / 20)
    first, second = relative_values(study.gram, study.concepts[-2:], shares, classifier=ridge, penalty=5.0)[0, :, 0]
    assert first + second == pytest.approx(1.0)
