"""What a study declares before it looks: its hypotheses, read and checked against its concepts, classes and layers."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from videotcav.concepts.review.review import reviewed_sets
from videotcav.errors import ConceptError, closest
from videotcav.explain.design.design import Design
from videotcav.explain.design.hypotheses import (
    NOTHING_AT_A_LAYER,
    Hypothesis,
    Need,
    need_problems,
    outcome,
    parse,
    parse_need,
    problems,
)
from videotcav.records import Kind, Result
from videotcav.results.declaration import Declaration
from videotcav.results.edit_effect import EditEffect
from videotcav.results.folder import write_declaration
from videotcav.results.manifest import HypothesisFacts
from videotcav.study.file import InterventionsSection, StudyFile, StudyText


def hypotheses(study: StudyFile) -> tuple[Hypothesis, ...]:
    """The hypotheses of a study, in its order."""
    margin = study.tests.margin if study.tests.scores == "contrast" else study.tests.equivalence_margin
    texts = (text for text in study.hypotheses if parse_need(text) is None)
    return tuple(parse(text, equivalence_margin=margin, classes=study.classes) for text in texts)


def needs(study: StudyFile) -> tuple[Need, ...]:
    """Those hypotheses of a study that speak of edits of its classes' own clips, in its order."""
    return tuple(need for text in study.hypotheses if (need := parse_need(text)))


def declare(file: StudyText, design: Design, folder: Path) -> Declaration | None:
    """What is written down before the first pass, and now lies in the run's folder; None without hypotheses."""
    study = file.study
    if not study.hypotheses:
        return None
    declared = Declaration(
        declared=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        study_sha256=file.sha256,
        hypotheses=study.hypotheses,
        equivalence_margin=study.tests.margin if study.tests.scores == "contrast" else study.tests.equivalence_margin,
        negligible_below=study.tests.negligible_below if study.tests.scores == "contrast" else None,
        score=study.target or study.score or "",
        primary=study.told_by,
        alpha=study.tests.alpha,
        correction=study.tests.correction,
        tests=design.declared_tests + (design.layer_tests if design.asks_contrast else 0),
    )
    write_declaration(folder, declared)
    return declared


def outcomes(study: StudyFile, results: Sequence[Result | EditEffect]) -> tuple[HypothesisFacts, ...]:
    """What became of each hypothesis."""
    verdicts = {text: [str(row.verdict) for row in results if row.hypothesis == text] for text in study.hypotheses}
    asked: list[Hypothesis | Need] = [*hypotheses(study), *needs(study)]
    declared = {each.text: each for each in asked}
    return tuple(
        HypothesisFacts(text=text, claim=declared[text].claim, outcome=outcome(declared[text], verdicts[text]))
        for text in study.hypotheses
    )


def hypothesis_problems(raw: Mapping[str, Any], folder: Path, *, layers: Collection[str] | None) -> Iterator[str]:
    """A sentence for each mistake in the hypotheses of a raw study, also where other keys are wrong.

    `layers` are those of the study; None where they cannot be known.
    """
    texts = raw.get("hypotheses")
    named = raw.get("classes")
    classes = list(named) if isinstance(named, dict) else []
    read: list[tuple[int, Hypothesis]] = []
    for place, text in enumerate(texts if isinstance(texts, list) else ()):
        try:
            if isinstance(text, str) and parse_need(text) is None:
                read.append((place, parse(text, classes=classes)))
        except ValueError as error:
            yield f"hypotheses[{place}]: {error}"
    yield from _nothing_without_a_size(raw, read)
    for place, each in read:
        if layers is not None and each.layer is not None and each.layer not in layers:
            near = closest(each.layer, layers) or ", ".join(layers)
            yield f"hypotheses[{place}]: '{each.text}': the study has no layer '{each.layer}'; closest: {near}"
    sets = _sets(raw.get("concepts"), folder)
    yield from _need_problems(raw, sets)
    if read and sets and classes:
        for index, sentence in problems([each for _, each in read], sets, classes=classes):
            yield f"hypotheses[{read[index][0]}]: {sentence}"


def _need_problems(raw: Mapping[str, Any], sets: Collection[str]) -> Iterator[str]:
    """A sentence for each hypothesis of edits that the study's edits do not ask."""
    texts, classes, section = raw.get("hypotheses"), raw.get("classes"), raw.get("interventions")
    if not (isinstance(texts, list) and isinstance(classes, dict) and sets):
        return
    edits: list[tuple[str, str]] = []
    if section is not None:
        try:
            found = InterventionsSection.model_validate_json(json.dumps(section, default=str), strict=True)
        except ValidationError:
            return  # told where the study is read
        edits = [*found.of(sets)]
    asked = [(place, need) for place, text in enumerate(texts) if isinstance(text, str) and (need := parse_need(text))]
    for place, sentence in need_problems(asked, edits, classes=classes):
        yield f"hypotheses[{place}]: {sentence}"


def _nothing_without_a_size(raw: Mapping[str, Any], read: Sequence[tuple[int, Hypothesis]]) -> Iterator[str]:
    nothing = next(((place, each) for place, each in read if each.claim == "negligible"), None)
    if nothing is None:
        return
    place, hypothesis = nothing
    tests = raw.get("tests")
    tests = tests if isinstance(tests, dict) else {}
    if tests.get("scores") == "classic":
        if "equivalence_margin" not in tests:
            yield (
                f"hypotheses[{place}]: '{hypothesis.text}' needs equivalence_margin in the section tests: below which "
                "an effect is of no interest, in units of the primary statistic"
            )
    elif hypothesis.layer is not None:
        yield f"hypotheses[{place}]: '{hypothesis.text}': {NOTHING_AT_A_LAYER}"


def _sets(section: object, folder: Path) -> dict[str, list[Kind]]:
    """The kinds of clips of each concept that the raw study uses; empty where its folders cannot be read."""
    section = section if isinstance(section, dict) else {}
    folders, include = section.get("folder"), section.get("include")
    sets: dict[str, list[Kind]] = {}
    try:
        for path in folders if isinstance(folders, list) else [folders]:
            for found in reviewed_sets(folder / path).sets if isinstance(path, str) else ():
                sets.setdefault(found.concept, []).append(found.kind)
    except ConceptError:
        return {}  # told where the clips are gathered
    return {name: kinds for name, kinds in sets.items() if not include or name in include}
