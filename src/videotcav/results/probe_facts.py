"""What a probe of models states and finds: its manifest, its rows, and its clips."""

from __future__ import annotations

from typing import Any, Literal

from videotcav.records import Fraction, Record
from videotcav.results.edit_effect import EditEffect
from videotcav.results.manifest import ClassFacts, Facts, ModelFacts

EFFECTS = "effects.parquet"
DIFFERENCES = "differences.parquet"

RIGHT, WRONG = "right", "wrong"
"""The clips of a class that the model gives to it unedited, and the others."""


class EditFacts(Record):
    """An edit in words: what it does, and what the class then has to do without."""

    name: str
    about: str
    without: str
    ranked: bool


class ProbedModel(Record):
    """One of the models that were asked: what it is, what its classes were asked by, its classes' clips unedited."""

    facts: ModelFacts
    score: str
    classes: dict[str, ClassFacts]


class ProbeManifest(Facts):
    """Everything about a probe that is not a number in its rows; models by their labels.

    `classes` are those that were asked about. `of_classes` are those whose clips, unedited, give the unit of effects.
    `by` is the column of labels that subgroups were made of.
    """

    kind: Literal["probe"] = "probe"
    versions: dict[str, str]
    models: dict[str, ProbedModel]
    classes: tuple[str, ...]
    of_classes: tuple[str, ...]
    edits: tuple[EditFacts, ...]
    clips: int
    sources: int
    alpha: float
    correction: str
    negligible_below: float
    equivalence_margin: float
    seed: int
    by: str = ""
    clips_sha256: str = ""
    differences_sha256: str = ""
    left_out: dict[str, str]
    remarks: tuple[str, ...]


class ProbeEffect(EditEffect):
    """One model × edit × class, see `EditEffect`."""

    model: str


class ModelDifference(Record):
    """How much more of a class's score an edit takes in one model than in the `other`, on the same clips.

    `difference` is the effect on `model` minus that on the `other`, each in its own model's standard deviations, with
    its 95 % interval and the p of a paired t-test over source videos. Above 0 the model needs less of what the edit
    takes away. Of an edit that is only shown there is no corrected p.
    """

    model: str
    other: str
    edit: str
    class_name: str
    difference: float
    low: float
    high: float
    p: Fraction
    p_corrected: Fraction | None = None
    clips: int
    sources: int

    def as_row(self) -> dict[str, Any]:
        """The row of a table."""
        return self.model_dump()


class Mended(Record):
    """What an edit does to the clips of a class that a model gets wrong, and to those that it gets right."""

    model: str
    class_name: str
    edit: str
    wrong: int
    mended: int
    right: int
    broken: int


def score_of(class_name: str) -> str:
    """The column of clips that holds the unedited score of a class."""
    return f"score of {class_name}"


def after(edit: str, what: str) -> str:
    """The column of clips that holds what was found after an edit: score, probability, predicted or changed."""
    return f"{edit}: {what}"
