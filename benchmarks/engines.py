"""What an engine costs beside the passes: Ray against local, and two workers against one, on clips of 16 × 112 × 112.

Every contestant passes the same clips into a new store, up to the first stage of torchvision's r3d_18, one thread a
worker, once with few clips and once with many. What more clips take is told apart from what a cluster's actors take to
start, which a study pays once, however many clips and phases it has. Then what each phase of work on one engine waits
for: the first, one whose worker is light, one that brings another model.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from harness import Book, Cells, options, taken
from validation.targets import Promise, at_most
from videotcav.engine.local import Engine, here
from videotcav.engine.on_ray import OnRay
from videotcav.engine.store import Store
from videotcav.features.extract import CLIPS_A_SHARD
from videotcav.features.measure import ClipFile, ClipReader, measure
from videotcav.models.load import load_model
from videotcav.models.model import VideoModel

FEW, MANY = 2 * CLIPS_A_SHARD, 6 * CLIPS_A_SHARD  # as many shards for each of two workers
LAYERS = ("layer1",)
REPEATS = 3
FIRST, FURTHER = 10.0, 1.0
"""Seconds."""


def draw(path: Path, _class_name: str | None) -> Tensor:
    """Random pixels of a seed that the file holds."""
    return torch.randn(3, 16, 112, 112, generator=torch.Generator().manual_seed(int(path.read_text())))


@dataclass(frozen=True)
class Passes:
    """All clips through the model, on an engine, into an empty store."""

    model: VideoModel
    files: tuple[ClipFile, ...]
    engine: Engine

    def __call__(self) -> None:
        """Passes and multiplies."""
        ends = self.engine if isinstance(self.engine, OnRay) else nullcontext()  # its actors hold cores others want
        with ends, tempfile.TemporaryDirectory() as folder:
            measure(
                self.model,
                ClipReader({None: self.files}, draw),
                classes=(),
                layers=LAYERS,
                pooling="space",
                store=Store(folder),
                engine=self.engine,
            )


@dataclass(frozen=True)
class Light:
    """Numbers as they are; `model` only travels along."""

    model: VideoModel | None = None

    def __call__(self, items: Iterable[int]) -> Iterator[int]:
        """Each of them."""
        yield from items


def promises(cells: Cells) -> Iterator[Promise]:
    """A twentieth above the passes at most, a clip; ten seconds to begin, and one for each further phase."""
    if cell := cells.get("phases"):
        for phase, seconds in cell["findings"].items():
            limit = FIRST if phase == "the first" else FURTHER
            what = f"Ray, 1 worker: {phase} phase of work on an engine, seconds"
            yield Promise(area="scale", what=what, unit="s", target=at_most(limit), value=seconds, n=1, **taken(cell))
    if cell := cells.get("passes"):
        yield Promise(
            area="scale",
            what="a further clip, Ray with 1 worker ÷ the local engine, seconds",
            unit="×",
            target=at_most(1.05),
            value=cell["findings"]["ray_to_local"],
            n=len(next(iter(cell["contestants"].values()))["wall_seconds"]["samples"]),
            **taken(cell),
        )


def main() -> None:
    """One race; the ratios are of what each further clip takes."""
    parser = options(__doc__)
    parser.set_defaults(repeats=REPEATS)
    parser.add_argument("--clips", nargs=2, type=int, default=(FEW, MANY), metavar=("FEW", "MANY"))
    arguments = parser.parse_args()
    book = Book(__file__, "What an engine costs beside the passes", arguments, promises, packages=("ray",))
    model = load_model("torchvision:r3d_18")
    few, many = arguments.clips
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for number in range(many):
            path = Path(folder) / str(number)
            path.write_text(str(number))
            files.append(ClipFile(path=path, source=str(number)))
        engines: dict[str, Engine] = {
            "local": here,
            "Ray, 1 worker": OnRay(workers=1),
            "Ray, 2 workers": OnRay(workers=2),
        }
        contestants = {
            f"{name}, {count} clips": Passes(model, tuple(files[:count]), engine)
            for name, engine in engines.items()
            for count in arguments.clips
        }
        for title in book.wanted("phases"):
            phases = {"the first": Light(), "a light": Light(), "another model's": Light(model)}
            waited = {}
            with OnRay(workers=1) as engine:
                for phase, worker in phases.items():
                    started = time.perf_counter()
                    list(engine(worker, [1, 2]))
                    waited[phase] = time.perf_counter() - started
            book.note(title, **waited)
        for title in book.wanted("passes"):
            list(OnRay(workers=1)(iter, [1]))  # begins the cluster, which all later ones find
            found = book.race(title, contestants, warm_up=False, few=few, many=many)
            walls = {name: row["wall_seconds"]["median"] for name, row in found.items()}
            a_clip = {
                name: (walls[f"{name}, {many} clips"] - walls[f"{name}, {few} clips"]) / (many - few)
                for name in engines
            }
            book.note(
                title,
                seconds_a_clip=a_clip,
                seconds_to_start={name: walls[f"{name}, {few} clips"] - few * a_clip[name] for name in engines},
                ray_to_local=a_clip["Ray, 1 worker"] / a_clip["local"],
                two_workers_to_one=a_clip["Ray, 1 worker"] / a_clip["Ray, 2 workers"],
            )


if __name__ == "__main__":
    main()
