"""What became of verdicts when clips were changed on purpose: rows, and the share that each bound overturns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from videotcav.records import Against, Kind, Record, Statistic, Verdict
from videotcav.results.table import data_frame, table_html
from videotcav.results.words import STATISTIC_PLURALS, STATISTIC_WORDS, listing

if TYPE_CHECKING:
    from pandas import DataFrame

Side = Literal["concept", "pool"]
CLEAR: tuple[Verdict, ...] = ("positive", "negative")
UNCLEAR: tuple[Verdict, ...] = ("negligible", "undecided", "no evidence")
"""The verdicts that an attack can overturn; the others are none."""


class AttackRow(Record):
    """One verdict under attack: which clips were changed, and the smallest bound, in 255ths, that overturned it to
    `becomes`; None where no bound did. `control` says whether the bound did at which an attack must succeed, `noise`
    whether random changes within the largest other bound did.
    """

    concept: str
    kind: Kind
    against: Against
    other: str = ""
    layer: str = ""
    class_name: str
    statistic: Statistic
    value: float
    verdict: Verdict
    changed: Side
    overturned_at: float | None = None
    becomes: Verdict | None = None
    control: bool = False
    noise: bool = False

    @property
    def was_effect(self) -> bool:
        """Whether it was an effect that was to be lost, and not a null that was to become one."""
        return self.verdict in CLEAR


@dataclass(frozen=True, repr=False)
class AttackResults:
    """The rows, the bounds that were tried (255ths of the brightness), and the one at which an attack must succeed.

    Shows itself as the table of successes, in a terminal and in Jupyter. `remarks` say what was not attacked.
    """

    rows: tuple[AttackRow, ...]
    levels: tuple[float, ...]
    control: float
    remarks: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[AttackRow]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def overturned(self, rows: list[AttackRow]) -> list[int]:
        """How many of the rows each bound overturns."""
        found = [row.overturned_at for row in rows if row.overturned_at is not None]
        return [sum(at <= level for at in found) for level in self.levels]

    @property
    def sentences(self) -> tuple[str, ...]:
        """What the table says, in words."""
        most = self.levels[-1]
        told = []
        for statistic in dict.fromkeys(row.statistic for row in self.rows):
            parts = []
            for changed in ("concept", "pool"):
                own = [row for row in self.rows if (row.statistic, row.changed) == (statistic, changed)]
                if own:
                    effects, nulls = [row for row in own if row.was_effect], [row for row in own if not row.was_effect]
                    counts = [
                        f"{self.overturned(some)[-1]} of {len(some)} {what}"
                        for some, what in ((effects, "effects"), (nulls, "nulls"))
                        if some
                    ]
                    parts.append(f"of {changed} clips {listing(counts)}")
            told.append(f"{STATISTIC_PLURALS[statistic]}: changes by ±{most:g}/255 overturn, {'; '.join(parts)}")
        held, noisy = sum(not row.control for row in self.rows), sum(row.noise for row in self.rows)
        told.append(f"random changes by up to ±{most:g}/255 overturn {noisy} of {len(self.rows)} verdicts")
        told.append(
            f"control: at ±{self.control:g}/255, where an attack must succeed, {len(self.rows) - held} of "
            f"{len(self.rows)} verdicts fall"
            + ("; of those that do not, a smaller change that fails says nothing" if held else "")
        )
        return (*told, *self.remarks)

    def to_pandas(self) -> DataFrame:
        """One row an attack. Raises MissingExtra without pandas."""
        return data_frame(row.model_dump() for row in self.rows)

    def __repr__(self) -> str:
        lines = [self._headings, *self._lines()]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        table = ("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
        return "\n".join([*table, *(f"{each}." for each in self.sentences)])

    def _repr_html_(self) -> str:
        return table_html(self._headings, self._lines(), caption=". ".join(self.sentences))

    @property
    def _headings(self) -> tuple[str, ...]:
        bounds = (f"±{level:g}/255" for level in (*self.levels, self.control))
        return ("statistic", "was", "changed", *bounds, f"random ±{self.levels[-1]:g}/255")

    def _lines(self) -> list[tuple[str, ...]]:
        groups: dict[tuple[str, str, str], list[AttackRow]] = {}
        for row in self.rows:
            was = "effect" if row.was_effect else "null"
            groups.setdefault((STATISTIC_WORDS[row.statistic], was, f"{row.changed} clips"), []).append(row)
        found = []
        for key, own in groups.items():
            counts = [*self.overturned(own), sum(row.control for row in own), sum(row.noise for row in own)]
            found.append((*key, *(f"{each}/{len(own)}" for each in counts)))
        return found

    def as_facts(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        rows = [row.model_dump(mode="json") for row in self.rows]
        return {"rows": rows, "levels": self.levels, "control": self.control, "sentences": self.sentences}
