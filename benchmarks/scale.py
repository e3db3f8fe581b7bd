"""What studies cost as they grow: the cost model against measured runs, and the memory of runs of their own processes.

The page docs/scale.md is written from the results by benchmarks/pages/scale_page.py.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from harness import MEBIBYTE, Book, Cells, middle, options, taken
from validation.targets import Promise, at_most, between
from videotcav.engine.local import Engine, here
from videotcav.engine.on_ray import OnRay
from videotcav.engine.store import Store
from videotcav.features.extract import clips_a_pass
from videotcav.features.measure import ClipFile, ClipReader, measure
from videotcav.models.load import load_model
from videotcav.models.model import VideoModel
from videotcav.planted.render import render_demo
from videotcav.records import ClipSpec, ModelCard
from videotcav.study.cost_model import rates
from videotcav.study.demo import cut_concepts
from videotcav.study.plan import plan_study
from videotcav.study.run import Study

LITTLE_MEMORY_BYTES = 2**26
CLIPS = (100, 500, 2000)
WIDTHS = (50_000, 500_000, 5_000_000)
CLIPS_OF_WIDTHS = 40
CHANNELS = 16
FRAMES = 4
CLASS_SHARE = 5  # one clip in so many is a class clip
GIVEN_BACK = "memory given back"


class Wide(nn.Module):
    """A layer as wide as the clip is large, and next to no arithmetic."""

    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Conv3d(3, CHANNELS, 1)
        self.head = nn.Linear(CHANNELS, 2)

    def forward(self, pixels: Tensor) -> Tensor:
        """Clips to logits."""
        logits: Tensor = self.head(torch.tanh(self.wide(pixels)).mean(dim=(2, 3, 4)))
        return logits


def wide_model(width: int) -> VideoModel:
    """A model whose layer `wide` has about `width` activations."""
    side = max(1, round((width / (CHANNELS * FRAMES)) ** 0.5))
    spec = ClipSpec(frames=FRAMES, seconds_between_frames=0.1, height=side, width=side, resize=side)
    torch.manual_seed(0)
    return load_model(Wide(), card=ModelCard(name="wide", clip_spec=spec, classes=("a", "b")))


def clips_in_files(model: VideoModel, clips: int, folder: Path) -> ClipReader:
    """Clips that are drawn from the number in a file, not decoded; one of `CLASS_SHARE` is a class clip."""
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str | None, list[ClipFile]] = {None: [], model.card.classes[0]: []}
    for number in range(clips):
        path = folder / str(number)
        path.write_text(str(number))
        files[None if number % CLASS_SHARE else model.card.classes[0]].append(ClipFile(path=path, source=""))
    spec = model.card.clip_spec

    def draw(path: Path, _class_name: str | None) -> Tensor:
        generator = torch.Generator().manual_seed(int(path.read_text()))
        return torch.randn(3, spec.frames, spec.height, spec.width, generator=generator)

    return ClipReader(files, draw)


def study(
    model: VideoModel, clips: int, layers: tuple[str, ...], folder: Path, *, memory_bytes: int
) -> dict[str, float]:
    """Seconds and bytes written of `measure`."""
    reader, store = clips_in_files(model, clips, folder), Store(folder / "store")
    started = time.perf_counter()
    measure(
        model,
        reader,
        classes=model.card.classes[:1],
        layers=layers,
        pooling="none",
        store=store,
        memory_bytes=memory_bytes,
    )
    return {"seconds": time.perf_counter() - started, "bytes_written": store.bytes_written}


def planned_and_run(folder: Path, engine: Engine) -> dict[str, object]:
    """A study, first planned with this machine timed, then run, on an engine of one worker."""
    told = plan_study(Study.from_file(folder / "study.toml"))
    with tempfile.TemporaryDirectory(dir=folder) as target:
        started = time.perf_counter()
        Study.from_file(folder / "study.toml").run(Path(target) / "run", engine=engine)
        seconds = time.perf_counter() - started
    return {"planned_seconds": told.cost.elapsed(), "stages": told.cost.seconds, "measured_seconds": seconds}


def warm(engine: OnRay) -> OnRay:
    """The engine with its worker begun, which a cluster pays once."""
    list(engine(iter, [1]))
    return engine


def peak(clips: int, width: int, *, gives_back: bool = False) -> dict[str, float]:
    """Peak resident memory of such a study in a process of its own, and of one bare pass in another.

    With `gives_back` the C library hands freed memory back at once; by default glibc keeps some for later.
    """
    found: list[dict[str, float]] = []
    for what in ("--alone", "--one-pass"):
        command = [sys.executable, __file__, what, str(clips), str(width)]
        env = os.environ | ({"MALLOC_TRIM_THRESHOLD_": str(2**20)} if gives_back else {})
        told = subprocess.run(command, check=True, capture_output=True, text=True, env=env)  # noqa: S603 - this script
        found.append(json.loads(told.stdout))
    whole, bare = found
    return {**whole, "pass_bytes": bare["peak_bytes"] - bare["before_bytes"]}


def bare_pass(model: VideoModel) -> dict[str, float]:
    """A forward and a backward pass of as many clips as a study passes at once, with nothing around them."""
    kept: list[Tensor] = []
    model.module.requires_grad_(False)
    model.layer("wide").register_forward_hook(lambda _module, _inputs, output: kept.append(output.requires_grad_()))
    spec = model.card.clip_spec
    logits = model.module(torch.randn(clips_a_pass(model), 3, spec.frames, spec.height, spec.width))
    torch.autograd.grad(logits[:, 0].sum(), kept)
    return {}


def alone(clips: int, width: int, *, one_pass: bool) -> None:
    """What the process that measures itself does."""
    torch.set_num_threads(1)
    model = wide_model(width)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    with tempfile.TemporaryDirectory() as folder:
        taken = (
            bare_pass(model)
            if one_pass
            else study(model, clips, ("wide",), Path(folder), memory_bytes=LITTLE_MEMORY_BYTES)
        )
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"clips": clips, "width": width, "before_bytes": before, "peak_bytes": after, **taken}))


def promises(cells: Cells) -> Iterator[Promise]:
    """What is planned comes true; memory stays within the budget beside the model and its passes, at the most clips and
    the widest rows.
    """
    if cell := cells.get("cost model"):
        for name, runs in cell["findings"]["runs"].items():
            yield Promise(
                area="scale",
                what=f"a study with edits and maps, planned ÷ measured, seconds, {name}",
                unit="×",
                target=between(0.85, 1.15),
                **middle([run["planned_seconds"] / run["measured_seconds"] for run in runs]),
                **taken(cell),
            )
    for title in ("memory over clips", "memory over width", GIVEN_BACK):
        if title not in cells:
            continue
        how = ", freed memory handed back at once" if title == GIVEN_BACK else ""
        found = cells[title]["findings"]
        run, budget = found["runs"][-1], found["budget_bytes"] / MEBIBYTE
        yield Promise(
            area="scale",
            what=f"memory above the start and a bare pass, {run['clips']:,} clips of {run['width']:,} activations, "
            f"--memory {budget:.0f}MiB{how}",
            unit="MiB",
            target=at_most(budget),
            value=(run["peak_bytes"] - run["before_bytes"] - run["pass_bytes"]) / MEBIBYTE,
            n=1,
            **taken(cells[title]),
        )


def main() -> None:
    """Runs the cells that are asked for."""
    parser = options(__doc__)
    parser.add_argument("--alone", nargs=2, type=int, metavar=("CLIPS", "WIDTH"), help="one run, in this process")
    parser.add_argument("--one-pass", nargs=2, type=int, metavar=("CLIPS", "WIDTH"), help="one pass, in this process")
    arguments = parser.parse_args()
    if arguments.alone or arguments.one_pass:
        alone(*(arguments.alone or arguments.one_pass), one_pass=not arguments.alone)
        return
    book = Book(__file__, "What studies cost as they grow", arguments, promises)
    for title in book.wanted("cost model"):
        with tempfile.TemporaryDirectory() as folder, OnRay(workers=1) as ray:
            render_demo(Path(folder))
            cut_concepts(Path(folder))
            engines: dict[str, Engine] = {"local": here, "Ray, 1 worker": warm(ray)}
            runs = {
                name: [planned_and_run(Path(folder), engine) for _ in range(book.arguments.repeats)]
                for name, engine in engines.items()
            }
        book.note(title, runs=runs)
    for title in book.wanted("memory over clips"):
        book.note(title, budget_bytes=LITTLE_MEMORY_BYTES, runs=[peak(clips, WIDTHS[0]) for clips in CLIPS])
    for title in book.wanted("memory over width"):
        book.note(title, budget_bytes=LITTLE_MEMORY_BYTES, runs=[peak(CLIPS_OF_WIDTHS, width) for width in WIDTHS])
    for title in book.wanted(GIVEN_BACK):
        widest = peak(CLIPS_OF_WIDTHS, WIDTHS[-1], gives_back=True)
        book.note(title, budget_bytes=LITTLE_MEMORY_BYTES, runs=[widest])
    for title in book.wanted("rates of swin3d_b"):
        model = load_model("torchvision:swin3d_b")
        layers = model.card.default_layers
        shapes = {info.name: info.shape for info in model.layers()}
        widths = {layer: torch.Size(shapes[layer][1:]).numel() for layer in layers}
        book.note(title, widths=widths, rates=rates(model, layers, pooling="none").model_dump())


if __name__ == "__main__":
    main()
