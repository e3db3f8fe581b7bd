"""The forms in which YOLO networks put out what they found, and how each is read. Pure.

| form | output | boxes | who |
| --- | --- | --- | --- |
| raw | `1 N 5+C` | centre and size, decoded; objectness × class | YOLOv7 `--grid`, YOLOv5 |
| yolox | `1 N 5+C` | offsets in a grid, undecoded; objectness × class | YOLOX |
| yolox-decoded | `1 N 5+C` | centre and size, decoded; objectness × class | YOLOX `--decode_in_inference` |
| v8 | `1 4+C N` | centre and size, decoded; class | YOLOv8 and later |
| end2end | `n 7` | batch, corners, class, score, after suppression | YOLOv7 `end2end` |
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, get_args

import cv2
import numpy as np
from einops import rearrange
from numpy.typing import NDArray

Form = Literal["raw", "yolox", "yolox-decoded", "v8", "end2end"]
FORMS: tuple[Form, ...] = get_args(Form)
_STRIDES = ((8, 16, 32), (8, 16, 32, 64))
_END2END_COLUMNS = 7
_NEAR_CELLS, _FAR_CELLS = 2.0, 3.0

Float32 = NDArray[np.float32]


class Found(NamedTuple):
    """Boxes `n 4` (left, top, right, bottom) in input pixels, with score and class number of each."""

    boxes: Float32
    scores: Float32
    classes: NDArray[np.int64]


class Output(NamedTuple):
    """One output of a network, as it came out of a run on a grey picture."""

    name: str
    values: NDArray[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of its values."""
        return self.values.shape


def recognise(outputs: Sequence[Output], *, height: int, width: int) -> tuple[Form, int] | None:
    """The form and the number of the output to read, or None. `height` and `width` are those of the input.

    A grid of N cells has one row a cell in YOLOX, and three anchors a cell in YOLOv5 and v7. Where two forms have one
    shape the values tell; where these do not tell either, nothing is recognised.
    """
    cells = [sum((height // s) * (width // s) for s in strides) for strides in _STRIDES]
    for number, output in enumerate(outputs):
        match output.shape:
            case (_, columns) if columns == _END2END_COLUMNS and len(outputs) == 1:
                return "end2end", number
            case (1, rows, columns) if columns > 5 and rows in cells:  # noqa: PLR2004 - box and objectness
                form = _yolox_form(output.values[0], height=height, width=width)
                return None if form is None else (form, number)
            case (1, rows, columns) if columns > 5 and rows in [3 * count for count in cells]:  # noqa: PLR2004 - as above
                return None if _in_shares(output.values[0, :, :2]) else ("raw", number)
            case (1, columns, rows) if columns > 4 and rows in cells:  # noqa: PLR2004 - a box
                return None if _in_shares(output.values[0, :2]) else ("v8", number)
    return None


def _yolox_form(rows: NDArray[Any], *, height: int, width: int) -> Form | None:
    """Whether YOLOX's rows `N 5+C` are decoded; None where neither reading puts most boxes into their own cells.

    A trained cell answers for objects around itself, so on a grey picture its centre stays close to it: that is an
    offset of few cells in an undecoded row, and a pixel within few cells of it in a decoded one.
    """
    cells, strides = grid(height, width)
    if len(cells) != len(rows):
        return None  # a fourth grid, which the reading of YOLOX does not know
    centres, sizes = rows[:, :2].astype(np.float32), rows[:, 2:4].astype(np.float32)
    wide = (sizes > 0).mean() > 0.5  # noqa: PLR2004 - most of them
    undecoded, decoded = _cells_away(centres), _cells_away(centres / strides - cells)
    if undecoded <= _NEAR_CELLS and decoded >= _FAR_CELLS:
        return "yolox"
    return "yolox-decoded" if wide and decoded <= _NEAR_CELLS and undecoded >= _FAR_CELLS else None


def _cells_away(offsets: Float32) -> float:
    """How far most rows (their median) are from where they should be, in cells; infinity where none is a number."""
    known = offsets[np.isfinite(offsets).all(axis=1)]
    return float(np.median(np.abs(known).max(axis=1))) if len(known) else np.inf


def _in_shares(centres: NDArray[Any]) -> bool:
    """Whether centres are in shares of the picture: in pixels most of a whole grid's lie beyond the first."""
    return bool(0 < np.median(centres) <= 1)


def class_count(form: Form, shape: Sequence[int]) -> int | None:
    """How many classes an output of this form and shape tells apart; None where the shape does not say."""
    match form:
        case "raw" | "yolox" | "yolox-decoded":
            return shape[2] - 5
        case "v8":
            return shape[1] - 4
        case "end2end":
            return None


def decode(output: Float32, form: Form, *, height: int, width: int, min_score: float, max_overlap: float) -> Found:
    """What the output of one frame says: boxes of at least `min_score`, at most `max_overlap` (IoU) within a class."""
    if form == "end2end":
        rows = output[output[:, 6] >= min_score]
        return Found(rows[:, 1:5], rows[:, 6], rows[:, 5].astype(np.int64))
    if form == "v8":
        rows = rearrange(output, "1 column row -> row column")
        boxes, scores = rows[:, :4], rows[:, 4:]
    else:
        rows = rearrange(output, "1 row column -> row column")
        boxes, scores = rows[:, :4], rows[:, 4:5] * rows[:, 5:]
    best = scores.max(axis=1)
    likely = best >= min_score
    boxes, best, classes = boxes[likely], best[likely], scores[likely].argmax(axis=1)
    if form == "yolox":
        boxes = _off_the_grid(boxes, np.flatnonzero(likely), height=height, width=width)
    corners = np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], axis=1)
    kept = _suppress(corners, best, classes, min_score=min_score, max_overlap=max_overlap)
    return Found(corners[kept], best[kept], classes[kept].astype(np.int64))


def _off_the_grid(boxes: Float32, rows: NDArray[np.intp], *, height: int, width: int) -> Float32:
    """Centre and size in pixels of YOLOX's boxes: offset + cell, exp(size), times the stride (Ge et al. 2021)."""
    cells, strides = grid(height, width)
    cells, strides = cells[rows], strides[rows]
    return np.concatenate([(boxes[:, :2] + cells) * strides, np.exp(boxes[:, 2:]) * strides], axis=1)


def grid(height: int, width: int) -> tuple[Float32, Float32]:
    """The cells of YOLOX's three grids, `n 2` (column, row), and their strides, `n 1`, in the order of its output."""
    cells, strides = [], []
    for stride in _STRIDES[0]:
        rows, columns = np.meshgrid(np.arange(height // stride), np.arange(width // stride), indexing="ij")
        cells.append(np.stack([columns.ravel(), rows.ravel()], axis=1))
        strides.append(np.full((rows.size, 1), stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(strides).astype(np.float32)


def _suppress(
    corners: Float32, scores: Float32, classes: NDArray[np.int64], *, min_score: float, max_overlap: float
) -> NDArray[np.intp]:
    """Which boxes survive suppression of the weaker of two that overlap, class by class; the surest first."""
    sizes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    kept = cv2.dnn.NMSBoxesBatched(sizes.tolist(), scores.tolist(), classes.tolist(), min_score, max_overlap)
    return np.asarray(kept, dtype=np.intp).reshape(-1)
