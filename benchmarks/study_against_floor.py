"""What a whole study costs beside the same forward and backward passes in a bare loop.

    python benchmarks/study_against_floor.py --only "swin3d_t, in memory"

One concept of 12 clips, a pool of 40 random clips, 12 clips of one class, three layers, classic scores: ridge, 20
random sets, 999 pseudo-concepts a layer, intervals, accuracies, verdicts. `contrast_cost.py` times contrast and shift.
The floor is what nobody can do without:

- bare passes: for every concept and random clip the model's forward pass, for every class clip a forward and a
  backward pass to the first of the layers; no parameter is differentiated, nothing is kept.
- bare passes that stop: the same, but passes of concept and random clips end behind the last of the layers, as ours do.

One more run says where the time of a study goes: passes, inner products, statistics.

Ours is `tcav` on clips in memory, and `Study.run` on files: decoding, rows kept so that a killed run goes on, results,
report. For files the clips are one-second videos, and the floor has their pixels in memory.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from _clips import as_clips
from harness import Book, Cells, counted, middle, options, ratios, taken
from validation.targets import Promise, at_most
from videotcav.api import tcav
from videotcav.explain.design.settings import AnalysisSettings
from videotcav.features.extract import clips_a_pass
from videotcav.models.load import load_model
from videotcav.models.model import VideoModel
from videotcav.records import ClipSpec
from videotcav.study.run import Study
from videotcav.video.write import write_video

MODELS = {
    "r3d_18": (
        ("layer1", "layer2", "layer3"),
        ClipSpec(frames=8, seconds_between_frames=0.1, height=64, width=64, resize=64),
    ),
    "swin3d_t": (
        ("features.0", "features.2", "features.4"),
        ClipSpec(frames=16, seconds_between_frames=0.05, height=112, width=112, resize=112),
    ),
}
CONCEPT, POOL, CLASS_CLIPS = 12, 40, 12
CLASS = "abseiling"
CALLERS = {"in memory": "study.tcav", "on files": "study.run"}  # modules whose study is timed
PARTS = {  # functions by which a study's time is told apart, as whoever calls them knows them
    "passes": ("features.measure", "_pass"),
    "inner products": ("features.measure", "_grams"),
    "statistics": ("WHO", "answers"),
}


class _Enough(Exception):
    """The last layer has run."""


def bare_passes(model: VideoModel, layers: tuple[str, ...], sets: Tensor, of_class: Tensor, *, stop: bool) -> object:
    """The floor: passes with nothing around them."""
    size, index = clips_a_pass(model), model.class_index(CLASS)
    kept: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[..., Tensor | None]:
        def hook(_module: object, _inputs: object, output: Tensor) -> Tensor | None:
            if not torch.is_grad_enabled():
                if stop and name == layers[-1]:
                    raise _Enough
                return None
            kept[name] = output if output.requires_grad else output.requires_grad_()
            return kept[name].clone()  # residual blocks change their input in place

        return hook

    handles = [model.layer(layer).register_forward_hook(keep(layer)) for layer in layers]
    try:
        with torch.no_grad():
            for part in torch.split(sets, size):
                try:
                    model.module(part)
                except _Enough:
                    continue
        for part in torch.split(of_class, size):
            torch.autograd.grad(model.module(part)[:, index].sum(), [kept[layer] for layer in layers])
    finally:
        for handle in handles:
            handle.remove()
    return None


class StudyOnFiles:
    """`Study.run` on one-second videos of smooth noise, in a fresh folder each time."""

    def __init__(self, model: str, spec: ClipSpec, layers: tuple[str, ...], folder: Path) -> None:
        self.folder = folder
        rng = np.random.default_rng(0)
        for name, count in (("random", POOL), ("class", CLASS_CLIPS), ("concepts/patch/spatiotemporal", CONCEPT)):
            (folder / name).mkdir(parents=True)
            for number in range(count):
                coarse = rng.integers(0, 255, (6, 8, 10, 3), dtype=np.uint8)
                frames = coarse.repeat(5, axis=0).repeat(15, axis=1).repeat(16, axis=2)
                write_video(folder / name / f"{number:03}.mp4", frames, frames_per_second=25)
        study = f"""question = "What does it cost?"
layers = {list(layers)}

[model]
name = "torchvision:{model}"

[model.clip]
frames = {spec.frames}
seconds_between_frames = {spec.seconds_between_frames}
height = {spec.height}
width = {spec.width}
resize = {spec.height}

[tests]
scores = "classic"

[concepts]
folder = "concepts"

