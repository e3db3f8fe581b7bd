"""The proof of edits: every network's facts, counted, as rows of docs/targets.json.

python -m validation.proof.edits_page              every small network, those that confirm first, then the rows
python -m validation.proof.edits_page --seeds 3 4   of these seeds
python -m validation.proof.edits_page --cached      of the networks whose facts are there already
python -m validation.proof.edits_page --page        rows from the results that are there

`python benchmarks/pages/tables.py` then fills the table of docs/validity-edits.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from validation.proof.contrast_page import CACHE
from validation.proof.contrast_page import RESULT as CONTRAST
from validation.proof.counting import Facts, Row, auroc, clustered, hits, moves, no_effect, right
from validation.proof.edits import CLIPS, NOT_COUNTED, OBJECTS, WAYS, edits_of_network, path_of
from validation.proof.harder_page import in_turn, is_small
from validation.proof.kept import of_each, write
from validation.proof.shares import ALPHA, ends
from validation.provenance import ROOT, in_words
from validation.targets import Promise, Target, Unit, at_least, at_most, record

SCRIPT = "validation/proof/edits_page.py"
RESULT = ROOT / "benchmarks" / "results" / "edits_truth.json"

WORDS = {"mask": "by mask", "box": "by box", "black": "by mask, filled with black"}
CLOSE = {"mask": 0.05, "box": 0.10}
ORDERED = {"mask": 0.9, "box": 0.8}
_RESAMPLES = 1000

Parts = Sequence[Sequence[Row]]
"""The cells of each network: one of each edit of each object, and class."""


def main() -> None:
    """One line a network, then the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=(0, 1, 2, 3, 4))
    parser.add_argument("--cached", action="store_true", help="only networks whose facts are there")
    parser.add_argument("--page", action="store_true", help="only write the rows again")
    arguments = parser.parse_args()
    if not arguments.page:
        own = (job for job in in_turn() if is_small(job) and job.seed in arguments.seeds)
        asked = (job for job in own if not arguments.cached or path_of(job, CACHE).exists())
        write(RESULT, summary(of_each(asked, partial(edits_of_network, cache=CACHE))))
    record(SCRIPT, promises(json.loads(RESULT.read_text(encoding="utf-8"))))


# --- counts ------------------------------------------------------------------------------------------------------


def summary(networks: Sequence[Facts]) -> dict[str, Any]:
    """All numbers, of the networks that learned their rule."""
    known = json.loads(CONTRAST.read_text(encoding="utf-8"))["networks"]
    learned = {(each["rule"], each["seed"]) for each in known if each["learned"] and each["architecture"] == "cnn"}
    asked = [each for each in networks if (each["rule"], each["seed"]) in learned]
    return {
        "clips": CLIPS,
        "networks": [
            {key: each[key] for key in ("rule", "seed", "architecture", "probe", "processor_seconds")} for each in asked
        ],
        "not_learned": len(networks) - len(asked),
        "ways": {way: counted([[row for row in each["rows"] if row["way"] == way] for each in asked]) for way in WAYS},
        "probe": clustered([[own_first(each["probe"]), 1] for each in asked if each["rule"] != NOT_COUNTED]),
    }


def counted(parts: Parts) -> Row:
    """The numbers of one way of editing."""
    parts = [[*map(with_order, part)] for part in parts]
    return {
        "ordered": spread(parts, median_order),
        "ordered_relevant": spread([list(filter(moves, part)) for part in parts], median_order),
        **{f"ordered_{who}": spread([_of(part, who) for part in parts], median_order) for who in OBJECTS},
        "error": spread(parts, mean_error),
        **{f"error_{who}": spread([_of(part, who) for part in parts], mean_error) for who in OBJECTS},
        "irrelevant": clustered([hits(filter(no_effect, part), is_told) for part in parts]),
        "irrelevant_raw": clustered(
            [hits(filter(no_effect, part), lambda row: row["raw_p"] <= ALPHA) for part in parts]
        ),
        "power": clustered([hits(filter(moves, part), is_told) for part in parts]),
        "auroc": auroc([row for part in parts for row in part]),
        "sign": clustered([hits(filter(moves, part), right) for part in parts]),
    }


def _of(rows: Sequence[Row], who: str) -> list[Row]:
    return [row for row in rows if row["object"] == who]


def is_told(row: Row) -> bool:
    """Whether the full rule says that the edit moves the score, at a nominal 5 % before correction."""
    return row["verdict"] in ("positive", "negative")


