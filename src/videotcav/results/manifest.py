"""What a folder of results says of itself: the only writer and reader of `manifest.json`, whatever wrote the folder.

Each kind of folder has its own record, whose unknown keys are errors: what is written is what is read. A manifest from
before `format` was written is read as far as it is known.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

from pydantic import Field, ValidationError, model_validator

from videotcav.errors import RunFolderError, UnreadableText
from videotcav.outputs import file_sha256
from videotcav.records import ModelCard, Outcome, Record, Statistic
from videotcav.results.followed import Followed
from videotcav.results.pool_facts import PoolFacts
from videotcav.texts import first_problem, read_json

MANIFEST = "manifest.json"
RESULTS = "results.parquet"
CLIPS = "clips.parquet"
EFFECTS = "effects.parquet"
SHARES = "shares.parquet"
FORMAT = 2
"""Raised by one when a manifest of today could not be read by the version before it."""


class Facts(Record):
    """What every folder states: which version wrote it when, what it was asked for with, the hash of its results."""

    format: int = FORMAT
    kind: str
    videotcav: str
    created: str
    command: str = ""
    results_sha256: str = ""


AnyFacts = TypeVar("AnyFacts", bound=Facts)


class ModelFacts(Record):
    """Which network was asked."""

    name: str
    weights: str = ""
    weights_sha256: str = ""
    classes: tuple[str, ...] = ()
    clip_spec: dict[str, Any] = Field(default_factory=dict)
    precision: str = ""
    device: str = ""

    @classmethod
    def of(cls, card: ModelCard, *, device: str = "") -> Self:
        """The facts that a model's card states."""
        stated = ("name", "weights", "weights_sha256", "classes", "clip_spec", "precision")
        return cls(**card.model_dump(mode="json", include=set(stated)), device=device)


class ModelledFacts(Facts):
    """What is stated of numbers that one network gave, whatever they are."""

    versions: dict[str, str]
    model: ModelFacts


class ClassFacts(Record):
    """The clips of one class; `accuracy` is the fraction of them that the model predicts as that class."""

    clips: int
    sources: int
    accuracy: float | None = None
    mean_probability: float | None = None


class TestFacts(Record):
    """How the study decided: the settings of its tests, see `AnalysisSettings`, what a class was asked by, the class
    that it was held against where there is one, and the statistic that decides.
    """

    __test__ = False  # not a test class, whatever pytest thinks of its name

    alpha: float = 0.05
    correction: str = "holm"
    scores: str = "classic"
    negligible_below: float | None = None
    equivalence_margin: float | None = None
    relabellings: int | None = None
    score: str = ""
    target: str = ""
    classifier: str = ""
    penalty: float | None = None
    random_draws: int | None = None
    pseudo_concepts: int | None = None
    bootstrap_resamples: int | None = None
    accuracy_folds: int | None = None
    minimum_clips: int | None = None
    minimum_sources: int | None = None
    degenerate_cosine: float | None = None
    seed: int | None = None
    primary: Statistic = "sign_count"


class ConceptFacts(Record):
    """The clips of one concept: number of clips of each kind, and whether a person looked at them."""

    kinds: dict[str, int] = Field(default_factory=dict)
    sources: int = 0
    review: str = "unreviewed"


class RandomFacts(Record):
    """The pool that random and pseudo-concept sets are drawn from."""

    clips: int = 0
    sources: int = 0


class AlignmentFacts(Record):
    """How clips were laid around moments of their videos: on which frame, by what, and how many were not."""

    align: str
    frame: int
    edges: str
    events: str = ""
    events_sha256: str = ""
    clips: int
    without_event: int
    held: int

    @property
    def sentence(self) -> str:
        """In words."""
        of = f"the event in {self.events}" if self.events else "the moment of most motion"
        said = f"{of} falls on frame {self.frame} (the first is 0) of {self.clips - self.without_event} clips"
        if self.without_event:
            said += f"; {self.without_event} without one are read as without alignment"
        if self.held:
            said += f"; {self.held} hold the first or last frame of their video"
        return said


class EntanglementFacts(Record):
    """How far the concepts are one and the same to one layer, see `explain.questions.entanglement`.

    `cosines` are between the displacements of the `sets`, a row a set; `whole` and `own` are of each
    set and class. What cannot be said is None.
    """

    layer: str
    sets: tuple[str, ...]
    classes: tuple[str, ...]
    cosines: tuple[tuple[float | None, ...], ...]
    whole: tuple[tuple[float | None, ...], ...]
    own: tuple[tuple[float | None, ...], ...]


class InterventionFacts(Record):
    """Edits of the classes' own clips: where their objects come from, with the hash of that file, what the boxes call
    what is edited, which edits were made, by what share boxes were grown; and of each class its `clips` with how many
    of them hold each object.
    """

    objects: str
    objects_sha256: str = ""
    labels: dict[str, str]
    edits: tuple[str, ...]
    grow: float
    clips: dict[str, int]
    holding: dict[str, dict[str, int]]


class HypothesisFacts(Record):
    """What became of one declared hypothesis."""

    text: str
    claim: str = ""
    outcome: Outcome


class DiscoveryFacts(Record):
    """Of concepts that were found and not collected: how many were `found` in all, and how many of these are `asked`
    about; the sizes of both `families` that p is corrected for, of contrasts and of layer rows; the videos that took
    part in `finding` and those that are `tested`, by their sha256; and how many clips were left out, by where they are.
    """

    found: int
    asked: int
    families: tuple[int, int]
    finding: tuple[str, ...]
    tested: tuple[str, ...]
    left_out: dict[str, int]

    @model_validator(mode="after")
    def _are_apart(self) -> Self:
        if both := set(self.finding) & set(self.tested):
            raise ValueError(f"{len(both)} videos took part in finding and are tested")
        return self


