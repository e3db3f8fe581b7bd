"""Rows of both legs, as tests of their words make them: a push of “racket” on “swing”, and an edit of it."""

from __future__ import annotations

from typing import Any

from videotcav.records import Result, Verdict
from videotcav.results.edit_effect import EditEffect, EditVerdict


def contrast(verdict: Verdict, value: float, **others: Any) -> Result:
    facts: dict[str, Any] = {
        "concept": "racket",
        "kind": "spatiotemporal",
        "against": "random",
        "layer": "",
        "class_name": "swing",
        "statistic": "contrast",
        "low": value - 0.3,
        "high": value + 0.3,
        "null_centre": 0.0,
        "null_low": -0.1,
        "null_high": 0.1,
        "p": 0.01,
        "p_corrected": 0.02,
        "null_draws": 999,
        "smallest_effect": 0.5,
        "concept_clips": 20,
        "concept_sources": 20,
        "class_clips": 24,
        "class_sources": 24,
        "random_clips": 40,
    }
    return Result(value=value, verdict=verdict, **facts | others)


def effect(verdict: EditVerdict, value: float | None, **others: Any) -> EditEffect:
    facts: dict[str, Any] = {"edit": "remove", "target": "racket", "class_name": "swing", "sigma": 1.0}
    counts = {"clips": 0 if value is None else 24, "sources": 0 if value is None else 24}
    if value is not None:
        facts |= {"low": value - 0.3, "high": value + 0.3}
    return EditEffect(effect=value, verdict=verdict, **facts | counts | others)


DEMO = [
    contrast("positive", 4.84),
    contrast("positive", 5.9, against="frozen"),
    contrast("undecided", 0.24, kind="spatial"),
    contrast("undecided", 0.47, concept="ball"),
    contrast("positive", 1.87, concept="ball", against="frozen"),
    contrast("negligible", -0.02, concept="ball", kind="spatial"),
]
EDITS = [
    effect("negative", -5.45),
    effect("negative", -6.73, edit="freeze"),
    effect("undecided", 0.5, target="ball"),
    effect("undecided", -1.7, target="ball", edit="freeze"),
    effect("negligible", 0.02, target="background"),
]
"""Rows as the demo finds them, and its edits."""
