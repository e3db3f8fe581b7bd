"""From videos and boxes to a folder, end to end on small drawn scenes."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from videotcav.concepts.detectors.detect import load_detector
from videotcav.concepts.detectors.read_boxes import read_boxes
from videotcav.concepts.detectors.yolo import Yolo
from videotcav.concepts.folder import accept, read_candidates, read_records
from videotcav.concepts.propose import clips, cutting, watch
from videotcav.concepts.propose import videos as route
from videotcav.concepts.propose.drawn_boxes import draw_tracks
from videotcav.concepts.propose.recipe import Recipe
from videotcav.concepts.propose.track import Track
from videotcav.concepts.propose.videos import propose_from_boxes
from videotcav.errors import BoxesError, NotFound, PathTaken, VideoError, VideosError
from videotcav.records import KINDS, Box
from videotcav.video.read import VideoFile, read_all
from videotcav.video.write import write_video

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
    sets = read_candidates(tmp_path / "out")
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
    with pytest.raises(PathTaken, match="mode was paper, now window"):
        propose_from_boxes(videos, videos / "boxes.json", tmp_path / "out", labels=["square"], recipe=other)


def test_an_unknown_label_is_answered_with_the_closest(make_videos: MakeVideos, tmp_path: Path):
    videos = make_videos(1)
    with pytest.raises(NotFound, match="no label 'tenis raket'; closest: 'tennis racket'"):
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
    with pytest.raises(BoxesError, match=r"says v0.mp4 is 1920×64, but it is 96×64"):
        propose_from_boxes(videos, videos / "boxes.json", tmp_path / "out", labels=["square"])
    assert not (tmp_path / "out").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from videotcav.concepts.propose.drawn_boxes import draw_tracks
from videotcav.concepts.propose.videos import propose_from_boxes
from videotcav.concepts.detectors.yolo import Yolo
from videotcav.concepts.propose.recipe import Recipe
from videotcav.video.write import PictureWriter

writes = 0

def killed(write):
    def counted(*args, **kwargs):
        global writes
        writes += 1
        write(*args, **kwargs)
        if writes == int(sys.argv[3]):
            os.kill(os.getpid(), signal.SIGKILL)
    return counted

PictureWriter.write, Path.write_bytes = killed(PictureWriter.write), killed(Path.write_bytes)
recipe = Recipe(frames_per_clip=None, fill=(124, 116, 104), min_hash_distance=0)
propose_from_boxes(sys.argv[1], sys.argv[1] + "/boxes.json", sys.argv[2], labels=["square"], recipe=recipe)
"""


def test_killed_in_the_middle_and_run_again_it_ends_in_the_same_folder(make_videos: MakeVideos, tmp_path: Path):
    videos = make_videos(3)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    propose_from_boxes(videos, videos / "boxes.json", whole, labels=["square"], recipe=WHOLE)
    for writes in (3, 18):  # of ten a video: as the first one is coded, then as the next one's clips are put in place
        command = [sys.executable, "-c", KILLED, str(videos), str(killed), str(writes)]
        assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert list(killed.glob(".propose/tmp/*"))
    proposal = propose_from_boxes(videos, videos / "boxes.json", killed, labels=["square"], recipe=WHOLE)
    assert (proposal.done_before, proposal.added) == (1, 2)
    assert fingerprint(killed) == fingerprint(whole)


def test_new_videos_are_added_and_old_clips_stay_as_they_are(make_videos: MakeVideos, tmp_path: Path):
    out = tmp_path / "out"
    videos = make_videos(2)
    propose_from_boxes(videos, videos / "boxes.json", out, labels=["square"], recipe=WHOLE)
    before = fingerprint(out)
    make_videos(3)
    proposal = propose_from_boxes(videos, videos / "boxes.json", out, labels=["square"], recipe=WHOLE)
    assert (proposal.done_before, proposal.added) == (2, 1)
    after = fingerprint(out)
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {"metadata.jsonl"}


def test_the_same_scene_under_another_name_is_turned_away_as_nearly_the_same(
    make_videos: MakeVideos, drawing, tmp_path: Path
):
    videos = make_videos(2)
    write_video(videos / "v1.mp4", drawing.draw(0), frames_per_second=10, crf=30)  # coded again, more coarsely
    said = json.loads((videos / "boxes.json").read_text())
    for annotation in said["annotations"]:
        if annotation["image_id"] >= 100:
            annotation["bbox"][0] -= 2  # where the first video has it
    (videos / "boxes.json").write_text(json.dumps(said))
    strict = WHOLE.model_copy(update={"min_hash_distance": 12})
    proposal = propose_from_boxes(videos, videos / "boxes.json", tmp_path / "out", labels=["square"], recipe=strict)
    assert proposal.added == 1
    assert proposal.rejected("square") == {"nearly the same as another": 1}


