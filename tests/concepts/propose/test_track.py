"""Tracks of drawn detections whose instances are known. The first detection of a track only announces it."""

from __future__ import annotations

import numpy as np
import pytest

from videotcav.concepts.detectors.detect import Detections
from videotcav.concepts.detectors.masks import Mask
from videotcav.concepts.propose.recipe import Recipe
from videotcav.concepts.propose.track import ShotCuts, tracks_of
from videotcav.errors import BoxesError
from videotcav.video.read import VideoFile

RECIPE = Recipe()


def row(x: float, *, score: float = 0.9, label: str = "ball", instance: str | None = None, y: float = 50) -> tuple:
    return (x, y, x + 20, y + 20, score, label, instance)


def test_two_things_that_pass_each_other_keep_their_own_tracks():
    found = [Detections.of([row(10 + 4 * t, y=50), row(210 - 4 * t, y=80)]) for t in range(50)]
    first, second = tracks_of(found, recipe=RECIPE, labels=["ball"])
    assert first.frames == second.frames == tuple(range(1, 50))
    assert [round(box.left) for box in first.boxes] == [10 + 4 * t for t in range(1, 50)]
    assert [round(box.left) for box in second.boxes] == [210 - 4 * t for t in range(1, 50)]


def test_labels_are_never_mixed():
    found = [Detections.of([row(10, label="ball" if t % 2 else "racket")]) for t in range(20)]
    tracks = tracks_of(found, recipe=RECIPE, labels=["ball", "racket"])
    assert [(track.label, len(track.frames)) for track in tracks] == [("ball", 9), ("racket", 9)]


def test_a_track_ends_at_a_shot_cut():
    found = [Detections.of([row(10 + t)]) for t in range(30)]
    tracks = tracks_of(found, recipe=RECIPE, labels=["ball"], cuts=[12])
    assert [track.frames for track in tracks] == [tuple(range(1, 12)), tuple(range(13, 30))]
    assert tracks[0].id != tracks[1].id


def test_a_long_absence_ends_a_track_and_a_short_one_does_not():
    found = [Detections.of([row(10)] if t not in range(10, 15) and t not in range(30, 45) else []) for t in range(60)]
    tracks = tracks_of(found, recipe=RECIPE, labels=["ball"])
    assert [(track.frames[0], track.frames[-1]) for track in tracks] == [(1, 29), (46, 59)]


def test_something_fast_is_followed_although_it_leaves_its_own_box():
    found = [Detections.of([row(10 + 24 * t)]) for t in range(20)]
    assert [len(track.frames) for track in tracks_of(found, recipe=RECIPE, labels=["ball"])] == [19]


def test_a_box_that_doubles_at_once_belongs_to_something_else():
    found = [
        Detections.of([(10, 10, 30, 30, 0.9, "ball") if t < 10 else (5, 5, 50, 50, 0.9, "ball")]) for t in range(20)
    ]
    tracks = tracks_of(found, recipe=RECIPE, labels=["ball"])
    assert [track.frames for track in tracks] == [tuple(range(1, 10)), tuple(range(10, 20))]


def test_weak_detections_continue_a_track_but_start_none():
    found = [Detections.of([row(10, score=0.9 if t == 5 else 0.15)]) for t in range(12)]
    (track,) = tracks_of(found, recipe=RECIPE, labels=["ball"])
    assert track.frames == tuple(range(6, 12))


def test_known_instances_are_taken_as_they_are():
    found = [Detections.of([row(10 + 100 * t, instance="a"), row(500, instance="b")]) for t in range(3)]
    tracks = tracks_of(found, recipe=RECIPE, labels=["ball"])
    assert [(track.id, track.frames) for track in tracks] == [("a", (0, 1, 2)), ("b", (0, 1, 2))]
    twice = [Detections.of([row(10, instance="a"), row(50, instance="a")])]
    with pytest.raises(BoxesError, match="track a of 'ball' has two boxes in frame 0"):
        tracks_of(twice, recipe=RECIPE, labels=["ball"])


def test_shot_cuts_of_real_clips_joined_end_to_end(shared_data):
    first = VideoFile(shared_data / "tennis" / "serve" / "serve1.mp4").frames(range(20))
    second = VideoFile(shared_data / "tennis" / "b_slice" / "b_slice1.mp4").frames(range(15))
    shots = ShotCuts()
    joined = np.concatenate([first, second, first])
    assert [index for index, frame in enumerate(joined) if shots.starts_at(frame, index)] == [20, 35]


@pytest.mark.parametrize("instance", ["a", None], ids=["known", "tracked"])
def test_every_box_of_a_track_keeps_the_mask_that_came_with_it(instance: str | None):
    """Each mask is a square at its own box; the tracker changes the order of boxes, and cannot mix them up."""

    def square(x: float, y: float) -> Mask:
        pixels = np.zeros((120, 260), dtype=bool)
        pixels[int(y) : int(y) + 20, int(x) : int(x) + 20] = True
        return Mask.of(pixels)

    found = []
    for t in range(30):
        rows = [(*row(x, y=y, instance=instance and name), square(x, y)) for name, x, y in
                (("a", 10 + 4 * t, 50), ("b", 210 - 4 * t, 80))]  # fmt: skip
        rows = rows if t % 2 else [*rows[::-1], (*row(5, label="racket", instance=instance and "c"), None)]
        found.append(Detections.of(rows))
    tracks = tracks_of(found, recipe=RECIPE, labels=["ball", "racket"])
    assert {track.label for track in tracks if track.masks is None} <= {"racket"}
    balls = [track for track in tracks if track.label == "ball"]
    assert len(balls) == 2
    way = dict(zip(balls[0].frames, [box.left for box in balls[0].boxes], strict=True))
    assert way == {t: 10 + 4 * t for t in way} or way == {t: 210 - 4 * t for t in way}
    for track in balls:
        assert [mask.edges for mask in track.masks] == [
            (box.left, box.top, box.right, box.bottom) for box in track.boxes
        ]
