"""What a notebook shows of what the package gives back: never code of a stranger, never a bare address."""

from __future__ import annotations

import inspect
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import videotcav as vt
from support import pages
from videotcav.records import MOST_SHOWN, ClipSpec
from videotcav.results.shown_figure import ShownFigure
from videotcav.results.table import sentences_html
from videotcav.video.clips import Clips
from videotcav.video.strip import strip_png

NO_RESULT = {  # what is asked for, or where: nothing that was found
    "FaithfulnessSettings", "OnRay", "Spreads", "Study", "Truths", "VideotcavError", "VideotcavWarning",
}  # fmt: skip
EVIL = "<script>alert(1)</script>"


@pytest.mark.parametrize(
    "name", [name for name in vt.__all__ if inspect.isclass(getattr(vt, name)) and name not in NO_RESULT]
)
def test_every_public_object_that_tells_something_shows_itself(name: str) -> None:
    shown = getattr(vt, name)
    assert hasattr(shown, "_repr_html_") or hasattr(shown, "_repr_png_")


@pytest.mark.parametrize(
    ("write", "read"),
    [
        (pages.comparison, vt.read_comparison),
        (pages.faithfulness, vt.read_faithfulness),
        (pages.probe, vt.read_probe),
    ],
)
def test_a_display_holds_the_names_as_text(write: object, read: object, tmp_path: Path) -> None:
    write(tmp_path, EVIL)  # type: ignore[operator]
    shown = read(tmp_path)._repr_html_()  # type: ignore[operator]
    assert "&lt;script&gt;" in shown
    assert "<script" not in shown


def test_sentences_are_shown_the_first_one_in_bold() -> None:
    assert sentences_html(["a < b", "  c"]) == "<p><strong>a &lt; b</strong></p>\n<p>c</p>\n"


def test_a_record_shows_a_line_a_field_and_cuts_a_long_one() -> None:
    spec = ClipSpec(frames=4, seconds_between_frames=0.1, height=8, width=8, resize=8)
    card = vt.ModelCard(name=EVIL, clip_spec=spec, classes=tuple(f"class {n}" for n in range(400)))
    shown = card._repr_html_()
    assert shown.count("<tr>") == len(vt.ModelCard.model_fields)
    assert "<tr><th>name</th><td>&lt;script&gt;alert(1)&lt;/script&gt;</td></tr>" in shown
    assert "class 10" in shown
    assert "class 399" not in shown
    assert len("".join(card.classes)) > MOST_SHOWN


def pixels_of(png: bytes | None) -> np.ndarray:
    assert png is not None
    return np.asarray(Image.open(BytesIO(png)))


def test_a_strip_has_at_most_eight_frames_from_the_first_to_the_last() -> None:
    frames = np.broadcast_to(np.arange(16, dtype=np.uint8)[:, None, None, None], (16, 2, 3, 3))
    strip = pixels_of(strip_png(frames))
    assert strip.shape == (2, 8 * 3, 3)
    assert list(strip[0, ::3, 0]) == [0, 2, 4, 6, 9, 11, 13, 15]
    assert pixels_of(strip_png(frames[:3])).shape == (2, 3 * 3, 3)


def test_clips_show_the_colours_that_they_were_made_of() -> None:
    spec = ClipSpec(frames=2, seconds_between_frames=0.1, height=2, width=2, resize=2, mean=(0.5, 0.4, 0.3))
    levels = torch.tensor([10, 128, 255], dtype=torch.float32)
    mean, std = torch.tensor(spec.mean), torch.tensor(spec.std)
    pixels = ((levels / 255 - mean) / std)[None, :, None, None, None].expand(1, 3, 2, 2, 2)
    clips = Clips(records=(None,), pixels=pixels, spec=spec)  # type: ignore[arg-type]
    assert pixels_of(clips._repr_png_()).reshape(-1, 3).tolist() == [[10, 128, 255]] * 8
    assert Clips(records=(None,), pixels=pixels)._repr_png_() is None  # type: ignore[arg-type]
    assert Clips(records=(), pixels=pixels[:0], spec=spec)._repr_png_() is None


def test_a_figure_shows_itself_without_pyplot() -> None:
    assert pixels_of(ShownFigure(figsize=(1, 1), dpi=10)._repr_png_()).shape[:2] == (10, 10)
