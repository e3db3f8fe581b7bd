"""Generated and real clips of one concept, with numbers made by hand: the gap wins where it is the larger."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from videotcav.explain.design.design import ConceptRows, Design
from videotcav.explain.design.draws import GramRows
from videotcav.explain.design.settings import AnalysisSettings
from videotcav.explain.questions.all import answers
from videotcav.explain.questions.contrast import ClipScores
from videotcav.explain.questions.domain_gap import with_origins
from videotcav.records import Result

CLIPS, POOL = 12, 40


def results(concept: Sequence[float], generated: Sequence[bool]) -> list[Result]:
    """One concept of clips with these scores, against a pool around 0, for one class."""
    rng = np.random.default_rng(0)
    values = np.concatenate([concept + rng.normal(0, 0.05, CLIPS), rng.normal(0, 1, POOL)])[:, None]
    names = tuple(map(str, range(CLIPS)))
    rows = ConceptRows("racket", "spatiotemporal", names, GramRows(np.arange(CLIPS), names))
    pool = GramRows(np.arange(CLIPS, CLIPS + POOL), tuple(f"p{number}" for number in range(POOL)))
    clips = GramRows(np.arange(3), ("a", "b", "c"))
    design = Design((rows,), pool, {"swing": clips}, layers=0, settings=AnalysisSettings())
    scores = ClipScores(values, np.zeros_like(values, dtype=np.bool_))
    found = answers({}, design, scores=scores)
    return with_origins(found, {}, design, scores, {rows.name: tuple(generated)})


HALF = [True] * 6 + [False] * 6


@pytest.mark.parametrize(
    ("scores", "generated", "origin"),
    [
        ([3.0] * 12, [False] * 12, ""),
        ([3.0] * 12, [True] * 12, "synthetic"),
        ([3.2] * 6 + [2.8] * 6, HALF, "partly synthetic"),  # 0.4 apart, 3 from the pool
        ([4.0] * 6 + [0.0] * 6, HALF, "synthetic, domain gap"),  # 4 apart, 2 from the pool
        ([-4.0] * 6 + [0.0] * 6, HALF, "synthetic, domain gap"),
    ],
)
def test_the_larger_of_both_directions_wins(scores: list[float], generated: list[bool], origin: str) -> None:
    [row] = results(scores, generated)
    assert row.origin == origin
    assert abs(row.value) > 1
