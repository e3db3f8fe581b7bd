"""Videos that show what was found: each track with its box, label, number and score, in a colour of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from videotcav.concepts.detectors.masks import mask_outlines
from videotcav.concepts.propose.track import Track
from videotcav.records import Box
from videotcav.video.info import VideoInfo
from videotcav.video.read import read_all
from videotcav.video.write import write_video

TRACK_COLOURS = (
    "#e69f00",
    "#56b4e9",
    "#009e73",
    "#f0e442",
    "#d55e00",
    "#cc79a7",
)  # Okabe and Ito's, less the dark blue


class _Name(NamedTuple):
    """What is written on top of a box."""

    score: float
    frame: int
    box: Box
    text: str
    colour: str


def draw_tracks(frames: NDArray[np.uint8], tracks: Sequence[Track]) -> NDArray[np.uint8]:
    """The frames (uint8 `time height width 3`) with all boxes and outlines of masks drawn in, and above the boxes the
    names, the surest on top.
    """
    pictures = [Image.fromarray(frame) for frame in frames]
    pens = [ImageDraw.Draw(picture) for picture in pictures]
    names: list[_Name] = []
    for number, track in enumerate(tracks):
        colour = TRACK_COLOURS[number % len(TRACK_COLOURS)]
        masks = track.masks or (None,) * len(track.frames)
        for frame, box, score, mask in zip(track.frames, track.boxes, track.scores, masks, strict=True):
            pens[frame].rectangle((box.left, box.top, box.right - 1, box.bottom - 1), outline=colour, width=2)
            for outline in () if mask is None else mask_outlines(mask.pixels):
                pens[frame].line(outline, fill=colour, width=2)
            names.append(_Name(score, frame, box, f"{track.label} {track.id} · {score:.2f}", colour))
    size = max(9, frames.shape[2] // 60)
    for name in sorted(names, key=lambda one: one.score):
        _write(pens[name.frame], name, width=frames.shape[2], size=size)
    return np.stack([np.asarray(picture) for picture in pictures])


def _write(pen: ImageDraw.ImageDraw, name: _Name, *, width: int, size: int) -> None:
    """A name that would reach beyond the frame slides back into it."""
    font = ImageFont.load_default(size=size)
    at = (name.box.left, name.box.top)
    left, top, right, bottom = pen.textbbox(at, name.text, font=font, anchor="lb")
    x, y = -max(0, min(left, right + 3 - width)), max(0, -top)
    pen.rectangle((left + x, top + y, right + 2 + x, bottom + y), fill=name.colour)
    pen.text((at[0] + 1 + x, at[1] + y), name.text, fill="black", font=font, anchor="lb")


def write_overlay(video: VideoInfo, tracks: Sequence[Track], path: Path) -> None:
    """Write the whole video with its tracks drawn in."""
    frames, _ = read_all(video.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, draw_tracks(frames, tracks), frames_per_second=video.frames_per_second, crf=20)
