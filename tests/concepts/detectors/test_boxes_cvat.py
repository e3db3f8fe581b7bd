"""CVAT's XML of videos: what stands between keyframes is what CVAT shows there, and no file takes the reader's time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from support.frames_of_video import black_frames
from videotcav.concepts.detectors.boxes import BoxesFile
from videotcav.concepts.detectors.read_boxes import read_boxes
from videotcav.errors import BoxesError, VideotcavWarning

TASK = """<task><id>5</id><name>x</name><size>{size}</size><mode>interpolation</mode><subset>{subset}</subset>
  <start_frame>{start}</start_frame><stop_frame>{stop}</stop_frame><frame_filter>{filter}</frame_filter>
  <labels><label><name>car</name><attributes><attribute><name>colour</name></attribute></attributes></label></labels>
  <original_size><width>200</width><height>100</height></original_size><source>{source}</source></task>"""


def task(*, number: int = 5, size: int = 12, start: int = 0, step: int = 1, source: str = "clip.mp4", subset="default"):
    text = TASK.replace("<id>5<", f"<id>{number}<")
    filtered = f"step={step}" if step > 1 else ""
    return text.format(
        size=size, start=start, stop=start + (size - 1) * step, filter=filtered, source=source, subset=subset
    )


def xml(tracks: str, meta: str = "") -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>'
        f"<meta>{meta or task()}<dumped>2026-01-01</dumped></meta>\n{tracks}\n</annotations>\n"
    )


def box(frame: int, left: float, *, outside: int = 0, width: float = 10, more: str = "") -> str:
    return (
        f'<box frame="{frame}" keyframe="1" outside="{outside}" occluded="0" xtl="{left:.2f}" ytl="20.00" '
        f'xbr="{left + width:.2f}" ybr="40.00" z_order="0"{more}><attribute name="colour">red</attribute></box>'
    )


def track(shapes: str, *, number: int = 0, label: str = "car", more: str = "") -> str:
    return f'<track id="{number}" label="{label}" source="manual"{more}>{shapes}</track>'


def read(tmp_path: Path, text: str, name: str = "annotations.xml") -> BoxesFile:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return read_boxes(path)


def lefts(boxes: BoxesFile, *, count: int = 12, name: str = "clip.mp4") -> dict[int, list[float]]:
    found = boxes(black_frames(count=count, name=name))
    return {frame: one.boxes[:, 0].tolist() for frame, one in enumerate(found) if len(one)}


# The first track of the example in CVAT's own description of the format, and its time of writing.
SAMPLE = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta>
    <task>
      <id>5</id>
      <name>interpolation</name>
      <size>4620</size>
      <mode>interpolation</mode>
      <overlap>5</overlap>
      <bugtracker></bugtracker>
      <flipped>False</flipped>
      <labels>
        <label>
          <name>person</name>
          <attributes>
          </attributes>
        </label>
        <label>
          <name>car</name>
          <attributes>
          </attributes>
        </label>
      </labels>
      <original_size>
        <width>640</width>
        <height>480</height>
      </original_size>
    </task>
    <dumped>2018-09-25 16:05:07.134046+03:00</dumped>
  </meta>
  <track id="0" label="car">
    <polygon frame="0" points="324.79,213.16;323.74,227.90;347.42,237.37;371.11,217.37;350.05,190.00;318.47,191.58" \
outside="0" occluded="0" keyframe="1">
    </polygon>
    <polygon frame="1" points="324.79,213.16;323.74,227.90;347.42,237.37;371.11,217.37;350.05,190.00;318.47,191.58" \
outside="1" occluded="0" keyframe="1">
    </polygon>
    <polygon frame="6" points="305.32,237.90;312.16,207.90;352.69,206.32;355.32,233.16;331.11,254.74" outside="0" \
occluded="0" keyframe="1">
    </polygon>
    <polygon frame="7" points="305.32,237.90;312.16,207.90;352.69,206.32;355.32,233.16;331.11,254.74" outside="1" \
occluded="0" keyframe="1">
    </polygon>
  </track>
  <track id="1" label="s1" source="manual">
    <skeleton frame="0" keyframe="1" z_order="0">
      <points label="1" outside="0" occluded="0" keyframe="1" points="112.07,258.59">
      </points>
    </skeleton>
  </track>
</annotations>
"""


