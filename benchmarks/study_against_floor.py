"""What each further clip of a study on files costs beside its bare passes, and what a study costs whatever its size.

    python benchmarks/study_against_floor.py --only r3d_18

Studies of 64 and 256 clips, each a one-second video: a quarter of one moving concept, half random, a quarter of one
class; three layers, contrast and shift, the default settings. `Study.run` decodes, passes, keeps rows so that a killed
run goes on, asks, and writes results and report into a fresh folder. The floor has the same clips' pixels in memory and
passes them in a bare loop: forward to the end of the network, as contrast needs the scores, and for class clips one
backward pass to the first of the layers; no parameter is differentiated, nothing is kept. All in turn, one thread of
torch, compared by the clock: decoding and writing may use the other core.

A clip more costs the slope between both sizes; what a small study takes beyond its clips' share is the fixed cost. One
more run says where the time goes: passes, inner products, statistics.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from harness import Book, Cells, middle, options, taken
from validation.targets import Promise, at_most
from videotcav.features.extract import clips_a_pass
from videotcav.models.model import VideoModel
from videotcav.study.run import Study
from videotcav.video.write import write_video

LAYERS = {
    "r3d_18": ("layer1", "layer2", "layer3"),
    "swin3d_t": ("features.0", "features.2", "features.4"),
}
FRAMES = 8
SIDES = {"r3d_18": 64, "swin3d_t": 112}
SMALL, LARGE = 64, 256
CLASS = "abseiling"
CALLERS = {"in memory": "study.tcav", "on files": "study.run"}  # modules whose study is timed
PARTS = {  # functions by which a study's time is told apart, as whoever calls them knows them
    "passes": ("features.measure", "_pass"),
    "inner products": ("features.measure", "_grams"),
    "statistics": ("WHO", "answers"),
}


def bare_passes(model: VideoModel, layers: tuple[str, ...], sets: Tensor, of_class: Tensor) -> None:
    """The floor: passes with nothing around them."""
    size, index = clips_a_pass(model), model.class_index(CLASS)
    kept: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[..., Tensor | None]:
        def hook(_module: object, _inputs: object, output: Tensor) -> Tensor | None:
            if not torch.is_grad_enabled():
                return None
            kept[name] = output if output.requires_grad else output.requires_grad_()
            return kept[name].clone()  # residual blocks change their input in place

        return hook

    handles = [model.layer(layer).register_forward_hook(keep(layer)) for layer in layers]
    try:
        with torch.no_grad():
            for part in torch.split(sets, size):
                model.module(part)
        for part in torch.split(of_class, size):
            torch.autograd.grad(model.module(part)[:, index].sum(), [kept[layer] for layer in layers])
    finally:
        for handle in handles:
            handle.remove()


class StudyOnFiles:
    """`Study.run` on so many one-second videos of smooth noise, into a fresh folder each time."""

    def __init__(self, model: str, clips: int, folder: Path) -> None:
        self.folder = folder
        rng = np.random.default_rng(0)
        shares = {"random": 2, "class": 1, "concepts/patch/spatiotemporal": 1}
        for name, quarters in shares.items():
            (folder / name).mkdir(parents=True)
            for number in range(quarters * clips // 4):
                coarse = rng.integers(0, 255, (6, 8, 10, 3), dtype=np.uint8)
                frames = coarse.repeat(5, axis=0).repeat(15, axis=1).repeat(16, axis=2)
                write_video(folder / name / f"{number:03}.mp4", frames, frames_per_second=25)
        study = f"""question = "What does it cost?"
layers = {list(LAYERS[model])}

[model]
name = "torchvision:{model}"

[model.clip]
frames = {FRAMES}
seconds_between_frames = 0.1
height = {SIDES[model]}
width = {SIDES[model]}
resize = {SIDES[model]}

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
    contestants: dict[str, Callable[[], object]] = {}
    studies = {clips: StudyOnFiles(title, clips, folder / str(clips)) for clips in (SMALL, LARGE)}
    for clips, study in studies.items():
        model = study.study.model
        model.module.eval().requires_grad_(False)
        generator = torch.Generator().manual_seed(0)
        pixels = torch.randn(clips, 3, FRAMES, SIDES[title], SIDES[title], generator=generator)
        sets, of_class = torch.split(pixels, [clips - clips // 4, clips // 4])
        contestants[f"bare passes, {clips}"] = partial(bare_passes, model, LAYERS[title], sets, of_class)
        contestants[f"study, {clips}"] = study
    book.race(title, contestants, warm_up=book.arguments.repeats > 1)
    studies[SMALL].prepare()
    book.note(title, shares=shares(studies[SMALL], called_by=CALLERS["on files"]))


def promises(cells: Cells) -> Iterator[Promise]:
    """A twentieth above the bare passes a clip at most, and a second a study."""
    for title, cell in cells.items():
        seconds = {who: row["wall_seconds"]["samples"] for who, row in cell["contestants"].items()}
        sizes = tuple(
            zip(seconds[f"{who}, {SMALL}"], seconds[f"{who}, {LARGE}"], strict=True) for who in ("study", "bare passes")
        )
        slopes, floors = ([(large - small) / (LARGE - SMALL) for small, large in rounds] for rounds in sizes)
        rounds = middle([slope / floor for slope, floor in zip(slopes, floors, strict=True)])
        what = f"each further clip of a study on files ÷ its bare full passes, seconds, {title}"
        yield Promise(area="speed", what=what, unit="×", target=at_most(1.05), **rounds, **taken(cell))
        fixed = [small - SMALL * slope for small, slope in zip(seconds[f"study, {SMALL}"], slopes, strict=True)]
        what = f"fixed cost of a study on files, {title}"
        yield Promise(area="speed", what=what, unit="s", target=at_most(1.0), **middle(fixed), **taken(cell))


def main() -> None:
    """Runs the cells that are asked for."""
    book = Book(
        __file__, "further clips of a study on files beside their passes", options(__doc__).parse_args(), promises
    )
    for title in book.wanted(*LAYERS):
        with tempfile.TemporaryDirectory() as scratch:
            take(book, title, Path(scratch))


if __name__ == "__main__":
    main()
