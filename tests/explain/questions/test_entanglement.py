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


@pytest.mark.parametrize(("scale", "offset"), [(1e-3, 0.0), (1.0, 5.0), (1e3, -200.0)])
def test_unit_and_origin_of_a_layer_do_not_matter(scale: float, offset: float) -> None:
    rows, concepts, pool, gradients = world([along(4), along(2, 4)], seed=3)
    one = asked(rows, concepts, pool, gradients)
    other = asked(scale * rows + offset, concepts, pool, gradients)
    for name in ("cosines", "whole", "own"):
        np.testing.assert_allclose(getattr(other, name), getattr(one, name), rtol=1e-5)


def test_each_class_has_its_own_readout_and_unit() -> None:
    rows, concepts, pool, gradients = world([along(4), along(2, 4)], seed=4)
    of_class = GramRows(np.arange(5), tuple("abcde"))
    both = np.concatenate([gradients, 100 * np.roll(gradients, 1, axis=1)])
    gram = Gram(rows @ rows.T, both @ rows.T, both @ both.T)
    second = GramRows(np.arange(5, 10), tuple("abcde"))
    together = entanglement(gram, concepts, [pool] * 2, [of_class, second], pool)
    for column, of in enumerate((gradients, both[5:])):
        alone = asked(rows, concepts, pool, of)
        np.testing.assert_allclose(together.whole[:, [column]], alone.whole)
        np.testing.assert_allclose(together.own[:, [column]], alone.own)


def test_products_of_sets_that_share_videos_run_over_pairs_of_different_ones() -> None:
    """Two concepts share three videos with each other and two with the pool: plain loops over clips."""
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(19, 4)) + 2.0
    rows[:6] += [3.0, 0, 0, 0]
    rows[6:12] += [2.0, 2, 0, 0]
    first = GramRows(np.arange(6), tuple("abcdef"))
    second = GramRows(np.arange(6, 12), tuple("abcghi"))
    pool = GramRows(np.arange(12, 19), tuple("agpqrst"))
    gradients = rng.normal(size=(2, 4))

    def between(one: GramRows, two: GramRows) -> float:
        products = [
            rows[i] @ rows[j]
            for i, of_i in zip(one.rows, one.sources, strict=True)
            for j, of_j in zip(two.rows, two.sources, strict=True)
            if of_i != of_j
        ]
        return float(np.mean(products))

    def apart(one: GramRows, two: GramRows) -> float:
        return between(one, two) + between(pool, pool) - between(one, pool) - between(pool, two)

    expected = apart(first, second) / np.sqrt(apart(first, first) * apart(second, second))
    found = asked(rows, [first, second], pool, gradients).cosines[0, 1]
    assert 0.1 < expected < 0.9
    assert found == pytest.approx(expected)


def test_a_cosine_is_never_beyond_one() -> None:
    """Without the noise of their means displacements that are one may come out beyond 1, or beyond −1."""
    for sign in (1.0, -1.0):
        found = [asked(*world([along(3), sign * along(3)], seed=seed)).cosines[0, 1] for seed in range(12)]
        assert np.nanmax(np.abs(found)) == 1.0
        assert (sign * np.array(found)[~np.isnan(found)] > 0.5).all()


def test_what_has_no_unit_is_not_a_number() -> None:
    """A readout that is the same for all videos, and a pool of one video; two have a spread."""
    rows, concepts, pool, gradients = world([along(4), along(2, 4)], seed=6)
    assert np.isnan(asked(rows, concepts, pool, 0 * gradients).whole).all()
    gram = Gram(rows @ rows.T, gradients @ rows.T, gradients @ gradients.T)
    of_class = GramRows(np.arange(5), tuple("abcde"))
    for videos, is_known in ((1, False), (2, True)):
        some = GramRows(pool.rows[:videos], pool.sources[:videos])
        found = entanglement(gram, concepts, [pool] * 2, [of_class], some)
        assert np.isfinite(found.whole).all() == is_known
