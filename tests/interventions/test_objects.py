"""Edits of objects against scenes that are rendered anew with the object held, moved in time, or left out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from videotcav.errors import ArgumentError
from videotcav.interventions.objects import OBJECT, ObjectClip, object_edit, second_fill, side_by_side
from videotcav.planted.scenes import CameraPath, masks, render, sample_scene, swap
from videotcav.video.camera import standing
from videotcav.video.softly import grown, soft

SIZE = {"height": 96, "width": 96, "frames": 9}
TIMES = np.linspace(0, 1, SIZE["frames"])
CAMERAS = {
    "stands": CameraPath(),
    "pans": CameraPath(right=0.2, down=0.05),
    "turns and zooms": CameraPath(turn=0.15, zoom=1.15),
}
LARGEST_ERROR = 4.0
"""Grey levels, mean over the places that an edit touches: as for fills."""

moving_cameras = pytest.mark.parametrize("camera", CAMERAS.values(), ids=CAMERAS)
ORDERS = {"freeze": [4] * 9, "reverse": list(range(9))[::-1]}


def scene(seed: int, **factors: object):
    """An object that leaves every place: it slides by more than its width."""
    how = {"class_name": "slide", "shape": "bottle", "size": 0.3, "extent": 1.0, "duration": 0.9, "event_time": 0.5}
    how |= {"x": 0.5, "y": 0.5, "angle": 0.2, "grain": 0.005, "distractor_x": 9.0, "background": "checker"}
    return sample_scene(np.random.default_rng([18, seed]), **how | factors)


def clip_of(one, **how: object) -> ObjectClip:
    return ObjectClip(render(one, **SIZE), grown(masks(one, **SIZE)["actor"]), **how)


def touched(one, order: list[int], frames: np.ndarray) -> np.ndarray:
    """Where the object was, or is now."""
    now = (render(one, **SIZE, actor_times=TIMES[order]) != render(swap(one, x=9.0), **SIZE)).any(-1)
    return now | (frames != render(one, **SIZE)).any(-1)


def error(frames: np.ndarray, truth: np.ndarray, where: np.ndarray) -> float:
    return float(np.abs(frames.astype(float) - truth)[where].mean())


@moving_cameras
@pytest.mark.parametrize("edit", ORDERS)
@pytest.mark.parametrize("seed", range(2))
def test_an_object_at_other_moments_is_the_scene_rendered_so(edit: str, seed: int, camera: CameraPath) -> None:
    one = scene(seed, camera=camera)
    made = OBJECT[edit](clip_of(one))
    truth = render(one, **SIZE, actor_times=TIMES[ORDERS[edit]])
    where = touched(one, ORDERS[edit], made.frames)
    assert error(made.frames, truth, where) < LARGEST_ERROR
    assert error(render(one, **SIZE), truth, where) > 3 * LARGEST_ERROR  # what the film itself shows there
    np.testing.assert_array_equal(made.frames[~where], render(one, **SIZE)[~where])


def test_freeze_holds_the_object_in_the_scene_and_not_in_the_picture() -> None:
    """The negative control: held in the picture of a camera that pans, it is elsewhere in the scene."""
    one = scene(0, camera=CameraPath(right=0.3))
    truth = render(one, **SIZE, actor_times=TIMES[[4] * 9])
    clip = clip_of(one)
    blind = clip_of(one)
    vars(blind)["camera"] = standing(blind.frames, blind.masks)
    in_scene, in_picture = (OBJECT["freeze"](each).frames for each in (clip, blind))
    where = touched(one, [4] * 9, in_scene)
    assert error(in_scene, truth, where) < LARGEST_ERROR
    assert error(in_picture, truth, where) > 3 * LARGEST_ERROR


@moving_cameras
def test_shuffle_shows_every_moment_once_in_another_order(camera: CameraPath) -> None:
    one = scene(2, camera=camera)
    made = OBJECT["shuffle"](clip_of(one)).frames
    where = touched(one, ORDERS["freeze"], made)
    moments = np.stack([render(one, **SIZE, actor_times=TIMES[[at] * 9]) for at in range(9)])
    apart = [[error(made[t], moments[at, t], where[t]) for at in range(9)] for t in range(9)]
    order = np.argmin(apart, axis=1)
    assert max(apart[t][at] for t, at in enumerate(order)) < LARGEST_ERROR
    assert list(order) not in ([*range(9)], [*range(9)][::-1])
    at_rest = {0, 8}  # before and after its stroke the object hardly moves: its neighbour is as near
    assert len(set(order.tolist()) - at_rest) >= 6
    np.testing.assert_array_equal(made, OBJECT["shuffle"](clip_of(one)).frames)
    others = [OBJECT["shuffle"](clip_of(one, seed=seed)).frames for seed in range(1, 4)]
    assert any((made != other).any() for other in others)


@moving_cameras
def test_remove_is_the_film_without_the_object(camera: CameraPath) -> None:
    one = scene(3, camera=camera)
    clip = clip_of(one)
    made = OBJECT["remove"](clip)
    assert error(made.frames, render(swap(one, x=9.0), **SIZE), clip.masks) < LARGEST_ERROR
    np.testing.assert_array_equal(made.frames[soft(clip.masks) == 0], clip.frames[soft(clip.masks) == 0])
    assert 0 < made.changed <= (soft(clip.masks) > 0).mean()
    assert (made.camera == "identity") == camera.stands
    assert 0 < made.residual < LARGEST_ERROR


def test_blur_is_a_gaussian_blur_inside_the_object_alone() -> None:
    clip = clip_of(scene(4))
    made = OBJECT["blur"](clip)
    blurred = ndimage.gaussian_filter(clip.frames.astype(float), (0, 9.6, 9.6, 0), mode="nearest")
    inside = ndimage.binary_erosion(clip.masks, np.ones((1, 3, 3)))
    assert np.abs(made.frames - blurred)[inside].mean() < 2  # PIL's blur is several boxes
    np.testing.assert_array_equal(made.frames[soft(clip.masks) == 0], clip.frames[soft(clip.masks) == 0])
    assert made.inpainted is None  # nothing was filled


def test_a_frozen_background_is_the_scene_in_which_nothing_else_moves() -> None:
    """The middle frame of nine is at half of the video: there a passing thing is where it is when it stands still."""
    one = scene(5, distractor="ball", distractor_x=0.5, distractor_y=0.2, distractor_size=0.2, distractor_heading=0.0)
    clip = clip_of(one)
    made = OBJECT["background frozen"](clip).frames
    truth = render(swap(one, distractor_speed=0.0), **SIZE)
    changed = (truth != clip.frames).any(-1) & ~clip.masks
    assert error(made, truth, changed) < LARGEST_ERROR
    np.testing.assert_array_equal(made[clip.masks], clip.frames[clip.masks])


@pytest.mark.parametrize("edit", ["background frozen", "background blurred", "background removed"])
def test_edits_of_the_background_leave_the_object_alone(edit: str) -> None:
    clip = clip_of(scene(6))
    made = OBJECT[edit](clip).frames
    np.testing.assert_array_equal(made[clip.masks], clip.frames[clip.masks])
    if edit == "background removed":
        (colour,) = np.unique(made[soft(clip.masks) == 0], axis=0)
        np.testing.assert_allclose(colour, clip.frames[~clip.masks].mean(axis=0), atol=0.5)


def crossing() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A ball that passes behind the actor: the film, what the ball shows, what the actor shows, the film without it."""
    ball = {"distractor": "ball", "distractor_x": 0.5, "distractor_y": 0.45, "distractor_size": 0.3}
    one = scene(10, **ball, distractor_heading=0.0, distractor_speed=1.0)
    found = masks(one, **SIZE)
    behind = found["distractor"] & ~found["actor"]
    assert (grown(behind) & found["actor"]).any()
    return render(one, **SIZE), behind, found["actor"], render(swap(one, distractor_x=9.0), **SIZE)


