"""What an engine costs beside the passes: Ray against local, and two workers against one, on clips of 16 × 112 × 112.

Every contestant passes the same clips into a new store, up to the first stage of torchvision's r3d_18.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from harness import Book, options
from videotcav.engine.local import Engine, here
from videotcav.engine.on_ray import OnRay
from videotcav.engine.store import Store
from videotcav.measure import ClipFile, ClipReader, measure
from videotcav.models.load import load_model
from videotcav.models.model import VideoModel

CLIPS = 32
LAYERS = ("layer1",)


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
        with tempfile.TemporaryDirectory() as folder:
            reader = ClipReader({None: self.files}, draw)
            measure(
                self.model,
                reader,
                classes=(),
                layers=LAYERS,
                pooling="space",
                store=Store(folder),
                engine=self.engine,
            )


def main() -> None:
    """One race of three; what Ray takes to start is noted beside it."""
    arguments = options(__doc__).parse_args()
    book = Book(__file__, "What an engine costs beside the passes", arguments, packages=("ray",))
    model = load_model("torchvision:r3d_18")
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for number in range(CLIPS):
            path = Path(folder) / str(number)
            path.write_text(str(number))
            files.append(ClipFile(path=path, source=str(number)))
        engines = {"local": here, "ray, 1 worker": OnRay(workers=1), "ray, 2 workers": OnRay(workers=2)}
        contestants = {name: Passes(model, tuple(files), engine) for name, engine in engines.items()}
        for title in book.wanted("passes"):
            started = time.perf_counter()
            list(OnRay(workers=1)(iter, [1]))
            start_up = time.perf_counter() - started
            book.race(title, contestants, warm_up=False, clips=CLIPS)
            book.note(title, start_up_seconds=start_up)


if __name__ == "__main__":
    main()
