"""Writes docs/scale.md from benchmarks/results/scale.json and engines.json."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import Any

from harness import RESULTS
from videotcav.explain.design.design import PART_BYTES
from videotcav.study.cost_model import Costs, Rates, costs

PAGE = Path(__file__).parents[1] / "docs" / "scale.md"
MEMORY_BYTES = 2 * 2**30
SET_CLIPS = 2000
CLASSES = 400
WIDTHS = {
    "features.2": 16 * 28 * 28 * 256,
    "features.4": 16 * 14 * 14 * 512,
    "features.6": 16 * 7 * 7 * 1024,
}
POOLED_OVER_SPACE = {"features.2": 16 * 256, "features.4": 16 * 512, "features.6": 16 * 1024}

RATED = """; hours are those that one core of {processor} would take, by its rates on
one clip, and are there for their proportions: take a GPU's own from `videotcav plan`, or state its rate of passes with
`--clips-per-second`"""

TEXT = """# From one laptop to all of Kinetics

*This page is written by `benchmarks/scale_page.py` from `benchmarks/results/scale.json` and `engines.json`.*

A study over 240 000 clips is the same command as one over 50. What the passes produce is kept as rows, one a clip and
layer, by what it was made of; everything after that reads rows in blocks.

## Nothing is passed twice

    videotcav run study.toml --store rows/                    # or s3://bucket/rows, with pip install "videotcav[s3]"

A row is found by the sha256 of the weights as they are loaded, of the network's structure and code, of the clip's
bytes, and by sampling, layer, pooling, precision, clips a pass, class and score (for gradients), and the versions of
what computed it. It is never found by a name, so nothing in a store can be out of date: whatever changes is another
row. A study that adds a concept, a class or a layer passes what is new, and no more. Several runs may share a store, at
the same time too.

Rows lie in shards (safetensors, with a checksum for every block of columns) that appear whole or not at all. One that
is damaged all the same is told in a sentence, removed, and its clips are passed again.

**Without `--store`** rows lie beside the run folder, as `.NAME-rows`, until the run is complete. So a run that is
killed at any moment goes on where it was when the same command is given again: no finished shard is computed again,
and the results are the same to the last bit. `tests/study/test_resume.py` kills forty runs at random moments.

**To the last bit** whatever came from the store: every pass has the same number of clips (the last is filled up), since
libraries choose other kernels, which round otherwise, for other sizes; and inner products are summed over grains of
256 rows and slices of 2048 columns in one order, whatever the memory, the threads and the shards.

The rows of another version of torch, numpy, PyAV or videotcav are not used. An old store can be removed; nothing else
refers to it.

## Memory

`videotcav run --memory` (2 GiB by default) bounds what inner products take beside the model and its passes. Pairs of
panels of rows are multiplied a block of columns at a time; Gram blocks that do not fit lie in files.

Peak resident memory of runs of their own, `--memory` {budget}:

| clips | activations a clip | rows in the store | before | peak | above the start | of it a bare pass |
| ---: | ---: | ---: | ---: | ---: | ---: | ---: |
{memory}

What still grows with the width of a row is the model's own pass: its clips' activations, their gradients, and what the
network keeps for its backward pass (taken alone in the last column).

## The cost model

`videotcav.study.cost_model.costs` with n set clips, m class clips of which m_k are of class k, and Σd activations
over all layers:

| stage | cost |
| --- | --- |
| clips | n + m hashed, decoded and brought to the model's input |
| passes | n + m forward, m of them also backward |
| store | 4 (n + m) Σd bytes, written once |
| products | 2 Σd (n (n + 1) / 2 + n m + Σ m_k (m_k + 1) / 2) operations in float64 |
| reading | 4 Σd bytes a row, once for every pair of panels that it is in |
| Gram blocks | 8 (n² + n m + m²) bytes a layer; between classes they stay empty |
| statistics | 8 · max(m², resamples · m · classes) bytes in memory, of the classes scored together: what {part} hold |

