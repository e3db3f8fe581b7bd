"""What a probe with all of its edits costs beside bare forward passes of the same number of clips.

    python benchmarks/probe_cost.py

Clips of planted scenes, half of them before a camera that moves, whose motion has to be found. The floor passes as many
clips as the probe does, in the same batches. Both in turn, in the same process, one thread; compared is the processor's
time, so that nothing is hidden in threads that edit meanwhile. Decoding is in neither.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from _clips import as_clips
from harness import Book, Cells, Contestants, middle, options, taken
from validation.targets import Promise, at_most
from videotcav.api import probe
from videotcav.features.extract import clips_a_pass
from videotcav.models.load import load_model
from videotcav.models.model import VideoModel
from videotcav.models.passes import logits
from videotcav.planted.factors import CameraPath, sample_scene
from videotcav.planted.scenes import render
from videotcav.records import ClipSpec
from videotcav.video.clips import preprocess

SIDE, FRAMES, OF_CLASS = 112, 8, 2
CELL = "swin3d_t"
MOTIONS = ("swing", "slide")


def promises(cells: Cells) -> Iterator[Promise]:
    """A tenth above the bare passes at most."""
    for title, cell in cells.items():
        what = f"a probe with all its edits ÷ its bare passes, processor time, {title}"
        mine, theirs = (cell["contestants"][who]["processor_seconds"]["samples"] for who in ("probe", "bare passes"))
        rounds = middle([one / other for one, other in zip(mine, theirs, strict=True)])
        yield Promise(area="speed", what=what, unit="×", target=at_most(1.10), **rounds, **taken(cell))


def bare_passes(model: VideoModel, batch: Tensor, *, passes: int) -> None:
    """Forward passes of one batch, so many times."""
    for _ in range(passes):
        logits(model, batch)


def main() -> None:
    """One race."""
    book = Book(__file__, "a probe beside its passes", options(__doc__).parse_args(), promises)
    for title in book.wanted(CELL):
        spec = ClipSpec(frames=FRAMES, seconds_between_frames=0.1, height=SIDE, width=SIDE, resize=SIDE)
        model = load_model(f"torchvision:{title}")
        model = replace(model, card=model.card.model_copy(update={"clip_spec": spec}))
        rng = np.random.default_rng(0)
        clips = {}
        for name, motion in zip(model.card.classes, MOTIONS, strict=False):
            cameras = [CameraPath(right=0.2 * (number % 2)) for number in range(OF_CLASS)]
            scenes = [sample_scene(rng, class_name=motion, background="checker", camera=camera) for camera in cameras]
            films = [preprocess(render(scene, height=SIDE, width=SIDE, frames=FRAMES), spec) for scene in scenes]
            clips[name] = as_clips(name, torch.stack(films))
        found = probe(model, clips)
        inputs = len(found.clips) + sum(row.clips for row in found.main)
        size = clips_a_pass(model)
        some = next(iter(clips.values())).pixels
        batch = some[torch.arange(size) % len(some)]

        contestants: Contestants = {
            "bare passes": partial(bare_passes, model, batch, passes=-(-inputs // size)),
            "probe": partial(probe, model, clips),
        }
        race = book.race(title, contestants, warm_up=book.arguments.repeats > 1, inputs=inputs, batch=size)
        walls = [race[who]["wall_seconds"]["samples"] for who in ("probe", "bare passes")]
        book.note(title, clock=statistics.median(one / other for one, other in zip(*walls, strict=True)))


if __name__ == "__main__":
    main()
