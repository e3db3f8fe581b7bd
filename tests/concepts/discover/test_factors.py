"""Factors of rows: planted parts are found where they were planted, in the videos that are for finding alone."""

from __future__ import annotations

import numpy as np
import pytest

from videotcav.concepts.discover.factors import by_turns, number_of_factors, split, strongest_tubelets
from videotcav.errors import NotEnoughData

GRID = (2, 3, 3)


def planted(rng: np.random.Generator, videos: int = 20) -> tuple[list[np.ndarray], list[tuple[int, tuple[int, ...]]]]:
    """Rows of noise with one of two parts in one place of each video; which, and where."""
    parts = np.array([[4.0, 2.0, 0.0, 0.0], [0.0, 0.0, -3.0, 3.0]])
    volumes, truth = [], []
    for video in range(videos):
        volume = 0.1 * rng.random((4, *GRID))
        place = tuple(int(rng.integers(length)) for length in GRID)
        volume[(slice(None), *place)] += parts[video % 2] * rng.uniform(0.8, 1.2)
        volumes.append(volume.astype(np.float32))
        truth.append((video % 2, place))
    return volumes, truth


def found(volumes: list[np.ndarray], finding: np.ndarray, *, count: int | None = 2) -> list:
    return strongest_tubelets(lambda: volumes, finding, count=count, seed=0, memory_bytes=2**30)


def test_a_planted_part_is_a_factor_that_is_strongest_where_it_was_planted() -> None:
    volumes, truth = planted(np.random.default_rng(0))
    shown = found(volumes, np.arange(20) < 10)
    strength = np.array([each.strength for each in shown])
    first = strength[truth.index(next(each for each in truth if each[0] == 0))].argmax()
    for each, own, (part, place) in zip(shown, strength, truth, strict=True):
        factor = first if part == 0 else 1 - first
        assert own.argmax() == factor
        assert tuple(each.place[factor]) == place
        assert each.over_time[factor, place[0]] == pytest.approx(own[factor])


def test_videos_that_are_held_out_change_no_factor() -> None:
    volumes, _ = planted(np.random.default_rng(1))
    finding = np.arange(20) < 10
    before = found(volumes, finding)
    others = [*volumes[:10], *(100 * each[::-1] for each in volumes[10:])]
    for one, other in zip(before[:10], found(others, finding)[:10], strict=True):
        assert np.array_equal(one.strength, other.strength)
    others[0] = 100 * others[0][::-1]
    assert not np.array_equal(before[1].strength, found(others, finding)[1].strength)


def test_rows_are_split_so_that_nothing_of_them_is_lost() -> None:
    volume = np.random.default_rng(2).normal(size=(4, *GRID)).astype(np.float32)
    positive, negative = np.split(split(volume), 2, axis=1)
    assert min(positive.min(), negative.min()) >= 0
    assert np.array_equal((positive - negative).T.reshape(volume.shape), volume)


def test_as_many_factors_as_hold_nine_tenths_of_the_variance() -> None:
    """Of columns with variances 80, 15 and 5 the first two hold 95 %."""
    rows = np.random.default_rng(3).normal(size=(5000, 3)) * np.sqrt([80.0, 15.0, 5.0])
    assert number_of_factors(rows.astype(np.float32)) == 2
    alike = np.random.default_rng(3).normal(size=(5000, 40))
    assert number_of_factors(alike.astype(np.float32)) == 16


def test_a_layer_that_says_the_same_everywhere_has_no_factors() -> None:
    with pytest.raises(NotEnoughData, match="all tubelets of the layer are alike"):
        found([np.ones((4, *GRID), np.float32)] * 4, np.arange(4) < 2)


def test_no_more_factors_are_asked_of_a_layer_than_it_can_have() -> None:
    """Four channels in two parts each are eight numbers; a layer of one channel has two factors at most."""
    volumes, _ = planted(np.random.default_rng(4), videos=4)
    with pytest.raises(NotEnoughData, match="9 factors were asked for, and the layer's tubelets can have 1 to 8"):
        found(volumes, np.arange(4) < 2, count=9)
    assert len(found([each[:1] for each in volumes], np.arange(4) < 2, count=None)[0].strength) == 2


def test_each_source_has_its_first_before_any_has_its_second() -> None:
    assert by_turns([4, 0, 3, 1, 2], ["a", "a", "b", "a", "a"]) == [4, 2, 0, 3, 1]
    assert by_turns([2, 0, 1], ["a", "b", "c"]) == [2, 0, 1]
