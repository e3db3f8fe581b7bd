"""Masks: pycocotools' own coding as oracle, pictures drawn by hand, and files that would make its C code read wild."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco
from pydantic import ValidationError

from videotcav.concepts.detectors.detect import Detections, VideoFrames
from videotcav.concepts.detectors.masks import Mask, Rle, mask_of, runs_of
from videotcav.concepts.detectors.read_boxes import read_boxes
from videotcav.errors import BoxesError, DetectorError
from videotcav.video.info import VideoInfo

HEIGHT, WIDTH = 30, 40
SQUARE = np.zeros((HEIGHT, WIDTH), dtype=bool)
SQUARE[5:15, 10:20] = True
ANNOTATION = {"id": 1, "image_id": 70, "category_id": 3, "track_id": 9, "bbox": [10, 5, 10, 10]}


def frames(*, width: int = WIDTH, height: int = HEIGHT) -> VideoFrames:
    video = VideoInfo(
        path=Path("clip.mp4"), sha256="0", width=width, height=height, duration_seconds=0.4, frames_per_second=10
    )
    return VideoFrames(np.zeros((4, height, width, 3), dtype=np.uint8), video, 0)


def boxes_file(path: Path, segmentation: object, **changes: object) -> Path:
    content = {
        "videos": [{"id": 7, "file_name": "clip.mp4"}],
        "images": [{"id": 70, "video_id": 7, "frame_index": 2}],
        "annotations": [{**ANNOTATION, "segmentation": segmentation, **changes}],
        "categories": [{"id": 3, "name": "racket"}],
    }
    path.write_text(json.dumps(content))
    return path


def decoded(rle: dict[str, object]) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # its C calls numpy as of old
        return coco.decode(rle).astype(bool)


def uncompressed(pixels: np.ndarray) -> list[int]:
    """The runs, counted one pixel after the other, column by column, the first one of zeros."""
    runs, value = [0], False
    for pixel in pixels.T.ravel():
        if pixel != value:
            runs.append(0)
            value = pixel
        runs[-1] += 1
    return runs


@given(arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_a_mask_is_what_pycocotools_decodes_and_its_runs_are_those_counted_by_hand(pixels: np.ndarray):
    mask = Mask.of(pixels)
    assert mask.counts.encode() == coco.encode(np.asfortranarray(pixels, dtype=np.uint8))["counts"]
    assert runs_of(mask.counts) == uncompressed(pixels)
    np.testing.assert_array_equal(mask.pixels, pixels)
    np.testing.assert_array_equal(mask.pixels, decoded(mask.rle))
    left, top, width, height = coco.toBbox(mask.rle).tolist()
    assert mask.edges == ((left, top, left + width, top + height) if pixels.any() else None)
    stated = Rle(size=pixels.shape, counts=tuple(uncompressed(pixels)))
    assert mask_of(stated, height=mask.height, width=mask.width) == mask


def test_the_edges_of_a_mask_are_those_of_its_pixels_and_a_hidden_object_has_none():
    assert Mask.of(SQUARE).edges == (10, 5, 20, 15)
    assert Mask.of(np.zeros_like(SQUARE)).edges is None


@pytest.mark.parametrize(
    "segmentation",
    [
        {"size": [HEIGHT, WIDTH], "counts": Mask.of(SQUARE).counts},
        {"size": [HEIGHT, WIDTH], "counts": uncompressed(SQUARE)},
        [[10, 5, 20, 5, 20, 15, 10, 15]],
        [[10, 5, 15, 5, 15, 15, 10, 15], [15, 5, 20, 5, 20, 15, 15, 15]],
    ],
    ids=["compressed", "uncompressed", "polygon", "two polygons"],
)
def test_every_form_of_a_segmentation_says_the_same(tmp_path: Path, segmentation: object):
    found = read_boxes(boxes_file(tmp_path / "b.json", segmentation))(frames())
    assert [one.masks is None for one in found] == [True, True, False, True]
    np.testing.assert_array_equal(found[2].masks[0].pixels, SQUARE)
    assert found[2].boxes[0].tolist() == [10, 5, 20, 15]


def test_a_slanted_polygon_is_pycocotools_own(tmp_path: Path):
    polygon = [12.3, 6.1, 18.9, 9.4, 11.2, 14.8]
    (mask,) = read_boxes(boxes_file(tmp_path / "b.json", [polygon]))(frames())[2].masks
    np.testing.assert_array_equal(mask.pixels, decoded(coco.frPyObjects([polygon], HEIGHT, WIDTH)[0]))


def test_what_has_no_mask_has_none_and_what_is_hidden_has_an_empty_one(tmp_path: Path):
    assert read_boxes(boxes_file(tmp_path / "b.json", []))(frames())[2].masks is None
    hidden = {"size": [HEIGHT, WIDTH], "counts": [HEIGHT * WIDTH]}
    (mask,) = read_boxes(boxes_file(tmp_path / "b.json", hidden))(frames())[2].masks
    assert not mask.pixels.any()


def test_a_region_may_be_outlined_in_shares_in_pixels_or_by_run_lengths(tmp_path: Path):
    places = {
        "shares": [[0.25, 0.5, 0.5, 0.5, 0.5, 1.0, 0.25, 1.0]],
        "pixels": [[10, 15, 20, 15, 20, 30, 10, 30]],
        "runs": Mask.of(SQUARE).rle,
    }
    path = tmp_path / "regions.json"
    path.write_text(json.dumps({"regions": places}))
    found = read_boxes(path)(frames())
    assert len(found) == 4
    assert found[3].boxes.tolist() == [[10, 15, 20, 30], [10, 15, 20, 30], [10, 5, 20, 15]]
    assert [int(mask.pixels.sum()) for mask in found[3].masks] == [150, 150, 100]


RUNS = {"size": [HEIGHT, WIDTH]}


@pytest.mark.parametrize(
    ("segmentation", "sentence"),
    [
        (
            {"size": [WIDTH, HEIGHT], "counts": [1200]},
            "'racket' in frame 2 of clip.mp4 is of 30×40 pixels, and the video",
        ),
        ({**RUNS, "counts": [5, 5]}, "has runs of 10 pixels, and the 40×30 frame has 1200"),
        ({**RUNS, "counts": [1100, 200]}, "has runs of 1300 pixels"),
        ({**RUNS, "counts": [-1, 1201]}, "counts"),
        ({**RUNS, "counts": "Ä"}, "it has the character 'Ä'"),
        ({**RUNS, "counts": "P"}, "it breaks off within a number"),
        ({**RUNS, "counts": "o" * 100_000}, "one of its numbers is longer than any picture"),
        ({**RUNS, "counts": "O"}, "has a run of negative length"),
        ({**RUNS, "counts": "54"}, "has runs of 9 pixels"),
        ({**RUNS, "counts": ""}, "has runs of 0 pixels"),
        ({**RUNS, "counts": True}, "counts"),
        ({"counts": [1200]}, "size: Field required"),
        ("a text", "segmentation"),
        ([[1, 2, 3, 4]], "has a polygon of 4 numbers"),
        ([[1, 2, 3, 4, 5, 6, 7]], "has a polygon of 7 numbers"),
        ([[1, 2, 3, 4, 5, 1e300]], "has a polygon with corners far outside the 40×30 frame"),
        ([[1, 2, 3, 4, 5, float("inf")]], "finite|Infinity"),
        ([[10.1, 5.1, 10.2, 5.1, 10.2, 5.2]], "covers no pixel of the frame"),
        ([[30, 20, 35, 20, 35, 25]], r"has no pixel in its box \(10, 5, 20, 15\)"),
    ],
)
def test_a_mask_that_is_none_is_one_sentence(tmp_path: Path, segmentation: object, sentence: str):
    path = boxes_file(tmp_path / "b.json", segmentation)
    with pytest.raises(BoxesError, match=sentence):
        read_boxes(path)(frames())


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ({"size": [9, 9], "counts": [81]}, "'mark' of clip.mp4 is of 9×9 pixels, and the video of 40×30"),
        ({**RUNS, "counts": [1200]}, "'mark' covers no pixel of clip.mp4"),
        ([[100, 5, 120, 5, 120, 50]], "'mark' of clip.mp4 has a polygon with corners far outside"),
    ],
)
def test_a_region_that_is_none_is_one_sentence(tmp_path: Path, place: object, sentence: str):
    path = tmp_path / "regions.json"
    path.write_text(json.dumps({"regions": {"mark": place}}))
    with pytest.raises(BoxesError, match=sentence):
        read_boxes(path)(frames())


def test_a_mask_is_right_from_birth_and_there_is_one_for_every_label():
    with pytest.raises(ValidationError, match="has runs of 0 pixels"):
        Mask(height=3, width=3, counts="")
    with pytest.raises(DetectorError, match="gave 2 masks for 1 labels"):
        Detections(np.ones((1, 4), np.float32), np.ones(1, np.float32), ("racket",), masks=(None, None))
