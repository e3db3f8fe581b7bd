"""What a study declares before it looks: hypotheses in words, which of its tests they are, and what became of them.

    racket pushes swing                 a concept against the random pool, towards the class
    racket pushes away from swing       the same, away from it
    racket matters                      the same, one way or the other; for every class
    racket: moving > frozen             its moving clips against their own twins (frozen, shuffled or reversed)
    racket > person                     two concepts against each other
    nothing about background matters    an effect smaller than the study's equivalence margin, either way
    background does not matter          the same
    swing needs racket                  the class's own clips score lower where the object is removed
    swing needs racket motion           the same where it is frozen; `order`: shuffled; `direction`: reversed
    swing needs nothing of background   every edit of it changes less than the equivalence margin, either way

Each may end in `at LAYER`, in `for CLASS`, or in both, in that order; `pushes` and `needs` name their class themselves,
and edits know no layer. Without a class
it is asked for every class of the study. Without a layer it asks the score itself (contrast), and with one the row of
that layer; classic scores are asked at every layer then. A concept is named alone (its moving clips, or its still
ones where none move) or with a kind of clips, as `racket/frozen`. Words stand apart by single
spaces and count as they are written.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Literal

from videotcav.errors import ConceptNotFound, HypothesisError, closest
from videotcav.records import KINDS, TWINS, Against, Kind, Outcome, Record

NOTHING_AT_A_LAYER = (
    "only the score itself can be shown to be moved by less than the equivalence margin; leave 'at LAYER' out"
)

Claim = Literal["matters", "greater", "less", "negligible"]
"""That there is an effect, one of that sign, or none as large as the equivalence margin."""

Sets = Mapping[str, Collection[Kind]]
"""The kinds of clips that each concept has."""

SENTENCES = (
    "'NAME pushes CLASS'",
    "'NAME pushes away from CLASS'",
    "'NAME matters'",
    "'NAME: moving > frozen' (or shuffled, reversed)",
    "'NAME > OTHER'",
    "'nothing about NAME matters'",
    "'NAME does not matter'",
    "'CLASS needs NAME' (or NAME motion, NAME order, NAME direction)",
    "'CLASS needs nothing of NAME'",
)

_NAME = r"(?P<name>[^:>]+?)"
_WHERE = r"(?: at (?P<layer>\S+))?(?: for (?P<class_name>.+))?"
_PATTERNS: dict[str, Claim] = {
    rf"nothing about {_NAME} matters{_WHERE}": "negligible",
    rf"{_NAME} does not matter{_WHERE}": "negligible",
    rf"{_NAME} matters{_WHERE}": "matters",
    rf"{_NAME}: (?P<first>\S+) > (?P<second>\S+){_WHERE}": "greater",
    rf"{_NAME} > (?P<other>[^:>]+?){_WHERE}": "greater",
}
_KIND_WORDS: dict[str, Kind] = {
    "dynamic": "spatiotemporal",
    "moving": "spatiotemporal",
    **{kind: kind for kind in ("spatiotemporal", *TWINS)},
}
_NEEDS = re.compile(
    r"(?P<class_name>.+?) needs (?:(?P<nothing>nothing of (?:the )?)(?P<object>.+)"
    r"|(?P<name>.+?)(?: (?P<part>motion|order|direction))?)"
)
_EDITS_OF_PARTS = {None: "remove", "motion": "freeze", "order": "shuffle", "direction": "reverse"}
_PUSHES = re.compile(rf"{_NAME} pushes (?P<away>away from )?(?P<class_name>.+)")
_UNDECIDED = frozenset({"not learned", "degenerate", "underpowered", "fidelity too low", "not asked"})


class Hypothesis(Record):
    """One declared sentence and the tests that it speaks of.

    `concept` and `other` are names of sets, as `racket` or `racket/frozen`. `greater` and `less` say which way a
    effect is expected to go; its test has two sides all the same. `class_name` is None for all, `layer` for the score
    itself, and of classic scores for all. `equivalence_margin` is what a claim of nothing is about; None for others.
    """

    text: str
    claim: Claim
    concept: str
    against: Against = "random"
    other: str = ""
    layer: str | None = None
    class_name: str | None = None
    equivalence_margin: float | None = None

    def sets(self, sets: Sets) -> tuple[str, ...]:
        """The sets that it is about, as `racket/frozen`: every kind but the twins for a claim of nothing."""
        if self.claim == "negligible" and "/" not in self.concept:
            return tuple(f"{self.concept}/{kind}" for kind in sets[self.concept] if kind not in TWINS)
        return (named(self.concept, sets),)

    def asks(
        self,
        set_name: str,
        against: Against,
        other: str,
        layer: str,
        class_name: str,
        *,
        sets: Sets,
        at_every_layer: bool = True,
    ) -> bool:
        """Whether this test is one of those that it declares; without a layer those of all, or that of none."""
        return (
            against == self.against
            and set_name in self.sets(sets)
            and other == (named(self.other, sets) if self.other else "")
            and (self.layer == layer or (self.layer is None and (at_every_layer or not layer)))
            and self.class_name in (None, class_name)
        )


class Need(Record):
    """One declared sentence about edits of a class's own clips: which edit of what lowers the score, or, of a claim of
    nothing, that no edit of it (`edit` None) changes the score by as much as the equivalence margin.
    """

    text: str
    claim: Literal["less", "negligible"]
    class_name: str
    target: str
    edit: str | None

    def asks(self, edit: str, target: str, class_name: str) -> bool:
        """Whether this edit is one of those that it declares."""
        return self.edit in (None, edit) and self.target == target and self.class_name == class_name


def parse_need(text: str) -> Need | None:
    """What a sentence declares about edits; None where it speaks of something else."""
    found = _NEEDS.fullmatch(text)
    if found is None:
        return None
    if found["nothing"]:
        return Need(text=text, claim="negligible", class_name=found["class_name"], target=found["object"], edit=None)
    edit = _EDITS_OF_PARTS[found["part"]]
    return Need(text=text, claim="less", class_name=found["class_name"], target=found["name"], edit=edit)


def need_problems(
    needs: Sequence[tuple[int, Need]], edits: Collection[tuple[str, str]], *, classes: Collection[str]
) -> Iterator[tuple[int, str]]:
    """What does not fit the study's edits, each an edit and what it is made to, or is declared twice."""
    targets = dict.fromkeys(target for _, target in edits)
    sound: list[Need] = []
    for place, need in needs:
        if not edits:
            wrong = "asks for edits of the class's clips: say where its objects are, in a section interventions"
        elif need.class_name not in classes:
            near = closest(need.class_name, classes) or ", ".join(classes)
            wrong = f"the study has no class '{need.class_name}'; closest: {near}"
        elif need.target not in targets:
            near = closest(need.target, targets) or ", ".join(targets)
            wrong = f"the study edits no '{need.target}'; closest: {near}"
        elif need.edit is not None and (need.edit, need.target) not in edits:
            wrong = f"'{need.target}' is not edited by '{need.edit}': name it among the edits of interventions"
        elif earlier := next((one for one in sound if _same_edit(one, need)), None):
            wrong = f"asks again what '{earlier.text}' asks; a test is declared once"
        else:
            sound.append(need)
            continue
        yield place, f"'{need.text}': {wrong}"


