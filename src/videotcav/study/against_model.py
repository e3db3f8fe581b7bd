"""What only the model can say of a study: that it lacks a layer or a class, and what its classes are called."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from videotcav.errors import ClassNotFound, LayerNotFound, ModelError
from videotcav.models.checkpoint import file_and_entry
from videotcav.models.class_score import against_class
from videotcav.models.model import VideoModel
from videotcav.study.file import StudyText
from videotcav.study.preregistration import hypothesis_problems

_TOLD_EACH = 3
"""How many unknown classes have a sentence of their own."""


def class_named(name: str, model: VideoModel) -> int:
    """The index of a class, also where case and marks between words are others than the model's.

    Raises ClassNotFound with the closest names.
    """
    try:
        return model.class_index(name)
    except ClassNotFound:
        alike = [index for index, known in enumerate(model.card.classes) if _letters(known) == _letters(name)]
        if len(alike) != 1:
            raise
        return alike[0]


def _letters(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def model_problems(
    raw: Mapping[str, Any], *, folder: Path, load: Callable[..., VideoModel], loaded: list[VideoModel]
) -> Iterator[str]:
    """What the model has to say about a raw study: that it cannot be loaded, or lacks a layer or a class."""
    section = raw.get("model")
    if not isinstance(section, dict) or not isinstance(section.get("name"), str):
        yield from hypothesis_problems(raw, folder, layers=None)
        return
    try:
        model = load(section["name"], weights=_weights(section.get("weights"), folder))
        if isinstance(section.get("clip"), dict):
            spec = model.card.clip_spec.changed(section["clip"])
            model = replace(model, card=model.card.model_copy(update={"clip_spec": spec}))
    except ValidationError as error:  # what one key alone has wrong, the file's own validation tells
        whole = (each["msg"].removeprefix("Value error, ") for each in error.errors() if not each["loc"])
        yield from (f"model.clip: {told}" for told in whole)
        return
    except ModelError as error:
        yield f"model: {error}"
        yield from hypothesis_problems(raw, folder, layers=None)
        return
    loaded.append(model)
    layers = _strings(section.get("layers")) or _strings(raw.get("layers"))
    yield from hypothesis_problems(raw, folder, layers=layers or model.card.default_layers)
    cam = raw.get("cam")
    cam = cam if isinstance(cam, dict) else {}
    asked: list[tuple[str, object, Callable[[str], object]]] = [
        *((f"layers[{index}]", name, model.layer) for index, name in enumerate(layers)),
        ("cam.layer", cam.get("layer"), model.layer),
        ("cam.against", cam.get("against"), model.class_index),
    ]
    yield from _target_problems(raw, model)
    yield from _picture_problems(raw, model.card.clip_spec.unlike_pictures)
    numbers: dict[int, str] = {}
    for key in _strings(raw.get("classes")):
        with suppress(ClassNotFound):
            number = class_named(key, model)
            if number in numbers:
                yield f"classes.{key}: is the class that classes.{numbers[number]} is; name it once"
            numbers[number] = key
    yield from _unknown_classes(_strings(raw.get("classes")), model)
    for key, name, look_up in asked:
        try:
            if isinstance(name, str):
                look_up(name)
        except (LayerNotFound, ClassNotFound) as error:
            yield f"{key}: {error}"


def _picture_problems(raw: Mapping[str, Any], unlike: str) -> Iterator[str]:
    """What needs colour pictures where clips are none; `unlike` says why they are none."""
    cam = raw.get("cam")
    if unlike and "interventions" in raw:
        yield f"interventions: edits change colour pictures, and {unlike}; leave the section out"
    if unlike and isinstance(cam, dict) and cam.get("checked") != 0:
        yield f"cam.checked: maps are checked by edits of colour pictures, and {unlike}; write checked = 0"


def _unknown_classes(names: Sequence[str], model: VideoModel) -> Iterator[str]:
    unknown: dict[str, ClassNotFound] = {}
    for name in names:
        try:
            class_named(name, model)
        except ClassNotFound as error:
            unknown[name] = error
    if len(unknown) <= _TOLD_EACH:
        yield from (f"classes.{name}: {error}" for name, error in unknown.items())
        return
    first = ", ".join(f"'{name}'" for name in [*unknown][:_TOLD_EACH])
    yield (
        f"classes: the model has no class for {len(unknown)} of {len(names)}, the first are {first}; name those that "
        'are asked about, as include = ["NAME"], or the file of their names, as labels = "FILE"'
    )


def _target_problems(raw: Mapping[str, Any], model: VideoModel) -> Iterator[str]:
    target, classes = raw.get("target"), _strings(raw.get("classes"))
    if target == "":
        yield "target: is empty; write it as 'a - b', or leave it out"
    if not isinstance(target, str) or not target:
        return
    try:
        index = against_class(model, target)[0]
    except ClassNotFound as error:
        yield f"target: {error}"
        return
    with suppress(ClassNotFound):
        if len(classes) == 1 and class_named(classes[0], model) != index:
            yield (
                f"target: the class of the study is '{classes[0]}', so that it is what the difference begins with, "
                f"not '{model.card.classes[index]}'"
            )


def by_name(file: StudyText, model: VideoModel) -> StudyText:
    """The same with every class under its name, as all that follows calls it; a study may give its number."""
    study = file.study
    names = {key: model.card.classes[class_named(key, model)] for key in study.classes}
    cam = study.cam
    if cam is not None and cam.against is not None:
        cam = cam.model_copy(update={"against": model.card.classes[model.class_index(cam.against)]})
    changes = {
        "classes": {names[key]: section for key, section in study.classes.items()},
        "cam": cam,
        "hypotheses": tuple(_naming(text, names) for text in study.hypotheses),
    }
    return file.model_copy(update={"study": study.model_copy(update=changes)})


def _naming(hypothesis: str, names: Mapping[str, str]) -> str:
    said, _, key = hypothesis.rpartition(" for ")
    return f"{said} for {names[key]}" if said and key in names else hypothesis


def _strings(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list | dict) else []


def _weights(value: object, folder: Path) -> str | None:
    """The weights as the loader takes them: a file relative to the study, or else a name."""
    if not isinstance(value, str):
        return None
    file, _ = file_and_entry(folder / value)
    return str(folder / value) if file.is_file() or file.suffix else value