def test_a_copy_of_a_video_is_one_video(make_videos: MakeVideos, tmp_path: Path):
    videos = make_videos(1)
    (videos / "copy").mkdir()
    (videos / "copy" / "v0.mp4").write_bytes((videos / "v0.mp4").read_bytes())
    proposal = propose_from_boxes(videos, videos / "boxes.json", tmp_path / "out", labels=["square"], recipe=WHOLE)
    assert proposal.added == 1


def test_videos_of_one_recording_share_its_room(make_videos: MakeVideos, tmp_path: Path):
    videos = make_videos(3)
    recipe = WHOLE.model_copy(update={"max_clips_per_source": 1})
    sources = {"v0": "match", "v1": "match"}
    proposal = propose_from_boxes(
        videos, videos / "boxes.json", tmp_path / "out", labels=["square"], recipe=recipe, sources=sources
    )
    assert proposal.added == 2
    assert proposal.rejected("square") == {"more than 1 from one source": 1}
    assert [record.source for record in read_records(tmp_path / "out")[:2]] == ["match", "v2"]


def test_a_blurred_object_is_turned_away(make_videos: MakeVideos, drawing, tmp_path: Path):
    videos = make_videos(1)
    write_video(videos / "v0.mp4", np.full_like(drawing.draw(0), 90), frames_per_second=10)
    proposal = propose_from_boxes(videos, videos / "boxes.json", tmp_path / "out", labels=["square"], recipe=WHOLE)
    assert proposal.rejected("square") == {"blurred": 1}
    assert not list((tmp_path / "out").glob("square/*/*"))


def test_a_star_stands_for_all_other_labels(make_videos: MakeVideos, tmp_path: Path):
    videos = make_videos(1)
    labels = {"square": "square", "*": "other"}
    propose_from_boxes(videos, videos / "boxes.json", tmp_path / "out", labels=labels, recipe=WHOLE)
    assert {(one.concept, one.label) for one in read_records(tmp_path / "out")} == {
        ("square", "square"),
        ("other", "tennis racket"),
    }
    with pytest.raises(PathTaken, match="its 'other' is made of tennis racket, not of square"):
        propose_from_boxes(videos, videos / "boxes.json", tmp_path / "out", labels={"square": "other"}, recipe=WHOLE)


def test_a_video_in_which_nothing_is_found_is_named(make_videos: MakeVideos, tmp_path: Path):
    videos = make_videos(2)
    said = json.loads((videos / "boxes.json").read_text())
    said["annotations"] = [one for one in said["annotations"] if one["image_id"] < 100]
    (videos / "boxes.json").write_text(json.dumps(said))
    proposal = propose_from_boxes(videos, videos / "boxes.json", tmp_path / "out", labels=["square"], recipe=WHOLE)
    assert proposal.without_tracks == ("v1",)


def test_the_overlay_draws_the_tracks_into_the_whole_video(make_videos: MakeVideos, drawing, tmp_path: Path):
    videos = make_videos(1)
    route.propose(
        videos,
        read_boxes(videos / "boxes.json"),
        tmp_path / "out",
        labels=["square"],
        recipe=WHOLE,
        overlay=tmp_path / "shown",
    )
    plain, _ = read_all(videos / "v0.mp4")
    drawn, _ = read_all(tmp_path / "shown" / "v0.mp4")
    assert drawn.shape == plain.shape
    difference = np.abs(drawn.astype(int) - plain).max(axis=-1)
    rows = slice(drawing.top + 5, drawing.top + 15)
    for frame in range(drawing.frames):
        left = drawing.left_edge(frame, 0)
        assert difference[frame, rows, left].mean() > 50  # the line
        assert difference[frame, rows, left + 5 : left + 15].mean() < 25  # what it frames


def test_a_name_that_would_leave_the_frame_is_written_whole_inside_it():
    def colours_of_a_name_at(left: float) -> int:
        box = Box(left=left, top=40, right=left + 4, bottom=60)
        track = Track(id="0", label="person", frames=(0,), scores=(0.5,), boxes=(box,))
        (drawn,) = draw_tracks(np.full((1, 80, 320, 3), 255, dtype=np.uint8), [track])
        return int((drawn[:38] != 255).any(axis=-1).sum())  # above the box there is its name alone

    assert colours_of_a_name_at(316) == colours_of_a_name_at(100) > 0


