"""The part of the application in which a person marks clips in videos: pictures out, clips into the folder.

A client names a video by its number in the list, never by a path. It gets pictures, not the file, so that it shows what
the decoder reads, frame by frame, whatever a browser can play.
"""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from fastapi import FastAPI, HTTPException, Query
from fastapi import Path as InPath
from fastapi.responses import Response
from PIL import Image

from videotcav.concepts.by_hand.mark import Marking, add_marked, follow_marked
from videotcav.concepts.review.decisions import Candidate, Name
from videotcav.errors import VideoError
from videotcav.records import Record
from videotcav.review_app.catalogue import key_of
from videotcav.review_app.problems import answers_of
from videotcav.video.container import require_whole_file
from videotcav.video.find import find_videos
from videotcav.video.info import VideoInfo
from videotcav.video.read import VideoFile
from videotcav.video.segment import file_of

MOST_FRAMES = 12
LONGEST_SIDE = 800
_MOST_OPEN = 8

VideoNumber = Annotated[int, InPath(ge=0)]


class VideoNames(Record):
    """The videos that may be marked; a video's number is its place in the list."""

    names: tuple[str, ...]


class VideoFacts(Record):
    """A video as it is shown: pixels, and the second at which each frame goes on show."""

    name: str
    width: int
    height: int
    times: list[float]


class FollowedPart(Record):
    """Where what was marked is: a box (left, top, right, bottom in pixels) for each frame from `first`.

    `boxes` is empty where the whole picture is meant.
    """

    first: int
    last: int
    boxes: list[tuple[float, float, float, float]]
    sentence: str


class MarkRequest(Record):
    """Add what is marked as a clip of this concept."""

    marking: Marking
    concept: Name
    reviewer: Name


class Added(Record):
    """The candidate that the clips belong to, and what is to be said of them."""

    key: str
    concept: str
    id: str
    sentence: str


class Videos:
    """The videos under their numbers, the last few of them open; `sources` is as for `propose`."""

    def __init__(self, videos: Path | str | Sequence[Path | str], sources: Mapping[str, str] | None = None) -> None:
        self.paths, self.sources = find_videos(videos, below=True), sources
        for path in self.paths:
            require_whole_file(file_of(path))  # what is not there is told before the page opens
        names = [path.name for path in self.paths]
        self.names = tuple(
            name if names.count(name) == 1 else f"{path.parent.name}/{name}"
            for path, name in zip(self.paths, names, strict=True)
        )
        self._lock = threading.Lock()
        self._open: OrderedDict[int, tuple[VideoFile, VideoInfo]] = OrderedDict()

    def opened(self, number: int) -> tuple[VideoFile, VideoInfo]:
        """A video, open. Raises HTTPException where there is none of this number, or it cannot be read."""
        if number >= len(self.paths):
            raise HTTPException(404, f"There is no video {number}: load the page again.")
        with self._lock:
            if number not in self._open:
                try:
                    file = VideoFile(self.paths[number])
                    self._open[number] = file, file.info()
                except VideoError as error:
                    raise HTTPException(422, f"{self.names[number]} {error.reason}.") from None
            self._open.move_to_end(number)
            while len(self._open) > _MOST_OPEN:
                self._open.popitem(last=False)
            return self._open[number]


def add_marking(app: FastAPI, folder: Path, videos: Videos) -> None:
    """The routes under `/api/videos`."""

    @app.get("/api/videos")
    def names() -> VideoNames:
        return VideoNames(names=videos.names)

    @app.get("/api/videos/{number}", responses=answers_of(404))
    def facts(number: VideoNumber) -> VideoFacts:
        file, info = videos.opened(number)
        times = [round(float(seconds), 4) for seconds in file.times]
        return VideoFacts(name=videos.names[number], width=info.width, height=info.height, times=times)

    @app.get(
        "/api/videos/{number}/frames",
        response_class=Response,
        responses={200: {"content": {"image/jpeg": {}}}, **answers_of(404)},
    )
    def frames(
        number: VideoNumber, first: Annotated[int, Query(ge=0)], count: Annotated[int, Query(ge=1, le=MOST_FRAMES)]
    ) -> Response:
        """Consecutive frames below each other in one picture; fewer where the video ends."""
        file, info = videos.opened(number)
        wanted = range(first, min(first + count, len(file.times)))
        if not wanted:
            raise HTTPException(404, f"There is no frame {first} in this video.")
        jpeg = _strip(file.frames(wanted), info)
        return Response(jpeg, media_type="image/jpeg", headers={"cache-control": "private, max-age=300"})

    @app.post("/api/videos/{number}/follow", responses=answers_of(404))
    def follow(number: VideoNumber, marking: Marking) -> FollowedPart:
        found = follow_marked(*videos.opened(number), marking)
        boxes = [(box.left, box.top, box.right, box.bottom) for box in found.boxes] if marking.boxes else []
        return FollowedPart(first=found.frames[0], last=found.frames[-1], boxes=boxes, sentence=found.sentence)

    @app.post("/api/videos/{number}/clips", responses=answers_of(404))
    def add(number: VideoNumber, request: MarkRequest) -> Added:
        file, info = videos.opened(number)
        who = {"concept": request.concept, "reviewer": request.reviewer}
        made = add_marked(file, info, folder, request.marking, **who, sources=videos.sources)
        key = key_of(Candidate(made.concept, made.id))
        return Added(key=key, concept=made.concept, id=made.id, sentence=made.sentence)


def _strip(frames: np.ndarray, info: VideoInfo) -> bytes:
    scale = min(1.0, LONGEST_SIDE / max(info.width, info.height))
    size = (max(1, round(info.width * scale)), max(1, round(info.height * scale)))
    strip = Image.new("RGB", (size[0], size[1] * len(frames)))
    for index, frame in enumerate(frames):
        strip.paste(Image.fromarray(frame).resize(size, Image.Resampling.BILINEAR), (0, size[1] * index))
    written = io.BytesIO()
    strip.save(written, "JPEG", quality=85)
    return written.getvalue()
