"""What each concept does for each class: it, its motion, and its still crops."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from videotcav.records import TWINS, Against, Result, Verdict
from videotcav.report.sentences import ConceptAnswer, class_answers
from videotcav.results.both_legs import WHAT, BothLegs, Leg
from videotcav.results.edit_effect import EditEffect
from videotcav.results.read import RunResults
from videotcav.results.words import STATISTIC_WORDS, number, score, signed

Push = Leg | Literal["unjudged"]

_PUSHES: dict[Verdict, Push] = {
    "positive": "towards",
    "negative": "away",
    "negligible": "none",
    "undecided": "undecided",
    "no evidence": "undecided",
}
_SHOWN = ("towards", "away")


@dataclass(frozen=True)
class ConceptRole:
    """A concept, or one side of it, and a class: what its clips do to the class's score, and what its lack does.

    `against` says which side: against random clips it is the concept itself, against a twin what the twin lacks.
    `is_still` are its still crops, where it has moving clips as well.
    """

    concept: str
    class_name: str
    against: Against
    push: Result | None
    need: EditEffect | None = None
    is_still: bool = False

    @property
    def name(self) -> str:
        """What it is called within a sentence."""
        return f"a still “{self.concept}”" if self.is_still else WHAT[self.against].format(self.concept)

    @property
    def pushes(self) -> Push:
        """What the clips of the concept do for the class."""
        return "not asked" if self.push is None else _PUSHES.get(self.push.verdict, "unjudged")

    @property
    def needed(self) -> Leg:
        """What the class loses without it."""
        return BothLegs(self.concept, self.class_name, self.against, self.push, self.need).legs[1]

    @property
    def number(self) -> str:
        """The effect of its clips, with its sign where it is one; of classic scores with the statistic's name."""
        row = self.push
        if row is None:
            return ""
        if row.statistic == "contrast":
            return f"{'+' if row.value > 0 else ''}{number(row.value, 1)}"
        value = (score if row.against == "random" else signed)(row.value, row.statistic)
        return f"{STATISTIC_WORDS[row.statistic]} {value}"

    @property
    def rank(self) -> int:
        """How much it says: 0 where both legs are shown, 4 where neither can be judged."""
        both = (self.pushes, self.needed)
        shown = sum(leg in _SHOWN for leg in both)
        if shown:
            return 2 - shown
        return 2 if "none" in both else 3 if "undecided" in both else 4

    @property
    def undeclared(self) -> list[str]:
        """What it shows though no hypothesis asked for it."""
        legs = (("push of", self.push, self.pushes), ("need for", self.need, self.needed))
        return [f"the {what} {self.name}" for what, row, leg in legs if row and row.exploratory and leg in _SHOWN]


def concept_roles(run: RunResults) -> list[ConceptRole]:
    """The roles in a run, by class and concept in the order of its results; what only edits ask about comes last."""
    legs = {(each.concept, each.class_name, each.against): each for each in run.legs}
    found = [
        role
        for answer in class_answers(run)
        for concept in answer.concepts
        for role in _of_concept(concept, answer.class_name, legs)
    ]
    known = {(role.concept, role.class_name) for role in found}
    rest = [each for each in legs.values() if (each.concept, each.class_name) not in known]
    return found + [ConceptRole(each.concept, each.class_name, each.against, None, each.need) for each in rest]


def _of_concept(
    concept: ConceptAnswer, class_name: str, legs: dict[tuple[str, str, Against], BothLegs]
) -> Iterator[ConceptRole]:
    told = [finding.result for finding in concept.findings]
    rows: dict[tuple[str, str], Result] = {(row.kind, row.against): row for row in told}

    def role(row: Result, *, is_still: bool = False) -> ConceptRole:
        leg = None if is_still else legs.get((concept.concept, class_name, row.against))
        return ConceptRole(concept.concept, class_name, row.against, row, leg.need if leg else None, is_still)

    moving, still = rows.get(("spatiotemporal", "random")), rows.get(("spatial", "random"))
    if moving:
        yield role(moving)
    twins = [row for twin in TWINS if (row := rows.get(("spatiotemporal", twin)))]
    yield from map(role, twins[:1])
    if still:
        yield role(still, is_still=moving is not None)
