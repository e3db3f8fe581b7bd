"""Shams: the handling of an edit without its purpose changes next to nothing where the fill is true."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videotcav.interventions import sham
from videotcav.interventions.objects import OBJECT, ObjectClip
from videotcav.interventions.sham import _allowed, elsewhere, round_trip, shams
from videotcav.planted.scenes import CameraPath, masks, render, sample_scene
from videotcav.video.softly import grown, soft

SIZE = {"height": 64, "width": 64, "frames": 9}


def clip_of(seed: int, **factors: object) -> ObjectClip:
    how = {"class_name": "slide", "shape": "bottle", "size": 0.3, "extent": 1.0, "duration": 0.9, "event_time": 0.5}
    how |= {"x": 0.5, "y": 0.5, "angle": 0.2, "grain": 0.005, "distractor_x": 9.0, "background": "checker"}
    one = sample_scene(np.random.default_rng([28, seed]), **how | factors)
    return ObjectClip(render(one, **SIZE), grown(masks(one, **SIZE)["actor"]))


@pytest.mark.parametrize("camera", [CameraPath(), CameraPath(right=0.2), CameraPath(turn=0.15, zoom=1.15)])
def test_the_round_trip_pastes_the_object_exactly_and_changes_little_beside_it(camera: CameraPath) -> None:
    clip = clip_of(0, camera=camera)
    made = round_trip(clip)
    np.testing.assert_array_equal(made.frames[clip.masks], clip.frames[clip.masks])
    ever = np.broadcast_to(clip.masks.any(axis=0), clip.masks.shape) & ~clip.masks
    assert np.abs(made.frames.astype(float) - clip.frames)[ever].mean() < 4
    assert np.abs(made.frames.astype(float) - clip.frames).mean() < 0.5
    removed = OBJECT["freeze"](clip).frames
    assert (
        np.abs(removed.astype(float) - clip.frames).mean() > 2 * np.abs(made.frames.astype(float) - clip.frames).mean()
    )


def test_the_round_trip_touches_every_place_that_is_ever_covered_in_every_frame() -> None:
    """With a fill that is easily seen: all of them but those where the object is pasted back, with its rim."""
    clip = clip_of(1)
    clip = ObjectClip(clip.frames, clip.masks, fill=lambda frames, _: 255 - frames)
    made = round_trip(clip).frames
    ever = np.broadcast_to(clip.masks.any(axis=0), clip.masks.shape)
    rim = soft(soft(clip.masks) > 0)
    changed = (made != clip.frames).any(axis=3)
    assert (made[ever & (rim == 0)] == 255 - clip.frames[ever & (rim == 0)]).all()
    assert not changed[soft(clip.masks) > 0].any()
    assert not changed[soft(ever) == 0].any()


@pytest.mark.parametrize("edit", ["remove", "freeze"])
def test_shams_leave_the_pixels_of_another_object_as_they_are(edit: str) -> None:
    """With a fill that is easily seen; the other object is half of all that lies around."""
    clip = clip_of(1)
    others = ~grown(clip.masks, 3)
    others[:, 1::2] = False
    for told in (others, None):
        of = ObjectClip(clip.frames, clip.masks, fill=lambda frames, _: 255 - frames, others=told)
        made = [(each.frames != clip.frames).any(axis=3) for each in shams(OBJECT[edit], of)]
        assert made
        assert all(changed[~others].any() for changed in made)
        assert any(changed[others].any() for changed in made) == (told is None)


def test_a_removal_elsewhere_is_never_filled_with_the_object_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """It lies for two frames where the object lies in all others."""
    frames, masks = np.full((9, 40, 40, 3), 60, np.uint8), np.zeros((2, 9, 40, 40), bool)
    own, other = masks
    own[:2, 5:10, 5:10] = own[2:, 20:25, 20:25] = other[:2, 20:25, 20:25] = True
    frames[own] = 250
    monkeypatch.setattr(sham, "elsewhere", lambda *_, **__: [other])
    (made,) = shams(OBJECT["remove"], ObjectClip(frames, own))
    np.testing.assert_allclose(made.frames.astype(int), frames, atol=5)  # inpainted, from the ground around


def test_what_is_removed_elsewhere_lies_beside_the_others_by_half_at_least() -> None:
    clip = clip_of(1)
    found = elsewhere(clip.masks, rng=np.random.default_rng(0))
    others = np.zeros_like(clip.masks)
    others[:, :, :16] = True
    others &= ~grown(clip.masks, 3)
    beside = elsewhere(clip.masks, others=others, rng=np.random.default_rng(0))
    free = [min((each & ~others).sum(axis=(1, 2)) / clip.masks.sum(axis=(1, 2))) for each in (*found, *beside)]
    assert beside
    assert min(free[: len(found)]) < 0.5 <= min(free[len(found) :])
    assert elsewhere(clip.masks, others=~grown(clip.masks, 3), rng=np.random.default_rng(0)) == []


@pytest.mark.parametrize("camera", [CameraPath(), CameraPath(right=0.2)])
def test_what_is_removed_elsewhere_is_the_scene_which_stays(camera: CameraPath) -> None:
    clip = clip_of(2, camera=camera)
    made = shams(OBJECT["remove"], clip)
    assert len(made) == 3
    for each in made:
        assert np.abs(each.frames.astype(float) - clip.frames).mean() < 0.5
        np.testing.assert_array_equal(each.frames[clip.masks], clip.frames[clip.masks])
    np.testing.assert_array_equal(made[0].frames, shams(OBJECT["remove"], clip_of(2, camera=camera))[0].frames)


def test_what_is_blurred_elsewhere_is_blurred_there() -> None:
    clip = clip_of(3)
    for each in shams(OBJECT["blur"], clip):
        changed = (each.frames != clip.frames).any(axis=3)
        assert changed.any()
        assert not changed[soft(clip.masks) > 0].any()


def test_which_edits_have_which_sham() -> None:
    clip = clip_of(4)
    assert {name: len(shams(edit, clip)) for name, edit in OBJECT.items()} == {
        "freeze": 1,
        "shuffle": 1,
        "reverse": 1,
        "remove": 3,
        "blur": 3,
        "background frozen": 0,
        "background blurred": 0,
        "background removed": 0,
    }
    nowhere = ObjectClip(clip.frames, np.zeros_like(clip.masks))
    assert not any(shams(edit, nowhere) for edit in OBJECT.values())


def test_an_object_that_leaves_no_room_has_no_sham_elsewhere() -> None:
    frames = clip_of(5).frames
    large = np.zeros(frames.shape[:3], dtype=np.bool_)
    large[:, 8:56, 8:56] = True
    assert elsewhere(large, rng=np.random.default_rng(0)) == []
    large[4] = True
    large[:4] = False
    assert shams(OBJECT["remove"], ObjectClip(frames, large)) == ()


@st.composite
def tracks(draw: st.DrawFn) -> np.ndarray:
    """A rectangle that goes its way, and may be absent."""
    frames, height, width = draw(st.integers(1, 4)), draw(st.integers(8, 24)), draw(st.integers(8, 24))
    found = np.zeros((frames, height, width), dtype=np.bool_)
    tall, wide = draw(st.integers(1, height)), draw(st.integers(1, width))
    for mask in found:
        if draw(st.booleans()):
            top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
            mask[top : top + tall, left : left + wide] = True
    return found


@given(tracks(), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_elsewhere_is_never_over_the_object_and_half_inside_at_least(found: np.ndarray, seed: int) -> None:
    places = elsewhere(found, rng=np.random.default_rng(seed))
    again = elsewhere(found, rng=np.random.default_rng(seed))
    assert len(places) <= 3
    for place, same in zip(places, again, strict=True):
        np.testing.assert_array_equal(place, same)
        assert not ((soft(place) > 0) & (soft(found) > 0)).any()
        assert (2 * place.sum(axis=(1, 2)) >= found.sum(axis=(1, 2))).all()


@given(tracks())
@settings(max_examples=20, deadline=None)
def test_the_moves_that_are_allowed_are_those_of_a_plain_loop(found: np.ndarray) -> None:
    _, height, width = found.shape
    borders = soft(np.pad(found, ((0, 0), (3, 3), (3, 3)))) > 0
    allowed = np.ones((2 * height - 1, 2 * width - 1), dtype=np.bool_)
    for mask, border in zip(found, borders, strict=True):
        object_ = {(y, x) for y, x in (np.argwhere(border) - 3).tolist() if 0 <= y < height and 0 <= x < width}
        for down in range(1 - height, height) if mask.any() else ():
            for right in range(1 - width, width):
                overlap = {(y - 3 + down, x - 3 + right) for y, x in np.argwhere(border).tolist()} & object_
                moved = np.add(np.argwhere(mask), [down, right])
                inside = ((moved >= 0) & (moved < [height, width])).all(axis=1).sum()
                if overlap or 2 * inside < mask.sum():
                    allowed[height - 1 + down, width - 1 + right] = False
    np.testing.assert_array_equal(_allowed(found), allowed)
