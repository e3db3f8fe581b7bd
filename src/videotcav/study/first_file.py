"""A first study file, from a folder of videos and a model: what can be seen is seen, what cannot is asked."""

from __future__ import annotations

import os
import tomllib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from videotcav.concepts.review.review import is_concept_folder
from videotcav.errors import ArgumentError, ClassNotFound, ConceptNotFound, PathTaken, VideotcavWarning
from videotcav.models.checkpoint import file_and_entry
from videotcav.models.listing import down_to
from videotcav.models.load import known_models, load_model
from videotcav.models.model import VideoModel
from videotcav.outputs import write_text
from videotcav.study.against_model import class_named, model_problems
from videotcav.study.file import StudyText
from videotcav.study.first_text import Known, study_text_of
from videotcav.study.inputs import Inputs, study_inputs
from videotcav.study.probe_inputs import class_folders
from videotcav.study.read_file import parse_study, unread_settings
from videotcav.video.find import find_videos, videos_in


@dataclass(frozen=True)
class Unseen:
    """What nobody can see from a folder and a model: a question for a person, and the argument that answers it.

    `default` is what an empty answer means; None where there must be one. `check` raises VideotcavError for an answer
    that does not fit.
    """

    question: str
    argument: str
    check: Callable[[str], object]
    default: str | None = None


Ask = Callable[[Unseen], str]

_BESIDE = {
    "concepts": "Where is the folder of concept clips?",
    "random": "Where is the folder of unrelated clips?",
}
"""Folders that are taken where they lie beside the file or the videos, and the question where they do not."""


def init(
    videos: Path | str,
    output: Path | str = "study.toml",
    *,
    model: str,
    weights: str | None = None,
    target: str | None = None,
    concepts: Path | str | Sequence[Path | str] = (),
    random: Path | str | Sequence[Path | str] = (),
    question: str | None = None,
    layers: Sequence[str] = (),
    hypotheses: Sequence[str] = (),
    ask: Ask | None = None,
) -> Path:
    """The new, commented study file at `output`, which loads and can be planned as it is. Nothing is overwritten.

    Args:
        videos: a folder with a folder of videos a class, or the folder of one class's videos.
        output: the file; its paths are relative to its folder where they lie below it.
        model: a name, as `load_model` takes it.
        weights: a name that the source knows, or a checkpoint.
        target: the class that the videos show, or of several the only one to be asked about.
        concepts: the folders of concept sets; a folder `concepts` beside the file or beside the videos when left out.
        random: the folders of the random pool; a folder `random` there when left out.
        question: what the report is headed by.
        layers: where the model is looked into; its own choice when left out.
        hypotheses: what is expected, as sentences; without any all is exploratory.
        ask: is asked for whatever is neither given nor seen; without it that is an error, which names all of it.

    Raises:
        ArgumentError: what is not seen, and not given, with the argument for each.
        PathTaken: something is at `output` already.
        StudyFileError: what was given does not fit the model or the files; nothing is written.
    """
    output = _place(output)
    _refuse_taken(output)
    found = _Answers(ask)
    loaded, weights = _loaded(model, weights, ask)
    classes = _classes(_place(videos), loaded, target, found)
    places = [output.parent, _place(videos), _place(videos).parent]
    sets = _folders("concepts", _listed(concepts), places, found)
    pool = _folders("random", _listed(random), places, found)
    own_layers = tuple(layers) or loaded.card.default_layers or _layers(loaded, found)
    asked_of = " and ".join(classes) or "the class"
    question = found.have("question", question, "What is the question?", default=f"Which concepts move {asked_of}?")
    found.refuse_missing(videos, model)
    known = Known(
        folder=output.parent,
        model=_findable(model),
        weights=_placed(weights, output.parent),
        card=loaded.card,
        classes=classes,
        concepts=sets,
        random=pool,
        question=question,
        layers=() if own_layers == loaded.card.default_layers else own_layers,
        hypotheses=tuple(hypotheses),
    )
    checked, inputs = _checked(output, study_text_of(known), loaded)
    if ask is not None and not hypotheses:
        known = _expecting(known, ask, lambda each: _checked(output, study_text_of(each), loaded))
    checked, inputs = _checked(output, study_text_of(known.with_kinds(inputs.kinds)), loaded)
    _refuse_taken(output)  # by somebody else, while questions were answered
    write_text(output, checked.text)
    return output


def _refuse_taken(output: Path) -> None:
    if os.path.lexists(output):
        raise PathTaken(f"{output} is there already and is never overwritten", hint="name another output")


def _expecting(known: Known, ask: Ask, check: Callable[[Known], object]) -> Known:
    """The same with the hypotheses that a person states."""

    def said(answer: str) -> Known:
        return known.expecting(tuple(each.strip() for each in answer.split(";") if each.strip()))

    question = "What do you expect? As 'NAME pushes CLASS', with ; between several, or nothing"
    return said(ask(Unseen(question, "hypotheses", lambda answer: check(said(answer)), default="")))


class _Answers:
    """What is known of a study; what is missing is asked for, or else kept to be told together."""

    def __init__(self, ask: Ask | None) -> None:
        self.ask, self.missing = ask, dict[str, str]()

    def have(
        self,
        argument: str,
        given: str | None,
        question: str,
        *,
        check: Callable[[str], object] = str,
        default: str | None = None,
    ) -> str:
        """What was given, or else answered, or else the default; empty where it is missing."""
        if given is not None:
            check(given)
            return given
        if self.ask is not None:
            return self.ask(Unseen(question, argument, check, default))
        if default is None:
            self.missing[argument] = question
        return default or ""

    def refuse_missing(self, videos: Path | str, model: str) -> None:
        """Raises ArgumentError where something is neither given nor seen."""
        if self.missing:
            arguments = ", ".join(f"{argument}=…" for argument in self.missing)
            raise ArgumentError(
                f"{videos}: cannot be seen from these videos: {' '.join(self.missing.values())}",
                hint=f"answer with `init({videos}, model={model}, {arguments})`",
            )


