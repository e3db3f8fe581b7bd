"""The shortcut's background over its correlation with the class: power, effect and change of the logit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import spearmanr

from validation.proof.shares import ALPHA, Facts, rate, share_of
from validation.proof.world import MOTIONS, TIED


def power(verdicts: Sequence[Facts], tests: Sequence[Facts]) -> Facts:
    """The shortcut's background: found how often, and its effect beside the change of the logit, over ρ."""
    points = []
    for row in tests:
        if row["statistic"] != "cosine" or row["against"] != "random":
            continue
        correlation = _correlation(row["rule"])
        own = row["concept"] == f"tied {row['class']}"
        # In the motion rule no background is tied: the same ones stand for ρ = 0.
        own |= row["rule"] == "motion" and row["concept"] == f"background {TIED[MOTIONS.index(row['class'])]}"
        if correlation is not None and own:
            points.append(
                {key: row[key] for key in ("rule", "seed", "class", "layer", "change", "effect", "distance", "p")}
                | {"correlation": correlation}
            )
    curve = []
    for correlation in sorted({point["correlation"] for point in points}):
        here = [point for point in points if point["correlation"] == correlation]
        studies: dict[tuple[int, str], bool] = {}
        for row in verdicts:
            if _correlation(row["rule"]) == correlation and row["group"] == "tied" and row["concept"] == row["asked"]:
                key = row["seed"], row["asked"]
                studies[key] = studies.get(key, False) or (row["against"] == "random" and row["verdict"] == "positive")
        curve.append(
            {
                "correlation": correlation,
                "change": float(np.mean([point["change"] for point in here if point["layer"] == "third"])),
                "verdict": rate(sum(studies.values()), len(studies)),
                **{
                    layer: share_of(
                        [point for point in here if point["layer"] == layer],
                        lambda point: point["p"] <= ALPHA and point["effect"] > 0,
                    )
                    for layer in ("second", "third", "head.1")
                },
            }
        )
    ranks = {}
    for layer in ("second", "third", "head.1"):
        own = [point for point in points if point["layer"] == layer]
        ranks[layer] = {
            "points": len(own),
            "by class": _rank([point["effect"] for point in own], [point["change"] for point in own]),
            "by model": _rank(*_model_means(own)),
        }
    merged = _layer_means(points)
    ranks["mean of layers"] = {
        "points": len(merged),
        "by class": _rank([point["effect"] for point in merged], [point["change"] for point in merged]),
        "by model": _rank(*_model_means(merged)),
    }
    return {"curve": curve, "ranks": ranks, "points": points}


def _correlation(rule: str) -> float | None:
    if rule == "motion":
        return 0.0
    return float(rule.removeprefix("shortcut ")) if rule.startswith("shortcut ") else None


def _model_means(points: Sequence[Facts]) -> tuple[list[float], list[float]]:
    keys = sorted({(point["rule"], point["seed"]) for point in points})
    own = [[point for point in points if (point["rule"], point["seed"]) == key] for key in keys]
    return tuple([float(np.mean([point[name] for point in each])) for each in own] for name in ("effect", "change"))  # type: ignore[return-value]


def _layer_means(points: Sequence[Facts]) -> list[Facts]:
    keys = sorted({(point["rule"], point["seed"], point["class"]) for point in points})
    merged = []
    for rule, seed, class_name in keys:
        own = [point for point in points if (point["rule"], point["seed"], point["class"]) == (rule, seed, class_name)]
        merged.append(own[0] | {"effect": float(np.mean([point["effect"] for point in own]))})
    return merged


def _rank(one: Sequence[float], two: Sequence[float]) -> float | None:
    return float(spearmanr(one, two).statistic) if len(one) > 2 else None  # noqa: PLR2004 - two points are a line
