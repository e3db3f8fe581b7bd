from __future__ import annotations

import numpy as np
import pytest

from videotcav.explain.cavs.cav import ridge
from videotcav.explain.design.draws import GramRows
from videotcav.explain.inference.accuracy import held_out_accuracy


@pytest.mark.parametrize("draws", [3, 7, 10, 20, 49])
def test_a_concept_that_is_always_recognised_has_an_accuracy_of_exactly_one(draws: int) -> None:
    """Sums of 1/draws overshoot 1 by a rounding error, which no fraction may."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 8))
    rows[:20, 0] += 100
    accuracy = held_out_accuracy(
        rows @ rows.T,
        GramRows(rows=np.arange(20), sources=tuple(f"concept {index // 2}" for index in range(20))),
        GramRows(rows=np.arange(20, 60), sources=tuple(f"random {index // 2}" for index in range(40))),
        np.stack([rng.permutation(40)[:20] for _ in range(draws)]),
        classifier=ridge,
        penalty=0.1,
        folds=5,
        resamples=200,
        rng=rng,
    )
    assert (accuracy.low, accuracy.value, accuracy.high) == (1.0, 1.0, 1.0)
