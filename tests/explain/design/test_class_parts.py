"""Classes scored a few at a time: the numbers of all at once, in the memory of a few."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from support.analysed import analyse
from videotcav.explain.cavs.gram import Gram
from videotcav.explain.design import design
from videotcav.explain.design.design import Group, class_parts, part_bytes
from videotcav.explain.design.draws import GramRows
from videotcav.explain.design.settings import AnalysisSettings
from videotcav.records import Result

SETTINGS = AnalysisSettings(
    scores="classic", alpha=0.4, correction="none", random_draws=5, pseudo_concepts=99, bootstrap_resamples=400
)


def study(gaussian_study: Any, classes: int) -> tuple[Gram, dict[str, Any]]:
    """Three concepts, one with a twin, in a group, and classes of 20 clips that lie interleaved, as none does."""
    found = gaussian_study(np.random.default_rng(3), class_clips=20 * classes)
    for name in ("racket", "court", "person"):
        found.add(name, "spatiotemporal", found.base(12) + (name == "racket") * 0.5 * found.w)
    found.add("racket", "frozen", found.base(12))
    arguments = {
        "concepts": found.concepts,
        "random": found.random,
        "classes": {
            f"class {index}": GramRows(np.arange(index, 20 * classes, classes), tuple(f"{clip}" for clip in range(20)))
            for index in range(classes)
        },
        "groups": [Group("things", tuple(found.concepts[:3]))],
    }
    return found.gram, arguments


def key(row: Result) -> tuple[str, ...]:
    return (row.concept, row.kind, row.against, row.group, row.class_name, row.statistic)


def test_parts_give_the_numbers_of_all_classes_at_once(gaussian_study: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    gram, arguments = study(gaussian_study, classes=3)
    whole = {key(row): row for row in analyse({"layer": gram}, settings=SETTINGS, **arguments)}
    monkeypatch.setattr(design, "PART_BYTES", part_bytes([20, 20], resamples=400))
    parts = analyse({"layer": gram}, settings=SETTINGS, **arguments)
    assert {row.against for row in parts} == {"random", "frozen", "group"}
    assert len(parts) == len(whole)
    for row in parts:
        for name, value in row.model_dump().items():
            expected = getattr(whole[key(row)], name)
            if isinstance(value, float | tuple):
                np.testing.assert_allclose(value, expected, rtol=1e-9, atol=1e-12, err_msg=name)
            else:
                assert value == expected, name


def test_memory_is_that_of_a_part_whatever_the_number_of_classes(
    gaussian_study: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 1)  # each thread has a part in hand
    monkeypatch.setattr(design, "PART_BYTES", part_bytes([20, 20], resamples=400))

    def peak(classes: int) -> int:
        gram, arguments = study(gaussian_study, classes)
        arguments |= {"groups": []}
        tracemalloc.start()
        analyse({"layer": gram}, settings=SETTINGS, **arguments)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    few, many = peak(2), peak(12)
    results = 12 * 5 * 3 * 8 * (400 + 99)  # what every estimate keeps: its resamples and its null
    assert many < few + 2 * results


@pytest.mark.parametrize(
    ("budget", "expected"),
    [(1, [1, 1, 1, 1]), (8 * 400 * 30 * 2, [2, 1, 1]), (8 * 400 * 1000, [4])],
)
def test_neighbours_share_a_part_where_they_fit(
    budget: int, expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(design, "PART_BYTES", budget)
    parts = class_parts([10, 20, 30, 190], resamples=400)
    assert [part.stop - part.start for part in parts] == expected
    assert [part.start for part in parts] == [0, *(part.stop for part in parts[:-1])]


def test_no_class_is_no_part() -> None:
    assert class_parts([], resamples=400) == []


def test_a_part_of_the_class_clips_has_their_products() -> None:
    rng = np.random.default_rng(0)
    X, G = rng.normal(size=(5, 7)), rng.normal(size=(6, 7))
    whole, rows = Gram(X @ X.T, G @ X.T, G @ G.T), np.array([4, 1])
    part, expected = whole.of_class_clips(rows), replace(whole, cross=G[rows] @ X.T, gradients=G[rows] @ G[rows].T)
    for name in ("kernel", "cross", "gradients"):
        np.testing.assert_allclose(getattr(part, name), getattr(expected, name))
