"""Clips in, Gram blocks out: every clip passes the model once, and only if the store lacks its rows."""

from __future__ import annotations

import hashlib
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from videotcav.engine.local import load_ahead
from videotcav.engine.store import RowsLost, Shelf, Store
from videotcav.errors import NotEnoughData, StoreError, VideoError, VideosError
from videotcav.explain.gram import Gram, gram
from videotcav.models.model import VideoModel
from videotcav.models.passes import Score
from videotcav.records import Pooling, Progress, Record, silent
from videotcav.shards import LOGITS, Clip, Passing, Shard, missing, pass_shard

ATTEMPTS = 3


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
    """Clips in memory: names for messages, pixels `clip channel time height width`.

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
    `clips_passed` went through the model for it; the rows of all others were in the store.
    """

    grams: Mapping[str, Gram]
    probabilities: Mapping[str, npt.NDArray[np.float64]]
    clips_passed: int = 0


class ClipSource(Protocol):
    """Where clips come from: known by their content first, and loaded only where that is needed."""

    def clips(self) -> Mapping[str | None, Sequence[Clip]]:
        """The clips of each class, None standing for concept and random clips, without those found unreadable."""
        ...

    def load(self, shards: Sequence[Shard]) -> Iterator[tuple[Shard, Iterator[tuple[Clip, Tensor]]]]:
        """Each shard with those of its clips that can be read and their pixels, to be used one after the other."""
        ...


class HeldClips:
    """Clips whose pixels are in memory."""

    def __init__(self, batches: Iterable[Batch]) -> None:
        self._clips: dict[str | None, list[Clip]] = {None: []}
        self._pixels: dict[str, Tensor] = {}
        for batch in batches:
            for name, pixels in zip(batch.names, batch.pixels, strict=True):
                content = pixels.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
                key = hashlib.sha256(content.data).hexdigest()
                self._clips.setdefault(batch.class_name, []).append(Clip(key, name))
                self._pixels[key] = pixels

    def clips(self) -> Mapping[str | None, Sequence[Clip]]:
        """All of them."""
        return self._clips

    def load(self, shards: Sequence[Shard]) -> Iterator[tuple[Shard, Iterator[tuple[Clip, Tensor]]]]:
        """As `ClipSource`."""
        for shard in shards:
            yield shard, ((clip, self._pixels[clip.key]) for clip in shard.clips)


@dataclass
class ClipReader:
    """Clips in files, which are read ahead of the passes; keeps book of those that cannot be read.

    `files` and `read` are by class name, None standing for concept and random clips. Without `skip_bad` nothing more
    is yielded after the first unreadable file, the remaining files are still tried, and one `VideosError` at the end
    lists all bad ones.
    """

    files: Mapping[str | None, Sequence[ClipFile]]
    read: Callable[[Path, str | None], Tensor]
    skip_bad: bool = False
    progress: Progress = silent
    left_out: dict[str, str] = field(default_factory=dict)
    digests: dict[Path, str] = field(default_factory=dict)

    def clips(self) -> Mapping[str | None, Sequence[Clip]]:
        """As `ClipSource`: a clip is the bytes of its file, and whether it may be stretched to the model's length."""
        if not self.digests:
            paths = list(dict.fromkeys(file.path for files in self.files.values() for file in files))
            self.digests.update(self.progress(load_ahead(paths, _digest), "checksums", total=len(paths)))
        return {
            group: [self._clip(file, group) for file in files if file.name not in self.left_out]
            for group, files in self.files.items()
        }

    def load(self, shards: Sequence[Shard]) -> Iterator[tuple[Shard, Iterator[tuple[Clip, Tensor]]]]:
        """As `ClipSource`. Raises VideosError."""
        for shard, loaded in groupby(self._readable(shards), key=itemgetter(0)):
            yield shard, ((clip, pixels) for _, clip, pixels in loaded)
        if self.left_out and not self.skip_bad:
            raise VideosError(self.left_out)

    def _readable(self, shards: Sequence[Shard]) -> Iterator[tuple[Shard, Clip, Tensor]]:
        clips = [(shard, clip) for shard in shards for clip in shard.clips]
        loaded = load_ahead(clips, self._try)
        for (shard, clip), pixels in self.progress(loaded, "clips", total=len(clips)):
            if isinstance(pixels, VideoError):
                self.left_out[clip.name] = pixels.reason
            elif self.skip_bad or not self.left_out:
                yield shard, clip, pixels

    def _try(self, item: tuple[Shard, Clip]) -> Tensor | VideoError:
        shard, clip = item
        try:
            return self.read(Path(clip.name), shard.class_name)
        except VideoError as error:
            return error

    def _clip(self, file: ClipFile, group: str | None) -> Clip:
        sampling = "time or stretch" if group is None else "time"
        return Clip(f"{self.digests[file.path]} {sampling}", file.name)


