"""Boxes from files: every format says the same boxes, and what does not fit is said in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from support.frames_of_video import black_frames as frames
from videotcav.concepts.detectors import detect
from videotcav.concepts.detectors.detect import Detections, load_detector
from videotcav.concepts.detectors.read_boxes import read_boxes
from videotcav.errors import ConceptError, UnreadableText, VideotcavWarning
from videotcav.texts import read_names


def coco(**changes: object) -> dict[str, object]:
    return {
        "videos": [{"id": 7, "file_name": "clip.mp4", "width": 200, "height": 100}],
        "images": [{"id": 70, "video_id": 7, "frame_index": 2, "file_name": "clip/2.jpg"}],
        "annotations": [{"id": 1, "image_id": 70, "category_id": 3, "track_id": 9, "bbox": [20, 10, 40, 30]}],
        "categories": [{"id": 3, "name": "racket"}],
        **changes,
    }


def write(path: Path, value: object) -> Path:
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def test_coco_mot_and_yolo_say_the_same(tmp_path: Path):
    write(tmp_path / "boxes.json", coco())
    (tmp_path / "mot").mkdir()
    write(tmp_path / "mot" / "clip.txt", "3,9,20,10,40,30,1,1,1\n")
    (tmp_path / "yolo").mkdir()
    write(tmp_path / "yolo" / "clip_3.txt", "0 0.2 0.25 0.2 0.3 1 9\n")
    for place in ("boxes.json", "mot", "yolo", "mot/clip.txt"):
        boxes = read_boxes(tmp_path / place, class_names=None if place == "boxes.json" else ("racket",))
        found = boxes(frames())
        assert [len(one) for one in found] == [0, 0, 1, 0], place
        assert found[2].boxes[0].tolist() == pytest.approx([20, 10, 60, 40]), place
        assert (found[2].labels, found[2].track_ids) == (("racket",), ("9",)), place
        assert boxes.knows_instances


def test_a_file_that_names_its_classes_takes_no_other_names(tmp_path: Path):
    with pytest.raises(ConceptError, match=r"boxes\.json: names its own classes; leave `class_names` out"):
        read_boxes(write(tmp_path / "boxes.json", coco()), class_names=("ball",))


def shares(*pixels: float) -> str:
    """Corners in pixels of a 200 × 100 frame, as YOLO writes them."""
    return " ".join(f"{at / (200, 100)[axis % 2]:g}" for axis, at in enumerate(pixels))


OUTLINE = shares(48, 10, 128, 20, 120, 60, 90, 44, 60, 50)  # around it: 48, 10, 128, 60
KEYPOINTS = shares(88, 35, 80, 50, 60, 30, 100, 40, 90, 50, 0, 0, 110, 20, 70, 44)  # the box: 48, 10, 128, 60


@pytest.mark.parametrize(
    ("line", "score", "instance"),
    [
        (OUTLINE, 1, None),
        (f"{OUTLINE} 0.4", pytest.approx(0.4), None),
        (f"{OUTLINE} 7", 1, "7"),
        (f"{OUTLINE} 0.4 7", pytest.approx(0.4), "7"),
        (shares(88, 35, 80, 50), 1, None),
        (f"{shares(88, 35, 80, 50)} 0.4", pytest.approx(0.4), None),
        (f"{shares(88, 35, 80, 50)} 7", 1, "7"),
        (f"{shares(88, 35, 80, 50)} 0.4 1", pytest.approx(0.4), "1"),
    ],
)
def test_rows_of_yolo_are_read_by_what_they_hold(tmp_path: Path, line: str, score: float, instance: str | None):
    """Boxes and outlines, with a score or an instance or both, as `save_txt`, `save_conf` and tracks write them."""
    write(tmp_path / "clip_1.txt", f"0 {line}\n")
    found = read_boxes(tmp_path)(frames())[0]
    assert found.boxes[0].tolist() == pytest.approx([48, 10, 128, 60])
    assert (found.scores[0], found.track_ids) == (score, None if instance is None else (instance,))
    assert (found.masks is not None) == line.startswith(OUTLINE)


def test_an_outline_of_yolo_is_a_mask_in_the_frames_own_pixels(tmp_path: Path):
    write(tmp_path / "clip_1.txt", f"0 {shares(40, 20, 60, 20, 60, 50, 40, 50)}\n")
    mask = read_boxes(tmp_path, form="yolo-outlines")(frames())[0].masks[0]
    expected = np.zeros((100, 200), dtype=bool)
    expected[20:50, 40:60] = True
    assert (mask.pixels == expected).all()


@pytest.mark.parametrize("visible", [(), (1.0,) * 6])
def test_keypoints_are_not_guessed(tmp_path: Path, visible: tuple[float, ...]):
    box, points = KEYPOINTS.split()[:4], KEYPOINTS.split()[4:]
    if visible:
        points = [
            word
            for x, y, seen in zip(points[::2], points[1::2], visible, strict=True)
            for word in (x, y, f"{seen - 0.1}")
        ]
    write(tmp_path / "clip_1.txt", " ".join(["0", *box, *points]) + "\n")
    with pytest.raises(
        ConceptError, match="line 1: is an outline, or a box with keypoints inside; name its `form`: yolo-outlines or"
    ):
        read_boxes(tmp_path)
    found = read_boxes(tmp_path, form="yolo-keypoints")(frames())[0]
    assert found.boxes[0].tolist() == pytest.approx([48, 10, 128, 60])
    assert found.masks is None


@pytest.mark.parametrize("text", ["ball\nracket", "ball\nracket\n", "ball\r\nracket\r\n", "\ufeffball \nracket\n\n\n"])
def test_names_are_what_stands_in_a_line(tmp_path: Path, text: str):
    """However the lines end; blank ones at the end are no names."""
    (tmp_path / "classes.txt").write_bytes(text.encode())
    write(tmp_path / "clip_1.txt", "1 .5 .5 .1 .1\n")
    assert read_boxes(tmp_path).labels == ("ball", "racket")


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("names.txt", "ball\n\nracket\n", "line 2 is empty; the names below it"),
        ("names.txt", "\n", "holds no names"),
        ("data.yaml", "names:\n  0: ball\n", "is no list of names, one a line"),
    ],
)
def test_a_list_whose_numbers_are_not_certain_is_refused(tmp_path: Path, name: str, text: str, sentence: str):
    with pytest.raises(UnreadableText, match=sentence):
        read_names(write(tmp_path / name, text))


def test_long_numbers_of_instances_are_told_apart(tmp_path: Path):
    write(tmp_path / "clip.txt", "1,1234567,20,10,40,30\n1,1234568,1,1,9,9\n")
    assert read_boxes(tmp_path / "clip.txt")(frames())[0].track_ids == ("1234567", "1234568")


# MOT17's ground truth, whose seventh column says whether a row is considered: a pedestrian, a car, a static person.
TRUTH = "1,1,20,10,40,30,1,1,1\n1,5,60,10,40,30,0,3,0.25\n2,7,20,10,40,30,0,7,1\n"


@pytest.mark.parametrize("name", ["clip/gt/gt.txt", "all/clip.txt", "gt/clip.txt"])
def test_rows_that_ground_truth_does_not_consider_are_left_out_and_counted(tmp_path: Path, name: str):
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    write(path, TRUTH)
    with pytest.warns(VideotcavWarning, match="2 of 3 rows are left out, as ground truth does not consider them"):
        found = read_boxes(path)(frames())
    assert [one.track_ids for one in found] == [("1",), None, None, None]


def test_a_score_of_0_and_a_row_of_ground_truth_are_not_confused(tmp_path: Path):
    rows = "1,1,20,10,40,30,1,-1,-1,-1\n1,2,60,10,40,30,0,-1,-1,-1\n"
    with pytest.raises(ConceptError, match=r"line 2: 0 in the seventh column is a score, or .* <video>/gt/gt\.txt"):
        read_boxes(write(tmp_path / "clip.txt", rows))
    found = read_boxes(write(tmp_path / "clip.txt", rows.replace("30,1,", "30,0.5,")))(frames())[0]
    assert (found.track_ids, found.scores.tolist()) == (("1", "2"), [0.5, 0])
    write(tmp_path / "gt.txt", rows)
    with pytest.warns(VideotcavWarning, match="1 of 2 rows"):
        assert read_boxes(tmp_path / "gt.txt").knows_instances


def test_world_coordinates_of_mot_are_no_classes(tmp_path: Path):
    """Rows of MOT15's ground truth in the world: frame, instance, box, flag, x, y, z."""
    path = write(tmp_path / "clip.txt", "1,1,20,10,40,30,1,-4.06,9.55,0\n")
    assert read_boxes(path)(frames())[0].labels == ("object",)
    with pytest.raises(ConceptError, match=r"line 1: a class is a whole number, and -4\.06 stands in its column"):
        read_boxes(path, class_names=("person", "racket"))


