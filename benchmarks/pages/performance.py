"""Writes docs/performance.md and its figure from the JSON in benchmarks/results and the words in performance.md.j2.

python benchmarks/pages/performance.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
from template import DOCS, Cells, cells, filled

PAGE = DOCS / "performance.md"
FIGURE = DOCS / "images" / "tcav_against_captum.png"
FURTHER = ", a further CAV"


def main() -> None:
    """Writes page and figure; a part without results is left out."""
    against, passes, maps, decoders, memory = map(
        cells, ("tcav_against_captum", "study_against_floor", "cam_speed", "decoding", "scale")
    )
    if against:
        _figure(against)
    facts = {
        **(captum(against) if against else {}),
        **floor(passes),
        **cam(maps),
        **decoding(decoders),
        "memory": memory,
        "memory_rows": memory_rows(memory),
    }
    page = filled(
        "performance.md.j2",
        captum=against,
        floor=passes,
        contrast=cells("contrast_cost"),
        probe=cells("probe_cost"),
        cam=maps,
        decoding=decoders,
        devices=devices,
        **facts,
    )
    PAGE.write_text(page, encoding="utf-8")


def devices(found: Cells) -> str:
    """What the cells were taken on, a line for each kind of machine."""
    lines = []
    for cell in found.values():
        machine = cell["machine"]
        versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items() if number != "absent")
        count = f"{machine['threads']} thread{'s' * (machine['threads'] > 1)}"
        lines.append(f"{machine['processor']}, {count} of {machine['cores']} cores; {versions}.")
    return "\n".join(dict.fromkeys(lines))


def seconds(row: Mapping[str, Any]) -> str:
    """The median and the quartiles of a contestant's times."""
    low, high = row["wall_seconds"]["quartiles"]
    return f"{wall(row):.2f} ({low:.2f} to {high:.2f})"


def wall(row: Mapping[str, Any]) -> float:
    """The median of a contestant's times, in seconds."""
    return float(row["wall_seconds"]["median"])


def repeats(row: Mapping[str, Any]) -> int:
    """How many samples a contestant has."""
    return len(row["wall_seconds"]["samples"])


def median(row: Mapping[str, Any], quantity: str, scale: float = 1.0) -> str:
    """The median of another quantity, where it was metered."""
    return f"{row[quantity]['median'] * scale:,.0f}" if quantity in row else ""


def captum(found: Cells) -> dict[str, Any]:
    """What the section on captum tells."""
    rows, slopes = [], []
    for title, cell in found.items():
        contestants, model = cell["contestants"], title.removesuffix(FURTHER)
        if model != title:
            slopes.append((model, _slope(found, model)))
            continue
        ours = wall(contestants["ours, same scores"])
        for name, row in contestants.items():
            rows.append(
                [title, name, seconds(row), f"{wall(row) / ours:.1f}", str(repeats(row))]
                + [median(row, quantity) for quantity in ("clips_forwarded", "clips_backward")]
                + [median(row, quantity, 2**-20) for quantity in ("bytes_written", "peak_rss_bytes")]
            )
    return {"captum_rows": rows, "slopes": slopes}


def _slope(found: Cells, model: str) -> float:
    """Milliseconds that one more random set costs captum a layer, in processor time."""
    rows = [found[f"{model}, R = {count}"]["contestants"]["captum, mended"] for count in (10, 50)]
    few, many = (row["processor_seconds"]["median"] for row in rows)
    return float(1000 * (many - few) / (50 - 10) / 3)


def floor(found: Cells) -> dict[str, Any]:
    """What the section on the floor tells."""
    rows = []
    for title, cell in found.items():
        contestants = cell["contestants"]
        for name, row in contestants.items():
            ratio = cell["findings"].get(f"study ÷ {name}")
            metered = [median(row, quantity, 2**-20) for quantity in ("bytes_written", "peak_rss_bytes")]
            rows.append([title, name, seconds(row), f"{ratio:.2f}" if ratio else "", str(repeats(row)), *metered])
    shares = {title: cell["findings"]["shares"] for title, cell in found.items() if "shares" in cell["findings"]}
    return {"floor_rows": rows, "shares": shares}


def cam(found: Cells) -> dict[str, Any]:
    """The table of Grad-CAM."""
    names = list(dict.fromkeys(name for cell in found.values() for name in cell["contestants"]))
    rows = []
    for title, cell in found.items():
        walls = {name: wall(row) for name, row in cell["contestants"].items()}
        shown = (f"{walls[name]:.2f} s, {walls[name] / walls['bare']:.2f} ×" if name in walls else "" for name in names)
        rows.append([title, *shown])
    return {"cam_header": ["cell", *names], "cam_rows": rows}


def memory_rows(found: Cells) -> list[list[str]]:
    """The table of memory."""
    rows = []
    for title in ("memory over clips", "memory over width"):
        for run in found.get(title, {}).get("findings", {}).get("runs", ()):
            sizes = (4 * run["clips"] * run["width"], run["peak_bytes"] - run["before_bytes"], run["pass_bytes"])
            counts = [f"{run[name]:,}" for name in ("clips", "width")]
            rows.append(counts + [f"{number / 2**20:,.0f}" for number in sizes])
    return rows


def decoding(found: Cells) -> dict[str, Any]:
    """The table of decoders."""
    raced = {title: cell["findings"] for title, cell in found.items() if "clips_a_second" in cell["findings"]}
    names = list(dict.fromkeys(name for each in raced.values() for name in each["clips_a_second"]))
    rows = []
    for title, each in raced.items():
        rates = each["clips_a_second"]
        shown = [f"{rates[name]:.1f}" if name in rates else "" for name in names]
        last = [f"{each['ours_to_best_other']:.2f}", f"{each['frames_decoded_per_frame_used']:.1f}"]
        rows.append([title, *shown, *last])
    return {"decoders": names, "decoding_rows": rows}


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
