"""The p of the interval null by sign flips, from scipy: an oracle."""

from __future__ import annotations

import numpy as np
from scipy import stats

from videotcav.explain.cavs.gram import Floats


def flips_by_scipy(values: Floats, nothing: float) -> float:
    """Both terms of the p that the mean lies within ± `nothing`, over all flips of signs."""
    own = values * np.sign(values.mean())
    terms = [
        stats.permutation_test(
            (own - side * nothing,),
            lambda x, axis: x.mean(axis),
            permutation_type="samples",
            n_resamples=np.inf,
            alternative="greater",
            vectorized=True,
        ).pvalue
        for side in (1, -1)
    ]
    return min(1.0, sum(terms))
