"""The proof of edits: its scenes rendered anew, and its counts, against what is known by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from validation.proof import edits, edits_boxes, edits_cameras, edits_page, joint, joint_page
from validation.proof.shares import rate
from validation.proof.world import sample
from validation.provenance import machine
from videotcav.records import Box


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_scene_rendered_anew_is_the_film_but_for_the_object_that_is_posed(seed: int) -> None:
    film = sample(np.random.default_rng(seed), distractor_speed=0.8)
    frames = edits.frames_of(film).astype(int)
    for who in edits.OBJECTS:
        assert np.abs(edits.rendered_anew(film, who, range(8)) - frames).max() <= 1  # rounding
        assert np.abs(edits.rendered_anew(film, who, (4,) * 8)[4] - frames[4]).max() <= 1
    # The distractor's way is the same backwards and forwards, but for its sign.
    backwards = edits.frames_of(film.swapped(distractor_speed=-0.8)).astype(int)
    assert np.abs(edits.rendered_anew(film, "distractor", range(7, -1, -1)) - backwards).max() <= 1


def test_a_camera_moves_by_the_films_seed_alone_and_the_object_is_held_in_the_scene() -> None:
    """Training shows one scene in all classes, by one camera; an object is held in the scene, not in the frame."""
    films = [sample(np.random.default_rng(5), motion=motion) for motion in ("slide", "rest")]
    paths = [edits_cameras.moved(film).scene.camera for film in films]
    assert paths[0] == paths[1]
    assert not paths[0].stands
    others = {edits_cameras.moved(sample(np.random.default_rng(seed))).scene.camera.zoom == 1 for seed in range(9)}
    assert others == {True, False}  # some pan, some turn and zoom
    resting = edits_cameras.moved(films[1])
    assert (edits.rendered_anew(resting, "actor", (4,) * 8) == edits.frames_of(resting)).all()


def test_a_box_is_grown_by_a_tenth_on_each_side_and_ends_at_the_picture() -> None:
    (found,) = np.argwhere(edits.of_boxes((None, Box(left=10, top=0, right=20, bottom=10)))[1]).T[None]
    rows, columns = found
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (0, 10, 9, 20)


def cell(changes: list[float], truths: list[float], **said: Any) -> dict[str, Any]:
    effect = float(np.mean(changes))
    told = {"mean": effect, "change": float(np.mean(truths)), "effect": effect, "verdict": "undecided", "raw_p": 1.0}
    return {"object": "actor", "changes": changes, "truths": truths} | told | said


RELEVANT = cell([-1.0, -0.8, -0.6], [-1.0, -0.7, -0.4], verdict="negative", raw_p=0.01)  # one order; misses by 0.1
TURNED = cell([0.9, 0.5, 0.7], [-0.5, -0.9, -0.7], verdict="positive", raw_p=0.01)  # one order, the wrong sign
FALSE = cell(
    [0.2, 0.1, 0.3], [0.0, 0.1, -0.1], verdict="positive", raw_p=0.03, object="distractor"
)  # ranks 2 1 3 and 2 3 1: −1
NONE = cell([0.0, 0.0, 0.0], [0.01, 0.0, -0.01], raw_p=0.04)  # does nothing: 0
STILL = cell([0.0, 0.0, 0.0], [0.0, 0.0, 0.0])  # no order to be followed


def test_counts_are_those_of_a_hand_calculation() -> None:
    found = edits_page.counted([[RELEVANT, FALSE], [TURNED, NONE, STILL]])
    assert found["ordered"]["value"] == pytest.approx(0.5)  # of 1, 1, −1, 0
    assert found["ordered"]["n"] == 4
    assert found["ordered_relevant"]["value"] == pytest.approx(1)
    assert found["error"]["value"] == pytest.approx((0.1 + 1.4 + 0.2 + 0 + 0) / 5)
    assert found["error"]["low"] <= found["error"]["value"] <= found["error"]["high"]
    assert (found["error_distractor"]["value"], found["error_distractor"]["n"]) == (pytest.approx(0.2), 1)
    assert (found["ordered_actor"]["value"], found["ordered_actor"]["n"]) == (pytest.approx(1), 3)  # of 1, 1, 0
    assert (found["irrelevant"]["hits"], found["irrelevant"]["of"]) == (1, 3)
    assert found["irrelevant_raw"]["hits"] == 2
    assert (found["power"]["hits"], found["power"]["of"]) == (2, 2)
    assert (found["sign"]["hits"], found["sign"]["of"]) == (1, 2)
    assert found["auroc"]["auroc"] == 1  # 0.8 and 0.7 above 0.2, 0 and 0


def test_both_edits_of_a_conjunction_come_first_in_any_order() -> None:
    both = ["moving places", "still"]
    assert edits_page.own_first({"own": both, "first": ["still", "moving places", "grey"]})
    assert not edits_page.own_first({"own": both, "first": ["still", "grey", "moving places"]})
    assert not edits_page.own_first({"own": ["still"], "first": ["grey", "still"]})


def test_rows_are_held_to_targets_but_for_those_of_black() -> None:
    way = edits_page.counted([[RELEVANT, FALSE], [TURNED, NONE]])
    found = {"ways": dict.fromkeys(edits_page.WORDS, way), "probe": rate(19, 20), "commit": "c", "machine": machine()}
    rows = list(edits_page.promises(found))
    met = {row.what: row.meets() for row in rows if row.target}
    assert all(row.target is None for row in rows if "black" in row.what)
    assert {what for what, is_met in met.items() if is_met} == {
        "object edits by mask: relevant against irrelevant, AUROC",
        "object edits by box: relevant against irrelevant, AUROC",
        "probe: the largest ranked edit is the network's own, ρ = 0.7 not counted",
    }
    assert len(met) == 11


def test_boxes_are_moved_by_no_more_than_said_and_each_side_on_its_own() -> None:
    box = Box(left=10, top=20, right=30, bottom=60)  # 20 wide, 40 high
    found = edits_boxes.moved((box,) * 500 + (None,), 0.2, np.random.default_rng(0))
    assert found[-1] is None
    sides = np.array([[each.left, each.top, each.right, each.bottom] for each in found[:-1] if each])
    off = np.abs(sides - [10, 20, 30, 60]) / [20, 40, 20, 40]
    assert 0.19 < off.max() <= 0.2
    assert np.abs(np.corrcoef(sides.T) - np.eye(4)).max() < 0.15


def test_a_frame_without_a_box_is_interpolated_between_two_and_absent_at_the_ends() -> None:
    film = sample(np.random.default_rng(0))
    (clip,) = edits._clips("a", [film]).records
    boxes = tuple(Box(left=frame, top=10, right=frame + 10.0, bottom=20) for frame in range(8))
    exact = edits_boxes.found_by_the_tool(boxes, clip)
    told = edits_boxes.found_by_the_tool((None, *boxes[1:4], None, *boxes[5:]), clip)
    assert exact is not None
    assert told is not None
    assert exact[0].any()
    assert not told[0].any()
    assert (told[1:] == exact[1:]).all()  # it moves evenly
    assert edits_boxes.found_by_the_tool((None,) * 8, clip) is None
    assert [each is None for each in edits_boxes.thinned(boxes, 2, np.random.default_rng(1))].count(True) == 2


@pytest.mark.parametrize(
    ("push", "need", "both"), [(1.0, 0.5, 0.5), (-1.0, -2.0, -1.0), (1.0, -2.0, 0.0), (0.0, 1.0, 0.0), (3.0, 3.0, 3.0)]
)
def test_the_joint_number_is_the_leg_nearer_to_nothing_and_nothing_where_signs_differ(
    push: float, need: float, both: float
) -> None:
    assert joint.joint(push, need) == both


def legs(effect: float, push: float, need: float, cost: float, concept: str = "shape key") -> dict[str, Any]:
    told = {"push": effect, "need": effect, "effect": effect, "blind": concept == "motion rest"}
    return {"concept": concept, **told, "true_push": push, "true_need": need, "cost": cost}


def test_joint_verdicts_are_counted_against_both_legs_and_against_the_factor() -> None:
    rows = [
        legs(0.9, 1.0, 0.8, 1.0),  # relevant by both truths, told most
        legs(0.6, 1.0, -0.8, 0.05),  # signs differ: nothing by the legs, nothing by the factor; told as an effect
        legs(0.2, 0.6, 0.7, -0.9),  # relevant, hardly told
        legs(0.0, 0.0, 2.0, 0.7, "motion rest"),  # not pushed; its factor is needed all the same
    ]
    tests = [{"p": 0.01}, {"p": 0.05}, {"p": 0.2}, {"p": 0.9}]
    found = joint_page.summary([{"rule": "shape", "seed": 3, "rows": rows, "shams": tests}])
    # Of the legs: 0.9 and 0.2 against 0.6 and 0.0, three of four pairs in order. Of the factor: one of three.
    assert found["legs"] == {"auroc": pytest.approx(0.75), "relevant": 2, "irrelevant": 2}
    assert found["factor"] == {"auroc": pytest.approx(1 / 3), "relevant": 3, "irrelevant": 1}
    assert found["factor_seen"] == {"auroc": pytest.approx(1 / 2), "relevant": 2, "irrelevant": 1}
    assert (found["none_told"]["hits"], found["none_told"]["of"]) == (1, 2)
    assert (found["shams"]["hits"], found["shams"]["of"]) == (2, 4)


def test_a_film_holds_a_concept_where_it_shows_it_and_a_swap_takes_it_away() -> None:
    rng = np.random.default_rng(0)
    for each in joint.asked():
        film = sample(rng, **each.concept.factors)
        assert each.holds(film)
        swapped = each.swapped(film)
        assert swapped
        assert not any(each.holds(other) for other in swapped)
