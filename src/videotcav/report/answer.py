"""The answer of a run as its page begins: one sentence, and how far to trust it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from videotcav.records import FIDELITY, Verdict
from videotcav.report.roles import ConceptRole, Push, concept_roles
from videotcav.report.sentences import unique
from videotcav.results.both_legs import Leg
from videotcav.results.read import RunResults
from videotcav.results.words import count, listing, number, percent

MOST_CLAUSES = 3
_FEW = 3

_PUSH: dict[Push, tuple[str, str]] = {
    "towards": ("pushes {there}towards {it} ({numbers})", "push {there}towards {it} ({numbers})"),
    "away": ("pushes {there}away from {it} ({numbers})", "push {there}away from {it} ({numbers})"),
    "none": ("does not push {there}either way", "do not push {there}either way"),
    "undecided": ("is not shown to push {there}either way", "are not shown to push {there}either way"),
    "unjudged": ("cannot be judged ({why})", "cannot be judged ({why})"),
}
_NEED: dict[Leg, tuple[str, str]] = {
    "towards": ("is needed", "are needed"),
    "away": ("hinders it on its own clips", "hinder it on its own clips"),
    "none": ("is not needed", "are not needed"),
    "undecided": ("is not shown to be needed", "are not shown to be needed"),
}
"""For one and for several subjects."""

_WHY: dict[Verdict, str] = {
    "fidelity too low": "what this layer tells does not follow the score",
    "not learned": "the model does not recognise it on new videos",
    "degenerate": "at this layer all directions score alike",
    "underpowered": "the study is too small",
}


def answer(run: RunResults) -> str:
    """The answer in one sentence, what is shown first; the picture beside it has what the sentence leaves out."""
    found = concept_roles(run)
    lead = min(found, key=_importance, default=None)
    groups: dict[tuple[object, ...], list[ConceptRole]] = {}
    for role in sorted(found, key=lambda each: _importance(each, lead)):
        verdict = role.push.verdict if role.push and role.pushes == "unjudged" else ""
        groups.setdefault((role.class_name, role.pushes, role.needed, verdict), []).append(role)
    told = [*groups.values()][:MOST_CLAUSES]
    classes = {role.class_name for role in found}
    said = [_clause(group, is_named=place > 0 and len(classes) == 1) for place, group in enumerate(told)]
    if more := classes - {group[0].class_name for group in told}:
        said.append(f"{count(len(more), 'more class', 'more classes')} below")
    text = "; ".join(said) or "nothing was asked"
    return f"{text[0].upper()}{text[1:]}."


def _importance(role: ConceptRole, lead: ConceptRole | None = None) -> tuple[bool, int, bool, bool, int]:
    """What is shown comes first, then what else is known of the concept that leads."""
    shown = role.rank <= 1
    beside = lead is not None and role.concept == lead.concept
    undeclared = shown and role.push is not None and role.push.exploratory
    return (not shown, role.rank if shown else 0, undeclared, not beside, role.rank)


def _clause(group: Sequence[ConceptRole], *, is_named: bool) -> str:
    first = group[0]
    plural = len(group) > 1
    name = f"“{first.class_name}”"
    words = {
        "there": "" if is_named else "the model ",
        "it": "it" if is_named else name,
        "numbers": listing([role.number for role in group]),
        "why": _WHY.get(first.push.verdict, "") if first.push else "",
    }
    push, need = _PUSH.get(first.pushes), _NEED.get(first.needed)
    parts = [each[plural].format_map(words) for each in (push, need) if each]
    if not is_named and first.pushes not in ("towards", "away"):
        parts[-1:] = [f"{part} for {name}" for part in parts[-1:]]
    elif parts and not is_named and first.needed in ("towards", "none", "undecided"):
        parts[-1] += " for it"
    shown = {leg in ("towards", "away") for leg, each in ((first.pushes, push), (first.needed, need)) if each}
    opposed = {first.pushes, first.needed} == {"towards", "away"}
    joint = " but " if opposed or len(shown) > 1 else " and "
    return f"{_subject(group)} {joint.join(parts) or 'could not be asked'}"


def _subject(group: Sequence[ConceptRole]) -> str:
    """The names of what does the same; a concept beside its motion is named once."""
    names = []
    for concept in unique(role.concept for role in group):
        own = [role for role in group if role.concept == concept]
        itself = next((role for role in own if role.against == "random" and not role.is_still), None)
        for role in own:
            if itself and role is not itself and not role.is_still:
                names.append(role.name.replace(f"the motion of “{concept}”", "its motion"))
            else:
                names.append(role.name)
    return listing(names)


def trust(run: RunResults) -> list[str]:
    """How far to trust the answer: videos, review, fidelity, what was declared, and what would overturn it."""
    found = concept_roles(run)
    return [*_videos(run), *_reviewed(run), *_fidelity(run), *_overturned(found), *_association(found), *_declared(run)]


def _videos(run: RunResults) -> Iterator[str]:
    manifest = run.manifest
    sources = {name: facts.sources for name, facts in manifest.concepts.items()}
    if len(sources) > _FEW:
        few, most = min(sources.values()), max(sources.values())
        asked = [f"{few if few == most else f'{few} to {most}'} videos of each of {len(sources)} concepts"]
    else:
        asked = [f"{count(each, 'video')} of “{name}”" for name, each in sources.items()]
    asked.append(f"{manifest.random.sources:,} random ones")
    classes = [
        f"{facts.sources} of “{name}” ({percent(facts.accuracy)} recognised)"
        for name, facts in [*manifest.classes.items()][:_FEW]
    ]
    more = len(manifest.classes) - len(classes)
    yield f"{listing([*asked, *classes, *([f'{more} more classes'] if more > 0 else [])])}."


def _reviewed(run: RunResults) -> Iterator[str]:
    without = [f"“{name}”" for name, facts in run.manifest.concepts.items() if facts.review == "unreviewed"]
    if without:
        every = len(without) == len(run.manifest.concepts)
        yield f"No person reviewed {'the concepts' if every or len(without) > _FEW else listing(without)}."
    elif run.manifest.concepts:
        yield "The concepts were reviewed."


def _fidelity(run: RunResults) -> Iterator[str]:
    """Where a layer's readout follows the score; nothing is said of a study that asks no layer."""
    by_layer = {row.layer: row.fidelity for row in run.results if row.statistic == "shift"}
    if not by_layer:
        return
    known = {layer: each for layer, each in by_layer.items() if each is not None}
    if not known:
        yield "Too few random videos to tell which layers follow the score."
        return
    best = max(known, key=lambda layer: known[layer])
    follows = "follows" if known[best] >= FIDELITY else "does not follow"
    yield f"{best} {follows} the score (fidelity {number(known[best])})."


