"""Fills the tables of docs pages that people write: what stands between `<!-- table NAME -->` and `<!-- end -->`.

python benchmarks/pages/tables.py

`targets SCRIPT` in the place of a name gives the rows of docs/targets.json that the benchmark wrote.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from template import DOCS, cells, promised, table

from validation import targets
from validation.targets import told, value_in_words

PAGES = (
    "classic",
    "gallery/cut",
    "gallery/ucf50",
    "planted",
    "review",
    "validity-boxes",
    "validity-edits",
    "validity-maps",
    "validity-moments",
)
PLACE = re.compile(r"(?<=<!-- table )(?P<name>.+?)(?P<middle> -->\n)(?P<old>.*?)(?=<!-- end -->)", re.DOTALL)


def main() -> None:
    """Writes the pages."""
    for name in PAGES:
        page = DOCS / f"{name}.md"
        page.write_text(filled_in(page.read_text(encoding="utf-8")), encoding="utf-8")


def filled_in(page: str) -> str:
    """The page with its tables made anew. KeyError where it asks for one that there is not."""

    def made(place: re.Match[str]) -> str:
        name = place["name"]
        what, _, script = name.partition(" ")
        text = promised(script) if what == "targets" and script else TABLES[name]()
        return f"{name}{place['middle']}{text}\n"

    return PLACE.sub(made, page)


def null_calibration() -> str:
    """False positives of three tests by world, of the rows of docs/targets.json."""
    tests = ("set-level randomisation", "two-sample t", "one-sample t")
    found = {row.what: row for row in targets.rows("benchmarks/null_calibration.py")}
    rows = []
    for world in cells("null_calibration"):
        ours, two, one = (found[f"Gaussian false positives at a nominal 5 %, {test}, {world}"] for test in tests)
        rows.append([world, value_in_words(ours), *(told(row.value or 0, "%") for row in (two, one))])
    return table(("random clips and sets", "set-level", "two-sample t", "one-sample t against 0.5"), rows)


def interval_coverage() -> str:
    """How often intervals cover, by world."""
    rows = []
    for world, cell in cells("interval_coverage").items():
        ours = (told(share, "%") for share in cell["findings"]["covered"])
        plain = " · ".join(told(share, "%") for share in cell["findings"]["covered_by_plain_bootstrap"])
        rows.append([world, *ours, plain])
    return table(("world", "`sign_count`", "`sensitivity`", "`cosine`", "plain bootstrap, the same three"), rows)


def cam_why() -> str:
    """Energy on the object / pointing in space / in time, of every method at each layer."""
    taken = {title: cell["findings"] for title, cell in cells("cam_why").items()}
    layers = [title.removeprefix("maps of ") for title in sorted(taken) if title.startswith("maps of ")]
    rows = [
        [method, *(_measures(taken[f"maps of {layer}"][method]) for layer in layers)]
        for method in taken[f"maps of {layers[0]}"]
    ]
    best = [_measures(taken[f"grid of {layer}"], time=False) for layer in layers]
    return table(("", *layers), [*rows, ["*the object's box itself, on that grid*", *best]])


def _measures(found: Mapping[str, float], *, time: bool = True) -> str:
    moment = f"{found['pointing_in_time']:.2f}" if time else "–"
    return f"{found['on_the_object']:.1f} / {found['pointing_in_space']:.2f} / {moment}"


def cam_speed() -> str:
    """What maps of r3d_18 cost, at one layer and at three."""
    one, three = (
        cells("cam_speed")[f"r3d_18, 8 × 112 × 112, {layers}"]["contestants"] for layers in ("1 layer", "3 layers")
    )

    def wall(who: str, race: Mapping[str, Any]) -> str:
        mine, bare = (race[name]["wall_seconds"]["median"] for name in (who, "bare"))
        return f"{mine:.2f} s, {mine / bare:.2f} ×"

    rows = [[who, wall(who, one), wall(who, three), f"{three[who]['clips_forwarded']['median']:.0f}"] for who in three]
    return table(("r3d_18, 8 × 112 × 112", "one layer", "three layers", "clips passed forward, three layers"), rows)


def box_precision() -> str:
    """Boxes that a person found right, by detector and label."""
    (cell,) = cells("box_precision").values()
    labels = ("person", "tennis racket", "sports ball", "all")
    rows = []
    for detector in ("yolox_nano_416", "yolov5n_coco_640", "both", "both, score ≥ 0.4"):
        found = [cell["findings"][f"{label}, {detector}"] for label in labels]
        rows.append([detector, *(f"{each['hits']}/{each['of']}" for each in found)])
    return table(("right", "person", "racket", "ball", "all"), rows)


def moments() -> str:
    """Of events at different moments: how many rows find something, and how many of these say the opposite."""
    (cell,) = cells("moments").values()
    every = cell["findings"]["rows"]

    def told_of(asked: list[Mapping[str, Any]]) -> str:
        found = [row for row in asked if row["verdict"] in ("positive", "negative")]
        opposite = [row for row in found if row["is_opposite"]]
        names = ", ".join(dict.fromkeys(row["concept"] for row in opposite))
        return f"{len(found)} of {len(asked)}, {len(opposite)}" + f" ({names})" * bool(names)

    rows = []
    for align, pooling in dict.fromkeys((row["align"], row["pooling"]) for row in every):
        of = [row for row in every if (row["align"], row["pooling"]) == (align, pooling)]
        said = [told_of([row for row in of if row["statistic"] == statistic]) for statistic in ("cosine", "shift")]
        rows.append([align, pooling, *said])
    return table(("`align`", "`pooling`", "classic: found, opposite of the truth", "shift: found, opposite"), rows)


def moments_contrast() -> str:
    """What each event does to the score, re-rendered, and what contrast says of it."""
    (cell,) = cells("moments").values()
    rows = []
    for concept, truth in cell["findings"]["truth"].items():
        said = [row for row in cell["findings"]["rows"] if row["statistic"] == "contrast" and row["concept"] == concept]
        told_of = [f"{row['value']:+.1f} σ, *{row['verdict']}*" for row in said]
        rows.append([concept, f"{truth['effect']:+.1f} σ ({truth['low']:+.1f} to {truth['high']:+.1f})", *told_of])
    aligned = [f'contrast, align = "{align}"' for align in ("none", "event")]
    return table(("", "put into the pool's own films", *aligned), rows)


def gallery_cut() -> str:
    """What edits of films with a cut do to the logit of cut."""
    (cell,) = cells("gallery_cut").values()
    found = cell["findings"]
    rows = [["as it is", f"{found['found']} of {found['films']}", f"(logit {found['logit']:+.1f})"]]
    for name, edit in found["edits"].items():
        moved = f"{edit['change']:+.1f} ({edit['low']:+.1f} to {edit['high']:+.1f})"
        rows.append([name, f"{edit['found']} of {found['films']}", moved])
    return table(("the film", "called *cut*", "change of the logit, 95 %"), rows)


def gallery_cut_default() -> str:
    """What each event does to the score, and what contrast, the old default and the new layer row say of it."""
    (cell,) = cells("moments").values()
    findings = cell["findings"]
    rows = []
    for concept, truth in findings["truth"].items():
        own = [
            row
            for row in findings["rows"]
            if (row["concept"], row["align"], row["pooling"]) == (concept, "none", "none")
            and row["layer"] in {"", "network.SDDCNN.2"}
        ]
        said = {row["statistic"]: row["verdict"] for row in own}
        wrong = {row["statistic"] for row in own if row["is_opposite"]}
        told_of = [f"*{said[each]}*" + ", **opposite**" * (each in wrong) for each in ("contrast", "cosine", "shift")]
        rows.append([concept, f"{truth['effect']:+.1f} σ", *told_of])
    return table(("put into films without", "truth", "contrast", "classic cosine", "shift"), rows)


def gallery_ucf50() -> str:
    """The reliance of two networks on what edits take away, class by class."""
    (cell,) = cells("gallery_ucf50").values()
    every = cell["findings"]["rows"]
    of = list(dict.fromkeys((row["model"], row["class_name"]) for row in every))
    rows = []
    for edit in dict.fromkeys(row["edit"] for row in every):
        found = {(row["model"], row["class_name"]): row for row in every if row["edit"] == edit}
        rows.append([f"`{edit}`", *(_reliance(found[each]) for each in of)])
    return table(("edit", *(f"{model}, {name}" for model, name in of)), rows)


def gallery_ucf50_differences() -> str:
    """How much more one network needs its colours than the other."""
    (cell,) = cells("gallery_ucf50").values()
    rows = [
        [row["class_name"], f"{row['difference']:+.2f} ({row['low']:+.2f} to {row['high']:+.2f})", f"{row['clips']}"]
        for row in cell["findings"]["differences"]
        if row["edit"] == "grey"
    ]
    return table(("without colour", "ConvLSTM minus LRCN, σ", "windows"), rows)


def _reliance(row: Mapping[str, Any]) -> str:
    if row["effect"] is None:
        return "–"
    if row["low"] is None:
        return f"{row['effect']:+.2f}"
    mark = "" if row["verdict"] == "undecided" else f", *{row['verdict']}*"
    return f"{row['effect']:+.2f} ({row['low']:+.2f} to {row['high']:+.2f}){mark}"


def propose_throughput() -> str:
    """Frames a second of detectors alone and in the pipeline, and processor time a frame."""
    rows = []
    for title, cell in cells("propose_throughput").items():
        if "contestants" in cell:
            frames = cell["conditions"]["frames"]
            seconds = [cell["contestants"][who] for who in ("bare", "pipeline")]
            rates = [f"{frames / each['wall_seconds']['median']:.1f} frames/s" for each in seconds]
            spent = [f"{1000 * each['processor_seconds']['median'] / frames:.0f}" for each in seconds]
            rows.append([title, *rates, " → ".join(spent)])
    return table(("detector", "alone", "pipeline", "processor, ms a frame"), rows)


def proof(name: str) -> str:
    """What a part of the proof promises: its rows of docs/targets.json."""
    return targets.table(targets.rows(f"validation/proof/{name}.py"))


TABLES: dict[str, Callable[[], str]] = {
    "null_calibration": null_calibration,
    "interval_coverage": interval_coverage,
    "cam_why": cam_why,
    "cam_speed": cam_speed,
    "box_precision": box_precision,
    "gallery_cut": gallery_cut,
    "gallery_cut_default": gallery_cut_default,
    "gallery_ucf50": gallery_ucf50,
    "gallery_ucf50_differences": gallery_ucf50_differences,
    "moments": moments,
    "moments_contrast": moments_contrast,
    "propose_throughput": propose_throughput,
    "edits_truth": partial(proof, "edits_page"),
    "edits_boxes": partial(proof, "edits_boxes"),
    "edits_cameras": partial(proof, "edits_cameras"),
    "joint": partial(proof, "joint_page"),
}

if __name__ == "__main__":
    main()