def measure(
    model: VideoModel,
    clips: ClipSource | Iterable[Batch],
    *,
    classes: Sequence[str],
    layers: Sequence[str],
    pooling: Pooling,
    score: Score = "logit",
    store: Store | None = None,
) -> Measured:
    """The Gram blocks of all layers.

    One forward pass a set clip serves all layers; one forward and one backward pass a class clip serves all layers
    (METHOD 2). Only clips of which the store lacks rows are passed. The same clips give the same numbers to the bit,
    whatever came from the store.

    Args:
        model: whose activations and gradients are read; handed back unchanged.
        clips: concept and random clips, and the clips of each class.
        classes: on whose clips their own score is explained.
        layers: names of the layers.
        pooling: which axes of an activation are averaged.
        score: what is differentiated, the class's logit or its softmax.
        store: where rows are kept; a temporary folder where there is none.

    Raises:
        NumericalError: an activation, a gradient or a logit is not finite.
        VideosError: clips that are read from files could not be read.
        NotEnoughData: a class, or the concepts and the random pool, have no clip.
        StoreError: the store cannot be used.
    """
    source = HeldClips(clips) if isinstance(clips, Iterable) else clips
    passing = Passing(model, pooling, score)
    passed = 0
    with ExitStack() as stack:
        if store is None:
            store = Store(stack.enter_context(tempfile.TemporaryDirectory(prefix="videotcav-")))
        for _ in range(ATTEMPTS):
            shelves = {
                name: passing.shelves(store, layers if name is None else (*layers, LOGITS), name)
                for name in (None, *classes)
            }
            shards = [shard for name, some in source.clips().items() for shard in missing(some, name, shelves[name])]
            for shard, loaded in source.load(shards):
                passed += pass_shard(passing, shard, loaded, shelves[shard.class_name])
            try:
                return _measured(source.clips(), shelves, classes=classes, layers=layers, passed=passed)
            except RowsLost:
                continue
        raise StoreError(f"the store {store.place} damages what it is given; check its disk, or name another place")


def _measured(
    clips: Mapping[str | None, Sequence[Clip]],
    shelves: Mapping[str | None, Mapping[str, Shelf]],
    *,
    classes: Sequence[str],
    layers: Sequence[str],
    passed: int,
) -> Measured:
    """The Gram blocks of rows that are all in the store. Raises RowsLost where they turn out not to be."""
    without = [f"class '{name}'" for name in classes if not clips.get(name)]
    if without or not clips[None]:
        raise NotEnoughData(f"{', '.join(without) or 'the concepts and the random pool'}: no clip could be read")
    keys = {name: [clip.key for clip in some] for name, some in clips.items()}
    return Measured(
        grams={layer: _gram(keys, shelves, classes=classes, layer=layer) for layer in layers},
        probabilities={name: _softmax(shelves[name][LOGITS].rows(keys[name]).whole()) for name in classes},
        clips_passed=passed,
    )


def _gram(
    keys: Mapping[str | None, Sequence[str]],
    shelves: Mapping[str | None, Mapping[str, Shelf]],
    *,
    classes: Sequence[str],
    layer: str,
) -> Gram:
    activations = shelves[None][layer].rows(keys[None]).column_blocks()
    slopes = zip(*(shelves[name][layer].rows(keys[name]).column_blocks() for name in classes), strict=True)
    return gram(((block, np.concatenate(parts)) for block, parts in zip(activations, slopes, strict=True)), layer=layer)


def _softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    shares: npt.NDArray[np.float64] = torch.from_numpy(logits).double().softmax(dim=1).numpy()
    return shares


def _digest(path: Path) -> str:
    """The sha256 of a file; for one that cannot be read something that no clip ever had or will have."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return f"unread {uuid.uuid4()}"
