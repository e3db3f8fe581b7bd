"""Which stretches of a track become candidates, and which gate turns one away."""

from __future__ import annotations

import numpy as np
import pytest

from videotcav.concepts.propose.recipe import Recipe
from videotcav.concepts.propose.track import Track
from videotcav.concepts.propose.tracklets import cut, in_order_of_worth, nearest, perceptual_hash, too_poor
from videotcav.records import Box


def track(frames: list[int], *, side: float = 30, score: float = 0.8, name: str = "0") -> Track:
    boxes = tuple(Box(left=f, top=10, right=f + side, bottom=10 + side) for f in frames)
    return Track(id=name, label="ball", frames=tuple(frames), boxes=boxes, scores=(score,) * len(frames))


def test_a_long_track_gives_clips_one_behind_the_other_from_its_middle():
    candidates = list(cut(track(list(range(100, 137))), Recipe(frames_per_clip=16)))
    assert [candidate.frames for candidate in candidates] == [tuple(range(102, 118)), tuple(range(118, 134))]


def test_gaps_are_bridged_by_straight_lines_and_marked():
    (candidate,) = cut(track([0, 1, 4, 5]), Recipe(frames_per_clip=None))
    assert candidate.frames == (0, 1, 2, 3, 4, 5)
    assert [box.left for box in candidate.boxes] == pytest.approx([0, 1, 2, 3, 4, 5])
    assert candidate.scores == (0.8, 0.8, 0.0, 0.0, 0.8, 0.8)
    assert candidate.observed == pytest.approx(4 / 6)


def test_a_gap_that_is_too_long_parts_the_track():
    candidates = list(cut(track([0, 1, 2, 20, 21, 22]), Recipe(frames_per_clip=None, max_gap_frames=5)))
    assert [candidate.frames for candidate in candidates] == [(0, 1, 2), (20, 21, 22)]


@pytest.mark.parametrize(
    ("frames", "side", "reason"),
    [
        (list(range(15)), 30, "shorter than 16 frames"),
        (list(range(16)), 11, "smaller than 12 pixels"),
        (list(range(0, 48, 3)), 30, "seen in less than 50% of its frames"),
        (list(range(16)), 12, None),
    ],
)
def test_each_gate_gives_its_reason(frames: list[int], side: float, reason: str | None):
    candidate = next(cut(track(frames, side=side), Recipe()))
    assert too_poor(candidate, Recipe()) == reason


def test_every_instance_comes_before_the_second_clip_of_any():
    clips = [
        *cut(track(list(range(48)), score=0.9, name="a"), Recipe()),
        *cut(track(list(range(16)), name="b"), Recipe()),
    ]
    assert [candidate.track.id for candidate in in_order_of_worth(clips)] == ["a", "b", "a", "a"]


def test_the_hash_survives_scaling_and_tells_textures_apart():
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (2, 3, 8, 8, 3)).astype(np.uint8)
    one, other = (np.kron(texture, np.ones((1, 8, 8, 1), dtype=np.uint8)) for texture in coarse)
    scaled = np.kron(coarse[0], np.ones((1, 12, 12, 1), dtype=np.uint8))
    brighter = np.clip(one.astype(int) // 2 + 60, 0, 255).astype(np.uint8)
    assert nearest(perceptual_hash(one), [("scaled", perceptual_hash(scaled))])[1] < 12
    assert nearest(perceptual_hash(one), [("brighter", perceptual_hash(brighter))])[1] < 12
    assert nearest(perceptual_hash(one), [("other", perceptual_hash(other))])[1] > 50
