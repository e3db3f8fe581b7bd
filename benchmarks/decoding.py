"""Sixteen frames out of a video: ours against decord, OpenCV and torchcodec, one thread each.

    python benchmarks/decoding.py --only "10 s"

Videos of 2, 10 and 60 seconds, 640 × 360 at 30 frames a second, coded as x264 does by default (a keyframe every 250
frames at most, B-frames). Two ways to sample: `middle`, 16 frames a fifteenth of a second apart from the middle, as a
study reads a class clip, and `spread`, 16 frames evenly over the whole video. Every contestant opens the file, finds
the frames with the given numbers and gives them as RGB arrays. Torchvision has no video reader any more.

- ours: `VideoFile(path).frames(numbers)`.
- decord: `VideoReader(path).get_batch(numbers)` (decord2, its maintained form).
- OpenCV: the better of its two ways: from the start with `grab`, or seeking to the first frame first.
- torchcodec: `VideoDecoder(path).get_frames_at(numbers)`, in its exact mode.

`overlap` holds the wall time of reading clips ahead of passes against that of either alone.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from harness import Book, Cells, medians, options, taken
from validation.targets import Promise, at_least, at_most
from videotcav.engine.local import load_ahead
from videotcav.video.read import VideoFile

FRAMES_PER_SECOND, WIDTH, HEIGHT, USED = 30, 640, 360, 16
ROUNDS = 4  # of the videos of 10 seconds, where reading goes beside passes
VIDEOS = {2: 8, 10: 8, 60: 2}  # of each length, read one after the other by every contestant
Frames = NDArray[np.uint8]
Reader = Callable[[Path, list[int]], Frames]


def film(path: Path, *, seconds: int, seed: int) -> None:
    """A camera that pans over a textured ground, and a few things that move."""
    import av  # noqa: PLC0415 - the encoder with its own defaults, not those of our writer

    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.random((1, 3, HEIGHT // 8 + 20, WIDTH // 8 + 80), dtype=np.float32))
    ground = torch.nn.functional.interpolate(coarse, scale_factor=8, mode="bicubic")[0].permute(1, 2, 0).numpy()
    ground = (255 * ground.clip(0, 1)).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FRAMES_PER_SECOND, options={"crf": "23", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for frame in range(seconds * FRAMES_PER_SECOND):
            left = int(300 * (1 + np.sin(frame / 60)))
            picture = ground[40 : 40 + HEIGHT, left : left + WIDTH].copy()
            for thing in range(4):
                y, x = (int(150 + 140 * np.sin(frame / (9 + thing) + phase)) for phase in (thing, thing + 1.5))
                picture[y : y + 40, x : x + 40] = 60 * thing
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def sampled(frames: int, way: str) -> list[int]:
    """The numbers of the frames that are wanted."""
    if way == "spread":
        return [int(number) for number in (np.arange(USED) + 0.5) * frames / USED]
    first = (frames - 2 * USED) // 2
    return list(range(first, first + 2 * USED, 2))


def ours(path: Path, numbers: list[int]) -> Frames:
    """Ours."""
    return VideoFile(path).frames(numbers)


def with_decord(path: Path, numbers: list[int]) -> Frames:
    """Decord."""
    import decord  # noqa: PLC0415 - may be absent

    frames: Frames = decord.VideoReader(str(path), num_threads=1).get_batch(numbers).asnumpy()
    return frames


def with_opencv(path: Path, numbers: list[int], *, seek: bool) -> Frames:
    """OpenCV."""
    import cv2  # noqa: PLC0415 - as the others

    video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    position, found = 0, []
    if seek:
        video.set(cv2.CAP_PROP_POS_FRAMES, numbers[0])
        position = numbers[0]
    for number in numbers:
        while position <= number:
            video.grab()
            position += 1
        found.append(cv2.cvtColor(video.retrieve()[1], cv2.COLOR_BGR2RGB))
    video.release()
    return np.stack(found)


def with_torchcodec(path: Path, numbers: list[int]) -> Frames:
    """Torchcodec."""
    from torchcodec.decoders import VideoDecoder  # noqa: PLC0415 - needs FFmpeg's libraries

    decoder = VideoDecoder(str(path), dimension_order="NHWC", num_ffmpeg_threads=1)
    frames: Frames = decoder.get_frames_at(numbers).data.numpy()
    return frames


READERS: dict[str, Reader] = {
    "ours": ours,
    "decord": with_decord,
    "OpenCV, from the start": lambda path, numbers: with_opencv(path, numbers, seek=False),
    "OpenCV, seeking": lambda path, numbers: with_opencv(path, numbers, seek=True),
    "torchcodec": with_torchcodec,
}


class Contestant:
    """A reader with what it has to read, each time files that it has not seen."""

    def __init__(self, read: Reader, paths: list[Path], numbers: list[int]) -> None:
        self.read = read
        self.paths = paths
        self.numbers = numbers

    def prepare(self) -> None:
        """To our decoder, which remembers what it knows of a file, these are other files."""
        for path in self.paths:
            path.touch()

    def __call__(self) -> list[Frames]:
        """The frames of all videos."""
        return [self.read(path, self.numbers) for path in self.paths]


def usable(path: Path, numbers: list[int]) -> tuple[dict[str, Reader], dict[str, str]]:
    """The readers that are installed, and why the others are left out."""
    there, absent = {}, {}
    for name, read in READERS.items():
        try:
            read(path, numbers)
        except (ImportError, OSError, RuntimeError) as error:
            absent[name] = f"left out: {str(error).splitlines()[0][:80]}"
        else:
            there[name] = read
    return there, absent


def race(book: Book, title: str, paths: list[Path], numbers: list[int]) -> None:
    """A cell: every reader over the same videos."""
    readers, absent = usable(paths[0], numbers)
    expected = ours(paths[0], numbers).astype(np.int16)
    contestants = {name: Contestant(read, paths, numbers) for name, read in readers.items()}
    found = book.race(title, contestants, videos=len(paths), frames_used=len(numbers))
    file = VideoFile(paths[0])
    file.frames(numbers)
    rates = {name: len(paths) / row["wall_seconds"]["median"] for name, row in found.items()}
    best = max(rate for name, rate in rates.items() if name != "ours")
    book.note(
        title,
        clips_a_second=rates,
        ours_to_best_other=rates["ours"] / best,
        frames_decoded_per_frame_used=file.decoded / len(numbers),
        mean_grey_levels_apart={
            name: float(np.abs(read(paths[0], numbers) - expected).mean()) for name, read in readers.items()
        },
        **absent,
    )


def overlap(book: Book, title: str, paths: list[Path], numbers: list[int]) -> None:
    """Reading ahead of passes, as long as the reading: wall time of both together against the larger of the two alone.

    The first pass waits for the first clip, so there are several times as many clips as may wait.
    """
    paths = ROUNDS * paths
    weights = torch.randn(1200, 1200)

    def read() -> object:
        return [ours(path, numbers) for path in paths]

    def compute(count: int) -> None:
        for _ in range(count):
            torch.mm(weights, weights)

    read()  # warms up
    started = time.perf_counter()
    read()
    once = time.perf_counter() - started
    compute(20)
    started = time.perf_counter()
    compute(20)
    products = max(1, round(20 * once / (time.perf_counter() - started) / len(paths)))

    def together() -> None:
        for _ in load_ahead(paths, lambda path: ours(path, numbers)):
            compute(products)

    contestants: dict[str, Callable[[], Any]] = {
        "reading alone": read,
        "passes alone": lambda: compute(products * len(paths)),
        "together": together,
    }
    walls = {name: row["wall_seconds"]["median"] for name, row in book.race(title, contestants).items()}
    both = walls.pop("together")
    book.note(title, together_to_the_larger=both / max(walls.values()), together_to_the_sum=both / sum(walls.values()))


def promises(cells: Cells) -> Iterator[Promise]:
    """At least the best of the others, and reading beside passes within a tenth of the longer of the two."""
    for title, cell in cells.items():
        found = cell["findings"]
        if "clips_a_second" in found:
            best = max((name for name in found["clips_a_second"] if name != "ours"), key=found["clips_a_second"].get)
            yield Promise(
                area="speed",
                what=f"decoding, clips a second, ours ÷ the best other, {title}",
                unit="×",
                target=at_least(1.0),
                **medians(cell, best, "ours"),
                **taken(cell),
            )
        else:
            samples = [cell["contestants"][who]["wall_seconds"]["samples"] for who in cell["contestants"]]
            yield Promise(
                area="speed",
                what=f"reading ahead of passes ÷ the longer of the two alone, {title}",
                unit="×",
                target=at_most(1.1),
                value=found["together_to_the_larger"],
                n=min(map(len, samples)),
                **taken(cell),
            )


def main() -> None:
    """Runs the cells that are asked for."""
    packages = ("decord2", "opencv-python", "torchcodec")
    arguments = options(__doc__).parse_args()
    book = Book(__file__, "16 frames out of a video", arguments, promises, packages=packages)
    titles = [*(f"{seconds} s, {way}" for seconds in (2, 10, 60) for way in ("middle", "spread")), "overlap, 10 s"]
    with tempfile.TemporaryDirectory() as folder:
        films: dict[int, list[Path]] = {}
        for title in book.wanted(*titles):
            seconds = 10 if title.startswith("overlap") else int(title.split()[0])
            if seconds not in films:
                films[seconds] = [Path(folder) / f"{seconds}-{number}.mp4" for number in range(VIDEOS[seconds])]
                for number, path in enumerate(films[seconds]):
                    film(path, seconds=seconds, seed=number)
            way = "spread" if "spread" in title else "middle"
            numbers = sampled(seconds * FRAMES_PER_SECOND, way)
            (overlap if title.startswith("overlap") else race)(book, title, films[seconds], numbers)


if __name__ == "__main__":
    main()
