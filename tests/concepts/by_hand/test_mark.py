"""What a person marks becomes the clips that `propose` would cut, and counts as what that person decided."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import videotcav as vt
from tests.concepts.conftest import SIDE, TOP, draw, left_edge
from videotcav.concepts.by_hand.follow import around, follow
from videotcav.concepts.by_hand.mark import DrawnBox, Marking, add_marked, follow_marked
from videotcav.concepts.folder import read_records
from videotcav.concepts.propose.videos import propose_from_boxes
from videotcav.concepts.review.review import recorded, reviewed_sets
from videotcav.errors import ArgumentError, ConceptError, ReviewError
from videotcav.planted.scenes import boxes, render, sample_scene
from videotcav.records import KINDS, Box
from videotcav.video.read import VideoFile, read_all
from videotcav.video.segment import segment_path
from videotcav.video.write import write_video

MakeVideos = Callable[[int], Path]
RATE, SECONDS, PIXELS = 30, 2, 160


def iou(one: Box, other: Box) -> float:
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    shared = max(0.0, width) * max(0.0, height)
    return shared / (one.width * one.height + other.width * other.height - shared)


def square(frame: int, video: int = 0) -> Box:
    left = left_edge(frame, video)
    return Box(left=left, top=TOP, right=left + SIDE, bottom=TOP + SIDE)


@pytest.mark.parametrize(
    ("motion", "seed", "holds"),
    [("slide", 7, True), ("pulse", 2, True), ("swing", 0, False)],
)
def test_a_box_lies_on_its_object_or_is_said_to_be_lost(motion: str, seed: int, *, holds: bool):
    """Two seconds of scenes whose boxes are known: at rest of shape the object is held, turning it is lost."""
    scene = sample_scene(np.random.default_rng(seed), class_name=motion)
    size = {"height": PIXELS, "width": PIXELS, "frames": RATE * SECONDS}
    true = boxes(scene, **size)["actor"]
    assert true[0] is not None
    found = follow(render(scene, **size), {0: true[0]})
    seen = around(found, 0)
    assert (len(seen) == RATE * SECONDS) == holds
    assert len(seen) > 3
    overlaps = [iou(found[i].box, true[i]) for i in seen]  # type: ignore[union-attr, arg-type]
    assert min(overlaps) >= 0.7


def test_a_box_is_followed_back_and_forth_and_a_second_one_takes_over():
    pixels = draw(0)
    pixels[6:8] = 90  # covered for two frames
    found = follow(pixels, {3: square(3), 9: square(9)})
    assert [i for i, sighting in enumerate(found) if sighting is None] == [6, 7]
    assert all(iou(one.box, square(i)) > 0.9 for i, one in enumerate(found) if one is not None)
    assert around(found, 3) == range(6)
    with pytest.raises(ArgumentError, match="less than 4×4 pixels"):
        follow(pixels, {0: Box(left=-9, top=0, right=2, bottom=30)})


EDGES = (left_edge(0, 0), TOP, left_edge(0, 0) + SIDE, TOP + SIDE)


def mark(videos: Path, out: Path, **changes: object) -> vt.MarkedClip:
    asked = {"concept": "square", "start_seconds": 0, "end_seconds": 1.1, "boxes": {0.0: EDGES}, "reviewer": "Ada"}
    return vt.mark_clip(videos / "v0.mp4", out, **asked | changes)


def test_a_marked_clip_is_the_one_that_propose_cuts_and_is_accepted(make_videos: MakeVideos, tmp_path: Path):
    """The same frames and boxes give the same pixels in every kind, once by a detector and once by hand."""
    videos = make_videos(1)
    whole = vt.Recipe(frames_per_clip=None)
    propose_from_boxes(videos, videos / "boxes.json", tmp_path / "found", labels=["square"], recipe=whole)
    out = tmp_path / "marked"
    added = mark(videos, out)
    assert added.sentence == "The object is followed through all of it."
    found = {record.kind: record for record in read_records(tmp_path / "found")}
    made = {record.kind: record for record in read_records(out)}
    for kind in KINDS:
        one, other = made[kind], found[kind]
        if kind in ("spatiotemporal", "reversed"):  # shuffled by its own name, still at its own sharpest
            np.testing.assert_allclose(one.boxes, other.boxes)
            pixels = read_all(out / one.file_name)[0]
            np.testing.assert_array_equal(pixels, read_all(tmp_path / "found" / other.file_name)[0])
        assert (one.source, one.source_sha256, one.source_video) == (
            other.source,
            other.source_sha256,
            "../videos/v0.mp4",
        )
        assert (one.detector, one.who, one.decision) == ("by hand", "Ada", "undecided")
        assert one.when
    said = json.loads(made["spatial"].recipe)
    assert said["by_hand"]["boxes"][0]["frame"] == 0
    assert reviewed_sets(out).accepted == {"square": (added.id,)}
    assert set(mark(videos, out).clips) == set(added.clips)  # once more adds nothing
    assert len(read_records(out)) == len(KINDS)
    assert len(recorded(out)) == 1


def test_beside_proposed_clips_the_folders_own_rules_hold(make_videos: MakeVideos, tmp_path: Path):
    videos = make_videos(2)
    out = tmp_path / "out"
    rules = vt.Recipe(frames_per_clip=None, mode="window", min_hash_distance=0)
    propose_from_boxes(videos, videos / "boxes.json", out, labels=["square"], recipe=rules)
    before = read_records(out)
    added = mark(videos, out, concept="thing")
    assert json.loads(added.clips[0].recipe)["mode"] == "window"
    assert {clip.source for clip in added.clips} == {"v0"}  # the source that it has already
    propose_from_boxes(videos, videos / "boxes.json", out, labels=["square"], recipe=rules)
    assert read_records(out) == sorted([*before, *added.clips], key=lambda record: record.file_name)


def test_without_a_box_the_whole_picture_is_the_clip(make_videos: MakeVideos, tmp_path: Path):
    added = mark(make_videos(1), tmp_path / "out", start_seconds=0.2, end_seconds=0.6, boxes=None)
    (moving,) = (clip for clip in added.clips if clip.kind == "spatiotemporal")
    assert moving.frames == (2, 3, 4, 5, 6)
    error = read_all(tmp_path / "out" / moving.file_name)[0].astype(float) - draw(0)[2:7]
    assert np.abs(error).mean() < 5


def test_a_clip_is_cut_to_where_its_object_was_found(make_videos: MakeVideos, tmp_path: Path):
    videos, out = make_videos(1), tmp_path / "out"
    pixels = draw(0)
    pixels[7:] = np.random.default_rng(0).integers(0, 255, pixels.shape[1:])  # something else comes between
    write_video(videos / "v0.mp4", pixels, frames_per_second=10)
    added = mark(videos, out)
    assert {tuple(sorted(set(clip.frames))) for clip in added.clips if clip.kind == "shuffled"} == {tuple(range(7))}
    assert "followed from 0.00 s to 0.60 s only and lost after that" in added.sentence
    with pytest.raises(ArgumentError, match="where the object is found is 2 frames long"):
        mark(videos, out, start_seconds=0.5, boxes={0.5: (left_edge(5, 0), TOP, left_edge(5, 0) + SIDE, TOP + SIDE)})


def test_what_cannot_be_a_clip_is_refused_and_nothing_is_written(make_videos: MakeVideos, tmp_path: Path):
    videos, out = make_videos(1), tmp_path / "out"
    for changes, sentence in (
        ({"end_seconds": 0.1}, "needs 3 or more"),
        ({"start_seconds": 0.5}, "lies outside of the marked part, frames 5 to 11"),
        ({"start_seconds": 1.0, "end_seconds": 0.2}, "no part of a video of 12 frames"),
    ):
        with pytest.raises(ArgumentError, match=sentence):
            mark(videos, out, **changes)
    with pytest.raises(ReviewError, match="no slash"):
        mark(videos, out, concept="../square")
    assert not out.exists()
    by_hand = tmp_path / "loose" / "square"
    by_hand.mkdir(parents=True)
    write_video(by_hand / "one.mp4", draw(1), frames_per_second=10)
    with pytest.raises(ConceptError, match="mark into another folder"):
        mark(videos, by_hand.parent)


def test_a_part_that_does_not_fit_into_memory_is_refused_before_it_is_read(make_videos: MakeVideos, monkeypatch):
    monkeypatch.setattr("videotcav.concepts.by_hand.mark.MOST_BYTES", 64 * 96 * 3 * 11)
    file = VideoFile(make_videos(1) / "v0.mp4")
    with pytest.raises(ArgumentError, match="mark at most 11"):
        follow_marked(file, file.info(), Marking(first=0, last=11, boxes=(DrawnBox(frame=0, box=square(0)),)))


def test_videos_of_one_name_have_names_of_their_own_and_the_sources_that_are_told(
    make_videos: MakeVideos, tmp_path: Path
):
    """A clip is called after its video, whatever recording that is from; two recordings never become one."""
    videos, out = make_videos(2), tmp_path / "out"
    other = tmp_path / "other" / "v0.mp4"
    other.parent.mkdir()
    (videos / "v1.mp4").rename(other)
    part = Marking(first=2, last=7)

    def add(path: Path, **sources: str) -> vt.MarkedClip:
        file = VideoFile(path)
        return add_marked(file, file.info(), out, part, concept="square", reviewer="Ada", sources=sources)

    first, second = add(videos / "v0.mp4", v0="match"), add(other, v0="another")
    assert first.id.startswith("v0-square-")
    assert second.id == first.id.replace("v0-", f"v0-{VideoFile(other).info().sha256[:8]}-")
    assert [{clip.source for clip in one.clips} for one in (first, second)] == [{"match"}, {"another"}]
    for again, path in ((first, videos / "v0.mp4"), (second, other)):
        assert set(add(path).clips) == set(again.clips)  # and so once more, with nothing told
    half = add(segment_path(other, 0.0, 0.9))
    assert half.id.startswith("v0-0-0.9-square-")
    assert {clip.source for clip in half.clips} == {"another"}  # of the same file
    kinetics = videos / "dQw4w9WgXcQ_000010_000020.mp4"
    write_video(kinetics, draw(5), frames_per_second=10)
    assert {clip.source for clip in add(kinetics).clips} == {"dQw4w9WgXcQ"}


def test_a_list_of_clips_is_what_is_marked(make_videos: MakeVideos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    videos, given = make_videos(1), {}
    (videos / "clips.csv").write_text("path,label,start,end,source\nv0.mp4,a,0,0.6,north\nv0.mp4,a,0.6,1.2,north\n")
    monkeypatch.setattr("videotcav.review_app.launch", lambda folder, **how: given.update(how, folder=folder))
    vt.mark(vt.ClipList(list=videos / "clips.csv"), tmp_path / "out", open_browser=False)
    assert [path.name for path in given["videos"]] == ["v0.mp4#t=0,0.6", "v0.mp4#t=0.6,1.2"]
    assert given["sources"] == {"v0-0-0.6": "north", "v0-0.6-1.2": "north"}
