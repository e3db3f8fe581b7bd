"""The proof of contrast and shift: every network's facts, the numbers of the targets, docs/validity.md.

python -m validation.proof.contrast_page              everything
python -m validation.proof.contrast_page --part 0/2   the facts of every second network, kept for the whole
python -m validation.proof.contrast_page --page       rows of docs/targets.json and page from the results that are there
"""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from threadpoolctl import threadpool_limits

from validation.proof.concepts import CLIPS
from validation.proof.contrast import FEW, SHARES, of_network
from validation.proof.counting import (
    Facts,
    Row,
    Telling,
    auroc,
    clustered,
    hits,
    moves,
    no_effect,
    rejected,
    right,
    with_truth,
)
from validation.proof.shares import ALPHA, IRRELEVANT
from validation.proof.summary import STRONG
from validation.proof.training import jobs
from validation.provenance import ROOT, commit, in_words, machine
from validation.targets import Promise, at_least, at_most, between, pivot, record, rows, table, told
from videotcav.records import FIDELITY

SCRIPT = "validation/proof/contrast_page.py"
RESULT = ROOT / "benchmarks" / "results" / "contrast.json"
PAGE = ROOT / "docs" / "validity.md"
HARDER_SCRIPT = "validation/proof/harder_page.py"
HARDER = ROOT / "benchmarks" / "results" / "contrast_harder.json"
CACHE = Path(os.environ.get("VIDEOTCAV_VALIDITY_CACHE", Path.home() / ".cache" / "videotcav" / "moves"))
DESIGNED, CONFIRMING = (0, 1, 2), (3, 4)
"""Seeds on which the method was designed, and those that confirm it."""
RHO = 0.7

SORTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "still: tints, patches, stripes": ("random", ("overlay",)),
    "still: shapes and backgrounds": ("random", ("shape", "background")),
    "moving distractor, against the pool": ("random", ("distractor", "distractor alone")),
    "moving object, against the pool": ("random", ("motion", "planted", "tied")),
    "moving distractor, against its twin": ("twin", ("distractor",)),
    "distractor that moves alone, against its twin": ("twin", ("distractor alone",)),
    "moving object, against its twin": ("twin", ("motion", "planted")),
}


