"""Clips in, Gram blocks out: every clip passes the model once, every row is read once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import Tensor, stack

from videotcav.engine.local import batched, load_ahead
from videotcav.engine.rows import Rows
from videotcav.errors import NotEnoughData, VideoError, VideosError
from videotcav.explain.gram import Gram, gram
from videotcav.models.model import VideoModel
from videotcav.models.passes import Score, features, gradients
from videotcav.records import Pooling, Progress, Record, silent

DEFAULT_MEMORY_BYTES = 2 * 2**30
BLOCK_BYTES = 2**27
BATCH_NUMBERS = 2**23


class ClipFile(Record):
    """A video that is one clip of a study; `source` is the video or scene that it was cut from."""

    path: Path
    source: str

    @property
    def name(self) -> str:
        """What messages call it."""
        return str(self.path)


@dataclass(frozen=True)
class Batch:
    """Clips for one pass: names for messages, pixels `clip channel time height width`.

    `class_name` is the class whose score is explained on them; None for concept and random clips.
    """

    names: tuple[str, ...]
    pixels: Tensor
    class_name: str | None = None


@dataclass(frozen=True)
class Measured:
    """What the statistics need of the passes.

    `grams[layer]` has the set clips as its rows and the clips of all classes, one class after the other, as its
    gradients; `probabilities[class]` is `clip × class`, the softmax of the logits of that class's clips.
    """

    grams: Mapping[str, Gram]
    probabilities: Mapping[str, npt.NDArray[np.float64]]


@dataclass
class ClipReader:
    """Reads files in batches ahead of the passes, and keeps book of those that cannot be read.

    `files` and `read` are by class name, None standing for concept and random clips. Iterating yields batches of
    readable clips, one group after the other. Without `skip_bad` nothing more is yielded after the first unreadable
    file, the remaining files are still tried, and one `VideosError` at the end lists all bad ones.
    """

    files: Mapping[str | None, Sequence[ClipFile]]
    read: Callable[[Path, str | None], Tensor]
    batch_size: int
    skip_bad: bool = False
    progress: Progress = silent
    left_out: dict[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Batch]:
        self.left_out.clear()
        for group, clips in groupby(self._readable(), key=itemgetter(0)):
            for batch in batched(clips, self.batch_size):
                names = tuple(file.name for _, file, _ in batch)
                yield Batch(names, stack([pixels for _, _, pixels in batch]), group)
        if self.left_out and not self.skip_bad:
            raise VideosError(self.left_out)

    def _readable(self) -> Iterator[tuple[str | None, ClipFile, Tensor]]:
        files = [(group, file) for group, files in self.files.items() for file in files]
        loaded = load_ahead(files, self._try)
        for (group, file), pixels in self.progress(loaded, "clips", total=len(files)):
            if isinstance(pixels, VideoError):
                self.left_out[str(file.path)] = pixels.reason
            elif self.skip_bad or not self.left_out:
                yield group, file, pixels

    def _try(self, item: tuple[str | None, ClipFile]) -> Tensor | VideoError:
        group, file = item
        try:
            return self.read(file.path, group)
        except VideoError as error:
            return error


def batch_size_for(model: VideoModel) -> int:
    """Clips a pass: as many as make some eight million input numbers, at most 32."""
    spec = model.card.clip_spec
    return max(1, min(32, BATCH_NUMBERS // (3 * spec.frames * spec.height * spec.width)))


def measure(
    model: VideoModel,
    batches: Iterable[Batch],
    *,
    classes: Sequence[str],
    layers: Sequence[str],
    pooling: Pooling,
    score: Score = "logit",
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
) -> Measured:
    """The Gram blocks of all layers.

    One forward pass a set clip serves all layers; one forward and one backward pass a class clip serves all layers
    (METHOD 2). Rows beyond `memory_bytes` are spilled to a scratch file.

    Args:
        model: whose activations and gradients are read; handed back unchanged.
        batches: concept and random clips, and the clips of each class, class by class in the order of `classes`.
        classes: on whose clips their own score is explained.
        layers: names of the layers.
        pooling: which axes of an activation are averaged.
        score: what is differentiated, the class's logit or its softmax.
        memory_bytes: budget for rows kept in memory.

    Raises:
        NumericalError: an activation, a gradient or a logit is not finite.
        VideosError: clips that are read from files could not be read.
        NotEnoughData: a class, or the concepts and the random pool, have no clip.
    """
    with ExitStack() as open_rows:

        def rows() -> dict[str, Rows]:
            budget = memory_bytes // (2 * len(layers))
            return {layer: open_rows.enter_context(Rows(memory_bytes=budget)) for layer in layers}

        activations, slopes = rows(), rows()
        shares: dict[str, list[npt.NDArray[np.float64]]] = {name: [] for name in classes}
        for batch in batches:
            if batch.class_name is None:
                read = features(model, batch.pixels, layers, pooling=pooling, clip_names=batch.names)
                for layer in layers:
                    activations[layer].append(read[layer].numpy())
                continue
            index = model.class_index(batch.class_name)
            passed = gradients(
                model, batch.pixels, layers, (index,), pooling=pooling, score=score, clip_names=batch.names
            )
            shares[batch.class_name].append(passed.logits.double().softmax(dim=1).numpy())
            for layer in layers:
                slopes[layer].append(passed.gradients[index][layer].numpy())
        without = [f"class '{name}'" for name, found in shares.items() if not found]
        if without or not len(activations[layers[0]]):
            raise NotEnoughData(f"{', '.join(without) or 'the concepts and the random pool'}: no clip could be read")
        return Measured(
            grams={layer: _gram(activations[layer], slopes[layer], layer) for layer in layers},
            probabilities={name: np.concatenate(found) for name, found in shares.items()},
        )


def _gram(activations: Rows, slopes: Rows, layer: str) -> Gram:
    columns = max(1, BLOCK_BYTES // (4 * (len(activations) + len(slopes))))
    return gram(
        zip(activations.column_blocks(columns), slopes.column_blocks(columns), strict=True),
        layer=layer,
    )
