"""Masks: which pixels of a frame an object covers, as COCO's run lengths, and what files say of them.

pycocotools encodes and fills polygons. What it would decode it believes, in C, so runs are read and counted here.
"""

from __future__ import annotations

from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco
from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt, model_validator

from videotcav.records import Record

BoxEdges = tuple[float, float, float, float]
"""Left, top, right, bottom."""

Polygons = tuple[tuple[float, ...], ...]
"""Outlines x1, y1, x2, y2, … in pixels; what lies in any of them belongs to the object."""

_LEAST_CORNERS = 3
_MOST_BITS = 40


class Mask(Record):
    """The pixels of a frame that belong to an object; none where it is hidden. `counts` is COCO's compressed text."""

    height: PositiveInt
    width: PositiveInt
    counts: str

    @model_validator(mode="after")
    def _covers_the_frame(self) -> Self:
        require_runs(runs_of(self.counts), self.height, self.width)
        return self

    @classmethod
    def of(cls, pixels: NDArray[np.bool_]) -> Mask:
        """The mask of a picture, `height width`, that is true where the object is."""
        return cls.from_coco(coco.encode(np.asfortranarray(pixels, dtype=np.uint8)))

    @classmethod
    def from_coco(cls, rle: dict[str, Any]) -> Mask:
        """The mask that pycocotools made."""
        height, width = rle["size"]
        return cls(height=height, width=width, counts=rle["counts"].decode("ascii"))

    @property
    def rle(self) -> dict[str, Any]:
        """The mask as COCO's JSON has it."""
        return {"size": [self.height, self.width], "counts": self.counts}

    @property
    def pixels(self) -> NDArray[np.bool_]:
        """True where the object is, `height width`."""
        runs = runs_of(self.counts)
        return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(self.width, self.height).T

    @property
    def edges(self) -> BoxEdges | None:
        """Left, top, right, bottom of what it covers; None where that is nothing."""
        runs = np.asarray(runs_of(self.counts), dtype=np.int64)
        stops = runs.cumsum()
        own = (np.arange(len(runs)) % 2 == 1) & (runs > 0)
        (left, top), (right, bottom) = (divmod(at, self.height) for at in ((stops - runs)[own], stops[own] - 1))
        if not len(left):
            return None
        if (left < right).any():  # a run that goes on in the next column has the last row and the first
            return (float(left[0]), 0.0, float(right[-1] + 1), float(self.height))
        return (float(left[0]), float(top.min()), float(right[-1] + 1), float(bottom.max() + 1))


def mask_outlines(pixels: NDArray[np.bool_], *, scale: float = 1.0) -> list[list[tuple[float, float]]]:
    """The closed lines around what a picture, `height width`, shows: corners x, y, times `scale`."""
    found, _ = cv2.findContours(pixels.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    closed = (np.concatenate([line, line[:1]])[:, 0] for line in found)
    return [[(scale * (x + 0.5), scale * (y + 0.5)) for x, y in line.tolist()] for line in closed]


class Rle(BaseModel):
    """COCO's `segmentation` by run lengths, as a file states it: compressed (text) or not (numbers)."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    size: tuple[PositiveInt, PositiveInt]
    counts: str | tuple[NonNegativeInt, ...]


Outline = Rle | Polygons


def mask_of(outline: Outline, *, height: int, width: int) -> Mask:
    """The mask of an outline in a frame of that size. Raises ValueError, whose text is the end of a sentence."""
    if isinstance(outline, Rle):
        if outline.size != (height, width):
            raise ValueError(f"is of {outline.size[1]}×{outline.size[0]} pixels, and the video of {width}×{height}")
        if isinstance(outline.counts, str):
            require_runs(runs_of(outline.counts), height, width)
            return Mask.model_construct(height=height, width=width, counts=outline.counts)
        require_runs(outline.counts, height, width)
        rle = {"size": [height, width], "counts": list(outline.counts)}
        return Mask.from_coco(coco.frPyObjects(rle, height, width))
    for polygon in outline:
        if len(polygon) < 2 * _LEAST_CORNERS or len(polygon) % 2:
            raise ValueError(f"has a polygon of {len(polygon)} numbers; it needs x and y of three corners or more")
        x, y = polygon[::2], polygon[1::2]
        if not (-width <= min(x) <= max(x) <= 2 * width and -height <= min(y) <= max(y) <= 2 * height):
            raise ValueError(f"has a polygon with corners far outside the {width}×{height} frame")
    found = Mask.from_coco(coco.merge(coco.frPyObjects([list(polygon) for polygon in outline], height, width)))
    if found.edges is None:
        raise ValueError("covers no pixel of the frame")
    return found


def runs_of(counts: str) -> list[int]:
    """The run lengths of COCO's compressed text. Raises ValueError where it is none.

    Six bits a character from "0" on: five of the number, lowest first, and whether more follow; the last one's fifth
    bit is the sign. From the fourth run on it is the difference to the run before the last.
    """
    runs: list[int] = []
    number = shift = 0
    for character in counts:
        bits = ord(character) - 48
        if not 0 <= bits < 64:  # noqa: PLR2004 - six bits
            raise ValueError(f"is no run lengths of COCO: it has the character {character!r}")
        if shift > _MOST_BITS:
            raise ValueError("is no run lengths of COCO: one of its numbers is longer than any picture")
        number |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            number -= 1 << shift
        runs.append(number + runs[-2] if len(runs) > 2 else number)  # noqa: PLR2004 - see above
        number = shift = 0
    if shift:
        raise ValueError("is no run lengths of COCO: it breaks off within a number")
    return runs


def require_runs(runs: list[int] | tuple[int, ...], height: int, width: int) -> None:
    """Nothing where the runs are those of a frame of that size. Raises ValueError."""
    if min(runs, default=0) < 0:
        raise ValueError("has a run of negative length")
    if sum(runs) != height * width:
        raise ValueError(f"has runs of {sum(runs)} pixels, and the {width}×{height} frame has {height * width}")