def test_a_real_clip_gives_its_player(shared_data: Path, tmp_path: Path):
    frames, _ = read_all(shared_data / "tennis" / "serve" / "serve1.mp4")
    write_video(tmp_path / "serve.mp4", frames[:20], frames_per_second=30)
    detector = load_detector(shared_data / "detectors" / "yolox_nano_416.onnx")
    proposal = route.propose(tmp_path / "serve.mp4", detector, tmp_path / "out", labels=["person"])
    assert proposal.added >= 1
    best = max((one for one in read_records(tmp_path / "out") if one.kind == "spatiotemporal"), key=lambda r: r.height)
    assert best.height > 100  # of 240: the player fills the picture
    other = Yolo(shared_data / "detectors" / "yolox_nano_416.onnx", min_score=0.2)
    with pytest.raises(PathTaken, match=r"detector_min_score was 0.1, now 0.2"):
        route.propose(tmp_path / "serve.mp4", other, tmp_path / "out", labels=["person"])


def test_a_video_damaged_in_its_middle_is_left_out_and_named(
    make_videos: MakeVideos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    videos = make_videos(3)
    whole = VideoFile.stream

    def stream(file: VideoFile):
        for index, frame in enumerate(whole(file)):
            if file.path.stem == "v1" and index == 5:
                raise VideoError(file.path, "is damaged at 0.500 s")
            yield frame

    monkeypatch.setattr(VideoFile, "stream", stream)
    proposed = (videos, read_boxes(videos / "boxes.json"))
    with pytest.raises(VideoError, match=r"v1.mp4: is damaged"):
        route.propose(*proposed, tmp_path / "stopped", labels=["square"], recipe=WHOLE)
    assert [one.source for one in read_candidates(tmp_path / "stopped")[0].clips] == ["v0"]
    proposal = route.propose(*proposed, tmp_path / "out", labels=["square"], recipe=WHOLE, skip_bad=True)
    assert proposal.skipped == {str(videos / "v1.mp4"): "is damaged at 0.500 s"}
    assert [one.source for one in read_candidates(tmp_path / "out")[0].clips] == ["v0", "v2"]


def test_the_still_frame_is_the_one_that_is_given(make_videos: MakeVideos, tmp_path: Path):
    videos = make_videos(1)
    given = WHOLE.model_copy(update={"still_frame": 7})
    propose_from_boxes(videos, videos / "boxes.json", tmp_path / "out", labels=["square"], recipe=given)
    frames = {record.kind: set(record.frames) for record in read_records(tmp_path / "out")}
    assert frames["frozen"] == frames["spatial"] == {7}


def test_cut_elsewhere_the_folder_has_the_same_bytes(
    make_videos: MakeVideos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """By workers that share nothing with us, in whatever order; here nothing is cut that they have cut."""

    def elsewhere(worker, jobs):
        for job in reversed(jobs):
            yield from map(deepcopy, deepcopy(worker)([job]))  # copied as pickles are

    videos = make_videos(3)
    asked = partial(route.propose, videos, read_boxes(videos / "boxes.json"), labels=["square"])
    asked(tmp_path / "here", recipe=WHOLE)
    monkeypatch.setattr(clips, "make", None)
    asked(tmp_path / "there", recipe=WHOLE, engine=elsewhere)
    assert fingerprint(tmp_path / "there") == fingerprint(tmp_path / "here")


def test_what_nobody_expected_to_be_wanted_is_cut_here(
    make_videos: MakeVideos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    videos = make_videos(2)
    asked = partial(route.propose, videos, read_boxes(videos / "boxes.json"), labels=["square"], recipe=WHOLE)
    asked(tmp_path / "here")
    monkeypatch.setattr(cutting.Cutter, "_best", lambda *_: {})
    asked(tmp_path / "there", engine=lambda worker, jobs: worker(jobs))
    assert fingerprint(tmp_path / "there") == fingerprint(tmp_path / "here")


def test_videos_too_long_to_be_held_give_the_same_bytes(
    make_videos: MakeVideos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    videos = make_videos(2)
    propose_from_boxes(videos, videos / "boxes.json", tmp_path / "held", labels=["square"], recipe=WHOLE)
    monkeypatch.setattr(watch, "_BYTES_HELD", 0)
    propose_from_boxes(videos, videos / "boxes.json", tmp_path / "read", labels=["square"], recipe=WHOLE)
    assert fingerprint(tmp_path / "read") == fingerprint(tmp_path / "held")
