"""Fills the tables of docs pages that people write: what stands between `<!-- table NAME -->` and `<!-- end -->`.

python benchmarks/pages/tables.py

`targets SCRIPT` in the place of a name gives the rows of docs/targets.json that the benchmark wrote.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from template import DOCS, cells, promised, table

from validation import targets
from validation.targets import told, value_in_words

PAGES = (
    "classic",
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
PROFILED = ("still", "shuffle", "reverse", "grey", "still part", "moving places")
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


def gallery_kinetics() -> str:
    """What `plan` says of the studies of Kinetics-400 and Something-Something v2."""
    found = [cell["findings"] for cell in cells("gallery_kinetics").values()]
    more = [each["map_passes"] + each["edit_passes"] + each["share_passes"] for each in found]
    rows = [
        ["clips forward, of them backward", *(f"{each['clips_forward']}, {each['clips_backward']}" for each in found)],
        ["more, at most: edits, maps", *(f"{count:,}" for count in more)],
        ["rows on disk", *(f"{each['store_bytes'] / 2**30:.1f} GiB" for each in found)],
        ["passes a second, *stated*", *(f"{each['passes_a_second']:.0f}" for each in found)],
        *(
            [f"{name}: passes + rows", *(_gpu_and_core(each["stages"], workers) for each in found)]
            for name, workers in (("one GPU and core", 1), ("eight", 8))
        ),
    ]
    return table(("", "playing tennis", "pushing right or left"), rows)


def _gpu_and_core(stages: Mapping[str, float], workers: int) -> str:
    """Minutes of a GPU's passes, and of a core that writes, reads and multiplies rows."""
    alone = stages["maps"] + stages["shares"]
    passes = alone + (stages["passes"] + stages["edits"]) / workers
    rows = (stages["store"] + stages["reading"] + stages["products"]) / workers
    return f"{passes / 60:.1f} + {rows / 60:.1f} min"


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


def gallery_tennis() -> str:
    """What two networks of tennis strokes lose by each edit, over the clips that carry the mark, and the difference."""
    every = {title: cell["findings"] for title, cell in cells("gallery_tennis").items()}
    rows = []
    for question, found in every.items():
        of = found["pooled"]["with the mark"]
        told_of = [_with_ends(of[name]) for name in ("random-split", "scene-split", "difference")]
        rows.append([question, *told_of, f"{of['difference']['clips']}"])
    return table(("without", "random split, σ", "scene split, σ", "difference", "clips"), rows)


def gallery_tennis_strokes() -> str:
    """What filling the mark's corner does to the score of each stroke."""
    found = cells("gallery_tennis")["watermark"]["findings"]
    rows = []
    for apart in found["differences"]:
        of = {row["model"]: row for row in found["rows"] if row["class_name"] == apart["class_name"]}
        said = [_reliance(of[name]) for name in ("random-split", "scene-split")]
        difference = _with_ends({**apart, "value": apart["difference"]})
        rows.append([apart["class_name"], *said, difference, f"{apart['sources']}"])
    return table(("", "random split, σ", "scene split, σ", "difference", "scenes"), rows)


def gallery_tennis_right() -> str:
    """How many held-out clips are right, as they are and with the mark's corner filled."""
    found = cells("gallery_tennis")["watermark"]["findings"]["right"]
    rows = []
    for network in ("random-split", "scene-split"):
        for of, each in found[network].items():
            before, after, change = (each[when] for when in ("before", "after", "change"))
            ends = f"{100 * change['value']:+.0f} ({100 * change['low']:+.0f} to {100 * change['high']:+.0f})"
            shares = (f"{100 * share['value']:.0f} %" for share in (before, after))
            rows.append([f"{network.replace('-', ' ')}, {of}", f"{before['clips']}", *shares, ends])
    return table(("held out", "clips", "as they are", "corner filled", "change, points"), rows)


def _with_ends(row: Mapping[str, Any]) -> str:
    return f"{row['value']:+.2f} ({row['low']:+.2f} to {row['high']:+.2f})"


@dataclass(frozen=True)
class Profiled:
    """What an edit does to a network's classes: a row a class of which it could be told."""

    rows: list[Mapping[str, Any]]

    @property
    def words(self) -> str:
        """The mean effect, and how many classes fall beyond doubt, of how many."""
        if not self.rows:
            return "–"
        mean = sum(row["effect"] for row in self.rows) / len(self.rows)
        said = [row["verdict"] for row in self.rows]
        return f"{mean:+.2f} ({said.count('negative')}/{len(said)})"


def profiles() -> dict[str, dict[str, Profiled]]:
    """Of every network of the gallery what each ranked edit does."""
    told_of = {title: cell["findings"]["rows"] for title, cell in cells("gallery_profiles").items()}
    for cell in cells("gallery_ucf50").values():
        for row in cell["findings"]["rows"]:
            name = {"lrcn": "LRCN, UCF50", "convlstm": "ConvLSTM, UCF50"}[row["model"]]
            told_of.setdefault(name, []).append(row)
    return {
        title: {
            edit: Profiled([row for row in rows if row["edit"] == edit and row["effect"] is not None])
            for edit in PROFILED
        }
        for title, rows in told_of.items()
    }


def gallery_profiles() -> str:
    """A row a network: the mean effect of each edit, and how many of its classes fall."""
    rows = [[title, *(row[edit].words for edit in PROFILED)] for title, row in profiles().items()]
    return table(("network", *(f"`{edit}`" for edit in PROFILED)), rows)


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


def arranged(script: str, pattern: str) -> str:
    """What a script promises: the rows that match as `targets.pivot` arranges them, then the others."""
    rows = targets.rows(script)
    others = [row for row in rows if not re.fullmatch(pattern, row.what)]
    return "\n\n".join([targets.pivot(rows, pattern), *([targets.table(others)] if others else [])])


TABLES: dict[str, Callable[[], str]] = {
    "null_calibration": null_calibration,
    "interval_coverage": interval_coverage,
    "cam_why": cam_why,
    "box_precision": box_precision,
    "gallery_cut": gallery_cut,
    "gallery_cut_default": gallery_cut_default,
    "gallery_kinetics": gallery_kinetics,
    "gallery_profiles": gallery_profiles,
    "gallery_ucf50": gallery_ucf50,
    "gallery_ucf50_differences": gallery_ucf50_differences,
    "gallery_tennis": gallery_tennis,
    "gallery_tennis_strokes": gallery_tennis_strokes,
    "gallery_tennis_right": gallery_tennis_right,
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
