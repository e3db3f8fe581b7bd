"""The forms in which YOLO networks put out what they found, and how each is read. Pure.

| form | output | boxes | who |
| --- | --- | --- | --- |
| raw | `1 N 5+C` | centre and size, decoded; objectness × class | YOLOv7 `--grid`, YOLOv5 |
| yolox | `1 N 5+C` | offsets in a grid, undecoded; objectness × class | YOLOX |
| yolox-decoded | `1 N 5+C` | centre and size, decoded; objectness × class | YOLOX `--decode_in_inference` |
| v8 | `1 4+C N` | centre and size, decoded; class | YOLOv8 and later |
| end2end | `n 7` | batch, corners, class, score, after suppression | YOLOv7 `end2end` |
| end2end | `1 n 6` | corners, score, class, after suppression | YOLOv10, YOLO26, Ultralytics `nms=True` |

Segment exports have behind these columns the weights of their prototypes, pose exports their points: `extra` columns.
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
_END2END_COLUMNS, _FINAL_COLUMNS = 7, 6
_NEAR_CELLS, _FAR_CELLS = 2.0, 3.0

Float32 = NDArray[np.float32]


class Found(NamedTuple):
    """Boxes `n 4` (left, top, right, bottom) in input pixels, with score, class number and `extra` columns of each."""

    boxes: Float32
    scores: Float32
    classes: NDArray[np.int64]
    extra: Float32


class Output(NamedTuple):
    """One output of a network, as it came out of a run on a grey picture."""

    name: str
    values: NDArray[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of its values."""
        return self.values.shape


def prototypes_of(outputs: Sequence[Output], *, height: int, width: int) -> int | None:
    """The number of a segment export's prototypes, `1 prototype height/4 width/4`; None where there are none."""
    for number, output in enumerate(outputs):
        match output.shape:
            case (1, _, rows, columns) if len(outputs) > 1 and (rows, columns) == (height // 4, width // 4):
                return number
    return None


def has_form(form: Form, output: Output, *, extra: int = 0) -> bool:
    """Whether an output has the shape of that form."""
    match output.shape:
        case (_, columns):
            return form == "end2end" and columns == _END2END_COLUMNS
        case (1, _, columns):
            return columns == _FINAL_COLUMNS + extra if form == "end2end" else True
    return False


def recognise(
    outputs: Sequence[Output], *, height: int, width: int, extra: int = 0, suppressed: bool = False
) -> tuple[Form, int] | None:
    """The form and the number of the output to read, or None. `height` and `width` are those of the input.

    A grid of N cells has one row a cell in YOLOX, and three anchors a cell in YOLOv5 and v7. Where two forms have one
    shape the values tell; where these do not tell either, nothing is recognised. `suppressed`: the file says that its
    boxes are final.
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
            case (1, _, columns) if columns == _FINAL_COLUMNS + extra and (suppressed or _final(output.values[0])):
                return "end2end", number
    return None


def _final(rows: NDArray[Any]) -> bool:
    """Whether rows are corners in pixels, score, class; not certain where a grey picture gives no box at all."""
    left, top, right, bottom, score, number = rows.T[:_FINAL_COLUMNS]
    corners = bool((left <= right).all() and (top <= bottom).all() and rows[:, :4].max(initial=0) > 1)
    scores = bool((score >= 0).all() and (score <= 1).all() and (score % 1 > 0).any())
    return corners and scores and bool((number >= 0).all() and (number % 1 == 0).all())


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


def class_count(form: Form, shape: Sequence[int], extra: int = 0) -> int | None:
    """How many classes an output of this form and shape tells apart; None where the shape does not say."""
    match form:
        case "raw" | "yolox" | "yolox-decoded":
            return shape[2] - 5 - extra
        case "v8":
            return shape[1] - 4 - extra
        case "end2end":
            return None


def decode(
    output: Float32, form: Form, *, height: int, width: int, min_score: float, max_overlap: float, extra: int = 0
) -> Found:
    """What the output of one frame says: boxes of at least `min_score`, at most `max_overlap` (IoU) within a class."""
    if form == "end2end":
        final = output.ndim == 3  # noqa: PLR2004 - picture, row, column
        rows = output[0] if final else output[:, [1, 2, 3, 4, 6, 5]]
        rows = rows[rows[:, 4] >= min_score]
        return Found(rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int64), rows[:, _FINAL_COLUMNS:])
    if form == "v8":
        rows = rearrange(output, "1 column row -> row column")
        likely = np.flatnonzero(rows[:, 4 : rows.shape[1] - extra].max(axis=1) >= min_score)
    else:
        rows = rearrange(output, "1 row column -> row column")
        likely = np.flatnonzero(rows[:, 4] >= min_score)  # a class is at most sure: no score is above the objectness
    rows, others = np.split(rows[likely], [rows.shape[1] - extra], axis=1)
    boxes, scores = rows[:, :4], rows[:, 4:] if form == "v8" else rows[:, 4:5] * rows[:, 5:]
    best = scores.max(axis=1)
    if form == "yolox":
        boxes = _off_the_grid(boxes, likely, height=height, width=width)
    sure = best >= min_score
    boxes, best, classes, others = boxes[sure], best[sure], scores[sure].argmax(axis=1), others[sure]
    corners = np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], axis=1)
    kept = _suppress(corners, best, classes, min_score=min_score, max_overlap=max_overlap)
    return Found(corners[kept], best[kept], classes[kept].astype(np.int64), others[kept])


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
