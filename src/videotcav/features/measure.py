"""Clips in, Gram blocks out: every clip passes the model once, and only if the store lacks its rows."""

from __future__ import annotations

import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import xxhash
from torch import Tensor

from videotcav.engine.local import Engine, here, load_ahead
from videotcav.engine.run_store import scratch_store
from videotcav.engine.store import RowsLost, Store
from videotcav.engine.tiles import Multiplier, ProductMatrix, pairs_of_panels, row_blocks
from videotcav.errors import NotEnoughData, StoreError, VideoError, VideosError, require_distinct
from videotcav.explain.cavs.gram import Gram
from videotcav.explain.questions.contrast import ClipScores
from videotcav.features.extract import LOGITS, ClipRef, Passing, ShardPasser, missing
from videotcav.models.class_score import LOGIT, ClassScore
from videotcav.models.model import VideoModel
from videotcav.models.passes import out_of_memory
from videotcav.models.tap import as_written
from videotcav.records import Kind, Pooling, Progress, Record, silent
from videotcav.video.segment import clip_sha256

DEFAULT_MEMORY_BYTES = 2 * 2**30
ATTEMPTS = 3


class ClipFile(Record):
    """A video that is one clip of a study, or one view of several; `source` is what it was cut from, and `kind` how,
    where that is known.
    """

    path: Path
    source: str
    view: int | None = None
    kind: Kind | None = None

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
    gradients. `logits` are `clip class`: of the set clips under None, of each class's clips under its name.
    `clips_passed` went through the model for it; the rows of all others were in the store. Rows of no class lie
    there under the keys of `passing`.
    """

    grams: Mapping[str, Gram]
    logits: Mapping[str | None, npt.NDArray[np.float64]]
    passing: Passing
    clips_passed: int = 0

    def scores(self, model: VideoModel, score: ClassScore) -> ClipScores:
        """What each class is asked by, of the set clips."""
        logits = torch.from_numpy(self.logits[None])
        indices = [model.class_index(name) for name in self.logits if name is not None]
        values = torch.stack([score(logits, index) for index in indices], dim=1)
        given = torch.stack([logits.argmax(dim=1) == index for index in indices], dim=1)
        return ClipScores(values.double().numpy(), given.numpy(), linear=score.linear)

    def predicted(self, model: VideoModel, name: str | None = None) -> list[str]:
        """The class that the model gives each clip of a class to; each set clip without a name."""
        return [model.card.classes[index] for index in self.logits[name].argmax(axis=1).tolist()]


class HeldClips:
    """Clips whose pixels are in memory; speaks as `ClipReader` does."""

    def __init__(self, batches: Iterable[Batch]) -> None:
        self.skip_bad = False
        self.progress: Progress = silent
        self.left_out: dict[str, str] = {}
        self._clips: dict[str | None, list[ClipRef]] = {None: []}
        self._pixels: dict[str, Tensor] = {}
        for batch in batches:
            for name, pixels in zip(batch.names, batch.pixels, strict=True):
                key = pixels_digest(pixels)
                self._clips.setdefault(batch.class_name, []).append(ClipRef(key, name))
                self._pixels[key] = pixels

    def clips(self) -> Mapping[str | None, Sequence[ClipRef]]:
        """The clips of each class, None standing for concept and random clips."""
        return self._clips

    def loader(self) -> Callable[[ClipRef, str | None], Tensor]:
        """What gives a clip's pixels, in this process."""
        return lambda clip, _: self._pixels[clip.key]


@dataclass
class ClipReader:
    """Clips in files, known by their content first, and loaded only where that is needed.

    `files` and `read` are by class name, None standing for concept and random clips; `read` is given a `view` too
    where a file has one, and `event_seconds` where `moments` has its path. `alignment` is all else that decides how
    such a clip is read. `left_out` maps the names of clips that could not be read to the reason. Without `skip_bad`
    one of them refuses all, and all are told.
    """

    files: Mapping[str | None, Sequence[ClipFile]]
    read: Callable[..., Tensor]
    skip_bad: bool = False
    progress: Progress = silent
    left_out: dict[str, str] = field(default_factory=dict)
    digests: dict[Path, str] = field(default_factory=dict)
    moments: Mapping[Path, float] = field(default_factory=dict)
    alignment: str = ""

    def clips(self) -> Mapping[str | None, Sequence[ClipRef]]:
        """The clips of each class, without those left out: a clip is the bytes of its file, whether it may be
        stretched to the model's length, and the moment that it is laid around.
        """
        if not self.digests:
            paths = list(dict.fromkeys(file.path for files in self.files.values() for file in files))
            self.digests.update(self.progress(load_ahead(paths, _digest), "checksums", total=len(paths)))
        return {
            group: [self._clip(file, group) for file in files if file.name not in self.left_out]
            for group, files in self.files.items()
        }

    def loader(self) -> Callable[[ClipRef, str | None], Tensor]:
        """What reads a clip of that class, here or in another process. Raises VideoError."""
        return partial(_load, self.read, self.moments)

    def _clip(self, file: ClipFile, group: str | None) -> ClipRef:
        sampling = "time or stretch" if group is None else "time"
        view = "" if file.view is None else f" view {file.view}"
        moment = self.moments.get(file.path)
        around = "" if moment is None else f" around {moment!r} s, {self.alignment}"
        return ClipRef(f"{self.digests[file.path]} {sampling}{view}{around}", file.name, file.view)


