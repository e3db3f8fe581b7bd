"""How often the bundled Video Swin is right on held-out scenes: written as H.264 files and read back.

The scenes are a stream that no training run drew, other than that of the log beside the weights.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness import Book, Cells, options, taken
from validation.proof.shares import ends, rate
from validation.targets import Promise, at_least
from validation.train_swin import evaluate
from videotcav.models.load import load_model

STREAM = (2, 1)  # seed, and the second of its streams, which never meets the one that training draws from


def promises(cells: Cells) -> Iterator[Promise]:
    """Right on 95 % of held-out scenes at least."""
    for title, cell in cells.items():
        found = cell["findings"]
        share = rate(round(found["accuracy"] * found["held_out_clips"]), found["held_out_clips"])
        yield Promise(
            area="statistics",
            what=f"the bundled Video Swin is right, {title}",
            unit="%",
            target=at_least(0.95),
            **ends(share),
            **taken(cell),
        )


def main() -> None:
    """Measures and writes down."""
    parser = options(__doc__)
    parser.add_argument("--clips", type=int, default=1000)
    arguments = parser.parse_args()
    book = Book(__file__, "the bundled Video Swin on held-out scenes", arguments, promises)
    for title in book.wanted("held-out scenes on video files"):
        rng = np.random.default_rng(STREAM)
        book.note(title, **evaluate(load_model("planted:swin").module, clips=arguments.clips, rng=rng))


if __name__ == "__main__":
    main()
