"""From videos and boxes to a folder, end to end on small drawn scenes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from videotcav.concepts import propose as route
from videotcav.concepts.propose import propose_from_boxes
from videotcav.concepts.recipe import Recipe
from videotcav.concepts.sets import accept, read_records, read_sets
from videotcav.errors import ConceptError, VideosError
from videotcav.records import KINDS
from videotcav.video.read import read_all

MakeVideos = Callable[[int], Path]
WHOLE = Recipe(frames_per_clip=None, fill=(124, 116, 104), min_hash_distance=0)


def fingerprint(folder: Path) -> dict[str, str]:
    """Every file of a folder and the hash of its bytes."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_every_track_becomes_all_kinds_of_clips_with_one_id(make_videos: MakeVideos, tmp_path: Path):
    videos = make_videos(3)
    proposal = propose_from_boxes(videos, videos / "boxes.json", tmp_path / "out", labels=["square"], recipe=WHOLE)
    assert proposal.added == 3
    sets = read_sets(tmp_path / "out")
    assert [concept_set.kind for concept_set in sets] == list(KINDS)
    assert len({tuple(clip.id for clip in concept_set.clips) for concept_set in sets}) == 1
    assert [clip.source for clip in sets[0].clips] == ["v0", "v1", "v2"]


def test_twins_are_the_very_same_pixels_in_the_file_too(make_videos: MakeVideos, tmp_path: Path):
    videos = make_videos(1)
    propose_from_boxes(videos, videos / "boxes.json", tmp_path / "out", labels=["square"], recipe=WHOLE)
    shown = {record.kind: record for record in read_records(tmp_path / "out")}
    pixels = {kind: read_all(tmp_path / "out" / record.file_name)[0] for kind, record in shown.items()}
    dynamic = pixels["spatiotemporal"]
    for kind in ("frozen", "shuffled", "reversed"):
        record = shown[kind]
        assert (pixels[kind] == dynamic[list(record.frames)]).all(), kind
        assert record.frames_per_second == shown["spatiotemporal"].frames_per_second
    assert (pixels["spatial"] == pixels["spatial"][:1]).all()


def test_the_moving_square_stands_still_in_its_own_crop(make_videos: MakeVideos, tmp_path: Path):
    videos = make_videos(1)
    propose_from_boxes(videos, videos / "boxes.json", tmp_path / "out", labels=["square"], recipe=WHOLE)
    (clip,) = (tmp_path / "out/square/spatiotemporal").iterdir()
    frames, _ = read_all(clip)
    assert frames.shape[1:3] == (20, 20)
    # A fixed camera on the object: what remains is coding noise.
    assert np.abs(frames.astype(int) - frames[:1]).mean() < 8


def test_a_second_run_changes_no_byte_and_reads_no_video(
    make_videos: MakeVideos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    videos = make_videos(2)
    out = tmp_path / "out"
    propose_from_boxes(videos, videos / "boxes.json", out, labels=["square"], recipe=WHOLE)
    before = fingerprint(out)
    monkeypatch.setattr(route, "make_clips", None)
    again = propose_from_boxes(videos, videos / "boxes.json", out, labels=["square"], recipe=WHOLE)
    assert again.added == 0
    assert fingerprint(out) == before


def test_accepting_is_recorded_as_seen_by_nobody_and_survives_new_clips(make_videos: MakeVideos, tmp_path: Path):
    videos = make_videos(2)
    out = tmp_path / "out"
    propose_from_boxes(videos, videos / "boxes.json", out, labels=["square"], recipe=WHOLE)
    assert accept(out, when="2030-01-31T12:00:00+00:00") == 10
    propose_from_boxes(videos, videos / "boxes.json", out, labels=["tennis racket"], recipe=WHOLE)
    records = read_records(out)
    assert {(record.concept, record.decision, record.who) for record in records} == {
        ("square", "accepted", "nobody (unreviewed)"),
        ("tennis_racket", "undecided", ""),
    }


def test_other_rules_need_another_folder(make_videos: MakeVideos, tmp_path: Path):
    videos = make_videos(1)
    propose_from_boxes(videos, videos / "boxes.json", tmp_path / "out", labels=["square"], recipe=WHOLE)
    other = WHOLE.model_copy(update={"mode": "window"})
    with pytest.raises(ConceptError, match="mode was paper, now window"):
        propose_from_boxes(videos, videos / "boxes.json", tmp_path / "out", labels=["square"], recipe=other)


def test_an_unknown_label_is_answered_with_the_closest(make_videos: MakeVideos, tmp_path: Path):
    videos = make_videos(1)
    with pytest.raises(ConceptError, match="no label 'tenis raket'; closest: 'tennis racket'"):
        propose_from_boxes(videos, videos / "boxes.json", tmp_path / "out", labels=["tenis raket"])
    assert not (tmp_path / "out").exists()


def test_all_unreadable_videos_are_named_at_once(make_videos: MakeVideos, tmp_path: Path):
    videos = make_videos(1)
    (videos / "empty.mp4").touch()
    (videos / "noise.mp4").write_bytes(b"no video at all")
    with pytest.raises(VideosError, match=r"(?s)empty.mp4.*noise.mp4"):
        propose_from_boxes(videos, videos / "boxes.json", tmp_path / "out", labels=["square"])
    assert not (tmp_path / "out").exists()


def test_boxes_of_another_version_of_the_video_are_refused(make_videos: MakeVideos, tmp_path: Path):
    videos = make_videos(1)
    said = json.loads((videos / "boxes.json").read_text())
    said["videos"][0]["width"] = 1920
    (videos / "boxes.json").write_text(json.dumps(said))
    with pytest.raises(ConceptError, match=r"says v0.mp4 is 1920×64, but it is 96×64"):
        propose_from_boxes(videos, videos / "boxes.json", tmp_path / "out", labels=["square"])
    assert not (tmp_path / "out").exists()