@pytest.mark.parametrize("edit", ["remove", "blur"])
def test_an_edit_leaves_the_pixels_of_another_object_as_they_are(edit: str) -> None:
    frames, ball, actor, _ = crossing()
    made = OBJECT[edit](ObjectClip(frames, grown(ball), others=actor)).frames
    np.testing.assert_array_equal(made[actor], frames[actor])
    assert (made[~actor] != frames[~actor]).any()
    blind = OBJECT[edit](ObjectClip(frames, grown(ball))).frames
    assert (blind[actor] != frames[actor]).any()  # the negative control: whose rim it eats


def test_an_object_beside_another_is_removed_as_if_it_had_never_been_there() -> None:
    frames, ball, actor, truth = crossing()
    told, blind = (OBJECT["remove"](ObjectClip(frames, grown(ball), others=others)).frames for others in (actor, None))
    assert error(told, truth, grown(ball)) < LARGEST_ERROR
    rim = grown(ball) & actor
    assert error(told, truth, rim) < error(blind, truth, rim) / 2


def test_what_is_held_in_front_of_another_object_is_shown_whole() -> None:
    """A racket crosses a player who stands in four of nine frames, and lies before him at its middle place."""
    frames, (racket, player) = np.full((9, 40, 60, 3), 60, np.uint8), np.zeros((2, 9, 40, 60), bool)
    for t in range(9):
        racket[t, 10:20, 6 * t : 6 * t + 6] = True
    player[:4, 5:35, 20:32] = True
    player &= ~racket
    frames[player], frames[racket] = 120, 250
    made = OBJECT["freeze"](ObjectClip(frames, racket, others=player)).frames
    assert (made[:, 10:20, 24:30] == 250).all()


