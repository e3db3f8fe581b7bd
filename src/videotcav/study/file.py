"""The study file: what is asked of which model, with which videos, concepts and tests.

A file is read whole before it is refused: every mistake comes in one message, each with its key and a suggestion.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import tomli_w
from pydantic import Field, FiniteFloat, ValidationError, model_validator

from videotcav.errors import StudyFileError, UnreadableText, VideoError, closest
from videotcav.explain.design.settings import MOST_SEED, AnalysisSettings, unread
from videotcav.records import (
    MOST_PIXELS,
    MOST_VIEWS,
    Distinct,
    Kind,
    Pooling,
    Positive,
    Record,
    ScoreName,
    Statistic,
)
from videotcav.texts import read_toml
from videotcav.video.alignment import Align, Edges, alignment_problem
from videotcav.video.find import find_videos

Length = Annotated[int, Field(ge=1, le=MOST_PIXELS)]


class ClipChanges(Record):
    """What of the model's own clip specification is to be otherwise; see `ClipSpec`."""

    frames: Length | None = None
    seconds_between_frames: Positive | None = None
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
    """Grad-CAM overlays of the first `clips` clips of each class, beside the map of the class `against`."""

    layer: str | None = None
    clips: Annotated[int, Field(ge=1, le=1000)] = 3
    against: str | None = None


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
    """A study file as it was read: its place, its text, and what it says."""

    path: Path
    text: str
    study: StudyFile

    @property
    def folder(self) -> Path:
        """The folder that the paths of the study are relative to."""
        return self.path.parent

    @property
    def sha256(self) -> str:
        """Hash of the text, as recorded in the manifest."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def read_study_file(
    path: Path,
    *,
    check: Callable[[Mapping[str, Any]], Iterable[str]] = lambda _: (),
    model: int = 0,
    events: Path | str | None = None,
    target: str | None = None,
    score: str | None = None,
) -> StudyText:
    """The study in `path`.

    Args:
        path: the file (TOML).
        model: which of the study's models, where it names several.
        events: the table of events in the place of the study's; `align` is "event" where the file does not say.
        target: the class a against another one, "a - b", in the place of the study's.
        score: what classes are asked by, in the place of the study's.
        check: finds further mistakes in the raw tables, such as only a model can tell; they join the others.

    Raises:
        StudyFileError: the file is missing, is not TOML, or has mistakes; all of them are listed.
    """
    try:
        text, tables = read_toml(path)
    except UnreadableText as error:
        raise StudyFileError(path, [error.reason]) from error
    asked: dict[str, Any] = {"target": target, "score": score}
    asked = {key: value for key, value in asked.items() if value is not None}
    if events is not None:
        tables = {"align": "event", **tables}
        asked["events"] = str(Path(events).absolute())
    if asked:
        tables = {**tables, **asked}
        text = tomli_w.dumps(tables)
    return parse_study(path, text, _with_one_model(tables, model), check=check)


def parse_study(
    path: Path, text: str, raw: Mapping[str, Any], *, check: Callable[[Mapping[str, Any]], Iterable[str]]
) -> StudyText:
    """The study that the tables of a file state. Raises StudyFileError with all of their mistakes."""
    problems: list[str] = []
    study: StudyFile | None = None
    try:
        # As JSON, where an array is a tuple and a text a path, and nothing else is taken for what it is not.
        study = StudyFile.model_validate_json(json.dumps(raw, default=str), strict=True)
    except ValidationError as error:
        problems += [_sentence(detail) for detail in error.errors()]
    problems += [*path_problems(raw, path.parent), *check(raw)]
    if problems or study is None:
        raise StudyFileError(path, problems)
    return StudyText(path=path, text=text, study=study)


def study_tables(
    model: str,
    classes: Mapping[str, Path | str | Sequence[Path | str]],
    concepts: Path | str | Sequence[Path | str],
    random: Path | str | Sequence[Path | str],
    others: Mapping[str, Any],
) -> dict[str, Any]:
    """The tables of a study file that states this; `others` are its further keys, and those of `[concepts]`."""
    chosen = {key: list(others[key]) for key in ("include", "kinds") if key in others}
    sources = others.get("sources")
    raw: dict[str, Any] = {
        **{key: _plain(value) for key, value in others.items() if value is not None and key not in chosen},
        "model": {"name": model},
        "classes": {name: {"videos": _paths(videos)} for name, videos in classes.items()},
        "concepts": {"folder": _paths(concepts), **chosen},
        "random": {"folder": _paths(random)},
    }
    if isinstance(sources, str | Path):
        raw["sources"] = {"table": str(Path(sources).absolute())}
    if isinstance(pool := raw.get("pool"), Mapping) and "table" in pool:
        raw["pool"] = {**pool, "table": str(Path(str(pool["table"])).absolute())}
    if others.get("events") is not None:
        raw["events"] = str(Path(others["events"]).absolute())
    return raw


def _paths(places: Path | str | Sequence[Path | str]) -> list[str]:
    return [str(Path(place).absolute()) for place in ([places] if isinstance(places, str | Path) else places)]


def _plain(value: object) -> Any:
    """A value as TOML has it: of a record what was set, no None."""
    if isinstance(value, Record):
        value = value.model_dump(mode="json", exclude_unset=True)
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items() if each is not None}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, Path) else value


def model_keys(path: Path) -> tuple[str, ...]:
    """The tables of the models that a study asks one question of: of each of `[[models]]`, or of the one `[model]`."""
    try:
        models = read_toml(path)[1].get("models")
    except UnreadableText:
        return ("model",)  # told when the file is read
    several = models if isinstance(models, list) else ()
    return tuple(f"models[{number}]" for number in range(len(several))) or ("model",)


def _with_one_model(raw: dict[str, Any], number: int) -> dict[str, Any]:
    """The tables of the study as if it had only that one of its models."""
    models = raw.get("models")
    if "model" in raw or not isinstance(models, list) or number >= len(models):
        return raw  # with both, `models` is told as an unknown key
    return {**{key: value for key, value in raw.items() if key != "models"}, "model": models[number]}


def class_videos(study: StudyFile, folder: Path) -> dict[str, tuple[Path, ...]]:
    """The video files of each class, sorted; `folder` is the study file's."""
    return {
        name: tuple(sorted({video for pattern in section.videos for video in _matches(folder, pattern)}))
        for name, section in study.classes.items()
    }


