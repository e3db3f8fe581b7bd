"""From an annotation tool's own export, or a list of clips, to clips in a folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask

import videotcav as vt
from tests.concepts.conftest import FRAMES, HEIGHT, SIDE, TOP, WIDTH, draw, left_edge
from videotcav.concepts.detectors.detect import Detections, VideoFrames
from videotcav.concepts.folder import read_records
from videotcav.concepts.review.source_frame import source_picture
from videotcav.errors import ArgumentError, BoxesError
from videotcav.records import ClipSpec, ConceptClip, silent
from videotcav.study.reading import StudyClips
from videotcav.study.tubelets import UnlabelledVideos
from videotcav.video.read import read_all
from videotcav.video.segment import segment_path

MakeVideos = Callable[[int], Path]
HALF = FRAMES // 2
MOVING: dict[str, Any] = {"frames_per_clip": None, "min_frames": 3, "min_hash_distance": 0}
LIST = "path,label,start,end,source\nv0.mp4,a,0,0.6,north\nv0.mp4,b,0.6,1.2,north\nv1.mp4,a,,,south\n"


def label_studio() -> object:
    """The square goes straight, so that two keyframes say where it is."""
    step = {"width": 100 * SIDE / WIDTH, "height": 100 * SIDE / HEIGHT, "y": 100 * TOP / HEIGHT, "rotation": 0}
    sequence = [
        {**step, "frame": frame + 1, "x": 100 * left_edge(frame, 0) / WIDTH, "enabled": True, "time": frame / 10}
        for frame in (0, FRAMES - 1)
    ]
    value = {"framesCount": FRAMES, "duration": FRAMES / 10, "sequence": sequence, "labels": ["square"]}
    result = {"id": "tJhYZLMC9G", "type": "videorectangle", "value": value}
    return [{"id": 1, "annotations": [{"result": [result]}], "data": {"video": "/data/upload/1/0a1b2c3d-v0.mp4"}}]


def youtube_vis() -> object:
    masks = np.zeros((FRAMES, HEIGHT, WIDTH), dtype=np.uint8)
    for frame in range(FRAMES):
        masks[frame, TOP : TOP + SIDE, left_edge(frame, 0) : left_edge(frame, 0) + SIDE] = 1
    runs = [coco_mask.encode(np.asfortranarray(mask)) for mask in masks]
    names = [f"v0/{frame:05d}.jpg" for frame in range(FRAMES)]
    outlines = [{"size": each["size"], "counts": each["counts"].decode()} for each in runs]
    return {
        "videos": [{"id": 1, "width": WIDTH, "height": HEIGHT, "file_names": names}],
        "categories": [{"id": 1, "name": "square"}],
        "annotations": [{"id": 9, "video_id": 1, "category_id": 1, "segmentations": outlines}],
    }


@pytest.mark.parametrize(("export", "cut"), [(label_studio, "box"), (youtube_vis, "mask")])
def test_an_export_of_a_tool_becomes_the_clip_that_was_annotated(
    make_videos: MakeVideos, tmp_path: Path, export: Callable[[], object], cut: Any
):
    """The boxes are where the square was drawn, and the clip shows it alone, frame by frame."""
    videos, path = make_videos(1), tmp_path / "export.json"
    path.write_text(json.dumps(export()))
    recipe = vt.Recipe(**MOVING, cut=cut)
    done = vt.propose(videos, tmp_path / "out", detector=path, labels=["square"], recipe=recipe)
    assert (done.added, done.skipped) == (1, {})
    (moving,) = (one for one in read_records(tmp_path / "out") if one.kind == "spatiotemporal")
    edges = [(left_edge(frame, 0), TOP, left_edge(frame, 0) + SIDE, TOP + SIDE) for frame in range(FRAMES)]
    np.testing.assert_allclose(moving.boxes, edges, atol=0.01)
    assert (moving.masks is not None) == (cut == "mask")
    shown = read_all(tmp_path / "out" / moving.file_name)[0].astype(float)
    drawn = [draw(0)[frame, TOP : TOP + SIDE, left : left + SIDE] for frame, (left, *_) in enumerate(edges)]
    assert shown.shape == (FRAMES, SIDE, SIDE, 3)
    assert np.abs(shown - drawn).mean() < 8  # what coding leaves


def whole(frames: VideoFrames) -> list[Detections]:
    """Everything in every frame."""
    return [Detections.of([(0, 0, WIDTH, HEIGHT, 0.9, "all")]) for _ in frames.pixels]


def the_list(folder: Path) -> vt.ClipList:
    (folder / "clips.csv").write_text(LIST)
    return vt.ClipList(list=folder / "clips.csv")


def test_segments_of_a_list_are_proposed_each_by_itself_and_share_their_source(make_videos: MakeVideos, tmp_path: Path):
    """Each half of a file has its own seconds, and all that is kept says which recording and which file it is from."""
    whole.labels = ("all",)  # type: ignore[attr-defined] # as the docs say it
    videos, out = make_videos(2), tmp_path / "out"
    given = the_list(videos)
    recipe = vt.Recipe(**MOVING, mode="in-place", kinds=("spatiotemporal",))
    proposal = vt.propose(given, out, detector=whole, labels=["all"], recipe=recipe)
    records = read_records(out)
    assert proposal.added == 3
    assert {one.id.partition("-all")[0]: one.source for one in records} == {
        "v0-0-0.6": "north",
        "v0-0.6-1.2": "north",
        "v1": "south",
    }
    second = next(one for one in records if one.id.startswith("v0-0.6"))
    assert second.source_video == "../videos/v0.mp4#t=0.6,1.2"
    shown = read_all(out / second.file_name)[0].astype(float)
    assert len(shown) >= HALF - 1  # a track may begin with its second frame
    assert np.abs(shown - read_all(videos / "v0.mp4")[0][[HALF + frame for frame in second.frames]]).mean() < 5
    assert source_picture(out, second).startswith(b"\xff\xd8")
    again = vt.propose(given, out, detector=whole, labels=["all"], recipe=recipe)
    assert (again.added, again.done_before) == (0, 3)
    parts = [segment_path(videos / "v0.mp4", start, start + 0.6) for start in (0.0, 0.6)]
    vt.propose(parts, tmp_path / "untold", detector=whole, labels=["all"], recipe=recipe)
    assert {one.source for one in read_records(tmp_path / "untold")} == {"v0"}
    with pytest.raises(BoxesError, match="counts the frames of whole files"):
        vt.propose(given, tmp_path / "none", detector=videos / "boxes.json", labels=["square"])


def test_a_list_says_what_a_model_looks_for_concepts_in(make_videos: MakeVideos):
    """Before any pass: which clips there are, which recordings, and that both halves are of one file."""
    videos = make_videos(2)
    read = StudyClips(ClipSpec(frames=3, seconds_between_frames=0.1, height=8, width=8, resize=8))
    given = UnlabelledVideos.of(the_list(videos), {"v1": "elsewhere"}, read, progress=silent)
    names = {file.path.name: file.source for file in given.files}
    assert names == {"v0.mp4#t=0,0.6": "north", "v0.mp4#t=0.6,1.2": "north", "v1.mp4": "elsewhere"}
    assert len({given.file_sha256(file) for file in given.files}) == 2
    cut = ConceptClip(
        id="a", concept="a", kind="spatial", path=videos, source="", source_sha256=given.file_sha256(given.files[0])
    )
    assert given.cut_into([cut]).tolist() == [True, True, False]
    assert len(given.sources_of(np.array([True, True, False]))) == 1
    with pytest.raises(ArgumentError, match=r"v0\.mp4#t=0\.6,1\.2 are the same video, from 'north' and from 'else'"):
        UnlabelledVideos.of(the_list(videos), {"v0-0.6-1.2": "else"}, read, progress=silent)
