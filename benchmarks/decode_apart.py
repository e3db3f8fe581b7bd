"""What it costs to decode in another process: clips read apart, and inside the calling process."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from harness import Book, options
from videotcav.records import ClipSpec
from videotcav.video.clips import read_clip
from videotcav.video.read import probe
from videotcav.video.write import write_video

SIZES = {"32 × 32, 8 frames": (32, 32, 8, 40), "240 × 320, 16 of 48 frames": (240, 320, 48, 8)}


def main() -> None:
    """A race for each size of video."""
    book = Book(__file__, "reading clips with FFmpeg apart and inside", options(__doc__).parse_args())
    with tempfile.TemporaryDirectory() as folder:
        for title in book.wanted(*SIZES):
            height, width, frames, clips = SIZES[title]
            path = Path(folder) / f"{height}.mp4"
            ground = np.random.default_rng(0).integers(0, 255, (height // 8, width // 8, 3), dtype=np.uint8)
            whole = ground.repeat(8, axis=0).repeat(8, axis=1)
            write_video(path, np.stack([np.roll(whole, 3 * i, axis=1) for i in range(frames)]), frames_per_second=25)
            spec = ClipSpec(
                frames=min(16, frames), seconds_between_frames=0.08, height=min(112, height), width=min(112, height),
                resize=min(128, height),
            )  # fmt: skip
            contestants = {mode: _reading(path, spec, mode=mode, clips=clips) for mode in ("inside", "apart")}
            book.race(title, contestants, clips=clips)


def _reading(path: Path, spec: ClipSpec, *, mode: str, clips: int) -> Callable[[], None]:
    def read() -> None:
        os.environ["VIDEOTCAV_DECODE"] = mode
        for _ in range(clips):
            read_clip(probe(path), spec, fit="stretch")

    return read


if __name__ == "__main__":
    main()
