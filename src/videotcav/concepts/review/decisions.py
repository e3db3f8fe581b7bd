"""What a person can say about a candidate, and what several people's decisions amount to. No files."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from videotcav.errors import ReviewError
from videotcav.records import Record
from videotcav.texts import first_problem

LONGEST_NAME = 60

Judgement = Literal["accept", "reject", "unsure", "relabel"]
"""What a person says about a track; `relabel` accepts it as an example of another concept."""

ReviewOutcome = Literal["undecided", "accepted", "rejected", "unsure", "conflict"]
"""What the opinions on a track amount to."""


class Candidate(NamedTuple):
    """What is judged: the concept a track was proposed for, and its id."""

    concept: str
    id: str


def _checked_name(text: str) -> str:
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable() or name[0] == "." or set(name) & set("/\\"):
        raise ValueError(
            f"a name has 1 to {LONGEST_NAME} printable characters, no slash and no dot in front; got {text[:80]!r}"
        )
    return name


def checked_name(text: str) -> str:
    """The name without spare spaces, its letters composed (NFC). Raises ReviewError where it cannot be one."""
    try:
        return _checked_name(text)
    except ValueError as error:
        raise ReviewError(str(error)) from None


Name = Annotated[str, AfterValidator(_checked_name)]
"""The name of a reviewer or a concept, fit for a table, a file name and a page."""

Identifier = Annotated[str, Field(min_length=1, max_length=500)]
Gesture = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{8,64}$")]


class Decision(Record):
    """One row: who said what about which track, and when (UTC)."""

    at: datetime
    reviewer: Name
    concept: Identifier
    id: Identifier
    verdict: Literal["accept", "reject", "unsure", "relabel", "undo"]
    label: Name | None = None
    settles: bool = False
    gesture: Gesture
    undoes: Gesture | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.verdict == "relabel") != (self.label is not None):
            raise ValueError("'relabel', and nothing else, needs a label")
        if (self.verdict == "undo") != (self.undoes is not None):
            raise ValueError("'undo', and nothing else, names the gesture that it undoes")
        if self.at.utcoffset() is None:
            raise ValueError("'at' needs a time zone, as in 2030-01-31T12:00:00Z")
        try:
            self.at.astimezone(UTC)
        except OverflowError:
            raise ValueError(f"'at' lies outside the years that can be told: {self.at}") from None
        return self

    @property
    def candidate(self) -> Candidate:
        """What is judged."""
        return Candidate(self.concept, self.id)


class Opinion(Record):
    """What one reviewer holds of one track now."""

    verdict: Judgement
    label: str | None = None


class Standing(Record):
    """What is known of one track: everybody's opinion, what they amount to, and who settled a conflict.

    `label` is the concept that an accepted track is an example of.
    """

    outcome: ReviewOutcome = "undecided"
    label: str = ""
    opinions: dict[str, Opinion] = Field(default_factory=dict)
    settled_by: str = ""


def standings(decisions: Iterable[Decision]) -> dict[Candidate, Standing]:
    """What the decisions amount to, a standing for each track that has one.

    The newest row of each reviewer that is not undone is their opinion. Who is unsure abstains. Different opinions
    are a conflict until somebody settles it; a settlement is nobody's opinion and leaves the agreement as it was.
    """
    rows = sorted(decisions, key=lambda row: row.at)
    undone = {(row.undoes, row.candidate, row.reviewer) for row in rows if row.verdict == "undo"}
    opinions: dict[Candidate, dict[str, Opinion]] = {row.candidate: {} for row in rows}
    settled: dict[Candidate, tuple[Opinion, str]] = {}
    for row in rows:
        if row.verdict == "undo" or (row.gesture, row.candidate, row.reviewer) in undone:
            continue
        opinion = Opinion(verdict=row.verdict, label=row.label)
        if row.settles:
            settled[row.candidate] = (opinion, row.reviewer)
        else:
            opinions[row.candidate][row.reviewer] = opinion
    return {candidate: _outcome(candidate, held, settled.get(candidate)) for candidate, held in opinions.items()}


def _outcome(candidate: Candidate, held: dict[str, Opinion], settled: tuple[Opinion, str] | None) -> Standing:
    if settled is None:
        definite = {opinion for opinion in held.values() if opinion.verdict != "unsure"}
        if len(definite) > 1:
            return Standing(outcome="conflict", opinions=held)
        if not definite:
            return Standing(outcome="unsure" if held else "undecided", opinions=held)
        (opinion,), by = definite, ""
    else:
        opinion, by = settled
    if opinion.verdict == "reject":
        return Standing(outcome="rejected", opinions=held, settled_by=by)
    if opinion.verdict == "unsure":
        return Standing(outcome="unsure", opinions=held, settled_by=by)
    return Standing(outcome="accepted", label=opinion.label or candidate.concept, opinions=held, settled_by=by)


def to_lines(decisions: Iterable[Decision]) -> Iterator[str]:
    """The decisions as JSONL, a row a line."""
    for row in decisions:
        yield row.model_dump_json(exclude_defaults=True) + "\n"


def from_lines(text: str) -> list[Decision]:
    """The decisions in a JSONL text. Raises ReviewError with the number of the first bad line."""
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            rows.append(Decision.model_validate_json(line))
        except ValidationError as error:
            raise ReviewError(f"line {number} is not a decision: {first_problem(error)}") from error
    return rows
