"""What tests of many networks are counted by, and how the counts are told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata

from validation.proof.shares import ALPHA, IRRELEVANT, RELEVANT, ends, rate
from validation.targets import Promise, Target, Unit

Facts = Mapping[str, Any]
Row = dict[str, Any]

_RESAMPLES = 4000


def with_truth(network: Facts) -> Iterator[Row]:
    """Every test with its truth; those of a layer with what its row says: the larger p, the smaller effect."""
    change = {(row["concept"], row["against"]): row["change"] for row in network["truths"]}
    scores = {
        (row["concept"], row["against"], row["clips"], row["class"]): row
        for row in network["tests"]
        if not row["layer"]
    }
    for row in network["tests"]:
        truth = change.get((row["concept"], row["against"]))
        if truth is None:
            continue
        told = {**row, "change": truth[row["class"]]}
        if row["layer"]:
            score = scores[row["concept"], row["against"], row["clips"], row["class"]]
            agrees = row["effect"] * score["effect"] > 0
            told["p"] = max(row["p"], score["p"]) if agrees else 1.0
            told["effect"] = min(row["effect"], score["effect"], key=abs) if agrees else 0.0
            told["own"] = row["effect"]
            told["fidelity"] = network["fidelity"][row["layer"]][row["class"]]
        yield told


def no_effect(row: Row) -> bool:
    """Whether the intervention does next to nothing."""
    return abs(float(row["change"])) <= IRRELEVANT


def moves(row: Row) -> bool:
    """Whether the intervention moves the score."""
    return abs(float(row["change"])) >= RELEVANT


def rejected(row: Row) -> bool:
    """Whether the test rejects at a nominal 5 %."""
    return bool(row["p"] <= ALPHA)


def right(row: Row) -> bool:
    """Whether effect and intervention have one sign."""
    return bool(row["effect"] * row["change"] > 0)


def hits(tests: Iterable[Row], holds: Callable[[Row], bool]) -> list[int]:
    """How many hold, and of how many."""
    flags = [holds(row) for row in tests]
    return [sum(flags), len(flags)]


def clustered(cells: Sequence[Sequence[int]]) -> Row:
    """A share with its 95 % interval, the wider of two: networks drawn again, and as if all tests were independent."""
    counts = np.array([cell for cell in cells if cell[1]], dtype=np.float64).reshape(-1, 2)
    found = rate(int(counts[:, 0].sum()), int(counts[:, 1].sum()))
    if len(counts) > 1:
        drawn = np.random.default_rng(0).integers(len(counts), size=(_RESAMPLES, len(counts)))
        sums = counts[drawn].sum(axis=1)
        low, high = np.quantile(sums[:, 0] / sums[:, 1], [0.025, 0.975])
        found["low"], found["high"] = min(found["low"], float(low)), max(found["high"], float(high))
    return found


def auroc(tests: Sequence[Row]) -> Row:
    """How well the size of an effect tells what moves the score from what does not: the area under the ROC curve."""
    yes = [abs(row["effect"]) for row in tests if moves(row)]
    no = [abs(row["effect"]) for row in tests if no_effect(row)]
    if not yes or not no:
        return {"auroc": None, "relevant": len(yes), "irrelevant": len(no)}
    ranks = rankdata([*yes, *no])
    area = (ranks[: len(yes)].sum() - len(yes) * (len(yes) + 1) / 2) / (len(yes) * len(no))
    return {"auroc": float(area), "relevant": len(yes), "irrelevant": len(no)}


@dataclass(frozen=True)
class Telling:
    """How the rows of a group of networks are told: what stands behind each, and whether it is held to its target."""

    behind: str
    taken: Mapping[str, Any]
    has_target: bool

    def share(self, what: str, cell: Facts, target: Target | None = None) -> Iterator[Promise]:
        """A share with its interval; none where nothing was counted."""
        if cell["of"]:
            yield self._promise(what, "%", target, ends(cell))

    def number(self, what: str, value: float | None, n: int, target: Target | None = None) -> Iterator[Promise]:
        """A number without an interval; none where nothing was counted."""
        if value is not None:
            yield self._promise(what, "", target, {"value": value, "n": n})

    def area(self, what: str, cell: Facts, target: Target | None = None) -> Iterator[Promise]:
        """An area under the ROC curve."""
        return self.number(what, cell["auroc"], cell["relevant"] + cell["irrelevant"], target)

    def _promise(self, what: str, unit: Unit, target: Target | None, found: Mapping[str, Any]) -> Promise:
        target = target if self.has_target else None
        return Promise(area="statistics", what=f"{what}{self.behind}", unit=unit, target=target, **found, **self.taken)
