"""Clips in, Gram blocks out: every clip passes the model once, every row is read once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import Tensor, stack

from videotcav.engine.local import batched, load_ahead
from videotcav.engine.rows import Rows
from videotcav.errors import VideoError, VideosError
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
    """Clips for one pass: names for messages, pixels `clip channel time height width`."""

    names: tuple[str, ...]
    pixels: Tensor


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

    Iterating yields batches of readable clips. Without `skip_bad` nothing more is yielded after the first
    unreadable file, the remaining files are still tried, and one `VideosError` at the end lists all bad ones.
    """

    files: Sequence[ClipFile]
    read: Callable[[Path], Tensor]
    batch_size: int
    what: str
    skip_bad: bool = False
    progress: Progress = silent
    good: list[ClipFile] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Batch]:
        self.good.clear()
        self.left_out.clear()
        for clips in batched(self._readable(), self.batch_size):
            self.good.extend(file for file, _ in clips)
            yield Batch(tuple(file.name for file, _ in clips), stack([pixels for _, pixels in clips]))
        if self.left_out and not self.skip_bad:
            raise VideosError(self.left_out)

    def _readable(self) -> Iterator[tuple[ClipFile, Tensor]]:
        loaded = load_ahead(self.files, self._try)
        for file, pixels in self.progress(loaded, self.what, total=len(self.files)):
            if isinstance(pixels, VideoError):
                self.left_out[str(file.path)] = pixels.reason
            elif self.skip_bad or not self.left_out:
                yield file, pixels

    def _try(self, file: ClipFile) -> Tensor | VideoError:
        try:
            return self.read(file.path)
        except VideoError as error:
            return error


def batch_size_for(model: VideoModel) -> int:
    """Clips a pass: as many as make some eight million input numbers, at most 32."""
    spec = model.card.clip_spec
    return max(1, min(32, BATCH_NUMBERS // (3 * spec.frames * spec.height * spec.width)))


def measure(
    model: VideoModel,
    *,
    sets: Iterator[Batch] | ClipReader,
    classes: Mapping[str, Iterator[Batch] | ClipReader],
    layers: Sequence[str],
    pooling: Pooling,
    score: Score = "logit",
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
) -> Measured:
    """The Gram blocks of all layers and classes.

    One forward pass a set clip serves all layers; one forward and one backward pass a class clip serves all layers
    (METHOD 2). Rows beyond `memory_bytes` are spilled to a scratch file.

    Args:
        model: whose activations and gradients are read; handed back unchanged.
        sets: concept and random clips.
        classes: clips of each class on which its score is explained.
        layers: names of the layers.
        pooling: which axes of an activation are averaged.
        score: what is differentiated, the class's logit or its softmax.
        memory_bytes: budget for rows kept in memory.

    Raises:
        NumericalError: an activation, a gradient or a logit is not finite.
        VideosError: clips that are read from files could not be read.
    """
    with ExitStack() as open_rows:

        def rows() -> dict[str, Rows]:
            budget = memory_bytes // (2 * len(layers))
            return {layer: open_rows.enter_context(Rows(memory_bytes=budget)) for layer in layers}

        activations, slopes = rows(), rows()
        for batch in sets:
            for layer, values in features(model, batch.pixels, layers, pooling=pooling, clip_names=batch.names).items():
                activations[layer].append(values.numpy())

        probabilities = {}
        for name, batches in classes.items():
            index = model.class_index(name)
            shares = []
            for batch in batches:
                passed = gradients(
                    model, batch.pixels, layers, (index,), pooling=pooling, score=score, clip_names=batch.names
                )
                shares.append(passed.logits.double().softmax(dim=1).numpy())
                for layer in layers:
                    slopes[layer].append(passed.gradients[index][layer].numpy())
            probabilities[name] = np.concatenate(shares)

        grams = {layer: _gram(activations[layer], slopes[layer], layer) for layer in layers}
    return Measured(grams=grams, probabilities=probabilities)


def _gram(activations: Rows, slopes: Rows, layer: str) -> Gram:
    columns = max(1, BLOCK_BYTES // (4 * (len(activations) + len(slopes))))
    return gram(
        zip(activations.column_blocks(columns), slopes.column_blocks(columns), strict=True),
        layer=layer,
    )
