"""Fills the tables of docs pages that people write: what stands between `<!-- table NAME -->` and `<!-- end -->`.

python benchmarks/pages/tables.py

`targets SCRIPT` in the place of a name gives the rows of docs/targets.json that the benchmark wrote.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from gallery_tables import GALLERY
from template import DOCS, cells, promised, table

from validation import targets
from validation.targets import told, value_in_words

PAGES = (
    "classic",
    "discover",
    "gallery/cut",
    "gallery/kinetics",
    "gallery/profiles",
    "gallery/tennis",
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


def arranged(script: str, pattern: str) -> str:
    """What a script promises: the rows that match as `targets.pivot` arranges them, then the others."""
    rows = targets.rows(script)
    others = [row for row in rows if not re.fullmatch(pattern, row.what)]
    return "\n\n".join([targets.pivot(rows, pattern), *([targets.table(others)] if others else [])])


TABLES: dict[str, Callable[[], str]] = {
    **GALLERY,
    "null_calibration": null_calibration,
    "interval_coverage": interval_coverage,
    "cam_why": cam_why,
    "box_precision": box_precision,
    "moments": moments,
    "moments_contrast": moments_contrast,
    "propose_throughput": propose_throughput,
    "edits_truth": partial(arranged, "validation/proof/edits_page.py", r"object edits by (?P<column>.+): (?P<line>.+)"),
    "edits_boxes": partial(
        arranged, "validation/proof/edits_boxes.py", r"object edits by box, (?P<line>.+): (?P<column>.+)"
    ),
    "edits_cameras": partial(
        arranged, "validation/proof/edits_cameras.py", r"object edits by (?P<column>.+), the camera moves: (?P<line>.+)"
    ),
    "joint": lambda: targets.table(targets.rows("validation/proof/joint_page.py")),
    "map_badges": partial(arranged, "benchmarks/map_badges.py", r"badge: (?P<line>.+) at (?P<column>.+), followed"),
    "cam_why_targets": partial(
        arranged, "benchmarks/cam_why.py", r"bundled Swin, (?P<line>.+?), (?P<column>(?:energy|pointing).+)"
    ),
}

if __name__ == "__main__":
    main()