def test_a_fill_never_shows_another_object() -> None:
    """A player stands in all frames but the last where a ball is taken out: what the last shows is filled in."""
    frames, (ball, player) = np.full((9, 40, 60, 3), 60, np.uint8), np.zeros((2, 9, 40, 60), bool)
    ball[0, 10:20, 20:30] = player[1:8, 5:35, 18:32] = True
    frames[ball], frames[player] = 250, 120
    told, alone = (OBJECT["remove"](ObjectClip(frames, ball, others=others)) for others in (player, None))
    assert (told.frames[ball] == 60).all()
    assert told.inpainted == 0
    assert (alone.frames[ball] == 120).all()  # the negative control


def test_nothing_of_another_object_is_pasted_with_a_rim() -> None:
    """A ball that is held while the actor, another colour, lies over a part of its rim in the frame that is shown."""
    frames, ball, actor, _ = crossing()
    clip = ObjectClip(frames, grown(ball), others=actor)
    assert not (clip.masks & actor).any()
    rim = soft(soft(clip.masks[clip.held][None]) > 0)[0] > 0
    assert (rim & actor[clip.held]).any()
    painted = frames.copy()
    painted[clip.held][actor[clip.held]] = (255, 0, 255)
    made = OBJECT["freeze"](ObjectClip(painted, grown(ball), others=actor)).frames
    elsewhere = np.delete(np.arange(len(frames)), clip.held)
    assert not (made[elsewhere] == (255, 0, 255)).all(axis=3).any()
    assert not (np.abs(made[elsewhere].astype(int) - (255, 0, 255)).sum(axis=3) < 200).any()


@pytest.mark.parametrize("edit", ["background frozen", "background blurred", "background removed"])
def test_to_an_edit_of_the_background_other_objects_are_a_part_of_it(edit: str) -> None:
    frames, ball, actor, _ = crossing()
    told = OBJECT[edit](ObjectClip(frames, grown(ball), others=actor))
    alone = OBJECT[edit](ObjectClip(frames, grown(ball) & ~actor))
    np.testing.assert_array_equal(told.frames, alone.frames)
    assert (told.frames[actor] != frames[actor]).any()


def test_the_fill_that_confirms_takes_no_colour_of_another_object() -> None:
    frames = np.full((3, 40, 40, 3), 60, np.uint8)
    racket, player = np.zeros((2, 3, 40, 40), bool)
    racket[:, 10:20, 10:20], player[:, 5:25, 20:35] = True, True
    frames[racket], frames[player] = 120, 250
    told, alone = (
        OBJECT["remove"](ObjectClip(frames, racket, fill="surroundings", others=others)) for others in (player, None)
    )
    assert (told.frames[racket] == 60).all()
    assert (alone.frames[racket] > 70).any()


