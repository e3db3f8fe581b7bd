"""How far several reviewers agree beyond chance: Cohen's κ for two, Fleiss' for more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from itertools import combinations
from typing import Literal

from videotcav.concepts.review.decisions import Candidate, Standing
from videotcav.records import Record

Ratings = Mapping[Candidate, Mapping[str, str]]
"""What each reviewer said about each candidate; `relabel` with the new name, so that two names disagree."""


class Agreement(Record):
    """How far reviewers agree beyond chance, over the candidates that at least two of them judged.

    `kappa` is None where it has no meaning: everybody always said the same one thing. `agreed` is the share of
    pairs of judgements that are equal.
    """

    measure: Literal["Cohen's κ", "Fleiss' κ"]
    kappa: float | None
    agreed: float
    candidates: int
    reviewers: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The agreement as part of a sentence."""
        kappa = "is undefined (one and the same answer throughout)" if self.kappa is None else f"= {self.kappa:.2f}"
        return f"{self.measure} {kappa} over {self.candidates} candidates that at least two people judged"


def ratings(held: Mapping[Candidate, Standing]) -> Ratings:
    """Everybody's opinion as one word; settlements are left out, they are made knowing the opinions."""
    return {
        candidate: {
            reviewer: f"relabel {opinion.label}" if opinion.label else opinion.verdict
            for reviewer, opinion in standing.opinions.items()
        }
        for candidate, standing in held.items()
    }


def agreement(rated: Ratings) -> Agreement | None:
    """Cohen's κ between two reviewers, Fleiss' among more; None when no candidate has two opinions."""
    shared = [said for said in rated.values() if len(said) > 1]
    if not shared:
        return None
    reviewers = tuple(sorted({reviewer for said in shared for reviewer in said}))
    pairs = [first == second for said in shared for first, second in combinations(said.values(), 2)]
    two = len(reviewers) == 2  # noqa: PLR2004 - Cohen's κ is for a pair
    return Agreement(
        measure="Cohen's κ" if two else "Fleiss' κ",
        kappa=cohen_kappa([(said[reviewers[0]], said[reviewers[1]]) for said in shared])
        if two
        else fleiss_kappa([Counter(said.values()) for said in shared]),
        agreed=sum(pairs) / len(pairs),
        candidates=len(shared),
        reviewers=reviewers,
    )


def cohen_kappa(pairs: Collection[tuple[str, str]]) -> float | None:
    """Cohen's κ (1960) of two raters; None when chance alone explains full agreement."""
    first, second = Counter(one for one, _ in pairs), Counter(other for _, other in pairs)
    n = len(pairs)
    by_chance = sum(first[word] * second[word] for word in first) / n**2
    return None if by_chance == 1 else (sum(one == other for one, other in pairs) / n - by_chance) / (1 - by_chance)


def fleiss_kappa(counts: Collection[Counter[str]]) -> float | None:
    """Fleiss' κ (1971); candidates may have different numbers of raters (Fleiss, Levin and Paik 2003, 18.3).

    `counts` says for each candidate how many raters chose each word. None when only one word was ever used.
    """
    raters = [said.total() for said in counts]
    total, n = sum(raters), len(raters)
    shares = [count / total for count in sum(counts, Counter[str]()).values()]
    by_chance = sum(share * (1 - share) for share in shares)
    apart = sum(
        count * (rater_count - count) / rater_count
        for said, rater_count in zip(counts, raters, strict=True)
        for count in said.values()
    )
    return None if by_chance == 0 else 1 - apart / (n * (total / n - 1) * by_chance)
