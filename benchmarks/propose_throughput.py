"""How much of the bare detector's speed is left when decoding, tracking, cutting and writing go on around it.

    python benchmarks/propose_throughput.py [--videos FOLDER] [--most 7] [--repeats 3]

- speed, a cell for each detector: a race over the same frames, in one process, with one and the same detector on one
  thread. *bare* is the detector over frames that lie decoded in memory; *pipeline* is `propose` as it is, from the
  files of videos to the folder of clips. What it does beside the detector costs processor time; it costs no speed where
  a core is free for it, so give it two: `taskset -c 0,1`.
- memory: what is resident after each of many videos, cut by a file of regions (no network), which must not grow with
  their number.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from harness import MEBIBYTE, Book, Cells, middle, need, options, ratios, taken
from validation.targets import Promise, at_least
from videotcav.concepts.detectors.detect import Detector, VideoFrames, load_detector
from videotcav.concepts.detectors.yolo import Yolo
from videotcav.concepts.propose.recipe import Recipe
from videotcav.concepts.propose.videos import propose
from videotcav.video.find import find_videos
from videotcav.video.read import VideoFile, read_all

SHARED = Path(__file__).parents[2] / "shared" / "data"
REGIONS = Path(__file__).parents[1] / "examples" / "tennis" / "regions.json"
DETECTORS = ("yolox_nano_416", "yolov5n_coco_640")
LABELS = {"person": "person", "tennis racket": "racket", "sports ball": "ball"}


def promises(cells: Cells) -> Iterator[Promise]:
    """Nine tenths of the bare detector's speed; how much memory grows is reported."""
    for title, cell in cells.items():
        if "contestants" in cell:
            what = f"proposing ÷ the bare detector, frames a second, {title}"
            rounds = middle(ratios(cell, "bare", "pipeline"))
            yield Promise(area="speed", what=what, unit="×", target=at_least(0.9), **rounds, **taken(cell))
        else:
            found = cell["findings"]
            yield Promise(
                area="scale",
                what="memory of proposing, second half of the videos ÷ the first",
                unit="×",
                value=found["second_half_mib"] / found["first_half_mib"],
                n=found["videos"],
                **taken(cell),
            )


def main() -> None:
    """The race, then the memory."""
    parser = options(__doc__)
    parser.add_argument("--videos", default=SHARED / "tennis_full", type=Path)
    parser.add_argument("--most", default=7, type=int, help="videos of the race")
    parser.add_argument("--small", default=SHARED / "tennis" / "b_volley", type=Path, help="videos of the memory")
    given = parser.parse_args()
    book = Book(__file__, "videos to concepts beside the bare detector", given, promises, packages=("onnxruntime",))
    for title in book.wanted(*DETECTORS):
        detector = need(SHARED / "detectors" / f"{title}.onnx", "a detector")
        race(book, title, detector, find_videos(need(given.videos, "videos"))[: given.most])
    for title in book.wanted("memory"):
        resident = resident_after_each(find_videos(need(given.small, "videos")))
        half = len(resident) // 2
        book.note(
            title,
            videos=len(resident),
            resident_mib=resident,
            first_half_mib=statistics.median(resident[:half]),
            second_half_mib=statistics.median(resident[half:]),
        )


def race(book: Book, title: str, path: Path, videos: Sequence[Path]) -> None:
    """The detector alone, and everything."""
    detector = Yolo(path, threads=book.arguments.threads)
    bare = Bare(detector, videos)

    def pipeline() -> None:
        with tempfile.TemporaryDirectory() as folder:
            propose(videos, detector, Path(folder) / "concepts", labels=LABELS)

    found = book.race(
        title,
        {"bare": bare, "pipeline": pipeline},
        warm_up=False,
        detector=detector.name,
        videos=len(videos),
        frames=bare.count,
        cores_given=len(os.sched_getaffinity(0)),
    )
    rounds = ratios({"contestants": found}, "bare", "pipeline")
    book.note(title, speed_of_bare=statistics.median(rounds), speed_of_bare_samples=rounds)


class Bare:
    """The detector over frames that were decoded before the clock starts."""

    def __init__(self, detector: Detector, videos: Sequence[Path]) -> None:
        self.detector = detector
        self.decoded = [(VideoFile(path).info(), read_all(path)[0]) for path in videos]
        self.count = sum(len(pixels) for _, pixels in self.decoded)

    def prepare(self) -> None:
        """The first call of a network allocates."""
        info, pixels = self.decoded[0]
        self.detector(VideoFrames(pixels[:1], info, 0))

    def __call__(self) -> None:
        """Batches as the pipeline makes them."""
        for info, pixels in self.decoded:
            for first in range(0, len(pixels), 16):
                self.detector(VideoFrames(pixels[first : first + 16], info, first))


def resident_after_each(videos: Sequence[Path]) -> list[float]:
    """MiB of this process when each video has been looked at."""
    resident: list[float] = []

    def watched(items: Iterable[Any], what: str, *, total: int | None = None) -> Iterator[Any]:  # noqa: ARG001 - Progress
        for item in items:
            yield item
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            resident.append(round(pages * os.sysconf("SC_PAGE_SIZE") / MEBIBYTE, 1))

    recipe = Recipe(kinds=("spatiotemporal",), min_sharpness=0, min_hash_distance=0)
    labels = {"watermark": "watermark", "*": "elsewhere"}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "concepts"
        propose(videos, load_detector(REGIONS), out, labels=labels, recipe=recipe, progress=watched)
    return resident


if __name__ == "__main__":
    main()
