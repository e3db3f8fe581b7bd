"""Videos whose truth is known: every frame is one grey level, and the level says which frame it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

Encode = Callable[..., Path]
Indices = Callable[[np.ndarray], list[int]]
Remux = Callable[[Path, Callable[[av.Packet, av.Packet], None]], Path]

DARKEST, STEP = 3, 5


@pytest.fixture
def indices() -> Indices:
    """Reads the index of each frame from its grey level."""

    def read(frames: np.ndarray) -> list[int]:
        levels = frames.mean(axis=(1, 2, 3))
        found = np.round((levels - DARKEST) / STEP)
        assert np.abs(levels - DARKEST - STEP * found).max() < STEP / 2, levels
        return [int(index) for index in found]

    return read


@pytest.fixture
def encode(tmp_path: Path) -> Encode:
    """Writes a video with PyAV alone, and returns its path."""

    def write(
        name: str,
        frames: int | np.ndarray = 50,
        *,
        codec: str = "libx264",
        pixels: str = "yuv420p",
        height: int = 48,
        width: int = 64,
        pts: Sequence[int] | None = None,
        clock: Fraction = Fraction(1, 25),
        keyframe_every: int = 12,
        b_frames: int = 2,
        sound: bool = False,
        options: dict[str, str] | None = None,
        container_options: dict[str, str] | None = None,
    ) -> Path:
        path = tmp_path / name
        if isinstance(frames, int):
            levels = (DARKEST + STEP * np.arange(frames)).astype(np.uint8)
            frames = np.broadcast_to(levels[:, None, None, None], (frames, height, width, 3))
        with av.open(str(path), "w", options=container_options or {}) as container:
            stream = container.add_stream(codec, rate=25)
            stream.options = {"threads": "1", **({"crf": "4"} if "264" in codec else {"b": "2M"}), **(options or {})}
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt = pixels
            stream.codec_context.gop_size = keyframe_every
            stream.codec_context.max_b_frames = b_frames
            stream.codec_context.time_base = clock
            if sound:
                voice = container.add_stream("aac", rate=8000)
                voice.layout = "mono"
            for index, picture in enumerate(frames):
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
                frame.pts, frame.time_base = index if pts is None else pts[index], clock
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
            if sound:
                for index in range(8):
                    samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
                    samples.sample_rate, samples.pts = 8000, 1024 * index
                    container.mux(voice.encode(samples))
                container.mux(voice.encode(None))
        return path

    return write


@pytest.fixture
def remux() -> Remux:
    """Copies a video packet by packet, changing each copy in view of its original; returns the copy's path."""

    def copy(path: Path, change: Callable[[av.Packet, av.Packet], None]) -> Path:
        target_path = path.with_stem(path.stem + "-changed")
        with av.open(str(path)) as source, av.open(str(target_path), "w") as target:
            stream = target.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(video=0):
                if packet.size:
                    twin = av.Packet(bytes(packet))
                    twin.pts, twin.dts, twin.duration = packet.pts, packet.dts, packet.duration
                    twin.time_base, twin.is_keyframe, twin.stream = packet.time_base, packet.is_keyframe, stream
                    change(twin, packet)
                    target.mux(twin)
        return target_path

    return copy
