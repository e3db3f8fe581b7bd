"""The gallery's tennis entry: whom its splits keep apart, whom it calls marked, and how sure it says it is."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from videotcav.concepts.review.decisions import from_lines
from videotcav.explain.design.settings import AnalysisSettings

ROOT = Path(__file__).parents[1]
ROWS = [{"label": f"stroke {scene % 2}", "scene": str(scene)} for scene in range(16) for _ in range(5)]


@pytest.fixture(autouse=True)
def _scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in (ROOT, ROOT / "benchmarks"):
        monkeypatch.syspath_prepend(folder)


def scenes(rows: list[int]) -> set[str]:
    return {ROWS[row]["scene"] for row in rows}


def test_no_scene_is_on_both_sides_of_the_split_by_scene_and_nearly_all_are_of_the_random_one() -> None:
    from examples.tennis.train import split  # noqa: PLC0415 - a script, found for this test

    for by, shared in (("scene", 0), ("random", 12)):
        train, test = split(ROWS, by=by, seed=0)
        assert sorted(train + test) == list(range(len(ROWS)))
        assert len(scenes(train) & scenes(test)) >= shared
        assert (len(scenes(train) & scenes(test)) == 0) == (by == "scene")


def test_a_corner_is_marked_where_it_holds_what_the_known_ones_have_in_common() -> None:
    from examples.tennis.recipe import marked  # noqa: PLC0415 - a script, found for this test

    rng = np.random.default_rng(0)
    mark, corners = rng.normal(size=(8, 20)), rng.normal(size=(30, 8, 20))
    carries = np.arange(30) % 3 > 0
    corners[carries] += mark
    known = (np.arange(30) < 15) & carries
    assert (marked(corners.astype(np.float32), known.tolist()) == carries).all()


def test_an_interval_over_scenes_is_as_wide_as_scenes_differ_not_as_clips_do() -> None:
    from gallery_tennis import over_scenes  # noqa: PLC0415 - a script, found for this test

    alike = over_scenes(np.tile([0.0, 1.0], 20), [str(place // 10) for place in range(40)])
    apart = over_scenes(np.repeat([0.0, 1.0, 0.0, 1.0], 10), [str(place // 10) for place in range(40)])
    assert (alike["value"], alike["low"], alike["high"]) == (0.5, 0.5, 0.5)
    assert (apart["value"], apart["low"], apart["high"]) == (0.5, 0.0, 1.0)
    assert (apart["clips"], apart["scenes"]) == (40, 4)
    _forget()


def test_networks_differ_by_what_one_does_more_than_the_other_in_its_own_unit() -> None:
    from gallery_tennis import CLASS, NETWORKS, apart  # noqa: PLC0415 - a script, found for this test

    def network(sigma: float, push: float, need: float) -> SimpleNamespace:
        score, edited = f"score:{CLASS}", "edit:remove mark"
        rows: list[dict[str, object]] = [
            {"set": "mark", "kind": "spatiotemporal", "group": f"c{n}", score: sigma * (push + n), edited: None}
            for n in range(6)
        ]
        rows += [{"set": "random", "kind": "random", "group": f"c{n}", score: 100.0, edited: None} for n in range(6)]
        rows += [
            {"set": "random", "kind": "random", "group": f"p{n}", score: sigma * n, edited: None} for n in range(6)
        ]
        rows += [
            {"set": CLASS, "kind": "class", "group": f"k{n}", score: 7.0 * n, edited: 7.0 * n + sigma * need}
            for n in range(6)
        ]
        rows += [{"set": CLASS, "kind": "class", "group": "k9", score: 1.0, edited: None}]  # does not hold it
        return SimpleNamespace(clip_rows=rows, effects=[SimpleNamespace(target="mark", sigma=sigma)])

    first, second = network(2.0, 0.5, -0.25), network(3.0, 1.5, -1.0)
    found = apart(dict(zip(NETWORKS, (first, second), strict=True)), "mark")
    for leg, difference in (("push", 1.0), ("need", -0.75)):
        assert list(found[leg].values()) == pytest.approx([difference] * 3)  # alike in all scenes: no spread
    _forget()


def test_what_was_seen_in_clips_of_the_study_is_enough_for_it_and_says_where_it_could_not_be_told() -> None:
    decisions = from_lines((ROOT / "examples" / "tennis" / "decisions.jsonl").read_text(encoding="utf-8"))
    said = Counter((each.concept, each.verdict) for each in decisions)
    assert len({each.candidate for each in decisions}) == len(decisions)
    for concept in ("player", "racket", "watermark"):
        assert said[concept, "accept"] >= AnalysisSettings().minimum_clips
        assert said[concept, "unsure"]


def _forget() -> None:
    for name in ("harness", "gallery_tennis"):
        sys.modules.pop(name, None)
