"""Corrections of p-values over a family of tests."""

from __future__ import annotations

import numpy as np

from videotcav.errors import ArgumentError
from videotcav.explain.cavs.gram import Floats
from videotcav.explain.design.settings import Correction


def _probabilities(p: Floats) -> Floats:
    """The same. Raises ArgumentError where some are no probabilities."""
    p = np.asarray(p, dtype=np.float64)
    if not bool(((p >= 0) & (p <= 1)).all()):
        wrong = p[~((p >= 0) & (p <= 1))][0]
        raise ArgumentError(f"p-values lie between 0 and 1, got {wrong:g}")
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