def test_the_example_of_cvats_own_description(tmp_path: Path):
    with pytest.warns(VideotcavWarning, match="1 tracks are left out, as they are no boxes: skeleton"):
        boxes = read(tmp_path, SAMPLE, "clip/annotations.xml")
    found = boxes(
        black_frames(width=640, height=480, count=4620)._replace(pixels=np.zeros((12, 480, 640, 3), np.uint8))
    )
    assert [len(one) for one in found] == [1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]
    assert found[0].boxes[0].tolist() == pytest.approx([318.47, 190, 371.11, 237.37])
    assert found[6].boxes[0].tolist() == pytest.approx([305.32, 206.32, 355.32, 254.74])
    assert (found[0].labels, found[0].track_ids) == (("car",), ("0",))
    corners = np.array([305.32, 237.90, 312.16, 207.90, 352.69, 206.32, 355.32, 233.16, 331.11, 254.74]).reshape(-1, 2)
    x, y = corners.T
    shoelace = abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
    assert found[6].masks[0].pixels.sum() == pytest.approx(shoelace, rel=0.03)
    assert boxes.labels == ("person", "car", "s1")


def test_a_track_goes_straight_from_keyframe_to_keyframe_and_ends_outside(tmp_path: Path):
    """Between 2 and 6 a line, from 6 towards the outside of 8 one more, nothing in 8 and 9, then on to the end."""
    shapes = box(2, 10) + box(6, 50) + box(8, 60, outside=1) + box(10, 100)
    assert lefts(read(tmp_path, xml(track(shapes)))) == {
        2: [10], 3: [20], 4: [30], 5: [40], 6: [50], 7: [55], 10: [100], 11: [100],
    }  # fmt: skip


def test_a_shape_of_one_frame_is_none_of_a_track(tmp_path: Path):
    """As CVAT writes it, also in the last two frames, where no outside follows; beside a track it is an instance."""
    shapes = track(box(3, 10) + box(4, 10, outside=1)) + track(box(10, 30), number=1)
    boxes = read(tmp_path, xml(shapes))
    assert (lefts(boxes), boxes.knows_instances) == ({3: [10], 10: [30]}, False)
    beside = read(tmp_path, xml(shapes + track(box(0, 90) + box(1, 90) + box(2, 90, outside=1), number=2)))
    assert beside(black_frames(count=12))[3].track_ids == ("0",)


def test_frames_are_those_of_the_video_where_a_task_takes_every_third(tmp_path: Path):
    """From 4 on; what is seen in two of them is seen between them, what ends in the next is not."""
    meta = task(size=4, start=4, step=3)
    shapes = track(box(4, 10) + box(7, 40) + box(10, 70, outside=1)) + track(box(13, 5), number=1)
    assert lefts(read(tmp_path, xml(shapes, meta)), count=14) == {4: [10], 5: [20], 6: [30], 7: [40], 13: [5]}
    with pytest.raises(BoxesError, match="track 0: frame 14 is none of its task, whose frames are 4 to 13"):
        read(tmp_path, xml(track(box(14, 10)), meta))
    with pytest.raises(BoxesError, match="track 0: frame 3 is none of its task, whose frames are 4 to 13"):
        read(tmp_path, xml(track(box(3, 10) + box(5, 10)), meta))


def test_a_project_counts_the_frames_of_its_tasks_on(tmp_path: Path):
    """Within a subset, from where the task before it ends: start 2, then 5 frames, 2 apart, are 12."""
    meta = (
        "<project><name>p</name><tasks>"
        + task(number=7, size=5, start=2, step=2, subset="train")
        + task(number=8, size=5, source="other.mp4", subset="train")
        + task(number=9, size=5, source="third.mp4", subset="test")
        + "</tasks></project>"
    )
    of = {name: f' task_id="{number}" subset="x"' for name, number in (("clip", 7), ("other", 8), ("third", 9))}
    tracks = track(box(2, 10) + box(4, 30) + box(6, 30, outside=1), more=of["clip"])
    tracks += track(box(12, 50) + box(13, 60) + box(14, 60, outside=1), number=1, more=of["other"])
    tracks += track(box(0, 70) + box(1, 80) + box(2, 80, outside=1), number=2, more=of["third"])
    boxes = read(tmp_path, xml(tracks, meta))
    assert lefts(boxes) == {2: [10], 3: [20], 4: [30]}
    assert lefts(boxes, name="other.mp4") == {0: [50], 1: [60]}
    assert lefts(boxes, name="third.mp4") == {0: [70], 1: [80]}
    with pytest.raises(BoxesError, match="task_id '6' is no task of the file"):
        read(tmp_path, xml(track(box(2, 10), more=' task_id="6"'), meta))


def test_a_job_is_about_the_video_that_it_is_named_after(tmp_path: Path):
    meta = "<job><id>3</id><size>4</size><start_frame>4</start_frame><stop_frame>7</stop_frame></job>"
    meta += "<original_size><width>200</width><height>100</height></original_size>"
    shapes = track(box(5, 10) + box(6, 20) + box(7, 20, outside=1))
    assert lefts(read(tmp_path, xml(shapes, meta), "clip.xml")) == {5: [10], 6: [20]}
    with pytest.raises(BoxesError, match=r"says clip\.mp4 is 200×100, but it is 100×100"):
        read(tmp_path, xml(shapes, meta), "clip.xml")(black_frames(width=100, count=12))


