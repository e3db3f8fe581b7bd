"""From every model's findings to the numbers of the table of targets: nothing here looks at a network."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from scipy.stats import rankdata

from validation.proof.shares import ALPHA, IRRELEVANT, RELEVANT, Facts, rate, share_of
from validation.proof.shortcut import power

FOREGROUND = ("motion", "shape", "shape × motion", "reversed pairs")
MOVING = ("motion", "shape × motion", "reversed pairs")
STRONG = (*FOREGROUND, "background")


def summarise(models: Sequence[Facts]) -> Facts:
    """All numbers of the page. `models` are what `evaluated` gave, learned or not."""
    learned = [model for model in models if model["learned"]]
    tests = [row for model in learned for row in _with_truth(model)]
    verdicts = [row for model in learned for row in _verdicts(model)]
    return {
        "models": [
            {key: model["log"][key] for key in ("rule", "seed", "steps", "seconds", "key", "loss", "parameters")}
            | {"accuracy": model["accuracy"], "learned": model["learned"]}
            | {"evaluation_processor_seconds": model["processor_seconds"]}
            for model in models
        ],
        "true_nulls": _true_nulls(learned),
        "families": _families(learned),
        "irrelevant": _irrelevant(tests),
        "relevant_rejected": _relevant(tests),
        "by_change": _by_change(tests),
        "found": _found(verdicts),
        "power": power(verdicts, tests),
        "auroc": _aurocs(tests),
        "sign": _signs(tests),
        "coverage": _coverage(learned),
        "maps": _maps(learned),
    }


def _with_truth(model: Facts) -> list[Facts]:
    """The tests in the primary statistic, and sign counts for the recipes, each with what an intervention did."""
    change = {(row["concept"], row["against"]): row["change"] for row in model["truths"]}
    return [
        row
        | {"rule": model["log"]["rule"], "seed": model["log"]["seed"]}
        | {"change": change[row["concept"], row["against"]][row["class"]]}
        for row in model["tests"]
        if (row["concept"], row["against"]) in change
    ]


def _verdicts(model: Facts) -> list[Facts]:
    change = {row["concept"]: row["change"] for row in model["truths"] if row["against"] == "random"}
    return [
        row
        | {"rule": model["log"]["rule"], "seed": model["log"]["seed"]}
        | {"change": change[row["concept"]][row["class"]]}
        for row in model["verdicts"]
    ]


def _true_nulls(learned: Sequence[Facts]) -> Facts:
    counts: dict[str, list[int]] = {}
    for model in learned:
        found = model["false_positives"]
        for key, rejected in found["rejected"].items():
            test, statistic, layer = key.split("|")
            for name in (f"{test}|{statistic}|{layer}", f"{test}|{statistic}|all layers"):
                cell = counts.setdefault(name, [0, 0])
                cell[0] += rejected
                cell[1] += found["tests"]
    return {name: rate(*cell) for name, cell in counts.items()}


def _families(learned: Sequence[Facts]) -> Facts:
    counts: dict[str, list[int]] = {}
    for model in learned:
        found = model["false_positives"]
        for key, rejected in found["families_rejected"].items():
            correction, statistic, layer = key.split("|")
            for name in (f"{correction}|{statistic}|{layer}", f"{correction}|{statistic}|all layers"):
                cell = counts.setdefault(name, [0, 0])
                cell[0] += rejected
                cell[1] += found["families"]
    return {name: rate(*cell) for name, cell in counts.items()}


def _relevant(tests: Sequence[Facts]) -> list[Facts]:
    """How often concepts that an intervention shows to be relevant are rejected, against the pool and their twins."""
    rows = []
    for against in ("pool", "twin"):
        for layer in ("all layers", "second", "third", "head.1"):
            chosen = [
                row
                for row in tests
                if (row["against"] == "random") == (against == "pool")
                and abs(row["change"]) >= RELEVANT
                and _at(row, layer)
            ]
            rows.append({"against": against, "layer": layer, **_rejected(chosen)})
    return rows


def _rejected(chosen: Sequence[Facts]) -> Facts:
    """Shares of tests that reject, by null and recipe: our own in cosines, the recipes in sign counts."""
    cosine = [row for row in chosen if row["statistic"] == "cosine"]
    counts = [row for row in chosen if row["statistic"] == "sign_count" and "p_captum" in row]
    return {
        "models": len({(row["rule"], row["seed"]) for row in cosine}),
        "default": share_of(cosine, lambda row: row["p"] <= ALPHA),
        "library": share_of(cosine, lambda row: row["p_library"] <= ALPHA),
        "two-sample t": share_of(counts, lambda row: row["p_two_sample"] <= ALPHA),
        "one-sample t": share_of(counts, lambda row: row["p_one_sample"] <= ALPHA),
        "captum's recipe": share_of(counts, lambda row: row["p_captum"] <= ALPHA),
    }


def _by_change(tests: Sequence[Facts]) -> list[Facts]:
    """How often tests reject, and how often the effect then has the logit's sign, by the size of the logit's change; of
    concepts that no rule was made of.
    """
    edges = (0, 0.02, 0.05, 0.1, 0.2, 0.5, float("inf"))
    rows = []
    for against in ("pool", "twin"):
        for low, high in itertools.pairwise(edges):
            chosen = [
                row
                for row in tests
                if (row["against"] == "random") == (against == "pool")
                and row["group"] not in ("planted", "tied")
                and row["statistic"] == "cosine"
                and low <= abs(row["change"]) < high
            ]
            rejected = [row for row in chosen if row["p"] <= ALPHA]
            rows.append(
                {
                    "against": against,
                    "change": f"{low:g} to {high:g}" if high < edges[-1] else f"{low:g} or more",
                    "default": rate(len(rejected), len(chosen)),
                    "library": share_of(chosen, lambda row: row["p_library"] <= ALPHA),
                    "right": share_of(rejected, _right),
                }
            )
    return rows


def _right(row: Facts) -> bool:
    """Whether the effect has the sign of what the intervention did."""
    return bool(np.sign(row["effect"]) == np.sign(row["change"]))


def _irrelevant(tests: Sequence[Facts]) -> list[Facts]:
    """False positives of concepts that an intervention shows to be irrelevant, by sort, yardstick and test."""
    sorts: dict[str, Callable[[Facts], bool]] = {
        "still: tints, patches, stripes": lambda row: row["group"] == "overlay" and row["against"] == "random",
        "still: shapes and backgrounds": lambda row: (
            row["group"] in ("shape", "background") and row["against"] == "random"
        ),
        "moving distractor, against the pool": lambda row: row["group"] == "distractor" and row["against"] == "random",
        "moving object, against the pool": lambda row: row["group"] == "motion" and row["against"] == "random",
        "moving distractor, against its twin": lambda row: row["group"] == "distractor" and row["against"] != "random",
        "distractor that moves alone, against its twin": lambda row: (
            row["group"] == "distractor alone" and row["against"] != "random"
        ),
        "moving object, against its twin": lambda row: row["group"] == "motion" and row["against"] != "random",
    }
    rows = []
    for name, belongs in sorts.items():
        for layer in ("all layers", "second", "third", "head.1"):
            chosen = [row for row in tests if belongs(row) and abs(row["change"]) <= IRRELEVANT and _at(row, layer)]
            rows.append({"sort": name, "layer": layer, **_rejected(chosen)})
    return rows


def _found(verdicts: Sequence[Facts]) -> list[Facts]:
    """Planted concepts that a study calls positive, by rule: at any layer, at each layer, and why others are not."""
    rows = []
    for rule in (*STRONG, "shortcut 1", "all strong"):
        group = "tied" if rule == "shortcut 1" else "planted"
        rules = STRONG if rule == "all strong" else (rule,)
        chosen = [
            row
            for row in verdicts
            if row["rule"] in rules
            and row["group"] == group
            and row["concept"] == row["asked"]
            and row["against"] == "random"
            and row["change"] >= RELEVANT
        ]
        studies: dict[tuple[str, int, str], list[Facts]] = {}
        for row in chosen:
            studies.setdefault((row["rule"], row["seed"], row["asked"]), []).append(row)
        missed = [own for own in studies.values() if not any(row["verdict"] == "positive" for row in own)]
        kinds = [row["verdict"] for own in missed for row in own]
        rows.append(
            {
                "rule": rule,
                "any layer": rate(len(studies) - len(missed), len(studies)),
                **{
                    layer: share_of(
                        [row for row in chosen if row["layer"] == layer], lambda row: row["verdict"] == "positive"
                    )
                    for layer in ("second", "third", "head.1")
                },
                "missed_verdicts": {kind: kinds.count(kind) for kind in sorted(set(kinds))},
            }
        )
    return rows


def _aurocs(tests: Sequence[Facts]) -> Facts:
    """How well each score tells relevant from irrelevant concepts, against the pool."""
    found = {}
    scores: dict[str, tuple[str, Callable[[Facts], float]]] = {
        "distance from the null": ("cosine", lambda row: abs(row["distance"])),
        "two-sample t": ("sign_count", lambda row: -row["p_two_sample"]),
        "one-sample t": ("sign_count", lambda row: -row["p_one_sample"]),
        "captum's recipe": ("sign_count", lambda row: -row["p_captum"]),
    }
    kept = [row for row in tests if row["against"] == "random"]
    for name, (statistic, score) in scores.items():
        for layer in ("all layers", "second", "third", "head.1"):
            own = [row for row in kept if row["statistic"] == statistic and _at(row, layer)]
            yes = [score(row) for row in own if abs(row["change"]) >= RELEVANT]
            no = [score(row) for row in own if abs(row["change"]) <= IRRELEVANT]
            found[f"{name}|{layer}"] = {"auroc": _auroc(yes, no), "relevant": len(yes), "irrelevant": len(no)}
    cosine = [row for row in kept if row["statistic"] == "cosine"]
    no = [abs(row["distance"]) for row in cosine if abs(row["change"]) <= IRRELEVANT]
    for name, least, way in (("raises", RELEVANT, 1), ("raises by 1 or more", 1.0, 1), ("lowers", RELEVANT, -1)):
        yes = [abs(row["distance"]) for row in cosine if way * row["change"] >= least]
        found[f"{name}|by sign"] = {"auroc": _auroc(yes, no), "relevant": len(yes), "irrelevant": len(no)}
    for group in sorted({row["rule"] for row in kept}):
        own = [row for row in kept if row["statistic"] == "cosine" and row["rule"] == group]
        yes = [abs(row["distance"]) for row in own if abs(row["change"]) >= RELEVANT]
        no = [abs(row["distance"]) for row in own if abs(row["change"]) <= IRRELEVANT]
        found[f"{group}|by rule"] = {"auroc": _auroc(yes, no), "relevant": len(yes), "irrelevant": len(no)}
    return found


def _auroc(yes: Sequence[float], no: Sequence[float]) -> float | None:
    if not yes or not no:
        return None
    ranks = rankdata([*yes, *no])
    return float((ranks[: len(yes)].sum() - len(yes) * (len(yes) + 1) / 2) / (len(yes) * len(no)))


def _signs(tests: Sequence[Facts]) -> Facts:
    """Whether contrasts with the twin have the sign of the logit's change, where that is half a deviation or more."""
    kept = [
        row
        for row in tests
        if row["against"] != "random" and row["statistic"] == "cosine" and abs(row["change"]) >= RELEVANT
    ]

    found = {}
    for layer in ("all layers", "second", "third", "head.1"):
        own = [row for row in kept if _at(row, layer)]
        found[layer] = {
            "all": share_of(own, _right),
            "significant": share_of([row for row in own if row["p"] <= ALPHA], _right),
        }
    for group in sorted({row["group"] for row in kept}):
        found[f"concepts: {group}"] = {
            "all": share_of([row for row in kept if row["group"] == group], _right),
            "significant": share_of([row for row in kept if row["group"] == group and row["p"] <= ALPHA], _right),
        }
    return found


