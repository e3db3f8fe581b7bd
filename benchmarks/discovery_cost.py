"""What discovering concepts costs beside bare forward passes of the same videos, in time and memory.

    python benchmarks/discovery_cost.py

200 planted videos, three layers, the defaults otherwise: rows, factors, and the strongest tubelets cut as candidates
with their twins. The floor passes as many clips in the same batches. Both in turn, in the same process, one thread; the
clock, as decoding and writing are done by other processes too. Memory is what the process holds at most.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from harness import MEBIBYTE, Book, Cells, Contestants, medians, options, taken
from probe_cost import bare_passes
from validation.targets import Promise, at_most
from videotcav.api import discover
from videotcav.features.extract import clips_a_pass
from videotcav.models.load import load_model
from videotcav.models.model import VideoModel
from videotcav.planted.factors import sample_scene
from videotcav.planted.scenes import render
from videotcav.records import ClipSpec
from videotcav.video.write import write_video

SIDE, FRAMES, VIDEOS = 112, 16, 200
CELL, LAYERS = "swin3d_t", ["features.2", "features.4", "features.6"]
MEMORY = 512 * MEBIBYTE


def promises(cells: Cells) -> Iterator[Promise]:
    """Twice the bare passes at most, in the memory that it is told."""
    for title, cell in cells.items():
        what = f"discovery of {VIDEOS} videos × 3 layers ÷ its bare passes, {title}"
        ratio = medians(cell, "discovery", "bare passes")
        yield Promise(area="speed", what=what, unit="×", target=at_most(2.0), **ratio, **taken(cell))
        peaks = (cell["contestants"][who]["peak_rss_bytes"]["samples"] for who in ("discovery", "bare passes"))
        more = [(mine - theirs) / MEBIBYTE for mine, theirs in zip(*peaks, strict=True)]
        what = f"discovery of {VIDEOS} videos × 3 layers, MiB beside its bare passes of 512, {title}"
        facts = {"value": sorted(more)[len(more) // 2], "low": min(more), "high": max(more), "n": len(more)}
        yield Promise(area="speed", what=what, unit="MiB", target=at_most(512), **facts, **taken(cell))


@dataclass
class Discovery:
    """Into a folder that is made anew each time."""

    model: VideoModel
    videos: Path
    found: Path

    def prepare(self) -> None:
        """Takes away what was found before."""
        shutil.rmtree(self.found, ignore_errors=True)

    def __call__(self) -> None:
        """Once."""
        discover(self.model, self.videos, self.found, layers=LAYERS, memory_bytes=MEMORY)


def main() -> None:
    """One race."""
    book = Book(__file__, "a discovery beside its passes", options(__doc__).parse_args(), promises)
    for title in book.wanted(CELL):
        spec = ClipSpec(frames=FRAMES, seconds_between_frames=0.1, height=SIDE, width=SIDE, resize=SIDE)
        model = load_model(f"torchvision:{title}")
        model = replace(model, card=model.card.model_copy(update={"clip_spec": spec}))
        rng = np.random.default_rng(0)
        size = clips_a_pass(model)
        with tempfile.TemporaryDirectory() as folder:
            videos = Path(folder) / "videos"
            videos.mkdir()
            for number in range(VIDEOS):
                film = render(sample_scene(rng), height=SIDE, width=SIDE, frames=FRAMES)
                write_video(videos / f"{number:03}.mp4", film, frames_per_second=10)
            batch = torch.rand(size, 3, FRAMES, SIDE, SIDE)
            contestants: Contestants = {
                "bare passes": partial(bare_passes, model, batch, passes=-(-VIDEOS // size)),
                "discovery": Discovery(model, videos, Path(folder) / "found"),
            }
            book.race(title, contestants, warm_up=book.arguments.repeats > 1, videos=VIDEOS, batch=size)


if __name__ == "__main__":
    main()
