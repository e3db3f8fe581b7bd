"""The camera's motion against planted scenes, whose camera is known exactly."""

from __future__ import annotations

import numpy as np
import pytest

from videotcav.planted.factors import BACKGROUNDS
from videotcav.planted.scenes import CameraPath, masks, render, sample_scene
from videotcav.video.camera import camera_motion
from videotcav.video.softly import grown

SIZE = {"height": 64, "width": 80, "frames": 8}
MOTIONS = {
    "shift": [CameraPath(right=0.25), CameraPath(right=-0.15, down=0.1)],
    "similarity": [CameraPath(zoom=1.25), CameraPath(turn=0.2, zoom=1.1), CameraPath(zoom=0.8, right=0.15)],
}


def film(seed: int, **factors: object):
    scene = sample_scene(np.random.default_rng([5, seed]), **factors)
    return render(scene, **SIZE), masks(scene, **SIZE)["actor"], scene


def true_motion(camera: CameraPath, frame: int, reference: int) -> np.ndarray:
    """From a point of the reference frame through the scene to a point of the frame (3 × 3)."""

    def to_scene(at: int) -> np.ndarray:
        since = at / (SIZE["frames"] - 1) - 0.5
        cosine, sine = np.cos(camera.turn * since), np.sin(camera.turn * since)
        turned = np.array([[cosine, -sine], [sine, cosine]]) / camera.zoom**since
        middle = np.array([SIZE["width"] - 1, SIZE["height"] - 1]) / 2
        side = min(SIZE["height"], SIZE["width"])
        moved = middle - turned @ middle + side * since * np.array([camera.right, camera.down])
        return np.vstack([np.column_stack([turned, moved]), [0, 0, 1]])

    return np.linalg.inv(to_scene(frame)) @ to_scene(reference)


@pytest.mark.parametrize("background", ["court", "checker"])
@pytest.mark.parametrize(("kind", "camera"), [(kind, one) for kind, some in MOTIONS.items() for one in some])
def test_a_known_motion_is_found_to_a_fraction_of_a_pixel(background: str, kind: str, camera: CameraPath) -> None:
    corners = np.array([[x, y, 1] for x in (0, SIZE["width"] - 1) for y in (0, SIZE["height"] - 1)])
    frames, actor, _ = film(1, background=background, camera=camera)
    found = camera_motion(frames, actor)
    assert found.kind == kind
    assert not found.stands
    for frame, matrix in enumerate(found.to_frame):
        truth = true_motion(camera, frame, found.reference)
        assert np.abs(corners @ (matrix - truth[:2]).T).max() < 0.5


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("seed", range(3))
def test_a_camera_that_stands_is_taken_to_stand(background: str, seed: int) -> None:
    """With and without masks, whatever moves in the scene: also before a blank wall, where nothing else is seen."""
    frames, actor, _ = film(seed, background=background)
    for known in (actor, None):
        found = camera_motion(frames, known)
        assert found.stands
        np.testing.assert_array_equal(found.to_frame, np.tile(np.eye(2, 3), (SIZE["frames"], 1, 1)))


@pytest.mark.parametrize(("background", "seed"), [("plain", 1), ("plain", 3), ("plain", 7), ("gradient", 3)])
def test_a_large_thing_before_a_blank_wall_is_no_camera(background: str, seed: int) -> None:
    """Half as large as the picture, it crosses it: no single thing is at three of the picture's sides."""
    how = {"distractor_size": 0.5, "distractor_speed": 1.0, "distractor_x": 0.5, "distractor_y": 0.5}
    one = sample_scene(np.random.default_rng([seed, 33]), background=background, **how)
    size = SIZE | {"width": SIZE["height"]}
    frames, actor = render(one, **size), masks(one, **size)["actor"]
    assert camera_motion(frames, grown(actor)).stands
    assert camera_motion(frames).stands


def test_the_residual_is_the_difference_outside_the_object_by_hand() -> None:
    frames, actor, _ = film(2, background="plain")
    camera = camera_motion(frames, actor)
    reference = SIZE["frames"] // 2
    differences = [
        np.abs(frames[at].astype(int) - frames[reference])[~actor[at] & ~actor[reference]]
        for at in range(SIZE["frames"])
        if at != reference
    ]
    assert camera.residual == pytest.approx(np.concatenate(differences).mean())


def test_a_cut_a_flash_and_one_frame_are_no_motion() -> None:
    first, second = film(1, background="court")[0], film(2, background="checker")[0]
    assert camera_motion(np.concatenate([first[:4], second[:4]])).stands
    assert camera_motion(np.concatenate([first[:6], np.full_like(first[:2], 255)])).stands
    assert camera_motion(first[:1]).stands
    assert camera_motion(np.zeros_like(first)).residual == 0


def test_the_object_itself_does_not_count() -> None:
    """A mask that covers what moves, whatever it is: the motion outside is the camera's."""
    frames, _, _ = film(1, background="court", camera=CameraPath(right=0.2), distractor_x=9.0)
    noise = np.random.default_rng(0).integers(0, 256, (8, 30, 40, 3), dtype=np.uint8)
    hidden = np.zeros(frames.shape[:3], dtype=np.bool_)
    hidden[:, 20:50, 20:60] = True
    covered = frames.copy()
    covered[:, 20:50, 20:60] = noise
    found = camera_motion(covered, hidden)
    truth = np.stack([true_motion(CameraPath(right=0.2), frame, found.reference)[:2] for frame in range(8)])
    np.testing.assert_allclose(found.to_frame, truth, atol=0.3)


def test_pictures_and_masks_go_into_the_reference_frame_and_back() -> None:
    """Two pixels a frame to the right: what is warped is what slicing gives."""
    camera = CameraPath(right=2 * (SIZE["frames"] - 1) / SIZE["height"])
    frames, _, _ = film(3, background="checker", camera=camera, distractor_x=9.0, x=9.0, grain=0.0)
    found = camera_motion(frames)
    assert found.kind == "shift"
    seen_frames, seen = found.into_reference(frames)
    reference = found.reference
    assert np.abs(seen_frames.astype(int) - frames[reference])[seen].mean() < 2
    assert seen[0].sum() == 64 * (80 - 2 * reference)
    mask = np.zeros((64, 80), dtype=np.bool_)
    mask[10:20, 30:40] = True
    carried = found.masks_out_of_reference(mask)
    np.testing.assert_array_equal(carried[reference], mask)
    shifted = np.zeros_like(mask)
    shifted[10:20, 34:44] = True
    assert shifted[carried[reference - 2]].mean() > 0.75  # touched pixels count: up to one more on each side
    assert carried[reference - 2][shifted].all()
    back = found.masks_into_reference(carried)
    assert back[:, mask].all()
    carried_back, visible = found.carried(frames[0], source=0, target=reference)
    np.testing.assert_array_equal(carried_back[visible], seen_frames[0][visible])


def test_the_same_clip_has_the_same_camera_to_the_last_bit() -> None:
    frames, actor, _ = film(4, background="grass", camera=CameraPath(right=0.1, zoom=1.1))
    one, other = camera_motion(frames, actor), camera_motion(frames.copy(), actor.copy())
    np.testing.assert_array_equal(one.to_frame, other.to_frame)
