"""The numbers that the proof promises, each with its target, from the numbers of `summary`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from validation.proof.details import map_value
from validation.provenance import in_words
from validation.targets import Promise, Target, Unit, at_least, at_most, between, both

SCRIPT = "validation/proof"
Facts = Mapping[str, Any]


def promises(found: Facts) -> Iterator[Promise]:
    """The rows of docs/targets.json, in the order of the page."""
    taken = {"commit": found["commit"], "machine": in_words(found["machine"])}

    def share(what: str, cell: Facts, target: Target | None) -> Promise:
        ends = {"value": cell["share"], "low": cell["low"], "high": cell["high"], "n": cell["of"]}
        return Promise(area="statistics", what=what, unit="%", target=target, **ends, **taken)

    def number(what: str, value: float | None, n: int, target: Target) -> Promise:
        count = 0 if value is None else n
        return Promise(area="statistics", what=what, target=target, value=value, n=count, **taken)

    level = both(at_most(0.05), at_most(0.07, on="high"))
    yield share("false positives under true nulls", found["true_nulls"]["set-level|cosine|all layers"], level)
    for row in _over_layers(found["irrelevant"]):
        yield share(f"irrelevant, {row['sort']}", row["default"], at_most(0.07, on="high"))
    for row in _over_layers(found["relevant_rejected"]):
        yield share(f"relevant, against the {row['against']}, before correction", row["default"], None)
    yield share("family-wise error, Holm", found["families"]["holm|cosine|all layers"], level)
    yield share("planted concept found, after Holm, strong rules", found["found"][-1]["any layer"], at_least(0.97))
    for row in found["power"]["curve"]:
        if row["verdict"]["of"]:
            target = at_least(0.8) if row["correlation"] == RHO else None
            yield share(f"shortcut found, after Holm, ρ = {row['correlation']:g}", row["verdict"], target)
    area = found["auroc"]["distance from the null|all layers"]
    tests = area["relevant"] + area["irrelevant"]
    yield number("relevant against irrelevant, against the pool, AUROC", area["auroc"], tests, at_least(0.97))
    rank = found["power"]["ranks"]["mean of layers"]
    yield number("rank correlation of effect and logit change over ρ", rank["by class"], rank["points"], at_least(0.9))
    yield share("sign of the moving − twin contrast, right", found["sign"]["all layers"]["all"], at_least(0.99))
    yield share("95 % intervals cover", found["coverage"]["all|cosine|all layers"], between(0.93, 0.97))
    for what, rules, measure, unit, target in MAPS:
        value, films = map_value(found, rules, measure)
        films = 0 if value is None else films
        yield Promise(area="maps", what=what, unit=unit, target=target, value=value, n=films, **taken)


RHO = 0.7
"""The correlation of the shortcut for which a target is set."""
MAPS: tuple[tuple[str, str, str, Unit, Target], ...] = (
    ("Grad-CAM, pointing in space", "foreground", "pointing in space", "", at_least(0.8)),
    ("Grad-CAM, pointing in time", "moving", "pointing in time", "", at_least(0.8)),
    ("Grad-CAM, energy in the box ÷ its share, foreground rules", "foreground", "energy ratio", "", at_least(3)),
    ("Grad-CAM, energy in the box ÷ its share, background rule", "background", "energy ratio", "", at_most(1)),
)


def _over_layers(rows: list[Facts]) -> list[Facts]:
    return [row for row in rows if row["layer"] == "all layers" and row["default"]["of"]]