def test_an_edit_that_changes_nothing_says_so() -> None:
    """An object at rest, without grain, is held already, whatever is made up behind it."""
    still = clip_of(scene(7, class_name="rest", grain=0.0))
    for edit in ("freeze", "shuffle", "reverse"):
        made = OBJECT[edit](still)
        np.testing.assert_array_equal(made.frames, still.frames)
        assert made.changed == 0
    assert OBJECT["freeze"](still).inpainted == 1
    assert OBJECT["background frozen"](still).changed == 0
    assert OBJECT["remove"](still).changed > 0


def test_a_clip_without_the_object_is_not_edited_and_says_why() -> None:
    frames = render(scene(0), **SIZE)
    for edit in OBJECT.values():
        made = edit(ObjectClip(frames, np.zeros(frames.shape[:3], dtype=np.bool_)))
        assert made.frames is None
        assert made.reason == "no frame of the clip shows the object"


def test_what_is_held_is_what_the_frame_nearest_to_the_middle_shows() -> None:
    clip = clip_of(scene(0))
    gone = clip.masks.copy()
    gone[3:7] = False
    assert clip.held == 4
    assert ObjectClip(clip.frames, gone).held == 2


@pytest.mark.parametrize("edit", OBJECT)
def test_the_same_clip_gives_the_same_frames_and_is_left_as_it_was(edit: str) -> None:
    one = scene(8, camera=CAMERAS["pans"])
    clip = clip_of(one)
    before = clip.frames.copy()
    first, again = OBJECT[edit](clip), OBJECT[edit](clip_of(one))
    np.testing.assert_array_equal(first.frames, again.frames)
    np.testing.assert_array_equal(clip.frames, before)
    assert first.frames.dtype == np.uint8


def test_a_second_fill_is_another_one_with_the_same_camera() -> None:
    clip = clip_of(scene(9))
    camera = clip.camera
    other = second_fill(clip)
    assert (other.fill, other.camera) == ("surroundings", camera)
    assert second_fill(other).fill == "median"
    first, second = (OBJECT["remove"](each).frames for each in (clip, other))
    assert (first[clip.masks] != second[clip.masks]).any()
    black = clip_of(scene(9), fill=lambda frames, where: np.zeros_like(frames))
    assert (OBJECT["remove"](black).frames[clip.masks] == 0).all()
    assert (OBJECT["background removed"](black).frames[soft(clip.masks) == 0] == 0).all()
    assert second_fill(black).fill == "surroundings"


def test_what_does_not_fit_is_refused_in_a_sentence() -> None:
    clip = clip_of(scene(0))
    with pytest.raises(ArgumentError, match="of the frames' size"):
        ObjectClip(clip.frames, clip.masks[:, :32])
    with pytest.raises(ArgumentError, match="of the frames' size"):
        ObjectClip(clip.frames, clip.masks, others=clip.masks[:4])
    with pytest.raises(ArgumentError, match="bool"):
        ObjectClip(clip.frames, clip.masks.astype(np.uint8))
    with pytest.raises(ArgumentError, match="uint8"):
        ObjectClip(clip.frames / 255, clip.masks)
    with pytest.raises(ArgumentError, match="no edit 'frieze' of objects; closest: 'freeze'"):
        object_edit("frieze")


def test_before_and_after_stand_beside_each_other() -> None:
    clip = clip_of(scene(0))
    made = OBJECT["remove"](clip).frames
    both = side_by_side(clip.frames, made, gap=4)
    assert both.shape == (9, 96, 196, 3)
    np.testing.assert_array_equal(both[:, :, :96], clip.frames)
    np.testing.assert_array_equal(both[:, :, 100:], made)
    assert (both[:, :, 96:100] == 255).all()
    with pytest.raises(ArgumentError, match="one size"):
        side_by_side(clip.frames, made[:4])