def pixels_digest(pixels: Tensor) -> str:
    """What tells one clip in memory from another, whatever device it is on; against mistakes, not against malice."""
    content = pixels.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
    return xxhash.xxh3_128_hexdigest(content.data)


def reading_rate(reader: ClipReader) -> float:
    """Clips a second, hashed and loaded one after the other, after one that warms up. Raises VideoError."""
    load = reader.loader()
    known = [(clip, name) for name, some in reader.clips().items() for clip in some]
    load(*known[0])
    reader.digests.clear()
    started = time.perf_counter()
    reader.clips()
    for clip, name in known:
        load(clip, name)
    return len(known) / (time.perf_counter() - started)


def measure(
    model: VideoModel,
    clips: ClipReader | HeldClips | Iterable[Batch],
    *,
    classes: Sequence[str],
    layers: Sequence[str],
    pooling: Pooling,
    score: ClassScore = LOGIT,
    store: Store | None = None,
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
    batch_size: int | None = None,
    engine: Engine = here,
    kernel: bool = True,
    gradients: bool = True,
) -> Measured:
    """The Gram blocks of all layers.

    One forward pass a set clip serves all layers; one forward and one backward pass a class clip serves all layers
    (method.md 2). Only clips of which the store lacks rows are passed. The same clips give the same numbers to the bit,
    whatever came from the store, whatever memory there was and wherever the work was done.
    Where memory does not hold a pass, passes have half as many clips from then on.

    Args:
        model: whose activations and gradients are read; handed back unchanged.
        clips: concept and random clips, and the clips of each class.
        classes: on whose clips their own score is explained.
        layers: names of the layers.
        pooling: which axes of an activation are averaged.
        score: what a class is asked by, and what is differentiated.
        store: where rows are kept; without one, half of `memory_bytes` or a temporary folder.
        memory_bytes: what Gram blocks and the rows for them may take beside the model and its passes; what is more
            lies in files.
        batch_size: clips of a pass; 4 on a CPU and 16 on a GPU by default, fewer where clips are large. Rows of
            another batch size are other rows to the store, as they round otherwise.
        engine: where passes run and rows are multiplied.
        kernel: whether anything reads the products of set clips with each other; they are NaN where nothing does.
        gradients: the same of class clips with each other, which CAVs alone need.

    Raises:
        NumericalError: an activation, a gradient or a logit is not finite.
        VideosError: clips that are read from files could not be read.
        NotEnoughData: a class, or the concepts and the random pool, have no clip.
        StoreError: the store cannot be used.
    """
    require_distinct("layer", layers)
    require_distinct("class", classes)
    source = HeldClips(clips) if isinstance(clips, Iterable) else clips
    passing = Passing(model, pooling, score, batch_size, is_lasting=store is not None)
    with ExitStack() as stack:
        if store is None:
            # What other processes are to read must lie in a file.
            store = stack.enter_context(scratch_store(memory_bytes // 2 if engine is here else 0))
        passed = 0
        attempts = ATTEMPTS
        while attempts:
            try:
                passed += _pass(passing, source, store, classes=classes, layers=layers, engine=engine)
            except RuntimeError as error:
                if not out_of_memory(error):
                    raise
                # Begun again, not gone on with: all rows come from passes of one size, so that they round alike.
                passing = passing.with_less_memory()
                continue
            keys = {name: [clip.key for clip in some] for name, some in source.clips().items()}
            without = [f"class '{name}'" for name in classes if not keys.get(name)]
            if without or not keys[None]:
                raise NotEnoughData(
                    f"{', '.join(without) or 'the concepts and the random pool'}: no clip could be read"
                )
            try:
                return Measured(
                    grams=_grams(
                        passing,
                        keys,
                        store,
                        classes,
                        layers,
                        memory_bytes=memory_bytes,
                        engine=engine,
                        kernel=kernel,
                        gradients=gradients,
                    ),
                    logits={
                        name: store.shelf(passing.cache_key(LOGITS, name)).rows(keys[name]).whole().astype(np.float64)
                        for name in (None, *classes)
                    },
                    clips_passed=passed,
                    passing=passing,
                )
            except RowsLost:
                attempts -= 1
        raise StoreError(
            f"the store {store.place} does not give back what it is given; check its disk, or name another place, "
            "which for several machines must be one that all of them reach"
        )


def _pass(
    passing: Passing,
    source: ClipReader | HeldClips,
    store: Store,
    *,
    classes: Sequence[str],
    layers: Sequence[str],
    engine: Engine,
) -> int:
    """Puts the rows that the store lacks into it; how many clips were passed for that."""
    clips = source.clips()
    shards = [
        shard
        for name in (None, *classes)
        for shard in missing(clips.get(name, ()), name, passing.shelves(store, (*layers, LOGITS), name))
    ]
    passed = 0
    with as_written(passing.model.module):  # once for all passes
        work = engine(ShardPasser(passing, store, source.loader(), source.skip_bad), shards)
        for tried in source.progress(work, "clips", total=sum(len(shard.clips) for shard in shards)) if shards else ():
            if tried.reason:
                source.left_out[tried.clip.name] = tried.reason
            else:
                passed += 1
    if source.left_out and not source.skip_bad:
        raise VideosError(source.left_out)
    return passed


def _grams(
    passing: Passing,
    keys: Mapping[str | None, Sequence[str]],
    store: Store,
    classes: Sequence[str],
    layers: Sequence[str],
    *,
    memory_bytes: int,
    engine: Engine,
    kernel: bool,
    gradients: bool,
) -> dict[str, Gram]:
    """The Gram blocks of rows that are in the store. Raises RowsLost where they turn out not to be."""
    memory_bytes -= store.bytes_in_memory
    n, m = len(keys[None]), sum(len(keys[name]) for name in classes)
    numbers = n * m + kernel * n**2 + gradients * m**2
    in_memory = len(layers) * 8 * numbers <= memory_bytes // 2
    scratch = None if in_memory else Path(store.root) if store.is_local else Path(tempfile.gettempdir())
    blocks = {layer: _Blocks(n, m, scratch, kernel=kernel, gradients=gradients) for layer in layers}
    work = []
    for layer in layers:
        rows = row_blocks(passing.cache_key(layer, None), keys[None], within=kernel)
        for name in classes:
            rows += row_blocks(passing.cache_key(layer, name), keys[name], name, within=gradients)
        work += pairs_of_panels(rows, memory_bytes=memory_bytes // 2, of=layer)
    for pair, products in engine(Multiplier(store), work):
        blocks[pair.of].put(products, pair.first_start, pair.second_start)
    return {layer: some.gram() for layer, some in blocks.items()}


class _Blocks:
    """The Gram blocks of a layer while they are filled: n rows of set clips and then m of class clips.

    What is not asked for is NaN, as a 0 would pass for a product.
    """

    def __init__(self, n: int, m: int, scratch: Path | None, *, kernel: bool, gradients: bool) -> None:
        self._n, self._m = n, m
        self._cross = ProductMatrix(m, n, scratch=scratch)
        self._kernel = ProductMatrix(n, n, scratch=scratch) if kernel else None
        self._gradients = ProductMatrix(m, m, scratch=scratch) if gradients else None

    def put(self, products: npt.NDArray[np.float64], top: int, left: int) -> None:
        """Fills in the products of all rows from `top` with all rows from `left`."""
        n = self._n
        upper, before = max(0, n - top), max(0, n - left)  # how many of them are set clips
        self._cross.put(max(0, left - n), top, products[:upper, before:].T)
        if self._kernel is not None:
            _put_symmetric(self._kernel, products[:upper, :before], top, left)
        if self._gradients is not None:
            _put_symmetric(self._gradients, products[upper:, before:], max(0, top - n), max(0, left - n))

    def gram(self) -> Gram:
        kernel, gradients = (
            np.broadcast_to(np.nan, (size, size)) if each is None else each.array
            for each, size in ((self._kernel, self._n), (self._gradients, self._m))
        )
        return Gram(kernel, self._cross.array, gradients)


def _put_symmetric(matrix: ProductMatrix, block: npt.NDArray[np.float64], top: int, left: int) -> None:
    matrix.put(top, left, block)
    matrix.put(left, top, block.T)


def _load(read: Callable[..., Tensor], moments: Mapping[Path, float], clip: ClipRef, class_name: str | None) -> Tensor:
    path = Path(clip.name)
    how: dict[str, float] = {} if clip.view is None else {"view": clip.view}
    if path in moments:
        how["event_seconds"] = moments[path]
    return read(path, class_name, **how)


def _digest(path: Path) -> str:
    """The sha256 of a file; for one that cannot be read something that no clip ever had or will have."""
    try:
        return clip_sha256(path)
    except (OSError, VideoError):
        return f"unread {uuid.uuid4()}"
