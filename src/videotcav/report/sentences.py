"""Verdicts as plain sentences: what each row of results lets a person say, and no more."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from videotcav.records import TWINS, Result, Statistic, Verdict
from videotcav.report.verdicts import detail_of, lead_of
from videotcav.results.manifest import Manifest
from videotcav.results.read import RunResults

_QUESTIONS: tuple[tuple[str, str], ...] = (
    ("spatiotemporal", "random"),
    ("frozen", "random"),
    ("spatiotemporal", "frozen"),
    ("shuffled", "random"),
    ("spatiotemporal", "shuffled"),
    ("reversed", "random"),
    ("spatiotemporal", "reversed"),
    ("spatial", "random"),
)
"""Kind and what it is held against, in the order in which a concept is told: each twin beside its original."""

_DECIDING: tuple[tuple[str, str], ...] = (
    ("spatiotemporal", "random"),
    *(("spatiotemporal", twin) for twin in TWINS),
    ("spatial", "random"),
)
"""The questions that choose the layer at which a concept is told, the first that has a verdict."""

_CHIEF: tuple[tuple[str, str], ...] = (("spatiotemporal", "random"), ("spatial", "random"))
"""The question that stands for a concept at the top of the page."""

_NO_EFFECT: frozenset[Verdict] = frozenset({"no evidence", "undecided", "negligible"})

Distinguishable = TypeVar("Distinguishable", bound=Hashable)


@dataclass(frozen=True)
class VerdictInWords:
    """One verdict in words: the row it speaks of, and the rows of the same question at every layer."""

    result: Result
    per_layer: tuple[Result, ...]
    lead: str
    detail: str


@dataclass(frozen=True)
class ConceptAnswer:
    """All that was found about one concept and one class, told at one layer."""

    concept: str
    layer: str
    short: str
    verdict: Verdict
    findings: tuple[VerdictInWords, ...]


@dataclass(frozen=True)
class ClassAnswer:
    """The answers for one class, a concept each."""

    class_name: str
    concepts: tuple[ConceptAnswer, ...]


def class_answers(run: RunResults) -> tuple[ClassAnswer, ...]:
    """The verdicts of a run, by class and concept in the order of the results."""
    told = told_rows(run.results, primary=run.manifest.tests.primary)
    layers = layer_order(run)
    beside = [row for row in run.results if row.statistic == "shift"]
    return tuple(
        ClassAnswer(
            class_name=class_name,
            concepts=tuple(
                _concept_answer(
                    [row for row in told if row.class_name == class_name and row.concept == concept],
                    [row for row in beside if row.class_name == class_name and row.concept == concept],
                    layers=layers,
                    manifest=run.manifest,
                )
                for concept in unique(row.concept for row in told if row.class_name == class_name)
            ),
        )
        for class_name in unique(row.class_name for row in told)
    )


def told_rows(results: Iterable[Result], *, primary: Statistic) -> list[Result]:
    """One row a question and layer: the primary statistic, or the cosine where a sign says nothing (method.md 4.6)."""
    rows = list(results)
    cosines = {_question(row): row for row in rows if row.statistic == "cosine" and row.verdict != "degenerate"}
    return [
        cosines.get(_question(row), row) if row.verdict == "degenerate" else row
        for row in rows
        if row.statistic == primary
    ]


def layer_order(run: RunResults) -> tuple[str, ...]:
    """The layers of the run from input to output, as the study names them; the score itself is none."""
    present = unique(row.layer for row in run.results if row.layer)
    named = [layer for layer in run.manifest.layers if layer in present]
    return (*named, *(layer for layer in present if layer not in named))


def question_order(kind: str, against: str) -> int:
    """Where a question stands in the telling; unusual ones come last."""
    question = (kind, against)
    return _QUESTIONS.index(question) if question in _QUESTIONS else len(_QUESTIONS)


def unique(items: Iterable[Distinguishable]) -> list[Distinguishable]:
    """The items without repetition, in the order of their first appearance."""
    return list(dict.fromkeys(items))


def _question(row: Result) -> tuple[str, ...]:
    return (row.concept, row.kind, row.against, row.other, row.layer, row.class_name)


# --- one concept -------------------------------------------------------------------------------------------------


def _concept_answer(
    rows: Sequence[Result], beside: Sequence[Result], *, layers: Sequence[str], manifest: Manifest
) -> ConceptAnswer:
    """The answer from the rows that decide; those `beside` them show contrasts layer by layer."""
    places = {layer: place for place, layer in enumerate(["", *layers])}
    rows = sorted(rows, key=lambda row: (question_order(row.kind, row.against), places[row.layer]))
    layer = _telling_layer(rows, primary=manifest.tests.primary)
    findings = []
    for question in unique((row.kind, row.against, row.other) for row in rows):
        asked = tuple(row for row in rows if (row.kind, row.against, row.other) == question)
        told = next((row for row in asked if row.layer == layer), asked[-1])
        shown = tuple(row for row in beside if (row.kind, row.against, row.other) == question)
        said = lead_of(told, manifest=manifest), detail_of(told, manifest=manifest)
        findings.append(VerdictInWords(told, shown or asked, *said))
    by_question: dict[tuple[str, str], Result] = {
        (finding.result.kind, finding.result.against): finding.result for finding in findings
    }
    chief = next((by_question[question] for question in _CHIEF if question in by_question), findings[0].result)
    return ConceptAnswer(
        concept=chief.concept,
        layer=layer,
        short=_short(chief, by_question, manifest),
        verdict=chief.verdict,
        findings=tuple(findings),
    )


def _telling_layer(rows: Sequence[Result], *, primary: Statistic) -> str:
    """The last layer that decides something; a layer where the primary statistic is degenerate only if no other does.

    Where nothing is decided: the last layer of the first question, degenerate ones again only if there is no other.
    """
    sound = [row for row in rows if row.verdict != "degenerate" and row.statistic == primary]
    for candidates in (sound, rows):
        for question in _DECIDING:
            decided = [row for row in candidates if (row.kind, row.against) == question and _is_decided(row)]
            if decided:
                return decided[-1].layer
    undecided = sound or rows
    first = (undecided[0].kind, undecided[0].against)
    return [row for row in undecided if (row.kind, row.against) == first][-1].layer


def _short(chief: Result, by_question: Mapping[tuple[str, str], Result], manifest: Manifest) -> str:
    """One sentence for the top of the page: the moving concept, and what freezing it does."""
    sentence = _moving_and_frozen(chief, by_question, manifest)
    return f"Exploratory: {sentence[0].lower()}{sentence[1:]}" if chief.exploratory else sentence


def _moving_and_frozen(chief: Result, by_question: Mapping[tuple[str, str], Result], manifest: Manifest) -> str:
    motion = by_question.get(("spatiotemporal", "frozen"))
    frozen = by_question.get(("frozen", "random"))
    start = lead_of(chief, manifest=manifest)
    if motion is None or not _is_decided(chief):
        if motion is not None and _is_decided(motion):
            return f"{start}; yet beside their frozen twins they score {_higher(motion)}."
        return f"{start}."
    if not _is_decided(motion):
        return f"{start}; whether they move makes no difference that this study could see."
    if motion.verdict == chief.verdict:
        return f"{start}, and motion matters: frozen, the very same clips {_frozen_does(frozen, chief)}."
    return f"{start}; frozen, the very same clips score {_higher(motion, opposite=True)} still."


def _frozen_does(frozen: Result | None, chief: Result) -> str:
    if frozen is None or frozen.verdict == chief.verdict:
        return "do so less"
    if _is_decided(frozen):
        return "do the opposite"
    return "show no such effect" if frozen.verdict in _NO_EFFECT else "cannot be judged"


def _higher(motion: Result, *, opposite: bool = False) -> str:
    return "higher" if (motion.verdict == "positive") is not opposite else "lower"


def _is_decided(row: Result) -> bool:
    return row.verdict in {"positive", "negative"}
