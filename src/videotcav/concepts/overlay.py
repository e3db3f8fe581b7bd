"""Videos that show what was found: each track with its box, label, number and score, in a colour of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from videotcav.records import Track, VideoInfo
from videotcav.video.read import read_all
from videotcav.video.write import write_video

COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#d55e00", "#cc79a7")  # Okabe and Ito's, less the dark blue


def draw_tracks(frames: NDArray[np.uint8], tracks: Sequence[Track]) -> NDArray[np.uint8]:
    """The frames (uint8 `time height width 3`) with the tracks drawn in."""
    pictures = [Image.fromarray(frame) for frame in frames]
    font = ImageFont.load_default(size=max(9, frames.shape[1] // 32))
    for number, track in enumerate(tracks):
        colour = COLOURS[number % len(COLOURS)]
        for frame, box, score in zip(track.frames, track.boxes, track.scores, strict=True):
            pen = ImageDraw.Draw(pictures[frame])
            pen.rectangle((box.left, box.top, box.right - 1, box.bottom - 1), outline=colour, width=2)
            text = f"{track.label} {track.id} · {score:.2f}"
            left, top, right, bottom = pen.textbbox((box.left, box.top), text, font=font, anchor="lb")
            down = max(0, -top)  # a label above the frame slides into it
            pen.rectangle((left, top + down, right + 2, bottom + down), fill=colour)
            pen.text((box.left + 1, box.top + down), text, fill="black", font=font, anchor="lb")
    return np.stack([np.asarray(picture) for picture in pictures])


def write_overlay(video: VideoInfo, tracks: Sequence[Track], path: Path) -> None:
    """Write the whole video with its tracks drawn in."""
    frames, _ = read_all(video.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, draw_tracks(frames, tracks), frames_per_second=video.frames_per_second, crf=20)