`videotcav plan` prints these for a study, before any pass. Bytes, reading and operations are held against counts and
hand calculations in `tests/study/test_cost_model.py`; seconds are estimates from `videotcav.study.cost_model.rates`.

Against measured runs of the bundled Video Swin at three layers, each with rates taken just before it, from one pass, 64
MiB of rows and 20 clips ({machine}). Clips are drawn, not decoded. Medians of {repeats} runs:

| clips | clips + passes + store + reading + products | predicted | measured | ratio | bytes predicted | written |
| ---: | --- | ---: | ---: | ---: | ---: | ---: |
{checked}

The estimate leaves out what no stage names, as looking up rows and beginning. Where cores are free, clips are decoded
while others pass, and the two stages take the time of the longer one.

## What an engine costs

`benchmarks/engines.py`: r3d_18 up to its first stage on clips of 16 × 112 × 112, {few} and {many} of them, one thread a
worker, by turns ({engine_machine}; medians of {engine_repeats}):

| engine | a further clip | × local | to start |
| --- | ---: | ---: | ---: |
{engines}

The start, a cluster's actors loading torch and the model, is paid once for the passes and once for the inner products,
however many clips there are. Beyond it a clip takes on Ray what it takes here: the target was 1.05 ×. Of two workers on
two cores each has half the memory's bandwidth. [Clusters](clusters.md) says how to use them.

## On paper: Kinetics-400 and a million clips

swin3d_b on 32 frames of 224 × 224 at {layers},
{width:,} activations a clip; {sets:,} concept and random clips, all others class clips of {classes} classes.
Nothing of this was run{rated}.

| | 240 000 clips | 1 000 000 clips | 240 000, pooled over space |
| --- | ---: | ---: | ---: |
{paper}

**Where it breaks first.**

1. *The null*, by the number of tests and not of clips: Holm over m tests needs at least m / 0.05 pseudo-concepts, and
   twice as many are drawn. 20 sets at three layers for {classes} classes are 24 000 tests and 960 000 pseudo-concepts,
   whose values alone would take hundreds of GiB. Declare hypotheses, which make the family.
2. *The store* without pooling: {unpooled}. `pooling = "space"` brings it to {pooled}.
3. *Time*: every shard of passes and every pair of panels is work of its own, so it divides by the workers.
4. The index of a shelf is read at the start, one request a shard; a shard of such wide rows holds one or two clips, so
   that an object store answers some {requests:,} requests a layer. Pooled, a shard holds 32 clips.

