"""Frames by timestamp, against videos that say in their grey level which frame is which."""

from __future__ import annotations

import hashlib
import struct
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import PictureType
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from videotcav.errors import VideoError
from videotcav.video.read import VideoFile, frame_times, probe, read_all, read_frames

CONTAINERS = [
    ("x.mp4", {}),
    ("x.mov", {}),
    ("x.mkv", {}),
    ("x.ts", {}),
    ("x.avi", {}),
    ("one-way.avi", {"b_frames": 0}),
    ("packed.avi", {"codec": "mpeg4"}),
    ("x.webm", {"codec": "libvpx-vp9", "options": {"crf": "4", "cpu-used": "8"}}),
    ("raw.h264", {}),
    ("open-gop.mp4", {"options": {"x264-params": "open-gop=1"}}),
    ("444.mkv", {"pixels": "yuv444p"}),
    ("10bit.mp4", {"pixels": "yuv420p10le"}),
    ("odd.mkv", {"pixels": "yuv444p", "height": 47, "width": 63}),
    ("sound.mp4", {"sound": True}),
]


@pytest.mark.parametrize(("name", "how"), CONTAINERS, ids=[name for name, _ in CONTAINERS])
def test_the_frame_on_show_is_found_in_every_container(encode, indices, name, how):
    video = probe(encode(name, **how))
    assert (video.height, video.width) == (how.get("height", 48), how.get("width", 64))
    assert video.duration_seconds == pytest.approx(2.0, abs=1e-6)
    assert video.frames_per_second == pytest.approx(25, abs=1e-4)
    middles = [0.02, 0.42, 0.46, 1.02, 1.98, 0.42, 0.0]
    assert indices(read_frames(video, middles)) == [0, 10, 11, 25, 49, 10, 0]
    frames, times = read_all(video.path)
    assert indices(frames) == list(range(50))
    np.testing.assert_allclose(times, np.arange(50) / 25, atol=5e-4)


def test_a_frame_is_on_show_until_the_next_one_however_uneven_they_come(encode, indices):
    """Timestamps 0, 10, 15, 90, 95 ms … : the truth is the plain definition, last frame with pts ≤ t."""
    milliseconds = np.cumsum([0, *np.random.default_rng(1).integers(5, 120, 39)]).tolist()
    video = probe(encode("vfr.mkv", 40, pts=milliseconds, clock=Fraction(1, 1000)))
    np.testing.assert_allclose(frame_times(video.path), np.array(milliseconds) / 1000)
    wanted = np.random.default_rng(2).uniform(0, milliseconds[-1] / 1000, 60)
    wanted = wanted[np.abs(wanted[:, None] * 1000 - milliseconds).min(axis=1) > 1]  # not within the clock's tick
    truth = [max(i for i, ms in enumerate(milliseconds) if ms <= 1000 * t) for t in wanted]
    assert indices(read_frames(video, wanted.tolist())) == truth
    assert indices(read_frames(video, [ms / 1000 for ms in milliseconds])) == list(range(40))


def test_times_start_at_the_first_frame_whatever_the_container_counts_from(encode, indices):
    video = probe(encode("late.mkv", 20, pts=[1000 + 40 * i for i in range(20)], clock=Fraction(1, 1000)))
    assert frame_times(video.path)[0] == 0
    assert video.duration_seconds == pytest.approx(0.8)
    assert indices(read_frames(video, [0.0, 0.41])) == [0, 10]


def test_a_clock_of_milliseconds_does_not_push_thirtieths_onto_the_frame_before(encode, indices):
    video = probe(encode("x.mkv", 30, clock=Fraction(1, 30)))
    assert indices(read_frames(video, [i / 30 for i in range(30)])) == list(range(30))


@pytest.fixture
def gop_of_seven(encode):
    path = encode("any.mp4", keyframe_every=7)
    return path, read_all(path)[0]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ranks=st.lists(st.integers(0, 49), min_size=1, max_size=8))
def test_any_selection_in_any_order_equals_the_same_selection_of_all_frames(gop_of_seven, ranks):
    path, frames = gop_of_seven
    np.testing.assert_array_equal(VideoFile(path).frames(ranks), frames[ranks])


