"""The proof of joint verdicts: every network's facts, counted, as rows of docs/targets.json.

python -m validation.proof.joint_page              every small network, those that confirm first, then the rows
python -m validation.proof.joint_page --part 0/2   only this share of them, no rows
python -m validation.proof.joint_page --cached     rows of the networks whose facts are there already
python -m validation.proof.joint_page --page       rows from the results that are there
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from validation.proof.contrast_page import CACHE
from validation.proof.contrast_page import RESULT as CONTRAST
from validation.proof.counting import Facts, Row, auroc, clustered, hits, rejected
from validation.proof.harder_page import in_turn, is_small
from validation.proof.joint import joint, kept_at, of_network
from validation.proof.kept import of_each, write
from validation.proof.shares import IRRELEVANT, RELEVANT, ends
from validation.provenance import ROOT, in_words
from validation.targets import Promise, Target, at_least, at_most, record

SCRIPT = "validation/proof/joint_page.py"
RESULT = ROOT / "benchmarks" / "results" / "joint.json"
ENOUGH = 1000
"""Tests of shams, below which their share is told and not held to its target."""


def main() -> None:
    """One line a network, then the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", default="", help="share the work: 0/2 here and 1/2 there, then once without")
    parser.add_argument("--cached", action="store_true", help="only networks whose facts are there")
    parser.add_argument("--page", action="store_true", help="only write the rows again")
    arguments = parser.parse_args()
    if not arguments.page:
        share, _, parts = (arguments.part or "0/1").partition("/")
        known = json.loads(CONTRAST.read_text(encoding="utf-8"))["networks"]
        learned = {(each["rule"], each["seed"]) for each in known if each["learned"] and each["architecture"] == "cnn"}
        own = [job for job in in_turn() if is_small(job) and (job.rule, job.seed) in learned]
        asked = (job for job in own[int(share) :: int(parts)] if not arguments.cached or kept_at(job, CACHE).exists())
        networks = of_each(asked, partial(of_network, cache=CACHE))
        if arguments.part:
            return
        write(RESULT, summary(networks))
    record(SCRIPT, promises(json.loads(RESULT.read_text(encoding="utf-8"))))


# --- counts ------------------------------------------------------------------------------------------------------


def summary(networks: Sequence[Facts]) -> dict[str, Any]:
    """All numbers."""
    rows = [row for each in networks for row in each["rows"]]
    truths = {
        "legs": [row | {"change": joint(row["true_push"], row["true_need"])} for row in rows],
        "factor": [row | {"change": row["cost"]} for row in rows],
    }
    return {
        "networks": [{key: each[key] for key in ("rule", "seed")} for each in networks],
        "cells": len(rows),
        **{name: auroc(told) for name, told in truths.items()},
        "push_alone": auroc([row | {"effect": row["push"]} for row in truths["legs"]]),
        "need_alone": auroc([row | {"effect": row["need"]} for row in truths["legs"]]),
        "factor_seen": auroc([row for row in truths["factor"] if not row["blind"]]),
        "factor_needed": auroc([row | {"effect": row["need"]} for row in truths["factor"]]),
        "factor_pushed": auroc([row | {"change": joint(row["true_push"], row["cost"])} for row in rows]),
        "shams": clustered([hits(each["shams"], rejected) for each in networks]),
        "none_told": clustered([hits(filter(does_nothing, each["rows"]), is_large) for each in networks]),
    }


def does_nothing(row: Row) -> bool:
    """Whether the concept hardly moves the score, or is hardly needed."""
    return abs(joint(row["true_push"], row["true_need"])) <= IRRELEVANT


def is_large(row: Row) -> bool:
    """Whether the joint number says what counts as relevant."""
    return bool(abs(row["effect"]) >= RELEVANT)


def promises(found: Facts) -> Iterator[Promise]:
    """The rows of docs/targets.json."""
    taken = {"area": "interventions", "commit": found["commit"], "machine": in_words(found["machine"])}

    def area(name: str, what: str, target: Target | None) -> Iterator[Promise]:
        cell = found[name]
        if cell["auroc"] is not None:
            n = cell["relevant"] + cell["irrelevant"]
            yield Promise(what=what, unit="", target=target, value=cell["auroc"], n=n, **taken)

    yield from area("legs", "joint verdict, truth both legs rendered anew: AUROC", at_least(0.98))
    yield from area("factor", "joint verdict, truth the factor changed in the class's own films: AUROC", at_least(0.92))
    yield from area(
        "factor_seen",
        "joint verdict, truth the factor changed, without the default class and the lack of motion: AUROC",
        None,
    )
    yield from area("factor_needed", "need alone, truth the factor changed: AUROC", at_least(0.92))
    yield from area(
        "factor_pushed", "joint verdict, truth the push rendered anew and the factor changed: AUROC", at_least(0.92)
    )
    yield from area("push_alone", "push alone, truth both legs rendered anew: AUROC", None)
    yield from area("need_alone", "need alone, truth both legs rendered anew: AUROC", None)
    for name, what, target in (
        ("none_told", "joint verdict of .5 σ or more where both legs rendered anew give .1 σ or less", None),
        (
            "shams",
            "removals elsewhere against each other, point null: rejected",
            at_most(0.07, on="high") if found["shams"]["of"] >= ENOUGH else None,
        ),
    ):
        if found[name]["of"]:
            yield Promise(what=what, unit="%", target=target, **ends(found[name]), **taken)


if __name__ == "__main__":
    main()
