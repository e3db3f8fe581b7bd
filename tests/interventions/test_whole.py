"""Edits of whole clips, on frames made by hand: each does what its name says, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from videotcav.errors import ArgumentError
from videotcav.interventions.frames import Frames
from videotcav.interventions.whole import WHOLE, whole_edit

RANKED = ("still", "shuffle", "reverse", "grey", "still part", "moving places")
SHOWN = ("blur", "middle", "border", "first frame", "last frame")


def noise(frames: int = 8, size: int = 16, seed: int = 0) -> Frames:
    return np.random.default_rng(seed).integers(0, 256, (frames, size, size, 3), dtype=np.uint8)


def ball(frames: int = 8, size: int = 24, step: int = 2) -> Frames:
    """A square of 4 pixels that walks over a still, coloured ground of two halves."""
    made = np.empty((frames, size, size, 3), dtype=np.uint8)
    made[:, : size // 2], made[:, size // 2 :] = (90, 120, 60), (50, 60, 160)
    for number in range(frames):
        made[number, 4:8, 2 + step * number : 6 + step * number] = (230, 40, 40)
    return made


def where_the_ball_ever_is(frames: int = 8, size: int = 24, step: int = 2) -> np.ndarray:
    """Grown by a pixel: the places are the union of its positions, a row of 4 pixels."""
    found = np.zeros((size, size), dtype=bool)
    found[3:9, 1 : 2 + step * (frames - 1) + 5] = True
    return found


def edited(name: str, frames: Frames, seed: int = 0) -> Frames:
    return WHOLE[name](frames, seed=seed).frames


def test_the_ranked_edits_come_first_and_the_others_are_only_shown() -> None:
    assert tuple(WHOLE) == RANKED + SHOWN
    assert tuple(name for name, edit in WHOLE.items() if edit.ranked) == RANKED


@pytest.mark.parametrize(("name", "held"), [("still", 4), ("first frame", 0), ("last frame", 7)])
def test_a_held_frame_is_shown_all_the_time(name: str, held: int) -> None:
    frames = noise()
    assert all(np.array_equal(frame, frames[held]) for frame in edited(name, frames))


def test_reverse_twice_is_the_clip_itself() -> None:
    frames = noise()
    backwards = edited("reverse", frames)
    assert np.array_equal(backwards[0], frames[-1])
    assert np.array_equal(edited("reverse", backwards), frames)


@pytest.mark.parametrize("frames", [3, 4, 8])
def test_shuffle_keeps_every_frame_in_an_order_that_is_neither_forwards_nor_backwards(frames: int) -> None:
    for seed in range(20):
        clip = noise(frames)
        shuffled = edited("shuffle", clip, seed)
        order = [next(at for at in range(frames) if np.array_equal(frame, clip[at])) for frame in shuffled]
        assert sorted(order) == list(range(frames))
        assert order not in (list(range(frames)), list(range(frames))[::-1])


def test_the_order_of_a_shuffled_clip_follows_from_the_clip_and_the_seed_alone() -> None:
    clips = [noise(seed=seed) for seed in range(8)]
    alone = [edited("shuffle", clip) for clip in clips]
    again = [edited("shuffle", clip) for clip in reversed(clips)][::-1]
    assert all(np.array_equal(one, other) for one, other in zip(alone, again, strict=True))
    assert any(not np.array_equal(edited("shuffle", clips[0]), edited("shuffle", clips[0], seed)) for seed in (1, 2, 3))


def test_grey_is_luma_as_pillow_makes_it() -> None:
    frames = noise(size=64)
    luma = np.stack([np.asarray(Image.fromarray(frame).convert("L")) for frame in frames]).astype(int)
    found = edited("grey", frames).astype(int)
    assert np.abs(found - luma[..., None]).max() <= 1  # both round; OpenCV with other constants in the last bit
    assert np.array_equal(found[..., 0], found[..., 1])
    assert np.array_equal(found[..., 0], found[..., 2])


@pytest.mark.parametrize("edit", ["still", "shuffle", "reverse", "moving places", "first frame", "last frame"])
def test_a_still_clip_is_changed_by_no_edit_of_time_and_that_is_told(edit: str) -> None:
    still = np.repeat(noise(1), 8, axis=0)
    assert WHOLE[edit](still).changed == 0
    assert np.array_equal(edited(edit, still), still)


def test_a_grey_clip_is_not_changed_by_grey() -> None:
    assert WHOLE["grey"](np.repeat(noise()[..., :1], 3, axis=3)).changed == 0


def test_still_part_flattens_what_never_moves_and_leaves_what_does() -> None:
    clip, moving = ball(), where_the_ball_ever_is()
    found = WHOLE["still part"](clip)
    assert np.array_equal(found.frames[:, moving], clip[:, moving])
    mean = np.round(clip[:, ~moving].reshape(-1, 3).mean(axis=0))
    assert np.array_equal(np.unique(found.frames[:, ~moving].reshape(-1, 3), axis=0), mean[None])
    assert found.changed == pytest.approx((~moving).mean())


def test_moving_places_are_blurred_and_nothing_else_is() -> None:
    """The blur is scipy's, but for rounding; deep inside a picture the two do the same."""
    clip, moving = ball(size=64), where_the_ball_ever_is(size=64)
    found = edited("moving places", clip)
    assert np.array_equal(found[:, ~moving], clip[:, ~moving])
    blurred = edited("blur", clip)
    assert np.array_equal(found[:, moving], blurred[:, moving])
    expected = ndimage.gaussian_filter(clip.astype(float), sigma=(0, 6.4, 6.4, 0))
    assert np.abs(blurred - expected)[:, 24:40, 24:40].max() < 4
    assert np.abs(clip - expected)[:, 24:40, 24:40].max() > 40


@pytest.mark.parametrize("size", [16, 17])
def test_middle_and_border_share_the_picture_between_them(size: int) -> None:
    clip = noise(size=size)
    of_middle = (edited("middle", clip) != clip).any(axis=(0, 3))
    of_border = (edited("border", clip) != clip).any(axis=(0, 3))
    assert not (of_middle & of_border).any()
    assert (of_middle | of_border).all()
    assert of_middle.mean() == pytest.approx(0.25, abs=0.04)
    half = size // 2
    assert of_middle[half, half]
    assert not of_middle[0].any()


def test_a_filled_place_has_its_own_mean_colour() -> None:
    clip = noise(size=16)
    inside = clip[:, 4:12, 4:12].reshape(-1, 3).mean(axis=0)
    assert np.array_equal(edited("middle", clip)[3, 8, 8], np.round(inside))


def test_no_edit_writes_into_the_clip_it_is_given() -> None:
    clip = noise()
    kept = clip.copy()
    for edit in WHOLE.values():
        edit(clip)
        assert np.array_equal(clip, kept)


@pytest.mark.parametrize("name", RANKED + SHOWN)
def test_every_edit_of_a_single_frame_gives_a_single_frame(name: str) -> None:
    assert edited(name, noise(1)).shape == (1, 16, 16, 3)


@pytest.mark.parametrize("name", ["still part", "moving places"])
def test_where_it_cannot_be_told_what_moves_the_edit_is_not_told_and_says_why(name: str) -> None:
    found = WHOLE[name](noise(size=64))
    assert found.frames is None
    assert found.reason == "nearly all of the picture moves"


def test_an_unknown_edit_is_told_with_the_closest() -> None:
    with pytest.raises(ArgumentError, match="closest: 'still'"):
        whole_edit("stil")
