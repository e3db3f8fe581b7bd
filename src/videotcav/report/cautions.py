"""What a reader must know before believing any verdict."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from videotcav.records import FIDELITY, Result, Verdict
from videotcav.report.sentences import layer_order, told_rows, unique
from videotcav.results.manifest import Manifest
from videotcav.results.read import RunResults
from videotcav.results.words import KIND_WORDS, STATISTIC_WORDS, count, listing, percent

RECOGNISES_MOST = 0.8
RECOGNISES_HALF = 0.5


@dataclass(frozen=True)
class Caution:
    """Something a reader must know before believing a verdict; a grave one concerns all of them."""

    title: str
    text: str
    grave: bool = False


def cautions(run: RunResults) -> tuple[Caution, ...]:
    """What stands above the answer, gravest first."""
    found = [
        *_weak_model(run.manifest),
        *_opposite_signs(run),
        *_association(run),
        *_synthetic(run),
        *_degenerate_layers(run),
        *_unjudged(
            run, "not learned", "Not learned", "These concepts are not recognised on new videos; no verdict. {where}."
        ),
        *_unjudged(run, "underpowered", "Underpowered", "The study is too small to decide on these. {where}."),
        *_unreviewed(run.manifest),
        *_left_out(run.manifest),
        *(Caution("Remark", remark) for remark in run.manifest.remarks),
    ]
    return tuple(sorted(found, key=lambda caution: not caution.grave))


def _weak_model(manifest: Manifest) -> Iterable[Caution]:
    for name, facts in manifest.classes.items():
        if facts.accuracy is None or facts.accuracy >= RECOGNISES_MOST:
            continue
        weak = facts.accuracy < RECOGNISES_HALF
        clips = count(facts.clips, "clip")
        yield Caution(
            "The model hardly knows this class" if weak else "The model often misses this class",
            f"The model recognises only {percent(facts.accuracy)} of the {clips} of “{name}”: "
            + (
                "explanations of a model that does not know the class mean little."
                if weak
                else "the clips that it misses are part of every score below."
            ),
            grave=weak,
        )


def _opposite_signs(run: RunResults) -> Iterable[Caution]:
    """What the concept does on its own clips, and what a readout taken at the class's clips says, are two things."""
    scores = {_asked(row): row for row in run.results if row.statistic == "contrast"}
    apart = [
        row
        for row in run.results
        if row.statistic == "shift"
        and row.shift is not None
        and (row.fidelity or 0) >= FIDELITY
        and (found := scores.get(_asked(row))) is not None
        and row.shift * found.value < 0
        and found.verdict in ("positive", "negative")
    ]
    if apart:
        named = unique(
            f"“{row.concept}” ({KIND_WORDS[row.kind]}) at {row.layer} for “{row.class_name}”" for row in apart
        )
        yield Caution(
            "Opposite signs",
            f"On the class's own clips {listing(named)} may do the opposite of what is told here: the layer's readout, "
            "taken at these clips, points the other way. Only changing the concept in these clips can tell.",
            grave=True,
        )


def _asked(row: Result) -> tuple[str, ...]:
    return (row.concept, row.kind, row.against, row.other, row.class_name)


def _association(run: RunResults) -> Iterable[Caution]:
    if any(row.statistic == "contrast" and row.against == "random" for row in run.results):
        yield Caution(
            "Association",
            "Against random clips a contrast is an association; confounding is not excluded: a concept's clips may "
            "carry the class's own cues. Against their own twins it is an intervention.",
        )


def _synthetic(run: RunResults) -> Iterable[Caution]:
    named = unique(f"“{row.concept}” ({KIND_WORDS[row.kind]})" for row in run.results if row.origin)
    if named:
        yield Caution("Generated clips", f"Clips of {listing(named)} were generated, some or all of them.")
    gaps = [row for row in run.results if row.origin == "synthetic, domain gap"]
    if gaps:
        named = unique(f"“{row.concept}” ({KIND_WORDS[row.kind]}) for “{row.class_name}”" for row in gaps)
        yield Caution(
            "Domain gap",
            f"Generated and real clips of {listing(named)} are farther apart, in what decides the verdict, than the "
            "concept is from what it is held against: the verdict may be on the generator.",
            grave=True,
        )


def _degenerate_layers(run: RunResults) -> Iterable[Caution]:
    primary = run.manifest.tests.primary
    rows = [row for row in run.results if row.verdict == "degenerate" and row.statistic == primary]
    layers = [layer for layer in layer_order(run) if any(row.layer == layer for row in rows)]
    if layers:
        yield Caution(
            "Degenerate layer" if len(layers) == 1 else "Degenerate layers",
            f"At {listing(layers)} the gradients of all class clips point the same way: a {STATISTIC_WORDS[primary]} "
            "is 0 or 1 for every vector, random ones too. The cosine speaks instead.",
        )


def _unjudged(run: RunResults, verdict: Verdict, title: str, text: str) -> Iterable[Caution]:
    """One caution that names the concepts of such a verdict layer by layer; `text` has a place for each."""
    told = told_rows(run.results, primary=run.manifest.tests.primary)
    rows = [row for row in told if row.verdict == verdict and row.against == "random"]
    parts = []
    for layer in layer_order(run):
        names = []
        for concept in unique(row.concept for row in rows if row.layer == layer):
            kinds = unique(row.kind for row in rows if (row.layer, row.concept) == (layer, concept))
            words = ", ".join(KIND_WORDS[kind] for kind in kinds)
            names.append(f"“{concept}” ({words})")
        if names:
            parts.append(f"{layer}: {listing(names)}")
    if parts:
        yield Caution(title, text.format(where="; ".join(parts)))


def _unreviewed(manifest: Manifest) -> Iterable[Caution]:
    names = [f"“{name}”" for name, facts in manifest.concepts.items() if facts.review == "unreviewed"]
    if names:
        yield Caution(
            "Concepts not reviewed",
            f"No person has looked through the clips of {listing(names)}.",
        )


def _left_out(manifest: Manifest) -> Iterable[Caution]:
    if manifest.left_out:
        files = count(len(manifest.left_out), "file")
        yield Caution("Left out", f"{files} could not be used: see the end of this page.")
