"""What a study costs before it is run: bytes, operations, seconds, and what would break first.

With n set clips, m class clips, and d activations at a layer (docs/scale.md holds the model against measurements):

    clips           n + m hashed, decoded and brought to the model's input
    passes          n + m forward, m of them also backward
    maps            where maps are shown and checked by edits, at most so many forward passes more
    edits           of class clips, at most so many forward passes more, beside the filling of frames, whose
                    processor time is taken
    shares          clips read and passed once more, one after the other
    pictures        of maps and edits, by the first ones, timed
    store           4 (n + m) Σd bytes, written once
    products        2 d n m operations a layer; with two concepts or CAVs d n (n + 1) more, with CAVs d Σ m_k (m_k + 1)
                    over classes too
    reading         every pair of panels reads its rows: 4 d bytes a row, once where all rows fit one panel
    Gram blocks     8 n m bytes a layer, in files beyond the memory; in those cases 8 n² and 8 m² more
    statistics      with CAVs 8 · max(m², resamples · m · classes) bytes, in memory, of classes scored together; the
                    seconds of contrast and shift are those of a part of the tests on made-up scores

Reading clips and filling frames are done by other threads while the model passes: together both take the longer of the
two, and at least the work of both divided by the cores.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from videotcav.engine.local import LOADERS
from videotcav.engine.store import BLOCK_COLUMNS, Store
from videotcav.engine.tiles import BLOCK_ROWS, Multiplier, pairs_of_panels, row_blocks
from videotcav.errors import NotEnoughData
from videotcav.explain.cavs.gram import Gram
from videotcav.explain.design.design import Design, class_parts, part_bytes
from videotcav.explain.questions.all import answers
from videotcav.explain.questions.contrast import ClipScores
from videotcav.features.extract import LOGITS, ClipRef, Passing, Shard
from videotcav.models.model import VideoModel
from videotcav.models.passes import features
from videotcav.records import Pooling, Record

LARGEST_BLOCK_ROWS = 2 * BLOCK_ROWS
BACKWARD_IN_FORWARDS = 2.0
"""What a backward pass takes, in forward passes: a gradient for the activations and one for what lies before them."""

_CLASSES_TIMED = 4


class Rates(Record):
    """What a machine does in a second: clips forward, clips forward and backward, bytes, float64 operations; and clips
    read, where there were some to try.
    """

    forward: float
    forward_and_backward: float
    written_bytes: float
    read_bytes: float
    operations: float
    clips_read: float | None = None


_BESIDE = {"clips": "passes", "editing": "edits"}
"""Stages that other threads do while the model passes."""
_OF_ONE = ("inputs", "maps", "pictures", "shares", "statistics")
"""Stages that an engine does not divide among its workers."""


class Costs(Record):
    """What a study takes. `seconds` is by stage, of one worker; empty where no rates are known."""

    clips_forward: int
    clips_backward: int
    map_passes: int = 0
    edit_passes: int = 0
    share_passes: int = 0
    store_bytes: int
    read_bytes: int
    operations: int
    gram_bytes: int
    statistics_bytes: int
    seconds: dict[str, float]
    cores: int = 1
    cores_of_a_pass: int = 1

    @property
    def waits(self) -> str:
        """Which of reading clips and passing them waits for the other, as they run side by side; "" where not known."""
        reading, passing = self.seconds.get("clips"), self.seconds.get("passes")
        if reading is None or passing is None:
            return ""
        is_slow = reading / LOADERS > passing
        return "passes wait for clips to be read" if is_slow else "reading clips waits for passes"

    def elapsed(self, workers: int = 1) -> float:
        """Seconds until the end where so many workers, each as fast as the one, divide what an engine divides."""
        seconds = dict(self.seconds)
        for beside, passes in _BESIDE.items():
            if beside in seconds and passes in seconds:
                seconds[passes] = self._together(seconds[passes], seconds.pop(beside))
        return sum(taken if stage in _OF_ONE else taken / workers for stage, taken in seconds.items())

    def _together(self, passing: float, beside: float) -> float:
        work = self.cores_of_a_pass * passing + beside
        return max(passing, beside / min(LOADERS, self.cores), work / self.cores)


def costs(
    *,
    set_clips: int,
    class_clips: Sequence[int],
    widths: Mapping[str, int],
    memory_bytes: int,
    bootstrap_resamples: int = 1000,
    draws_bytes: int = 0,
    kernel: bool = True,
    cavs: bool = True,
    map_passes: int = 0,
    edit_passes: int = 0,
    share_passes: int = 0,
    rates: Rates | None = None,
    timed: Mapping[str, float] | None = None,
    cores_of_a_pass: int = 1,
) -> Costs:
    """The costs of a study over so many clips.

    Args:
        set_clips: concept and random clips.
        class_clips: clips of each class.
        widths: activations of a clip at each layer, after pooling.
        memory_bytes: as for a run.
        bootstrap_resamples: as in the study's tests.
        draws_bytes: what the draws of a null take, see `explain.design.draws_bytes`.
        kernel: whether products of set clips with each other are needed, see `measure`.
        cavs: whether any are trained, as classic and relative scores need.
        map_passes: see `study.map_checks.most_passes`.
        edit_passes: see `study.edits_plan.edits_plan`.
        share_passes: see `study.class_shares.share_passes`.
        rates: of the machine; without them there are no seconds.
        timed: seconds of stages that were timed as a whole: `inputs`, `editing`, `pictures`, `statistics`.
        cores_of_a_pass: that a pass keeps busy, none where the model is on a GPU.
    """
    n, m, width = set_clips, sum(class_clips), sum(widths.values())
    products = kernel * n * (n + 1) // 2 + n * m + cavs * sum(count * (count + 1) // 2 for count in class_clips)
    parts = class_parts(class_clips, resamples=bootstrap_resamples) if cavs else []
    store_bytes, operations = 4 * (n + m) * width, 2 * products * width
    read_bytes = 4 * width * _rows_read(n, class_clips, memory_bytes // 2)
    seconds = {}
    if rates is not None:
        share_reading = share_passes / rates.clips_read if rates.clips_read else 0.0
        seconds = {
            **(timed or {}),
            **({"clips": (n + m) / rates.clips_read} if rates.clips_read else {}),
            "passes": n / rates.forward + m / rates.forward_and_backward,
            **({"maps": map_passes / rates.forward} if map_passes else {}),
            **({"edits": edit_passes / rates.forward} if edit_passes else {}),
            **({"shares": share_passes / rates.forward + share_reading} if share_passes else {}),
            "store": store_bytes / rates.written_bytes,
            "reading": read_bytes / rates.read_bytes,
            "products": operations / rates.operations,
        }
    return Costs(
        clips_forward=n + m,
        clips_backward=m,
        map_passes=map_passes,
        edit_passes=edit_passes,
        share_passes=share_passes,
        store_bytes=store_bytes,
        read_bytes=read_bytes,
        operations=operations,
        gram_bytes=8 * len(widths) * (kernel * n * n + n * m + cavs * m * m),
        statistics_bytes=draws_bytes
        + max((part_bytes(class_clips[part], resamples=bootstrap_resamples) for part in parts), default=0),
        seconds=seconds,
        cores=os.cpu_count() or 1,
        cores_of_a_pass=cores_of_a_pass,
    )


def widths(model: VideoModel, layers: Sequence[str], *, pooling: Pooling) -> dict[str, int]:
    """Activations of a clip at each layer, after pooling: from one pass of an empty clip."""
    spec = model.card.clip_spec
    clip = torch.zeros(1, spec.channels, spec.frames, spec.height, spec.width, dtype=torch.float32, device="cpu")
    return {layer: rows.shape[1] for layer, rows in features(model, clip, layers, pooling=pooling).items()}


def rates(
    model: VideoModel,
    layers: Sequence[str],
    *,
    pooling: Pooling,
    folder: Path | None = None,
    clips_per_second: float | None = None,
    clips_read: float | None = None,
) -> Rates:
    """What this machine does in a second, from one pass of each kind after another that warms up, and 64 MiB of rows.

    `folder` is where rows would be kept, `clips_read` the rate of reading clips (`measure.reading_rate`). With
    `clips_per_second`, the stated rate of forward passes, nothing is passed.
    """
    if clips_per_second:
        forward, both = clips_per_second, clips_per_second / (1 + BACKWARD_IN_FORWARDS)
    else:
        forward, both = _rates_of_passes(model, layers, pooling)
    rows = np.random.default_rng(0).normal(size=(LARGEST_BLOCK_ROWS, 4 * BLOCK_COLUMNS)).astype(np.float32)
    keys = [str(number) for number in range(len(rows))]
    with TemporaryDirectory(dir=folder) as scratch:
        store = Store(scratch)
        written = _seconds(lambda: store.put({}, keys, list(rows)))
        stored = store.shelf({}).rows(keys)
        read = _seconds(lambda: [block.shape for block in stored.column_blocks()])
        pairs = pairs_of_panels(row_blocks({}, keys), memory_bytes=2**30)
        multiplied = _seconds(lambda: list(Multiplier(store)(pairs)))
    return Rates(
        forward=forward,
        forward_and_backward=both,
        written_bytes=rows.nbytes / written,
        read_bytes=rows.nbytes / read,
        operations=len(rows) * (len(rows) + 1) * rows.shape[1] / max(multiplied - read, 1e-9),
        clips_read=clips_read,
    )


def statistics_seconds(design: Design) -> float:
    """What contrast and shift take: of the first concept and few classes on made-up scores, times all tests. 0 where
    classic scores are asked, whose null is counted otherwise, and where there is too little to test.
    """
    if not design.asks_contrast or design.trains_cavs:
        return 0.0
    some = dict(list(design.classes.items())[:_CLASSES_TIMED])
    first = tuple(each for each in design.concepts if each.concept == design.concepts[0].concept)
    part = replace(design, concepts=first, classes=some, hypotheses=(), edits=(), needs=(), unseen=0)
    n = 1 + max(int(each.rows.max()) for each in (design.random, *(each.clips for each in design.concepts)))
    m = 1 + max(int(clips.rows.max()) for clips in some.values())
    draw = np.random.default_rng(design.settings.seed)
    scores = draw.normal(size=(n, len(some)))
    kernel, own = (np.broadcast_to(np.nan, (size, size)) for size in (n, m))
    grams = {str(layer): Gram(kernel, draw.normal(size=(m, n)), own) for layer in range(design.layers)}
    started = time.perf_counter()
    try:
        answers(grams, part, scores=ClipScores(scores, scores > 0))
    except NotEnoughData:
        return 0.0
    return (time.perf_counter() - started) * design.tests / part.tests


def _rates_of_passes(model: VideoModel, layers: Sequence[str], pooling: Pooling) -> tuple[float, float]:
    """Clips a second forward, and forward and backward."""
    passing, spec = Passing(model, pooling), model.card.clip_spec
    generator = torch.Generator().manual_seed(0)
    clips = [ClipRef(str(number), str(number)) for number in range(passing.clips_a_pass)]
    size = (spec.channels, spec.frames, spec.height, spec.width)
    pixels = [torch.randn(size, generator=generator, dtype=torch.float32, device="cpu") for _ in clips]
    taken = []
    for class_name in (None, model.card.classes[0]):
        shard = Shard(tuple(clips), class_name, (*layers, *((LOGITS,) if class_name else ())))
        passing.compute(shard, pixels, clips)
        taken.append(_seconds(partial(passing.compute, shard, pixels, clips)))
    return len(clips) / taken[0], len(clips) / taken[1]


def _rows_read(set_clips: int, class_clips: Sequence[int], memory_bytes: int) -> int:
    """Rows that all pairs of panels read together."""
    rows = row_blocks({}, ["x"] * set_clips)
    for number, count in enumerate(class_clips):
        rows += row_blocks({}, ["x"] * count, str(number))
    return sum(
        len(block.clips)
        for pair in pairs_of_panels(rows, memory_bytes=memory_bytes)
        for block in (pair.first if pair.on_diagonal else pair.first + pair.second)
    )


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
