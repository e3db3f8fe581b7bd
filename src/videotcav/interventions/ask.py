"""Does an edit move the score? Sign flips over source videos, against a sham of the edit (method.md 9).

An edit is tested by its raw change e of each clip. Where it has a sham, the same handling without the purpose with
change u, the difference e − u is tested too: both must reject, with one sign. A second fill must then agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from videotcav.errors import NumericalError
from videotcav.explain.cavs.gram import Floats
from videotcav.explain.design.draws import Flags, generator
from videotcav.explain.design.hypotheses import Need
from videotcav.explain.design.settings import AnalysisSettings
from videotcav.explain.inference.interval_null import Effects, Margins, within_pairs
from videotcav.explain.inference.multiplicity import Family
from videotcav.explain.inference.power import detectable, level, videos_for_flips
from videotcav.explain.inference.verdict import is_significant
from videotcav.explain.questions.contrast import NO_SPREAD, Units
from videotcav.results.edit_effect import EditEffect, EditReason, EditVerdict

SHAM_SHARE, SHAM_VIDEOS = 0.6, 12
"""Where a smaller share of clips has a sham, or those of fewer source videos, the edit is not tested against it."""

_RAW_EXCEEDS_SHAM = 2.0  # times, where the sham is not possible for enough clips
_UNDECLARED: dict[str, tuple[EditVerdict, ...]] = {"less": ("negligible",), "negligible": ("positive", "negative")}
"""What a claim does not declare: where it is found instead, that is exploratory."""


@dataclass(frozen=True)
class Edits:
    """One edit of one class's clips, clip by clip: the score `before` and `after` it, of the source videos `sources`.

    `changed` says which clips the edit changes at all. `sham` is the score of the clip's shams, NaN where it has none;
    None for an edit that needs none. `second_fill` is the score after the edit with another fill. `given_before` and
    `given_after` say whether the model gives the clip to the class. Of `not_told` other clips the edit cannot be made,
    for the reason `why`.
    """

    edit: str
    class_name: str
    sources: Sequence[str]
    before: Floats
    after: Floats
    changed: Flags
    given_before: Flags
    given_after: Flags
    not_told: int = 0
    why: str = ""
    target: str = ""
    of_clips: str = ""
    ranked: bool = True
    sham: Floats | None = None
    second_fill: Floats | None = None
    probability_before: Floats | None = None
    probability_after: Floats | None = None
    inpainted: float | None = None

    def changes(self, scores: Floats, clips: Flags) -> Floats:
        """By how much `scores` differ from those before the edit: of some clips, the mean of each source video."""
        sources = [source for source, kept in zip(self.sources, clips, strict=True) if kept]
        return Units.of((scores - self.before)[clips][:, None], sources).values[:, 0]


@dataclass(frozen=True)
class Asked:
    """An edit's tests before their correction; without `effects` there is nothing to test, for the `reason`.

    The columns of `effects` are the raw change and, where it can be held against a sham, its distance to that.
    `with_sham` clips have one; None for an edit that needs none.
    """

    of: Edits
    sigma: float
    sources: int = 0
    raw: float | None = None
    sham: float | None = None
    with_sham: int | None = None
    second_fill: float | None = None
    effects: Effects | None = None
    reason: EditReason = ""

    @property
    def told(self) -> int:
        """The column whose effect is the smaller."""
        return 0 if self.effects is None else int(np.abs(self.effects.effect).argmin())

    @property
    def p(self) -> float:
        """The larger of the columns' p; 1 where their signs differ, or the sham that is wanted is not there."""
        if self.effects is None or self.reason or np.unique(np.sign(self.effects.effect)).size > 1:
            return 1.0
        return float(self.effects.p.max())

    @property
    def p_equivalence(self) -> float:
        """The larger of the columns' p of equivalence; 1 where the sham that is wanted is not there."""
        if self.effects is None or self.reason or (self.with_sham is not None and len(self.effects.effect) == 1):
            return 1.0
        return float(self.effects.p_equivalence.max())


def ask(
    edits: Sequence[Edits], reference: Mapping[str, Floats], *, settings: AnalysisSettings, beside: int = 0
) -> list[Asked]:
    """The tests of all edits, each before its correction.

    Args:
        edits: one of each edit, what it is made to, and class.
        reference: of each class the scores of the videos whose spread σ is, (video,).
        settings: margins, level, correction and seed.
        beside: how many other tests are corrected together with these.

    Raises NumericalError where a class's score is the same for all videos of the reference.
    """
    for class_name, scores in reference.items():
        if not scores.std() > NO_SPREAD * np.abs(scores).max():
            raise NumericalError(
                f"the score of '{class_name}' is the same for all clips, so that no change can be held against its "
                "spread: check that the clips differ, and that the model does"
            )
    tests = beside + sum(each.ranked for each in edits)
    return [_asked(each, reference[each.class_name], settings=settings, tests=tests) for each in edits]


def edits_family(asked: Sequence[Asked], *, needs: Sequence[Need] = ()) -> Family:
    """The tests of the ranked edits as a family, of which `needs` are declared."""
    ranked = [each for each in asked if each.of.ranked]
    claims = [need.claim if (need := declared(each.of, needs)) else "" for each in ranked]
    return Family.of([each.p for each in ranked], [each.p_equivalence for each in ranked], claims)


def declared(edits: Edits, needs: Sequence[Need]) -> Need | None:
    """What is declared of an edit."""
    return next((need for need in needs if need.asks(edits.edit, edits.target, edits.class_name)), None)


