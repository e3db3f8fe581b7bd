"""Writes docs/performance.md and its figure from the JSON in benchmarks/results.

python benchmarks/pages/performance.py
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "performance.md"
FIGURE = ROOT / "docs" / "images" / "tcav_against_captum.png"
Cells = Mapping[str, Mapping[str, Any]]

INTRO = """# What it costs

Written by `benchmarks/pages/performance.py` from `benchmarks/results/*.json`, which hold every sample; `make bench`
takes them anew, and `python benchmarks/SCRIPT.py --only TEXT` a part of them. Contestants of a table ran in one
process on the same clips, in alternating order, after one round that warms up (none where a cell was taken in
parts); given are medians with their quartiles.

"""
CAPTUM = """## Against captum's TCAV

`benchmarks/tcav_against_captum.py`: one concept against R random sets drawn from one pool (three times as large as
a set), three layers, one class; the same model, clips, sets, split and classifier (scikit-learn's ridge, the
kindest to captum: it is solved from inner products). *mended* is captum 0.9.0 with two swapped arguments of its
`AV.exists` call put right; as it is, it never finds what it stored and forwards the concept again for every random
set. *same scores* computes exactly what captum does; *whole study* is `tcav` with its null of 999 pseudo-concepts
or more, intervals and verdicts. In the cell *disjoint sets* no two random sets share a clip, so that every clip
must pass once whoever counts: what is left is what captum does twice. The layers have 32 768 to 602 112 numbers a
clip. Clips are few, so that 50 random sets can be waited for; the largest cells have the fewest.

Passes of every size warm up before the first round. Without a store `tcav` holds its rows in memory, so nothing is
written; the cells that go on from an earlier study have a store.

"""
FLOOR = """## Against the floor

`benchmarks/study_against_floor.py`: the same forward and backward passes in a bare loop, beside the whole study:
three layers, 20 random sets, 999 pseudo-concepts a layer, intervals, accuracies; on files with decoding, rows written
for the next try, and report too, all on one core. *stop*: passes of set clips end behind the last layer, as the study's
do. Clips are small (r3d_18: 8 × 64 × 64, swin3d_t: 16 × 112 × 112). Target: 1.10 × the bare passes.

"""
CAM = """## Grad-CAM

`benchmarks/cam_speed.py`: maps of one class, beside a bare loop of the same forward and backward passes; captum has one
layer a call. What the maps show is [another page](cam.md).

"""
MEMORY = """## Memory

`benchmarks/scale.py`: peak resident memory of runs of their own, with `--memory 64MiB`; [scale.md](scale.md) says what
it is made of.

"""
DECODING = """## Decoding

`benchmarks/decoding.py`: 16 frames of videos of 640 × 360 at 30 frames a second, a keyframe every 250 frames at
most, one thread each. *middle*: a fifteenth of a second apart from the middle; *spread*: evenly over the video.
Ours decodes in a process of its own, so that a file that crashes FFmpeg costs a sentence and not the study, and
checks every frame's place; that is some 3 ms a clip of 11 MB, which the shortest videos show. Target: at least the best
of the others, and reading beside passes within 1.1 × the longer of the two. All give the same pixels.

"""
TRIED = """## What was tried

| what | what came of it |
| --- | --- |
| eliminating a pseudo-concept once for all of its random sets, instead of a solve of all of its clips for each | the null at 0.3 × the time with a pool of 100 clips, 0.5 × with 200, 0.75 × with 300; taken where it is less work |
| drawing the null once for all layers | a quarter of a second a layer and thousand pseudo-concepts less; taken |
| ending passes of concept and random clips behind the last layer | 5 % of r3d_18's floor; taken |
| Cholesky (scipy `solve(assume_a="pos")`, torch) for the small solves | as slow as LU or slower, at 60 × 60; not taken |
| solves in single precision | 12 % faster, and scores that depend on rounding; not taken |
| one colour converter a file instead of one a frame | two milliseconds a frame; taken |
| leaving out frames that no other frame refers to | a third of H.264 decoding with B-frames; taken for codecs that can tell |
| keeping the container open between its index and its frames | six milliseconds a file; taken |
| xxh3 in the place of sha256 as the checksum of rows; one copy less of them; in memory while they fit | 0.6 s of 9.1 s of a study of r3d_18; taken |
| the decoding process's answers told by their length, not read byte by byte up to a line's end | half a millisecond a clip; taken |
| writing decoded pictures to the pipe one by one instead of stacked | as slow or slower; not taken |
| asking whether a sum is finite, and only if it is not, which of its numbers | 0.15 s of the same study; taken |
"""  # noqa: E501 - the rows of a table
SAME = (
    "Identical fits, identical scores: sign counts and held-out accuracies differ from captum's mended run by at most"
)
TARGET_TO_FLOOR = 1.10
FURTHER = ", a further CAV"
NO_GPU = """## On a GPU

