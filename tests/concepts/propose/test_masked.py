"""Clips cut by mask beside those cut by box, on a square whose masks say that only its upper left half counts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, binary_erosion

import videotcav as vt
from videotcav.concepts.detectors.masks import Mask
from videotcav.concepts.folder import read_records
from videotcav.concepts.propose.drawn_boxes import draw_tracks
from videotcav.concepts.propose.masked import alone, has_masks, masks_of_candidate
from videotcav.concepts.propose.recipe import Recipe
from videotcav.concepts.propose.track import Track
from videotcav.concepts.propose.tracklets import Tracklet
from videotcav.concepts.propose.videos import Proposal, propose_from_boxes
from videotcav.concepts.propose.workshop import recipe_of
from videotcav.concepts.review.source_frame import source_picture
from videotcav.errors import ConceptError
from videotcav.records import Box
from videotcav.video.read import read_all

MakeVideos = Callable[[int], Path]
SIDE, TOP, FRAMES, SIZE = 20, 16, 12, (64, 96)
GREY = (124, 116, 104)


def half(left: int) -> np.ndarray:
    """The upper left half of the square, `height width`."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    return (y >= TOP) & (x >= left) & ((y - TOP) + (x - left) < SIDE - 1)


def with_masks(folder: Path, *, without: tuple[int, ...] = ()) -> Path:
    """The boxes of `make_videos` with the masks of their halves, but in some frames."""
    said = json.loads((folder / "boxes.json").read_text())
    frames = {image["id"]: image["frame_index"] for image in said["images"]}
    for annotation in said["annotations"]:
        if frames[annotation["image_id"]] not in without:
            mask = Mask.of(half(int(annotation["bbox"][0])))
            annotation["segmentation"] = {"size": list(SIZE), "counts": mask.counts}
    path = folder / "masks.json"
    path.write_text(json.dumps(said))
    return path


def proposed(videos: Path, boxes: Path, out: Path, **rules: object) -> Proposal:
    recipe = Recipe(mode="in-place", fill=GREY, frames_per_clip=FRAMES, min_sharpness=0, **rules)
    return propose_from_boxes(videos, boxes, out, labels=["square"], recipe=recipe)


def pixels_of(out: Path, kind: str) -> np.ndarray:
    (path,) = (out / "square" / kind).glob("*.mp4")
    return read_all(path)[0].astype(int)


def test_clips_by_mask_differ_from_those_by_box_only_outside_the_mask(make_videos: MakeVideos, tmp_path: Path) -> None:
    videos = make_videos(1)
    boxes = with_masks(videos)
    for cut in ("box", "mask"):
        proposed(videos, boxes, tmp_path / cut, cut=cut)
    by_box, by_mask = (pixels_of(tmp_path / cut, "spatiotemporal") for cut in ("box", "mask"))
    for frame in range(FRAMES):
        mask = half(4 + 3 * frame)
        inside, around = binary_erosion(mask, iterations=3), ~binary_dilation(mask, iterations=4)
        assert np.abs(by_box[frame] - by_mask[frame])[inside].mean() < 2  # as far as coding goes
        assert np.abs(by_mask[frame] - GREY)[around].mean() < 2
        assert np.abs(by_box[frame] - GREY)[around].max() > 60  # the other half of the square


def test_twins_are_made_of_the_same_cut_pixels_and_the_record_says_by_which_masks(
    make_videos: MakeVideos, tmp_path: Path
) -> None:
    videos = make_videos(1)
    proposed(videos, with_masks(videos), tmp_path / "out", cut="mask")
    moving = pixels_of(tmp_path / "out", "spatiotemporal")
    np.testing.assert_array_equal(pixels_of(tmp_path / "out", "reversed"), moving[::-1])
    records = {record.kind: record for record in read_records(tmp_path / "out")}
    for kind in ("spatiotemporal", "frozen", "shuffled"):
        record = records[kind]
        np.testing.assert_array_equal(pixels_of(tmp_path / "out", kind), moving[list(record.frames)])
        assert record.masks is not None
        for frame, counts in zip(record.frames, record.masks, strict=True):
            mask = Mask(height=SIZE[0], width=SIZE[1], counts=counts)
            np.testing.assert_array_equal(mask.pixels, half(4 + 3 * frame))
    assert json.loads(records["frozen"].recipe)["cut"] == "mask"


def candidate(masks: dict[int, np.ndarray | None], boxes: dict[int, Box], frames: range) -> Tracklet:
    track = Track(
        id="1",
        label="square",
        frames=tuple(boxes),
        boxes=tuple(boxes.values()),
        scores=(1.0,) * len(boxes),
        masks=tuple(None if mask is None else Mask.of(mask) for mask in masks.values()),
    )
    return Tracklet(track, tuple(frames), (next(iter(boxes.values())),) * len(frames), (1.0,) * len(frames))


def box(left: int) -> Box:
    return Box(left=left, top=TOP, right=left + SIDE, bottom=TOP + SIDE)


