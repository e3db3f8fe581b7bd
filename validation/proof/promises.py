"""What classic scores do on the proof's networks, from the numbers of `summary`. Promised are contrasts and maps alone:
of classic scores all is reported beside.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from validation.proof.shares import ends
from validation.provenance import in_words
from validation.targets import Promise, Target, Unit, at_least, at_most

SCRIPT = "validation/proof"
Facts = Mapping[str, Any]


def promises(found: Facts) -> Iterator[Promise]:
    """The rows of docs/targets.json, in the order of the page."""
    taken = {"commit": found["commit"], "machine": in_words(found["machine"])}

    def share(what: str, cell: Facts) -> Promise:
        return Promise(area="statistics", what=f"{CLASSIC}{what}", unit="%", **ends(cell), **taken)

    def number(what: str, value: float | None, n: int) -> Promise:
        count = 0 if value is None else n
        return Promise(area="statistics", what=f"{CLASSIC}{what}", value=value, n=count, **taken)

    yield share("false positives under true nulls", found["true_nulls"]["set-level|cosine|all layers"])
    for row in _over_layers(found["irrelevant"]):
        yield share(f"irrelevant, {row['sort']}", row["default"])
    for row in _over_layers(found["relevant_rejected"]):
        yield share(f"relevant, against the {row['against']}, before correction", row["default"])
    yield share("family-wise error, Holm", found["families"]["holm|cosine|all layers"])
    yield share("planted concept found, after Holm, strong rules", found["found"][-1]["any layer"])
    for row in found["power"]["curve"]:
        if row["verdict"]["of"]:
            yield share(f"shortcut found, after Holm, ρ = {row['correlation']:g}", row["verdict"])
    area = found["auroc"]["distance from the null|all layers"]
    tests = area["relevant"] + area["irrelevant"]
    yield number("relevant against irrelevant, against the pool, AUROC", area["auroc"], tests)
    rank = found["power"]["ranks"]["mean of layers"]
    yield number("rank correlation of effect and logit change over ρ", rank["by class"], rank["points"])
    yield share("sign of the moving − twin contrast, right", found["sign"]["all layers"]["all"])
    yield share("95 % intervals cover", found["coverage"]["all|cosine|all layers"])
    for what, rules, measure, unit, target in MAPS:
        value, films = _map_value(found, rules, measure)
        yield Promise(area="maps", what=what, unit=unit, target=target, value=value, n=films, **taken)


CLASSIC = "classic scores: "
"""What stands before the name of each of their rows."""
MAPS: tuple[tuple[str, str, str, Unit, Target], ...] = (
    ("Grad-CAM, pointing in space", "foreground", "pointing in space", "", at_least(0.8)),
    ("Grad-CAM, pointing in time", "moving", "pointing in time", "", at_least(0.8)),
    ("Grad-CAM, energy in the box ÷ its share, foreground rules", "foreground", "energy ratio", "", at_least(3)),
    ("Grad-CAM, energy in the box ÷ its share, background rule", "background", "energy ratio", "", at_most(1)),
)


def _map_value(found: Facts, rules: str, measure: str) -> tuple[float | None, int]:
    """The mean of a measure of Grad-CAM at the second convolution, and over how many films."""
    wanted = {"rules": rules, "measure": measure, "layer": "third", "method": "grad-cam"}
    (row,) = (row for row in found["maps"] if wanted.items() <= row.items())
    return row["value"], 0 if row["value"] is None else row["films"]


def _over_layers(rows: list[Facts]) -> list[Facts]:
    return [row for row in rows if row["layer"] == "all layers" and row["default"]["of"]]