def main() -> None:
    """One line a network, then the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", default="", help="share the work: 0/2 here and 1/2 there, then once without")
    parser.add_argument("--page", action="store_true", help="only write the page again")
    arguments = parser.parse_args()
    if not arguments.page:
        torch.set_num_threads(1)
        share, _, parts = (arguments.part or "0/1").partition("/")
        networks = []
        with threadpool_limits(1):
            for job in jobs()[int(share) :: int(parts)]:
                networks.append(of_network(job, CACHE))
                print(f"{job.name}: right {networks[-1]['accuracy']:.1%}", flush=True)
        if arguments.part:
            return
        found = summary(networks) | {"machine": machine(), "commit": commit()}
        RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    write_page(json.loads(RESULT.read_text(encoding="utf-8")))


def write_page(found: Facts) -> None:
    """The rows of docs/targets.json and the page that is filled from them."""
    record(SCRIPT, promises(found))
    folder = FileSystemLoader(Path(__file__).parent)
    words = Environment(loader=folder, undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True)  # noqa: S701
    words.tests["match"] = lambda name, pattern: re.match(pattern, name)
    page = words.get_template("contrast.md.j2").render(
        found=found,
        rows=rows(SCRIPT),
        said=_said(SCRIPT),
        table=table,
        pivot=pivot,
        harder=json.loads(HARDER.read_text(encoding="utf-8")),
        harder_rows=rows(HARDER_SCRIPT),
        harder_said=_said(HARDER_SCRIPT),
    )
    PAGE.write_text(page, encoding="utf-8")


def _said(script: str) -> dict[str, str]:
    return {row.what: told(row.value, row.unit) for row in rows(script) if row.value is not None}


# --- counts ------------------------------------------------------------------------------------------------------


def summary(networks: Sequence[Facts]) -> dict[str, Any]:
    """All numbers of the page. Small CNNs decide; a network of 20 classes and Video Swins stand apart."""
    learned = [each for each in networks if each["learned"]]
    small = [each for each in learned if each["architecture"] == "cnn" and len(each["classes"]) < 20]  # noqa: PLR2004
    groups = {
        "all": small,
        "designed": [each for each in small if each["seed"] in DESIGNED],
        "confirming": [each for each in small if each["seed"] in CONFIRMING],
        "20 classes": [each for each in learned if len(each["classes"]) >= 20],  # noqa: PLR2004
        "Video Swins": [each for each in learned if each["architecture"] == "swin"],
    }
    return {
        "networks": [
            {key: each[key] for key in ("rule", "seed", "architecture", "accuracy", "learned", "processor_seconds")}
            for each in networks
        ],
        "groups": {name: _counted(members) for name, members in groups.items() if members},
    }


def _counted(networks: Sequence[Facts]) -> dict[str, Any]:
    tests = [list(with_truth(each)) for each in networks]
    layers = list(dict.fromkeys(layer for each in networks for layer in each["fidelity"]))
    return {
        "networks": len(networks),
        "true_nulls": clustered([each["nulls"]["rejected"][""] for each in networks]),
        "true_nulls_of_layers": clustered(
            [[sum(column) for column in zip(*_layers(each), strict=True)] for each in networks]
        ),
        "families": clustered([each["nulls"]["families"] for each in networks]),
        "coverage": {
            kind: clustered([each["coverage"][kind] for each in networks]) for kind in networks[0]["coverage"]
        },
        "fidelity": {
            layer: float(np.median([value for each in networks for value in each["fidelity"].get(layer, {}).values()]))
            for layer in layers
        },
        "confounded": {
            f"{share:g} {pool}": clustered(
                [hits(_irrelevant_confounded(each, share, pool), rejected) for each in networks]
            )
            for share in SHARES
            for pool in ("plain", "matched")
        },
        "matched_by_rule": {
            rule: clustered(
                [
                    hits(_irrelevant_confounded(each, max(SHARES), "matched"), rejected)
                    for each in networks
                    if each["rule"] == rule
                ]
            )
            for rule in dict.fromkeys(each["rule"] for each in networks)
        },
        "found": {
            "strong": clustered([hits(_asked(each, "planted"), _found) for each in networks if each["rule"] in STRONG]),
            **{
                f"{rho:g}": clustered(
                    [hits(_asked(each, "tied"), _found) for each in networks if each["rule"] == f"shortcut {rho:g}"]
                )
                for rho in (0.5, 0.7, 0.9, 1.0)
            },
        },
        "irrelevant_families": clustered([_irrelevant_families(each) for each in networks]),
        "clips": {str(clips): _of_sets(tests, clips) for clips in (CLIPS, FEW)},
    }


def _layers(network: Facts) -> list[list[int]]:
    return [counts for layer, counts in network["nulls"]["rejected"].items() if layer]


def _of_sets(tests: Sequence[Sequence[Row]], clips: int) -> dict[str, Any]:
    """What was found with sets of so many clips, `tests` being those of each network."""

    def kept(holds: Callable[[Row], bool]) -> list[list[Row]]:
        return [[row for row in each if row["clips"] == clips and holds(row)] for each in tests]

    def shares(parts: Sequence[Sequence[Row]], holds: Callable[[Row], bool]) -> Row:
        return clustered([hits(part, holds) for part in parts])

    score = kept(lambda row: not row["layer"])
    faithful = kept(lambda row: bool(row["layer"]) and row["fidelity"] >= FIDELITY)
    found: dict[str, Any] = {
        "irrelevant": {
            sort: shares(
                [
                    [row for row in part if row["against"] == against and row["group"] in groups and no_effect(row)]
                    for part in score
                ],
                rejected,
            )
            for sort, (against, groups) in SORTS.items()
        },
        "irrelevant_rows_of_layers": shares([[row for row in part if no_effect(row)] for part in faithful], rejected),
    }
    for against in ("random", "twin"):
        own = [[row for row in part if row["against"] == against] for part in score]
        rows_of_layers = [[row for row in part if row["against"] == against] for part in faithful]
        found[against] = {
            "power": shares([[row for row in part if moves(row)] for part in own], rejected),
            "sign": shares([[row for row in part if moves(row)] for part in own], right),
            "sign_of_rejected": shares([[row for row in part if moves(row) and rejected(row)] for part in own], right),
            "auroc": auroc([row for part in own for row in part]),
            "layers": {
                "power": shares([[row for row in part if moves(row)] for part in rows_of_layers], rejected),
                "sign_of_rejected": shares(
                    [[row for row in part if moves(row) and rejected(row)] for part in rows_of_layers], right
                ),
                "auroc": auroc([row for part in rows_of_layers for row in part]),
            },
        }
    return found


def _found(row: Row) -> bool:
    return bool(row["p_corrected"] <= ALPHA and row["effect"] > 0)


def _asked(network: Facts, group: str) -> list[Row]:
    return [
        row
        for row in network["verdicts"]
        if row["group"] == group and row["concept"] == row["asked"] and row["against"] == "random"
    ]


def _irrelevant_families(network: Facts) -> list[int]:
    """Families of a class in which a concept without effect was called one, after Holm; and all of them."""
    change = {row["concept"]: row["change"] for row in network["truths"] if row["against"] == "random"}
    families: dict[tuple[str, str], bool] = {}
    for row in network["verdicts"]:
        if row["against"] == "random" and row["concept"] != row["asked"]:
            nothing = abs(change[row["concept"]][row["class"]]) <= IRRELEVANT
            key = (row["asked"], row["class"])
            families[key] = families.get(key, False) or (nothing and row["p_corrected"] <= ALPHA)
    return [sum(families.values()), len(families)]


def _irrelevant_confounded(network: Facts, share: float, pool: str) -> list[Row]:
    change = {row["concept"]: row["change"] for row in network["truths"] if row["against"] == "random"}
    return [
        row
        for row in network["confounded"]
        if (row["share"], row["pool"]) == (share, pool) and abs(change[row["concept"]][row["class"]]) <= IRRELEVANT
    ]


# --- promises ----------------------------------------------------------------------------------------------------


def promises(found: Facts) -> Iterator[Promise]:
    """The rows of docs/targets.json: all small networks, then those that confirm, with 20 classes, and transformers."""
    taken = {"commit": found["commit"], "machine": in_words(found["machine"])}
    groups = found["groups"]
    of_all = Telling("", taken, has_target=True)
    yield from (*_levels(groups["all"], of_all), *_power(groups["all"], of_all))
    for name in ("confirming", "20 classes", "Video Swins"):
        if name in groups:
            telling = Telling(f", {'seeds 3 and 4' if name == 'confirming' else name}", taken, has_target=False)
            yield from (*_levels(groups[name], telling), *_power(groups[name], telling))


def _levels(of: Facts, telling: Telling) -> Iterator[Promise]:
    """How often what is not so is said, and how often intervals hold."""
    upper, share = at_most(0.07, on="high"), telling.share
    sets, few = of["clips"][str(CLIPS)], of["clips"][str(FEW)]
    yield from share("contrast: false positives under true nulls", of["true_nulls"], upper)
    yield from share("rows of layers: false positives under true nulls", of["true_nulls_of_layers"], upper)
    yield from share("contrast: family-wise error under true nulls, Holm", of["families"], upper)
    yield from share("contrast: families with an irrelevant effect, Holm", of["irrelevant_families"], upper)
    for sort, cell in sets["irrelevant"].items():
        yield from share(f"contrast: irrelevant, {sort}", cell, upper)
    yield from share("rows of layers: irrelevant, all sorts", sets["irrelevant_rows_of_layers"], upper)
    worst = max((cell for cell in few["irrelevant"].values() if cell["of"]), key=lambda cell: float(cell["high"]))
    yield from share(f"contrast: irrelevant, the worst sort, sets of {FEW}", worst)
    for carrying in SHARES:
        carried = f"{100 * carrying:.0f} % of clips carry the class's own factor"
        for pool, target in (("plain", None), ("matched", at_most(0.10, on="high"))):
            yield from share(
                f"contrast: irrelevant, {carried}, {pool} pool", of["confounded"][f"{carrying:g} {pool}"], target
            )
    for kind, cell in of["coverage"].items():
        yield from share(f"contrast: 95 % intervals cover, {kind}", cell, between(0.93, 0.97))


def _power(of: Facts, telling: Telling) -> Iterator[Promise]:
    """How often what is so is found."""
    share = telling.share
    sets, few = of["clips"][str(CLIPS)], of["clips"][str(FEW)]
    yield from share("contrast: planted concept found, after Holm, strong rules", of["found"]["strong"], at_least(0.97))
    for rho in (0.5, 0.7, 0.9, 1.0):
        target = at_least(0.8) if rho == RHO else None
        yield from share(f"contrast: shortcut found, after Holm, ρ = {rho:g}", of["found"][f"{rho:g}"], target)
    for against, words, least in (("random", "pool", 0.97), ("twin", "twin", 0.99)):
        cell, layers = sets[against], sets[against]["layers"]
        yield from telling.area(
            f"contrast: relevant against irrelevant, {words}, AUROC", cell["auroc"], at_least(least)
        )
        yield from share(f"contrast: relevant rejected before correction, {words}", cell["power"])
        yield from share(f"contrast: sign of relevant ones right, {words}", cell["sign"], at_least(0.99))
        yield from share(f"contrast: sign of rejected ones right, {words}", cell["sign_of_rejected"])
        yield from telling.area(f"rows of layers: relevant against irrelevant, {words}, AUROC", layers["auroc"])
        yield from share(f"rows of layers: relevant rejected before correction, {words}", layers["power"])
        yield from share(f"rows of layers: sign of rejected ones right, {words}", layers["sign_of_rejected"])
    yield from share(f"contrast: relevant rejected before correction, pool, sets of {FEW}", few["random"]["power"])
    for layer, value in of["fidelity"].items():
        yield from telling.number(f"median fidelity of {layer}", value, of["networks"])


if __name__ == "__main__":
    main()
