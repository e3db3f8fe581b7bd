"""What a study declared before its first pass, as it lies in a run folder."""

from __future__ import annotations

import hashlib

from pydantic import PositiveInt

from videotcav.records import Record, Statistic


class Declaration(Record):
    """What a study declared before its first pass, and when: the family of its tests, and how they are decided.

    `tests` counts all families. `smallest_effect` is what earlier runs called the equivalence margin.
    """

    declared: str
    study_sha256: str
    hypotheses: tuple[str, ...]
    smallest_effect: float | None = None
    equivalence_margin: float | None = None
    negligible_below: float | None = None
    score: str = ""
    primary: Statistic
    alpha: float
    correction: str
    tests: PositiveInt

    @property
    def sha256(self) -> str:
        """Hash of all of it, as recorded in the manifest."""
        return hashlib.sha256(self.model_dump_json(exclude_unset=True).encode()).hexdigest()