[random]
folder = "random"

[classes.{CLASS}]
videos = ["class"]
"""
        (folder / "study.toml").write_text(study, encoding="utf-8")
        self.study = Study.from_file(folder / "study.toml")

    def prepare(self) -> None:
        """No earlier run."""
        shutil.rmtree(self.folder / "run", ignore_errors=True)

    def __call__(self) -> object:
        """The results."""
        return self.study.run(self.folder / "run")


class StudyInMemory:
    """`tcav` on clips that lie in memory."""

    def __init__(self, model: VideoModel, layers: tuple[str, ...], sets: Tensor, of_class: Tensor) -> None:
        self.model = model
        self.layers = layers
        concept, random = torch.split(sets, [CONCEPT, POOL])
        self.concepts, self.random = {"patch": as_clips("concept", concept)}, as_clips("random", random)
        self.of_class = as_clips("class", of_class)

    def __call__(self) -> object:
        """The results."""
        return tcav(
            self.model,
            target=CLASS,
            clips=self.of_class,
            concepts=self.concepts,
            random=self.random,
            layers=self.layers,
            settings=AnalysisSettings(scores="classic"),
        )


def part_of(where: str, *, called_by: str) -> ModuleType:
    """The module in which a part is looked up."""
    return import_module(f"videotcav.{where.replace('WHO', called_by)}")


def shares(study: Callable[[], object], *, called_by: str) -> dict[str, float]:
    """The share of a study's time that each part of it takes; decoding, writing and the report are the rest."""
    seconds = dict.fromkeys(PARTS, 0.0)

    def timed(part: str, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        start = time.perf_counter()
        try:
            return function(*arguments, **options)
        finally:
            seconds[part] += time.perf_counter() - start

    with ExitStack() as stack:
        for part, (where, name) in PARTS.items():
            module = part_of(where, called_by=called_by)
            stack.enter_context(patch.object(module, name, partial(timed, part, getattr(module, name))))
        start = time.perf_counter()
        study()
        whole = time.perf_counter() - start
    return {part: took / whole for part, took in seconds.items()}


def take(book: Book, title: str, folder: Path) -> None:
    """One cell; `folder` is free to use."""
    name, where = title.split(", ")
    layers, spec = MODELS[name]
    generator = torch.Generator().manual_seed(0)
    shape = (3, spec.frames, spec.height, spec.width)
    sets, of_class = (torch.randn(count, *shape, generator=generator) for count in (CONCEPT + POOL, CLASS_CLIPS))
    whole: Callable[[], object]
    if where == "on files":
        whole = StudyOnFiles(name, spec, layers, folder)
        model = whole.study.model
    else:
        card = load_model(f"torchvision:{name}").card.model_copy(update={"clip_spec": spec})
        model = replace(load_model(f"torchvision:{name}"), card=card)
        whole = StudyInMemory(model, layers, sets, of_class)
    model.module.eval().requires_grad_(False)
    contestants = {
        "bare passes": lambda: bare_passes(model, layers, sets, of_class, stop=False),
        "bare passes that stop": lambda: bare_passes(model, layers, sets, of_class, stop=True),
        "whole study": whole,
    }
    with counted(model.module) as passes:
        found = book.race(title, contestants, meters=passes.meters, warm_up=book.arguments.repeats > 1)
    walls = {who: np.array(row["wall_seconds"]["samples"]) for who, row in found.items()}
    study = walls.pop("whole study")
    if isinstance(whole, StudyOnFiles):
        whole.prepare()
    book.note(
        title,
        **{f"study ÷ {who}": float(np.median(study / wall)) for who, wall in walls.items()},
        shares=shares(whole, called_by=CALLERS[where]),
    )


def promises(cells: Cells) -> Iterator[Promise]:
    """A tenth above the bare passes at most."""
    for title, cell in cells.items():
        what = f"a whole study ÷ its bare passes, seconds, {title}"
        rounds = middle(ratios(cell, "whole study", "bare passes"))
        yield Promise(area="speed", what=what, unit="×", target=at_most(1.1), **rounds, **taken(cell))


def main() -> None:
    """Runs the cells that are asked for."""
    book = Book(__file__, "a whole study beside its bare passes", options(__doc__).parse_args(), promises)
    titles = [f"{name}, {where}" for name in MODELS for where in ("in memory", "on files")]
    for title in book.wanted(*titles):
        with tempfile.TemporaryDirectory() as scratch:
            take(book, title, Path(scratch))


if __name__ == "__main__":
    main()