def path_problems(raw: Mapping[str, Any], folder: Path) -> Iterator[str]:
    """A sentence for each path in the raw study that leads nowhere, also where other keys are wrong."""
    for key, name in (("concepts", "folder"), ("random", "folder"), ("sources", "table"), ("pool", "table")):
        section = raw.get(key)
        value = section.get(name) if isinstance(section, Mapping) else None
        for path in value if isinstance(value, list) else [value]:
            if isinstance(path, str) and not (folder / path).exists():
                yield f"{key}.{name}: '{path}' does not exist below {folder.resolve()}"
    events = raw.get("events")
    if isinstance(events, str) and not (folder / events).is_file():
        yield f"events: '{events}' is no file below {folder.resolve()}"
    align, edges = raw.get("align", "none"), raw.get("edges", "refuse")
    if problem := alignment_problem(align, has_events=events is not None, edges=edges):
        yield f"align: {problem}"
    tests = raw.get("tests")
    if isinstance(tests, Mapping) and "seed" in tests:
        yield "tests.seed: a study has one seed; write it at the top, as seed = 0"
    classes = raw.get("classes")
    for class_name, section in classes.items() if isinstance(classes, Mapping) else ():
        videos = section.get("videos", ()) if isinstance(section, Mapping) else ()
        for pattern in videos if isinstance(videos, list) else ():
            if isinstance(pattern, str) and not _matches(folder, pattern):
                yield f"classes.{class_name}.videos: '{pattern}' matches no file below {folder.resolve()}"


def unread_settings(raw: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each setting in the raw study's `[tests]` that nothing reads, also where other keys are wrong."""
    tests = raw.get("tests")
    if isinstance(tests, Mapping):
        scores = tests.get("scores", AnalysisSettings.model_fields["scores"].default)
        for name, cure in unread(tests, scores=scores, groups=bool(raw.get("groups"))):
            yield f"tests.{name}: {cure}"


def _matches(folder: Path, pattern: str) -> tuple[Path, ...]:
    try:
        return tuple(path for path in find_videos(folder / pattern) if os.path.lexists(path))
    except VideoError:
        return ()


_MOVED = {
    "smallest_effect": "is called equivalence_margin, and stands in the section tests, in standard deviations of the "
    "score over the pool (of classic scores in units of the primary one)"
}
"""Keys of earlier study files, and what became of them."""


def _sentence(detail: Mapping[str, Any]) -> str:
    key = ".".join(str(part) for part in detail["loc"])
    if key in _MOVED:
        return f"{key}: {_MOVED[key]}"
    if detail["type"] == "value_error" and not detail["loc"]:
        return str(detail["ctx"]["error"])
    if detail["type"] == "extra_forbidden":
        parent, name = detail["loc"][:-1], str(detail["loc"][-1])
        near = closest(name, _known_keys(parent))
        return f"{key}: unknown key" + (f"; closest: {near}" if near else f"; known: {', '.join(_known_keys(parent))}")
    if detail["type"] == "missing":
        return f"{key}: is missing"
    shown = detail["input"]
    return f"{key}: {detail['msg'][0].lower()}{detail['msg'][1:]}" + (
        "" if isinstance(shown, dict) else f", got {shown!r}"
    )


def _known_keys(section: tuple[int | str, ...]) -> list[str]:
    model: Any = StudyFile
    for part in section:
        if not (isinstance(model, type) and issubclass(model, Record)):
            return []
        field = model.model_fields.get(str(part))
        annotation = field.annotation if field else ClassSection
        options = [option for option in (annotation, *get_args(annotation)) if isinstance(option, type)]
        model = next((option for option in options if issubclass(option, Record)), None)
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, Record) else []
