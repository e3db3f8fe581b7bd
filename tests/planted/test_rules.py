"""Rules: each decides the class by its own factors and leaves the others free."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from validation.proof.world import RULES, TIED, motion_rule
from videotcav.planted.factors import BACKGROUNDS, MOTION, MOTIONS
from videotcav.planted.scenes import render, sample_scene, swap


def draw(rule, count=400, **fixed):
    rng = np.random.default_rng(5)
    return [sample_scene(rng, rule=rule, **fixed) for _ in range(count)]


@pytest.mark.parametrize("rule", [MOTION, *RULES.values()])
def test_every_scene_has_a_class_and_all_classes_come_alike(rule):
    labels = Counter(rule.label(scene) for scene in draw(rule, count=80 * len(rule.classes)))
    assert set(labels) == set(rule.classes)
    assert min(labels.values()) > 50


@pytest.mark.parametrize(
    ("rule", "deciding", "free"),
    [
        (MOTION, {"motion": "jump"}, {"shape": "key", "background": "court", "distractor": "star", "direction": 1}),
        (RULES["shape"], {"shape": "key"}, {"motion": "jump", "background": "court", "distractor": "star"}),
        (RULES["background"], {"background": "court"}, {"motion": "jump", "shape": "key", "distractor": "star"}),
        (RULES["reversed pairs"], {"direction": -1}, {"shape": "key", "background": "court", "distractor": "star"}),
    ],
)
def test_the_class_follows_its_own_factor_and_no_other(rule, deciding, free):
    first = next(iter(rule.classes))
    last = list(rule.classes)[-1]
    scene = sample_scene(np.random.default_rng(1), rule=rule, class_name=first)
    assert rule.label(swap(scene, **free)) == first
    assert rule.label(swap(scene, **rule.classes[last])) == last
    assert rule.label(swap(scene, **deciding)) != first or deciding == rule.classes[first]


def test_shape_and_motion_both_decide():
    scene = sample_scene(np.random.default_rng(1), rule=RULES["shape × motion"], class_name="racket jump")
    assert RULES["shape × motion"].label(swap(scene, shape="bottle")) == "bottle jump"
    assert RULES["shape × motion"].label(swap(scene, motion="slide")) == "racket slide"
    assert RULES["shape × motion"].label(swap(scene, motion="rest")) is None


def test_a_reversed_scene_played_backwards_is_its_partner():
    """Frame by frame: only time tells the two classes apart."""
    for motion in ("swing", "slide"):
        one = sample_scene(
            np.random.default_rng(2), rule=RULES["reversed pairs"], class_name="forwards", motion=motion, grain=0.0
        )
        one = swap(one, distractor_x=9.0)
        partner = swap(one, direction=-1, event_time=1 - one.event_time)
        backwards = render(one, height=48, width=48, frames=6)[::-1]
        np.testing.assert_allclose(render(partner, height=48, width=48, frames=6).astype(int), backwards, atol=1)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 1.0])
def test_the_shortcut_holds_as_often_as_it_says(correlation):
    rule = motion_rule("shortcut", correlation)
    scenes = draw(rule, count=1500)
    own = np.mean([scene.background == TIED[list(rule.classes).index(scene.motion)] for scene in scenes])
    by_chance = 1 / len(BACKGROUNDS)
    assert own == pytest.approx(correlation + (1 - correlation) * by_chance, abs=0.04)


def test_fixed_factors_are_taken_as_given():
    assert {scene.shape for scene in draw(MOTION, count=50, shape="racket")} == {"racket"}
    assert {scene.motion for scene in draw(MOTION, count=200)} == set(MOTIONS)