def test_bad_boxes_among_good_ones_are_left_out_and_counted(tmp_path: Path):
    write(tmp_path / "clip.txt", "1,9,20,10,40,30\n1,9,20,10,0,30\n2,9,500,10,40,30\n")
    with pytest.warns(VideotcavWarning, match=r"2 of 3 boxes are left out, as the box \(20, 10, 20, 40\)") as told:
        found = read_boxes(tmp_path / "clip.txt")(frames())
    assert [len(one) for one in found] == [1, 0, 0, 0]
    assert len(told) == 1


@pytest.mark.parametrize("name", ["rally.2.mp4", "rally.2.avi"])
@pytest.mark.parametrize("said", ["rally.2", "rally.2.mp4", "day/rally.2"])
def test_a_dot_in_the_name_of_a_video_is_part_of_it(tmp_path: Path, said: str, name: str):
    """Of another container too; `rally` is another video."""
    write(tmp_path / "boxes.json", coco(videos=[{"id": 7, "file_name": said}]))
    assert len(read_boxes(tmp_path / "boxes.json")(frames(name=name))[2]) == 1
    with pytest.raises(ConceptError, match=r"no boxes for the video rally\.mp4"):
        read_boxes(tmp_path / "boxes.json")(frames(name="rally.mp4"))