def test_no_more_is_decoded_than_the_way_from_the_keyframe_before(encode):
    """A keyframe every 12 frames: frame 47 is 11 after keyframe 36, so 12 frames; and so on by hand."""
    path = encode("gop.mp4", keyframe_every=12, b_frames=0, options={"x264-params": "scenecut=0"})
    for ranks, decoded in [
        ([0], 1),
        ([5], 6),
        ([36], 1),
        ([47], 12),
        ([3, 3, 3], 4),
        ([0, 40], 1 + 5),
        ([13, 1], 2 + 2),
    ]:
        video = VideoFile(path)
        video.frames(ranks)
        assert video.decoded == decoded, ranks


def test_frames_that_nobody_needs_are_not_decoded(encode):
    """Every third frame refers to others, and two between them only to it: of 48 frames to the last, 16 are needed."""
    path = encode("b.mp4", keyframe_every=250, options={"x264-params": "scenecut=0:b-adapt=0:b-pyramid=none"})
    truth, _ = read_all(path)
    with av.open(str(path)) as container:
        kinds = [PictureType(frame.pict_type).name for frame in container.decode(video=0)]
    for wanted in ([48], [1, 48], [20, 21, 22]):
        video = VideoFile(path)
        np.testing.assert_array_equal(video.frames(wanted), truth[wanted])
        needed = sum(kind != "B" or rank in wanted for rank, kind in enumerate(kinds[: wanted[-1] + 1]))
        assert needed <= video.decoded <= needed + 2, wanted  # up to two more are on their way when the last comes out
    assert kinds.count("B") > 30


def test_frames_close_together_are_reached_without_seeking_back(encode):
    video = VideoFile(encode("long.mp4", keyframe_every=250, b_frames=0))
    video.frames([0, 16, 32, 48])
    assert video.decoded == 49


@pytest.mark.parametrize(
    ("matrix", "corner"),
    [
        ((1, 0, 0, 1), ("top", "left")),
        ((0, 1, -1, 0), ("top", "right")),  # a telephone held upright: shown a quarter turn clockwise
        ((-1, 0, 0, -1), ("bottom", "right")),
        ((0, -1, 1, 0), ("bottom", "left")),
        ((-1, 0, 0, 1), ("top", "right")),  # mirrored
    ],
)
def test_a_display_matrix_turns_the_frame(encode, matrix, corner):
    """The matrix is written into the mp4's own track header, by hand: a b u c d v x y w, 16.16 fixed point."""
    frames = np.zeros((3, 48, 64, 3), np.uint8)
    frames[:, :16, :16] = 255  # bright at top left, as stored
    path = encode("turned.mp4", frames)
    data = bytearray(path.read_bytes())
    at = data.find(b"tkhd") + 4 + 40
    a, b, c, d = (value << 16 for value in matrix)
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    video = probe(path)
    shown = read_frames(video, [0.0])[0, ..., 0]
    assert shown.shape == (video.height, video.width) == ((48, 64) if matrix[0] else (64, 48))
    rows = {"top": slice(0, 16), "bottom": slice(-16, None)}[corner[0]]
    columns = {"left": slice(0, 16), "right": slice(-16, None)}[corner[1]]
    assert shown[rows, columns].mean() > 240
    assert shown.mean() < 1.2 * 255 * 16 * 16 / (48 * 64)


def test_the_hash_is_that_of_the_bytes(encode):
    path = encode("x.mp4", 3)
    assert probe(str(path)).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_lying_header_does_not_change_the_duration(encode):
    """The movie header of an mp4 (and its track's) is made to say 100 times as long; 25 frames at 25/s last 1 s."""
    path = encode("lying.mp4", 25)
    data = bytearray(path.read_bytes())
    at = data.find(b"mvhd") + 4 + 16
    said = struct.unpack(">I", data[at : at + 4])[0]
    data[at : at + 4] = struct.pack(">I", 100 * said)
    path.write_bytes(data)
    assert probe(path).duration_seconds == pytest.approx(1.0)


def test_a_live_recording_whose_header_knows_no_duration(encode):
    path = encode("live.mkv", 25, container_options={"live": "1"})
    with av.open(str(path)) as container:
        assert container.streams.video[0].duration is None
    assert probe(path).duration_seconds == pytest.approx(1.0, abs=0.002)


