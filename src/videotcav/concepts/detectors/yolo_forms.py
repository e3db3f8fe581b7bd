"""The forms in which YOLO networks put out what they found, and how each is read. Pure.

| form | output | boxes | who |
| --- | --- | --- | --- |
| raw | `1 N 5+C` | centre and size, decoded; objectness × class | YOLOv7 `--grid`, YOLOv5 |
| yolox | `1 N 5+C` | offsets in a grid, undecoded; objectness × class | YOLOX |
| v8 | `1 4+C N` | centre and size, decoded; class | YOLOv8 and later |
| end2end | `n 7` | batch, corners, class, score, after suppression | YOLOv7 `end2end` |
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import cv2
import numpy as np
from einops import rearrange
from numpy.typing import NDArray

Form = Literal["raw", "yolox", "v8", "end2end"]
FORMS: tuple[Form, ...] = get_args(Form)
_STRIDES = ((8, 16, 32), (8, 16, 32, 64))
_END2END_COLUMNS = 7

Float32 = NDArray[np.float32]


class Found(NamedTuple):
    """Boxes `n 4` (left, top, right, bottom) in input pixels, with score and class number of each."""

    boxes: Float32
    scores: Float32
    classes: NDArray[np.int64]


class Output(NamedTuple):
    """One output of a network: name and shape, as it came out of a run on one frame."""

    name: str
    shape: tuple[int, ...]


def recognise(outputs: Sequence[Output], *, height: int, width: int) -> tuple[Form, int] | None:
    """The form and the number of the output to read, or None. `height` and `width` are those of the input.

    A grid of N cells has one row a cell in YOLOX, and three anchors a cell in YOLOv5 and v7.
    """
    cells = [sum((height // s) * (width // s) for s in strides) for strides in _STRIDES]
    for number, output in enumerate(outputs):
        match output.shape:
            case (_, columns) if columns == _END2END_COLUMNS and len(outputs) == 1:
                return "end2end", number
            case (1, rows, columns) if columns > 5 and rows in cells:  # noqa: PLR2004 - box and objectness
                return "yolox", number
            case (1, rows, columns) if columns > 5 and rows in [3 * count for count in cells]:  # noqa: PLR2004 - as above
                return "raw", number
            case (1, columns, rows) if columns > 4 and rows in cells:  # noqa: PLR2004 - a box
                return "v8", number
    return None


def class_count(form: Form, shape: Sequence[int]) -> int | None:
    """How many classes an output of this form and shape tells apart; None where the shape does not say."""
    match form:
        case "raw" | "yolox":
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