def test_a_folder_holds_the_files_of_several_videos(tmp_path: Path):
    read(tmp_path, xml(track(box(1, 10))), "one/annotations.xml")
    read(tmp_path, xml(track(box(1, 30)), task(source="other.mp4")), "two/annotations.xml")
    boxes = read_boxes(tmp_path)
    assert (lefts(boxes)[1], lefts(boxes, name="other.mp4")[1]) == ([10], [30])
    read(tmp_path, xml(track(box(1, 50))), "three/annotations.xml")
    with pytest.raises(BoxesError, match="the video clip has boxes in another file"):
        read_boxes(tmp_path)


def test_what_is_turned_is_told_by_the_upright_box_around_it(tmp_path: Path):
    """A quarter turn of 40 × 20 about its centre is 20 × 40, and halfway there each side is (40 + 20) / √2."""
    shapes = box(0, 80, width=40) + box(2, 80, width=40, more=' rotation="90.00"')
    ellipse = '<ellipse frame="0" keyframe="1" outside="0" occluded="0" cx="50" cy="50" rx="20" ry="10" rotation="90"/>'
    boxes = read(tmp_path, xml(track(shapes) + track(ellipse, number=1)))
    found = boxes(black_frames(count=12))
    assert found[0].boxes.tolist() == [[80, 20, 120, 40], [40, 30, 60, 70]]
    side = 60 / 2**0.5
    assert found[1].boxes[0].tolist() == pytest.approx([100 - side / 2, 30 - side / 2, 100 + side / 2, 30 + side / 2])
    assert found[2].boxes[0].tolist() == pytest.approx([90, 10, 110, 50])


def test_masks_go_row_by_row_within_their_box(tmp_path: Path):
    """The example of CVAT's description, 13 × 15, by a plain loop; the sign of a transposed one is its other shape."""
    rle = "3, 5, 7, 7, 5, 9, 3, 11, 2, 11, 2, 12, 1, 12, 1, 26, 1, 12, 1, 12, 2, 11, 3, 9, 5, 7, 7, 5, 3"
    shape = (
        f'<mask frame="0" keyframe="1" outside="0" occluded="0" rle="{rle}" left="70" top="8" '
        'width="13" height="15" z_order="0"></mask>'
    )
    expected, at = np.zeros((100, 200), dtype=bool), 0
    for number, run in enumerate(map(int, rle.split(","))):
        for place in range(at, at + run):
            expected[8 + place // 13, 70 + place % 13] = number % 2 == 1
        at += run
    found = read(tmp_path, xml(track(shape + shape.replace('frame="0"', 'frame="1"').replace('side="0', 'side="1'))))
    (mask,) = found(black_frames(count=12))[0].masks
    assert (mask.pixels == expected).all()
    assert found(black_frames(count=12))[0].boxes.tolist() == [[70, 8, 83, 23]]
    for bad, says in (("190", "does not lie within the 200×100 frame"), ("70.5", "begins or ends within a pixel")):
        with pytest.raises(BoxesError, match=says):
            read(tmp_path, xml(track(shape.replace('left="70"', f'left="{bad}"'))))
    for wrong in ("3, 5", "3, -5, 197", "9" * 5000):
        with pytest.raises(BoxesError, match="its mask is no run lengths of CVAT"):
            read(tmp_path, xml(track(shape.replace(rle, wrong))))


LAUGHS = '<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize(
    "before", [LAUGHS, '<!DOCTYPE a SYSTEM "file:///etc/passwd">', '<!DOCTYPE a [<!ENTITY % p SYSTEM "http://x/">%p;]>']
)
def test_no_document_type_is_read(tmp_path: Path, before: str, encoding: str):
    text = f'<?xml version="1.0" encoding="{encoding}"?>{before}<annotations>&b;</annotations>'
    (tmp_path / "clip.xml").write_bytes(text.encode(encoding))
    with pytest.raises(BoxesError, match=r"is XML with a document type \(DTD\), which is not read"):
        read_boxes(tmp_path / "clip.xml")


