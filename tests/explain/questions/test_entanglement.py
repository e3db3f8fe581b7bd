"""Displacements held against each other: known directions, plain vectors, and noise that must not look alike."""

from __future__ import annotations

import numpy as np
import pytest

from videotcav.explain.cavs.gram import Gram
from videotcav.explain.design.draws import GramRows
from videotcav.explain.questions.entanglement import Entanglement, entanglement

N, POOL, COLUMNS = 20, 40, 200


def world(
    directions: list[np.ndarray], *, seed: int, clips_a_video: int = 1
) -> tuple[np.ndarray, list[GramRows], GramRows, np.ndarray]:
    """Activations of concepts that are moved along directions and of a pool, and gradients of one class's clips."""
    rng = np.random.default_rng(seed)
    parts = [np.repeat(rng.normal(size=(N, COLUMNS)), clips_a_video, axis=0) + each for each in directions]
    rows = np.concatenate([*parts, rng.normal(size=(POOL, COLUMNS))])
    concepts, first = [], 0
    for number, part in enumerate(parts):
        sources = tuple(f"{number}-{clip // clips_a_video}" for clip in range(len(part)))
        concepts.append(GramRows(np.arange(first, first + len(part)), sources))
        first += len(part)
    pool = GramRows(np.arange(first, first + POOL), tuple(f"p{clip}" for clip in range(POOL)))
    gradients = rng.normal(size=(5, COLUMNS)) + np.eye(1, COLUMNS)[0] * 3
    return rows, concepts, pool, gradients


def asked(rows: np.ndarray, concepts: list[GramRows], pool: GramRows, gradients: np.ndarray) -> Entanglement:
    gram = Gram(rows @ rows.T, gradients @ rows.T, gradients @ gradients.T)
    of_class = GramRows(np.arange(len(gradients)), tuple(f"c{clip}" for clip in range(len(gradients))))
    return entanglement(gram, concepts, [pool] * len(concepts), [of_class], pool)


def along(*values: float) -> np.ndarray:
    return np.array([*values, *np.zeros(COLUMNS - len(values))])


def test_cosines_are_those_of_the_true_displacements_on_average() -> None:
    """Two at 60°, one at right angles to both. Plain cosines of noisy means are far from these: they share the pool."""
    directions = [along(6), along(3, 6 * np.sqrt(3) / 2), along(0, 0, 6)]
    found, plain = [], []
    for seed in range(40):
        rows, concepts, pool, gradients = world(directions, seed=seed)
        found.append(asked(rows, concepts, pool, gradients).cosines)
        moved = np.array([rows[each.rows].mean(axis=0) - rows[pool.rows].mean(axis=0) for each in concepts])
        lengths = np.linalg.norm(moved, axis=1)
        plain.append(moved @ moved.T / np.outer(lengths, lengths))
    expected = np.array([[1, 0.5, 0], [0.5, 1, 0], [0, 0, 1]])
    np.testing.assert_allclose(np.mean(found, axis=0), expected, atol=0.03)
    assert np.mean(plain, axis=0)[0, 2] > 0.08


def test_effects_are_those_of_plain_vectors() -> None:
    """The readout of d, and of d without its projection on the plane of the others, by least squares."""
    rows, concepts, pool, gradients = world([along(3), along(2, 2), along(0, 1, 3)], seed=1)
    found = asked(rows, concepts, pool, gradients)
    moved = np.array([rows[each.rows].mean(axis=0) - rows[pool.rows].mean(axis=0) for each in concepts])
    w = gradients.mean(axis=0)
    unit = (rows[pool.rows] @ w).std(ddof=1)
    np.testing.assert_allclose(found.whole[:, 0], moved @ w / unit)
    for at in range(3):
        others = np.delete(moved, at, axis=0)
        rest = moved[at] - np.linalg.lstsq(others.T, moved[at], rcond=None)[0] @ others
        assert found.own[at, 0] == pytest.approx(rest @ w / unit)


def test_a_concept_twice_has_no_effect_of_its_own() -> None:
    rows, concepts, pool, gradients = world([along(5), along(0, 5)], seed=2)
    found = asked(rows, [concepts[0], concepts[1], concepts[0]], pool, gradients)
    assert found.cosines[0, 2] == pytest.approx(1)
    np.testing.assert_allclose(found.own[[0, 2]], 0, atol=1e-6)
    assert abs(found.own[1, 0]) > 0


def test_copies_of_a_clip_change_nothing() -> None:
    """Videos are what is counted: three equal clips a video are one."""
    one = asked(*world([along(4), along(2, 4)], seed=3))
    three = asked(*world([along(4), along(2, 4)], seed=3, clips_a_video=3))
    np.testing.assert_allclose(three.cosines, one.cosines)
    np.testing.assert_allclose(three.own, one.own)


def test_what_is_no_longer_than_its_noise_has_no_cosine() -> None:
    found = [asked(*world([along(5), along()], seed=seed)).cosines[0, 1] for seed in range(20)]
    assert 4 <= np.isnan(found).sum() <= 16  # half of the time |d|² comes out below 0
