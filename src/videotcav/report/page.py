"""A run folder in, `report.html` out: `write_report`. One file that needs nothing else and nobody's network."""

from __future__ import annotations

from pathlib import Path

from videotcav.records import STATISTICS, Kind, Result, Statistic, Verdict
from videotcav.report import edits, figures, sentences
from videotcav.report.answer import answer, trust
from videotcav.report.cautions import cautions
from videotcav.report.evidence import class_clips, concept_reels, first_of_each_kind, picture_of
from videotcav.report.glance import glance
from videotcav.report.hypotheses import hypothesis_answers
from videotcav.report.render import PAGE, write_page
from videotcav.results import words
from videotcav.results.both_legs import Leg
from videotcav.results.followed import Followed, FollowedVerdict, above_maps
from videotcav.results.read import RunResults

_MARKS: dict[Leg, Verdict] = {
    "towards": "positive",
    "away": "negative",
    "none": "negligible",
    "undecided": "undecided",
    "not asked": "undecided",
}
"""The verdict whose mark a leg wears."""

_BADGE_MARKS: dict[FollowedVerdict, Verdict] = {
    "followed": "positive",
    "not followed": "negative",
    "not told": "undecided",
}
"""The verdict whose mark the badge of a map wears."""


def write_report(folder: Path | str) -> Path:
    """The path of the page that was written into the run folder `folder`, from what lies in that folder alone.

    The page appears complete or not at all, and the same folder gives the same bytes.
    Raises RunFolderError when it is not a run folder, is damaged, or cannot be written to.
    """
    run = RunResults.read(folder)
    pictures = [picture_of(run, medium) for medium in run.media]
    by_statistic = _by_statistic(run)
    return write_page(
        run.folder / PAGE,
        "page.html",
        script="page.js",
        run=run,
        manifest=run.manifest,
        answer=answer(run),
        trust=trust(run),
        at_a_glance=glance(run),
        primary=run.manifest.tests.primary,
        correction=words.correction(run.manifest.tests.correction),
        layers=sentences.layer_order(run),
        verdicts={row.verdict for row in run.results},
        by_contrast=run.manifest.tests.scores == "contrast",
        answers=sentences.class_answers(run),
        hypotheses=hypothesis_answers(run),
        cautions=cautions(run),
        figures=_figures(run),
        legs=[(_MARKS[each.legs[0 if each.push else 1]], each.sentence) for each in run.legs],
        effect_headings=edits.HEADINGS,
        effects=[*edits.table_rows(run.effects)],
        clips=class_clips(run, pictures),
        edited=[each for each in pictures if each.medium.role == "edit" and not each.medium.clip],
        colour_stops=figures.colour_stops(run.manifest.cam.colour_map) if run.manifest.cam else (),
        relative=_relative(run),
        accuracies=_accuracies(run),
        classic=[
            row for row in by_statistic.get(run.manifest.tests.primary, []) if row.p_classic_corrected is not None
        ],
        by_statistic=by_statistic,
        tests=run.manifest.tests.model_dump(exclude_none=True),
        thumbs=first_of_each_kind(pictures),
        exemplars=concept_reels(pictures),
        badges=_badges(run),
        marks=_BADGE_MARKS,
        above_maps=above_maps,
        missing=[picture.missing for picture in pictures if picture.missing],
    )


def _badges(run: RunResults) -> dict[str, list[Followed]]:
    """Class → the badge of the maps that are shown, then those of the others that were tried."""
    grouped: dict[str, list[Followed]] = {}
    for badge in run.manifest.badges:
        grouped.setdefault(badge.class_name, []).append(badge)
    return grouped


def _figures(run: RunResults) -> dict[Statistic, list[figures.Figure]]:
    """Statistic → for each class the bars against random clips, then those against twins."""
    wanted = {
        statistic: [
            figures.figure(
                run.results,
                layers=("",) if statistic == "contrast" else sentences.layer_order(run),
                class_name=class_name,
                statistic=statistic,
                contrast=contrast,
            )
            for class_name in sentences.unique(row.class_name for row in run.results)
            for contrast in (False, True)
        ]
        for statistic in _statistics(run)
    }
    drawn = {statistic: [figure for figure in row if figure] for statistic, row in wanted.items()}
    return {statistic: row for statistic, row in drawn.items() if row}


def _relative(run: RunResults) -> list[figures.Figure]:
    """For each declared group and class the bars of its concepts against each other."""
    drawn = (
        figures.figure(
            run.results,
            layers=sentences.layer_order(run),
            class_name=class_name,
            statistic="relative",
            contrast=False,
            group=group,
        )
        for group in sentences.unique(row.group for row in run.results if row.group)
        for class_name in sentences.unique(row.class_name for row in run.results)
    )
    return [figure for figure in drawn if figure]


def _statistics(run: RunResults) -> tuple[Statistic, ...]:
    """The primary statistic first."""
    primary = run.manifest.tests.primary
    others: tuple[Statistic, ...] = ("contrast", "shift", *STATISTICS, "relative")
    return (primary, *(other for other in others if other != primary))


def _by_statistic(run: RunResults) -> dict[Statistic, list[Result]]:
    """Statistic → its rows, those of a class and concept together in the order in which they are told."""
    classes = sentences.unique(row.class_name for row in run.results)
    concepts = sentences.unique(row.concept for row in run.results)
    layers = ["", *sentences.layer_order(run)]
    ordered = sorted(
        run.results,
        key=lambda row: (
            classes.index(row.class_name),
            concepts.index(row.concept),
            sentences.question_order(row.kind, row.against),
            layers.index(row.layer),
        ),
    )
    grouped = {statistic: [row for row in ordered if row.statistic == statistic] for statistic in _statistics(run)}
    return {statistic: rows for statistic, rows in grouped.items() if rows}


def _accuracies(run: RunResults) -> list[tuple[str, Kind, list[Result | None]]]:
    """Concept, kind, and a row of results for each layer: an accuracy belongs to a CAV, not to a class."""
    by_cav = {
        (row.concept, row.kind, row.layer): row
        for row in run.results
        if row.against == "random" and row.accuracy is not None
    }
    cavs = sentences.unique((concept, kind) for concept, kind, _ in by_cav)
    concepts = sentences.unique(concept for concept, _ in cavs)
    cavs.sort(key=lambda cav: (concepts.index(cav[0]), sentences.question_order(cav[1], "random")))
    return [
        (concept, kind, [by_cav.get((concept, kind, layer)) for layer in sentences.layer_order(run)])
        for concept, kind in cavs
    ]
