"""Writes docs/performance.md from the JSON in benchmarks/results and the words in performance.md.j2.

python benchmarks/pages/performance.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from template import DOCS, Cells, cells, filled, table

PAGE = DOCS / "performance.md"
SCRIPTS = ("tcav_against_captum", "study_against_floor", "cam_speed", "decoding")


def main() -> None:
    """Writes the page."""
    taken = [cells(name) for name in SCRIPTS]
    page = filled(
        "performance.md.j2",
        devices=devices(*taken),
        contrast_devices=devices(cells("contrast_cost"), cells("probe_cost")),
        captum_table=seconds({name: cell for name, cell in taken[0].items() if "further CAV" not in name}),
    )
    PAGE.write_text(page, encoding="utf-8")


def devices(*taken: Cells) -> str:
    """What the cells were taken on."""
    machines = [cell["machine"] for found in taken for cell in found.values()]
    words = (
        f"{each['processor']}, {each['threads']} of {each['cores']} cores, torch {each['versions']['torch']}"
        for each in machines
    )
    return "; ".join(dict.fromkeys(words))


def seconds(found: Cells) -> str:
    """The median time of every contestant, a line a cell."""
    names = list(dict.fromkeys(name for cell in found.values() for name in cell["contestants"]))
    rows = [
        [title, *(_seconds(cell["contestants"][name]) if name in cell["contestants"] else "–" for name in names)]
        for title, cell in found.items()
    ]
    return table(["seconds", *names], rows)


def _seconds(row: Mapping[str, Any]) -> str:
    return f"{row['wall_seconds']['median']:.1f}"


if __name__ == "__main__":
    main()