def test_frames_that_an_edit_list_cuts_off_are_decoded_but_not_counted(encode, indices):
    """Ten frames before second 0, as a cut without re-encoding leaves them: frame 0 is the eleventh."""
    path = encode("trimmed.mp4", 40, pts=range(-10, 30))
    with av.open(str(path)) as container:
        assert sum(packet.is_discard for packet in container.demux(video=0)) == 10
    video = probe(path)
    assert video.duration_seconds == pytest.approx(1.2)
    assert indices(read_frames(video, [0.0, 0.05, 0.45, 1.19])) == [10, 11, 21, 39]
    assert indices(read_all(path)[0]) == list(range(10, 40))


def test_a_packet_without_a_picture_leaves_the_one_before_on_show(encode, remux, indices):
    """VP8 has frames that are never shown; here the eighth, by clearing bit 4 of its header (RFC 6386, 9.1)."""

    def hide(twin, packet):
        if packet.pts == 7 * 40:
            data = bytes(packet)
            twin.update(bytes([data[0] & 0xEF]) + data[1:])

    hidden = remux(encode("shown.webm", 20, codec="libvpx", keyframe_every=250), hide)
    for ranks, truth in [([6, 7, 8], [6, 6, 8]), ([7], [6]), ([7, 15], [6, 15])]:
        assert indices(VideoFile(hidden).frames(ranks)) == truth
    assert indices(np.stack(list(VideoFile(hidden).stream()))) == [6 if i == 7 else i for i in range(20)]


def test_the_last_frame_lasts_as_long_as_its_packet_says(encode, remux, indices):
    """Ten frames 40 ms apart, the last held for half a second: 9 · 0.04 + 0.5 s."""
    if tuple(map(int, version("av").split(".")[:2])) < (18, 1):
        pytest.skip("PyAV before 18.1 does not write the durations that this test gives its packets")

    def hold(twin, packet):
        twin.duration = 500 if packet.pts == 9 * 40 else 40

    video = probe(remux(encode("still-end.mkv", 10, b_frames=0), hold))
    assert video.duration_seconds == pytest.approx(0.86)
    assert indices(read_frames(video, [0.85])) == [9]


def test_one_frame_is_a_video(encode, indices):
    video = probe(encode("one.mp4", 1))
    assert video.duration_seconds == pytest.approx(0.04)
    assert indices(read_frames(video, [0.0, 0.03])) == [0, 0]


@pytest.mark.parametrize("seconds", [-0.1, 2.1, float("nan")])
def test_a_time_outside_the_video_is_refused(encode, seconds):
    video = probe(encode("x.mp4"))
    with pytest.raises(VideoError, match=r"has no frame at .* it lasts 2\.000 s"):
        read_frames(video, [0.5, seconds])


@pytest.mark.parametrize("ranks", [[0, 50], [-1], []])
def test_a_frame_that_is_not_there_is_refused(encode, ranks):
    with pytest.raises(VideoError, match="no frame"):
        VideoFile(encode("x.mp4")).frames(ranks)


def test_real_clips_are_read_as_a_plain_decode_shows_them(shared_data: Path):
    """The decoder hands frames out in the order of showing: the k-th is frame k. Two of these files are avi with
    B-frames, whose timestamps FFmpeg guesses in another order.
    """
    for name in ["v_ApplyEyeMakeup_g01_c01.avi", "arm_wrestling__mmaction2_demo.mp4"]:
        path = shared_data / "misc" / name
        with av.open(str(path)) as container:
            plain = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        video = VideoFile(path)
        assert len(video.times) == len(plain)
        ranks = [0, 2, 3, 40, len(plain) - 1]
        np.testing.assert_array_equal(video.frames(ranks), [plain[rank] for rank in ranks])
        assert (np.diff(video.times) > 0).all()


def test_a_large_avi_and_a_tennis_clip(shared_data: Path):
    video = probe(shared_data / "misc" / "ntu_A001_drink_water.avi")
    assert (video.width, video.height, round(video.frames_per_second)) == (1920, 1080, 30)
    clip = probe(shared_data / "tennis" / "serve" / "serve7.mp4")
    assert (clip.width, clip.height, clip.duration_seconds) == (426, 240, pytest.approx(2.0))
