"""Results that were published, or made by other tools, held against what can be true: plain sentences, no verdicts.

Three forms are read (`docs/audit.md` shows each): captum's dictionaries of scores, a short list of published results,
and run folders of our own. Nothing is computed again from clips; what the numbers themselves give away is told.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, PositiveInt, ValidationError

from videotcav.errors import AuditError, UnreadableText
from videotcav.explain.design.settings import AnalysisSettings, Correction
from videotcav.records import Record
from videotcav.results.read import RunResults
from videotcav.texts import first_problem, parse_json, read_text

_TIE = 1e-6
_FEWEST_TO_MIRROR = 3  # two scores and their mirror images happen by chance

_DEPENDENT = (
    "a t-test over runs that share one concept set takes them for independent; at a nominal 5 % it calls 30–90 % of "
    "true nulls significant, and more runs make it worse. Randomise the concept set instead"
)
_MIRRORED = (
    "add up to 1 in every run: they are one CAV and its opposite, not two samples, and a test of one against the other "
    "counts every deviation twice. Hold the concept against random-against-random CAVs"
)
_SATURATED = (
    "are 0 or 1. The gradients of the class clips are probably one and the same there, as after global pooling before "
    "a linear head, and then every vector counts 0 or 1, a random one too; a magnitude is needed"
)

Flag = Literal[
    "mirrored", "impossible", "out of range", "dependent runs", "too few draws", "degenerate", "too few runs"
]


_Told = tuple[Flag, str, str]
"""What kind, where, and the rest of the sentence."""


class Finding(Record):
    """One thing that cannot be right or cannot carry its conclusion: what kind, where, and a sentence."""

    flag: Flag
    where: str
    sentence: str


class Published(Record):
    """One result as a paper gives it: whatever of it is stated.

    `scores` are those of single runs (a random set each) and `random_scores` those of random against random; `mean` is
    stated beside or instead of them. `clips` is the number of class clips that a sign count counts.
    """

    name: str
    layer: str = ""
    statistic: Literal["sign_count", "magnitude"] = "sign_count"
    clips: PositiveInt | None = None
    mean: str | float | None = None
    scores: tuple[str | float, ...] = ()
    random_scores: tuple[str | float, ...] = ()
    test: Literal["t", "permutation", "none"] = "none"
    null_draws: PositiveInt | None = None
    p: float | None = None

    @property
    def where(self) -> str:
        """How a sentence names it."""
        return f"{self.name} at {self.layer}" if self.layer else self.name


class PublishedResults(Record):
    """A list of published results and the family that their p-values were corrected for."""

    alpha: float = Field(default=0.05, gt=0.0, lt=0.5)
    correction: Correction = "none"
    tests: PositiveInt | None = None
    results: tuple[Published, ...] = Field(min_length=1)


def audit(path: Path) -> list[Finding]:
    """What is wrong with the results in a file or a run folder; empty where nothing shows.

    Raises:
        AuditError: the file has none of the forms that are read.
        RunFolderError: a run folder is damaged.
    """
    published = _of_run(path) if path.is_dir() else _read(path)
    told = chain(
        *map(_of_one, published.results),
        _mirrored(published.results),
        _saturated(published.results),
        _too_few_draws(published),
    )
    return [Finding(flag=flag, where=where, sentence=f"{where}: {what}") for flag, where, what in told]


# --- reading -----------------------------------------------------------------------------------------------------


def _read(path: Path) -> PublishedResults:
    try:
        raw = parse_json(read_text(path), path, parse_float=str)
    except UnreadableText as error:
        raise AuditError(str(error)) from None
    if isinstance(raw, dict) and "results" not in raw:
        return _of_captum(raw, path)
    try:
        return PublishedResults.model_validate(raw)
    except ValidationError as error:
        raise AuditError(f"{path}: {first_problem(error)}; docs/audit.md shows the form") from error


def _of_captum(raw: dict[str, Any], path: Path) -> PublishedResults:
    """{experimental set → layer → {sign_count: [...], magnitude: [...]}}, a score for each concept of the set."""
    found = []
    for experiment, layers in raw.items():
        if not isinstance(layers, dict) or not all(isinstance(scores, dict) for scores in layers.values()):
            raise AuditError(
                f"{path}: '{experiment}' is no experimental set of captum's, with layers and their sign_count, and "
                "there is no list 'results'; docs/audit.md shows both forms"
            )
        for layer, statistics in layers.items():
            for name in ("sign_count", "magnitude"):
                scores = statistics.get(name)
                if isinstance(scores, list):
                    found.append(Published(name=f"set {experiment}", layer=layer, statistic=name, scores=tuple(scores)))
    if not found:
        raise AuditError(f"{path}: holds no sign_count and no magnitude; docs/audit.md shows the forms that are read")
    return PublishedResults(results=tuple(found))


def _of_run(folder: Path) -> PublishedResults:
    """A run of our own: its sign counts with their clips, and the draws of its tests."""
    run = RunResults.read(folder)
    rows = [row for row in run.results if row.statistic == run.manifest.tests.primary and not row.exploratory]
    results = tuple(
        Published(
            name=f"{row.concept}/{row.kind} against {row.other or row.against} for {row.class_name}",
            layer=row.layer,
            statistic="sign_count" if row.statistic == "sign_count" and row.against == "random" else "magnitude",
            clips=row.class_clips,
            scores=row.runs,
            test="permutation",
            # An interval test ends early where nothing can come of it any more.
            null_draws=row.null_draws if row.against == "random" and row.statistic != "contrast" else None,
            p=row.p,
        )
        for row in rows
    )
    tests = run.manifest.tests
    return PublishedResults.model_validate(
        {"alpha": tests.alpha, "correction": tests.correction, "tests": len(rows) or None, "results": results}
    )


# --- what a single result gives away -----------------------------------------------------------------------------


def _of_one(each: Published) -> Iterator[_Told]:
    yield from _out_of_range(each)
    if each.statistic == "sign_count" and each.clips is not None:
        yield from _impossible(each, each.clips)
    if each.test == "t":
        yield "dependent runs", each.where, _DEPENDENT
        if 0 < len(each.scores) < _FEWEST_TO_MIRROR:
            yield "too few runs", each.where, f"{len(each.scores)} runs have no spread that a t-test could use"


def _out_of_range(each: Published) -> Iterator[_Told]:
    if each.p is not None and not 0 < each.p <= 1:
        yield "out of range", each.where, f"p = {each.p:g}; a p-value lies above 0 and is at most 1"
    stated = [*each.scores, *each.random_scores, *([] if each.mean is None else [each.mean])]
    values = [float(value) for value in stated]
    bad = [value for value in values if not math.isfinite(value)]
    what = "no number"
    if each.statistic == "sign_count":
        bad += [value for value in values if math.isfinite(value) and not 0 <= value <= 1]
        what = "a sign count is a share, from 0 to 1"
    if bad:
        yield "out of range", each.where, f"{', '.join(f'{value:g}' for value in bad[:3])}; {what}"


def _impossible(each: Published, clips: int) -> Iterator[_Told]:
    """Shares that so many clips cannot give, at the digits that are stated (as Brown and Heathers' GRIM, 2017)."""
    shares = [*each.scores, *each.random_scores]
    if each.mean is not None and not each.scores:
        shares.append(each.mean)
    for value in shares:
        exact = float(value) * clips
        if 0 <= float(value) <= 1 and abs(float(value) - round(exact) / clips) > _half_digit(value) + 1e-9:
            nearest = [f"{count}/{clips} = {count / clips:.4g}" for count in (math.floor(exact), math.ceil(exact))]
            what = f"{value} is no share of {clips} clips; the nearest are {' and '.join(nearest)}"
            yield "impossible", each.where, what
    if each.mean is not None and each.scores and 0 <= float(each.mean) <= 1:
        off = abs(float(each.mean) - float(np.mean([float(score) for score in each.scores])))
        slack = _half_digit(each.mean) + max(map(_half_digit, each.scores)) + 1e-9  # the scores are rounded too
        if not off <= slack:
            what = f"the stated mean {each.mean} is not the mean of the {len(each.scores)} scores beside it"
            yield "impossible", each.where, what


def _half_digit(value: str | float) -> float:
    """Half a unit of the last digit as it is written; a number that came without its text is exact to a millionth."""
    if isinstance(value, str) and "e" not in value.lower():
        return float(0.5 * 10.0 ** -len(value.partition(".")[2]))
    return _TIE


# --- what several give away --------------------------------------------------------------------------------------


def _mirrored(results: Sequence[Published]) -> Iterator[_Told]:
    """Samples that are 1 minus each other: one CAV told twice, as captum gives it for a concept and its random set."""
    for each in results:
        if each.statistic == "sign_count" and _mirror(each.scores, each.random_scores):
            yield "mirrored", each.where, f"its scores and its random scores {_MIRRORED}"
    for layer, members in _counts_by_layer(results):
        pairs = [each.scores for each in members if len(each.scores) == 2]  # noqa: PLR2004
        if pairs and _mirror(*zip(*pairs, strict=True)):
            where = f"all {len(pairs)} sets at {layer or 'the layer'}"
            yield "mirrored", where, f"the first and the second score of a set {_MIRRORED}"


def _mirror(first: Sequence[str | float], second: Sequence[str | float]) -> bool:
    if len(first) != len(second) or len(first) < _FEWEST_TO_MIRROR:
        return False
    varies = len({float(a) for a in first}) > 1
    return varies and all(
        abs(float(a) + float(b) - 1) <= _half_digit(a) + _half_digit(b) + _TIE
        for a, b in zip(first, second, strict=True)
    )


def _saturated(results: Sequence[Published]) -> Iterator[_Told]:
    """Layers at which every sign count is 0 or 1."""
    for layer, members in _counts_by_layer(results):
        stated = [(*(each.scores or [each.mean]), *each.random_scores) for each in members]
        values = [float(value) for values in stated for value in values if value is not None]
        if len(values) >= _FEWEST_TO_MIRROR and all(value in (0.0, 1.0) for value in values):
            yield "degenerate", layer or "all results", f"all {len(values)} sign counts {_SATURATED}"


def _counts_by_layer(results: Sequence[Published]) -> Iterable[tuple[str, list[Published]]]:
    by_layer: dict[str, list[Published]] = {}
    for each in results:
        if each.statistic == "sign_count":
            by_layer.setdefault(each.layer, []).append(each)
    return by_layer.items()


def _too_few_draws(published: PublishedResults) -> Iterator[_Told]:
    """Tests that could not have been significant after their correction, whatever the data."""
    tests = published.tests or sum(each.p is not None or each.test != "none" for each in published.results)
    if not tests:
        return
    settings = AnalysisSettings(alpha=published.alpha, correction=published.correction)
    needed = settings.null_draws_needed(tests)
    for each in published.results:
        if each.null_draws is None:
            continue
        least = f"1/{each.null_draws + 1}"
        if each.null_draws < needed:
            corrected = f"{tests} tests at {published.alpha:g} after {published.correction} need {needed}"
            what = f"with {each.null_draws} null draws p is at least {least}; {corrected}"
            yield "too few draws", each.where, what
        elif each.p is not None and each.p < (1 - _TIE) / (1 + each.null_draws):
            what = f"p = {each.p:g} is below {least}, the smallest that {each.null_draws} null draws can give"
            yield "impossible", each.where, what