def test_a_track_without_end_is_not_drawn(tmp_path: Path):
    with pytest.raises(BoxesError, match="more than 3,000,000 boxes; split it"):
        read(tmp_path, xml(track(box(0, 10) + box(1, 10)), task(size=999_999_999)))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<annotations>", "is not XML: no element found"),
        ('<?xml version="1.0" encoding="utf-9"?><annotations/>', "is not XML: unknown encoding: utf-9"),
        ("<annotations></annotations>", "is XML, but not CVAT's of a video"),
        ("<html><body/></html>", "is XML, but not CVAT's of a video"),
        (xml('<image id="0" name="a.jpg" width="9" height="9"></image>'), "is CVAT for images.*CVAT for video 1.1"),
        (xml(""), "holds no boxes"),
        (xml(track('<points frame="0" points="1,2"/>')), "holds no boxes.*but tracks of points"),
        (xml(track(box(1, 10)) * 2), "track 0 needs a label, and an id of its own"),
        (xml(track(box(1, 10) * 2)), "track 0: frame '1' is no number of a frame, or is there twice"),
        (xml(track(box(1, 10).replace('frame="1"', 'frame="1.5"'))), "frame '1.5' is no number of a frame"),
        (xml(track(box(1, 10).replace('frame="1"', f'frame="{"9" * 5000}"'))), "is no number of a frame"),
        (xml(track(box(1, 10).replace('"10.00"', '"nan"'))), "track 0, frame 1: xtl 'nan' is no number"),
        (xml(track(box(1, 10).replace(' xtl="10.00"', ""))), "track 0, frame 1: xtl '' is no number"),
        (xml(track('<polygon frame="0" points="1,2;3" outside="0"/>')), "its points are no pairs of numbers"),
    ],
)
def test_what_is_no_track_of_boxes_is_one_sentence(tmp_path: Path, text: str, says: str):
    with pytest.raises(BoxesError, match=says):
        read(tmp_path, text)


def polygon(frame: int, *corners: float) -> str:
    points = ";".join(f"{x:.2f},{y:.2f}" for x, y in zip(corners[::2], corners[1::2], strict=True))
    return f'<polygon frame="{frame}" keyframe="1" outside="0" occluded="0" points="{points}" z_order="0"></polygon>'


SQUARE, MOVED = (20, 20, 60, 20, 60, 60, 20, 60), (60, 30, 100, 30, 100, 70, 60, 70)
MORE_CORNERS = (60, 30, 80, 30, 100, 30, 100, 70, 60, 70)  # the same outline


@pytest.mark.parametrize("last", [MOVED, MORE_CORNERS])
def test_a_polygon_goes_straight_from_keyframe_to_keyframe_with_its_outline(tmp_path: Path, last: tuple[float, ...]):
    """A square of 40 pixels that moves by 40 and 10 in four frames: half-way it is the same square, moved by half."""
    boxes = read(tmp_path, xml(track(polygon(2, *SQUARE) + polygon(6, *last))))
    found = boxes(black_frames(count=12))[4]
    assert found.boxes[0].tolist() == pytest.approx([40, 25, 80, 65])
    expected = np.zeros((100, 200), dtype=bool)
    expected[25:65, 40:80] = True
    assert (found.masks[0].pixels == expected).all()


def test_a_mask_with_nothing_drawn_behind_it_is_refused(tmp_path: Path):
    mask = '<mask frame="{}" outside="0" occluded="0" rle="1, 2, 1" left="10" top="10" width="2" height="2"></mask>'
    with pytest.raises(BoxesError, match="track 0: has nothing drawn until frame 6, and only boxes and polygons go on"):
        read(tmp_path, xml(track(mask.format(2) + mask.format(6))))
    assert len(read(tmp_path, xml(track(mask.format(2) + mask.format(3))))(black_frames(count=12))[3]) == 1


def test_a_task_that_is_longer_than_the_video_is_of_another_version(tmp_path: Path):
    boxes = read(tmp_path, xml(track(box(0, 10) + box(1, 10, outside=1)), task(size=24)))
    with pytest.raises(BoxesError, match=r"lists frame 23 of clip\.mp4, whose last frame is 11"):
        boxes(black_frames(count=12))


def test_an_ellipse_turns_between_its_keyframes(tmp_path: Path):
    """Half-axes of 20 and 10, a quarter turn in four frames: half-way both reach √((20² + 10²) / 2) from the centre."""
    shape = '<ellipse frame="{}" outside="0" occluded="0" cx="100.00" cy="50.00" rx="20.00" ry="10.00"{}></ellipse>'
    shapes = shape.format(2, "") + shape.format(6, ' rotation="90.0"')
    found = read(tmp_path, xml(track(shapes)))(black_frames(count=12))
    reach = 250**0.5
    assert found[4].boxes[0].tolist() == pytest.approx([100 - reach, 50 - reach, 100 + reach, 50 + reach])
    assert found[2].boxes[0].tolist() == pytest.approx([80, 40, 120, 60])
    assert found[6].boxes[0].tolist() == pytest.approx([90, 30, 110, 70])