def _overturned(found: Sequence[ConceptRole]) -> Iterator[str]:
    """Of what is shown, what hangs on the smallest share of its videos."""
    hangs = [
        (removed / of, removed, of, role.name)
        for role in found
        if role.push is not None and role.pushes in ("towards", "away")
        for removed, of in [(role.push.removed_of_concept, role.push.concept_sources)]
        if removed is not None
    ]
    if hangs:
        _, removed, of, name = min(hangs)
        yield f"Without {removed} of its {of} videos {name} would have another verdict."


def _association(found: Sequence[ConceptRole]) -> Iterator[str]:
    shown = [role for role in found if role.pushes in ("towards", "away") and role.against == "random"]
    if any(role.needed not in ("towards", "away") for role in shown):
        yield "A push alone is an association: something else in these clips may cause it."


def _declared(run: RunResults) -> Iterator[str]:
    hypotheses = run.manifest.hypotheses
    if hypotheses:
        held = sum(each.outcome == "supported" for each in hypotheses)
        yield f"Declared beforehand: {held} of {count(len(hypotheses), 'hypothesis', 'hypotheses')} supported."
        undeclared = [each for role in concept_roles(run) for each in role.undeclared]
        if undeclared:
            named = listing(undeclared) if len(undeclared) <= _FEW else f"{len(undeclared)} others"
            yield f"Not declared, so a lead only: {named}."
