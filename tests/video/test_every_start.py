"""Every codec in every container that FFmpeg's own program writes, read from every frame on: the right one always."""

from __future__ import annotations

import shutil
import subprocess
import warnings
from pathlib import Path

import av
import numpy as np
import pytest

from videotcav.errors import VideoError, VideotcavWarning
from videotcav.records import ClipSpec
from videotcav.video.clips import read_clip
from videotcav.video.decode import Decoder
from videotcav.video.read import VideoFile
from videotcav.video.sampling import gaps

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="FFmpeg's program makes these files")

FRAMES, RATE, BITS = 60, 24, 6
NARROW, WIDE = (64, 48, 12, 200), (128, 96, 24, 1150)  # width, height, frames from keyframe to keyframe, kbit/s
CODECS = {
    "mpeg1video": "mpg vob mkv ts mp4 avi asf",
    "mpeg2video": "mpg vob mkv ts mp4 avi asf mxf m2v",
    "mpeg4": "mp4 avi mkv mov nut",
    "libx264": "mp4 mkv mov avi ts mpg flv asf mxf h264",
    "libx265": "mp4 mkv mov ts",
    "libvpx": "webm mkv avi",
    "libvpx-vp9": "webm mp4",
    "libtheora": "ogv mkv",
    "flv": "flv avi mkv nut",
    "msmpeg4v2": "avi asf mkv",
    "wmv2": "wmv avi mkv",
    "h263p": "avi mkv",
    "qtrle": "mov",
    "cinepak": "avi mov mkv",
    "mjpeg": "avi mov mkv",
    "ffv1": "mkv avi",
}
WITH_B_FRAMES = ("mpeg1video", "mpeg2video", "mpeg4", "libx264", "libx265")
MORE = {"libx264": ["-preset", "veryfast"], "libx265": ["-preset", "ultrafast", "-x265-params", "log-level=error"]}
OPEN = {
    "libx264": ["-x264opts", "open-gop=1:b-adapt=0:scenecut=0"],
    "libx265": ["-preset", "medium", "-x265-params", "log-level=error:open-gop=1"],
}


