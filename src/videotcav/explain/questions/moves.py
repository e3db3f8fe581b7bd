"""Which concepts move the class: contrast decides, shift tells from which layer on (method.md 8.6 to 8.8)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from videotcav.explain.cavs.gram import Floats, Gram, Rows
from videotcav.explain.design.design import Design
from videotcav.explain.design.draws import Flags
from videotcav.explain.design.hypotheses import Hypothesis
from videotcav.explain.design.settings import AnalysisSettings
from videotcav.explain.inference.fragility import fewest_removed
from videotcav.explain.inference.interval_null import Effects, Margins, Samples
from videotcav.explain.inference.multiplicity import Family, correct, factor
from videotcav.explain.inference.power import detectable
from videotcav.explain.inference.verdict import is_significant
from videotcav.explain.questions.contrast import ClipScores, Readouts, Sides, fidelities, sides
from videotcav.records import FIDELITY, Result, Verdict

MOST_DRAWS = 10**7
"""Relabellings of all contrasts together up to which is asked how few videos overturn each: it draws a dozen times as
many again.
"""


@dataclass(frozen=True)
class _Row:
    """One test before its correction: a question, and the column of a class's score or of a layer's readout of it."""

    sides: Sides
    effects: Effects
    layer: str
    class_name: str
    column: int
    of_score: int
    hypothesis: Hypothesis | None

    @property
    def agrees(self) -> bool:
        """Whether the layer's effect has the sign of the score's own."""
        effect = self.effects.effect
        return bool(np.sign(effect[self.column]) == np.sign(effect[self.of_score]))

    @property
    def p(self) -> float:
        """The larger of the layer's and the score's; 1 where the two have opposite signs."""
        p = self.effects.p
        return float(max(p[self.column], p[self.of_score])) if self.agrees else 1.0

    @property
    def told(self) -> int:
        """The column whose effect is told: the smaller of the two where they agree, otherwise the layer's own."""
        size = np.abs(self.effects.effect)
        return self.of_score if self.agrees and size[self.of_score] < size[self.column] else self.column


def move_results(
    grams: Mapping[str, Gram],
    design: Design,
    scores: ClipScores,
    *,
    edits: Family | None = None,
    removals: bool = True,
) -> list[Result]:
    """One row of `contrast` for each concept set × comparison × class, then one of `shift` for each of them × layer.

    Contrasts are one family, with the `edits` of the class's own clips; the layers' rows are another. With hypotheses a
    family is what they ask for: without a layer a contrast, with one the row of that layer; all others are exploratory.
    """
    readouts = Readouts.of(scores, grams, design.classes)
    settings = design.settings
    margins = Margins(settings.negligible_below, settings.margin)
    rows = []
    for question in sides(readouts, design):
        effects = question.effects(margins, draws=design.relabellings, seed=settings.seed)
        for column, (layer, class_name) in enumerate(readouts.columns):
            rows.append(
                _Row(
                    question,
                    effects,
                    layer,
                    class_name,
                    column,
                    readouts.column("", class_name),
                    design.asking(question.of.name, question.against, question.other, layer, class_name),
                )
            )
    fidelity = fidelities(readouts, design.random)
    of_score, of_layers = [row for row in rows if not row.layer], [row for row in rows if row.layer]
    judged = _Judged(design, scores, fidelity)
    return [*judged.contrasts(of_score, edits, removals=removals), *judged.shifts(of_layers)]


