"""What a map says, drawn onto frames that a person can read: heat, captions, time and a scale of colours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
from einops import rearrange
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from videotcav.errors import ArgumentError, NumericalError
from videotcav.video.read import Frames

COLOUR_MAP = "inferno"
"""Perceptually uniform, and told apart by people with any colour vision."""

_SMALLEST, _LARGEST, _LONGEST = 320, 480, 960
"""Pixels of a panel's shorter side, and of its longer one: captions legible, two panels on a laptop."""

_MARGIN = 12
_LINES = 2
_PAPER, _INK, _FAINT = (22, 24, 29), (240, 240, 240), (150, 154, 163)


def overlay_heatmap(frames: Frames, heat: NDArray[np.floating], *, opacity: float = 0.6) -> Frames:
    """Frames (uint8 `time height width channel`) with heat (`time height width`, 0…1) laid over them.

    Where the heat is 0 the frame is untouched; where it is 1 the colour covers it by `opacity`. Heat outside 0…1
    is clipped. Raises `NumericalError` for NaN, `ArgumentError` where the shapes differ.
    """
    if heat.shape != frames.shape[:3]:
        raise ArgumentError(f"heat of shape {heat.shape} does not fit frames of shape {frames.shape[:3]}: map it back")
    if not np.isfinite(heat).all():
        raise NumericalError("the heat to be drawn holds NaN or infinity; look at the map that it comes from")
    table = (255 * mpl.colormaps[COLOUR_MAP](np.linspace(0, 1, 256))[:, :3]).round()
    drawn = np.empty_like(frames)
    for picture, frame, warmth in zip(drawn, frames, heat.clip(0, 1), strict=True):  # floats of all at once are large
        cover = opacity * rearrange(warmth, "h w -> h w 1")
        picture[...] = ((1 - cover) * frame + cover * table[(255 * warmth).round().astype(np.uint8)]).round()
    return drawn


def labelled(panels: Sequence[Frames], captions: Sequence[str], *, timestamps: Sequence[float] = ()) -> Frames:
    """Videos of equal shape in a row, each under its caption, with a time bar and a scale of colours below.

    Small videos are enlarged and large ones reduced, so that two fit a screen and captions are legible.
    `timestamps` are the seconds of the frames, written beside the bar.
    """
    shapes = {frames.shape for frames in panels}
    if len(shapes) != 1 or len(panels) != len(captions):
        raise ArgumentError(f"{len(captions)} captions and videos of shapes {sorted(shapes)} cannot stand in a row")
    count = len(panels[0])
    width, height = _legible(panels[0].shape[2], panels[0].shape[1])
    font = _font(max(15, min(width, height) // 20))
    line = math.ceil(1.35 * font.size)
    lines = [_wrapped(caption, font, width) for caption in captions]
    top = _MARGIN // 2 + max(map(len, lines)) * line + _MARGIN // 2
    blank = Image.new("RGB", (len(panels) * (width + _MARGIN) + _MARGIN, top + height + line + 2 * _MARGIN), _PAPER)
    lefts = range(_MARGIN, blank.width - _MARGIN, width + _MARGIN)
    pen = ImageDraw.Draw(blank)
    for left, caption in zip(lefts, lines, strict=True):
        pen.text((left, top - _MARGIN // 2), "\n".join(caption), fill=_INK, font=font, anchor="ld", spacing=line // 4)
    foot = top + height + _MARGIN + line // 2 + 2
    _draw_scale(blank, right=blank.width - _MARGIN, middle=foot, font=font)
    bar_top, bar_width = top + height + 3, blank.width - 2 * _MARGIN
    pages = []
    for index in range(count):
        page = blank.copy()
        pen = ImageDraw.Draw(page)
        for left, frames in zip(lefts, panels, strict=True):
            page.paste(Image.fromarray(frames[index]).resize((width, height), Image.Resampling.BILINEAR), (left, top))
        done = bar_width * (index + 1) // count
        pen.rectangle((_MARGIN, bar_top, _MARGIN + bar_width - 1, bar_top + 2), fill=_FAINT)
        pen.rectangle((_MARGIN, bar_top, _MARGIN + done - 1, bar_top + 2), fill=_INK)
        when = f"{timestamps[index]:.2f} s" if len(timestamps) else f"frame {index + 1} of {count}"
        pen.text((_MARGIN, foot), when, fill=_INK, font=font, anchor="lm")
        pages.append(np.asarray(page))
    return np.stack(pages)


def _draw_scale(page: Image.Image, *, right: int, middle: int, font: ImageFont.FreeTypeFont) -> None:
    """A strip of the colours from low to high, its right end at `right`."""
    width, height = 6 * int(font.size), max(6, int(font.size) // 2)
    strip = (255 * mpl.colormaps[COLOUR_MAP](np.linspace(0, 1, width))[:, :3]).round().astype(np.uint8)
    pen = ImageDraw.Draw(page)
    gap = int(font.size) // 2
    high = right - math.ceil(font.getlength("high"))
    left = high - gap - width
    pen.text((high, middle), "high", fill=_FAINT, font=font, anchor="lm")
    page.paste(Image.fromarray(np.tile(strip, (height, 1, 1))), (left, middle - height // 2))
    pen.rectangle((left - 1, middle - height // 2 - 1, left + width, middle - height // 2 + height), outline=_FAINT)
    pen.text((left - gap, middle), "low", fill=_FAINT, font=font, anchor="rm")


def _legible(width: int, height: int) -> tuple[int, int]:
    """Width and height enlarged by a whole factor, or reduced, to a panel that shows well; even numbers."""
    shorter, longer = min(width, height), max(width, height)
    if shorter < _SMALLEST and longer < _LONGEST:
        scale: float = min(math.ceil(_SMALLEST / shorter), _LONGEST // longer)
    else:
        scale = min(1.0, _LARGEST / shorter, _LONGEST / longer)
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


def _wrapped(caption: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """The caption in at most two lines of at most `width` pixels; what does not fit ends in an ellipsis."""
    lines = [""]
    for word in caption.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    if len(lines) > _LINES:
        lines = [*lines[: _LINES - 1], " ".join(lines[_LINES - 1 :])]
    return [_shortened(line, font, width) for line in lines]


def _shortened(line: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    if font.getlength(line) <= width:
        return line
    while line and font.getlength(line + "…") > width:
        line = line[:-1]
    return line.rstrip() + "…"


@lru_cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    # matplotlib ships it: the same letters on every machine, Greek and Cyrillic among them.
    return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)
