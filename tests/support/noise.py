"""Videos in which nothing is to be seen, for tests that ask where and how they are passed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from videotcav.video.write import write_video


def write_noise(folder: Path) -> None:
    """`videos/a` and `videos/b`, three of 6 × 16 × 16 each, and `regions.json` with a corner of them."""
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (folder / "videos" / name).mkdir(parents=True)
        for number in range(3):
            pixels = rng.integers(0, 255, (6, 16, 16, 3), dtype=np.uint8)
            write_video(folder / "videos" / name / f"{number}.mp4", pixels, frames_per_second=10)
    (folder / "regions.json").write_text('{"regions": {"corner": [2, 2, 9, 9]}}')
