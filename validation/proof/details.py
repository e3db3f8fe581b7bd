"""The tables below the first one: everything by layer, rule and method."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

LAYERS = ("second", "third", "head.1")
Facts = Mapping[str, Any]


def percent(cell: Facts) -> str:
    """A share in words, or a dash."""
    return "–" if cell["share"] is None else f"{cell['share']:.1%}".replace("%", " %")


def interval(cell: Facts) -> str:
    """A share with its interval and what it is a share of."""
    if cell["share"] is None:
        return "–"
    bounds = f"{cell['low']:.1%}–{cell['high']:.1%} of {cell['of']}".replace("%", " %")
    return f"{percent(cell)} ({bounds})"


def number(value: float | None) -> str:
    """Two digits, or a dash."""
    return "–" if value is None else f"{value:.2f}"


def map_value(
    found: Facts, rules: str, measure: str, *, layer: str = "third", method: str = "grad-cam"
) -> tuple[float | None, int]:
    """The mean of a measure of maps, and over how many films."""
    wanted = {"rules": rules, "measure": measure, "layer": layer, "method": method}
    rows = [row for row in found["maps"] if all(row[key] == value for key, value in wanted.items())]
    return (rows[0]["value"], rows[0]["films"]) if rows else (None, 0)


def sort_of(found: Facts, name: str, layer: str = "all layers") -> Facts:
    """The counts of one sort of irrelevant concepts."""
    return next(row for row in found["irrelevant"] if row["sort"] == name and row["layer"] == layer)


def details(found: Facts) -> str:
    """All tables as Markdown."""
    sections = (
        _nulls,
        _families,
        _irrelevant,
        _power,
        _found,
        _shortcut,
        _ranks,
        _auroc,
        _sign,
        _coverage,
        _maps,
        _networks,
    )
    return "\n\n".join(["## By layer and rule", *(section(found) for section in sections)]) + "\n"


def _table(lead: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [lead, "", f"| {' | '.join(header)} |", "|" + " --- |" * len(header)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def _nulls(found: Facts) -> str:
    tests = ("set-level|cosine", "set-level|sensitivity", "set-level|sign_count")
    recipes = ("two-sample t|sign_count", "one-sample t|sign_count", "captum's recipe|sign_count")
    rows = [
        [test.replace("|", ", "), *(percent(found["true_nulls"][f"{test}|{layer}"]) for layer in LAYERS)]
        for test in (*tests, *recipes)
    ]
    return _table("**True nulls**, rejected at 5 %:", ["test", *LAYERS], rows)


def _families(found: Facts) -> str:
    rows = [
        [name, *(percent(found["families"][f"{name}|cosine|{layer}"]) for layer in LAYERS)]
        for name in ("none", "bonferroni", "holm", "bh")
    ]
    lead = "**Families of eight true nulls** at one layer for one class with any rejection at 5 %, `cosine`:"
    return _table(lead, ["correction", *LAYERS], rows)


def _irrelevant(found: Facts) -> str:
    rows = []
    for name in dict.fromkeys(row["sort"] for row in found["irrelevant"]):
        cells = [sort_of(found, name, layer) for layer in LAYERS]
        told = [f"{percent(cell['default'])} · {percent(cell['library'])} of {cell['default']['of']}" for cell in cells]
        rows.append([name, str(sort_of(found, name)["models"]), *told])
    lead = "**Irrelevant concepts**, rejected at 5 %, default null · library null:"
    return _table(lead, ["sort", "networks", *LAYERS], rows)


def _by_change(found: Facts) -> str:
    rows = [
        [
            f"{row['against']}, {row['change']}",
            *(percent(row[name]) for name in ("default", "library", "right")),
            str(row["default"]["of"]),
        ]
        for row in found["by_change"]
    ]
    lead = (
        "**Rejected at 5 % by what the intervention does** to the logit (standard deviations), and how often the\n"
        "effect then has the sign of the change:"
    )
    return _table(lead, ["against, change", "default", "library", "sign right where rejected", "tests"], rows)


def _power(found: Facts) -> str:
    names = ("default", "library", "two-sample t", "one-sample t", "captum's recipe")
    rows = [
        [f"{row['against']}, {row['layer']}", *(percent(row[name]) for name in names), str(row["default"]["of"])]
        for row in found["relevant_rejected"]
    ]
    lead = "**Relevant concepts** rejected at 5 % (power), before any correction:"
    return _table(lead, ["against, layer", *names, "tests"], rows)


def _found(found: Facts) -> str:
    rows = []
    for row in found["found"]:
        why = ", ".join(f"{count} {kind}" for kind, count in row["missed_verdicts"].items())
        cells = [f"{row[where]['hits']} of {row[where]['of']}" for where in ("any layer", *LAYERS)]
        rows.append([row["rule"], *cells, why])
    lead = (
        "**Planted concepts found**: verdict *positive* after Holm over a study of the concept, its twin and\n"
        "four others at three layers, and the verdicts on those that were missed:"
    )
    return _table(lead, ["rule", "any layer", *LAYERS, "missed, layer by layer"], rows)


def _shortcut(found: Facts) -> str:
    rows = [
        [
            f"{row['correlation']:g}",
            f"{row['change']:.2f}",
            *(percent(row[layer]) for layer in LAYERS),
            interval(row["verdict"]),
        ]
        for row in found["power"]["curve"]
    ]
    lead = (
        "**Shortcut**: the background tied to a class, over ρ (ρ = 0: the motion rule). Logit change in standard\n"
        "deviations; the share with p ≤ 0.05 and a positive effect at each layer; the share called *positive*:"
    )
    return _table(lead, ["ρ", "logit change", *LAYERS, "positive after Holm, any layer"], rows)


def _ranks(found: Facts) -> str:
    rows = [
        [layer, f"{number(row['by class'])} ({row['points']} points)", number(row["by model"])]
        for layer, row in found["power"]["ranks"].items()
    ]
    lead = "**Rank correlation** (Spearman) of effect and logit change over the shortcut's networks:"
    return _table(lead, ["", "by network and class", "by network"], rows)


def _auroc(found: Facts) -> str:
    areas = found["auroc"]
    rows = [
        [name, *(number(areas[f"{name}|{layer}"]["auroc"]) for layer in ("all layers", *LAYERS))]
        for name in ("distance from the null", "two-sample t", "one-sample t", "captum's recipe")
    ]
    by_rule = {key.split("|")[0]: cell for key, cell in areas.items() if key.endswith("|by rule")}
    told = [
        f"{name} {number(cell['auroc'])} ({cell['relevant']} : {cell['irrelevant']})" for name, cell in by_rule.items()
    ]
    table = _table("**AUROC** of relevant against irrelevant concepts:", ["", "all layers", *LAYERS], rows)
    signs = [(key.split("|")[0], cell) for key, cell in areas.items() if key.endswith("|by sign")]
    split = "; ".join(f"{name}: {number(cell['auroc'])} ({cell['relevant']})" for name, cell in signs)
    lines = [
        table,
        f"By what forcing the concept does to the logit (relevant tests): {split}.",
        f"By rule (relevant : irrelevant tests): {'; '.join(told)}.",
    ]
    return "\n\n".join(lines)


def _sign(found: Facts) -> str:
    rows = [[name, interval(row["all"]), interval(row["significant"])] for name, row in found["sign"].items()]
    lead = "**Sign of the contrast** with the twin, where the logit changes by half a deviation or more:"
    return _table(lead, ["", "all", "where p ≤ 0.05"], rows)


def _coverage(found: Facts) -> str:
    statistics = ("cosine", "sensitivity", "sign_count")
    rows = [
        [f"{kind}, {layer}", *(interval(found["coverage"][f"{kind}|{statistic}|{layer}"]) for statistic in statistics)]
        for kind in ("planted", "a draw from the pool")
        for layer in LAYERS
    ]
    lead = (
        "**Coverage** of 95 % intervals. The truth is the mean of the statistic over 80 studies made anew, each with\n"
        "fresh concept clips, random clips and class clips of the same numbers, from larger banks of films. It is not\n"
        "the value for infinitely many clips: a CAV of 20 clips is noisier, which brings statistics nearer to the null."
    )
    return _table(lead, ["", *(f"`{statistic}`" for statistic in statistics)], rows)


def _maps(found: Facts) -> str:
    cells = (
        ("foreground", "pointing in space"),
        ("moving", "pointing in time"),
        ("foreground", "energy ratio"),
        ("background", "energy ratio"),
    )
    rows = [
        [f"{layer}, {method}", *(number(map_value(found, *cell, layer=layer, method=method)[0]) for cell in cells)]
        for layer in ("second", "third")
        for method in dict.fromkeys(row["method"] for row in found["maps"])
    ]
    chance = [next(row["chance"] for row in found["maps"] if (row["rules"], row["measure"]) == cell) for cell in cells]
    lead = (
        "**Maps**, means over held-out films that the network gets right; pointing in time for rules of motion alone:"
    )
    header = ["layer, method", "pointing in space", "in time", "energy, foreground rules", "energy, background rule"]
    return _table(lead, header, [*rows, ["chance", *map(number, chance)]])


def _networks(found: Facts) -> str:
    rows = [
        [
            model["rule"],
            str(model["seed"]),
            f"{model['accuracy']:.1%}".replace("%", " %"),
            "yes" if model["learned"] else "no",
            f"{model['seconds']:.0f} s",
        ]
        for model in found["models"]
    ]
    return _table("**Networks**:", ["rule", "seed", "held-out accuracy", "learned", "training, by the clock"], rows)
