"""Two networks that someone else trained on UCF50, probed side by side on the windows of examples/ucf50/clips.csv.

Their code, weights (MIT) and videos lie outside the project; the variable UCF50 names their folder. The probe's
folder is kept, and read again where it is there.
"""

from __future__ import annotations

import sys
from pathlib import Path

import videotcav as vt
from harness import Book, need, options
from validation.provenance import ROOT

sys.path.insert(0, str(ROOT))
from examples.ucf50.networks import folder

LIST = ROOT / "examples" / "ucf50" / "clips.csv"
NETWORKS = ("lrcn", "convlstm")
KEPT = {
    *("model", "edit", "class_name", "effect", "low", "high", "p_corrected", "verdict"),
    *("clips", "accuracy_before", "accuracy_after"),
}


def main() -> None:
    """Probes and writes down."""
    parser = options(__doc__)
    parser.add_argument("--probe", type=Path, default=ROOT / "examples" / "ucf50" / "probe", help="the probe's folder")
    arguments = parser.parse_args()
    book = Book(__file__, "two networks of UCF50, probed side by side", arguments)
    data = need(folder(), "the networks of UCF50")
    for title in book.wanted("probe of both"):
        if not arguments.probe.exists():
            models = {name: vt.load_model(f"examples.ucf50.networks:{name}") for name in NETWORKS}
            vt.probe(models, vt.ClipList(list=LIST, videos=data), arguments.probe)
        found = vt.read_probe(arguments.probe)
        book.note(
            title,
            clips=found.manifest.clips,
            rows=[row.model_dump(mode="json", include=KEPT) for row in found.main if row.ranked],
            differences=[row.as_row() for row in found.differences if row.p_corrected is not None],
        )


if __name__ == "__main__":
    main()
