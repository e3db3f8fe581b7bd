"""The study file: what is asked of which model, with which videos, concepts and tests."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, FiniteFloat, model_validator

from videotcav.concepts.detectors.detect import Detector, load_detector, spec_below
from videotcav.datasets.read import Listed
from videotcav.errors import VideoError
from videotcav.explain.design.settings import MOST_SEED, AnalysisSettings
from videotcav.records import (
    MOST_PIXELS,
    MOST_VIEWS,
    Distinct,
    Kind,
    Pooling,
    Positive,
    Record,
    ScoreName,
    Spread,
    Statistic,
)
from videotcav.results.edit_effect import BACKGROUND
from videotcav.video.alignment import Align, Edges
from videotcav.video.find import find_videos
from videotcav.video.segment import file_of

Length = Annotated[int, Field(ge=1, le=MOST_PIXELS)]


class ClipChanges(Record):
    """What of the model's own clip specification is to be otherwise; see `ClipSpec`."""

    frames: Length | None = None
    seconds_between_frames: Positive | None = None
    stride: Length | None = None
    spread: Spread | None = None
    short: Literal["refuse", "repeat"] | None = None
    height: Length | None = None
    width: Length | None = None
    resize: Length | tuple[Length, Length] | None = None
    mean: tuple[FiniteFloat, FiniteFloat, FiniteFloat] | None = None
    std: tuple[Positive, Positive, Positive] | None = None
    resampling: Literal["bilinear", "bicubic"] | None = None
    antialias: bool | None = None
    clips_per_video: Annotated[int, Field(ge=1, le=MOST_VIEWS)] | None = None
    crops_per_clip: Literal[1, 3] | None = None


class ModelSection(Record):
    """Which model, with which weights; `clip` changes the clip specification that the model brings.

    `label` is what a comparison of several models calls it, and `layers` are its own, in the place of the study's.
    """

    name: str
    weights: str | None = None
    label: str = ""
    layers: Distinct[str] = ()
    clip: ClipChanges | None = None


class ClassSection(Record):
    """The clips on which one class of the model is explained: paths or globs relative to the study file."""

    videos: tuple[str, ...] = Field(min_length=1)


class SourcesSection(Record):
    """A CSV table that says which clips share a source video or scene; its paths are relative to itself.

    `group` is a column of what several sources have in common (a patient, a site, a match), which takes their place.
    """

    table: Path
    file: str = "file"
    source: str = "source"
    group: str | None = None


class ConceptsSection(Record):
    """The folder of concept sets, or several, and which of their concepts and kinds to use (all when empty)."""

    folder: Path | Distinct[Path]
    include: Distinct[str] = ()
    kinds: Distinct[Kind] = ()

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders, one or more."""
        return self.folder if isinstance(self.folder, tuple) else (self.folder,)


class RandomSection(Record):
    """The pool of random clips: a concept folder or a plain folder of videos, or several."""

    folder: Path | Distinct[Path]

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders, one or more."""
        return self.folder if isinstance(self.folder, tuple) else (self.folder,)


Columns = str | Distinct[str]
"""The name of a column, or several."""


class PoolSection(Record):
    """What people know of concept and random clips: a table of labels (see `video.labels`), and how to use it.

    `own` names the columns that say what a concept is, of all concepts or concept by concept. The pool that a concept
    is held against has its labels in the columns `match` as often as its clips. `confounders` are columns that tell a
    concept and the pool apart perfectly and yet do not say what it is.
    """

    table: Path
    own: Columns | dict[str, Columns] = ()
    match: Columns = ()
    confounders: Columns = ()

    def own_of(self, concept: str) -> tuple[str, ...]:
        """The columns that say what this concept is."""
        return columns(self.own.get(concept, ()) if isinstance(self.own, dict) else self.own)

    @property
    def named(self) -> tuple[str, ...]:
        """Every column that the section names."""
        own = self.own.values() if isinstance(self.own, dict) else (self.own,)
        return tuple(name for each in (*own, self.match, self.confounders) for name in columns(each))


def columns(named: Columns) -> tuple[str, ...]:
    """The names of one column or several."""
    return (named,) if isinstance(named, str) else named


class CamSection(Record):
    """Overlays of the first `clips` clips of each class, maps of a `method` that reads a `layer`, beside the map of the
    class `against`. By `checked` clips of each class they are checked: whether its score follows such maps.
    """

    layer: str | None = None
    method: Literal["grad-cam", "grad-cam++", "hirescam", "layercam", "eigencam"] = "grad-cam"
    checked: Annotated[int, Field(ge=0, le=1000)] = 24
    clips: Annotated[int, Field(ge=1, le=1000)] = 3
    against: str | None = None


EditName = Literal["remove", "freeze", "shuffle", "reverse", "blur"]
"""What may be done to an object in a class's own clips; the background is removed, frozen or blurred."""

_OF_BACKGROUND: tuple[EditName, ...] = ("remove", "freeze", "blur")