def _same_edit(one: Need, other: Need) -> bool:
    same = (one.class_name, one.target) == (other.class_name, other.target)
    return same and (None in (one.edit, other.edit) or one.edit == other.edit)


def parse(text: str, *, equivalence_margin: float | None = None, classes: Collection[str] = ()) -> Hypothesis:
    """The hypothesis that a sentence states; one of nothing is about effects below `equivalence_margin`.

    `classes` are those of the study: one of them may have “ at ” in its name.

    Raises:
        HypothesisError: it has none of the known forms, or compares kinds that are no pair of twins.
    """
    if pushes := _PUSHES.fullmatch(text):
        class_name, layer = _class_and_layer(pushes["class_name"], classes)
        claim: Claim = "less" if pushes["away"] else "greater"
        return Hypothesis(text=text, claim=claim, concept=pushes["name"], layer=layer, class_name=class_name)
    for pattern, claim in _PATTERNS.items():
        found = re.fullmatch(pattern, text)
        if found is None:
            continue
        parts = found.groupdict()
        hypothesis = Hypothesis(
            text=text, claim=claim, concept=parts["name"], layer=parts["layer"], class_name=parts["class_name"]
        )
        if "first" in parts:
            against, expected = _twins(parts["first"], parts["second"])
            return hypothesis.model_copy(update={"against": against, "claim": expected})
        if "other" in parts:
            return hypothesis.model_copy(update={"against": "concept", "other": parts["other"]})
        if claim == "negligible":
            return hypothesis.model_copy(update={"equivalence_margin": equivalence_margin})
        return hypothesis
    raise HypothesisError(f"'{text}' has none of the known forms: {', '.join(SENTENCES)}; then 'at LAYER', 'for CLASS'")


def _class_and_layer(text: str, classes: Collection[str]) -> tuple[str, str | None]:
    """What stands behind `pushes`: a class, and a layer where one is named."""
    class_name, said, layer = text.rpartition(" at ")
    return (text, None) if text in classes or not said or " " in layer else (class_name, layer)


def _twins(first: str, second: str) -> tuple[Against, Claim]:
    """The twin that a moving set is held against, and which of the two is expected to score higher."""
    for word in (first, second):
        if word not in _KIND_WORDS:
            near = closest(word, _KIND_WORDS) or ", ".join(_KIND_WORDS)
            raise HypothesisError(f"unknown kind '{word}'; closest: {near}")
    one, other = _KIND_WORDS[first], _KIND_WORDS[second]
    if one == "spatiotemporal" and other in ("frozen", "shuffled", "reversed"):
        return other, "greater"
    if other == "spatiotemporal" and one in ("frozen", "shuffled", "reversed"):
        return one, "less"
    raise HypothesisError(
        f"'{first} > {second}' compares no moving clips with their twins: one of the two must be 'moving', the other "
        "'frozen', 'shuffled' or 'reversed'"
    )


