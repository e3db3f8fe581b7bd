"""Every bad file gets one sentence that names it and the reason, and FFmpeg stays silent."""

from __future__ import annotations

import itertools
import os
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from videotcav.errors import VideoError
from videotcav.video.read import VideoFile, frame_times, probe, read_all


def _refused(path: Path) -> str:
    with pytest.raises(VideoError) as caught:
        probe(path)
    assert caught.value.path == str(path)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert "\n" not in caught.value.reason
    return caught.value.reason


@pytest.fixture(autouse=True)
def _silent(capfd):
    yield
    assert capfd.readouterr() == ("", "")


def test_a_missing_file_is_missed_and_the_nearest_name_told(encode):
    path = encode("swing-01.mp4", 3)
    assert _refused(path.with_name("swing-1.mp4")) == "there is no such file; closest: 'swing-01.mp4'"


def test_a_folder(tmp_path):
    assert "is a folder" in _refused(tmp_path)


def test_an_empty_file(tmp_path):
    (tmp_path / "empty.mp4").touch()
    assert "is empty (0 bytes)" in _refused(tmp_path / "empty.mp4")


def test_a_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    assert "not a regular file" in _refused(tmp_path / "pipe.mp4")


@pytest.mark.parametrize("name", ["notes.mp4", "notes.txt", "notes.avi"])
def test_a_text_is_not_a_video(tmp_path, name):
    (tmp_path / name).write_text("no moving picture here\n" * 100)
    assert "not a video" in _refused(tmp_path / name)


@pytest.mark.parametrize("name", ["picture.png", "picture.mp4", "picture.jpg", "noise.mp4"])
def test_a_picture_or_noise_is_not_a_video(tmp_path, name):
    path = tmp_path / name
    if name == "noise.mp4":
        path.write_bytes(np.random.default_rng(0).bytes(20_000))
    else:
        picture = tmp_path / ("picture" + (".jpg" if name.endswith("jpg") else ".png"))
        Image.new("RGB", (64, 48)).save(picture)
        picture.rename(path)
    assert "not a video" in _refused(path)


def test_sound_alone(tmp_path):
    path = tmp_path / "song.m4a"
    with av.open(str(path), "w", format="mp4") as container:
        voice = container.add_stream("aac", rate=8000)
        voice.layout = "mono"
        for index in range(8):
            samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            samples.sample_rate, samples.pts = 8000, 1024 * index
            container.mux(voice.encode(samples))
        container.mux(voice.encode(None))
    assert "holds no video stream" in _refused(path)


