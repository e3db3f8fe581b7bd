"""One verdict as plain sentences: what a row of results lets a person say, and no more."""

from __future__ import annotations

import math

from videotcav.records import Kind, Result, Verdict
from videotcav.results.manifest import Manifest
from videotcav.results.words import (
    STATISTIC_WORDS,
    correction,
    number,
    p_value,
    percent,
    score,
    signed,
    span,
)

_SUBJECTS: dict[Kind, str] = {
    "spatiotemporal": "Moving {concept} clips",
    "spatial": "Still {concept} crops",
    "frozen": "The very same {concept} clips, frozen,",
    "shuffled": "The very same {concept} clips, shuffled in time,",
    "reversed": "The very same {concept} clips, played backwards,",
}

_SETS: dict[str, str] = {
    "spatiotemporal": "moving {concept} clips",
    "spatial": "still {concept} crops",
    "frozen": "frozen {concept} clips",
    "shuffled": "shuffled {concept} clips",
    "reversed": "reversed {concept} clips",
}

_MATTER = {"frozen": "motion matters", "shuffled": "the order of frames matters", "reversed": "time's arrow matters"}
_TWIN = {"frozen": "frozen", "shuffled": "shuffled in time", "reversed": "played backwards"}


def lead_of(row: Result, *, manifest: Manifest | None = None) -> str:
    """What a verdict says, without its numbers; `manifest` tells which kinds of clips the concept has."""
    return _lead(row, manifest) + (f" ({row.origin})" if row.origin else "")


def _lead(row: Result, manifest: Manifest | None) -> str:
    facts = manifest.concepts.get(row.concept) if manifest else None
    subject = _SUBJECTS[row.kind].format(concept=row.concept)
    if facts is not None and set(facts.kinds) == {"spatiotemporal"}:
        subject = f"“{row.concept}” clips"  # the only ones: whether they move is the concept's own affair
    if row.against == "concept":
        return _lead_against_concept(row, subject)
    return _lead_against_random(row, subject) if row.against == "random" else _lead_against_twin(row)


def _lead_against_random(row: Result, subject: str) -> str:
    action = f"“{row.class_name}”"
    leads: dict[Verdict, str] = {
        "positive": f"push the model towards {action}",
        "negative": f"push the model away from {action}",
        "negligible": f"move {action} by less than would be of interest, one way or the other",
        "undecided": f"are neither shown to move {action} nor shown to leave it alone",
        "fidelity too low": "cannot be judged at this layer: its readout does not follow the score",
        "no evidence": f"give no evidence of a push, towards {action} or away from it",
        "not learned": "cannot be judged: this layer does not recognise the concept on new videos",
        "degenerate": "cannot be judged: every direction scores alike at this layer",
        "underpowered": "cannot be judged: the study is too small",
    }
    return f"{subject} {leads[row.verdict]}"


def _lead_against_twin(row: Result) -> str:
    matter, twin = _MATTER[row.against], _TWIN[row.against]
    capital = matter[0].upper() + matter[1:]
    clips = f"moving, {row.concept} clips score {{}} for “{row.class_name}” than the very same clips {twin}"
    alike = f"moving {row.concept} clips and the same clips {twin}"
    unknown = f"Whether {matter} cannot be judged"
    leads: dict[Verdict, str] = {
        "positive": f"{capital}: {clips.format('higher')}",
        "negative": f"{capital}, the other way round: {clips.format('lower')}",
        "negligible": f"{capital} less than would be of interest: {alike} score alike",
        "undecided": f"Undecided whether {matter}: {alike} are neither shown to score apart nor shown to score alike",
        "fidelity too low": f"{unknown} at this layer: its readout does not follow the score",
        "no evidence": f"No evidence that {matter}: {alike} cannot be told apart here",
        "not learned": f"{unknown}: this layer does not recognise “{row.concept}” on new videos",
        "degenerate": f"{unknown}: every direction scores alike at this layer",
        "underpowered": f"{unknown}: the study is too small",
    }
    return leads[row.verdict]


def _lead_against_concept(row: Result, subject: str) -> str:
    concept, _, kind = row.other.rpartition("/")
    other = _SETS[kind].format(concept=concept)
    leads: dict[Verdict, str] = {
        "positive": f"score higher for “{row.class_name}” than {other}",
        "negative": f"score lower for “{row.class_name}” than {other}",
        "negligible": f"score like {other} for “{row.class_name}”, to less than would be of interest",
        "undecided": f"are neither shown to score apart from {other} for “{row.class_name}” nor shown to score alike",
        "fidelity too low": f"cannot be held against {other} at this layer: its readout does not follow the score",
        "no evidence": f"give no evidence of scoring higher or lower for “{row.class_name}” than {other}",
        "not learned": f"cannot be held against {other}: this layer does not recognise both on new videos",
        "degenerate": f"cannot be held against {other}: every direction scores alike at this layer",
        "underpowered": f"cannot be held against {other}: the study is too small",
    }
    return f"{subject} {leads[row.verdict]}"


