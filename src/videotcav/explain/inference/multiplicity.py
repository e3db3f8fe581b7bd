"""Corrections of p-values over a family of tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from videotcav.errors import ArgumentError
from videotcav.explain.cavs.gram import Floats, Rows
from videotcav.explain.design.draws import Flags
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


def factor(others: Floats, *, correction: Correction, alpha: float) -> float:
    """By what one more p is multiplied beside `others`, as far as it decides: it is significant where the product is at
    most `alpha`. For Holm that is the number of tests less those of `others` that are rejected before it.
    """
    tests, p = len(others) + 1, np.sort(_probabilities(others))
    match correction:
        case "none":
            return 1.0
        case "bonferroni":
            return float(tests)
        case "holm":
            rejected = p * np.arange(tests, 1, -1) <= alpha
            return float(tests - (len(p) if rejected.all() else rejected.argmin()))
        case "bh":
            rejected = p * tests / np.arange(2, tests + 1) <= alpha
            return tests / (1 + (np.flatnonzero(rejected)[-1] + 1 if rejected.any() else 0))


@dataclass(frozen=True)
class Family:
    """Tests that are corrected together, (test,) each: `p`, and `p_equivalence`, that the effect is negligible.

    Without anything `declared` all of them are one family. Otherwise those that are declared are one, in which a claim
    of nothing is asked by its p of equivalence, and the others are corrected for all.
    """

    p: Floats
    p_equivalence: Floats
    declared: Flags
    claims_nothing: Flags

    @classmethod
    def of(cls, p: Sequence[float], p_equivalence: Sequence[float | None], claims: Sequence[str]) -> Family:
        """The tests with their p, and what is claimed of each: "negligible", anything else, or nothing."""
        return cls(
            np.array(p, dtype=np.float64),
            np.array(p_equivalence, dtype=np.float64),
            np.array([claim != "" for claim in claims], dtype=np.bool_),
            np.array([claim == "negligible" for claim in claims], dtype=np.bool_),
        )

    @classmethod
    def unseen(cls, count: int, *, declared: bool) -> Family:
        """Tests that belong to a family and whose p nobody knows: they are 1, which corrects the others the most."""
        return cls.of([1.0] * count, [1.0] * count, ["positive" if declared else ""] * count)

    def __len__(self) -> int:
        return len(self.p)

    def beside(self, others: Family | None) -> Family:
        """The same tests, and behind them those of another kind that are corrected with them."""
        if others is None:
            return self
        return Family(
            np.concatenate([self.p, others.p]),
            np.concatenate([self.p_equivalence, others.p_equivalence]),
            np.concatenate([self.declared, others.declared]),
            np.concatenate([self.claims_nothing, others.claims_nothing]),
        )

    def around(self, place: int) -> Rows:
        """The places of the tests that the p of one is corrected for: of a claim of nothing all, as its difference was
        not declared.
        """
        return np.flatnonzero(self.declared) if self._is_declared(place) else np.arange(len(self))

    def beside_one(self, place: int) -> Floats:
        """The p of the other tests `around` one, by what each of them asks there."""
        around = self.around(place)
        p = self._declared_p if self._is_declared(place) else self.p
        found: Floats = p[around[around != place]]
        return found

    def corrected(self, correction: Correction) -> tuple[Floats, Floats]:
        """The corrected p and p of equivalence of all tests."""
        p, equivalence = correct(self.p, correction=correction), correct(self.p_equivalence, correction=correction)
        within = correct(self._declared_p[self.declared], correction=correction)
        nothing = self.claims_nothing[self.declared]
        p[self.declared & ~self.claims_nothing] = within[~nothing]
        equivalence[self.declared & self.claims_nothing] = within[nothing]
        return p, equivalence

    @property
    def _declared_p(self) -> Floats:
        found: Floats = np.where(self.claims_nothing, self.p_equivalence, self.p)
        return found

    def _is_declared(self, place: int) -> bool:
        return bool(self.declared[place] and not self.claims_nothing[place])
