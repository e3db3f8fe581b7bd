"""The demo's files: as a user would have them, the same bytes every time."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from videotcav.concepts.detectors.detect import VideoFrames
from videotcav.concepts.detectors.read_boxes import read_boxes
from videotcav.planted.factors import sample_scene
from videotcav.planted.model import CLIP_SPEC, FRAMES_PER_VIDEO
from videotcav.planted.render import VIDEO_SIDE, anything_else, render_demo, swinging_racket
from videotcav.planted.scenes import boxes, masks, render
from videotcav.video.read import frame_times, probe, read_all
from videotcav.video.sampling import sample_times

FEW = {"class_clips": 1, "other_clips": 1, "concept_sources": 1, "random_sources": 2}


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Path:
    return render_demo(tmp_path_factory.mktemp("demo"), seed=3, **FEW).parent


def test_the_folder_has_what_a_study_needs(demo):
    found = Counter(path.parent.relative_to(demo).as_posix() for path in demo.rglob("*.mp4"))
    assert found == {"classes/swing": 1, "classes/slide": 1, "concepts_source": 1, "random_source": 2}
    study = tomllib.loads((demo / "study.toml").read_text())
    assert study["seed"] == 3
    assert study["model"]["name"] == "planted:swin"
    assert all(list(demo.glob(pattern)) for pattern in study["classes"]["swing"]["videos"])


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(demo, tmp_path):
    render_demo(tmp_path / "again", seed=3, **FEW)
    render_demo(tmp_path / "other", seed=4, **FEW)
    for path in demo.rglob("*"):
        if path.is_file():
            name = path.relative_to(demo)
            assert (tmp_path / "again" / name).read_bytes() == path.read_bytes()
            assert (tmp_path / "other" / name).read_bytes() != path.read_bytes()


def test_the_model_sees_frames_that_are_in_the_file(demo):
    path = demo / "classes/swing/swing_000.mp4"
    assert len(frame_times(path)) == FRAMES_PER_VIDEO
    shown = np.searchsorted(frame_times(path), sample_times(probe(path), CLIP_SPEC), side="right") - 1
    assert shown.tolist() == list(range(0, FRAMES_PER_VIDEO, 2))


def test_the_file_shows_the_scene(demo):
    """H.264 changes little; the picture is not mirrored, its colours are not swapped."""
    frames, _ = read_all(demo / "concepts_source/concepts_source_000.mp4")
    source = swinging_racket(np.random.default_rng([3, 11]))
    rendered = render(source.scene, height=VIDEO_SIDE, width=VIDEO_SIDE, frames=FRAMES_PER_VIDEO)
    assert np.abs(frames.astype(int) - rendered).mean() < 4


def test_masks_of_the_classs_clips_are_read_as_they_are_seen(demo):
    """Of two objects that overlap, the one in front has the pixels."""
    boxes_of = read_boxes(demo / "classes" / "boxes.json")
    rng = np.random.default_rng([3, 10, 0])
    for path in sorted((demo / "classes" / "swing").glob("*.mp4")):
        scene = sample_scene(rng, class_name="swing")
        frames = VideoFrames(np.zeros((FRAMES_PER_VIDEO, VIDEO_SIDE, VIDEO_SIDE, 3), np.uint8), probe(path), 0)
        truth = masks(scene, height=VIDEO_SIDE, width=VIDEO_SIDE, frames=FRAMES_PER_VIDEO)
        truth["distractor"] &= ~truth["actor"]
        for frame, found in enumerate(boxes_of(frames)):
            for label, mask in zip(found.labels, found.masks or (), strict=True):
                role = "actor" if label == scene.shape else "distractor"
                np.testing.assert_array_equal(mask.pixels, truth[role][frame])


@pytest.mark.parametrize("folder", ["concepts_source", "random_source"])
def test_the_sidecar_has_the_form_of_tao(demo, folder):
    sidecar = json.loads((demo / folder / "boxes.json").read_text())
    assert set(sidecar) == {"info", "videos", "images", "annotations", "categories"}
    videos = {video["id"]: video for video in sidecar["videos"]}
    images = {image["id"]: image for image in sidecar["images"]}
    names = {category["id"]: category["name"] for category in sidecar["categories"]}
    assert {video["file_name"] for video in videos.values()} == {path.name for path in (demo / folder).glob("*.mp4")}
    assert len(images) == len(videos) * FRAMES_PER_VIDEO
    tracks: dict[int, set] = {}
    for annotation in sidecar["annotations"]:
        image = images[annotation["image_id"]]
        left, top, width, height = annotation["bbox"]
        assert 0 <= left < left + width <= VIDEO_SIDE
        assert 0 <= top < top + height <= VIDEO_SIDE
        assert 0 <= image["frame_index"] < FRAMES_PER_VIDEO
        tracks.setdefault(annotation["track_id"], set()).add((image["video_id"], names[annotation["category_id"]]))
    assert all(len(owners) == 1 for owners in tracks.values())
    found = {name for owners in tracks.values() for _, name in owners}
    per_video = Counter(video for owners in tracks.values() for video, _ in owners)
    if folder == "concepts_source":
        assert found == {"racket", "ball"}
        assert set(per_video.values()) == {2}
    else:
        assert not found & {"racket", "ball"}
        assert set(per_video.values()) == {1}


def test_sources_are_clear_and_the_pool_holds_neither_concept_nor_action():
    rng = np.random.default_rng(0)
    sources = [swinging_racket(rng) for _ in range(4)] + [anything_else(rng, number) for number in range(12)]
    for source in sources:
        for actor, distractor in zip(*boxes(source.scene, height=80, width=80, frames=15).values(), strict=True):
            assert min(actor.left, actor.top, distractor.left, distractor.top) >= 0
            overlap_x = min(actor.right, distractor.right) - max(actor.left, distractor.left)
            overlap_y = min(actor.bottom, distractor.bottom) - max(actor.top, distractor.top)
            smaller = min(box.width * box.height for box in (actor, distractor))
            assert max(overlap_x, 0) * max(overlap_y, 0) <= 0.3 * smaller  # 10 % at the size where it is checked
    for source in sources[4:]:
        assert source.scene.shape != "racket"
        assert source.scene.motion != "swing"
        assert source.scene.distractor != "ball"