Not measured here: more than one machine, a GPU's passes, an object store over a network (the tests use a local S3
server).
"""


def main() -> None:
    """Writes the page."""
    cells = json.loads((RESULTS / "scale.json").read_text(encoding="utf-8"))["cells"]
    found = {title: cell["findings"] for title, cell in cells.items()}
    memory = [run for title in found if title.startswith("memory") for run in found[title]["runs"]]
    widths = WIDTHS
    rates = Rates(**found["rates of swin3d_b"]["rates"]) if "rates of swin3d_b" in found else None
    cases = [of_kinetics(240_000, widths, rates), of_kinetics(1_000_000, widths, rates)]
    pooled = of_kinetics(240_000, POOLED_OVER_SPACE, rates)
    sizes: dict[int, list[dict[str, Any]]] = {}
    for run in found["cost model"]["runs"]:
        sizes.setdefault(run["clips"], []).append(run)
    machine = cells["cost model"]["machine"]
    engines = json.loads((RESULTS / "engines.json").read_text(encoding="utf-8"))["cells"]["passes"]
    text = TEXT.format(
        checked="\n".join(map(checked_row, sizes.values())),
        machine=f"{machine['processor']}, {machine['threads']} thread, torch {machine['versions']['torch']}",
        budget=size(found["memory over clips"]["budget_bytes"]),
        memory="\n".join(map(memory_row, memory)),
        layers=", ".join(f"`{layer}`" for layer in widths),
        width=sum(widths.values()),
        sets=SET_CLIPS,
        classes=CLASSES,
        paper="\n".join(paper_rows([*cases, pooled])),
        part=size(PART_BYTES),
        repeats=len(found["cost model"]["runs"]) // len(sizes),
        rated=RATED.format(**machine) if rates else "",
        unpooled=size(cases[0].store_bytes),
        pooled=size(pooled.store_bytes),
        requests=240_000,
        few=engines["conditions"]["few"],
        many=engines["conditions"]["many"],
        engine_machine=f"{engines['machine']['processor']}, Ray {engines['machine']['versions']['ray']}",
        engine_repeats=len(next(iter(engines["contestants"].values()))["wall_seconds"]["samples"]),
        engines="\n".join(engine_rows(engines["findings"])),
    )
    PAGE.write_text(text, encoding="utf-8")
    print(PAGE.name)


def engine_rows(found: dict[str, dict[str, float]]) -> list[str]:
    """The table of engines."""
    a_clip, to_start = found["seconds_a_clip"], found["seconds_to_start"]
    return [
        f"| {name} | {seconds:.3f} s | {seconds / a_clip['local']:.2f} | {max(0.0, to_start[name]):.1f} s |"
        for name, seconds in a_clip.items()
    ]


def of_kinetics(clips: int, widths: dict[str, int], rates: Rates | None) -> Costs:
    """A study over so many clips, nearly all of them class clips."""
    of_class = [(clips - SET_CLIPS) // CLASSES] * CLASSES
    return costs(set_clips=SET_CLIPS, class_clips=of_class, widths=widths, memory_bytes=MEMORY_BYTES, rates=rates)


def memory_row(run: dict[str, Any]) -> str:
    """One run's line of the memory table."""
    above = size(run["peak_bytes"] - run["before_bytes"])
    shown = [size(run[name]) for name in ("bytes_written", "before_bytes", "peak_bytes")]
    return f"| {run['clips']:,} | {run['width']:,} | " + " | ".join([*shown, above, size(run["pass_bytes"])]) + " |"


def checked_row(runs: list[dict[str, Any]]) -> str:
    """The line of prediction and measurement of the runs of one size."""
    stages = [[run["predicted"]["seconds"][stage] for run in runs] for stage in runs[0]["predicted"]["seconds"]]
    predicted = [sum(seconds) for seconds in zip(*stages, strict=True)]
    measured = [run["measured"]["seconds"] for run in runs]
    ratios = [one / other for one, other in zip(predicted, measured, strict=True)]
    cells = [
        f"{runs[0]['clips']}",
        " + ".join(f"{median(seconds):.2f}" for seconds in stages) + " s",
        f"{median(predicted):.2f} s",
        f"{median(measured):.2f} s",
        f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
        size(runs[0]["predicted"]["store_bytes"]),
        size(runs[0]["measured"]["bytes_written"]),
    ]
    return f"| {' | '.join(cells)} |"


def paper_rows(cases: list[Costs]) -> list[str]:
    """The table of what was not run."""
    rows = [
        ("store", [size(case.store_bytes) for case in cases]),
        ("read from it for products", [size(case.read_bytes) for case in cases]),
        ("operations in float64", [f"{case.operations:.1e}" for case in cases]),
        ("Gram blocks' address space", [size(case.gram_bytes) for case in cases]),
        ("memory of the statistics", [size(case.statistics_bytes) for case in cases]),
        *(
            (f"hours of one such core: {stage}", [f"{case.seconds[stage] / 3600:,.0f}" for case in cases])
            for stage in cases[0].seconds
        ),
    ]
    return [f"| {name} | {' | '.join(values)} |" for name, values in rows]


def size(count: float) -> str:
    """Bytes for people."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if count < 1024:  # noqa: PLR2004 - the next unit
            return f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:,.0f} PiB"


if __name__ == "__main__":
    main()
