"""What it costs to decode in another process: clips read apart, and inside the calling process, each from its own file.

A worker remembers the sixteen videos that it opened last, for studies that read many clips of each; there are more
files than that, so nothing is gained by it here.
"""

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

SIZES = {"32 × 32, 8 frames": (32, 32, 8, 40), "240 × 320, 16 of 48 frames": (240, 320, 48, 24)}


def main() -> None:
    """A race for each size of video."""
    book = Book(__file__, "reading clips with FFmpeg apart and inside", options(__doc__).parse_args())
    with tempfile.TemporaryDirectory() as folder:
        for title in book.wanted(*SIZES):
            height, width, frames, clips = SIZES[title]
            paths = [Path(folder) / f"{height}-{number}.mp4" for number in range(clips)]
            for number, path in enumerate(paths):
                _film(path, height, width, frames, seed=number)
            spec = ClipSpec(
                frames=min(16, frames), seconds_between_frames=0.08, height=min(112, height), width=min(112, height),
                resize=min(128, height),
            )  # fmt: skip
            contestants = {mode: _reading(paths, spec, mode=mode) for mode in ("inside", "apart")}
            book.race(title, contestants, clips=clips)


def _film(path: Path, height: int, width: int, frames: int, *, seed: int) -> None:
    ground = np.random.default_rng(seed).integers(0, 255, (height // 8, width // 8, 3), dtype=np.uint8)
    whole = ground.repeat(8, axis=0).repeat(8, axis=1)
    write_video(path, np.stack([np.roll(whole, 3 * i, axis=1) for i in range(frames)]), frames_per_second=25)


def _reading(paths: list[Path], spec: ClipSpec, *, mode: str) -> Callable[[], None]:
    def read() -> None:
        os.environ["VIDEOTCAV_DECODE"] = mode
        for path in paths:
            read_clip(probe(path), spec, fit="stretch")

    return read


if __name__ == "__main__":
    main()