def test_inside_the_mask_no_pixel_changes_and_far_outside_all_are_of_one_colour() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (1, *SIZE, 3), dtype=np.uint8)
    found = alone(frames, candidate({0: half(8)}, {0: box(8)}, range(1)), GREY)
    np.testing.assert_array_equal(found[0][half(8)], frames[0][half(8)])
    far = ~binary_dilation(half(8), iterations=3)
    np.testing.assert_array_equal(found[0][far], np.broadcast_to(GREY, found[0][far].shape))


def test_between_two_detections_both_masks_are_carried_along() -> None:
    between = candidate({0: half(10), 2: half(14)}, {0: box(10), 2: box(14)}, range(3))
    assert has_masks(between)
    np.testing.assert_array_equal(masks_of_candidate(between)[1], half(12))
    for place in (0, 2):
        masks = {0: half(10), 2: half(14)} | {place: None}
        assert not has_masks(candidate(masks, {0: box(10), 2: box(14)}, range(1, 2)))


def test_a_frame_without_a_mask_is_counted_and_boxes_alone_are_refused(make_videos: MakeVideos, tmp_path: Path) -> None:
    videos = make_videos(1)
    some = proposed(videos, with_masks(videos, without=(5,)), tmp_path / "some", cut="mask")
    assert (some.added, some.rejected("square")) == (0, {"without a mask in a frame": 1})
    with pytest.raises(ConceptError, match=r"v0.mp4: all that was found there .boxes. is boxes without masks"):
        proposed(videos, videos / "boxes.json", tmp_path / "none", cut="mask")
    assert not (tmp_path / "none").exists()


def test_the_outline_is_drawn_into_overlays_and_beside_a_review(make_videos: MakeVideos, tmp_path: Path) -> None:
    frames = np.zeros((1, *SIZE, 3), dtype=np.uint8)
    track = candidate({0: half(40)}, {0: box(40)}, range(1)).track
    drawn, plain = (draw_tracks(frames, [track.model_copy(update={"masks": m})]) for m in (track.masks, None))
    changed = (drawn != plain).any(axis=-1)[0]
    assert changed[TOP + 9, 40 + 9]  # in the middle of the square, on the slope
    assert not changed[binary_erosion(half(40), iterations=3)].any()
    videos = make_videos(1)
    proposed(videos, with_masks(videos), tmp_path / "out", cut="mask", kinds=("spatiotemporal",))
    (record,) = read_records(tmp_path / "out")
    with_outline = source_picture(tmp_path / "out", record)
    assert with_outline != source_picture(tmp_path / "out", record.model_copy(update={"masks": None}))


def test_the_scene_stands_behind_what_is_cut_and_nothing_else_moves() -> None:
    """Before a ground that is known two squares pass, of which the mask says one: the other is gone."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    ground = np.stack([2 * x, 2 * y, (x * y) % 90], axis=-1).astype(np.uint8)
    frames = np.stack([ground] * 8)
    objects = [(y >= 8) & (y < 18) & (x >= 4 + 10 * at) & (x < 14 + 10 * at) for at in range(8)]
    for at, each in enumerate(objects):
        frames[at][each] = np.random.default_rng(at).integers(0, 256, (int(each.sum()), 3))
        frames[at, 40:52, 80 - 10 * at : 92 - 10 * at] = (250, 10, 10)
    boxes = {at: Box(left=4 + 10 * at, top=8, right=14 + 10 * at, bottom=18) for at in range(8)}
    shown = alone(frames, candidate(dict(enumerate(objects)), boxes, range(8)), None)
    for at, each in enumerate(objects):
        np.testing.assert_array_equal(shown[at][each], frames[at][each])
        around = ~binary_dilation(each, iterations=3)
        np.testing.assert_array_equal(shown[at][around], ground[around])
    with pytest.raises(ValueError, match='fill "scene" stands behind what is cut by mask'):
        Recipe(fill="scene")


def test_a_recipe_of_a_scene_is_kept_and_read_again(make_videos: MakeVideos, tmp_path: Path) -> None:
    videos = make_videos(1)
    recipe = Recipe(mode="window", cut="mask", fill="scene", frames_per_clip=FRAMES, min_sharpness=0)
    given = {"labels": ["square"], "recipe": recipe}
    assert propose_from_boxes(videos, with_masks(videos), tmp_path / "out", **given).added == 1
    assert propose_from_boxes(videos, with_masks(videos), tmp_path / "out", **given).done_before == 1
    assert recipe_of(tmp_path / "out") == recipe


def test_a_person_marks_into_a_folder_of_clips_that_were_cut_by_mask(make_videos: MakeVideos, tmp_path: Path) -> None:
    videos = make_videos(1)
    proposed(videos, with_masks(videos), tmp_path / "out", cut="mask")
    how = {"concept": "mine", "start_seconds": 0, "end_seconds": 1.1, "reviewer": "Ada"}
    added = vt.mark_clip(videos / "v0.mp4", tmp_path / "out", **how)
    assert {clip.masks for clip in added.clips} == {None}
