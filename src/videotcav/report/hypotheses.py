"""Declared hypotheses in words: what became of each, in a sentence that can stand in a paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from videotcav.records import TWINS, Outcome, Result, Verdict
from videotcav.report.edits import sentence as edit_sentence
from videotcav.report.verdicts import lead_of
from videotcav.results.edit_effect import EditEffect
from videotcav.results.manifest import HypothesisFacts, Manifest
from videotcav.results.read import RunResults
from videotcav.results.words import (
    OUTCOME_MARKS,
    OUTCOME_WAYS,
    STATISTIC_WORDS,
    correction,
    count,
    number,
    p_value,
    percent,
    percents,
    score,
    signed,
    span,
)

_TELLING: dict[Outcome, tuple[tuple[Verdict, ...], ...]] = {
    "supported": (("positive", "negative"), ("negligible",)),
    "contradicted": (("positive", "negative"),),
    "mixed": (("positive", "negative"),),
    "not supported": (("undecided", "no evidence"), ("negligible",)),
    "cannot be judged": (("underpowered", "degenerate", "not learned", "fidelity too low"),),
}
"""The verdicts of which one is told, by what became of the hypothesis; the first that there are."""


@dataclass(frozen=True)
class HypothesisAnswer:
    """What became of one declared hypothesis: the row that is told, and the rows of all its tests, but for edits."""

    text: str
    outcome: Outcome
    told: Result | EditEffect
    rows: tuple[Result, ...]
    sentence: str

    @property
    def in_words(self) -> str:
        """The outcome; of an effect that was found where none of the two ways was declared, also which way it goes."""
        return f"{self.outcome}: {OUTCOME_WAYS[self.mark]}" if self.has_a_way else self.outcome

    @property
    def mark(self) -> Verdict:
        """The verdict whose mark and colour the outcome wears."""
        return self.told.verdict if self.has_a_way and isinstance(self.told, Result) else OUTCOME_MARKS[self.outcome]

    @property
    def has_a_way(self) -> bool:
        """Whether the hypothesis is that the concept matters, either way, and it does."""
        if not isinstance(self.told, Result) or self.outcome != "supported":
            return False
        return self.told.against == "random" and self.told.verdict in OUTCOME_WAYS


def hypothesis_answers(run: RunResults) -> tuple[HypothesisAnswer, ...]:
    """The declared hypotheses of a run in their order; empty where there are none."""
    found = []
    for facts in run.manifest.hypotheses:
        rows = tuple(row for row in run.results if row.hypothesis == facts.text)
        if rows:
            told = _told(facts, rows)
            found.append(HypothesisAnswer(facts.text, facts.outcome, told, rows, _sentence(told, rows, run)))
            continue
        edits = [row for row in run.effects if row.hypothesis == facts.text]
        if edits:
            nothing = run.manifest.tests.negligible_below or 0.0
            said = " ".join(edit_sentence(row, negligible_below=nothing) for row in edits)
            found.append(HypothesisAnswer(facts.text, facts.outcome, edits[0], (), said))
    return tuple(found)


def _told(facts: HypothesisFacts, rows: Sequence[Result]) -> Result:
    """The row that bears the outcome out: where nothing matters the largest effect, otherwise the surest one."""
    nothing = facts.claim == "negligible"
    if nothing and facts.outcome == "not supported":
        rows = [row for row in rows if row.verdict != "negligible"] or rows  # the others are as it says
    telling = ([row for row in rows if row.verdict in verdicts] for verdicts in _TELLING[facts.outcome])
    bearing = next(filter(None, telling), rows)
    if nothing and facts.outcome == "supported":
        return max(bearing, key=lambda row: abs(row.value - row.null_centre))
    return min(
        bearing, key=lambda row: (row.p_corrected, -abs(row.value - row.null_centre) / (row.smallest_effect or 1))
    )


def _sentence(told: Result, rows: Sequence[Result], run: RunResults) -> str:
    family = run.declaration.tests if run.declaration else 0
    text = statement(told, manifest=run.manifest, family=family)
    if len(rows) == 1:
        return text
    alike = [row for row in rows if row.verdict == told.verdict]
    if len(alike) == len(rows):
        return f"{text} All {len(rows)} of its tests say so."
    return f"{text} {len(alike)} of its {len(rows)} tests {'says' if len(alike) == 1 else 'say'} so."


def statement(row: Result, *, manifest: Manifest, family: int) -> str:
    """One row as a sentence for a paper: what was found, by which test, on how much, and how sure that is.

    `family` is the number of tests that were corrected for; 0 where that is not known.
    """
    lead = lead_of(row, manifest=manifest)
    where = f"At {row.layer}, " if row.layer else ""
    exploratory = "exploratory: " if row.exploratory else ""
    said = f"{where}{exploratory}{lead[0].lower()}{lead[1:]}"
    return f"{said[0].upper()}{said[1:]} ({_numbers(row, manifest, family)})."


def _numbers(row: Result, manifest: Manifest, family: int) -> str:
    clips = f"{count(row.concept_clips, 'clip')} of {count(row.concept_sources, 'video')}"
    if row.statistic in ("contrast", "shift"):
        return _numbers_of_contrast(row, manifest, family, clips)
    recognised = (
        f"{percent(row.accuracy)}, 95\N{NO-BREAK SPACE}% interval "
        f"{percents(row.accuracy_low or 0.0, row.accuracy_high or 0.0)}"
    )
    if row.verdict == "not learned":
        return f"held-out accuracy of the CAV {recognised}, which reaches chance; {clips}"
    if row.verdict == "degenerate":
        class_clips = count(row.class_clips, "class clip")
        return f"the gradients of the {class_clips} have a mean cosine of {row.gradient_cosine:.4f}"
    name = STATISTIC_WORDS[row.statistic]
    what = f"difference in {name}" if row.against != "random" else name
    interval = f"95\N{NO-BREAK SPACE}% interval {span(row.low, row.high, row.statistic)}"
    parts = [
        f"{what} {score(row.value, row.statistic)}, {interval}",
        _test(row, manifest, family),
        f"held-out accuracy of the CAV {recognised}",
        f"{clips}; {count(row.class_clips, 'class clip')} of {count(row.class_sources, 'video')}",
    ]
    if row.verdict in ("no evidence", "underpowered"):
        parts.insert(2, f"effects below ±{score(row.smallest_effect, row.statistic)} could not have been seen")
    return "; ".join(parts)


def _numbers_of_contrast(row: Result, manifest: Manifest, family: int, clips: str) -> str:
    interval = f"95\N{NO-BREAK SPACE}% interval {span(row.low, row.high, row.statistic)}"
    effect = f"{STATISTIC_WORDS[row.statistic]} {signed(row.value, row.statistic)}"
    parts = [
        f"{effect} standard deviations of the score over the pool, {interval}",
        _test(row, manifest, family),
        f"{clips} against {count(row.random_clips, 'random clip')}",
    ]
    if row.fidelity is not None:
        parts.append(f"fidelity of the layer's readout {number(row.fidelity, 2)}")
    if row.verdict == "undecided":
        parts.append(f"an effect of {score(row.smallest_effect, row.statistic)} is found with a power of 80 %")
    return "; ".join(parts)


def _test(row: Result, manifest: Manifest, family: int) -> str:
    by = correction(manifest.tests.correction)
    after = f" after {by}'s correction" if by else ""
    over = f" over {count(family, 'declared test')}" if by and family and not row.exploratory else ""
    if row.statistic in ("contrast", "shift") and row.verdict != "negligible":
        nothing = number(manifest.tests.negligible_below, 2)
        paired = "signs flipped within videos" if row.against in TWINS else "labels permuted"
        return (
            f"interval test against ±{nothing}, the larger p of Welch's t and of {paired} "
            f"({count(row.null_draws, 'relabelling')}), p = {p_value(row.p_corrected)}{after}{over}"
        )
    if row.effect_of_interest is not None:
        margin = score(row.effect_of_interest, row.statistic)
        return f"two one-sided tests against ±{margin}, p = {p_value(row.p_equivalence_corrected)}{after}{over}"
    if row.against in TWINS:
        test = f"labels flipped within pairs, {count(row.null_draws, 'flip')}"
    elif row.against == "concept":
        test = f"set-level randomisation of the difference, {count(row.null_draws, 'pair')} of pseudo-concepts"
    else:
        test = f"set-level randomisation, {count(row.null_draws, 'pseudo-concept')}"
    return f"{test}, p = {p_value(row.p_corrected)}{after}{over}"
