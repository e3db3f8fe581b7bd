"""The proof under harder conditions: every network's facts, counted, as rows of docs/targets.json.

python -m validation.proof.harder_page              everything, then docs/validity.md, where the rows stand too
python -m validation.proof.harder_page --part 0/2   the facts of every second network, kept for the whole
python -m validation.proof.harder_page --cached     of the networks whose facts are there already
python -m validation.proof.harder_page --page       rows and page from the results that are there
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr
from threadpoolctl import threadpool_limits

from validation.proof.concepts import CLIPS
from validation.proof.contrast import of_network
from validation.proof.contrast_page import CACHE, HARDER, HARDER_SCRIPT
from validation.proof.contrast_page import RESULT as CONTRAST
from validation.proof.contrast_page import write_page as write_validity
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
from validation.proof.harder import OWN, TOLD, harder_of_network, path_of
from validation.proof.training import Job, jobs
from validation.provenance import commit, in_words, machine
from validation.targets import Promise, at_least, at_most, record
from videotcav.records import FIDELITY

CUT_WORDS = {"paper": "crops on a canvas of their own", "in-place": "crops in their place"}


def main() -> None:
    """One line a network, then rows and page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", default="", help="share the work: 0/2 here and 1/2 there, then once without")
    parser.add_argument("--cached", action="store_true", help="only networks whose facts are there")
    parser.add_argument("--page", action="store_true", help="only write rows and page again")
    arguments = parser.parse_args()
    if not arguments.page:
        torch.set_num_threads(1)
        share, _, parts = (arguments.part or "0/1").partition("/")
        networks, known = [], []
        with threadpool_limits(1):
            for job in in_turn()[int(share) :: int(parts)]:
                if not arguments.cached or path_of(job, CACHE).exists():
                    networks.append(harder_of_network(job, CACHE))
                    print(job.name, flush=True)
                if not arguments.part and is_small(job):
                    known.append(of_network(job, CACHE))
        if arguments.part:
            return
        found = summary(networks, known) | {"machine": machine(), "commit": commit()}
        HARDER.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    record(HARDER_SCRIPT, promises(json.loads(HARDER.read_text(encoding="utf-8"))))
    write_validity(json.loads(CONTRAST.read_text(encoding="utf-8")))


def is_small(job: Job) -> bool:
    """Whether it is one of the small CNNs, which decide."""
    return job.architecture == "cnn" and job.rule != "background × motion"


def in_turn() -> list[Job]:
    """The small CNNs, those that confirm first; then the network of 20 classes and the Video Swins."""
    every = jobs()
    small = [job for seed in (3, 4, 0, 1, 2) for job in every if is_small(job) and job.seed == seed]
    return [*small, *(job for job in every if not is_small(job))]


# --- counts ------------------------------------------------------------------------------------------------------


def summary(networks: Sequence[Facts], known: Sequence[Facts]) -> dict[str, Any]:
    """All numbers: of the small networks under harder conditions, and of what is `known` of all small ones."""
    learned = [each for each in networks if "crops" in each]
    small = [each for each in learned if each["architecture"] == "cnn" and len(each["classes"]) < 20]  # noqa: PLR2004
    others = [each for each in learned if each not in small]
    return {
        "networks": [
            {key: each[key] for key in ("rule", "seed", "architecture", "processor_seconds")} for each in learned
        ],
        "own_clips": OWN,
        "small": _counted(small),
        "others": _counted(others) if others else None,
        "early": _early([each for each in known if each["learned"]]),
        "ordered": _ordered(known),
    }


def _counted(networks: Sequence[Facts]) -> dict[str, Any]:
    return {
        "networks": len(networks),
        "crops": {
            f"{mode} {against}": _crops(networks, mode, against) for mode in CUT_WORDS for against in ("random", "twin")
        },
        "own": _own(networks),
        "several": {kind: clustered([each["several"][kind] for each in networks]) for kind in networks[0]["several"]},
        "told": {kind: clustered([each["told"][kind] for each in networks]) for kind in networks[0]["told"]},
        "mixed": _mixed(networks),
    }


def _crops(networks: Sequence[Facts], mode: str, against: str) -> Row:
    parts = [[row for row in each["crops"] if (row["mode"], row["against"]) == (mode, against)] for each in networks]
    relevant = [[row for row in part if moves(row) and row["in_object"]] for part in parts]
    return {
        "irrelevant": clustered([hits(filter(no_effect, part), rejected) for part in parts]),
        "power": clustered([hits(part, rejected) for part in relevant]),
        "sign": clustered([hits(part, right) for part in relevant]),
        "sign_of_rejected": clustered([hits(filter(rejected, part), right) for part in relevant]),
        "auroc": auroc([row for part in parts for row in part if no_effect(row) or row["in_object"]]),
    }


