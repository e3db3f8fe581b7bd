"""What the manifest of measured maps states, and the rows of its results."""

from __future__ import annotations

from typing import Any, Literal

from videotcav.records import Record
from videotcav.results.manifest import ModelledFacts


class BoxesFacts(Record):
    """Where known boxes came from."""

    source: str
    sha256: str


class FaithfulnessManifest(ModelledFacts):
    """Everything about measured maps that is not a number in their results."""

    kind: Literal["faithfulness"] = "faithfulness"
    layer: str
    target: str | None
    methods: tuple[str, ...]
    clips: int
    classes: tuple[str, ...]
    mean_probability: float
    boxes: BoxesFacts | None
    labels: tuple[str, ...]
    events: int
    settings: dict[str, Any]
    left_out: dict[str, str]


class Faithfulness(Record):
    """One row of a comparison of maps: a method's mean of a measure over clips, with its 95 % interval over videos.

    `undefined` clips have no value (a map that is 0 everywhere lies nowhere). `chance` is what a flat map scores,
    None where that is not known. An interval is NaN where all clips come from one video.
    """

    method: str
    measure: str
    value: float
    low: float
    high: float
    clips: int
    undefined: int
    chance: float | None = None
    baseline: bool = False
