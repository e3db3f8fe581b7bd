"""What a reviewer sees beside the clip: the source frame in which a candidate is seen best, with its box."""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from videotcav.concepts.detectors.masks import Mask, mask_outlines
from videotcav.concepts.folder import ClipRecord
from videotcav.errors import ReviewError, VideoError
from videotcav.outputs import file_sha256
from videotcav.video.read import VideoFile
from videotcav.video.segment import file_of

WIDEST_PIXELS = 960
_JPEG_QUALITY = 85
_ALONE = "judge by the clip alone."


def source_picture(folder: Path, record: ClipRecord) -> bytes:
    """The source frame with the surest box of the candidate, and the way its centre goes, drawn in; a JPEG.

    Only the very file that the clip was cut from is opened: its bytes must have the recorded SHA-256. Raises
    ReviewError where the source is not there any more, is another file, or cannot be read.
    """
    path = folder / record.source_video
    file = file_of(path)
    if not record.boxes or len(record.boxes) != len(record.frames) or not record.source_video or not file.is_file():
        raise ReviewError(f"The source video is not at hand: {_ALONE}")
    status = file.stat()
    if _sha256(file, status.st_mtime_ns, status.st_size) != record.source_sha256:
        raise ReviewError(f"The source video has changed since the clip was cut: {_ALONE}")
    scores = dict(enumerate(record.scores))
    surest = max(range(len(record.boxes)), key=lambda i: scores.get(i, 0.0))
    try:
        pixels = _video(path, status.st_mtime_ns).frames([record.frames[surest]])[0]
    except (VideoError, IndexError) as error:
        raise ReviewError(f"The source video cannot be read: {_ALONE}") from error
    mask = None
    if record.masks is not None and len(record.masks) == len(record.frames):
        height, width = pixels.shape[:2]
        mask = Mask(height=height, width=width, counts=record.masks[surest]).pixels
    picture = _with_box(Image.fromarray(pixels), record.boxes, surest, mask)
    written = io.BytesIO()
    picture.save(written, "JPEG", quality=_JPEG_QUALITY)
    return written.getvalue()


def _with_box(
    picture: Image.Image,
    boxes: tuple[tuple[float, float, float, float], ...],
    surest: int,
    mask: NDArray[np.bool_] | None,
) -> Image.Image:
    wide = max(picture.width, picture.height)
    scale = WIDEST_PIXELS / wide  # small videos are enlarged too, so that the line stays thin beside the object
    picture = picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.BICUBIC)
    left, top, right, bottom = (round(scale * edge) for edge in boxes[surest])
    inside = picture.crop((left, top, right, bottom))
    draw = ImageDraw.Draw(picture)
    centres = [(scale * (x0 + x1) / 2, scale * (y0 + y1) / 2) for x0, y0, x1, y1 in boxes]
    for colour, width in (("black", 7), ("white", 3)):  # legible on any ground
        draw.line(centres, fill=colour, width=width, joint="curve")
    picture.paste(inside, (left, top))  # nothing is drawn over the object itself
    for colour, width, away in (("black", 8, 8), ("white", 4, 6)):
        draw.rectangle((left - away, top - away, right + away - 1, bottom + away - 1), None, colour, width)
    for outline in () if mask is None else mask_outlines(mask, scale=scale):
        for colour, width in (("black", 4), ("white", 2)):
            draw.line(outline, fill=colour, width=width, joint="curve")
    return picture


@lru_cache(maxsize=1024)
def _sha256(path: Path, modified_ns: int, size: int) -> str:  # noqa: ARG001 - a changed file is hashed again
    return file_sha256(path)


@lru_cache(maxsize=64)
def _video(path: Path, modified_ns: int) -> VideoFile:  # noqa: ARG001 - a changed file is read again
    return VideoFile(path)
