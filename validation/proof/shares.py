"""Shares with their exact intervals, and from when on a concept counts as relevant."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from scipy.stats import beta

RELEVANT, IRRELEVANT, ALPHA = 0.5, 0.1, 0.05
"""Standard deviations of a logit from which an intervention makes a concept relevant, and up to which irrelevant."""

Facts = dict[str, Any]


def rate(hits: int, of: int) -> Facts:
    """A share with its 95 % Clopper–Pearson interval, as if all tests were independent."""
    if not of:
        return {"hits": 0, "of": 0, "share": None, "low": None, "high": None}
    low = float(beta.ppf(0.025, hits, of - hits + 1)) if hits else 0.0
    high = float(beta.ppf(0.975, hits + 1, of - hits)) if hits < of else 1.0
    return {"hits": int(hits), "of": int(of), "share": hits / of, "low": low, "high": high}


def ends(share: Mapping[str, Any]) -> Facts:
    """A share from `rate` as a row of docs/targets.json states it."""
    return {"value": share["share"], "low": share["low"], "high": share["high"], "n": share["of"]}


def share_of(rows: Sequence[Facts], holds: Callable[[Facts], bool]) -> Facts:
    """How many rows hold."""
    return rate(sum(map(holds, rows)), len(rows))
