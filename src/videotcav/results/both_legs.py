"""Pushes and needs: a contrast, asked on a concept's clips, beside an edit of the class's own (method.md 9).

*Not pushed* and *not needed* are said where an effect is shown to be negligible, never where it is merely not shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from videotcav.records import Against, Result
from videotcav.results.edit_effect import BACKGROUND, EditEffect
from videotcav.results.words import number, percent, signed

Leg = Literal["towards", "away", "none", "undecided", "not asked"]
"""What a concept does for a class on one leg: for it, against it, shown to be negligible, or not known."""

EDIT_OF: dict[Against, str] = {
    "random": "remove",
    "frozen": "freeze",
    "shuffled": "shuffle",
    "reversed": "reverse",
}
"""The edit that asks on the class's clips what a comparison asks on the concept's."""

AS_MUCH = 0.8
"""The share of what removing an object costs from which freezing it costs about as much."""

WHAT: dict[Against, str] = {
    "random": "“{}”",
    "frozen": "the motion of “{}”",
    "shuffled": "the order of frames of “{}”",
    "reversed": "the direction in time of “{}”",
}
"""What a comparison asks about, within a sentence."""

_EDITED = {
    "remove": "without it",
    "freeze": "with it frozen",
    "shuffle": "with it shuffled",
    "reverse": "with it reversed",
}

_PUSHES: dict[Leg, str] = {
    "towards": "pushes the model towards “{class_name}” ({push})",
    "away": "pushes the model away from “{class_name}” ({push})",
    "none": "does not push the model towards “{class_name}” or away from it ({push})",
    "undecided": "is not shown to push the model towards “{class_name}” or away from it",
}
_NEEDED: dict[Leg, str] = {
    "towards": "is needed for {it} ({need} {edited})",
    "away": "hinders {it} on its own clips ({need} {edited})",
    "none": "is not needed for {it} ({need} {edited})",
    "undecided": "is not shown to be needed for {it}",
    "not asked": "could not be asked to be needed for {it}",
}
_BECAUSE: dict[tuple[Leg, Leg], str] = {
    ("towards", "none"): "Something else in the class's clips is enough, or the two go along with each other.",
    ("none", "towards"): "A part of a conjunction is needed so.",
}


@dataclass(frozen=True)
class BothLegs:
    """A concept and a class on both legs. `freeze` is the edit that says whether a need is one of motion."""

    concept: str
    class_name: str
    against: Against
    push: Result | None
    need: EditEffect | None
    freeze: EditEffect | None = None

    @property
    def legs(self) -> tuple[Leg, Leg]:
        """What the concept does for the class: whether it pushes, and whether it is needed."""
        return _leg(self.push, 1), _leg(self.need, -1)

    @property
    def is_opposed(self) -> bool:
        """Whether the two legs have opposite signs."""
        return set(self.legs) == {"towards", "away"}

    @property
    def agreed(self) -> float:
        """Of both effects for the class, in σ, the one nearer to 0; 0 where their signs differ or one is not there."""
        if self.push is None or self.need is None or self.need.effect is None:
            return 0.0
        push, need = self.push.value, -self.need.effect
        return min(push, need, key=abs) if push * need > 0 else 0.0

    @property
    def short(self) -> str:
        """Both legs in a few words, as `pushes, not needed`."""
        pushes = {"towards": "pushes", "away": "pushes away", "none": "not pushed", "undecided": "push undecided"}
        needs = {"towards": "needed", "away": "hinders", "none": "not needed", "undecided": "need undecided"}
        push, need = self.legs
        if (push, need) == ("towards", "towards"):
            return "pushes and is needed"
        if (push, need) == ("none", "none"):
            return "neither"
        if self.push is None:
            return needs.get(need, "need not asked")
        return f"{pushes[push]}, {needs.get(need, 'need not asked')}"

    @property
    def sentence(self) -> str:
        """Both legs in one sentence, with their effects, what accuracy makes of it, and on how many clips."""
        push, need = self.legs
        what = WHAT[self.against].format(self.concept)
        words = {
            "class_name": self.class_name,
            "push": signed(self.push.value, "contrast") if self.push else "",
            "need": signed(self.need.effect or 0.0, "contrast") if self.need else "",
            "edited": _EDITED[EDIT_OF[self.against]],
            "it": "it" if self.push else f"“{self.class_name}”",
        }
        alike = (push in ("towards", "away")) == (need in ("towards", "away")) and not self.is_opposed
        said = [_PUSHES[push].format_map(words)] if self.push else []
        said.append(_NEEDED[need].format_map(words))
        told = f"{what} {(' and ' if alike else ' but ').join(said)}."
        parts = [f"{'Opposite signs: ' if self.is_opposed else ''}{told}"]
        parts[0] = parts[0][0].upper() + parts[0][1:]
        if (push, need) in _BECAUSE:
            parts.append(_BECAUSE[push, need])
        parts += [*self._accuracy(), *self._motion(), *self._clips()]
        return " ".join(parts)

    def _accuracy(self) -> Iterator[str]:
        need = self.need
        if need is None or need.accuracy_before is None or need.accuracy_after is None or self.legs[1] == "not asked":
            return
        before, after = percent(need.accuracy_before), percent(need.accuracy_after)
        way = "falls" if need.accuracy_after < need.accuracy_before else "rises"
        yield f"Accuracy stays at {after}." if before == after else f"Accuracy {way} from {before} to {after}."

    def _motion(self) -> Iterator[str]:
        """Removing an object takes all it does with it; where freezing costs about as much it is the motion."""
        if self.against != "random" or self.need is None or self.freeze is None or self.need.verdict != "negative":
            return
        remove, freeze = self.need.effect or 0.0, self.freeze.effect or 0.0
        if self.freeze.verdict == "negative" and freeze <= AS_MUCH * remove:
            yield f"It is its motion: frozen where it stands it costs about as much ({number(freeze)})."

    def _clips(self) -> Iterator[str]:
        need = self.need
        if need is None:
            return
        is_rest = need.target == BACKGROUND
        if need.verdict == "not asked":
            without = "show no object" if is_rest else "do not hold it"
            if need.reason == "moves no score":
                held = f"the edit changes {need.clips} of them, and the score of none"
            elif need.clips:
                held = f"only {need.clips} of them changed"
            elif need.unchanged:
                held = f"{need.not_told} {without}, and the edit leaves the others as they are"
            else:
                held = "no object was found in any of them" if is_rest else "none of them holds it"
            yield f"Asked on the class's own clips, of which {need.asked_of} were read: {held}."
        elif need.unchanged:
            without = f"{need.not_told} {'show no object' if is_rest else 'do not hold it'}, and "
            yield (
                f"Asked on {need.clips} of the class's {need.asked_of} clips: {without if need.not_told else ''}"
                f"{need.unchanged} are left as they are by the edit."
            )
        elif need.not_told:
            held = "in which an object was found" if is_rest else "that hold it"
            yield f"Asked on the {need.clips} of the class's {need.asked_of} clips {held}."


def both_legs(results: Sequence[Result], effects: Sequence[EditEffect]) -> tuple[BothLegs, ...]:
    """Every concept whose object was edited, for every class: each comparison beside the edit that asks the same.

    Against random clips a concept is told by its moving clips, or by its still ones where none move.
    """
    contrasts = [row for row in results if row.statistic == "contrast" and row.against in EDIT_OF]
    return tuple(_pairs(contrasts, [effect for effect in effects if effect.target and effect.ranked]))


def _pairs(contrasts: Sequence[Result], effects: Sequence[EditEffect]) -> Iterator[BothLegs]:
    for concept, class_name in dict.fromkeys((each.target, each.class_name) for each in effects):
        edits = {each.edit: each for each in effects if (each.target, each.class_name) == (concept, class_name)}
        own = [row for row in contrasts if (row.concept, row.class_name) == (concept, class_name)]
        for against, edit in EDIT_OF.items():
            rows = _chief(row for row in own if row.against == against)
            if edit in edits:
                yield BothLegs(concept, class_name, against, rows, edits[edit], edits.get("freeze"))


def _chief(rows: Iterable[Result]) -> Result | None:
    found = {row.kind: row for row in rows}
    return found.get("spatiotemporal") or found.get("spatial")


def _leg(row: Result | EditEffect | None, sign: int) -> Leg:
    """What a row says is done for the class; an edit that lowers the score says that what it took away is for it."""
    if row is None or row.verdict == "not asked":
        return "not asked"
    if row.verdict == "negligible":
        return "none"
    if row.verdict not in ("positive", "negative"):
        return "undecided"
    return "towards" if (row.verdict == "positive") == (sign > 0) else "away"