def _own(networks: Sequence[Facts]) -> Row:
    """What contrast and the rows of layers say beside the truth on the class's own clips."""
    scores, layers, truths = [], [], []
    for network in networks:
        own = {(row["concept"], row["class"]): row["change"] for row in network["own"]}
        asked = [
            row
            for row in with_truth(network["known"])
            if row["against"] == "random" and row["clips"] == CLIPS and (row["concept"], row["class"]) in own
        ]
        mine = [{**row, "elsewhere": row["change"], "change": own[row["concept"], row["class"]]} for row in asked]
        scores.append([row for row in mine if not row["layer"]])
        layers.append([row for row in mine if row["layer"] and row["fidelity"] >= FIDELITY])
        truths.append([{**row, "effect": row["elsewhere"]} for row in mine if not row["layer"]])
    of_elsewhere = [[row for row in part if moves({"change": row["elsewhere"]})] for part in truths]
    return {
        "auroc": auroc([row for part in scores for row in part]),
        "auroc_of_layers": auroc([row for part in layers for row in part]),
        "sign": clustered([hits(filter(moves, part), right) for part in scores]),
        "none": clustered([hits(filter(rejected, part), no_effect) for part in scores]),
        "opposite": clustered(
            [hits(filter(rejected, part), lambda row: moves(row) and not right(row)) for part in scores]
        ),
        "truths_none": clustered([hits(part, no_effect) for part in of_elsewhere]),
        "truths_opposite": clustered(
            [hits(part, lambda row: not no_effect(row) and not right(row)) for part in of_elsewhere]
        ),
    }


def _mixed(networks: Sequence[Facts]) -> Row:
    """Confounded concepts at the larger share: with the truth on their own mix, and with a pool that has all of it."""
    on_label, on_all, both = [], [], []
    for network in networks:
        elsewhere = {row["concept"]: row["change"] for row in network["known"]["truths"] if row["against"] == "random"}
        label = {
            (row["concept"], row["class"]): row["p"]
            for row in network["known"]["confounded"]
            if (row["share"], row["pool"]) == (TOLD[0][0], "matched")
        }
        rows = [
            {
                **row,
                "on_label": label[row["concept"], row["class"]],
                "elsewhere": elsewhere[row["concept"]][row["class"]],
            }
            for row in network["mixed"]
        ]
        nowhere = [row for row in rows if no_effect({"change": row["elsewhere"]})]
        on_label.append(hits(filter(no_effect, nowhere), lambda row: rejected({"p": row["on_label"]})))
        on_all.append(hits(nowhere, rejected))
        both.append(hits(filter(no_effect, nowhere), rejected))
    return {"on_label": clustered(on_label), "on_all": clustered(on_all), "both": clustered(both)}


def _early(networks: Sequence[Facts]) -> dict[str, Row]:
    """Layer by layer: how many rows are said to be unfaithful, and the errors of those that are shown and of those."""
    rows = [[row for row in with_truth(each) if row["layer"] and row["clips"] == CLIPS] for each in networks]
    found = {}
    for layer in networks[0]["fidelity"]:
        parts = [[row for row in part if row["layer"] == layer] for part in rows]
        shown = [[row for row in part if row["fidelity"] >= FIDELITY] for part in parts]
        hidden = [[{**row, "effect": row["own"]} for row in part if row["fidelity"] < FIDELITY] for part in parts]
        found[layer] = {
            "hidden": clustered([hits(part, lambda row: row["fidelity"] < FIDELITY) for part in parts]),
            "irrelevant": clustered([hits(filter(no_effect, part), rejected) for part in shown]),
            "sign": clustered([hits((row for row in part if moves(row) and rejected(row)), right) for part in shown]),
            "sign_of_hidden": clustered([hits(filter(moves, part), right) for part in hidden]),
        }
    return found


def _ordered(networks: Sequence[Facts]) -> Row:
    """Spearman's correlation of contrast and truth over the shortcuts of all correlations: by network and class, and of
    networks' means over their classes.
    """
    parts = [
        np.array([(row["effect"], row["change"]) for row in with_truth(network) if _is_shortcut(row)])
        for network in networks
        if network["learned"] and network["rule"].startswith("shortcut")
    ]
    if not parts:
        return {"of": 0, "correlation": None, "networks": 0, "of_networks": None}
    means = np.array([part.mean(axis=0) for part in parts])
    return {
        "of": sum(map(len, parts)),
        "correlation": float(spearmanr(np.concatenate(parts)).statistic),
        "networks": len(parts),
        "of_networks": float(spearmanr(means).statistic),
    }


