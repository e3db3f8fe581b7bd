"""Cut the concepts of `paper.toml` out of the real clips: persons, rackets and balls, as the detector left them.

    python examples/tennis/paper_concepts.py ../shared/data

What is cut is looked for in all 14 large clips and every fourth of the others. Taken are, of the scenes that show no
backhand, at most 30 clips a concept of the 10 scenes that have most of them, one of each scene in turn. The random pool
is fixed regions of serves, volleys and smashes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from examples.tennis.concepts import FIXED, cut, elsewhere, first
from examples.tennis.train import HERE, labelled_clips
from videotcav.concepts.detectors.detect import load_detector
from videotcav.concepts.folder import ClipRecord, accept, read_records, write_records
from videotcav.concepts.propose.recipe import Recipe
from videotcav.concepts.propose.videos import propose

LABELS = ("person", "tennis racket", "sports ball")
CLASS = "backhand"
SCENES, CLIPS = 10, 30  # at most, of a concept
EVERY = 4


def main() -> None:
    """Writes `paper_candidates/`, all that was cut, `paper_concepts/`, what the study takes, and `paper_random/`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with tennis/, tennis_full/ and detectors/")
    data = parser.parse_args().data
    rows = labelled_clips(data / "tennis")
    full = sorted((data / "tennis_full").glob("*.mp4"))
    small = [path for path in sorted((data / "tennis").rglob("*.mp4")) if path.stem not in {one.stem for one in full}]
    candidates, chosen = HERE / "paper_candidates", HERE / "paper_concepts"
    propose(
        [*full, *small[::EVERY]],
        load_detector(data / "detectors" / "yolox_nano_416.onnx"),
        candidates,
        labels=LABELS,
        recipe=Recipe(kinds=("spatial", "spatiotemporal")),
        sources={Path(row["file"]).stem: row["scene"] for row in rows},
    )
    taken = select(read_records(candidates), without={row["scene"] for row in rows if row["label"] == CLASS})
    for record in taken:
        (chosen / record.file_name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(candidates / record.file_name, chosen / record.file_name)
    write_records(chosen, (moved(record, candidates, chosen) for record in taken))
    print(f"{accept(chosen)} clips in {chosen}")
    regions = load_detector(HERE / "regions.json")
    others = first(rows, "serve", "f_volley", "smash", without=CLASS)
    cut(data, "paper_random", regions, elsewhere(regions), others, **FIXED, max_clips_per_source=5)
    accept(HERE / "paper_random")


def select(records: Sequence[ClipRecord], *, without: set[str]) -> list[ClipRecord]:
    """The clips of both kinds that the study takes; `without` are the scenes that must not be in it."""
    usable = [record for record in records if record.source not in without]
    ids: set[str] = set()
    for concept in {record.concept for record in usable}:
        mine = [record for record in usable if record.concept == concept and record.kind == "spatial"]
        mine.sort(key=lambda one: one.id)
        clips_of = Counter(one.source for one in mine)
        scenes = sorted(clips_of, key=lambda scene: (-clips_of[scene], scene))[:SCENES]
        turn: Counter[str] = Counter()
        ranked = []
        for one in mine:
            if one.source in scenes:
                ranked.append((turn[one.source], one.id))
                turn[one.source] += 1
        ids.update(clip for _, clip in sorted(ranked)[:CLIPS])
    return [record for record in usable if record.id in ids]


def moved(record: ClipRecord, before: Path, after: Path) -> ClipRecord:
    """The record in another folder: its source video lies elsewhere, seen from there."""
    source = (before / record.source_video).resolve()
    return record.model_copy(update={"source_video": os.path.relpath(source, after.resolve())})


if __name__ == "__main__":
    main()