def judged_edits(
    asked: Sequence[Asked],
    *,
    settings: AnalysisSettings,
    beside: Family | None = None,
    needs: Sequence[Need] = (),
    declares: bool = False,
) -> list[EditEffect]:
    """The rows of all edits. The ranked ones are corrected together, and with the tests `beside` them.

    `needs` are what is declared of edits. Where the study `declares` something, what is not declared is exploratory.
    """
    tests = edits_family(asked, needs=needs).beside(beside)
    corrected, equivalence = tests.corrected(settings.correction)
    rows, place = [], 0
    for each in asked:
        if not each.of.ranked:
            rows.append(_shown(each))
            continue
        need = declared(each.of, needs)
        row = _row(each, corrected[place], equivalence[place], tests=len(tests.around(place)), settings=settings)
        is_exploratory = declares and (need is None or row.verdict in _UNDECLARED[need.claim])
        rows.append(row.model_copy(update={"hypothesis": need.text if need else "", "exploratory": is_exploratory}))
        place += 1
    return rows


def _asked(edits: Edits, reference: Floats, *, settings: AnalysisSettings, tests: int) -> Asked:
    sigma = float(reference.std(ddof=1))
    raw = edits.changes(edits.after, edits.changed)
    asked = Asked(edits, sigma, sources=len(raw))
    if not len(edits.sources):
        return replace(asked, reason="not told")
    if len(raw) < 2:  # noqa: PLR2004 - one video has no spread
        return replace(asked, reason="too few videos" if len(raw) else "changes nothing")
    if not (edits.after != edits.before)[edits.changed].any():  # nothing has a spread that a test could go by
        return replace(asked, reason="moves no score")
    asked = replace(asked, raw=float(raw.mean()) / sigma)
    if edits.second_fill is not None:
        asked = replace(asked, second_fill=float(edits.changes(edits.second_fill, edits.changed).mean()) / sigma)
    columns = raw[:, None]
    if edits.sham is not None:
        has_sham = edits.changed & np.isfinite(edits.sham)
        count = int(has_sham.sum())
        asked = replace(asked, with_sham=count)
        own, of_sham = edits.changes(edits.after, has_sham), edits.changes(edits.sham, has_sham)
        if count:
            asked = replace(asked, sham=float(of_sham.mean()) / sigma)
        has_room = count >= SHAM_SHARE * edits.changed.sum()
        if has_room and len(own) >= SHAM_VIDEOS:
            columns = np.stack([own, own - of_sham], axis=1)
        elif not count or abs(own.mean()) <= _RAW_EXCEEDS_SHAM * abs(of_sham.mean()):
            asked = replace(asked, reason="too few shams" if has_room else "sham not possible")
    effects = within_pairs(
        columns,
        np.repeat(reference[:, None], columns.shape[1], axis=1),
        margins=Margins(settings.negligible_below, settings.margin),
        draws=settings.most_relabellings(tests),
        rng=generator(settings.seed, "sign flips", edits.edit, edits.target, edits.class_name, edits.of_clips),
    )
    return replace(asked, effects=effects, sources=len(columns))


def _row(asked: Asked, p: np.float64, equivalence: np.float64, *, tests: int, settings: AnalysisSettings) -> EditEffect:
    """The row of a ranked edit, with its corrected p and p of equivalence."""
    shown, effects = _shown(asked), asked.effects
    if effects is None or shown.effect is None:
        return shown
    verdict: EditVerdict = "undecided"
    reason = asked.reason
    second = asked.second_fill
    if is_significant(p, settings.alpha):
        verdict = "positive" if shown.effect > 0 else "negative"
        agrees = second is None or (second * shown.effect > 0 and abs(second) > settings.negligible_below)
    elif is_significant(equivalence, settings.alpha) and asked.sources >= settings.minimum_sources:
        verdict = "negligible"  # t alone says so: of two videos that happen to agree it would, too
        agrees = second is None or abs(second) < settings.margin
    else:
        agrees = True
        if not reason and asked.sources < videos_for_flips(tests, settings):
            reason = "too few videos"
        elif not reason and is_significant(float(effects.p[0]), level(tests, settings)):
            reason = "sham moves it too"
    if not agrees:
        verdict, reason = "undecided", "hangs on the fill"
    return shown.model_copy(
        update={
            "p": asked.p,
            "p_corrected": float(p),
            "p_equivalence": asked.p_equivalence,
            "p_equivalence_corrected": float(equivalence),
            "draws": int(effects.draws[asked.told]),
            "smallest_effect": detectable(float(effects.standard_error[asked.told]), tests=tests, settings=settings),
            "verdict": verdict,
            "reason": reason,
        }
    )


def _shown(asked: Asked) -> EditEffect:
    """The row without p and verdict."""
    of, effects, told = asked.of, asked.effects, asked.told
    return EditEffect(
        edit=of.edit,
        target=of.target,
        class_name=of.class_name,
        of_clips=of.of_clips,
        ranked=of.ranked,
        effect=None if effects is None else float(effects.effect[told]),
        low=None if effects is None else float(effects.low[told]),
        high=None if effects is None else float(effects.high[told]),
        sigma=asked.sigma,
        raw=asked.raw,
        sham=asked.sham,
        second_fill=asked.second_fill,
        clips=int(of.changed.sum()),
        sources=asked.sources,
        unchanged=int((~of.changed).sum()),
        not_told=of.not_told,
        why=of.why,
        with_sham=asked.with_sham,
        inpainted=of.inpainted,
        accuracy_before=_share(of.given_before),
        accuracy_after=_share(of.given_after),
        probability_before=None if of.probability_before is None else _share(of.probability_before),
        probability_after=None if of.probability_after is None else _share(of.probability_after),
        verdict="not asked" if effects is None else "shown",
        reason=asked.reason,
    )


def _share(values: Floats | Flags) -> float | None:
    """The mean over all clips; None without any."""
    return float(values.mean()) if len(values) else None