def detail_of(row: Result, *, manifest: Manifest) -> str:
    """The numbers behind a verdict: effect, interval, null, p, and what could not have been seen."""
    if row.statistic in ("contrast", "shift"):
        return _contrast_detail(row, manifest)
    if row.verdict == "not learned":
        return (
            f"At {row.layer} its CAV is right on {percent(row.accuracy)} of the clips of held-out videos "
            f"(95 % interval {percent(row.accuracy_low)} to {percent(row.accuracy_high)}), which reaches chance."
        )
    if row.verdict == "degenerate":
        return (
            f"At {row.layer} the gradients of all class clips point the same way (mean cosine "
            f"{number(row.gradient_cosine, 4)}): a sign count is 0 or 1 there for every vector, random ones too."
        )
    name = STATISTIC_WORDS[row.statistic]
    value = score(row.value, row.statistic)
    if row.against == "random":
        what, null = name.capitalize(), "random sets"
    else:
        what = f"Difference in {name}"
        null = "pairs of random sets" if row.against == "concept" else "labels flipped within pairs"
        value = signed(row.value, row.statistic)
    corrected_by = correction(manifest.tests.correction)
    p = f"p\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{p_value(row.p_corrected)}"
    after = f" after {corrected_by}" if corrected_by else ""
    text = (
        f"{what} {value} at {row.layer} (95 % interval {span(row.low, row.high, row.statistic)}; {null} give "
        f"{span(row.null_low, row.null_high, row.statistic)}; {p}{after})."
    )
    if row.effect_of_interest is not None:
        text += " " + _equivalence(row, after)
    smallest = f"±{score(row.smallest_effect, row.statistic)}"
    if row.verdict == "no evidence":
        text += (
            " Its interval reaches the centre of the null."
            if row.p_corrected <= manifest.tests.alpha
            else f" An effect smaller than {smallest} could not have been seen."
        )
    if row.verdict == "underpowered":
        text += (
            f" Only an effect beyond {smallest} could have been seen, and there is none so large."
            if math.isfinite(row.smallest_effect)
            else " No effect, however large, could have been seen."
        )
    if row.statistic != manifest.tests.primary:
        text += f" The {STATISTIC_WORDS[manifest.tests.primary]} is degenerate at this layer."
    return text


def _contrast_detail(row: Result, manifest: Manifest) -> str:
    """What a contrast is made of, what would overturn it, and how much of it the clips' own look may be."""
    nothing = row.null_high
    by = correction(manifest.tests.correction)
    interval = span(row.low, row.high, row.statistic)
    p = f"p\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{p_value(row.p_corrected)}{f' after {by}' if by else ''}"
    effect = f"{signed(row.value, row.statistic)} standard deviations of the score over the pool"
    parts = [f"{effect} (95 % interval {interval}; {p}, against ±{number(nothing)})."]
    if row.verdict in ("positive", "negative") and row.low < nothing and row.high > -nothing:
        parts.append(
            "The interval looks both ways and the test one way, so the interval may reach what counts as none."
        )
    if row.verdict == "negligible":
        p = p_value(row.p_equivalence_corrected)
        parts.append(f"It lies within ±{score(row.effect_of_interest, row.statistic)} (two one-sided tests, p = {p}).")
    if row.verdict == "undecided":
        parts.append(f"An effect of {score(row.smallest_effect, row.statistic)} is found with a power of 80 %.")
    parts.append(
        f"The model gives {percent(row.concept_predicted)} of these clips and {percent(row.pool_predicted)} of the "
        f"random ones to “{row.class_name}”."
    )
    return " ".join([*parts, *_overturned(row)])


def _overturned(row: Result) -> list[str]:
    """How few videos a verdict hangs on; an upper bound, since it is found by a greedy search."""
    of = [
        f"{removed} of {what}"
        for removed, what in ((row.removed_of_concept, "its videos"), (row.removed_of_pool, "the random videos"))
        if removed is not None
    ]
    return [f"Without {' or '.join(of)} the verdict would be another one."] if of else []


def _equivalence(row: Result, after: str) -> str:
    """What the test of equivalence says, in one sentence."""
    margin = score(row.effect_of_interest, row.statistic)
    p = f"p\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{p_value(row.p_equivalence_corrected)}"
    holds = "lies within" if row.verdict == "negligible" else "is not shown to lie within"
    return f"The effect {holds} ±{margin} of the null's centre (two one-sided tests, {p}{after})."
