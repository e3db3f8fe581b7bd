"""Whether verdicts in half the precision agree with those of fp32: networks that are trained, one study each.

    python benchmarks/precision.py --device cuda --only bf16

Sets of planted scenes: three motions, two shapes, a background, none; 40 clips each, 80 random ones, 16 of each of two
classes. Each study is asked anew in bf16 and fp16 (autocast) of the same clips, and every verdict of contrast and shift
is held against the one in fp32. How far an effect moves is in its own unit, σ of the class's score.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch

from _clips import as_clips
from harness import Book, Cells, options, taken
from validation.proof.shares import ends, rate
from validation.proof.training import NETWORKS, jobs, trained
from validation.targets import Promise
from videotcav.api import tcav
from videotcav.models.load import load_model
from videotcav.models.model import VideoModel
from videotcav.planted.factors import sample_scene
from videotcav.planted.scenes import render
from videotcav.records import Precision, Result
from videotcav.video.clips import Clips, preprocess

OF_CONCEPT, POOL, OF_CLASS = 40, 80, 16
CONCEPTS = (
    *({"motion": name} for name in ("swing", "slide", "jump")),
    *({"shape": name} for name in ("racket", "key")),
    {"background": "plain"},
    {},
)
HALVES: tuple[Precision, ...] = ("bf16", "fp16")
OF_PROOF = {f"{job.architecture}, {job.rule}": job for job in jobs() if job.seed == 0}
MODELS = ("planted:swin", "cnn, motion", "cnn, shape")


def promises(cells: Cells) -> Iterator[Promise]:
    """How many verdicts agree; nothing is promised of it."""
    for title, cell in cells.items():
        found = cell["findings"]
        what = f"verdicts that agree with fp32, {title} ({found['decided']} are effects)"
        yield Promise(
            area="statistics", what=what, unit="%", **ends(rate(found["agree"], found["verdicts"])), **taken(cell)
        )


@cache
def asked(name: str, device: str) -> VideoModel:
    """A trained network."""
    model = load_model(name) if name not in OF_PROOF else trained(OF_PROOF[name], NETWORKS)[0]
    return replace(model, module=model.module.to(device))


def scenes(model: VideoModel, count: int, stream: int, **factors: Any) -> Clips:
    """Films of scenes that have these factors, everything else at random."""
    spec, rng = model.card.clip_spec, np.random.default_rng([7, stream])
    size: dict[str, Any] = {"height": spec.height, "width": spec.width, "frames": spec.frames}
    films = (
        render(sample_scene(rng, class_name=str(factors.get("motion", "")) or None, **factors), **size)
        for _ in range(count)
    )
    return as_clips(f"{stream}", torch.stack([preprocess(film, spec) for film in films]))


@cache
def study(name: str, device: str, precision: Precision) -> tuple[Result, ...]:
    """The rows of contrast and shift."""
    model = asked(name, device)
    model = replace(model, card=model.card.model_copy(update={"precision": precision}))
    found = tcav(
        model,
        clips={each: scenes(model, OF_CLASS, 50 + place) for place, each in enumerate(model.card.classes[:2])},
        concepts={
            "-".join(factors.values()) or "nothing": scenes(model, OF_CONCEPT, place, **factors)
            for place, factors in enumerate(CONCEPTS)
        },
        random=scenes(model, POOL, 99),
        layers=model.card.default_layers,
    )
    return tuple(found)


def main() -> None:
    """Each network in each half precision beside fp32."""
    parser = options(__doc__)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    book = Book(__file__, "verdicts in half the precision beside fp32", arguments, promises)
    titles = {f"{name}, {half}, {arguments.device}": (name, half) for name in MODELS for half in HALVES}
    for title in book.wanted(*titles):
        name, half = titles[title]
        full, halved = (study(name, arguments.device, precision) for precision in ("fp32", half))
        pairs = list(zip(full, halved, strict=True))
        book.note(
            title,
            verdicts=len(pairs),
            decided=sum(one.verdict in {"positive", "negative"} for one in full),
            agree=sum(one.verdict == other.verdict for one, other in pairs),
            opposite=sum({one.verdict, other.verdict} == {"positive", "negative"} for one, other in pairs),
            moved=max(abs(one.value - other.value) for one, other in pairs if one.statistic == "contrast"),
        )


if __name__ == "__main__":
    main()
