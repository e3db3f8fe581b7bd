"""How much of the bare detector's speed is left when decoding, tracking, cutting and writing go on around it.

    python benchmarks/propose_throughput.py [DETECTOR.onnx] [--videos FOLDER] [--rounds 3] [--threads 1]

Both sides run in turn over the same frames, in one process, with one and the same detector object:

- bare: the detector over frames that lie decoded in memory; only its calls are timed;
- pipeline: `propose` as it is, from the video files to the folder of clips, everything timed.

Printed are frames per second of both (median and range over the rounds), their ratio, the processor's milliseconds a
frame (user and system time of the process, which another program cannot take away), and the resident memory after each
video of the last round, which must not grow with their number. What the pipeline does beside the detector costs
processor time; it costs no speed where a core is free for it.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from videotcav.concepts.detect import Frames
from videotcav.concepts.detectors.yolo import Yolo
from videotcav.concepts.propose import list_videos, propose
from videotcav.records import VideoInfo
from videotcav.video.read import VideoFile, read_all

SHARED = Path(__file__).parents[2] / "shared" / "data"
LABELS = {"person": "person", "tennis racket": "racket", "sports ball": "ball"}
MEBIBYTE = 2**20


def main() -> None:
    """As the first lines of this file say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("detector", nargs="?", default=SHARED / "detectors" / "yolov5n_coco_640.onnx", type=Path)
    parser.add_argument("--videos", default=SHARED / "tennis_full", type=Path)
    parser.add_argument("--most", default=14, type=int, help="videos to use")
    parser.add_argument("--rounds", default=3, type=int)
    parser.add_argument("--threads", default=0, type=int, help="of onnxruntime; 0 is all cores")
    given = parser.parse_args()
    detector = Yolo(given.detector, threads=given.threads)
    videos = list_videos(given.videos)[: given.most]
    infos = [VideoFile(path).info() for path in videos]
    frames = sum(len(VideoFile(path).times) for path in videos)
    cores = os.cpu_count() or 1
    print(
        f"{platform.processor() or platform.machine()}, {cores} cores, load {os.getloadavg()[0]:.1f}; "
        f"onnxruntime {version('onnxruntime')}, {given.threads or cores} threads; {detector.name}; "
        f"{len(videos)} videos, {frames} frames"
    )
    bare, pipeline, busy = [], [], []
    memory: list[float] = []
    for number in range(given.rounds):
        seconds, busy_bare = seconds_bare(detector, infos)
        bare.append(frames / seconds)
        memory.clear()
        started = time.process_time()
        pipeline.append(frames / seconds_of_pipeline(detector, videos, memory))
        busy.append((1000 * busy_bare / frames, 1000 * (time.process_time() - started) / frames))
        print(f"round {number + 1}: bare {bare[-1]:.1f}/s, pipeline {pipeline[-1]:.1f}/s", flush=True)
    for name, rates in (("bare", bare), ("pipeline", pipeline)):
        print(f"{name:9} median {statistics.median(rates):.2f} frames/s ({min(rates):.2f}–{max(rates):.2f})")
    ratios = [one / other for one, other in zip(pipeline, bare, strict=True)]
    print(f"pipeline ÷ bare: median {statistics.median(ratios):.0%} ({min(ratios):.0%}–{max(ratios):.0%})")
    medians = [statistics.median(one) for one in zip(*busy, strict=True)]
    print(f"processor, ms a frame: bare {medians[0]:.1f}, pipeline {medians[1]:.1f}")
    print("resident memory after each video, MiB: " + " ".join(f"{one:.0f}" for one in memory))


def seconds_bare(detector: Yolo, infos: list[VideoInfo]) -> tuple[float, float]:
    """Time in the detector alone: by the clock, and of the processor."""
    total = busy = 0.0
    for info in infos:
        pixels: np.ndarray[Any, Any] = read_all(info.path)[0]
        started, busy_before = time.perf_counter(), time.process_time()
        for first in range(0, len(pixels), 16):
            detector(Frames(pixels[first : first + 16], info, first))
        total += time.perf_counter() - started
        busy += time.process_time() - busy_before
    return total, busy


def seconds_of_pipeline(detector: Yolo, videos: list[Path], memory: list[float]) -> float:
    """Time from the files to a folder of clips; `memory` gets the resident MiB after each video."""

    def watched(items: Iterable[Any], what: str, *, total: int | None = None) -> Iterator[Any]:  # noqa: ARG001 - Progress
        for item in items:
            yield item
            memory.append(int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MEBIBYTE)

    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        propose(videos, detector, Path(folder) / "concepts", labels=LABELS, progress=watched)
        return time.perf_counter() - started


if __name__ == "__main__":
    main()
