"""The whole analysis of inner products in one call, as tests of the classic scores ask it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from videotcav.explain.cavs.gram import Gram
from videotcav.explain.design.design import ConceptRows, Design, Group
from videotcav.explain.design.draws import GramRows
from videotcav.explain.design.hypotheses import Hypothesis
from videotcav.explain.design.settings import AnalysisSettings
from videotcav.explain.questions.all import answers
from videotcav.records import Result, Statistic


def analyse(
    grams: Mapping[str, Gram],
    *,
    concepts: Sequence[ConceptRows],
    random: GramRows,
    classes: Mapping[str, GramRows],
    settings: AnalysisSettings | None = None,
    groups: Sequence[Group] = (),
    hypotheses: Sequence[Hypothesis] = (),
    primary: Statistic = "cosine",
) -> list[Result]:
    """The answers to the design of these sets."""
    settings = (settings or AnalysisSettings()).model_copy(update={"scores": "classic"})
    design = Design(
        tuple(concepts),
        random,
        classes,
        layers=len(grams),
        settings=settings,
        groups=tuple(groups),
        hypotheses=tuple(hypotheses),
    )
    return answers(grams, design, primary=primary)
