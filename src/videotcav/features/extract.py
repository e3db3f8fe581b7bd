"""A shard of work: some clips in, their rows in the store out. Any worker can do any shard, and nobody need wait.

A row depends on its clip and its cache key alone, to the bit. Passes therefore always have the same number of clips,
the last one filled up: other sizes make libraries choose other kernels, which round otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from importlib.metadata import version
from itertools import groupby

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from videotcav.engine.local import batched, load_ahead
from videotcav.engine.store import CacheKey, Shelf, Store
from videotcav.errors import NotEnoughMemory, VideoError
from videotcav.models.class_score import LOGIT, ClassScore
from videotcav.models.identity import identity
from videotcav.models.model import VideoModel
from videotcav.models.passes import features, forward, gradients, logits
from videotcav.records import Pooling
from videotcav.video.timeline import READING

LOGITS = "logits"
CLIPS_A_SHARD = 32
SHARD_BYTES = 2**25
BATCH_NUMBERS = 2**23
CLIPS_A_PASS = 4
CLIPS_A_PASS_ON_A_GPU = 16

Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ClipRef:
    """A clip by its content: `key` says what pixels it has, `name` what messages call it.

    `view` is which clip and crop of a video of several it is, None for its centre.
    """

    key: str
    name: str
    view: int | None = None


@dataclass(frozen=True)
class Shard:
    """Clips of one class, or of none, and the rows that the store lacks of them: of these layers, or `LOGITS`."""

    clips: tuple[ClipRef, ...]
    class_name: str | None
    rows: tuple[str, ...]


@dataclass(frozen=True)
class Tried:
    """A clip that was passed, or the reason why it could not be read."""

    clip: ClipRef
    reason: str = ""


@dataclass(frozen=True)
class Passing:
    """How clips are passed: everything but the clips that decides what a row is.

    Attributes:
        model: handed back unchanged.
        pooling: which axes of an activation are averaged.
        score: what is differentiated, of a class.
        batch_size: clips a pass; as many as `clips_a_pass` says by default.
        is_lasting: whether another run may read the rows, which must then say what they were made by.
    """

    model: VideoModel
    pooling: Pooling
    score: ClassScore = LOGIT
    batch_size: int | None = None
    is_lasting: bool = True

    @cached_property
    def clips_a_pass(self) -> int:
        """How many clips every pass has."""
        return self.batch_size or clips_a_pass(self.model)

    def with_less_memory(self) -> Passing:
        """The same with half the clips a pass. Raises NotEnoughMemory where one clip alone is too much."""
        if self.clips_a_pass == 1:
            raise NotEnoughMemory(
                f"one clip of {self.model.name} at these layers needs more memory than {self.model.device} has; "
                "name fewer layers, or take precision bf16 or another device"
            )
        return replace(self, batch_size=self.clips_a_pass // 2)

    @cached_property
    def common(self) -> dict[str, object]:
        """What the recipes of all rows share."""
        passes: dict[str, object] = {"precision": f"{self.model.card.precision}, {self.clips_a_pass} clips a pass"}
        if not self.is_lasting:
            return passes
        return passes | {
            "model": identity(self.model),
            "clip": self.model.card.clip_spec.model_dump(mode="json"),
            "versions": {package: version(package) for package in ("videotcav", "av", "numpy")} | {"reading": READING},
        }

    def cache_key(self, row: str, class_name: str | None) -> CacheKey:
        """Everything that a row of that name depends on besides its clip."""
        if row == LOGITS:
            # A pass with a graph may take other kernels than one without, which round otherwise.
            return {**self.common, "rows": LOGITS, **({} if class_name is None else {"graph": True})}
        of = {"rows": "activations"}
        if class_name is not None:
            of = {"rows": "gradients", "class": str(self.model.class_index(class_name)), "score": self.score.name}
        return {**self.common, **of, "layer": row, "pooling": self.pooling}

    def shelves(self, store: Store, rows: Iterable[str], class_name: str | None) -> dict[str, Shelf]:
        """Where the store keeps each of these rows."""
        return {row: store.shelf(self.cache_key(row, class_name)) for row in rows}

    def compute(self, shard: Shard, pixels: Sequence[Tensor], clips: Sequence[ClipRef]) -> dict[str, Float32Array]:
        """The rows of at most `clips_a_pass` of the shard's clips, `clip × column` for each name.

        Raises NumericalError naming clip and layer.
        """
        size, layers = self.clips_a_pass, [row for row in shard.rows if row != LOGITS]
        filled = torch.stack([*pixels, *[pixels[-1]] * (size - len(pixels))])
        names = [*(clip.name for clip in clips), *[clips[-1].name] * (size - len(clips))]
        if not layers:
            found = {LOGITS: logits(self.model, filled, clip_names=names)}
        elif shard.class_name is None and LOGITS in shard.rows:
            passed = forward(self.model, filled, layers, pooling=self.pooling, clip_names=names)
            found = {**passed.activations, LOGITS: passed.logits}
        elif shard.class_name is None:
            found = features(self.model, filled, layers, pooling=self.pooling, clip_names=names)
        else:
            index = self.model.class_index(shard.class_name)
            passed = gradients(
                self.model, filled, layers, (index,), pooling=self.pooling, score=self.score, clip_names=names
            )
            found = {**passed.gradients[index], LOGITS: passed.logits}
        # What a pass was filled up with is not kept alive by the rows beside it.
        own = {row: found[row] if len(clips) == size else found[row][: len(clips)].clone() for row in shard.rows}
        return {row: each.cpu().numpy() for row, each in own.items()}


def clips_a_pass(model: VideoModel) -> int:
    """The clips of a pass where nobody says: more would hardly be faster, and large clips need the memory."""
    spec = model.card.clip_spec
    most = CLIPS_A_PASS if model.device.type == "cpu" else CLIPS_A_PASS_ON_A_GPU
    return max(1, min(most, BATCH_NUMBERS // (3 * spec.frames * spec.height * spec.width)))


@dataclass
class ShardPasser:
    """A worker that passes shards and puts their rows into the store: it reads ahead of the passes, and writes behind.

    `load` gives the pixels `channel time height width` of a clip, for the class or None that its shard is of. Without
    `skip_bad` nothing more is passed after the first clip that cannot be read; the remaining ones are still tried.
    All rows are in the store when the last clip's turn is over.
    """

    passing: Passing
    store: Store
    load: Callable[[ClipRef, str | None], Tensor]
    skip_bad: bool = False

    def __call__(self, shards: Iterable[Shard]) -> Iterator[Tried]:
        """What became of each clip. Raises NumericalError, StoreError."""
        with ThreadPoolExecutor(1, thread_name_prefix="keep") as behind:
            yield from self._passed(shards, _Behind(behind))

    def _passed(self, shards: Iterable[Shard], behind: _Behind) -> Iterator[Tried]:
        stopped = False
        loaded = load_ahead(((shard, clip) for shard in shards for clip in shard.clips), self._try)
        for shard, group in groupby(loaded, key=lambda each: each[0][0]):
            clips: list[ClipRef] = []
            rows: dict[str, list[Float32Array]] = {row: [] for row in shard.rows}
            for some in batched(group, self.passing.clips_a_pass):
                read: dict[ClipRef, Tensor] = {}
                for (_, clip), pixels in some:
                    if isinstance(pixels, VideoError):
                        stopped = stopped or not self.skip_bad
                        yield Tried(clip, pixels.reason)
                    elif not stopped:
                        read[clip] = pixels
                if not read:
                    continue
                found = self.passing.compute(shard, list(read.values()), list(read))
                for row in shard.rows:
                    rows[row].extend(found.pop(row))  # a name for them would keep them beside the next pass
                clips += read
                held = sum(each.nbytes for row in rows.values() for each in row)
                if held >= SHARD_BYTES:
                    behind(partial(self._keep, shard, clips, rows))
                    clips, rows = [], {row: [] for row in shard.rows}
                if held >= 2 * SHARD_BYTES:
                    behind.wait()  # too much to be in memory beside the next pass
                yield from map(Tried, read)
            behind(partial(self._keep, shard, clips, rows))
        behind.wait()

    def _try(self, item: tuple[Shard, ClipRef]) -> Tensor | VideoError:
        shard, clip = item
        try:
            return self.load(clip, shard.class_name)
        except VideoError as error:
            return error

    def _keep(self, shard: Shard, clips: list[ClipRef], rows: dict[str, list[Float32Array]]) -> None:
        """Puts rows into the store, wide ones in several files."""
        keys = [clip.key for clip in clips]
        for row, some in rows.items():
            step = max(1, SHARD_BYTES // some[0].nbytes) if some else 1
            for start in range(0, len(some), step):
                cache_key = self.passing.cache_key(row, shard.class_name)
                self.store.put(cache_key, keys[start : start + step], some[start : start + step])


class _Behind:
    """Does one thing after the other on another thread; what the last one raised is raised at the next call."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._last: Future[None] | None = None

    def __call__(self, do: Callable[[], None]) -> None:
        self.wait()  # so that no more than two parts are in memory
        self._last = self._pool.submit(do)

    def wait(self) -> None:
        if self._last is not None:
            self._last.result()


def missing(clips: Iterable[ClipRef], class_name: str | None, shelves: Mapping[str, Shelf]) -> list[Shard]:
    """The work that is left: clips with rows that are on no shelf, those that lack the same rows together."""
    lacking: dict[tuple[str, ...], dict[str, ClipRef]] = {}
    for clip in clips:
        if rows := tuple(row for row, shelf in shelves.items() if clip.key not in shelf):
            lacking.setdefault(rows, {}).setdefault(clip.key, clip)
    return [
        Shard(tuple(part), class_name, rows)
        for rows, some in lacking.items()
        for part in batched(iter(some.values()), CLIPS_A_SHARD)
    ]
