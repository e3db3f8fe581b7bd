"""What the statistics of very many tests take beside the passes: contrast and shift of many concepts and classes.

    python benchmarks/many_classes.py --only "100 classes"

Sets of 30 clips from 30 videos, 60 random clips, 30 clips a class, three layers, the default settings. Scores and inner
products are made up: one concept in ten moves a tenth of the classes by a standard deviation, all else moves nothing.
The passes are those of r3d_18 at 8 × 112 × 112, one thread: 16 clips forward and 16 forward and backward are timed in
the same run, and multiplied.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch

from harness import MEBIBYTE, Book, Cells, options, taken
from validation.targets import Promise, at_most
from videotcav.explain.cavs.gram import Gram
from videotcav.explain.design.design import ConceptRows, Design
from videotcav.explain.design.draws import GramRows
from videotcav.explain.design.settings import AnalysisSettings
from videotcav.explain.questions.all import answers
from videotcav.explain.questions.contrast import ClipScores
from videotcav.features.extract import clips_a_pass
from videotcav.models.load import load_model
from videotcav.models.passes import forward, gradients
from videotcav.records import ClipSpec

CLIPS, POOL, LAYERS, TIMED = 30, 60, 3, 16
SIZES = {"20 concepts × 100 classes": (20, 100), "100 concepts × 400 classes": (100, 400)}


def promises(cells: Cells) -> Iterator[Promise]:
    """A fifth of the passes' time at most."""
    for title, cell in cells.items():
        found = cell["findings"]
        yield Promise(
            area="scale",
            what=f"statistics ÷ passes of r3d_18, processor time, {title} × 3 layers",
            unit="×",
            target=at_most(0.2),
            value=found["statistics_seconds"] / found["passes_seconds"],
            n=found["tests"],
            **taken(cell),
        )


def made_up(concepts: int, classes: int) -> tuple[dict[str, Gram], Design, ClipScores]:
    """What a study of this size would have measured."""
    draw = np.random.default_rng(0)
    n, m = concepts * CLIPS + POOL, classes * CLIPS

    def rows(start: int, count: int, name: str) -> GramRows:
        return GramRows(np.arange(start, start + count), tuple(f"{name}-{number}" for number in range(count)))

    sets = tuple(
        ConceptRows(f"c{k}", "spatial", tuple(map(str, range(CLIPS))), rows(k * CLIPS, CLIPS, f"c{k}"))
        for k in range(concepts)
    )
    design = Design(
        sets,
        rows(concepts * CLIPS, POOL, "random"),
        {f"k{k}": rows(k * CLIPS, CLIPS, f"k{k}") for k in range(classes)},
        layers=LAYERS,
        settings=AnalysisSettings(),
    )
    scores = draw.standard_normal((n, classes))
    scores[: concepts * CLIPS // 10, : classes // 10] += 1
    kernel, own = (np.broadcast_to(np.nan, (size, size)) for size in (n, m))
    grams = {f"layer {number}": Gram(kernel, draw.standard_normal((m, n)), own) for number in range(LAYERS)}
    return grams, design, ClipScores(scores, scores > 1)


def seconds_a_clip() -> tuple[float, float]:
    """Processor seconds of one clip forward, and forward and backward."""
    spec = ClipSpec(frames=8, seconds_between_frames=0.1, height=112, width=112, resize=112)
    model = load_model("torchvision:r3d_18")
    model = replace(model, card=model.card.model_copy(update={"clip_spec": spec}))
    layers = ("layer1", "layer2", "layer3")
    pixels = torch.randn(clips_a_pass(model), 3, spec.frames, spec.height, spec.width)

    def timed(work: Callable[[], object]) -> float:
        work()
        began = time.process_time()
        for _ in range(TIMED // len(pixels)):
            work()
        return (time.process_time() - began) / TIMED

    return (
        timed(lambda: forward(model, pixels, layers, pooling="none")),
        timed(lambda: gradients(model, pixels, layers, (0,), pooling="none")),
    )


def main() -> None:
    """The statistics of each size, beside the passes that it would take."""
    book = Book(__file__, "statistics of very many tests beside the passes", options(__doc__).parse_args(), promises)
    for title in book.wanted(*SIZES):
        concepts, classes = SIZES[title]
        one_way, both_ways = seconds_a_clip()
        grams, design, scores = made_up(concepts, classes)
        began = time.process_time()
        results = answers(grams, design, scores=scores)
        book.note(
            title,
            statistics_seconds=time.process_time() - began,
            passes_seconds=one_way * (concepts * CLIPS + POOL) + both_ways * classes * CLIPS,
            tests=len(results),
            peak_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MEBIBYTE,
        )


if __name__ == "__main__":
    main()
