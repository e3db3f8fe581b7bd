"""Videos that are written: what they hold, how they are marked, and that they appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from videotcav.errors import OutputError
from videotcav.video import write
from videotcav.video.read import probe, read_all
from videotcav.video.write import PictureWriter, write_video

COLOURS = np.array([[220, 30, 30], [30, 200, 40], [30, 40, 220], [230, 220, 40]], np.uint8)


def _striped(count: int = 6, *, height: int = 48, width: int = 64) -> np.ndarray:
    stripes = COLOURS[(np.arange(width) * 4) // width]
    return np.broadcast_to(stripes, (count, height, width, 3)).copy()


def test_colours_and_frames_come_back(tmp_path):
    frames = _striped()
    frames[3, :, :16] = 128
    write_video(tmp_path / "v.mp4", frames, frames_per_second=12.5)
    back, times = read_all(tmp_path / "v.mp4")
    np.testing.assert_allclose(times, np.arange(6) / 12.5)
    middles = np.s_[:, 8:40, 8::16]  # the edges between stripes share their colour (4:2:0)
    assert np.abs(back[middles].astype(int) - frames[middles]).max() <= 6


def test_a_browser_can_play_it_and_knows_its_colours(tmp_path):
    write_video(tmp_path / "v.mp4", _striped(), frames_per_second=25)
    data = (tmp_path / "v.mp4").read_bytes()
    assert 0 < data.find(b"moov") < data.find(b"mdat")
    with av.open(str(tmp_path / "v.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.codec_context.colorspace, stream.codec_context.color_range) == (1, 1)  # BT.709, 16–235


def test_the_same_frames_give_the_same_bytes(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (12, 48, 64, 3), dtype=np.uint8)
    write_video(tmp_path / "a.mp4", frames, frames_per_second=30)
    write_video(tmp_path / "b.mp4", frames[:, ::-1][:, ::-1], frames_per_second=30)  # the same, not contiguous
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_a_lower_crf_is_closer_to_the_truth(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (4, 24, 32, 1), dtype=np.uint8).repeat(3, axis=3)
    errors = []
    for crf in (4, 12, 40):
        write_video(tmp_path / "v.mp4", frames, frames_per_second=25, crf=crf)
        errors.append(np.abs(read_all(tmp_path / "v.mp4")[0].astype(int) - frames).mean())
    assert errors == sorted(errors)


def test_odd_sizes_grow_by_one_and_keep_their_content(tmp_path):
    frames = _striped(height=47, width=63)
    write_video(tmp_path / "v.mp4", frames, frames_per_second=25)
    video = probe(tmp_path / "v.mp4")
    assert (video.height, video.width) == (48, 64)
    back = read_all(tmp_path / "v.mp4")[0]
    assert np.abs(back[:, -1, 60].astype(int) - frames[:, -1, 60]).max() <= 6


@pytest.mark.parametrize("rate", [1, 23.976, 30000 / 1001, 120])
def test_the_rate_is_kept(tmp_path, rate):
    write_video(tmp_path / "v.mp4", _striped(5), frames_per_second=rate)
    assert probe(tmp_path / "v.mp4").frames_per_second == pytest.approx(rate, rel=1e-4)


def test_one_small_frame_is_a_video(tmp_path):
    write_video(tmp_path / "v.mp4", np.full((1, 1, 1, 3), 200, np.uint8), frames_per_second=25)
    assert read_all(tmp_path / "v.mp4")[0].shape == (1, 2, 2, 3)


@pytest.mark.parametrize(
    ("frames", "rate", "reason"),
    [
        (np.zeros((2, 8, 8, 3)), 25, "needs uint8 frames"),
        (np.zeros((2, 8, 8), np.uint8), 25, "needs uint8 frames"),
        (np.zeros((0, 8, 8, 3), np.uint8), 25, "needs uint8 frames"),
        (np.zeros((2, 8, 8, 3), np.uint8), 0, "give a positive number"),
        (np.zeros((2, 8, 8, 3), np.uint8), float("nan"), "give a positive number"),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path, frames, rate, reason):
    with pytest.raises(OutputError, match=reason):
        write_video(tmp_path / "v.mp4", frames, frames_per_second=rate)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(OutputError, match=r"there is no folder .*nowhere; make it first"):
        write_video(tmp_path / "nowhere" / "v.mp4", _striped(), frames_per_second=25)


def test_a_failure_midway_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    write_video(tmp_path / "v.mp4", _striped(), frames_per_second=25)
    before = (tmp_path / "v.mp4").read_bytes()

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match=r"cannot be written \(No space left on device\)"):
        write_video(tmp_path / "v.mp4", _striped(9), frames_per_second=25)
    assert [path.name for path in tmp_path.iterdir()] == ["v.mp4"]
    assert (tmp_path / "v.mp4").read_bytes() == before


def test_ffmpeg_and_x264_stay_silent(tmp_path, capfd):
    write_video(tmp_path / "v.mp4", _striped(), frames_per_second=25)
    assert capfd.readouterr() == ("", "")


def test_a_picture_that_came_before_is_not_coded_again_and_the_files_are_those_of_new_writers(tmp_path, monkeypatch):
    pictures = np.random.default_rng(0).integers(0, 256, (6, 47, 63, 3), dtype=np.uint8)
    coded = []
    monkeypatch.setattr(write, "_frame", lambda *given, frame=write._frame: coded.append(0) or frame(*given))
    shared = PictureWriter(frames_per_second=12.5, quantiser=16)
    for order in ([0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0], [3] * 6, [2, 0, 1, 5, 3, 4]):
        shared.write(tmp_path / "shared.mp4", pictures[order])
        anew = len(coded)
        PictureWriter(frames_per_second=12.5, quantiser=16).write(tmp_path / "anew.mp4", pictures[order])
        assert (tmp_path / "shared.mp4").read_bytes() == (tmp_path / "anew.mp4").read_bytes()
        del coded[anew:]
    assert len(coded) <= 2 * len(pictures)  # once for even places, once for odd ones


def test_a_picture_coded_by_itself_decodes_to_the_same_pixels_wherever_it_stands(tmp_path):
    pictures = np.random.default_rng(1).integers(0, 256, (5, 48, 64, 3), dtype=np.uint8)
    writer, order = PictureWriter(frames_per_second=8, quantiser=16), [4, 1, 1, 3, 0, 2, 4]
    writer.write(tmp_path / "straight.mp4", pictures)
    writer.write(tmp_path / "other.mp4", pictures[order])
    straight, other = (read_all(tmp_path / name)[0] for name in ("straight.mp4", "other.mp4"))
    np.testing.assert_array_equal(other, straight[order])