def barcodes(width: int, height: int, frames: int = FRAMES) -> np.ndarray:
    """Flat stripes that spell each frame's number in binary, the lowest digit on the left."""
    bits = (np.arange(frames)[:, None] >> np.arange(BITS)) & 1
    stripes = np.repeat(np.where(bits, 220, 30), width // BITS + 1, axis=1)[:, :width].astype(np.uint8)
    return np.broadcast_to(stripes[:, None, :, None], (frames, height, width, 3))


def numbers(frames: np.ndarray) -> list[int]:
    """What the stripes of frames spell."""
    wide = frames.shape[2] // BITS + 1
    centres = [bit * wide + min(wide, frames.shape[2] - bit * wide) // 2 for bit in range(BITS)]
    return [int(((frame[:, centres].mean(axis=(0, 2)) > 125) << np.arange(BITS)).sum()) for frame in frames]


def written(
    path: Path, codec: str, *more: str, b_frames: int = 0, size: tuple[int, ...] = NARROW, rate: int = RATE
) -> Path:
    """The barcodes as a file that FFmpeg's program encoded."""
    width, height, group, kilobits = size
    pixels = ["-pix_fmt", "rgb24" if codec == "qtrle" else "yuv420p"] if codec not in ("cinepak", "mjpeg") else []
    command = [
        *("ffmpeg", "-v", "error", "-y", "-threads", "1", "-f", "rawvideo", "-pix_fmt", "rgb24"),
        *("-s", f"{width}x{height}", "-r", str(rate), "-i", "-", "-c:v", codec, *MORE.get(codec, []), *more, *pixels),
        *("-threads", "1", "-g", str(group), "-b:v", f"{kilobits}k", "-bf", str(b_frames), str(path)),
    ]
    subprocess.run(command, input=barcodes(width, height).tobytes(), check=True, timeout=60)
    return path


def plainly(path: Path) -> np.ndarray:
    """All frames by FFmpeg's own order of presentation, without our reader."""
    with av.open(str(path)) as container:
        container.streams.video[0].thread_count = 1
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


PAIRS = [
    (codec, container, b_frames, size)
    for codec, containers in CODECS.items()
    for container in containers.split()
    for b_frames in ((0, 2) if codec in WITH_B_FRAMES else (0,))
    for size in ((NARROW, WIDE) if b_frames else (NARROW,))
]


@pytest.mark.parametrize(("codec", "container", "b_frames", "size"), PAIRS)
def test_every_frame_is_right_from_every_start(
    tmp_path: Path, codec: str, container: str, b_frames: int, size: tuple[int, ...]
) -> None:
    path = written(tmp_path / f"clip.{container}", codec, b_frames=b_frames, size=size)
    decoder, whole = Decoder(path), plainly(path)
    assert numbers(whole) == list(range(FRAMES))  # the fixture says what it should
    assert len(decoder.times) == FRAMES
    if container not in ("h264", "m2v"):  # which have no clock
        assert np.median(np.diff(decoder.times)) == pytest.approx(1 / RATE, abs=0.001)  # containers round
        assert decoder.times[-1] == pytest.approx(
            (FRAMES - 1) / RATE, abs=1.5 / RATE
        )  # MPEG in avi begins a frame early
    for start in range(FRAMES):
        np.testing.assert_array_equal(decoder.frames(range(start, min(start + 3, FRAMES))), whole[start : start + 3])


@pytest.mark.parametrize("codec", sorted(OPEN))
@pytest.mark.parametrize("container", ["mkv", "ts", "mp4"])
def test_groups_that_refer_to_the_one_before_are_right_from_every_start(
    tmp_path: Path, codec: str, container: str
) -> None:
    path = written(tmp_path / f"clip.{container}", codec, *OPEN[codec], b_frames=2)
    decoder, whole = Decoder(path), plainly(path)
    for start in range(FRAMES):
        np.testing.assert_array_equal(decoder.frames(range(start, min(start + 3, FRAMES))), whole[start : start + 3])


def test_parts_that_refresh_little_by_little_are_right_from_every_start(tmp_path: Path) -> None:
    path = written(tmp_path / "clip.mkv", "libx264", "-x264opts", "intra-refresh=1")
    decoder, whole = Decoder(path), plainly(path)
    for start in range(FRAMES):
        np.testing.assert_array_equal(decoder.frames(range(start, min(start + 3, FRAMES))), whole[start : start + 3])


@pytest.mark.parametrize("codec", sorted(OPEN))
def test_leading_pictures_of_a_cut_are_no_frames(tmp_path: Path, codec: str) -> None:
    """What refers to frames before the cut cannot be shown; the number of the first frame says where the rest lies."""
    whole = written(tmp_path / "clip.mkv", codec, *OPEN[codec], b_frames=3)
    cut = tmp_path / "cut.mkv"
    with av.open(str(whole)) as source, av.open(str(cut), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.size]
        keyframes = [index for index, packet in enumerate(packets) if packet.is_keyframe]
        before = [sum(packet.pts < packets[begin].pts for packet in packets[begin:]) for begin in keyframes]
        begin, leading = max(zip(keyframes, before, strict=True), key=lambda found: found[1])
        for packet in packets[begin:]:
            packet.stream = stream
            target.mux(packet)
    assert leading > 0  # the fixture says what it should
    shown, file = plainly(cut), VideoFile(cut)
    assert len(file.times) == len(shown) == len(packets) - begin - leading
    assert numbers(file.frames(range(len(shown)))) == list(range(FRAMES - len(shown), FRAMES))
    np.testing.assert_array_equal(file.frames([3]), shown[3:4])


@pytest.mark.parametrize(("container", "codec"), [("ts", "libx264"), ("mpg", "mpeg2video"), ("mkv", "libx264")])
def test_recordings_joined_byte_by_byte_lie_end_to_end(tmp_path: Path, container: str, codec: str) -> None:
    one = written(tmp_path / f"one.{container}", codec).read_bytes()
    joined = tmp_path / f"joined.{container}"
    joined.write_bytes(one + one)
    file = VideoFile(joined)
    assert numbers(file.frames(range(len(file.times)))) == 2 * list(range(FRAMES))
    np.testing.assert_allclose(np.diff(file.times), 1 / RATE, atol=0.003)
    assert file.remarks == ("holds 2 recordings one behind the other; they are laid end to end",)
    spec = ClipSpec(frames=4, seconds_between_frames=1 / RATE, height=48, width=64, resize=48)
    with pytest.warns(VideotcavWarning, match=r"joined\.\w+ holds 2 recordings"):
        assert read_clip(joined, spec)[0].video.duration_seconds == pytest.approx(2 * FRAMES / RATE, abs=0.05)


@pytest.mark.parametrize("container", ["mp4", "avi"])
def test_recordings_joined_where_the_index_forgets_the_second_are_refused(tmp_path: Path, container: str) -> None:
    one = written(tmp_path / f"one.{container}", "mpeg4").read_bytes()
    joined = tmp_path / f"joined.{container}"
    joined.write_bytes(one + one)
    with pytest.raises(VideoError, match="holds several recordings one behind the other, of which only the first"):
        VideoFile(joined)


@pytest.fixture
def with_a_gap(tmp_path: Path) -> Path:
    """Two seconds of video with an hour between them."""
    shift = f"setpts=if(lt(N\\,{FRAMES // 2})\\,N\\,N+{3600 * RATE})/{RATE}/TB"
    return written(tmp_path / "gap.mkv", "libx264", "-vf", shift, "-fps_mode", "passthrough", "-enc_time_base", "1:24")


def test_a_clip_is_taken_where_there_are_frames(with_a_gap: Path) -> None:
    ((since, until),) = gaps(VideoFile(with_a_gap).times)
    half = FRAMES // 2
    assert (since, until) == (pytest.approx((half - 1) / RATE, abs=0.002), pytest.approx(3600 + half / RATE, abs=0.002))
    spec = ClipSpec(frames=6, seconds_between_frames=0.09, height=48, width=64, resize=48)
    with pytest.warns(VideotcavWarning, match=r"has no frame from 1\.21 s to 3601\.25 s; the clip is taken beside"):
        clip, pixels = read_clip(with_a_gap, spec)
    shown = VideoFile(with_a_gap).ranks_at(clip.timestamps)
    assert len(set(shown)) == 6
    assert max(shown) < FRAMES // 2
    assert len({frame.numpy().tobytes() for frame in pixels[0]}) == 6
    with pytest.warns(VideotcavWarning, match=r"shows one frame 6 times, as there is none from 1\.21 s to 3601\.25 s"):
        read_clip(with_a_gap, spec, start_seconds=1800)
    for views in range(4):  # the views lie in both parts
        several = spec.model_copy(update={"clips_per_video": 4})
        with pytest.warns(VideotcavWarning, match="the clip is taken beside"):
            start = read_clip(with_a_gap, several, view=views)[0].timestamps[0]
        assert (start < 2) == (views < 2)
    long = spec.model_copy(update={"frames": 20})
    with pytest.raises(VideoError, match=r"has no 1\.71 s without a gap"):
        read_clip(with_a_gap, long)


def test_the_default_video_stream_is_read_and_told(tmp_path: Path) -> None:
    first, second = written(tmp_path / "one.mkv", "libx264"), tmp_path / "two.mkv"
    negated = ["ffmpeg", "-v", "error", "-i", str(first), "-vf", "negate", "-c:v", "libx264", str(second)]
    subprocess.run(negated, check=True)
    both = tmp_path / "both.mkv"
    streams = ["-map", "0", "-map", "1", "-c", "copy", "-disposition:v:0", "0", "-disposition:v:1", "default"]
    muxed = ["ffmpeg", "-v", "error", "-i", str(first), "-i", str(second), *streams, str(both)]
    subprocess.run(muxed, check=True)
    file = VideoFile(both)
    np.testing.assert_array_equal(file.frames([5, 20]), plainly(second)[[5, 20]])
    assert file.remarks == ("has 2 video streams; number 2 of them is read, as the file's own default",)


@pytest.mark.parametrize("inside", ["mp4", "m3u8", "txt"])
def test_playlists_are_no_videos(tmp_path: Path, inside: str) -> None:
    video = written(tmp_path / "other.ts", "libx264")
    for name, text in {
        "concat": f"ffconcat version 1.0\nfile '{video.name}'\n",
        "relative": f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n../{tmp_path.name}/{video.name}\n#EXT-X-ENDLIST\n",
        "absolute": f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{video}\n#EXT-X-ENDLIST\n",
    }.items():
        path = tmp_path / f"{name}.{inside}"
        path.write_text(text)
        with pytest.raises(VideoError, match="is not a video"):
            VideoFile(path)


def test_a_plain_video_says_nothing(tmp_path: Path) -> None:
    spec = ClipSpec(frames=4, seconds_between_frames=0.1, height=48, width=64, resize=48)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_clip(written(tmp_path / "clip.mp4", "libx264"), spec)
