"""Segments: seconds of a file that are read as though they had been cut into a file of their own."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from video.conftest import Encode, Indices
from videotcav.errors import VideoError
from videotcav.outputs import file_sha256
from videotcav.records import ClipSpec
from videotcav.video import segment as segments
from videotcav.video.alignment import Events
from videotcav.video.clips import read_clip, read_clips
from videotcav.video.find import find_videos
from videotcav.video.labels import Labels
from videotcav.video.read import VideoFile, on_file, probe, read_all
from videotcav.video.segment import clip_sha256, file_of, segment_of, segment_path
from videotcav.video.sources import Sources, counted_pieces

SPEC = ClipSpec(frames=4, seconds_between_frames=0.08, height=48, width=64, resize=48)


def test_a_segment_has_the_frames_of_its_seconds(encode: Encode, indices: Indices) -> None:
    """At 25 frames a second the frames from 0.4 s until 1 s are the tenth to the twenty-fourth."""
    path = segment_path(encode("a.mp4", 50), 0.4, 1.0)
    frames, times = read_all(path)
    assert indices(frames) == list(range(10, 25))
    assert np.allclose(times, np.arange(15) / 25)
    info = probe(path)
    assert (info.path, info.duration_seconds, info.frames_per_second) == (path, pytest.approx(0.6), pytest.approx(25))
    assert indices(np.stack(list(VideoFile(path).stream()))) == list(range(10, 25))


def test_a_segment_is_the_clip_that_the_same_seconds_are_in_a_file_of_their_own(encode: Encode) -> None:
    levels = np.random.default_rng(0).integers(0, 255, (50, 48, 64, 3)).astype(np.uint8)
    lossless = {"codec": "libx264rgb", "pixels": "rgb24", "options": {"crf": "0"}}
    whole, cut = encode("whole.mp4", levels, **lossless), encode("cut.mp4", levels[10:30], **lossless)
    origin, pixels = read_clip(segment_path(whole, 0.4, 1.2), SPEC)
    apart, expected = read_clip(cut, SPEC)
    assert torch.equal(pixels, expected)
    assert np.allclose(origin.timestamps, apart.timestamps)
    assert not torch.equal(pixels, read_clip(whole, SPEC)[1])


def test_a_segment_between_two_frames_begins_with_the_one_on_show(encode: Encode, indices: Indices) -> None:
    frames, times = read_all(segment_path(encode("a.mp4", 50), 0.41, 0.49))
    assert indices(frames) == [10, 11, 12]
    assert np.allclose(times, [0, 0.03, 0.07])
    within_one, _ = read_all(segment_path(encode("a.mp4", 50), 0.41, 0.43))
    assert indices(within_one) == [10]


def test_names_are_those_of_media_fragments(tmp_path: Path) -> None:
    """https://www.w3.org/TR/media-frags: t=10,20 · t=10 · t=,20."""
    file = tmp_path / "a b.mp4"
    for start, end, name in [(10.0, 20.0, "10,20"), (10.0, None, "10"), (None, 20.5, "0,20.5")]:
        path = segment_path(file, start, end)
        assert path == tmp_path / f"a b.mp4#t={name}"
        assert segment_of(path) == (file, start or 0.0, end)
        assert file_of(path) == file
    assert segment_of(tmp_path / "a.mp4#t=,20") == (tmp_path / "a.mp4", 0.0, 20.0)
    assert segment_path(file, 0, None) == file
    assert segment_of(file) is None


def test_a_file_that_has_such_a_name_is_that_file(encode: Encode, indices: Indices) -> None:
    encode("a.mp4", 50)
    assert len(read_all(encode("a.mp4#t=0,1.mp4", 5))[0]) == 5
    named = encode("b.mp4", 6).rename(encode("a.mp4", 50).with_name("a.mp4#t=0,1"))
    assert len(read_all(named)[0]) == 6


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [
        (0.5, 0.5, "has no length: it starts at 0.5 s and ends at 0.5 s"),
        (0.5, 0.4, "has no length: it starts at 0.5 s and ends at 0.4 s"),
        (2.0, 3.0, "lies outside of its file, which lasts 2.00 s"),
        (1.0, 3.5, "lies outside of its file, which lasts 2.00 s"),
    ],
)
def test_a_segment_that_is_not_there_is_refused(encode: Encode, start: float, end: float, reason: str) -> None:
    path = segment_path(encode("a.mp4", 50), start, end)
    with pytest.raises(VideoError, match=re.escape(reason)):
        VideoFile(path)


def test_whole_seconds_may_end_a_little_behind_the_file(encode: Encode) -> None:
    assert probe(segment_path(encode("a.mp4", 45), 1.0, 2.0)).duration_seconds == pytest.approx(0.8)


def test_two_segments_are_two_clips_of_one_source(encode: Encode) -> None:
    file = encode("a.mp4", 50)
    paths = [segment_path(file, 0, 1), segment_path(file, 1, 2)]
    clips = read_clips(paths, SPEC)
    assert [record.video.path for record in clips.records] == paths
    assert {record.source for record in clips.records} == {str(file)}
    assert not torch.equal(*clips.pixels)
    assert len({clip_sha256(path) for path in (*paths, file)}) == 3
    assert list(find_videos(paths)) == paths


def test_a_clip_of_a_segment_is_found_in_its_file(encode: Encode, indices: Indices) -> None:
    file = encode("a.mp4", 50)
    clip, _ = read_clip(segment_path(file, 0.8, 1.6), SPEC)
    whole = on_file(clip)
    assert whole.video == probe(file)
    own = indices(VideoFile(clip.video.path).at(clip.timestamps))
    assert indices(VideoFile(file).at(whole.timestamps)) == own
    assert VideoFile(file).ranks_at(whole.timestamps) == own


def test_tables_of_files_are_about_their_segments(encode: Encode) -> None:
    file = encode("a.mp4", 50)
    one, other = segment_path(file, 0, 1), segment_path(file, 1, 2)
    sources = Sources({file: "match"})
    assert [sources.unit(path, "own") for path in (one, other)] == ["match", "match"]
    assert sources.remarks() == []
    labels = Labels({file: {"site": "north"}, other: {"site": "south"}})
    assert [labels.of("site", path) for path in (one, other)] == ["north", "south"]
    events = Events({file: 1.25})
    assert other in events
    assert events.of(other) == 0.25


def test_segments_are_not_taken_for_files_that_were_cut() -> None:
    names = [f"{match}_{half}.mp4#t={second},{second + 1}" for match in "ab" for half in (1, 2) for second in range(2)]
    found = dict(counted_pieces(map(Path, names)))
    assert {name: len(paths) for name, paths in found.items()} == {"a_": 2, "b_": 2}


def test_a_file_is_hashed_once_for_all_its_segments_and_again_where_it_has_changed(
    encode: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[Path] = []
    monkeypatch.setattr(segments, "file_sha256", lambda path: hashed.append(path) or file_sha256(path))
    path = encode("long.mp4", 50)
    before = {clip_sha256(segment_path(path, start, start + 0.5)) for start in (0.0, 0.5, 1.0)}
    assert read_clip(segment_path(path, 0.5, 1.0), SPEC)[0].video.sha256 == file_sha256(path)
    assert hashed == [path]
    assert len(before) == 3
    encode("other.mp4", 49).replace(path)
    assert clip_sha256(segment_path(path, 0.0, 0.5)) not in before
    assert hashed == [path, path]