def test_a_text_of_mot_may_be_named_with_the_ending_of_its_video(tmp_path: Path):
    for name in ("rally.2.txt", "clip.mp4.txt"):
        write(tmp_path / name, "3,9,20,10,40,30\n")
    for video in ("rally.2.mp4", "clip.mp4"):
        assert len(read_boxes(tmp_path)(frames(name=video))[2]) == 1


def test_classes_of_mot_are_named_as_cvat_names_them(tmp_path: Path):
    (tmp_path / "clip" / "gt").mkdir(parents=True)
    write(tmp_path / "clip" / "gt" / "gt.txt", "3,1,20,10,40,30,1,2,1.0\n3,2,1,1,9,9,1,1,0.5\n")
    write(tmp_path / "clip" / "gt" / "labels.txt", "person\nracket\n")
    found = read_boxes(tmp_path)(frames())[2]
    assert (found.labels, found.track_ids) == (("racket", "person"), ("1", "2"))


def test_a_tracker_that_knows_no_class_is_taken_at_one_name_and_refused_at_several(tmp_path: Path):
    """Rows as MOTChallenge's trackers write them, with −1 for what they do not say."""
    path = write(tmp_path / "clip.txt", "3,9,20,10,40,30,0.5,-1,-1,-1\n")
    assert read_boxes(path)(frames())[2].labels == ("object",)
    assert read_boxes(path, class_names=("racket",))(frames())[2].labels == ("racket",)
    with pytest.raises(ConceptError, match=r"line 1: names no class .*, and there are 2"):
        read_boxes(path, class_names=("racket", "ball"))
    write(path, "3,9,20,10,40,30\n")
    with pytest.raises(ConceptError, match=r"line 1: names no class .*, and there are 2"):
        read_boxes(path, class_names=("racket", "ball"))


def test_boxes_without_instances_are_left_to_the_tracker(tmp_path: Path):
    write(tmp_path / "clip.txt", "1,-1,20,10,40,30,0.5,-1,-1,-1\n")
    boxes = load_detector(tmp_path / "clip.txt")
    assert not boxes.knows_instances
    assert boxes(frames())[0].track_ids is None


def test_a_region_is_in_every_frame_of_every_video(tmp_path: Path):
    path = write(tmp_path / "marks.json", {"regions": {"mark": [0.75, 0.5, 1.0, 1.0], "score": [10, 5, 30, 20]}})
    found = load_detector(path)(frames(count=3))
    assert [one.labels for one in found] == [("mark", "score")] * 3
    assert found[1].boxes.tolist() == [[150, 50, 200, 100], [10, 5, 30, 20]]


def test_boxes_that_reach_over_the_edge_are_clipped_to_it(tmp_path: Path):
    annotations = [{"id": 1, "image_id": 70, "category_id": 3, "track_id": 9, "bbox": [-20, 80, 50, 50]}]
    path = write(tmp_path / "b.json", coco(annotations=annotations))
    assert read_boxes(path)(frames())[2].boxes[0].tolist() == [0, 80, 30, 100]


