"""Still pictures become spatial clips that show them upright, again and again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import videotcav as vt
from videotcav.concepts.folder import read_records
from videotcav.concepts.review.review import reviewed_sets
from videotcav.errors import ConceptError, VideotcavWarning
from videotcav.video.read import read_all


def halves(width: int = 48, height: int = 32) -> Image.Image:
    """Red on the left, blue on the right."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2, 0] = pixels[:, width // 2 :, 2] = 200
    return Image.fromarray(pixels)


def test_pictures_are_held_upright_and_known_by_their_content(tmp_path: Path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    halves().save(pictures / "a.png")
    turned = Image.Exif()
    turned[0x0112] = 6  # turn by 90° clockwise to see it: what is left goes to the top
    halves().save(pictures / "b.jpg", exif=turned, quality=95)
    halves().save(pictures / "noending", "WEBP", lossless=True)
    (pictures / "notes.txt").write_text("no picture")
    out = tmp_path / "out"
    with pytest.warns(VideotcavWarning, match="1 files are no JPEG, PNG or WebP pictures"):
        added = vt.mark_stills(pictures, out, concept="halves", reviewer="Ada")
    assert [one.id for one in added] == ["a-still", "b-still", "noending-still"]
    (found,) = reviewed_sets(out).sets
    assert (found.concept, found.kind, len({clip.source for clip in found.clips})) == ("halves", "spatial", 3)
    for clip in found.clips:
        frames, _ = read_all(clip.path)
        assert len(frames) == 16
        assert np.ptp(frames.astype(int), axis=0).max() <= 2  # nothing moves
        first, last = frames[0, 4, 4], frames[0, -5, -5]
        assert first[0] > 150 > first[2]
        assert last[2] > 150 > last[0]
    assert frames.shape[1:3] == (32, 48)
    assert read_all(out / "halves/spatial/b-still.mp4")[0].shape[1:3] == (48, 32)
    vt.mark_stills(pictures / "a.png", out, concept="halves", reviewer="Ada")
    assert len(read_records(out)) == 3  # once more adds nothing


def test_what_is_no_still_picture_is_refused_and_nothing_is_written(tmp_path: Path):
    halves().save(tmp_path / "moves.webp", save_all=True, append_images=[Image.new("RGB", (48, 32))])
    halves().save(tmp_path / "moves.gif")
    (tmp_path / "cut.png").write_bytes((tmp_path / "moves.webp").read_bytes()[:8])
    halves(600, 400).save(tmp_path / "whole.jpg")
    (tmp_path / "short.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:1500])
    (tmp_path / "empty").mkdir()
    for name, sentence in (
        ("moves.webp", "moves, so it is no still picture"),
        ("moves.gif", "is no JPEG, PNG or WebP picture"),
        ("cut.png", "is no JPEG, PNG or WebP picture"),
        ("short.jpg", "cannot be read as a picture"),
        ("gone.png", "No such file"),
        ("empty", "holds no JPEG"),
    ):
        with pytest.raises(ConceptError, match=sentence):
            vt.mark_stills([tmp_path / "whole.jpg", tmp_path / name], tmp_path / "out", concept="x", reviewer="Ada")
    assert not (tmp_path / "out").exists()
