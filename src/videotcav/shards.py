"""A shard of work: some clips in, their rows in the store out. Any worker can do any shard, and nobody need wait.

A row depends on its clip and its recipe alone, to the bit. Passes therefore always have the same number of clips, the
last one filled up: other sizes make libraries choose other kernels, which round otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from itertools import islice
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from videotcav.engine.local import batched
from videotcav.engine.store import Recipe, Shelf, Store
from videotcav.models.identity import identity
from videotcav.models.model import VideoModel
from videotcav.models.passes import Score, features, gradients, logits
from videotcav.records import Pooling

LOGITS = "logits"
CLIPS_A_SHARD = 32
SHARD_BYTES = 2**25
BATCH_NUMBERS = 2**23
CLIPS_A_PASS = 4
CLIPS_A_PASS_ON_A_GPU = 16

Float32Array = npt.NDArray[np.float32]
T = TypeVar("T")


@dataclass(frozen=True)
class Clip:
    """A clip by its content: `key` says what pixels it has, `name` what messages call it."""

    key: str
    name: str


@dataclass(frozen=True)
class Shard:
    """Clips of one class, or of none, and the rows that the store lacks of them: of these layers, or `LOGITS`."""

    clips: tuple[Clip, ...]
    class_name: str | None
    rows: tuple[str, ...]


@dataclass(frozen=True)
class Passing:
    """How clips are passed: everything but the clips that decides what a row is.

    Attributes:
        model: handed back unchanged.
        pooling: which axes of an activation are averaged.
        score: what is differentiated, the class's logit or its softmax.
    """

    model: VideoModel
    pooling: Pooling
    score: Score = "logit"

    @cached_property
    def clips_a_pass(self) -> int:
        """As `clips_a_pass` of the model."""
        return clips_a_pass(self.model)

    @cached_property
    def common(self) -> dict[str, object]:
        """What the recipes of all rows share."""
        return {
            "model": identity(self.model),
            "clip": self.model.card.clip_spec.model_dump(mode="json"),
            "precision": f"float32, {self.clips_a_pass} clips a pass",
            "versions": {package: version(package) for package in ("videotcav", "av", "numpy")},
        }

    def recipe(self, row: str, class_name: str | None) -> Recipe:
        """Everything that a row of that name depends on besides its clip."""
        if row == LOGITS:
            return {**self.common, "rows": LOGITS}
        of = {"rows": "activations"}
        if class_name is not None:
            of = {"rows": "gradients", "class": str(self.model.class_index(class_name)), "score": self.score}
        return {**self.common, **of, "layer": row, "pooling": self.pooling}

    def shelves(self, store: Store, rows: Iterable[str], class_name: str | None) -> dict[str, Shelf]:
        """Where the store keeps each of these rows."""
        return {row: store.shelf(self.recipe(row, class_name)) for row in rows}

    def compute(self, shard: Shard, pixels: Sequence[Tensor], clips: Sequence[Clip]) -> dict[str, Float32Array]:
        """The rows of at most `clips_a_pass` of the shard's clips, `clip × column` for each name.

        Raises NumericalError naming clip and layer.
        """
        size, layers = self.clips_a_pass, [row for row in shard.rows if row != LOGITS]
        filled = torch.stack([*pixels, *[pixels[-1]] * (size - len(pixels))])
        names = [*(clip.name for clip in clips), *[clips[-1].name] * (size - len(clips))]
        if not layers:
            found = {LOGITS: logits(self.model, filled, clip_names=names)}
        elif shard.class_name is None:
            found = features(self.model, filled, layers, pooling=self.pooling, clip_names=names)
        else:
            index = self.model.class_index(shard.class_name)
            passed = gradients(
                self.model, filled, layers, (index,), pooling=self.pooling, score=self.score, clip_names=names
            )
            found = {**passed.gradients[index], LOGITS: passed.logits}
        return {row: found[row][: len(clips)].cpu().numpy() for row in shard.rows}


def clips_a_pass(model: VideoModel) -> int:
    """How many clips every pass of the model has: more of them would be no faster, and large clips need the memory."""
    spec = model.card.clip_spec
    most = CLIPS_A_PASS if model.device.type == "cpu" else CLIPS_A_PASS_ON_A_GPU
    return max(1, min(most, BATCH_NUMBERS // (3 * spec.frames * spec.height * spec.width)))


def pass_shard(
    passing: Passing, shard: Shard, loaded: Iterable[tuple[Clip, Tensor]], shelves: Mapping[str, Shelf]
) -> int:
    """Puts the rows of the shard's clips on their shelves and says how many clips were passed.

    `loaded` brings the clips that could be read, with their pixels `channel time height width`. Rows wait in memory
    until they make `SHARD_BYTES`, so that a shard of wide rows lies in several files.
    """
    passed, waiting_bytes = 0, 0
    waiting: dict[str, list[Float32Array]] = {row: [] for row in shard.rows}
    clips: list[Clip] = []

    def flush() -> None:
        if clips:
            for row, parts in waiting.items():
                shelves[row].put([clip.key for clip in clips], np.concatenate(parts))
                parts.clear()
            clips.clear()

    for batch in batched(iter(loaded), passing.clips_a_pass):
        some = [clip for clip, _ in batch]
        for row, found in passing.compute(shard, [pixels for _, pixels in batch], some).items():
            waiting[row].append(found)
            waiting_bytes += found.nbytes
        clips += some
        passed += len(some)
        if waiting_bytes >= SHARD_BYTES:
            flush()
            waiting_bytes = 0
    flush()
    return passed


def missing(clips: Iterable[Clip], class_name: str | None, shelves: Mapping[str, Shelf]) -> list[Shard]:
    """The work that is left: clips with rows that are on no shelf, those that lack the same rows together."""
    lacking: dict[tuple[str, ...], dict[str, Clip]] = {}
    for clip in clips:
        if rows := tuple(row for row, shelf in shelves.items() if clip.key not in shelf):
            lacking.setdefault(rows, {}).setdefault(clip.key, clip)
    return [
        Shard(tuple(part), class_name, rows)
        for rows, some in lacking.items()
        for part in _parts(list(some.values()), CLIPS_A_SHARD)
    ]


def _parts(items: Sequence[T], size: int) -> Iterable[list[T]]:
    remaining = iter(items)
    while part := list(islice(remaining, size)):
        yield part
