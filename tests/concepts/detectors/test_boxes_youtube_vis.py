"""YouTube-VIS: an annotation is an instance, with a mask or nothing for each frame of its video."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco

from support.frames_of_video import black_frames
from videotcav.concepts.detectors.boxes import BoxesFile
from videotcav.concepts.detectors.read_boxes import read_boxes
from videotcav.errors import BoxesError

PIXELS = np.zeros((100, 200), dtype=np.uint8)
PIXELS[20:50, 40:60] = 1
PIXELS[30:35, 60:90] = 1  # around it: 40, 20, 90, 50
RLE = coco.encode(np.asfortranarray(PIXELS))
COMPRESSED = {"size": [100, 200], "counts": RLE["counts"].decode()}
RUNS = [len(list(run)) for _, run in groupby(PIXELS.T.ravel())]  # column by column, background first
PLAIN = {"size": [100, 200], "counts": RUNS}


def vis(*, step: int = 1, count: int = 4, **annotation: object) -> dict[str, Any]:
    names = [f"0065b171f9/{step * frame:05d}.jpg" for frame in range(count)]
    return {
        "info": {"version": "1.0"},
        "videos": [{"id": 1, "width": 200, "height": 100, "length": count, "file_names": names}],
        "categories": [{"id": 40, "name": "zebra", "supercategory": "object"}, {"id": 1, "name": "person"}],
        "annotations": [
            {
                "id": 9, "video_id": 1, "category_id": 40, "iscrowd": 0, "width": 200, "height": 100, "length": 1,
                "segmentations": [None, COMPRESSED, PLAIN, None], "bboxes": [None, [40, 20, 50, 30], None, None],
                "areas": [None, 750, 750, None], **annotation,
            }
        ],
    }  # fmt: skip


def read(tmp_path: Path, said: object) -> BoxesFile:
    (tmp_path / "instances.json").write_text(json.dumps(said))
    return read_boxes(tmp_path / "instances.json")


def test_a_mask_a_frame_or_nothing(tmp_path: Path):
    """Run lengths as text and as numbers, of which the second has no box beside it."""
    found = read(tmp_path, vis())(black_frames(name="0065b171f9.mp4"))
    assert [len(one) for one in found] == [0, 1, 1, 0]
    for one in found[1:3]:
        assert one.boxes.tolist() == [[40, 20, 90, 50]]
        assert (one.labels, one.track_ids) == (("zebra",), ("9",))
        assert (one.masks[0].pixels == PIXELS).all()


def test_polygons_boxes_alone_and_scores(tmp_path: Path):
    outline = [[40, 20, 60, 20, 60, 50, 40, 50]]
    said = vis(segmentations=[outline, None, None, None], bboxes=[None, [1, 2, 3, 4], None, None], score=0.25)
    found = read(tmp_path, said)(black_frames(name="0065b171f9.mp4"))
    assert [one.boxes.tolist() for one in found[:2]] == [[[40, 20, 60, 50]], [[1, 2, 4, 6]]]
    assert found[0].masks[0].pixels.sum() == 20 * 30
    assert (found[1].masks, found[1].scores.tolist()) == (None, [0.25])


def test_frames_are_found_in_the_whole_video_and_in_one_made_of_them(tmp_path: Path):
    """Every fifth frame is annotated, and its name says which it is."""
    boxes = read(tmp_path, vis(step=5))
    whole = boxes(black_frames(name="0065b171f9.mp4", count=20))
    assert [frame for frame, one in enumerate(whole) if len(one)] == [5, 10]
    made = boxes(black_frames(name="0065b171f9.mp4", count=4))
    assert [frame for frame, one in enumerate(made) if len(one)] == [1, 2]
    with pytest.raises(BoxesError, match=r"has boxes in frame 10 of 0065b171f9\.mp4, whose last frame is 9"):
        boxes(black_frames(name="0065b171f9.mp4", count=10))


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (vis(video_id=2), r"annotations\[0\] points to video 2, which 'videos' does not list"),
        (vis(category_id=2), r"annotations\[0\] has category 2"),
        (vis(segmentations=[None]), r"annotations\[0\] has 4 boxes and 1 masks for 4 frames"),
        (vis(segmentations=[{"size": [9, 9], "counts": "0"}, None, None, None]), "frame 0: its mask is of 9×9 pixels"),
        (vis(segmentations=[{"size": [100, 200], "counts": "0"}, None, None, None]), "frame 0: its mask has runs of 0"),
        (
            json.loads(json.dumps(vis()).replace("0065b171f9/", "")),
            "needs frames in one folder",
        ),
        ({**vis(), "videos": [{"id": 1, "width": 2, "height": 1}]}, "is not YouTube-VIS: videos.0.file_names"),
        (json.loads(json.dumps(vis()).replace("00001.jpg", "00000.jpg")), "whose names end in numbers, in their order"),
        (json.loads(json.dumps(vis()).replace("00001.jpg", "first.jpg")), "whose names end in numbers, in their order"),
    ],
)
def test_what_does_not_fit_is_one_sentence(tmp_path: Path, said: object, sentence: str):
    with pytest.raises(BoxesError, match=sentence):
        read(tmp_path, said)


def test_another_size_is_told(tmp_path: Path):
    with pytest.raises(BoxesError, match=r"says 0065b171f9\.mp4 is 200×100, but it is 100×100"):
        read(tmp_path, vis())(black_frames(name="0065b171f9.mp4", width=100))
