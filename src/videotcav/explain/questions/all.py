"""From Gram blocks to rows of results: every concept, layer, class and statistic, tested and judged."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from threadpoolctl import threadpool_limits

from videotcav.explain.cavs.gram import Gram, Rows
from videotcav.explain.design.design import Design
from videotcav.explain.design.draws import GramRows
from videotcav.explain.design.hypotheses import Hypothesis
from videotcav.explain.inference.judge import Estimate, judge
from videotcav.explain.inference.multiplicity import Family
from videotcav.explain.questions.contrast import ClipScores
from videotcav.explain.questions.groups import relative_estimates
from videotcav.explain.questions.moves import move_results
from videotcav.explain.questions.pool import pool_estimates
from videotcav.explain.questions.scorer import Scorer
from videotcav.explain.questions.twin import twin_estimates
from videotcav.explain.questions.two_concepts import comparison_estimates
from videotcav.records import STATISTICS, Result, Statistic


def refuse_untestable(design: Design) -> None:
    """Nothing where every test that is asked for can be decided. It needs no pass, so that none is made in vain.

    Raises NotEnoughData with the number that is needed.
    """
    design.refuse_too_little()


def answers(
    grams: Mapping[str, Gram],
    design: Design,
    *,
    scores: ClipScores | None = None,
    primary: Statistic = "cosine",
    edits: Family | None = None,
    removals: bool = True,
) -> list[Result]:
    """The results of what the design's settings ask: contrast and shift, see `move_results`, for which `scores` are
    those of the set clips, and `edits` what is corrected together with contrasts; or the classic scores. Then one
    `relative` result for every member of every group × layer × class. Without `removals` no contrast says how few
    videos overturn it, which takes longest.

    Raises:
        NotEnoughData: a set, the random pool or the null draws are too few; the message says what is needed.
    """
    refuse_untestable(design)
    if not design.asks_contrast:
        return _classic(grams, design, primary)
    if scores is None:
        raise ValueError("contrast needs the scores of the concept and random clips")
    relative = _classic(grams, design, primary, only_groups=True) if design.groups else []
    return [*move_results(grams, design, scores, edits=edits, removals=removals), *relative]


def _classic(
    grams: Mapping[str, Gram], design: Design, primary: Statistic, *, only_groups: bool = False
) -> list[Result]:
    """One result for every concept set × layer × class × statistic against random clips, and for every dynamic
    concept against each of its twins; set by set, in the order of the design. Then the relative ones.

    `grams` maps layers to their inner products; the design says which kernel rows are each set's, and which rows of
    `cross` are each class's clips. Every random choice follows from the seed and the concept's name, so neither order
    nor company changes a draw.

    The family of a correction is what the design's hypotheses ask of the statistic `primary`; all else is then
    exploratory. Without hypotheses it is all rows of one statistic: the three are views of the same questions, not
    more questions; relative scores ask their own.
    """
    settings = design.settings
    # Many tiny solves: a thread a layer serves them, several threads a solve only get into each other's way.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(max_workers=os.cpu_count()) as threads:
        layers = [
            threads.submit(_estimates, name, gram, design, classes, only_groups=only_groups)
            for name, gram in grams.items()
            for classes in design.class_parts
        ]
        found = [each for layer in layers for each in layer.result()]
    sets = [*design.concepts, *(member for group in design.groups for member in group.members)]
    place = {name: index for index, name in enumerate(dict.fromkeys(each.name for each in sets))}
    found.sort(key=lambda each: (each.against == "group", place[each.of.name], each.against != "random"))
    results: dict[int, Result] = {}
    for statistic in (*(() if only_groups else STATISTICS), *(["relative"] if design.groups else [])):
        members = [index for index, each in enumerate(found) if each.statistic == statistic]
        family = [found[index] for index in members]
        declared = _declared(family if statistic == primary else [], design)
        judged = judge(family, settings=settings, declared=declared if design.hypotheses else None)
        results.update(zip(members, judged, strict=True))
    return [results[index] for index in sorted(results)]


def estimates(scorer: Scorer) -> list[Estimate]:
    """At one layer: all concepts against random clips, all dynamic concepts against their twins, all comparisons of two
    concepts, all groups within themselves.
    """
    accuracies = {each.name: scorer.accuracy(each) for each in scorer.design.concepts}
    found: list[Estimate] = []
    for each in scorer.design.concepts:
        found += pool_estimates(scorer, each, accuracies[each.name])
    for dynamic, twin in scorer.design.pairs:
        found += twin_estimates(scorer, dynamic, twin, accuracies[dynamic.name])
    for first, second in scorer.design.comparisons:
        worse = min(accuracies[first.name], accuracies[second.name], key=lambda accuracy: accuracy.low)
        found += comparison_estimates(scorer, first, second, worse)
    return [*found, *_of_groups(scorer)]


def _of_groups(scorer: Scorer) -> list[Estimate]:
    return [estimate for group in scorer.design.groups for estimate in relative_estimates(scorer, group)]


def _estimates(
    name: str, gram: Gram, design: Design, classes: Mapping[str, GramRows], *, only_groups: bool
) -> list[Estimate]:
    """All estimates of a layer for some of the classes, from the inner products of their clips alone."""
    if len(classes) < len(design.classes):
        rows: Rows = np.concatenate([clips.rows for clips in classes.values()])
        gram = gram.of_class_clips(rows)
        ends = np.cumsum([len(clips) for clips in classes.values()]).tolist()
        classes = {
            name: GramRows(np.arange(end - len(clips), end), clips.sources)
            for end, (name, clips) in zip(ends, classes.items(), strict=True)
        }
    scorer = Scorer(name, gram, design, classes)
    return _of_groups(scorer) if only_groups else estimates(scorer)


def _declared(estimates: Sequence[Estimate], design: Design) -> dict[int, Hypothesis]:
    """Which hypothesis asks for an estimate, by its place; those that none asks for are left out."""
    kinds = design.kinds
    return {
        place: hypothesis
        for place, each in enumerate(estimates)
        for hypothesis in design.hypotheses
        if hypothesis.asks(each.of.name, each.against, each.other, each.layer, each.class_name, sets=kinds)
    }
