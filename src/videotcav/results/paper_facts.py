"""What a paper folder states beside its run: which frames belong to which figure, and what is missing."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from videotcav.records import Box, Kind, Record
from videotcav.results.manifest import Facts

STATIC, DYNAMIC = "static", "dynamic"
"""The groups of Figures 7 and 8. The group of Figure 9 is named after its concept."""

PAPER_KINDS: dict[Kind, str] = {"spatial": STATIC, "spatiotemporal": DYNAMIC}
"""The protocol's kinds of clips, and what the paper calls them."""

PictureFigure = Literal["1", "4", "5", "6"]
"""The figures that are made of frames."""


class Mark(Record):
    """A box in a still's own pixels; a score of 0 marks one that was interpolated."""

    label: str
    box: Box
    score: float


class Still(Record):
    """One frame in the folder's `media/`, its caption, and the boxes to be drawn over it."""

    path: str
    caption: str = ""
    marks: tuple[Mark, ...] = ()


class Strip(Record):
    """Stills that stand in a row, under a title."""

    title: str
    stills: tuple[Still, ...]


class PaperFacts(Facts):
    """The manifest of a paper folder. `missing` says of a figure what it lacks and how to get it."""

    kind: Literal["paper"] = "paper"
    class_name: str
    concepts: tuple[str, ...]
    layers: tuple[str, ...]
    random_sets: int
    alpha: float
    departures: tuple[str, ...]
    degenerate: tuple[str, ...]
    strips: dict[PictureFigure, tuple[Strip, ...]] = Field(default_factory=dict)
    missing: dict[str, str] = Field(default_factory=dict)
    colour_map: str
    cam_layer: str = ""
