"""Frames by rank: each decoded once, with no more of the video than needed. Runs where FFmpeg runs.

Frames come as shown: rotated and mirrored as the display matrix asks. Pixels that are not square are left as they
are stored, as Kinetics models are trained on them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
from av.container import InputContainer
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from videotcav.errors import VideoError
from videotcav.video.container import COPY_AGAIN, opened
from videotcav.video.timeline import read_timeline, remarks_on

Frames = NDArray[np.uint8]
"""Pixels as `time height width channel` (RGB)."""


_KNOWS_WHAT_IS_NEEDED = ("h264", "mpeg4", "mpeg2video")
"""Decoders that tell for certain which frames no other frame refers to (HEVC's tell it for one layer only)."""


class _Misplaced(Exception):
    """The decoder presented another frame than the timeline foretold."""


class _Held(NamedTuple):
    """A container that is open, and what closes it."""

    stack: ExitStack
    container: InputContainer
    stream: VideoStream


class _Decoded(NamedTuple):
    frame: VideoFrame
    is_damaged: bool


class Decoder:
    """A video file whose timeline is known, at the cost of reading its packets but decoding none.

    `decoded` counts the frames that the decoder has handed out so far. `remarks` are the ends of sentences about the
    file that whoever reads it must know.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.decoded = 0
        self._at_hand: _Held | None = None
        with self._container(anew=True) as (container, stream, _):
            self._timeline = read_timeline(self.path, container, stream)
            self.remarks = tuple(remarks_on(container, stream, self._timeline))

    @property
    def times(self) -> NDArray[np.float64]:
        """Seconds at which each frame goes on show."""
        return self._timeline.times

    @property
    def duration_seconds(self) -> float:
        """What the packets add up to."""
        return self._timeline.duration_seconds

    @property
    def tick_seconds(self) -> float:
        """One tick of the container's clock."""
        return self._timeline.tick_seconds

    def frames(self, ranks: Sequence[int]) -> Frames:
        """The frames of the given ranks, in the given order; a frame wanted twice is decoded once."""
        if not len(ranks):
            raise VideoError(self.path, "no frame was asked for; give at least one time")
        wanted = sorted(set(ranks))
        if wanted[0] < 0 or wanted[-1] >= len(self.times):
            beyond = wanted[0] if wanted[0] < 0 else wanted[-1]
            raise VideoError(self.path, f"has no frame {beyond}; its frames are 0 to {len(self.times) - 1}")
        try:
            pictures = list(self._shown(wanted, seek=True))
        except _Misplaced:
            pictures = list(self._shown(wanted, seek=False))
        if len({picture.shape for picture in pictures}) > 1:
            raise VideoError(self.path, "changes its size midway; convert it to a video of one size")
        place = {rank: index for index, rank in enumerate(wanted)}
        return np.stack([pictures[place[rank]] for rank in ranks])

    def stream(self, first: int, stop: int) -> Generator[Frames, None, None]:
        """The frames of these ranks in order, uint8 `height width channel`; only one is held at a time."""
        yield from self._shown(range(first, stop), seek=False)

    def _shown(self, wanted: Sequence[int], *, seek: bool) -> Iterator[Frames]:
        """The frames of `_presented` as arrays."""
        to_rgb = VideoReformatter()  # one for all frames: to set one up takes longer than to convert a frame
        return (_as_shown(frame, to_rgb) for frame in self._presented(wanted, seek=seek))

    def _presented(self, wanted: Sequence[int], *, seek: bool) -> Iterator[VideoFrame]:
        """The frames of the wanted ranks (ascending), decoding from the nearest keyframe where that skips some.

        With `seek` it raises `_Misplaced` where a seek led to another place than the timeline foretold. Without,
        everything up to the last wanted frame is decoded, and a packet without a picture (VP8 has such) leaves
        the one before on show. Without an index that can be trusted, frames are counted from the beginning on.
        """
        starts = self._timeline.starts if seek else ()
        with self._container(anew=not starts or starts[0][0] > wanted[0]) as (container, stream, is_new):
            frames = self._decode(container, stream, wanted, seek=seek)
            position, decoded, before = -1 if is_new else -2, None, None
            for rank in wanted:
                start = bisect_right(starts, rank, key=lambda start: start[0]) - 1
                if start >= 0 and starts[start][0] > position + 1:
                    container.seek(starts[start][1], stream=stream)
                    frames = self._decode(container, stream, wanted, seek=seek)
                while position < rank:
                    before = decoded
                    position, decoded = next(frames, (len(self.times), None))
                    if position > rank:
                        frames = _looked_ahead(frames)
                if seek and position != rank:
                    raise _Misplaced
                shown = decoded if position == rank else before
                if shown is None or decoded is None:
                    raise VideoError(self.path, f"cannot be decoded at {self.times[rank]:.3f} s; {COPY_AGAIN}")
                if shown.is_damaged:
                    raise VideoError(self.path, f"is damaged at {self.times[rank]:.3f} s; {COPY_AGAIN}")
                yield shown.frame

    @contextmanager
    def _container(self, *, anew: bool) -> Iterator[tuple[InputContainer, VideoStream, bool]]:
        """The open container, and whether it stands at its beginning; kept open for the next time, as FFmpeg takes
        longer to look into a file than to decode a dozen frames.
        """
        held, self._at_hand = None if anew else self._at_hand, None
        is_new = held is None
        with ExitStack() as stack:
            if held is None:
                container, stream = stack.enter_context(opened(self.path))
            else:
                container, stream = held.container, held.stream
                stack.push(held.stack)
            yield container, stream, is_new
            self._at_hand = _Held(stack.pop_all(), container, stream)

    def _decode(
        self, container: InputContainer, stream: VideoStream, wanted: Sequence[int], *, seek: bool
    ) -> Iterator[tuple[int, _Decoded]]:
        """The frames from here on with their ranks; where the timestamp gives none, the one after the last.

        With `seek`, frames that are neither wanted nor needed for others may be left out.
        """
        ranks, position, is_damaged = self._timeline.ranks, -1, False
        skips = seek and ranks is not None and stream.codec_context.name in _KNOWS_WHAT_IS_NEEDED
        for frame in self._worth_decoding(container, stream, wanted) if skips else container.decode(stream):
            self.decoded += 1
            known = None if ranks is None or frame.pts is None else ranks.get(frame.pts)
            if known is None and seek and ranks is not None:
                raise _Misplaced
            if known is not None and known <= position:
                if seek:
                    raise _Misplaced
                raise VideoError(self.path, f"shows its frames in another order than its index says; {COPY_AGAIN}")
            position = position + 1 if known is None else known
            # What FFmpeg patched lives on, unmarked, in the frames that refer to it: up to the next keyframe.
            is_damaged = frame.is_corrupt or (is_damaged and not frame.key_frame)
            yield position, _Decoded(frame, is_damaged)

    def _worth_decoding(
        self, container: InputContainer, stream: VideoStream, wanted: Sequence[int]
    ) -> Iterator[VideoFrame]:
        """The frames from here on without those that are neither wanted nor a reference for others."""
        ranks, chosen = self._timeline.ranks or {}, set(wanted)
        for packet in container.demux(stream):
            rank = None if packet.pts is None else ranks.get(packet.pts)
            unwanted = rank is not None and rank not in chosen
            stream.codec_context.skip_frame = "NONREF" if unwanted else "DEFAULT"
            for frame in packet.decode():
                if isinstance(frame, VideoFrame):
                    yield frame


def _looked_ahead(frames: Iterator[tuple[int, _Decoded]]) -> Iterator[tuple[int, _Decoded]]:
    """The same frames, after the next one was decoded: whether it comes too late tells a gap from a wrong index."""
    return chain(list(islice(frames, 1)), frames)


def _as_shown(frame: VideoFrame, to_rgb: VideoReformatter) -> Frames:
    """The frame as uint8 `height width channel`, turned and mirrored as its display matrix asks."""
    plane = to_rgb.reformat(frame, format="rgb24").planes[0]
    # A view: the rows of a plane may be longer than the picture, and a large picture is worth copying once only.
    rows = np.frombuffer(cast("memoryview", plane), dtype=np.uint8).reshape(-1, plane.line_size)
    pixels: Frames = rows[: plane.height, : 3 * plane.width].reshape(plane.height, plane.width, 3)
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if not isinstance(matrix, SideData):
        return pixels
    # ISO 14496-12: a pixel (x, y) is shown at (a·x + c·y, b·x + d·y); whole quarter turns only.
    a, b, _, c, d, *_ = np.frombuffer(bytes(matrix), dtype=np.int32)
    if abs(b) > abs(a):
        pixels, a, d = pixels.swapaxes(0, 1), c, b
    return np.ascontiguousarray(pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])