def _is_shortcut(row: Row) -> bool:
    asked = (row["against"], row["clips"], row["layer"], row["concept"])
    return asked == ("random", CLIPS, "", f"tied {row['class']}")


# --- promises ----------------------------------------------------------------------------------------------------


def promises(found: Facts) -> Iterator[Promise]:
    """The rows of docs/targets.json: the small networks are held to targets, the others are reported."""
    taken = {"commit": found["commit"], "machine": in_words(found["machine"])}
    telling = Telling("", taken, has_target=True)
    yield from _of_group(found["small"], telling)
    for layer, cell in found["early"].items():
        yield from telling.share(f"rows of layer {layer}: fidelity too low", cell["hidden"])
        yield from telling.share(
            f"rows of layer {layer}: irrelevant, shown", cell["irrelevant"], at_most(0.07, on="high")
        )
        yield from telling.share(
            f"rows of layer {layer}: sign of rejected ones right, shown", cell["sign"], at_least(0.99)
        )
        yield from telling.share(
            f"rows of layer {layer}: sign of relevant ones right, not shown", cell["sign_of_hidden"]
        )
    ordered = found["ordered"]
    what = "contrast: rank correlation with the truth over shortcuts, ρ = 0.5 to 1"
    yield from telling.number(what, ordered["correlation"], ordered["of"], at_least(0.9))
    yield from telling.number(f"{what}, means of networks", ordered["of_networks"], ordered["networks"])
    if found["others"]:
        yield from _of_group(found["others"], Telling(", 20 classes and Video Swins", taken, has_target=False))


def _of_group(of: Facts, telling: Telling) -> Iterator[Promise]:
    share, upper = telling.share, at_most(0.07, on="high")
    for key, cell in of["crops"].items():
        mode, against = key.split(" ")
        words = f"{CUT_WORDS[mode]}, against the {'pool' if against == 'random' else 'twin'}"
        yield from share(f"{words}: irrelevant", cell["irrelevant"], upper)
        yield from telling.area(
            f"{words}: relevant against irrelevant, AUROC",
            cell["auroc"],
            at_least(0.97 if against == "random" else 0.99),
        )
        yield from share(f"{words}: relevant rejected before correction", cell["power"])
        yield from share(f"{words}: sign of relevant ones right", cell["sign"], at_least(0.99))
        yield from share(f"{words}: sign of rejected ones right", cell["sign_of_rejected"])
    own = of["own"]
    where = "truth on the class's own clips"
    yield from telling.area(f"{where}: contrast, relevant against irrelevant, AUROC", own["auroc"])
    yield from telling.area(f"{where}: rows of layers, relevant against irrelevant, AUROC", own["auroc_of_layers"])
    yield from share(f"{where}: sign of contrast right, of those relevant there", own["sign"])
    yield from share(f"{where}: none, where contrast rejects", own["none"])
    yield from share(f"{where}: relevant with the opposite sign, where contrast rejects", own["opposite"])
    yield from share(f"{where}: none, of those relevant on natural films", own["truths_none"])
    yield from share(f"{where}: the opposite sign, of those relevant on natural films", own["truths_opposite"])
    several = of["several"]
    what = "4 clips of each video"
    yield from share(f"{what}: false positives under true nulls, told", several["true nulls, videos"], upper)
    yield from share(f"{what}: false positives under true nulls, taken as independent", several["true nulls, clips"])
    yield from share(f"{what}: planted concept of 8 videos rejected, told", several["planted, videos"])
    yield from share(f"{what}: planted concept of 8 videos rejected, taken as independent", several["planted, clips"])
    for carried, clips in TOLD:
        cell = of["told"][f"{carried:g} of {clips}"]
        what = f"confounding told by a label, {carried:.0%} of {clips} clips carry the class's own factor"
        yield from share(what, cell, at_least(0.95))
    yield from share("confounding told by a label, clean sets", of["told"]["clean"], at_most(0.1))
    most, mixed = "80 % of clips carry the class's own factor, irrelevant", of["mixed"]
    yield from share(
        f"{most} on natural films and on their own mix, pool matched on the label",
        mixed["on_label"],
        at_most(0.1, on="high"),
    )
    yield from share(
        f"{most} on natural films, pool matched on all that the class goes by", mixed["on_all"], at_most(0.1, on="high")
    )
    yield from share(
        f"{most} on both, pool matched on all that the class goes by", mixed["both"], at_most(0.1, on="high")
    )


if __name__ == "__main__":
    main()