class InterventionsSection(Record):
    """Edits of the classes' own clips, whose objects `boxes` (a file of boxes or masks of their videos) or a `detector`
    finds, each as `propose` reads it.

    `objects` are the concepts whose object is edited, and `background`; a table says what the boxes call each. Left
    out, they are all concepts of the study, and the background. Boxes are grown on each side by the share `grow`, the
    detector's error.
    """

    boxes: Path | None = None
    detector: str | None = None
    objects: Distinct[str] | dict[str, str] = ()
    edits: Annotated[Distinct[EditName], Field(min_length=1)] = ("remove", "freeze")
    grow: Annotated[float, Field(ge=0.0, le=1.0)] = 0.1

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if (self.boxes is None) == (self.detector is None):
            raise ValueError("say where the objects of the class clips are: boxes or detector, one of them")
        named = self.labels(())
        if any((BACKGROUND in pair) and len(set(pair)) > 1 for pair in named.items()):
            raise ValueError(f"objects: '{BACKGROUND}' is all that no box covers; it goes by no other name and label")
        if self.objects and BACKGROUND in named and not set(self.edits) & set(_OF_BACKGROUND):
            raise ValueError(f"edits: the {BACKGROUND} takes {', '.join(_OF_BACKGROUND)}, and none of them is named")
        return self

    def finder(self, folder: Path) -> Detector:
        """What finds the objects; `folder` is the study file's. Raises BoxesError, DetectorError."""
        return load_detector(spec_below(folder, self.boxes or self.detector or ""))

    def labels(self, concepts: Iterable[str]) -> dict[str, str]:
        """What is edited, and what the boxes call it, in a study of these concepts."""
        if self.objects and isinstance(self.objects, dict):
            return dict(self.objects)
        return {name: name for name in self.objects or dict.fromkeys((*concepts, BACKGROUND))}

    def of(self, concepts: Iterable[str]) -> list[tuple[EditName, str]]:
        """Every edit, and what it is made to."""
        return [
            (edit, target)
            for target in self.labels(concepts)
            for edit in self.edits
            if target != BACKGROUND or edit in _OF_BACKGROUND
        ]


GroupMembers = Annotated[tuple[str, ...], Field(min_length=2)]
"""Names of concepts, as "racket", or of sets, as "racket/frozen"."""


class StudyFile(Record):
    """A whole study, as validated from its file. Paths are relative to the folder of the file.

    `score` is what a class is asked by: its logit above the mean of all logits where the head is a softmax, otherwise
    its logit, unless another is named. `target = "a - b"` holds the study's one class a against another class b.
    `primary` is the classic statistic in which the report tells the verdicts, cosine unless another is named; it needs
    `scores = "classic"` in the section `tests`. `groups` names concepts that are also to be told from
    each other (`relative` scores): concepts kind by kind, or sets.

    `hypotheses` are sentences (see `explain.design.hypotheses`): the family that verdicts are corrected for. Without
    any the family is every test of the study.

    `align` lays the clip of every video around its moment: "event", those of the CSV table `events` (columns `file` and
    `seconds`), or "motion". `edges` says what becomes of clips that cannot be shifted so far.
    """

    question: str
    seed: Annotated[int, Field(ge=0, le=MOST_SEED)] = 0
    layers: Distinct[str] = ()
    pooling: Pooling = "none"
    align: Align = "none"
    events: Path | None = None
    edges: Edges = "refuse"
    score: ScoreName | None = None
    target: str = ""
    primary: Literal["sign_count", "sensitivity", "cosine"] | None = None
    hypotheses: Distinct[str] = ()
    model: ModelSection
    classes: dict[str, ClassSection] = Field(min_length=1)
    sources: SourcesSection | None = None
    concepts: ConceptsSection
    random: RandomSection
    pool: PoolSection | None = None
    groups: dict[str, GroupMembers] = Field(default_factory=dict)
    tests: AnalysisSettings = Field(default_factory=AnalysisSettings)
    interventions: InterventionsSection | None = None
    cam: CamSection | None = None

    @model_validator(mode="after")
    def _asks_one_thing(self) -> Self:
        if self.primary is not None and self.tests.scores != "classic":
            raise ValueError(
                f"primary '{self.primary}' is a classic score: leave it out, since contrast decides, or write scores = "
                '"classic" in the section tests'
            )
        if self.pool is not None and self.pool.match and self.tests.scores != "contrast":
            raise ValueError('pool.match: only contrasts are held against matched pools; leave scores = "classic" out')
        if self.interventions is not None and self.tests.scores != "contrast":
            raise ValueError('interventions: edits stand beside contrasts; leave scores = "classic" out')
        if self.target and self.score is not None:
            raise ValueError("target and score both say what the class is asked by: leave one of them out")
        if self.target and len(self.classes) > 1:
            raise ValueError(f"target '{self.target}' holds one class against another: name one class of the study")
        return self

    @property
    def told_by(self) -> Statistic:
        """The statistic that decides."""
        return "contrast" if self.tests.scores == "contrast" else self.primary or "cosine"


class StudyText(Record):
    """A study file as it was read: its place, its text, what it says, and the list of its class clips."""

    path: Path
    text: str
    study: StudyFile
    listed: Listed = Listed(classes={})

    @property
    def folder(self) -> Path:
        """The folder that the paths of the study are relative to."""
        return self.path.parent

    @property
    def sha256(self) -> str:
        """Hash of the text, as recorded in the manifest."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def class_videos(study: StudyFile, folder: Path) -> dict[str, tuple[Path, ...]]:
    """The video files of each class, sorted; `folder` is the study file's."""
    return {
        name: tuple(sorted({video for pattern in section.videos for video in matching(folder, pattern)}))
        for name, section in study.classes.items()
    }


def matching(folder: Path, pattern: str) -> tuple[Path, ...]:
    """The videos that a pattern of the study names, which is relative to its folder."""
    try:
        return tuple(path for path in find_videos(folder / pattern) if os.path.lexists(file_of(path)))
    except VideoError:
        return ()
