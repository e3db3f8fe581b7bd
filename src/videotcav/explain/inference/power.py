"""What a family of tests could see at all, before it is run: normal approximations from stated or earlier spreads."""

from __future__ import annotations

import math

from scipy.stats import norm

from videotcav.explain.design.settings import AnalysisSettings


def level(tests: int, settings: AnalysisSettings) -> float:
    """The p at which the family's smallest p is significant: α / m; α itself without a correction."""
    return settings.alpha / (1 if settings.correction == "none" else max(tests, 1))


def visible_effect(
    null_spread: float, estimate_spread: float, *, tests: int, settings: AnalysisSettings, power: float = 0.8
) -> float:
    """The effect that would be significant with that power: the null's critical distance, and what the estimate's own
    spread may take away from it. Both spreads are standard deviations.
    """
    critical = norm.isf(level(tests, settings) / 2) * null_spread
    return float(critical + norm.isf(1 - power) * estimate_spread)


def videos_for_flips(tests: int, settings: AnalysisSettings) -> int:
    """The fewest source videos with which a paired test can be significant: 2^(V − 1) flips reach the level."""
    return 1 + math.ceil(math.log2(1 / level(tests, settings)) - 1e-9)


def detectable(standard_error: float, *, tests: int, settings: AnalysisSettings, power: float = 0.8) -> float:
    """The effect that an interval test finds with that power, in the unit of its standard error: what counts as
    nothing, the distance that a family of `tests` asks for, and what chance may take away from it.
    """
    reach = norm.isf(level(tests, settings)) + norm.isf(1 - power)
    return settings.negligible_below + float(reach) * standard_error


def equivalence_reach(tests: int, settings: AnalysisSettings, *, power: float = 0.8) -> float:
    """How many standard errors the equivalence margin must be for two one-sided tests to show, with that power, that
    an effect of 0 lies within it: 2.93 at a level of 5 %.
    """
    return float(norm.isf(level(tests, settings)) + norm.isf((1 - power) / 2))
