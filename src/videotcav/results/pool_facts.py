"""What a study's concepts and its pool differ in besides the concept, and how near a matched pool came."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from videotcav.records import Record

DIFFERENCE_ALPHA = 0.05
"""Of a caution, over all concepts and columns of a study together."""


AppearanceMeasure = Literal["brightness", "contrast", "sharpness", "saturation", "motion"]


class LabelDifference(Record):
    """The label of a column in which concept and pool differ most: its share of source videos on either side.

    A column of many numbers has no `level`, and its means instead of shares. `z` is the difference in standard
    deviations of what random relabelling of the videos gives; `p` that of the largest |z| over all levels of all
    columns, times the number of concepts.
    """

    concept: str
    column: str
    level: str
    of_concept: float
    of_pool: float
    z: float
    p: float

    @property
    def is_told(self) -> bool:
        """Whether it is a caution."""
        return self.p <= DIFFERENCE_ALPHA

    @property
    def sentence(self) -> str:
        """The caution."""
        if self.level:
            shares = f"{self.column} is {self.level} in {self.of_concept:.0%} and {self.of_pool:.0%} of source videos"
        else:
            shares = f"{self.column} is {self.of_concept:.3g} and {self.of_pool:.3g} on average"
        return (
            f"'{self.concept}' and the pool differ in {self.column} as well ({shares}; p {self.p:.2g}): what is "
            f"found against the pool may be an effect of that. Match the pool on {self.column}."
        )


class AppearanceDifference(Record):
    """A measure of how clips look: its mean over a concept's source videos and the pool's, and their difference in
    standard deviations of the pool's videos. It is no alarm.
    """

    concept: str
    measure: AppearanceMeasure
    of_concept: float
    of_pool: float
    in_deviations: float


class PoolFacts(Record):
    """What concept and pool differ in. `matched` says of each concept how near its matched pool came."""

    columns: tuple[str, ...] = ()
    match: tuple[str, ...] = ()
    matched: dict[str, str] = Field(default_factory=dict)
    labels: tuple[LabelDifference, ...] = ()
    appearance: tuple[AppearanceDifference, ...] = ()

    @property
    def sentence(self) -> str:
        """What the labels say of an effect against the pool, for which nobody changed the concept."""
        if not self.columns:
            return "association; confounding not excluded: no table says what else concept and pool differ in"
        if any(each.is_told for each in self.labels):
            return "association; confounding is likely, see the remarks"
        return f"association; no difference was found in {', '.join(self.columns)}, others are not excluded"

    @property
    def lines(self) -> list[str]:
        """What is known before any pass: the sentence, and a line of looks for each concept."""
        looks: dict[str, list[str]] = {}
        for row in self.appearance:
            looks.setdefault(row.concept, []).append(
                f"{row.measure} {row.of_concept:.3f} / {row.of_pool:.3f} ({row.in_deviations:+.1f} SD)"
            )
        return [
            f"against random clips: {self.sentence}",
            *(f"{name} / random clips: {', '.join(each)}" for name, each in looks.items()),
        ]
