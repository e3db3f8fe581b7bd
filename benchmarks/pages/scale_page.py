"""Writes docs/scale.md from benchmarks/results/scale.json and engines.json, and the words in scale.md.j2."""

from __future__ import annotations

from statistics import median
from typing import Any

from template import DOCS, cells, filled

from videotcav.study.cost_model import Costs, Rates, costs

PAGE = DOCS / "scale.md"
MEMORY_BYTES = 2 * 2**30
SET_CLIPS = 2000
CLASSES = 400
WIDTHS = {
    "features.2": 16 * 28 * 28 * 256,
    "features.4": 16 * 14 * 14 * 512,
    "features.6": 16 * 7 * 7 * 1024,
}
POOLED_OVER_SPACE = {"features.2": 16 * 256, "features.4": 16 * 512, "features.6": 16 * 1024}


def main() -> None:
    """Writes the page."""
    taken = cells("scale")
    found = {title: cell["findings"] for title, cell in taken.items()}
    memory = [run for title in found if title.startswith("memory over") for run in found[title]["runs"]]
    widths = WIDTHS
    rates = Rates(**found["rates of swin3d_b"]["rates"]) if "rates of swin3d_b" in found else None
    cases = [of_kinetics(240_000, widths, rates), of_kinetics(1_000_000, widths, rates)]
    pooled = of_kinetics(240_000, POOLED_OVER_SPACE, rates)
    machine = taken["cost model"]["machine"]
    engines = cells("engines")["passes"]
    text = filled(
        "scale.md.j2",
        stages=stages(found["cost model"]["runs"]),
        machine=f"{machine['processor']}, {machine['threads']} thread, torch {machine['versions']['torch']}",
        budget=size(found["memory over clips"]["budget_bytes"]),
        memory="\n".join(map(memory_row, memory)),
        layers=", ".join(f"`{layer}`" for layer in widths),
        width=sum(widths.values()),
        sets=SET_CLIPS,
        classes=CLASSES,
        paper="\n".join(paper_rows([*cases, pooled])),
        rated=rates is not None,
        processor=taken["rates of swin3d_b"]["machine"]["processor"] if rates is not None else "",
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
    shown = (f"{run['clips']:,}", f"{run['width']:,}", size(run["bytes_written"]), above, size(run["pass_bytes"]))
    return f"| {' | '.join(shown)} |"


def stages(runs: dict[str, list[dict[str, Any]]]) -> str:
    """The seconds that were planned of each stage on this machine, medians."""
    told = [run["stages"] for run in next(iter(runs.values()))]
    return ", ".join(f"{stage} {median(each[stage] for each in told):.1f} s" for stage in told[0])


def paper_rows(cases: list[Costs]) -> list[str]:
    """The table of what was not run."""
    rows = [
        ("store", [size(case.store_bytes) for case in cases]),
        ("operations in float64", [f"{case.operations:.1e}" for case in cases]),
        *(
            (f"hours of one such core: {stage}", [f"{case.seconds[stage] / 3600:,.0f}" for case in cases])
            for stage in ("passes", "products")
            if stage in cases[0].seconds
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
