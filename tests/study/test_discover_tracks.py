"""Tracks as tubelets, on scenes whose renderer says where their objects are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pycocotools import mask as coco

import videotcav as vt
from support.change_net import change_model
from videotcav.concepts.discover.candidates import read_discovery
from videotcav.concepts.folder import read_records
from videotcav.errors import ArgumentError, NotEnoughData, NotFound, TrackNotFound
from videotcav.models.model import VideoModel
from videotcav.models.tap import tap
from videotcav.planted.factors import Scene, sample_scene
from videotcav.planted.scenes import outlines, render
from videotcav.records import silent
from videotcav.study.reading import StudyClips
from videotcav.study.tubelets import UnlabelledVideos
from videotcav.video.write import write_video

SIZE = {"height": 16, "width": 16, "frames": 4}
VIDEOS, UNTOLD = 24, 2
"""Of the last of the videos nobody tells where anything is."""


def scene(rng: np.random.Generator, number: int) -> Scene:
    """A racket on the left that swings in every other video, and a ball on the right that does not stir."""
    left = {"shape": "racket", "x": 0.25, "y": 0.5, "size": 0.4, "pivot": 0.0, "extent": 1.0, "duration": 0.9}
    right = {"distractor": "ball", "distractor_x": 0.8, "distractor_speed": 0.0, "distractor_size": 0.3}
    ground = {"background": "plain", "grain": 0.0, "distractor_y": 0.5}
    return sample_scene(rng, class_name=("swing", "rest")[number % 2], **left, **right, **ground)


def told(scenes: dict[str, Scene], roles: dict[str, str], *, masks: bool) -> dict[str, Any]:
    """Where the objects are in COCO's form, `roles` saying which of them is called how."""
    images: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for video, one in enumerate(scenes.values(), 1):
        boxes, pixels = outlines(one, **SIZE)
        for frame in range(SIZE["frames"]):
            images.append({"id": len(images) + 1, "video_id": video, "frame_index": frame, "file_name": f"{frame}.jpg"})
            images[-1] |= {"width": SIZE["width"], "height": SIZE["height"]}
            for category, role in enumerate(roles.values(), 1):
                box = boxes[role][frame]
                assert box is not None
                row = {"id": len(found) + 1, "image_id": len(images), "video_id": video, "category_id": category}
                row |= {"track_id": 10 * video + category, "bbox": [box.left, box.top, box.width, box.height]}
                if masks:
                    rle = coco.encode(np.asfortranarray(pixels[role][frame], dtype=np.uint8))
                    row["segmentation"] = {"size": rle["size"], "counts": rle["counts"].decode()}
                found.append(row)
    videos = [{"id": number, "file_name": name} for number, name in enumerate(scenes, 1)]
    categories = [{"id": number, "name": name} for number, name in enumerate(roles, 1)]
    return {"videos": videos, "images": images, "annotations": found, "categories": categories}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VideoModel]:
    with change_model(tmp_path_factory.mktemp("code")) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Scene]]:
    """The videos, with boxes, with masks, and with the boxes of each other's objects."""
    root, rng = tmp_path_factory.mktemp("world"), np.random.default_rng(5)
    scenes = {f"{number:02}.mp4": scene(rng, number) for number in range(VIDEOS)}
    (root / "videos").mkdir()
    for name, one in scenes.items():
        write_video(root / "videos" / name, render(one, **SIZE), frames_per_second=10)
    shown = dict(list(scenes.items())[:-UNTOLD])
    right, swapped = {"racket": "actor", "ball": "distractor"}, {"racket": "distractor", "ball": "actor"}
    for name, roles, masks in (("boxes", right, False), ("masks", right, True), ("swapped", swapped, False)):
        (root / f"{name}.json").write_text(json.dumps(told(shown, roles, masks=masks)))
    return root, scenes


def discovered(model: VideoModel, root: Path, output: Path, objects: str = "boxes", **others: Any) -> vt.Discovery:
    how: dict[str, Any] = {
        "factors": 2,
        "clips": 3,
        "kinds": ("spatiotemporal",),
        "labels": ["racket"],
        "held_out": 0.5,
    }
    return vt.discover(
        model, root / "videos", output, layers=["square"], objects=root / f"{objects}.json", **how | others
    )


