"""Two networks that someone else trained on UCF50, probed side by side on the windows of examples/ucf50/clips.csv.

Their code, weights (MIT) and videos lie outside the project; the variable UCF50 names their folder. The probe's
folder is kept, and read again where it is there.

Concepts of ours are held against the same factor put into the windows themselves: what the study of examples/ucf50 says
of a concept on other footage, beside what the score of the class's own windows does. `videotcav run` has run it before.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats

import videotcav as vt
from harness import Book, need, options
from validation.provenance import ROOT

sys.path.insert(0, str(ROOT))
from examples.ucf50.networks import folder
from examples.ucf50.recipe import FACTORS
from videotcav.datasets.read import read_list
from videotcav.interventions.frames import of_frames, to_frames
from videotcav.models.class_score import default_score

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
    parser.add_argument("--run", type=Path, default=ROOT / "examples" / "ucf50" / "run", help="the study's run")
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
    for title in book.wanted("concepts of ours"):
        runs = vt.read_comparison(need(arguments.run, "the run of examples/ucf50/study.toml")).runs
        book.note(title, rows=[row for name in NETWORKS for row in beside(name, runs[name], data)])


def beside(name: str, run: vt.Run, data: Path) -> Iterator[dict[str, Any]]:
    """What each concept does to each class on other footage, beside its factor put into the class's own windows."""
    model = vt.load_model(f"examples.ucf50.networks:{name}")
    spec, score = model.card.clip_spec, default_score(model)
    for class_name, paths in read_list(vt.ClipList(list=LIST, videos=data), Path()).classes.items():
        clips, of = vt.read_clips(paths, spec), model.class_index(class_name)
        pool = [row[f"score:{class_name}"] for row in run.clip_rows if row["set"] == "random"]
        for concept, factor in FACTORS.items():
            (said,) = (
                row
                for row in run.results
                if (row.statistic, row.concept, row.class_name) == ("contrast", concept, class_name)
            )
            edited = torch.stack([of_frames(factor(to_frames(each, spec)), spec) for each in clips.pixels])
            moved = (score(model(edited), of) - score(model(clips.pixels), of)).double().numpy() / np.std(pool, ddof=1)
            low, high = stats.t.interval(0.95, len(moved) - 1, moved.mean(), stats.sem(moved))
            yield {
                "model": name,
                "concept": concept,
                "class_name": class_name,
                "push": said.model_dump(mode="json", include={"value", "low", "high", "p_corrected", "verdict"}),
                "by_hand": {"value": float(moved.mean()), "low": float(low), "high": float(high)},
            }


if __name__ == "__main__":
    main()