def test_a_nested_video_is_found_by_the_end_of_its_path(tmp_path: Path):
    videos = [{"id": 7, "file_name": "where/clip.mp4"}, {"id": 8, "file_name": "else/clip.mp4"}]
    path = write(tmp_path / "b.json", coco(videos=videos))
    assert len(read_boxes(path)(frames())[2]) == 1


def test_crowds_are_no_things(tmp_path: Path):
    crowd = {**ANNOTATION, "id": 2, "bbox": [0, 0, 200, 100], "iscrowd": 1}
    path = write(tmp_path / "b.json", coco(annotations=[crowd, {**ANNOTATION, "iscrowd": 0}]))
    with pytest.warns(VideotcavWarning, match=r"1 of 2 annotations are left out, as they are crowds"):
        found = read_boxes(path)
    assert found(frames())[2].boxes.tolist() == [[20, 10, 60, 40]]


ANNOTATION = {"id": 1, "image_id": 70, "category_id": 3, "track_id": 9, "bbox": [20, 10, 40, 30]}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("no json", "is not JSON"),
        ({"images": [], "annotations": [], "categories": []}, "is COCO JSON of images; it needs `videos` too"),
        ({"videos": [], "images": [], "annotations": []}, "is not COCO JSON with videos: categories: Field required"),
        ([{"image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4], "score": 1}], "is a list of COCO's results"),
        ([{"video_id": 1, "category_id": 3, "segmentations": [], "score": 1}], "is a list of COCO's results"),
        ({"shapes": [], "imagePath": "a.jpg"}, "is JSON, but none that is read: COCO with videos, YouTube-VIS"),
        ([], "is JSON, but none that is read"),
        ({"regions": {"mark": [1, 2, 3]}}, r"is not a file of regions: regions.mark.box.3: Field required"),
        ({"regions": {"mark": [150, 5, 250, 20]}}, r"'mark' .* does not lie within the 200×100 frame"),
        (
            coco(annotations=[{**ANNOTATION, "image_id": 5}]),
            r"annotations\[0\] points to image 5, which is in no video",
        ),
        (coco(annotations=[{**ANNOTATION, "category_id": 5}]), r"has category 5, which 'categories' does not list"),
        (coco(annotations=[{**ANNOTATION, "bbox": [300, 10, 5, 5]}]), r"\(300, 10, 305, 15\) of 'racket' in frame 2"),
        (
            coco(annotations=[{**ANNOTATION, "bbox": [20, 10, 0, 5]}]),
            r"lies outside the 200×100 frame or is empty",
        ),
        (coco(images=[{"id": 70, "video_id": 7}]), "image 70 needs a frame_index"),
        (coco(categories=[{"id": 3, "name": "racket"}, {"id": 3, "name": "ball"}]), "'categories' has the id 3 twice"),
        (coco(images=[{"id": 70, "video_id": 7, "frame_index": at} for at in (1, 2)]), "'images' has the id 70 twice"),
        (
            coco(videos=[{"id": 7, "file_name": "clip.mp4"}, {"id": 8, "file_name": "clip.avi"}]),
            "'videos' has clip twice, without its ending",
        ),
        (coco(images=[{"id": 70, "video_id": 7, "frame_index": 40}]), "frame 40 of clip.mp4, whose last frame is 3"),
        (coco(videos=[{"id": 7, "file_name": "clap.mp4"}]), "no boxes for the video clip.mp4; closest: 'clap'"),
        (coco(videos=[{"id": 7, "file_name": "clip.mp4", "width": 2, "height": 1}]), "says clip.mp4 is 2×1, but it is"),
    ],
)
def test_what_does_not_fit_is_one_sentence(tmp_path: Path, content: object, sentence: str):
    path = write(tmp_path / "boxes.json", content)
    with pytest.raises(ConceptError, match=sentence):
        read_boxes(path)(frames())


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("mot/clip.txt", "0,1,2,3,4,5\n", "line 1: frame 0; MOT counts whole frames from 1"),
        ("mot/clip.txt", "1,1,2,3\n", "line 1: has 4 columns, and needs 6"),
        ("mot/clip.txt", "1,1,2,3,4,five\n", "line 1: is not a row of numbers"),
        ("yolo/clip_1.txt", "99 .1 .1 .1 .1\n", "line 1: class 99, but only 80 names"),
        ("yolo/clip_1.txt", "1 .1 .1 .1 .1 .5\n1 .1 .1 .1 .1 12\n", "line 2: 12 stands where others have a score"),
        (
            "yolo/clip_1.txt",
            "1 .1 .1 .1 .1 .5 12\n1 .1 .1 .1 .1 .5 .7\n",
            "line 2: an instance is .* and 0.7 stands",
        ),
        ("yolo/clip_1.txt", "1 .1 .1 .1 .1 2\n1 .1 .1 .1 .1\n", "line 2: has 5 columns, and .* line 1 has 6"),
        ("yolo/clip_1.txt", "1 .1 .1 .1 .1 1\n1 .4 .4 .1 .1 1\n", "line 2: instance 1 is in this frame already"),
        (
            "yolo/clip_1.txt",
            "1 .1 .1 .3 .1 .3 .4 .2 1\n",
            "a corner of an outline, or an instance; name its `form`",
        ),
        ("yolo/clip_1.txt", "1 .1 .1 .3 .1 30 .4 .2 .2\n", "line 1: .* in shares of the frame, from 0 to 1"),
        ("yolo/clip_0.txt", "1 .1 .1 .1 .1\n", "frames counted from 1"),
        ("yolo/clip_1.txt", "1.5 .1 .1 .1 .1\n", "line 1: a class is a whole number, and 1.5 stands in its column"),
        ("yolo/clip_1.txt", "-0.5 .1 .1 .1 .1\n", "a class is a whole number, and -0.5"),
        ("mot/clip.txt", "1,1.5,2,3,4,5\n", "line 1: an instance is a whole number, and 1.5 stands in its column"),
        ("mot/clip.txt", "1,9007199254740993,2,3,4,5\n", "line 1: an instance is a number below"),
        ("mot/clip.txt", "1,1,2,3,4,5,,1,1\n", "line 1: is not a row of numbers"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, name: str, content: str, sentence: str):
    path = tmp_path / name
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(ConceptError, match=sentence):
        read_boxes(path.parent)


def test_a_package_brings_a_detector_of_its_own_through_the_same_door(monkeypatch: pytest.MonkeyPatch):
    class Point:
        name = "theirs"

        def load(self):
            return lambda name, *, form, class_names: (name, form, class_names)

    monkeypatch.setattr(detect, "entry_points", lambda group: [Point()] if group == "videotcav.detectors" else [])
    assert load_detector("theirs:some:thing", form="x") == ("some:thing", "x", None)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_box_or_a_score_that_is_no_number_is_named_whatever_detector_gave_it(bad: float):
    row = [1.0, 2.0, 3.0, 4.0, 0.5]
    for place in (0, 3, 4):
        given = [*row[:place], bad, *row[place + 1 :], "racket"]
        with pytest.raises(ConceptError, match="a box or a score that is NaN or infinite"):
            Detections.of([tuple(given)])


@pytest.mark.parametrize(
    "annotation",
    [
        {**ANNOTATION, "bbox": [20, 10, float("inf"), 30]},
        {**ANNOTATION, "bbox": [20, 10, float("nan"), 30]},
        {**ANNOTATION, "bbox": [True, 10, 40, 30]},
        {**ANNOTATION, "bbox": ["20", 10, 40, 30]},
        {**ANNOTATION, "score": -1},
        {**ANNOTATION, "score": 2},
        {**ANNOTATION, "score": True},
        {**ANNOTATION, "category_id": False},
        {**ANNOTATION, "image_id": 70.5},
    ],
)
def test_boxes_that_are_no_boxes_are_refused(tmp_path: Path, annotation: dict[str, object]):
    path = write(tmp_path / "b.json", coco(annotations=[annotation]))
    with pytest.raises(ConceptError, match=r"b\.json: is not (COCO JSON with videos: annotations\.0\.|JSON)"):
        read_boxes(path)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("1,-1,20,inf,40,30,1", "is not a row of finite numbers"),
        ("1,-1,20,10,nan,30,1", "is not a row of finite numbers"),
        ("1,-1,20,10,40,30,2", "a score from 0 to 1, got 2"),
        ("1,-1,20,10,40,30,-0.5", "a score from 0 to 1, got -0.5"),
    ],
)
def test_rows_that_are_no_boxes_are_refused(tmp_path: Path, line: str, says: str):
    write(tmp_path / "clip.txt", line + "\n")
    with pytest.raises(ConceptError, match=says):
        load_detector(tmp_path / "clip.txt")


def test_a_box_that_is_there_twice_is_one_box(tmp_path: Path):
    path = write(tmp_path / "b.json", coco(annotations=[ANNOTATION, {**ANNOTATION, "id": 2}]))
    assert len(read_boxes(path)(frames())[2]) == 1
