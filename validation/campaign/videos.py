"""Videos: real codecs and containers, damaged; the oracle is the undamaged file, decoded by PyAV alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np

from validation.campaign import damage
from validation.campaign.damage import Rng
from videotcav.errors import VideoError
from videotcav.records import ClipSpec
from videotcav.video.clips import read_clip
from videotcav.video.read import VideoFile

SPEC = ClipSpec(frames=6, seconds_between_frames=0.08, height=16, width=16, resize=16)
HEIGHT, WIDTH, FRAMES = 48, 64, 14
FORMATS: dict[str, dict[str, object]] = {
    "mp4, index in front": {"suffix": "mp4", "container": {"movflags": "faststart"}},
    "mp4, index behind": {"suffix": "mp4"},
    "mkv": {"suffix": "mkv"},
    "avi, mpeg4": {"suffix": "avi", "codec": "mpeg4"},
    "webm, vp8": {"suffix": "webm", "codec": "libvpx"},
    "mpegts": {"suffix": "ts"},
}

NAMES = ("a clip", "🎾", "two\nlines", "concat:x", "-o", "%03d", "a'b\"c", os.fsdecode(b"caf\xe9"), "[1]")
SUFFIXES = ("avi", "mp4", "mkv", "txt", "jpg", "gif", "m3u8", "ts")


def pictures(rng: Rng, *, frames: int = FRAMES, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A patch of noise that moves over noise: every frame differs, every part of a frame matters."""
    ground = rng.integers(0, 256, (-(-height // 8), -(-width // 8), 3), dtype=np.uint8)
    whole = ground.repeat(8, axis=0).repeat(8, axis=1)[:height, :width]
    return np.array([np.roll(whole, 3 * index, axis=1) for index in range(frames)]).reshape(-1, height, width, 3)


def encoded(
    path: Path,
    frames: np.ndarray,
    *,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    container: dict[str, str] | None = None,
    pts: list[int] | None = None,
    sound_alone: bool = False,
) -> Path:
    """The frames as a file, by PyAV alone."""
    clock = Fraction(1, 25)
    with av.open(f"file:{path}", "w", options=container or {}) as file:
        if sound_alone:
            voice = file.add_stream("aac", rate=8000)
            voice.layout = "mono"
            samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            samples.sample_rate = 8000
            for packet in (*voice.encode(samples), *voice.encode(None)):
                file.mux(packet)
            return path
        stream = file.add_stream(codec, rate=25)
        assert isinstance(stream, av.VideoStream)
        quality = {"crf": "20", "preset": "ultrafast"} if codec == "libx264" else {"b": "1M"}
        stream.options = {"threads": "1", **quality}
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pixels
        stream.codec_context.gop_size = 6
        stream.codec_context.time_base = clock
        for index, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = index if pts is None else pts[index], clock
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def plainly_decoded(path: Path) -> np.ndarray:
    """All frames in order, by PyAV alone."""
    with av.open(f"file:{path}") as file:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])


@cache
def undamaged(name: str) -> tuple[bytes, np.ndarray, str]:
    """A file of the format, its frames, its suffix."""
    how = dict(FORMATS[name])
    suffix = str(how.pop("suffix"))
    with TemporaryDirectory() as folder:
        path = encoded(Path(folder) / f"x.{suffix}", pictures(np.random.default_rng(7)), **how)  # type: ignore[arg-type]
        return path.read_bytes(), plainly_decoded(path), suffix


def verdict(path: Path, truth: np.ndarray) -> str:
    """`same` where every frame that is handed out is the undamaged one, and none is missing; else `unknowable`.

    Both ways to frames are tried: all of them, and a clip. Whether the file gave its damage away is FFmpeg's word:
    a frame that FFmpeg marks as corrupt and that is handed out all the same is `wrong`.
    """
    file = VideoFile(path)
    frames = file.frames(range(len(file.times)))
    clip, pixels = read_clip(path, SPEC, fit="stretch")
    assert pixels.isfinite().all()
    assert len(clip.timestamps) == SPEC.frames
    if frames.shape == truth.shape and np.array_equal(frames, truth):
        return "same"
    return "wrong" if gives_itself_away(path) else "unknowable"


def gives_itself_away(path: Path) -> bool:
    """Whether FFmpeg marks a frame as corrupt, or gives up."""
    try:
        with av.open(f"file:{path}", metadata_errors="ignore") as file:
            file.streams.video[0].thread_count = 1  # several threads a frame mark nothing
            return any(frame.is_corrupt for frame in file.decode(video=0))
    except (av.error.FFmpegError, OSError):
        return True


def _damaged(change: Callable[[bytes, Rng], bytes]) -> Callable[[Path, Rng], str]:
    def attempt(folder: Path, rng: Rng) -> str:
        data, truth, suffix = undamaged(str(rng.choice(list(FORMATS))))
        path = folder / f"clip.{suffix}"
        path.write_bytes(change(data, rng))
        return verdict(path, truth)

    return attempt


def _head(data: bytes, rng: Rng) -> bytes:
    return damage.flipped(data, rng, high=400)


def _index(data: bytes, rng: Rng) -> bytes:
    start = max(data.find(b"moov"), 0)
    return damage.flipped(data, rng, low=start, high=start + 900)


def _body(data: bytes, rng: Rng) -> bytes:
    start = max(data.find(b"mdat"), len(data) // 3)
    return damage.flipped(data, rng, low=start)


def _promise(data: bytes, rng: Rng) -> bytes:
    """A duration of ages, or a size of a whole wall, in mp4's own words."""
    changed = bytearray(data)
    for box, offset in ((b"mvhd", 20), (b"mdhd", 20), (b"tkhd", 24), (b"elst", 12), (b"stts", 12)):
        place = data.find(box)
        if place >= 0 and rng.random() < 0.5:
            changed[place + offset : place + offset + 4] = b"\x7f\xff\xff\xf0"
    return bytes(changed)


def _garbage_behind(data: bytes, rng: Rng) -> bytes:
    return data + rng.bytes(500)


OF_BYTES = {
    "bits of the head flipped": _head,
    "bits of the index flipped": _index,
    "bits of the body flipped": _body,
    "huge promises": _promise,
    "garbage behind": _garbage_behind,
}


def _made(**how: object) -> Callable[[Path, Rng], str]:
    """An unusual file that is whole."""

    def attempt(folder: Path, rng: Rng) -> str:
        size = {key: how[key] for key in ("frames", "height", "width") if key in how}
        rest = {key: value for key, value in how.items() if key not in size}
        path = encoded(folder / f"clip.{rest.pop('suffix', 'mp4')}", pictures(rng, **size), **rest)  # type: ignore[arg-type]
        nothing_to_see = how.get("sound_alone") or how.get("frames") == 0
        return verdict(path, np.empty(0) if nothing_to_see else plainly_decoded(path))

    return attempt


def _variable_rate(folder: Path, rng: Rng) -> str:
    pts = np.cumsum(rng.integers(1, 9, FRAMES)).tolist()
    path = encoded(folder / "clip.mp4", pictures(rng), pts=pts)
    found = VideoFile(path)
    truth = plainly_decoded(path)
    for seconds in rng.uniform(0, (pts[-1] - pts[0]) / 25, 5):
        shown = max(index for index in range(FRAMES) if (pts[index] - pts[0]) / 25 <= seconds + 1e-9)
        if not np.array_equal(found.at([float(seconds)])[0], truth[shown]):
            return "wrong"
    return verdict(path, truth)


def _turned(folder: Path, rng: Rng) -> str:
    data, truth, _ = undamaged("mp4, index in front")
    quarter = int(rng.integers(4))
    a, b = ((1, 0), (0, 1), (-1, 0), (0, -1))[quarter]
    matrix = np.array([a << 16, b << 16, 0, -b << 16, a << 16, 0, 0, 0, 1 << 30], dtype=">i4").tobytes()
    place = data.find(b"tkhd") + 4 + 40
    path = folder / "turned.mp4"
    path.write_bytes(data[:place] + matrix + data[place + 36 :])
    return verdict_turned(path, np.rot90(truth, -quarter, axes=(1, 2)))


def verdict_turned(path: Path, truth: np.ndarray) -> str:
    """`same` where the frames come as they are shown."""
    file = VideoFile(path)
    return "same" if np.array_equal(file.frames(range(len(file.times))), truth) else "wrong"


def _odd_name(folder: Path, rng: Rng) -> str:
    data, truth, suffix = undamaged("mp4, index in front")
    path = folder / f"{rng.choice(NAMES)}.{suffix}"
    path.write_bytes(data)
    return verdict(path, truth)


def _wrong_suffix(folder: Path, rng: Rng) -> str:
    data, truth, _ = undamaged(str(rng.choice(list(FORMATS))))
    path = folder / f"clip.{rng.choice(SUFFIXES)}"
    path.write_bytes(data)
    return verdict(path, truth)


def _no_file(folder: Path, rng: Rng) -> str:
    path = folder / "clip.mp4"
    match int(rng.integers(6)):
        case 0:
            path.symlink_to(path)
        case 1:
            (folder / "other.mp4").symlink_to(path)
            path.symlink_to(folder / "other.mp4")
        case 2:
            path.mkdir()
        case 3:
            os.mkfifo(path)
        case 4:
            path.symlink_to(folder / "gone.mp4")
        case 5:
            path = folder / ("x" * 300 + ".mp4")
    return verdict(path, np.empty(0))


def _unreadable(folder: Path, _rng: Rng) -> str:
    path = folder / "clip.mp4"
    path.write_bytes(undamaged("mp4, index in front")[0])
    path.chmod(0)
    if os.access(path, os.R_OK):
        raise VideoError(path, "may be read by this user, whatever its rights say")
    return verdict(path, np.empty(0))


MUTATIONS: dict[str, Callable[[Path, Rng], str]] = {
    **{name: _damaged(change) for name, change in damage.BYTES.items()},
    **{name: _damaged(change) for name, change in OF_BYTES.items()},
    "no frame": _made(frames=0),
    "one frame": _made(frames=1),
    "odd size": _made(height=47, width=63, pixels="yuv444p"),
    "tiny": _made(height=2, width=2),
    "4:4:4": _made(pixels="yuv444p"),
    "10 bit": _made(pixels="yuv420p10le"),
    "sound alone": _made(sound_alone=True),
    "fragmented": _made(container={"movflags": "frag_keyframe+empty_moov"}),
    "variable rate": _variable_rate,
    "turned": _turned,
    "odd name": _odd_name,
    "wrong suffix": _wrong_suffix,
    "no file": _no_file,
    "unreadable": _unreadable,
}
