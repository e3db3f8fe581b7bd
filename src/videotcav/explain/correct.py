"""Corrections of p-values over a family of tests."""

from __future__ import annotations

from typing import Literal

import numpy as np

from videotcav.explain.gram import Floats

Correction = Literal["none", "bonferroni", "holm", "bh", "max-t"]


def _probabilities(p: Floats) -> Floats:
    """The same. Raises ValueError where some are no probabilities."""
    p = np.asarray(p, dtype=np.float64)
    if not bool(((p >= 0) & (p <= 1)).all()):
        wrong = p[~((p >= 0) & (p <= 1))][0]
        raise ValueError(f"p-values lie between 0 and 1, got {wrong:g}")
    return p


def bonferroni(p: Floats) -> Floats:
    """Each p times the number of tests, at most 1."""
    p = _probabilities(p)
    return np.minimum(1.0, p * len(p))


def holm(p: Floats) -> Floats:
    """Holm's step-down p-values (1979): family-wise, never larger than Bonferroni's."""
    p = _probabilities(p)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(1.0, stepped)
    return corrected


def benjamini_hochberg(p: Floats) -> Floats:
    """Benjamini and Hochberg's step-up p-values (1995): they control the false discovery rate, not family-wise."""
    p = _probabilities(p)
    order = np.argsort(p, kind="stable")[::-1]
    stepped = np.minimum.accumulate(p[order] * len(p) / np.arange(len(p), 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(1.0, stepped)
    return corrected


def max_t(distances: Floats, null: Floats) -> Floats:
    """Step-down max-T p-values of Westfall and Young (1993) from joint null draws.

    `distances` (tests,) and `null` (tests, draws) are absolute distances from each null's centre, in units that
    make the tests comparable (see `standardised`); draw j of all tests must come from one joint draw.
    """
    order = np.argsort(-distances, kind="stable")
    largest_of_rest = np.maximum.accumulate(null[order][::-1], axis=0)[::-1]
    extreme = (largest_of_rest >= distances[order][:, None] - 1e-12).sum(axis=1)
    stepped = np.maximum.accumulate((1 + extreme) / (1 + null.shape[1]))
    corrected = np.empty_like(distances)
    corrected[order] = stepped
    return corrected


def correct(p: Floats, *, correction: Correction) -> Floats:
    """The p-values of one family after a correction that needs nothing but them."""
    match correction:
        case "none":
            return _probabilities(p)
        case "bonferroni":
            return bonferroni(p)
        case "holm":
            return holm(p)
        case "bh":
            return benjamini_hochberg(p)
        case "max-t":
            raise ValueError("max-T needs the joint null draws: call max_t")