@pytest.mark.parametrize("front", [True, False], ids=["index in front", "index behind"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_a_cut_mp4(encode, part, front):
    path = encode("cut.mp4", container_options={"movflags": "faststart"} if front else {})
    data = path.read_bytes()
    path.write_bytes(data[: int(part * len(data))])
    assert "copy or download it again" in _refused(path)


@pytest.mark.parametrize(
    ("name", "codec"),
    [("cut.mkv", "libx264"), ("cut.webm", "libvpx-vp9"), ("cut.avi", "mpeg4"), ("cut.avi", "libx264")],
)
@pytest.mark.parametrize("part", [0.3, 0.7, 0.97])
def test_a_cut_mkv_webm_or_avi(encode, name, codec, part):
    """FFmpeg reads these as shorter videos, without a word."""
    path = encode(name, codec=codec)
    data = path.read_bytes()
    path.write_bytes(data[: int(part * len(data))])
    assert "is cut short" in _refused(path)


def test_wiped_data_are_noticed_where_they_are_wanted_and_not_before(encode):
    """Frames before the hole can be had; one behind it cannot, and the sentence says where."""
    path = encode("hole.mp4", keyframe_every=250, container_options={"movflags": "faststart"})
    data = bytearray(path.read_bytes())
    middle = (data.find(b"mdat") + len(data)) // 2
    data[middle:] = bytes(len(data) - middle)
    path.write_bytes(data)
    assert VideoFile(path).frames([0, 3]).shape[0] == 2
    with pytest.raises(VideoError, match=r"damaged|cannot be decoded"):
        read_all(path)


def test_a_first_keyframe_that_is_none_is_a_loss_not_a_shorter_video(encode):
    """Frame 0 is noise, and the table of keyframes (stss) denies it: the frames before 12 must not vanish silently."""
    path = encode("late.mp4", 30, keyframe_every=12, b_frames=0, options={"x264-params": "scenecut=0"})
    with av.open(str(path)) as container:
        first = next(container.demux(video=0))
        position, size = first.pos, first.size
    data = bytearray(path.read_bytes())
    data[position : position + size] = b"\x7e" * size
    table = data.find(b"stss") + 12  # kind, version and flags, count
    assert int.from_bytes(data[table : table + 4], "big") == 1
    data[table : table + 4] = (2).to_bytes(4, "big")
    path.write_bytes(data)
    assert "lacks a keyframe before its frame" in _refused(path)


def test_a_recording_joined_midway_begins_at_its_first_keyframe(encode, indices):
    """A transport stream has no index: from packets 188 bytes long some are cut off in front, as a tuner does."""
    path = encode("joined.ts", 30, keyframe_every=12, b_frames=0, options={"x264-params": "scenecut=0"})
    with av.open(str(path)) as container:
        second = next(packet.pos for packet in container.demux(video=0) if packet.pts and not packet.is_keyframe)
    data = path.read_bytes()
    tables = data[: 3 * 188]
    path.write_bytes(tables + data[second:])
    assert indices(read_all(path)[0])[:2] == [12, 13]


def test_frames_that_refer_to_a_damaged_one_are_refused_up_to_the_next_keyframe(encode):
    """FFmpeg marks the damaged frame alone; that those behind it inherit its fault is H.264's inter prediction."""
    rng = np.random.default_rng(0)
    path = encode(
        "heirs.mp4", rng.integers(0, 255, (30, 48, 64, 3), np.uint8),
        keyframe_every=12, b_frames=0, options={"x264-params": "scenecut=0:ref=1:cabac=0"},
    )  # fmt: skip
    whole = read_all(path)[0]
    with av.open(str(path)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    position, size = places[14]
    data[position + size // 3 : position + size // 2] = bytes(size // 2 - size // 3)
    path.write_bytes(data)
    with av.open(str(path)) as container:
        assert [index for index, frame in enumerate(container.decode(video=0)) if frame.is_corrupt] == [14]
    video = VideoFile(path)
    kept = [0, 11, 12, 13, 24, 29]
    assert np.array_equal(video.frames(kept), whole[kept])
    for rank in (14, 15, 23):
        with pytest.raises(VideoError, match="is damaged at"):
            video.frames([rank])


def test_a_damaged_slice_is_noticed_however_many_slices_a_frame_has(encode):
    """With a thread a slice FFmpeg marks nothing, and what it leaves in the slice's place depends on chance."""
    rng = np.random.default_rng(0)
    path = encode(
        "slices.mp4", rng.integers(0, 255, (20, 48, 64, 3), np.uint8),
        keyframe_every=20, b_frames=0, options={"x264-params": "slices=3:scenecut=0:cabac=0"},
    )  # fmt: skip
    with av.open(str(path)) as container:
        position, size = next(itertools.islice(((p.pos, p.size) for p in container.demux(video=0)), 7, None))
    data = bytearray(path.read_bytes())
    data[position + size // 2 : position + size // 2 + 40] = bytes(40)
    path.write_bytes(data)
    assert VideoFile(path).frames(range(7)).shape[0] == 7
    for rank in (7, 12):
        with pytest.raises(VideoError, match="is damaged at"):
            VideoFile(path).frames([rank])


def test_an_index_that_puts_a_frame_elsewhere_is_a_loss_not_another_order(encode):
    """One entry of the table of offsets (ctts) made larger: FFmpeg hands the frames out in their true order."""
    path = encode("order.mp4", 20, b_frames=2)
    with av.open(str(path)) as container:
        assert len({packet.pts - packet.dts for packet in container.demux(video=0) if packet.size}) > 1
    data = bytearray(path.read_bytes())
    table = data.find(b"ctts") + 12  # kind, version and flags, count; then pairs of count and offset
    data[table + 8 * 3 + 4 : table + 8 * 3 + 8] = (2048 + 700).to_bytes(4, "big")
    path.write_bytes(data)
    with av.open(str(path)) as container:
        shown = [frame.pts for frame in container.decode(video=0)]
    assert shown != sorted(shown)
    with pytest.raises(VideoError, match="in another order than its index says"):
        read_all(path)
    with pytest.raises(VideoError, match="in another order than its index says"):
        VideoFile(path).frames([6])


def test_an_unreadable_file(encode):
    path = encode("locked.mp4", 3)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    assert "cannot be read" in _refused(path)


def test_a_colon_in_the_name_is_no_protocol(encode, tmp_path, monkeypatch):
    shutil.move(encode("x.mp4", 3), tmp_path / "concat:x.mp4")
    monkeypatch.chdir(tmp_path)
    assert len(frame_times("concat:x.mp4")) == 3


def test_a_playlist_reaches_no_further(tmp_path):
    (tmp_path / "list.mp4").write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n")
    assert "not a video" in _refused(tmp_path / "list.mp4")


def test_a_link_to_nothing_says_where_it_leads(tmp_path):
    (tmp_path / "a.mp4").symlink_to(tmp_path / "gone.mp4")
    assert "is a link to" in _refused(tmp_path / "a.mp4")
    assert "gone.mp4, which is not there" in _refused(tmp_path / "a.mp4")