def named(name: str, sets: Sets) -> str:
    """The set that a name means: itself with a kind, otherwise the moving clips, or the still ones.

    Raises:
        ConceptNotFound: there is no such concept or no such kind of it; the closest names are suggested.
    """
    concept, slash, kind = name.rpartition("/") if name.rpartition("/")[2] in KINDS else (name, "", "")
    if concept not in sets:
        near = closest(concept, sets) or ", ".join(sets)
        raise ConceptNotFound(f"no concept '{concept}'; closest: {near}")
    has = sets[concept]
    if slash and kind not in has:
        raise ConceptNotFound(f"'{concept}' has no {kind} clips; it has: {', '.join(has)}")
    if slash:
        return name
    found = next((kind for kind in ("spatiotemporal", "spatial", *TWINS) if kind in has), "")
    return f"{concept}/{found}"


def problems(hypotheses: Sequence[Hypothesis], sets: Sets, *, classes: Collection[str]) -> Iterator[tuple[int, str]]:
    """What does not fit the study's concepts and classes, or is declared twice: the place of each, and a sentence."""
    sound: list[Hypothesis] = []
    for place, each in enumerate(hypotheses):
        wrong = [*_unknown(each, sets, classes)] or [*_lacking(each, sets)]
        yield from ((place, f"'{each.text}': {sentence}") for sentence in wrong)
        if wrong:
            continue
        earlier = next((one for one in sound if _overlap(one, each, sets)), None)
        if earlier:
            yield place, f"'{each.text}' asks again what '{earlier.text}' asks; a test is declared once"
        sound.append(each)


def _unknown(hypothesis: Hypothesis, sets: Sets, classes: Collection[str]) -> Iterator[str]:
    for name in (hypothesis.concept, hypothesis.other) if hypothesis.other else (hypothesis.concept,):
        try:
            named(name, sets)
        except ConceptNotFound as error:
            yield str(error)
    if hypothesis.class_name is not None and hypothesis.class_name not in classes:
        near = closest(hypothesis.class_name, classes) or ", ".join(classes)
        yield f"the study has no class '{hypothesis.class_name}'; closest: {near}"


def _lacking(hypothesis: Hypothesis, sets: Sets) -> Iterator[str]:
    concept = hypothesis.concept
    if hypothesis.against in TWINS:
        has = sets.get(concept, ())
        missing = [kind for kind in ("spatiotemporal", hypothesis.against) if kind not in has]
        if concept not in sets:
            yield f"a concept stands without a kind before a colon, as '{concept.rpartition('/')[0]}'"
        elif missing:
            yield f"'{concept}' has no {' and no '.join(missing)} clips; it has: {', '.join(has)}"
    elif hypothesis.other and named(concept, sets) == named(hypothesis.other, sets):
        yield "compares a set with itself"
    elif not hypothesis.sets(sets):
        yield f"'{concept}' has only twins, which are named with their kind, as '{named(concept, sets)}'"


def _overlap(one: Hypothesis, other: Hypothesis, sets: Sets) -> bool:
    """Whether two hypotheses have a test in common; 'a > b' and 'b > a' are one test."""

    def pairs(each: Hypothesis) -> set[frozenset[str]]:
        held = named(each.other, sets) if each.other else each.against
        return {frozenset((name, held)) for name in each.sets(sets)}

    places = ((one.layer, other.layer), (one.class_name, other.class_name))
    return bool(pairs(one) & pairs(other)) and all(None in place or place[0] == place[1] for place in places)


def family_size(hypotheses: Sequence[Hypothesis], sets: Sets, *, layers: int, classes: int) -> int:
    """How many tests the hypotheses ask for, in a study of so many layers and classes."""
    return sum(
        len(each.sets(sets)) * (1 if each.layer else layers) * (1 if each.class_name else classes)
        for each in hypotheses
    )


def outcome(hypothesis: Hypothesis | Need, verdicts: Sequence[str]) -> Outcome:
    """What became of a hypothesis, from the verdicts of its tests at all of its layers and for all of its classes.

    An effect is supported where one test finds it, since the correction pays for all of them; that there is none must
    hold in all. An effect that goes the declared way in one place and the other way elsewhere is mixed.
    """
    found = set(verdicts)
    up, down = "positive" in found, "negative" in found
    if hypothesis.claim == "less":
        up, down = down, up
    has_sign = hypothesis.claim in ("greater", "less")
    nothing = hypothesis.claim == "negligible"
    rules: tuple[tuple[bool, Outcome], ...] = (
        (has_sign and up and down, "mixed"),
        (found == {"negligible"} if nothing else up or (down and not has_sign), "supported"),
        (down or (nothing and up), "contradicted"),
        (found <= _UNDECIDED, "cannot be judged"),
    )
    return next((name for holds, name in rules if holds), "not supported")
