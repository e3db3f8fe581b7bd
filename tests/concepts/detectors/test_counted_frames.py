"""Frames as files count them: those that the video has not, and those that are not evenly spread, are told or found."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from support.frames_of_video import black_frames
from tests.video.conftest import Encode, encode
from videotcav.concepts.detectors.boxes import BoxesFile
from videotcav.concepts.detectors.detect import VideoFrames
from videotcav.concepts.detectors.read_boxes import read_boxes
from videotcav.errors import BoxesError
from videotcav.video.read import VideoFile

__all__ = ["encode"]  # a fixture of another room

CENTISECONDS = (0, 4, 8, 12, 50, 90, 130, 134, 138, 142)
"""When the frames of a video go on show whose rate varies, as a telephone's does."""


def coco(first: int, *, count: int = 12) -> dict[str, object]:
    """A video of which every frame is listed, with a box in its third one."""
    images = [{"id": number, "video_id": 1, "frame_index": first + number} for number in range(count)]
    return {
        "videos": [{"id": 1, "file_name": "clip.mp4"}],
        "images": images,
        "annotations": [{"id": 1, "image_id": 2, "category_id": 1, "bbox": [20, 10, 40, 30]}],
        "categories": [{"id": 1, "name": "car"}],
    }


def test_frames_that_are_listed_from_1_are_told_though_none_of_the_last_has_a_box(tmp_path: Path):
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(coco(0)))
    assert [len(one) for one in read_boxes(path)(black_frames(count=12))] == [0, 0, 1, *[0] * 9]
    path.write_text(json.dumps(coco(1)))
    with pytest.raises(BoxesError, match=r"lists frame 12 of clip\.mp4, whose last frame is 11, the first being 0"):
        read_boxes(path)(black_frames(count=12))


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("imWidth=200\nimHeight=100\nseqLength=12", ""),
        ("imWidth=400\nimHeight=200\nseqLength=12", "says clip.mp4 is 400×200, but it is 200×100"),
        ("imWidth=200\nimHeight=100\nseqLength=24", "lists frame 23 of clip.mp4, whose last frame is 11"),
        ("imWidth=200", r"seqinfo\.ini: does not say size and length as MOT does: No option 'imheight'"),
    ],
)
def test_a_sequence_of_mot_is_the_one_that_its_seqinfo_states(tmp_path: Path, said: str, sentence: str):
    (tmp_path / "clip/gt").mkdir(parents=True)
    (tmp_path / "clip/gt/gt.txt").write_text("3,9,20,10,40,30,1,1,1\n")
    (tmp_path / "clip/seqinfo.ini").write_text(f"[Sequence]\nname=clip\nimDir=img1\nframeRate=10\n{said}\n")
    if not sentence:
        assert len(read_boxes(tmp_path)(black_frames(count=12))[2]) == 1
        return
    with pytest.raises(BoxesError, match=sentence):
        read_boxes(tmp_path)(black_frames(count=12))


def seen(path: Path, boxes: Path) -> dict[int, float]:
    """The left edge of the box in each frame that has one."""
    found, video = read_boxes(boxes), VideoFile(path)
    assert isinstance(found, BoxesFile)
    every = found(VideoFrames(video.frames(range(len(video.times))), video.info(), 0))
    return {frame: float(one.boxes[0, 0]) for frame, one in enumerate(every) if len(one)}


def test_times_find_the_frame_that_is_nearest_where_the_rate_varies(encode: Encode, tmp_path: Path):
    video = encode("clip.mkv", 10, pts=CENTISECONDS, clock=Fraction(1, 100))
    table = tmp_path / "clip.csv"
    table.write_text("seconds,left,top,width,height\n0.5,4,1,9,9\n0.86,5,1,9,9\n1.38,8,1,9,9\n")
    assert seen(video, table) == {4: 4, 5: 5, 8: 8}


def test_a_tool_that_counts_at_its_own_rate_is_led_back_where_the_videos_varies(encode: Encode, tmp_path: Path):
    """Label Studio's 25 frames a second: its box moves by one percent a frame, and each frame shows where it is."""
    video = encode("clip.mkv", 10, pts=CENTISECONDS, clock=Fraction(1, 100))
    step = {"y": 10, "width": 10, "height": 10, "rotation": 0, "enabled": True}
    sequence = [{"frame": 1, "x": 0, **step}, {"frame": 37, "x": 36, **step}]
    value = {"framesCount": 37, "duration": 1.46, "sequence": sequence, "labels": ["car"]}
    results = [{"id": "a", "type": "videorectangle", "value": value}]
    export = [{"id": 3, "annotations": [{"result": results}], "data": {"video": "/data/upload/1/0a1b2c3d-clip.mkv"}}]
    (tmp_path / "export.json").write_text(json.dumps(export))
    found = seen(video, tmp_path / "export.json")
    assert found == pytest.approx({frame: 0.64 * (at * 25 // 100) for frame, at in enumerate(CENTISECONDS)}, abs=1e-4)
