"""Label Studio's rectangles of videos, as its own library spreads them over frames."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.frames_of_video import black_frames
from videotcav.concepts.detectors.boxes import BoxesFile
from videotcav.concepts.detectors.read_boxes import read_boxes
from videotcav.errors import BoxesError


def step(frame: int, x: float, y: float, width: float, height: float, *, enabled: bool = True, **more: object) -> Any:
    return {
        "frame": frame, "enabled": enabled, "x": x, "y": y, "width": width, "height": height, "rotation": 0,
        "time": (frame - 1) / 10, **more,
    }  # fmt: skip


STEPS = [
    step(2, 5, 20, 10, 20),
    step(5, 20, 20, 25, 20),
    step(7, 30, 50, 25, 40, enabled=False),
    step(10, 60, 10, 10, 30),
]

SPREAD = {
    2: (5, 20, 10, 20), 3: (10, 20, 15, 20), 4: (15, 20, 20, 20), 5: (20, 20, 25, 20), 6: (25, 35, 25, 30),
    7: (30, 50, 25, 40), 10: (60, 10, 10, 30), 11: (60, 10, 10, 30), 12: (60, 10, 10, 30),
}  # fmt: skip
"""What `extract_key_frames` of label-studio-sdk 2.1.2 makes of them: x, y, width, height in percent by frame from 1."""


def region(sequence: list[Any], **value: object) -> dict[str, Any]:
    said = {"framesCount": 12, "duration": 1.2, "sequence": sequence, "labels": ["car"], **value}
    return {
        "id": "tJhYZLMC9G", "type": "videorectangle", "origin": "manual", "to_name": "video", "from_name": "box",
        "value": said,
    }  # fmt: skip


def task(results: list[Any], **more: object) -> dict[str, Any]:
    return {
        "id": 3,
        "annotations": [{"id": 1, "completed_by": 1, "was_cancelled": False, "ground_truth": False, "result": results}],
        "predictions": [],
        "data": {"video": "/data/upload/1/0a1b2c3d-clip.mp4"},
        "meta": {},
        **more,
    }


def read(tmp_path: Path, said: object) -> BoxesFile:
    path = tmp_path / "export.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(said).encode())  # with the mark that some editors write
    return read_boxes(path)


def test_boxes_are_where_label_studio_spreads_them(tmp_path: Path):
    choices = {"id": "x", "type": "choices", "value": {"choices": ["good"]}}
    boxes = read(tmp_path, [task([choices, region(STEPS[::-1])])])
    found = boxes(black_frames(count=12))
    assert {frame: len(one) for frame, one in enumerate(found) if len(one)} == {frame - 1: 1 for frame in SPREAD}
    for frame, (x, y, width, height) in SPREAD.items():
        edges = (2 * x, y, 2 * (x + width), y + height)  # percent of 200 × 100
        assert found[frame - 1].boxes[0].tolist() == pytest.approx(edges)
        assert (found[frame - 1].labels, found[frame - 1].track_ids) == (("car",), ("tJhYZLMC9G",))


@pytest.mark.parametrize("rate", [5, 20])
def test_frames_that_were_counted_at_another_rate_are_led_back(tmp_path: Path, rate: int):
    """The player's default is 24 a second, whatever the video has. Each frame gets what was shown at its time."""
    count = 2 * rate
    steps = [
        step(1, 0, 0, 10, 10, time=0.0),
        step(count, count - 1, 0, 10, 10, time=(count - 1) / rate),
    ]
    boxes = read(tmp_path, [task([region(steps, framesCount=count, duration=2.0)])])
    found = boxes(black_frames(count=20))
    expected = [2 * (index * rate // 10) for index in range(20)]
    assert [one.boxes[0, 0] for one in found] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    "address",
    [
        "/data/upload/1/0a1b2c3d-clip.mp4",
        "/data/local-files/?d=some/clip.mp4",
        "https://x.org/a%20b/clip.mp4?token=1",
        "s3://bucket/clip.mp4",
    ],
)
def test_a_video_is_found_by_its_name_before_it_was_uploaded(tmp_path: Path, address: str):
    boxes = read(tmp_path, task([region(STEPS)], data={"clip": address, "text": "a note"}))
    assert len(boxes(black_frames(count=12))[1]) == 1


def test_one_person_is_taken_and_what_nobody_labelled_is_unknown(tmp_path: Path):
    first, second = region(STEPS), region(STEPS, labels=["dog"])
    work = [{"result": [first]}, {"result": [second], "ground_truth": True}, {"result": [], "was_cancelled": True}]
    unlabelled = {"id": 4, "annotations": [], "predictions": [{"result": []}], "data": {"video": "other.mp4"}}
    boxes = read(tmp_path, [task([], annotations=work), unlabelled])
    assert boxes.labels == ("dog",)
    with pytest.raises(BoxesError, match=r"has no boxes for the video other\.mp4"):
        boxes(black_frames(count=12, name="other.mp4"))
    work[1]["ground_truth"] = False
    with pytest.raises(BoxesError, match="task 3 has 2 annotations; keep one, or mark it as ground truth"):
        read(tmp_path, [task([], annotations=work)])


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ([task([region([step(1, 1, 1, 9, 9, rotation=12.5)])])], "region tJhYZLMC9G: is turned by 12.5° in frame 1"),
        ([task([region([step(1, 1, 1, 9, 9), step(1, 2, 2, 9, 9)])])], "has two keyframes at frame 1"),
        ([task([region([step(0, 1, 1, 9, 9)])])], "sequence.0.frame: Input should be greater than 0"),
        ([task([region([step(1, float("nan"), 1, 9, 9)])])], "x: Input should be a finite number"),
        ([task([region([{"frame": 1}])])], "sequence.0.x: Field required"),
        ([task([region(STEPS, framesCount=99_999_999)])], "more than 3,000,000 boxes"),
        ([task([region([step(1, 1, 1, 9, 9), step(99_999_999, 1, 1, 9, 9)])])], "more than 3,000,000 boxes"),
        ([task([])], "has no annotations with rectangles of videos"),
        ([task([region(STEPS)]), task([region(STEPS)])], "the video .*clip has another task too"),
        ([task([region(STEPS)], data={"a": "a.mp4", "b": "b.mp4"})], "its data name several videos"),
        ([task([region(STEPS)], data={"text": "a"})], "its data name no video"),
        ([{"data": {}, "annotations": [{"result": 5}]}], "task 0 is not Label Studio's: annotations.0.result"),
    ],
)
def test_what_is_not_read_is_one_sentence(tmp_path: Path, said: object, sentence: str):
    with pytest.raises(BoxesError, match=sentence):
        read(tmp_path, said)


def test_times_that_no_player_has_do_not_count(tmp_path: Path):
    steps = [step(1, 0, 0, 10, 10, time=0.0), step(12, 50, 0, 10, 10, time=1e-308)]
    boxes = read(tmp_path, [task([region(steps, duration=None)])])
    assert [len(one) for one in boxes(black_frames(count=12))] == [1] * 12


def test_another_version_of_the_video_is_told(tmp_path: Path):
    boxes = read(tmp_path, [task([region(STEPS)])])
    with pytest.raises(BoxesError, match=r"says clip\.mp4 lasts 1\.2 s, but it lasts 4 s"):
        boxes(black_frames(count=40))
    unsaid = read(tmp_path, [task([region([step(50, 1, 1, 9, 9)], duration=None, framesCount=None)])])
    with pytest.raises(BoxesError, match=r"has boxes in frame 49 of clip\.mp4, whose last frame is 39"):
        unsaid(black_frames(count=40))