@pytest.mark.parametrize("by", ["boxes", "masks"])
def test_a_row_is_the_mean_of_the_cells_that_the_object_covers_at_their_time(
    model: VideoModel, world: tuple[Path, dict[str, Scene]], by: str
) -> None:
    """By a loop over the cells: one is a pixel of two frames, as the layer takes them."""
    root, scenes = world
    read = StudyClips(model.card.clip_spec)
    every = UnlabelledVideos.of(root / "videos", None, read, progress=silent)
    given = every.tracked(root / f"{by}.json", [])
    assert len(given.files) == VIDEOS - UNTOLD
    with torch.no_grad(), tap(model, ["square"]) as tapped:
        volumes = [tapped.read(read(file.path, None)[None])["square"][0].numpy() for file in given.files]
    for file, volume, rows in zip(given.files, volumes, given.rows(lambda: volumes)(), strict=True):
        boxes, pixels = outlines(scenes[file.path.name], **SIZE)
        expected = {}
        for role in ("actor", "distractor"):
            total, weight = np.zeros(2), 0.0
            for t, y, x in np.ndindex(volume.shape[1:]):
                for frame in (t, t + 1):
                    box = boxes[role][frame]
                    inside = box.left <= x < box.right and box.top <= y < box.bottom
                    if inside if by == "boxes" else pixels[role][frame, y, x]:
                        total, weight = total + volume[:, t, y, x], weight + 1
            expected[role] = total / weight
        labels = [track.label for track in given.tracks[file.path]]
        own = {label: rows[:, 0, 0, place] for place, label in enumerate(labels)}
        np.testing.assert_allclose(own["racket"], expected["actor"], rtol=1e-4)
        np.testing.assert_allclose(own["ball"], expected["distractor"], rtol=1e-4)
        assert not np.allclose(own["ball"], expected["actor"], rtol=1e-2)


def swinging(folder: Path, scenes: dict[str, Scene]) -> list[float]:
    """Of each set the share of clips of scenes whose racket swings."""
    clips = [(record.concept, Path(record.source_video).name) for record in read_records(folder)]
    sets = sorted({concept for concept, _ in clips})
    return [float(np.mean([scenes[name].motion == "swing" for own, name in clips if own == each])) for each in sets]


def test_what_the_racket_does_parts_its_tracks_and_not_those_of_the_ball(
    model: VideoModel, world: tuple[Path, dict[str, Scene]], tmp_path: Path
) -> None:
    root, scenes = world
    found = discovered(model, root, tmp_path / "found", target="bright", pool=tmp_path / "pool")
    assert read_discovery(tmp_path / "found") == found
    assert max(swinging(tmp_path / "found", scenes)) == 1
    assert abs(found.found[0].shift) >= abs(found.found[1].shift)
    assert len(found.finding) == len(found.held_out) == (VIDEOS - UNTOLD) / 2
    assert len(found.no_track) == UNTOLD
    assert not {*found.no_track} & {*found.finding, *found.held_out}
    assert found.objects.startswith("boxes ")
    assert {each.source_sha256 for each in read_records(tmp_path / "pool")} == found.held_out.keys()
    discovered(model, root, tmp_path / "swapped", "swapped")
    assert max(swinging(tmp_path / "swapped", scenes)) < 1


def test_a_candidate_is_cut_around_its_object_in_every_frame(
    model: VideoModel, world: tuple[Path, dict[str, Scene]], tmp_path: Path
) -> None:
    root, scenes = world
    discovered(model, root, tmp_path / "found")
    for record in read_records(tmp_path / "found"):
        boxes, _ = outlines(scenes[Path(record.source_video).name], **SIZE)
        assert record.frames == (0, 1, 2, 3)
        assert record.boxes == tuple((each.left, each.top, each.right, each.bottom) for each in boxes["actor"])
        assert record.track.startswith("racket-")
        assert "objects" in record.recipe


def test_what_tells_no_track_is_one_sentence(
    model: VideoModel, world: tuple[Path, dict[str, Scene]], tmp_path: Path
) -> None:
    root, _ = world
    none = tmp_path / "none.json"
    none.write_text(json.dumps(told({"other.mp4": world[1]["00.mp4"]}, {"racket": "actor"}, masks=False)))
    with pytest.raises(TrackNotFound, match="no track of 'racket' in what the model is shown of any of 24 videos"):
        discovered(model, root, tmp_path / "found", objects=str(none.with_suffix("")))
    with pytest.raises(NotFound, match="has no label 'rackett'; closest: 'racket'"):
        discovered(model, root, tmp_path / "found", labels=["rackett"])
    with pytest.raises(NotEnoughData, match="22 source videos that show a track with a share of"):
        discovered(model, root, tmp_path / "found", held_out=0.9)
    with pytest.raises(ArgumentError, match="say where objects are too"):
        vt.discover(model, root / "videos", tmp_path / "found", layers=["square"], labels=["racket"])
    assert not (tmp_path / "found").exists()
