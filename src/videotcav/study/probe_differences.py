"""Several models on the same clips: how much more one of them loses by an edit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from scipy import stats

from videotcav.explain.design.settings import AnalysisSettings
from videotcav.explain.inference.multiplicity import correct
from videotcav.explain.questions.contrast import Units
from videotcav.results.probe_facts import EditFacts, ModelDifference
from videotcav.study.probe_passes import Passed


def differences(
    passed: Passed,
    sigma: Callable[[str, str], float],
    edits: Sequence[EditFacts],
    classes: Sequence[str],
    *,
    settings: AnalysisSettings,
) -> tuple[ModelDifference, ...]:
    """Each further model against the first, edit by edit and class by class; `sigma` is the unit of a model and class.

    The ranked edits of all models are one family.
    """
    first, *others = passed.answers
    rows = [
        row
        for model in others
        for class_name in classes
        for edit in edits
        for row in _difference(
            passed, (model, first), (sigma(model, class_name), sigma(first, class_name)), class_name, edit.name
        )
    ]
    ranked = {edit.name for edit in edits if edit.ranked}
    tested = np.array([row.p for row in rows if row.edit in ranked])
    corrected = iter(correct(tested, correction=settings.correction).tolist())
    return tuple(row.model_copy(update={"p_corrected": next(corrected)}) if row.edit in ranked else row for row in rows)


def _difference(
    passed: Passed, pair: tuple[str, str], units: tuple[float, float], class_name: str, edit: str
) -> Iterator[ModelDifference]:
    """The row, where the edit changes clips of two source videos at least."""
    model, other = (passed.answers[label] for label in pair)
    clips = np.array([clip.class_name == class_name for clip in passed.clips])
    clips &= (model.changed[edit] > 0) & (other.changed[edit] > 0)
    changes = [
        (answers.score(class_name, edit) - answers.score(class_name))[clips] / unit
        for answers, unit in zip((model, other), units, strict=True)
    ]
    sources = [clip.source for clip, kept in zip(passed.clips, clips, strict=True) if kept]
    apart = Units.of((changes[0] - changes[1])[:, None], sources).values[:, 0]
    if len(apart) < 2:  # noqa: PLR2004 - one video has no spread
        return
    mean, error = float(apart.mean()), float(stats.sem(apart))
    reach = float(stats.t.isf(0.025, len(apart) - 1)) * error
    p = float(2 * stats.t.sf(abs(mean) / error, len(apart) - 1)) if error > 0 else 1.0
    yield ModelDifference(
        model=pair[0],
        other=pair[1],
        edit=edit,
        class_name=class_name,
        difference=mean,
        low=mean - reach,
        high=mean + reach,
        p=p,
        clips=int(clips.sum()),
        sources=len(apart),
    )
