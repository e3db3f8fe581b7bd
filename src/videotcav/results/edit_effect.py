"""What one edit of a class's clips does to the class's score: the row."""

from __future__ import annotations

from typing import Any, Literal

from videotcav.records import Fraction, Record

BACKGROUND = "background"
"""What is edited under this name is all that no box covers, whatever its label."""

EditVerdict = Literal["positive", "negative", "negligible", "undecided", "shown", "not asked"]
"""What may be concluded: the edit raises the score, lowers it, or does neither. An edit that is *shown* is not tested;
*not asked* is said where no clip can tell."""

EditReason = Literal[
    "",
    "changes nothing",
    "moves no score",
    "not told",
    "too few videos",
    "sham not possible",
    "too few shams",
    "sham moves it too",
    "hangs on the fill",
]
"""Why a row is not asked or undecided, where more than its p says so."""


class EditEffect(Record):
    """One edit × class (method.md 9). A class needs what an edit takes away where the edit lowers its score.

    `effect`, with its 95 % interval, and `smallest_effect` (the detectable one) are in standard deviations `sigma` of
    the score over videos. Where the edit has a sham, `effect` is the smaller of the edit's own (`raw`) and of its
    distance to the sham's (`sham`), on the clips that have one (`with_sham` of `clips`), and p the larger of the two.
    `second_fill` is the effect with another fill. `clips` are those that the edit changes, of `sources` videos;
    `unchanged` are those that it leaves as they are; of `not_told` others it cannot be made, for the reason `why`. Both
    leave the test. `inpainted` is the share of filled pixels that no frame shows.

    Accuracy and the class's mean probability stand beside it, before and after. An edit that is not `ranked` is shown,
    without p. `of_clips` says which of the class's clips were edited, where these are not all. `hypothesis` is the
    declared sentence that asks for it; in a study that declares something the other rows are `exploratory`.
    """

    edit: str
    target: str = ""
    class_name: str
    of_clips: str = ""
    ranked: bool = True
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    sigma: float
    raw: float | None = None
    sham: float | None = None
    second_fill: float | None = None
    p: Fraction | None = None
    p_corrected: Fraction | None = None
    p_equivalence: Fraction | None = None
    p_equivalence_corrected: Fraction | None = None
    draws: int = 0
    smallest_effect: float | None = None
    clips: int
    sources: int
    unchanged: int = 0
    not_told: int = 0
    why: str = ""
    with_sham: int | None = None
    inpainted: Fraction | None = None
    accuracy_before: Fraction | None = None
    accuracy_after: Fraction | None = None
    probability_before: Fraction | None = None
    probability_after: Fraction | None = None
    verdict: EditVerdict
    reason: EditReason = ""
    hypothesis: str = ""
    exploratory: bool = False

    @property
    def name(self) -> str:
        """The edit and what it is made to, as `freeze racket`."""
        return f"{self.edit} {self.target}".rstrip()

    @property
    def asked_of(self) -> int:
        """All clips that the edit was to be made of."""
        return self.clips + self.unchanged + self.not_told

    def as_row(self) -> dict[str, Any]:
        """The row of a table."""
        return self.model_dump()
