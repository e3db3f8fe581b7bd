"""How much of a concept one clip shows at one layer: the row, and how it is put into words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from videotcav.records import Fraction, Kind, Record

HEADINGS = (
    "clip",
    "concept",
    "layer",
    "AUROC",
    "share",
    "95 % interval",
    "above of the pool",
    "moves",
    "by",
    "exactly",
)


class ConceptScore(Record):
    """One clip × concept × layer.

    `auroc`, with its 95 % interval, says how well the concept is told from the pool on videos that were left out, and
    `p_apart` how often videos dealt anew lie as far apart. Where either reaches chance the layer does not show the
    concept (`is_told`), and what follows is None. `share` is 0 for the pool and 1 for the concept, `over_time` the same
    at each of the layer's `seconds`. `above_pool` and `above_concept` are the shares of the pool's and of the concept's
    left-out videos that show less of it. `effect` is what that share does to the clip's score to first order, `exact`
    what the score loses where it is taken out of the layer; both, and `score` itself, which counts from the pool's
    mean, in standard deviations of the score over the pool's videos.
    """

    clip: str
    first_seconds: float
    last_seconds: float
    concept: str
    kind: Kind
    layer: str
    class_name: str
    concept_sources: int
    pool_sources: int
    auroc: Fraction
    auroc_low: Fraction
    auroc_high: Fraction
    p_apart: Fraction
    is_told: bool
    share: float | None = None
    low: float | None = None
    high: float | None = None
    above_pool: Fraction | None = None
    above_concept: Fraction | None = None
    seconds: tuple[float, ...]
    over_time: tuple[float, ...] = ()
    score: float
    effect: float | None = None
    effect_low: float | None = None
    effect_high: float | None = None
    exact: float | None = None

    @property
    def name(self) -> str:
        """The concept's set, as `racket/frozen`."""
        return f"{self.concept}/{self.kind}"

    def as_row(self) -> dict[str, Any]:
        """The row of a table."""
        return self.model_dump()

    def cells(self) -> tuple[str, ...]:
        """What a table shows of it, under `HEADINGS`."""
        told = f"{self.auroc:.2f} ({self.auroc_low:.2f} to {self.auroc_high:.2f})"
        where = (f"{Path(self.clip).name} {self.first_seconds:.2f} s", self.name, self.layer, told)
        if self.share is None or self.low is None or self.high is None or self.above_pool is None:
            return (*where, "not told from the pool", "", "", self.class_name, "", "")
        by = "" if self.effect is None else f"{self.effect:+.2f} σ ({self.effect_low:+.2f} to {self.effect_high:+.2f})"
        exactly = "" if self.exact is None else f"{self.exact:+.2f} σ"
        share = (f"{self.share:.2f}", f"{self.low:.2f} to {self.high:.2f}", f"{self.above_pool:.0%}")
        return (*where, *share, self.class_name, by, exactly)


def table_text(rows: Sequence[ConceptScore]) -> str:
    """The rows as a plain table, a line each."""
    lines = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
