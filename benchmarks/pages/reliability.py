"""Writes docs/reliability.md from the JSON in benchmarks/results and the words in reliability.md.j2.

python benchmarks/pages/reliability.py
"""

from __future__ import annotations

import re

from template import DOCS, cells, filled

from validation.provenance import ROOT

PAGE = DOCS / "reliability.md"
OUTCOMES = ("same", "refused", "unknowable")


def main() -> None:
    """The page, with the sections whose results are there. SystemExit where it names a test that is gone."""
    page = filled(
        "reliability.md.j2",
        outcomes=OUTCOMES,
        faults=lambda counts: sum(n for outcome, n in counts.items() if outcome not in OUTCOMES),
        inputs=cells("hostile_inputs"),
        killed=cells("killed_runs"),
        load=cells("review_load"),
    )
    for test in re.findall(r"`(?:tests/)?((?:\w+/)*test_\w+\.py)`", page):
        if not (ROOT / "tests" / test).is_file():
            raise SystemExit(f"the page names a test that is gone: {test}")
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