class Medium(Record):
    """A file in a run's `media/` folder and what it shows; the report finds its pictures by this list.

    `role` is `exemplar` (a concept clip), `cam` (a map's overlay; `value` its class's probability) or `edit` (a class
    clip beside its edit `kind`). `clip` is the class clip as `clips.parquet` names it.
    """

    role: Literal["exemplar", "cam", "edit"]
    path: Annotated[str, Field(pattern=r"^[^\x00]+$")]
    caption: str
    concept: str = ""
    kind: str = ""
    class_name: str = ""
    layer: str = ""
    method: str = ""
    source: str = ""
    clip: str = ""
    value: float | None = None


class CamFacts(Record):
    """How to read the overlays: their colours, by matplotlib's name, and in one sentence what the ends mean."""

    colour_map: str
    scale: str = ""


class Manifest(Facts):
    """Everything about a run that is not a number in its results.

    `badges` say of each class whether its score follows the maps that are shown, and other maps that were tried.
    """

    kind: Literal["run"] = "run"
    question: str
    model: ModelFacts
    seed: int = 0
    versions: dict[str, str] = Field(default_factory=dict)
    classes: dict[str, ClassFacts] = Field(default_factory=dict)
    study: str = ""
    study_sha256: str = ""
    layers: tuple[str, ...] = ()
    pooling: str = "none"
    alignment: AlignmentFacts | None = None
    tests: TestFacts = TestFacts()
    concepts: dict[str, ConceptFacts] = Field(default_factory=dict)
    groups: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    random: RandomFacts = RandomFacts()
    pool: PoolFacts | None = None
    interventions: InterventionFacts | None = None
    discovery: DiscoveryFacts | None = None
    effects_sha256: str = ""
    shares_sha256: str = ""
    clips_sha256: str = ""
    clips_passed: int = 0
    cam: CamFacts | None = None
    badges: tuple[Followed, ...] = ()
    hypotheses: tuple[HypothesisFacts, ...] = ()
    entanglement: tuple[EntanglementFacts, ...] = ()
    declared: str = ""
    declaration_sha256: str = ""
    left_out: dict[str, str] = Field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    media: tuple[Medium, ...] = ()


class ModelOfMany(Record):
    """One of the compared models: its own run, its layers from first to last, what it is.

    `needs` are sentences of what its classes need of each concept, where their clips were edited.
    """

    run: str
    layers: tuple[str, ...]
    name: str
    weights: str
    needs: tuple[str, ...] = ()


class ComparisonManifest(Facts):
    """Everything about a comparison that is not a number in its results; models by their labels."""

    kind: Literal["comparison"] = "comparison"
    command: str
    question: str
    statistic: Statistic
    study: str = ""
    study_sha256: str
    models: dict[str, ModelOfMany]
    negligible_below: float | None = None


def stamp(command: str = "") -> dict[str, Any]:
    """What every manifest begins with: this version, this moment, the command."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return {"videotcav": version("videotcav"), "created": now, "command": command}


def versions() -> dict[str, str]:
    """The versions that numbers depend on."""
    packages = ("torch", "torchvision", "numpy", "scipy", "av")
    return {"python": platform.python_version(), **{package: version(package) for package in packages}}


def write_manifest(folder: Path, manifest: Facts, *, results: str = RESULTS) -> None:
    """Writes `manifest.json`, with the hash of the results that lie in the folder, so that damage to them is told."""
    if (folder / results).is_file():
        manifest = manifest.model_copy(update={"results_sha256": file_sha256(folder / results)})
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")


def read_manifest(path: Path, kind: type[AnyFacts]) -> AnyFacts:
    """What the manifest at `path` states. Raises RunFolderError where it is damaged, of another kind, or newer."""
    try:
        raw = read_json(path)
        if isinstance(raw, dict) and isinstance(raw.get("format"), int) and raw["format"] > FORMAT:
            raise RunFolderError(
                f"{path} was written by videotcav {raw.get('videotcav')}, newer than this one: use that version"
            )
        expected = kind.model_fields["kind"].default
        if isinstance(raw, dict) and raw.get("kind", expected) != expected:
            raise RunFolderError(
                f"{path} is of another kind of run ({raw['kind']}, not {expected})", hint="`report()` writes its page"
            )
        is_old = isinstance(raw, dict) and "format" not in raw
        return kind.model_validate_json(json.dumps(_known(raw, kind) if is_old else raw))
    except ValidationError as error:
        raise RunFolderError(f"{path} is damaged: {first_problem(error)}; run the study again") from error
    except UnreadableText as error:
        raise RunFolderError(f"{path} is damaged: it {error.reason}; run the study again") from error


def kind_of(folder: Path) -> str:
    """What kind of folder it says it is; `run` where it does not say."""
    try:
        raw = read_json(folder / MANIFEST)
    except UnreadableText:
        return "run"  # told where it is read
    return str(raw.get("kind", "run")) if isinstance(raw, dict) else "run"


def _known(raw: Any, kind: Any) -> Any:
    """The keys of a manifest of before `format` that are known today; others were never refused then."""
    if isinstance(kind, type) and issubclass(kind, Record) and isinstance(raw, Mapping):
        fields = kind.model_fields
        return {key: _known(value, fields[key].annotation) for key, value in raw.items() if key in fields}
    inner = [each for each in get_args(kind) if each is not type(None)]
    if isinstance(raw, Mapping) and len(inner) > 1:  # dict[str, …]
        return {key: _known(value, inner[-1]) for key, value in raw.items()}
    if isinstance(raw, Mapping) and inner:  # … | None
        return _known(raw, inner[0])
    return [_known(value, inner[0]) for value in raw] if isinstance(raw, list) and inner else raw
