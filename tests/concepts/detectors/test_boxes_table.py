"""Boxes from any table: whatever its columns are called and however they tell a box, it is the same box."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support.frames_of_video import black_frames
from videotcav.concepts.detectors.detect import load_detector, spec_below
from videotcav.errors import BoxesError, DetectorNotFound, VideotcavWarning

NAMED = "video=file,frame=frame_idx,left=x,top=y,width=w,height=h,label=class,score=conf,track=id"
ROW = {
    "file": "day/clip.mp4",
    "frame_idx": 2,
    "x": 20.0,
    "y": 10,
    "w": 40,
    "h": 30,
    "class": "racket",
    "conf": 0.5,
    "id": 9,
}


def written(path: Path, rows: list[dict[str, object]]) -> Path:
    ending = path.suffix
    if ending == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif ending == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        comma = "\t" if ending == ".tsv" else ","
        lines = [rows[0].keys(), *(row.values() for row in rows)]
        path.write_bytes("".join(comma.join(map(str, line)) + "\r\n" for line in lines).encode("utf-8-sig"))
    return path


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_columns_are_named_where_they_have_other_names(tmp_path: Path, ending: str):
    path = written(tmp_path / f"boxes{ending}", [ROW, {**ROW, "frame_idx": 3, "file": "other.mp4"}])
    for detector in (load_detector(path, form=NAMED), load_detector(f"{path}:{NAMED}")):
        found = detector(black_frames())
        assert [len(one) for one in found] == [0, 0, 1, 0]
        assert found[2].boxes.tolist() == [[20, 10, 60, 40]]
        assert (found[2].labels, found[2].track_ids, found[2].scores.tolist()) == (("racket",), ("9",), [0.5])
        assert len(detector(black_frames(name="other.mp4"))[3]) == 1
    assert load_detector(path, form=NAMED).sha256 != load_detector(path, form=NAMED.replace(",track=id", "")).sha256


@pytest.mark.parametrize(
    "edges",
    [
        {"left": 20, "top": 10, "right": 60, "bottom": 40},
        {"left": 20, "top": 10, "width": 40, "height": 30},
        {"right": 60, "bottom": 40, "width": 40, "height": 30},
        {"centre_x": 40, "centre_y": 25, "width": 40, "height": 30},
        {"centre_x": 40, "centre_y": 25, "left": 20, "top": 10},
        {"centre_x": 40, "centre_y": 25, "right": 60, "bottom": 40},
        {"left": 0.1, "top": 0.1, "right": 0.3, "bottom": 0.4},
        {"centre_x": 0.2, "centre_y": 0.25, "width": 0.2, "height": 0.3},
    ],
)
@pytest.mark.parametrize("when", [{"frame": 2}, {"frame_from_1": 3}, {"seconds": 0.2}, {"seconds": 0.17}])
def test_a_box_is_told_in_many_ways(tmp_path: Path, edges: dict[str, float], when: dict[str, float]):
    """Corners, sizes and centres, in pixels of 200 × 100 or in shares; frames, or seconds at 10 frames each."""
    found = load_detector(written(tmp_path / "clip.csv", [{**when, **edges}]))(black_frames())
    assert [len(one) for one in found] == [0, 0, 1, 0]
    assert found[2].boxes[0].tolist() == pytest.approx([20, 10, 60, 40])
    assert (found[2].labels, found[2].track_ids, found[2].scores.tolist()) == (("object",), None, [1])


def test_shares_may_reach_over_the_edge_of_the_frame(tmp_path: Path):
    path = written(tmp_path / "clip.csv", [{"frame": 0, "left": -0.1, "top": 0.5, "right": 0.5, "bottom": 1.2}])
    assert load_detector(path)(black_frames())[0].boxes.tolist() == [[0, 50, 100, 100]]


def test_numbers_of_classes_have_the_names_that_are_given(tmp_path: Path):
    path = written(tmp_path / "clip.csv", [{"frame": 0, "left": 1, "top": 1, "width": 9, "height": 9, "label": 1}])
    assert load_detector(path, class_names=("ball", "racket"))(black_frames())[0].labels == ("racket",)
    assert load_detector(path)(black_frames())[0].labels == ("1",)
    with pytest.raises(BoxesError, match="row 1: class 1, but only 1 names are known, from 0 on"):
        load_detector(path, class_names=("ball",))


def test_a_table_without_a_first_line_of_names_is_one_of_mot(tmp_path: Path):
    (tmp_path / "clip.csv").write_text("3,9,20,10,40,30,0.5,-1,-1,-1\n")
    assert load_detector(tmp_path / "clip.csv")(black_frames())[2].boxes.tolist() == [[20, 10, 60, 40]]


PLAIN = {"frame": 0, "left": 1, "top": 1, "width": 9, "height": 9}


@pytest.mark.parametrize(
    ("row", "form", "sentence"),
    [
        ({**PLAIN, "frame": 1.5}, None, "row 1: frame 1.5 is no whole number"),
        ({**PLAIN, "frame": -1}, None, "row 1: its frame is -1, before the video begins"),
        ({**PLAIN, "left": ""}, None, "row 1: its left '' is no number"),
        ({**PLAIN, "left": "nan"}, None, "row 1: its left '' is no number"),
        ({**PLAIN, "left": "1,5"}, None, "has 6 cells, and the first line names 5"),
        ({**PLAIN, "left": "five"}, None, "row 1: its left 'five' is no number"),
        ({**PLAIN, "score": 50}, None, "row 1: its score is 50, and needs to be from 0 to 1"),
        ({**PLAIN, "label": ""}, None, "row 1: its label is empty"),
        (
            {**PLAIN, "right": 9},
            None,
            "needs two of the columns left, .*, and has left, right, width; its",
        ),
        ({**PLAIN, "seconds": 9}, None, "needs one of the columns frame, .* and has frame, seconds"),
        (
            {"a": 1, "b": 2},
            None,
            "needs one of the columns frame, .*, and has none; its columns are a, b",
        ),
        (PLAIN, "left=lft", "has no column 'lft'; closest: 'left'"),
        (PLAIN, "lft=left", "'lft=left' names no column of a table as KEY=COLUMN; closest: 'left'"),
        (PLAIN, "left=left,left=top", "'left=top' names no column"),
    ],
)
def test_a_table_that_leaves_something_open_is_refused(tmp_path: Path, row: dict, form: str | None, sentence: str):
    with pytest.raises(BoxesError, match=sentence):
        load_detector(written(tmp_path / "clip.csv", [row]), form=form)


def test_what_is_named_stands_above_what_has_the_name(tmp_path: Path):
    """A table with corners of something else besides, and with seconds."""
    row = {**PLAIN, "right": 90, "seconds": 7, "x": 20, "w": 40}
    path = written(tmp_path / "clip.csv", [row])
    detector = load_detector(path, form="frame=frame,left=x,width=w")
    assert detector(black_frames())[0].boxes.tolist() == [[20, 1, 60, 10]]


def test_a_box_outside_the_frame_is_told_by_its_frame(tmp_path: Path):
    rows = [{"seconds": 0.2, "left": left, "top": 1, "width": 9, "height": 9} for left in (500, 20)]
    with pytest.warns(VideotcavWarning, match=r"1 of 2 boxes are left out, as the box .* in frame 2 of clip\.mp4 lies"):
        load_detector(written(tmp_path / "clip.csv", rows))(black_frames())


def test_times_behind_the_end_are_another_videos(tmp_path: Path):
    path = written(tmp_path / "clip.csv", [{**{key: PLAIN[key] for key in PLAIN if key != "frame"}, "seconds": 0.5}])
    with pytest.raises(BoxesError, match=r"has boxes in frame 5 of clip\.mp4, whose last frame is 3"):
        load_detector(path)(black_frames())


def test_a_form_stands_behind_a_path_wherever_the_path_is(tmp_path: Path):
    written(tmp_path / "boxes.csv", [ROW])
    (tmp_path / "module").mkdir()
    assert spec_below(tmp_path, f"boxes.csv:{NAMED}") == f"{tmp_path}/boxes.csv:{NAMED}"
    assert spec_below(tmp_path, "boxes.csv") == f"{tmp_path}/boxes.csv"
    for other in ("nowhere.csv:frame=a", "module:function", "transformers:folder", "yolo:model.onnx"):
        assert spec_below(tmp_path, other) == other
    with pytest.raises(DetectorNotFound, match="there is no such detector file"):
        load_detector(f"{tmp_path}/nowhere.csv:{NAMED}")


def test_a_score_that_is_left_out_of_one_row_is_not_made_up(tmp_path: Path):
    path = written(tmp_path / "boxes.csv", [ROW, {**ROW, "conf": ""}])
    with pytest.raises(BoxesError, match=r"boxes\.csv, row 2: its score '' is no number"):
        load_detector(path, form=NAMED)