Missing: no GPU was at hand when these results were taken.

"""


def main() -> None:
    """Writes page and figure; a part without results is left out."""
    parts = [INTRO]
    for script, text, title in (
        ("tcav_against_captum", CAPTUM, "captum"),
        ("study_against_floor", FLOOR, "floor"),
        ("cam_speed", CAM, "cam"),
        ("decoding", DECODING, "decoding"),
        ("scale", MEMORY, "memory"),
    ):
        path = RESULTS / f"{script}.json"
        if not path.is_file():
            continue
        cells: Cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        parts += [text, _devices(cells), "\n"]
        if title == "captum":
            _figure(cells)
            parts += ["![Seconds against R, ours and captum](images/tcav_against_captum.png)\n\n", *_captum(cells)]
        else:
            parts += {"floor": _floor, "cam": _cam, "decoding": _decoding, "memory": _memory}[title](cells)
        parts.append("\n")
    PAGE.write_text("".join([*parts, NO_GPU, TRIED]), encoding="utf-8")


def _devices(cells: Cells) -> str:
    """What the cells were taken on, a line for each kind of machine."""
    lines = []
    for cell in cells.values():
        machine = cell["machine"]
        versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items() if number != "absent")
        count = f"{machine['threads']} thread{'s' * (machine['threads'] > 1)}"
        lines.append(f"{machine['processor']}, {count} of {machine['cores']} cores; {versions}.\n")
    return "".join(dict.fromkeys(lines))


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(header)
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n"


def _seconds(row: Mapping[str, Any]) -> str:
    low, high = row["wall_seconds"]["quartiles"]
    return f"{row['wall_seconds']['median']:.2f} ({low:.2f} to {high:.2f})"


def _median(row: Mapping[str, Any], quantity: str, scale: float = 1.0) -> str:
    return f"{row[quantity]['median'] * scale:,.0f}" if quantity in row else ""


def _captum(cells: Cells) -> list[str]:
    rows, agreement = [], []
    further = {title: cell for title, cell in cells.items() if title.endswith(FURTHER)}
    for title, cell in cells.items():
        if title in further:
            continue
        contestants = cell["contestants"]
        ours = contestants["ours, same scores"]["wall_seconds"]["median"]
        for name, row in contestants.items():
            samples = len(row["wall_seconds"]["samples"])
            rows.append(
                [title, name, _seconds(row), f"{row['wall_seconds']['median'] / ours:.1f}", str(samples)]
                + [_median(row, quantity) for quantity in ("clips_forwarded", "clips_backward")]
                + [_median(row, quantity, 2**-20) for quantity in ("bytes_written", "peak_rss_bytes")]
            )
        layers = cell.get("findings", {}).values()
        apart = max((max(layer["sign_count_apart"], layer["accuracy_apart"]) for layer in layers), default=None)
        if apart is not None:
            agreement.append(apart)
    header = ("cell", "who", "seconds", "× ours", "repeats", "clips forward", "backward", "MiB written", "peak MiB")
    slopes = [
        f"{title.removesuffix(FURTHER)}: {cell['findings']['milliseconds_a_further_cav_and_layer']:.3f} ms ours, "
        f"{_slope(cells, title.removesuffix(FURTHER)):.0f} ms captum mended"
        for title, cell in further.items()
    ]
    cost = "A further CAV costs a layer (ours from R = 10 to 30 000 on stored rows, captum's from 10 to 50)"
    return [
        _table(header, rows),
        _against_targets(cells),
        f"{SAME} {max(agreement):.0e} in any cell (captum rounds shares to single precision).\n\n",
        f"{cost}: {'; '.join(slopes)}. {_null()}Target: 1 ms, whatever d.\n",
    ]


def _repeats(cells: Cells, title: str) -> int:
    """How many samples a cell has; none where it was not taken."""
    if title not in cells:
        return 0
    return len(next(iter(cells[title]["contestants"].values()))["wall_seconds"]["samples"])


def _against_targets(cells: Cells) -> str:
    """How many times faster the same scores are, against both captums, where a target was set."""
    lines = []
    for count, target in ((10, 5), (50, 20)):
        for model in ("r3d_18", "swin3d_t"):
            if title := next((name for name in cells if name == f"{model}, R = {count}"), None):
                walls = {who: row["wall_seconds"]["median"] for who, row in cells[title]["contestants"].items()}
                ours = walls["ours, same scores"]
                lines.append(
                    f"{title}: {walls['captum'] / ours:.1f} × faster than captum as it is, "
                    f"{walls['captum, mended'] / ours:.1f} × than captum mended (target {target} ×, "
                    f"{_repeats(cells, title)} repeats)"
                )
    reason = (
        "A mended captum passes R sets and the concept once, we the pool and the concept: with a pool of three sets "
        "that is 11 against 4 at R = 10, so there the passes alone forbid 5 ×."
    )
    return "; ".join(lines) + f". {reason}\n\n"


def _slope(cells: Cells, model: str) -> float:
    """Milliseconds that one more random set costs captum a layer, in processor time."""
    rows = [cells[f"{model}, R = {count}"]["contestants"]["captum, mended"] for count in (10, 50)]
    few, many = (row["processor_seconds"]["median"] for row in rows)
    return float(1000 * (many - few) / (50 - 10) / 3)


def _null() -> str:
    """What a CAV of a null costs, where that was measured."""
    path = RESULTS / "pseudo_concepts.json"
    if not path.is_file():
        return ""
    (cell,) = json.loads(path.read_text(encoding="utf-8"))["cells"].values()
    milliseconds = cell["findings"]["milliseconds_a_cav"]
    return f"In a null of 10 000 pseudo-concepts of 30 clips it is {milliseconds:.3f} ms (`pseudo_concepts.py`). "


def _floor(cells: Cells) -> list[str]:
    rows = []
    for title, cell in cells.items():
        for name, row in cell["contestants"].items():
            ratio = cell.get("findings", {}).get(f"study ÷ {name}")
            samples = str(len(row["wall_seconds"]["samples"]))
            memory = _median(row, "peak_rss_bytes", 2**-20)
            written = _median(row, "bytes_written", 2**-20)
            rows.append([title, name, _seconds(row), f"{ratio:.2f}" if ratio else "", samples, written, memory])
    header = ("cell", "what", "seconds", "the study is × this", "repeats", "MiB written", "peak MiB")
    shares = [
        f"{title}: {', '.join(f'{part} {100 * share:.1f} %' for part, share in cell['findings']['shares'].items())}"
        for title, cell in cells.items()
        if "shares" in cell.get("findings", {})
    ]
    where = f"Where the time of a study goes. {'; '.join(shares)}; the rest is reading, writing and the report.\n"
    return [_table(header, rows), _floor_missed(cells), where if shares else ""]


def _floor_missed(cells: Cells) -> str:
    """The cells that miss the target, and what they have beside the passes; it grows slower than passes do."""
    missed = []
    for title, cell in cells.items():
        walls = {name: row["wall_seconds"]["median"] for name, row in cell["contestants"].items()}
        if cell["findings"]["study ÷ bare passes"] > TARGET_TO_FLOOR:
            beside = walls["whole study"] - walls["bare passes"]
            missed.append(f"{title}, {beside:.1f} s beside {walls['bare passes']:.1f} s of passes")
    return f"Target missed: {'; '.join(missed)}.\n\n" if missed else ""


def _cam(cells: Cells) -> list[str]:
    names = list(dict.fromkeys(name for cell in cells.values() for name in cell["contestants"]))
    rows = []
    for title, cell in cells.items():
        found = cell["contestants"]
        bare = found["bare"]["wall_seconds"]["median"]
        walls = {name: row["wall_seconds"]["median"] for name, row in found.items()}
        rows.append(
            [title, *(f"{walls[name]:.2f} s, {walls[name] / bare:.2f} ×" if name in walls else "" for name in names)]
        )
    return [_table(("cell", *names), rows)]


def _memory(cells: Cells) -> list[str]:
    rows = [
        [f"{run['clips']:,}", f"{run['width']:,}"]
        + [
            f"{number / 2**20:,.0f}"
            for number in (
                4 * run["clips"] * run["width"],
                run["peak_bytes"] - run["before_bytes"],
                run["pass_bytes"],
            )
        ]
        for title in ("memory over clips", "memory over width")
        for run in cells.get(title, {}).get("findings", {}).get("runs", ())
    ]
    return [
        _table(("clips", "activations a clip", "MiB of activations", "MiB above the start", "of it a bare pass"), rows)
    ]


def _decoding(cells: Cells) -> list[str]:
    names: dict[str, None] = {}
    for cell in cells.values():
        names.update(dict.fromkeys(cell["findings"].get("clips_a_second", {})))
    rows, notes = [], []
    for title, cell in cells.items():
        found = cell["findings"]
        if "clips_a_second" in found:
            rates = [
                f"{found['clips_a_second'][name]:.1f}" if name in found["clips_a_second"] else "" for name in names
            ]
            decoded, best = found["frames_decoded_per_frame_used"], found["ours_to_best_other"]
            rows.append([title, *rates, f"{best:.2f}", f"{decoded:.1f}"])
        else:
            larger, whole = found["together_to_the_larger"], found["together_to_the_sum"]
            ratios = f"{larger:.2f} × the larger of the two alone, {whole:.2f} × their sum"
            notes.append(f"Reading ahead of passes ({title}, one thread each on two cores): {ratios}.\n")
    header = ("clips a second", *names, "ours ÷ the best other", "frames ours decodes for each one used")
    return [_table(header, rows), *notes]


def _figure(cells: Cells) -> None:
    styles = {
        "captum": ("#b2182b", "s", "-"),
        "captum, mended": ("#ef8a62", "^", "--"),
        "ours, whole study": ("#2166ac", "o", "-"),
        "ours, same scores": ("#67a9cf", "D", "--"),
    }
    models = [name for name in ("r3d_18", "swin3d_t") if f"{name}, R = 10" in cells]
    figure, axes = plt.subplots(1, len(models), figsize=(4.6 * len(models), 3.8), squeeze=False, layout="constrained")
    for axis, model in zip(axes[0], models, strict=True):
        counts = [count for count in (3, 10, 50) if f"{model}, R = {count}" in cells]
        for name, (colour, marker, line) in styles.items():
            rows = [cells[f"{model}, R = {count}"]["contestants"][name]["wall_seconds"] for count in counts]
            middle = [row["median"] for row in rows]
            spread = [
                [row["median"] - row["quartiles"][0] for row in rows],
                [row["quartiles"][1] - row["median"] for row in rows],
            ]
            axis.errorbar(
                counts, middle, yerr=spread, color=colour, marker=marker, linestyle=line, label=name, capsize=2
            )
        axis.set(xscale="log", yscale="log", xlabel="random sets R", ylabel="seconds", title=model)
        axis.set_xticks(counts, [str(count) for count in counts])
        axis.minorticks_off()
        ticks = [tick for tick in (3, 10, 30, 100, 300) if tick <= 1.5 * axis.get_ylim()[1]]
        axis.set_yticks(ticks, [str(tick) for tick in ticks])
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0][0].legend(frameon=False, fontsize=9)
    figure.savefig(FIGURE, dpi=160)


if __name__ == "__main__":
    main()
