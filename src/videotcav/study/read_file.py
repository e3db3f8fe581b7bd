"""A study file is read whole before it is refused: all mistakes in one message, each with its key and a suggestion."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import tomli_w
from pydantic import ValidationError

from videotcav.concepts.detectors.detect import spec_below
from videotcav.datasets.read import Listed, read_list
from videotcav.datasets.rows import ClipList
from videotcav.errors import StudyFileError, UnreadableText, closest
from videotcav.explain.design.settings import AnalysisSettings, unread
from videotcav.records import (
    Record,
)
from videotcav.study.file import ClassSection, StudyFile, StudyText, matching
from videotcav.texts import read_toml
from videotcav.video.alignment import alignment_problem


def read_study_file(
    path: Path,
    *,
    check: Callable[[Mapping[str, Any]], Iterable[str]] = lambda _: (),
    model: int = 0,
    events: Path | str | None = None,
    target: str | None = None,
    score: str | None = None,
    objects: Path | str | None = None,
) -> StudyText:
    """The study in `path`.

    Args:
        path: the file (TOML).
        model: which of the study's models, where it names several.
        events: the table of events in the place of the study's; `align` is "event" where the file does not say.
        target: the class a against another one, "a - b", in the place of the study's.
        score: what classes are asked by, in the place of the study's.
        objects: a file of boxes, or a detector, that says where the objects of class clips are, in the place of the
            study's: their edits are asked then.
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
    if objects is not None:
        there = tables.get("interventions", {})
        kept = {key: value for key, value in there.items() if key not in ("boxes", "detector")}
        asked["interventions"] = {**kept, "detector": spec_below(Path.cwd(), objects)}
    if asked:
        tables = {**tables, **asked}
        text = tomli_w.dumps(tables)
    return parse_study(path, text, with_one_model(tables, model), check=check)


def parse_study(
    path: Path, text: str, raw: Mapping[str, Any], *, check: Callable[[Mapping[str, Any]], Iterable[str]]
) -> StudyText:
    """The study that the tables of a file state. Raises StudyFileError with all of their mistakes."""
    raw, listed, problems = _with_clips(raw, path.parent)
    study: StudyFile | None = None
    try:
        # As JSON, where an array is a tuple and a text a path, and nothing else is taken for what it is not.
        study = StudyFile.model_validate_json(json.dumps(raw, default=str), strict=True)
    except ValidationError as error:
        listing = bool(problems)  # then the list is told, not that it gives no class
        problems += [_sentence(each) for each in error.errors() if not (listing and each["loc"] == ("classes",))]
    problems += [*path_problems(raw, path.parent), *check(raw)]
    if problems or study is None:
        raise StudyFileError(path, problems)
    return StudyText(path=path, text=text, study=study, listed=listed)


def _with_clips(raw: Mapping[str, Any], folder: Path) -> tuple[Mapping[str, Any], Listed, list[str]]:
    """The tables with the clips of their list under their classes, and the list; or what is wrong with it."""
    section = raw.get("classes")
    if not isinstance(section, Mapping) or not isinstance(section.get("list"), str):
        return raw, Listed(classes={}), []
    seed = raw.get("seed", 0)
    try:
        given = ClipList.model_validate_json(json.dumps(section, default=str), strict=True)
        listed = read_list(given, folder, seed=seed if isinstance(seed, int) else 0)
    except ValidationError as error:
        told = [_sentence({**each, "loc": ("classes", *each["loc"])}) for each in error.errors()]
    except UnreadableText as error:
        told = [f"classes.list: {error}"]
    else:
        videos = {
            name: [str(path.relative_to(folder) if path.is_relative_to(folder) else path) for path in paths]
            for name, paths in listed.classes.items()
        }
        return {**raw, "classes": {name: {"videos": paths} for name, paths in videos.items()}}, listed, []
    return {**raw, "classes": {}}, Listed(classes={}), told


def study_tables(
    model: str,
    classes: Mapping[str, Path | str | Sequence[Path | str]] | ClipList,
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
        "classes": _listing(classes)
        if isinstance(classes, ClipList)
        else {name: {"videos": _paths(videos)} for name, videos in classes.items()},
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


def _listing(given: ClipList) -> dict[str, Any]:
    """A list of clips as a table of a study file."""
    places = {"list": given.list, "videos": given.videos, "labels": given.labels}
    return {**_plain(given)} | {key: str(place.absolute()) for key, place in places.items() if place is not None}


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


def with_one_model(raw: dict[str, Any], number: int) -> dict[str, Any]:
    """The tables of the study as if it had only that one of its models."""
    models = raw.get("models")
    if "model" in raw or not isinstance(models, list) or number >= len(models):
        return raw  # with both, `models` is told as an unknown key
    return {**{key: value for key, value in raw.items() if key != "models"}, "model": models[number]}


_PATHS = (
    ("concepts", "folder"),
    ("random", "folder"),
    ("sources", "table"),
    ("pool", "table"),
    ("interventions", "boxes"),
)


def _is_there(folder: Path, path: str, *, has_form: bool) -> bool:
    """Whether there is such a path, or one with its form behind it."""
    return (folder / path).exists() or (has_form and (folder / path.partition(":")[0]).exists())


def path_problems(raw: Mapping[str, Any], folder: Path) -> Iterator[str]:
    """A sentence for each path in the raw study that leads nowhere, also where other keys are wrong."""
    for key, name in _PATHS:
        section = raw.get(key)
        value = section.get(name) if isinstance(section, Mapping) else None
        for path in value if isinstance(value, list) else [value]:
            if isinstance(path, str) and not _is_there(folder, path, has_form=name == "boxes"):
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
            if isinstance(pattern, str) and not matching(folder, pattern):
                yield f"classes.{class_name}.videos: '{pattern}' matches no file below {folder.resolve()}"


def unread_settings(raw: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each setting in the raw study's `[tests]` that nothing reads, also where other keys are wrong."""
    tests = raw.get("tests")
    if isinstance(tests, Mapping):
        scores = tests.get("scores", AnalysisSettings.model_fields["scores"].default)
        for name, cure in unread(tests, scores=scores, groups=bool(raw.get("groups"))):
            yield f"tests.{name}: {cure}"


_MOVED = {
    "smallest_effect": "is called equivalence_margin, and stands in the section tests, in standard deviations of the "
    "score over the pool (of classic scores in units of the primary one)"
}
"""Keys of earlier study files, and what became of them."""


def _sentence(detail: Mapping[str, Any]) -> str:
    types = ("function-after[", "dict[", "tuple[")  # which of several types a value was held against; no key
    key = ".".join(str(part) for part in detail["loc"] if not str(part).startswith(types))
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
    if section == ("classes",):
        return list(ClipList.model_fields)
    model: Any = StudyFile
    for part in section:
        if not (isinstance(model, type) and issubclass(model, Record)):
            return []
        field = model.model_fields.get(str(part))
        annotation = field.annotation if field else ClassSection
        options = [option for option in (annotation, *get_args(annotation)) if isinstance(option, type)]
        model = next((option for option in options if issubclass(option, Record)), None)
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, Record) else []