def _loaded(name: str, weights: str | None, ask: Ask | None) -> tuple[VideoModel, str | None]:
    """The model, and the weights that a study names for it."""
    model = load_model(name, weights=weights)
    if weights is not None or model.card.weights != "random":
        return model, weights
    known = next((each.weights for each in known_models() if each.name == name), ())
    if ask is not None:
        names = f", as {', '.join(known)}" if known else ""
        question = f"Which weights, by name or as a checkpoint{names}? Nothing for random ones"
        weights = ask(
            Unseen(question, "weights", lambda answer: answer and load_model(name, weights=answer), default="")
        )
    if not weights:
        warnings.warn(f"{name} has random weights: say which ones the study is about.", VideotcavWarning, stacklevel=3)
        return model, None
    return load_model(name, weights=weights), weights


def _classes(videos: Path, model: VideoModel, target: str | None, found: _Answers) -> dict[str, list[Path]]:
    """The folders of each class's videos, by the model's own names."""
    if not videos.is_dir():
        raise ArgumentError(f"{videos} is no folder: name the folder of the videos")
    wanted = None if target is None else model.card.classes[model.class_index(target)]
    inner = [] if videos_in(videos) else [each for each in class_folders(videos) if each.name not in _BESIDE]
    if not inner:
        find_videos(videos)  # none at all is told
        name = found.have(
            "target", wanted, f"Which class do the videos in {videos.name} show?", check=model.class_index
        )
        return {model.card.classes[model.class_index(name)]: [videos]} if name else {}
    classes: dict[str, list[Path]] = {}
    unknown: list[Path] = []
    for folder in inner:
        own = _class_of(folder.name, model)
        if own is None or not videos_in(folder):
            unknown.append(folder)
        elif wanted in (None, own):
            classes.setdefault(own, []).append(folder)
    if wanted is not None and not classes:
        raise ClassNotFound(f"{videos} has no folder for '{wanted}', only {', '.join(each.name for each in inner)}")
    if not classes:
        names = ", ".join(each.name for each in unknown)
        raise ClassNotFound(
            f"{videos}: none of its folders ({names}) has the name of a class of {model.name}; rename them"
        )
    if unknown:
        names = ", ".join(each.name for each in unknown)
        warnings.warn(
            f"{videos}: left out {names}: no class of {model.name} has that name, or no video lies right in it.",
            VideotcavWarning,
            stacklevel=3,
        )
    return classes


def _class_of(folder: str, model: VideoModel) -> str | None:
    for name in (folder, folder.replace("_", " ")):
        with suppress(ClassNotFound):
            return model.card.classes[class_named(name, model)]
    return None


def _folders(name: str, given: Sequence[Path], places: Sequence[Path], found: _Answers) -> list[Path]:
    """The folders of concepts or of the random pool: given, seen beside the file or the videos, or asked for."""
    seen = list(given) or next(([place / name] for place in places if (place / name).is_dir()), [])
    if not seen:
        answer = found.have(name, None, _BESIDE[name], check=_require_folder)
        seen = [_place(answer)] if answer else []
    for folder in seen:
        _require_folder(folder)
    return [each for folder in seen for each in (_pools(folder) if name == "random" else [folder])]


def _pools(folder: Path) -> list[Path]:
    """The concept folders in a folder that is none itself, as moving and still clips apart; or the folder."""
    inner = sorted(each for each in folder.iterdir() if each.is_dir() and is_concept_folder(each))
    return inner if inner and not is_concept_folder(folder) else [folder]


def _require_folder(folder: Path | str) -> None:
    if not Path(folder).is_dir():
        raise ConceptNotFound(f"{folder} is no folder")


def _layers(model: VideoModel, found: _Answers) -> tuple[str, ...]:
    outer = ", ".join(each.name for each in down_to(model.layers(), 1) if "h w" in each.layout)
    question = f"Which layers of {model.name}, with spaces between{f' (as {outer})' if outer else ''}?"
    said = found.have("layers", None, question, check=_of_each(model.layer))
    return tuple(said.split())


def _of_each(check: Callable[[str], object]) -> Callable[[str], object]:
    return lambda answer: [check(each) for each in answer.split()]


def _listed(given: Path | str | Sequence[Path | str]) -> list[Path]:
    return [_place(each) for each in ([given] if isinstance(given, str | Path) else given)]


def _findable(name: str) -> str:
    """The name of the model wherever the study is run; only a folder of weights is somewhere."""
    source, _, place = name.partition(":")
    return f"{source}:{_place(place)}" if source == "transformers" and Path(place).is_dir() else name


def _place(path: Path | str) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - without .., so that it is told whether one lies below another


def _placed(weights: str | None, folder: Path) -> str | None:
    """A checkpoint as a study in that folder names it; a name as it is."""
    if weights is None or not file_and_entry(weights)[0].is_file():
        return weights
    place = _place(weights)
    return str(place.relative_to(folder) if place.is_relative_to(folder) else place)


def _checked(path: Path, text: str, model: VideoModel) -> tuple[StudyText, Inputs]:
    """The study that the text states, and the files that it reads. Raises StudyFileError, ConceptError."""

    def check(raw: Mapping[str, Any]) -> Iterator[str]:
        yield from unread_settings(raw)
        yield from model_problems(raw, folder=path.parent, load=lambda *_, **__: model, loaded=[])

    file = parse_study(path, text, tomllib.loads(text), check=check)
    return file, study_inputs(file)