def with_order(row: Row) -> Row:
    """A cell with Spearman's correlation of edit and truth over its clips: counted once, and not in every draw.

    A cell whose truth is one number for all clips has none; one whose edit alone is so follows nothing: 0.
    """
    if np.ptp(row["truths"]) == 0:
        return row | {"ordered": None}
    is_flat = np.ptp(row["changes"]) == 0
    return row | {"ordered": 0.0 if is_flat else float(spearmanr(row["changes"], row["truths"]).statistic)}


def median_order(rows: Sequence[Row]) -> tuple[float, int]:
    """The median of cells' correlations, and of how many."""
    found = [row["ordered"] for row in rows if row["ordered"] is not None]
    return (float(np.median(found)) if found else float("nan")), len(found)


def mean_error(rows: Sequence[Row]) -> tuple[float, int]:
    """By how much the mean over a cell's clips misses the truth's, on average; and of how many cells."""
    misses = [abs(row["mean"] - row["change"]) for row in rows]
    return (float(np.mean(misses)) if misses else float("nan")), len(misses)


def spread(parts: Parts, statistic: Callable[[Sequence[Row]], tuple[float, int]]) -> Row:
    """A statistic of all cells with its 95 % interval, networks drawn again; no interval of one network."""
    value, count = statistic([row for part in parts for row in part])
    if not count:
        return {"value": None, "n": 0}
    row: Row = {"value": value, "n": count}
    if len(parts) > 1:
        drawn = np.random.default_rng(0).integers(len(parts), size=(_RESAMPLES, len(parts)))
        values = [statistic([row for number in numbers for row in parts[number]])[0] for numbers in drawn]
        low, high = np.nanquantile(values, [0.025, 0.975]).tolist()
        row |= {"low": min(low, value), "high": max(high, value)}
    return row


def own_first(probe: Row) -> bool:
    """Whether the rule's own edits come first, in any order."""
    return set(probe["first"][: len(probe["own"])]) == set(probe["own"])


# --- promises ----------------------------------------------------------------------------------------------------


def promises(found: Facts) -> Iterator[Promise]:
    """The rows of docs/targets.json: by mask and by box held to targets, black reported."""
    taken = {"area": "interventions", "commit": found["commit"], "machine": in_words(found["machine"])}
    for way, of in found["ways"].items():
        yield from of_a_way(f"object edits {WORDS[way]}", way, of, taken)
    if found["probe"]["of"]:
        what = "probe: the largest ranked edit is the network's own, ρ = 0.7 not counted"
        yield Promise(what=what, unit="%", target=at_least(0.95), **taken, **ends(found["probe"]))


def of_a_way(words: str, way: str, of: Facts, taken: Facts) -> Iterator[Promise]:
    """The rows of one way of editing, whose numbers are `of` it."""

    def told(what: str, unit: Unit, target: Target | None, row: Facts) -> Iterator[Promise]:
        if row["n"]:
            yield Promise(what=f"{words}: {what}", unit=unit, target=target, **taken, **row)

    def share(what: str, cell: Facts, target: Target | None = None) -> Iterator[Promise]:
        yield from told(what, "%", target, ends(cell))

    number, is_held = partial(told, unit=""), way != "black"
    yield from number(
        "rank correlation with the scene rendered anew over a cell's clips, median of cells",
        target=at_least(ORDERED[way]) if is_held else None,
        row=of["ordered"],
    )
    yield from number("the same of relevant cells", target=None, row=of["ordered_relevant"])
    yield from number(
        "mean error of a class's mean, in σ", target=at_most(CLOSE[way]) if is_held else None, row=of["error"]
    )
    for who in OBJECTS:
        yield from number(f"the rank correlation, {who} alone", target=None, row=of[f"ordered_{who}"])
        yield from number(f"the mean error, {who} alone", target=None, row=of[f"error_{who}"])
    upper = at_most(0.05, on="high") if is_held else None
    yield from share("irrelevant ones rejected by the full rule", of["irrelevant"], upper)
    yield from share("irrelevant ones rejected by the raw test alone", of["irrelevant_raw"])
    yield from share("relevant ones found by the full rule before correction", of["power"])
    area = of["auroc"]
    yield from number(
        "relevant against irrelevant, AUROC",
        target=at_least(0.97) if is_held else None,
        row={"value": area["auroc"], "n": 0 if area["auroc"] is None else area["relevant"] + area["irrelevant"]},
    )
    yield from share("sign of relevant ones right", of["sign"], at_least(0.99) if is_held else None)


if __name__ == "__main__":
    main()