@dataclass(frozen=True)
class _Judged:
    """Rows of one study, corrected and put into results."""

    design: Design
    scores: ClipScores
    fidelity: Floats

    @property
    def settings(self) -> AnalysisSettings:
        return self.design.settings

    def contrasts(self, rows: Sequence[_Row], edits: Family | None, *, removals: bool) -> Iterable[Result]:
        """The rows of contrast: a difference is tested, and that it is negligible where it is none."""
        claims = [row.hypothesis.claim if row.hypothesis else "" for row in rows]
        equivalence = [float(row.effects.p_equivalence[row.column]) for row in rows]
        family = Family.of([row.p for row in rows], equivalence, claims).beside(edits)
        family = family.beside(Family.unseen(self.design.unseen_tests, declared=self.design.declares))
        corrected, negligible = family.corrected(self.settings.correction)
        verdicts: list[Verdict] = []
        for place, row in enumerate(rows):
            found: Verdict = "undecided"
            if is_significant(corrected[place], self.settings.alpha):
                found = "positive" if row.effects.effect[row.column] > 0 else "negative"
            elif is_significant(negligible[place], self.settings.alpha):
                found = "negligible"
            verdicts.append(found)
        removed = self._removed(rows if removals else (), family, verdicts) or [(None, None)] * len(rows)
        for place, (row, found) in enumerate(zip(rows, verdicts, strict=True)):
            around = family.around(place)
            is_declared = claims[place] not in ("", "negligible")
            yield self._result(
                row,
                float(corrected[place]),
                found,
                tests=len(around),
                effect_of_interest=self.settings.margin,
                p_equivalence=float(family.p_equivalence[place]),
                p_equivalence_corrected=float(negligible[place]),
                # A hypothesis of nothing that finds a difference instead has found what was not declared, and one of
                # a difference that is found to be negligible too.
                exploratory=self.design.declares
                and (
                    row.hypothesis is None
                    or (found in ("positive", "negative") and not is_declared)
                    or (found == "negligible" and is_declared)
                ),
                removed_of_concept=removed[place][0],
                removed_of_pool=removed[place][1],
            )

    def shifts(self, rows: Sequence[_Row]) -> Iterable[Result]:
        """The rows of layers: shift and contrast must both reject, with one sign, where the readout is faithful."""
        p = np.array([row.p for row in rows])
        declared = [place for place, row in enumerate(rows) if row.hypothesis]
        unseen = np.ones(self.design.unseen_tests * self.design.layers)
        corrected = self._corrected(np.concatenate([p, unseen]))[: len(p)]
        if declared:
            corrected[declared] = self._corrected(np.concatenate([p[declared], unseen]))[: len(declared)]
        for place, row in enumerate(rows):
            fidelity = float(self.fidelity[row.column])
            found: Verdict = "undecided"
            if fidelity < FIDELITY:
                found = "fidelity too low"
            elif fidelity >= FIDELITY and is_significant(corrected[place], self.settings.alpha):
                found = "positive" if row.effects.effect[row.column] > 0 else "negative"
            yield self._result(
                row,
                float(corrected[place]),
                found,
                tests=len(unseen) + (len(declared) if place in declared else len(rows)),
                shift=float(row.effects.effect[row.column]),
                fidelity=None if np.isnan(fidelity) else fidelity,
                exploratory=self.design.declares and row.hypothesis is None,
            )

    def _corrected(self, p: Floats) -> Floats:
        return correct(p, correction=self.settings.correction)

    def _result(
        self, row: _Row, p_corrected: float, found: Verdict, *, tests: int, exploratory: bool, **others: Any
    ) -> Result:
        of, effects, told = row.sides.of, row.effects, row.told
        class_clips, pool, settings = self.design.classes[row.class_name], self.design.pool_of(of), self.settings
        place = list(self.design.classes).index(row.class_name)
        given = self.scores.given[:, place]
        return Result(
            concept=of.concept,
            kind=of.kind,
            against=row.sides.against,
            other=row.sides.other,
            layer=row.layer,
            class_name=row.class_name,
            statistic="shift" if row.layer else "contrast",
            value=float(effects.effect[told]),
            low=float(effects.low[told]),
            high=float(effects.high[told]),
            null_centre=0.0,
            null_low=-settings.negligible_below,
            null_high=settings.negligible_below,
            p=row.p,
            p_corrected=p_corrected,
            null_draws=int(max(effects.draws[told], 1)),
            smallest_effect=detectable(float(effects.standard_error[told]), tests=tests, settings=settings),
            concept_clips=len(of.clips),
            concept_sources=len(of.clips.counts),
            class_clips=len(class_clips),
            class_sources=len(class_clips.counts),
            random_clips=len(pool),
            verdict=found,
            hypothesis=row.hypothesis.text if row.hypothesis else "",
            exploratory=exploratory,
            negligible_below=settings.negligible_below,
            concept_predicted=float(given[of.clips.rows].mean()),
            pool_predicted=float(given[pool.rows].mean()),
            **others,
        )

    def _removed(
        self, rows: Sequence[_Row], family: Family, verdicts: Sequence[Verdict]
    ) -> list[tuple[int | None, int | None]]:
        """How few videos of the concept, and of what it is compared with, overturn each verdict; all else, the p of the
        other tests, stays as it is. The classes of one question are asked together.
        """
        found: list[tuple[int | None, int | None]] = [(None, None)] * len(rows)
        together: dict[tuple[int, int], list[int]] = {}
        for place, row in enumerate(rows):
            draws = self.settings.most_relabellings(len(family.around(place)))
            if len(rows) * draws <= MOST_DRAWS:
                together.setdefault((id(row.sides), draws), []).append(place)
        for (_, draws), places in together.items():
            question, columns = rows[places[0]].sides, np.array([rows[place].column for place in places])
            asked = _Overturning(
                question,
                columns,
                factors=np.array([self._factor(family.beside_one(place)) for place in places]),
                is_effect=np.array([verdicts[place] in ("positive", "negative") for place in places]),
                draws=draws,
                settings=self.settings,
            )
            of_pool = [None] * len(places) if question.second is None else asked.fewest("second")
            for place, removed in zip(places, zip(asked.fewest("first"), of_pool, strict=True), strict=True):
                found[place] = removed
        return found

    def _factor(self, others: Floats) -> float:
        return factor(others, correction=self.settings.correction, alpha=self.settings.alpha)


@dataclass(frozen=True)
class _Overturning:
    """One question for some classes: when does it find an effect in fewer videos? `factors` are those of its p."""

    question: Sides
    columns: Rows
    factors: Floats
    is_effect: Flags
    draws: int
    settings: AnalysisSettings

    def fewest(self, side: Literal["first", "second"]) -> list[int | None]:
        """How few of a side's videos overturn the verdict of each class."""
        whole = self.question.samples(self.columns, self._margins)
        if side == "first" or whole.second is None:
            values, other = whole.first, whole.second
        else:
            values, other = whole.second, whole.first

        def samples(at: Rows, kept: Rows) -> Samples:
            return self.question.samples(self.columns[at], self._margins, **{side: kept})

        def finds(at: Rows, kept: Rows) -> Flags:
            some = samples(at, kept)
            found = self._is_significant(some.p_t(), at)
            if found.any():  # p is the larger of its two forms
                p, _, _ = some.of(np.flatnonzero(found)).p_relabelled(
                    draws=self.draws, rng=self.question.relabellings(self.settings.seed)
                )
                found[found] = self._is_significant(p, at[found])
            return found

        return fewest_removed(
            values,
            other,
            nothing=whole.nothing,
            is_effect=self.is_effect,
            by_t=lambda at, kept: self._is_significant(samples(at, kept).p_t(), at),
            finds=finds,
        )

    @property
    def _margins(self) -> Margins:
        return Margins(self.settings.negligible_below, self.settings.margin)

    def _is_significant(self, p: Floats, at: Rows) -> Flags:
        return np.array([is_significant(each, self.settings.alpha) for each in p * self.factors[at]], dtype=np.bool_)
