"""What a GPU does with the same passes: clips a second in each precision, beside those that are decoded meanwhile.

    make bench-gpu

Forward passes of 16 clips of 8 × 112 × 112 through torchvision's networks with random weights, float32 without TF32,
then bf16 and fp16 (autocast), each beside the others in turn. Decoding is one thread's, of a 10 s film of planted
scenes. Where decoding is the slower, passes wait, and so many more processes would keep the GPU busy.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from harness import Book, Cells, Contestants, middle, options, ratios, taken
from validation.targets import Promise
from videotcav.models.load import load_model
from videotcav.models.model import VideoModel
from videotcav.models.passes import forward
from videotcav.planted.factors import sample_scene
from videotcav.planted.scenes import render
from videotcav.records import ClipSpec, Precision
from videotcav.video.clips import read_clip
from videotcav.video.write import write_video

CLIPS, SIDE, FRAMES = 16, 112, 8
SPEC = ClipSpec(frames=FRAMES, seconds_between_frames=0.1, height=SIDE, width=SIDE, resize=SIDE)
LAYERS = {"r3d_18": ("layer1", "layer2", "layer3"), "swin3d_t": ("features.0", "features.2", "features.4")}
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16", "fp16")


def promises(cells: Cells) -> Iterator[Promise]:
    """Rates, and how much faster half the precision is; nothing is promised of them, and without a GPU not measured."""
    for name in LAYERS:
        cell = cells.get(name)
        at = taken(cell) if cell else {"n": 0, "commit": "not measured", "machine": "no GPU"}
        for precision in PRECISIONS:
            rate = CLIPS / cell["contestants"][precision]["wall_seconds"]["median"] if cell else None
            yield Promise(
                area="speed", what=f"a GPU, {name}, {precision}: clips a second", value=rate, **{"n": CLIPS, **at}
            )
        for half in PRECISIONS[1:]:
            found = middle(ratios(cell, "fp32", half)) if cell else {"value": None}
            yield Promise(area="speed", what=f"a GPU, {name}: fp32 ÷ {half}, seconds", unit="×", **{**found, **at})
        needed = cell["findings"]["processes"] if cell else None
        what = f"a GPU, {name}: processes that decode as fast as fp32 passes"
        yield Promise(area="speed", what=what, value=needed, **{"n": CLIPS, **at})


def passes(model: VideoModel, layers: tuple[str, ...]) -> Callable[[], None]:
    """All clips past a model, until the GPU has done it."""
    pixels = torch.randn(CLIPS, SPEC.channels, FRAMES, SIDE, SIDE, generator=torch.Generator().manual_seed(0))

    def run() -> None:
        forward(model, pixels, layers, pooling="none")
        torch.cuda.synchronize()

    return run


def decoded_a_second() -> float:
    """Clips that one thread reads in a second from a film of 10 s."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        scene = sample_scene(np.random.default_rng(0))
        write_video(path, render(scene, height=240, width=320, frames=300), frames_per_second=30)
        read_clip(path, SPEC)
        started = time.perf_counter()
        for _ in range(CLIPS):
            read_clip(path, SPEC)
        return CLIPS / (time.perf_counter() - started)


def main() -> None:
    """A race of precisions for each network."""
    arguments = options(__doc__).parse_args()
    if not torch.cuda.is_available():
        print("no GPU is here: its rows stay as they are")
        arguments.from_results = True
    book = Book(__file__, "passes on a GPU", arguments, promises)
    for name in book.wanted(*LAYERS):
        model = load_model(f"torchvision:{name}", device="cuda")
        contestants: Contestants = {
            precision: passes(
                replace(model, card=model.card.model_copy(update={"clip_spec": SPEC, "precision": precision})),
                LAYERS[name],
            )
            for precision in PRECISIONS
        }
        found, decoded = book.race(name, contestants, clips=CLIPS), decoded_a_second()
        seconds = found["fp32"]["wall_seconds"]["median"]
        book.note(name, decoded_a_second=decoded, processes=math.ceil(CLIPS / seconds / decoded))


if __name__ == "__main__":
    main()