def _coverage(learned: Sequence[Facts]) -> Facts:
    counts: dict[str, list[int]] = {}
    for model in learned:
        for key, (held, of) in model["coverage"].items():
            kind, statistic, layer = key.split("|")
            for name in (
                f"{kind}|{statistic}|{layer}",
                f"{kind}|{statistic}|all layers",
                f"all|{statistic}|all layers",
            ):
                cell = counts.setdefault(name, [0, 0])
                cell[0] += held
                cell[1] += of
    return {name: rate(*cell) for name, cell in counts.items()}


def _maps(learned: Sequence[Facts]) -> list[Facts]:
    """Means of each measure over films, by kind of rule, layer and method."""
    kinds: dict[str, Iterable[str]] = {"foreground": FOREGROUND, "moving": MOVING, "background": ("background",)}
    kinds |= {rule: (rule,) for rule in FOREGROUND}
    rows = []
    for kind, rules in kinds.items():
        own = [row for model in learned if model["log"]["rule"] in rules for row in model["maps"]]
        for cell in sorted({(row["layer"], row["method"], row["measure"]) for row in own}):
            chosen = [row for row in own if (row["layer"], row["method"], row["measure"]) == cell]
            films = sum(row["clips"] for row in chosen)
            rows.append(
                {
                    "rules": kind,
                    "layer": cell[0],
                    "method": cell[1],
                    "measure": cell[2],
                    "value": sum(row["sum"] for row in chosen) / films if films else None,
                    "films": films,
                    "undefined": sum(row["undefined"] for row in chosen),
                    "chance": float(np.mean([row["chance"] for row in chosen])),
                }
            )
    return rows


def _at(row: Facts, layer: str) -> bool:
    return layer in ("all layers", row["layer"])
