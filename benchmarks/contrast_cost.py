"""What a study with contrast and shift costs beside full forward passes of all its clips and one backward a class clip.

    python benchmarks/contrast_cost.py --only swin3d_t

Two concepts of 12 moving clips with frozen twins, 40 random clips, 12 clips of a class, three layers, the default
settings: contrast and shift against the pool and the twins, fidelity, intervals, how many videos overturn a verdict.
The floor passes the same clips in a bare loop: forward, to the end of the network, and for class clips one backward
pass to the first of the layers. Both in turn, in the same process, one thread; compared is the processor's time, which
other work on the machine disturbs less than the clock's.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import torch

from _clips import as_clips
from harness import Book, Cells, Contestants, middle, options, taken
from study_against_floor import CLASS, bare_passes, shares
from validation.targets import Promise, at_most
from videotcav.api import tcav
from videotcav.models.load import load_model
from videotcav.records import ClipSpec

SIDE, FRAMES = 112, 8
LAYERS = {
    "r3d_18": ("layer1", "layer2", "layer3"),
    "swin3d_t": ("features.0", "features.2", "features.4"),
}
CONCEPTS, OF_CONCEPT, POOL, OF_CLASS = 2, 12, 40, 12
SETS = 2 * CONCEPTS * OF_CONCEPT + POOL
"""Clips that go forward only."""


def promises(cells: Cells) -> Iterator[Promise]:
    """Two hundredths above the bare passes at most."""
    for title, cell in cells.items():
        what = f"a study with contrast and shift ÷ its bare passes, processor time, {title}"
        mine, theirs = (
            cell["contestants"][who]["processor_seconds"]["samples"] for who in ("whole study", "bare passes")
        )
        rounds = middle([one / other for one, other in zip(mine, theirs, strict=True)])
        yield Promise(area="speed", what=what, unit="×", target=at_most(1.02), **rounds, **taken(cell))


def main() -> None:
    """A race for each network."""
    book = Book(__file__, "a study with contrast and shift beside its passes", options(__doc__).parse_args(), promises)
    for name in book.wanted(*LAYERS):
        spec = ClipSpec(frames=FRAMES, seconds_between_frames=0.1, height=SIDE, width=SIDE, resize=SIDE)
        model = load_model(f"torchvision:{name}")
        model = replace(model, card=model.card.model_copy(update={"clip_spec": spec}))
        model.module.eval().requires_grad_(False)
        generator = torch.Generator().manual_seed(0)
        shape = (3, spec.frames, spec.height, spec.width)
        sets, of_class = (torch.randn(count, *shape, generator=generator) for count in (SETS, OF_CLASS))
        *parts, random = torch.split(sets, [OF_CONCEPT] * 2 * CONCEPTS + [POOL])
        concepts = {
            f"{number // 2}/{('spatiotemporal', 'frozen')[number % 2]}": as_clips(f"concept {number // 2}", part)
            for number, part in enumerate(parts)
        }
        study = partial(
            tcav,
            model,
            target=CLASS,
            clips=as_clips("class", of_class),
            concepts=concepts,
            random=as_clips("random", random),
            layers=LAYERS[name],
        )
        floor = partial(bare_passes, model, LAYERS[name], sets, of_class)
        contestants: Contestants = {"bare passes": floor, "whole study": study}
        found = book.race(name, contestants, warm_up=book.arguments.repeats > 1, clips=SETS + OF_CLASS)
        walls = [found[who]["wall_seconds"]["samples"] for who in ("whole study", "bare passes")]
        book.note(
            name,
            clock=statistics.median(one / other for one, other in zip(*walls, strict=True)),
            shares=shares(study, called_by="study.tcav"),
        )


if __name__ == "__main__":
    main()
