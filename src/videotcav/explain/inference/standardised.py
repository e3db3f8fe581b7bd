"""Results of several models in units that they share."""

from __future__ import annotations

from collections.abc import Iterable

from videotcav.records import Result, StandardisedEffect, Statistic

_CENTRAL_95 = 2 * 1.959964  # standard deviations in the central 95 % of a normal distribution


def standardised_effects(model: str, results: Iterable[Result], *, statistic: Statistic) -> list[StandardisedEffect]:
    """Where a model stands on each moving concept: against random clips, and against its own frozen twin.

    A cosine or a slope has another scale in each network; its null has the same one. So the distance from the null's
    centre is divided by the null's standard deviation, and the interval with it. The null narrows with more clips:
    only models that were shown the same clips may be compared. Rows whose null has no width have no standing.
    """
    found = []
    for row in results:
        # A contrast is in standard deviations already: of the score over the pool.
        spread = 1.0 if statistic == "contrast" else (row.null_high - row.null_low) / _CENTRAL_95
        asked = row.against in ("random", "frozen") and row.kind == "spatiotemporal" and row.statistic == statistic
        if asked and spread > 0:
            value, low, high = ((each - row.null_centre) / spread for each in (row.value, row.low, row.high))
            known = row.model_dump(include=set(StandardisedEffect.model_fields) - {"model", "value", "low", "high"})
            found.append(StandardisedEffect(model=model, value=value, low=low, high=high, **known))
    return found
