"""What is drawn: heat where there is heat, the frame where there is none, captions that are there and fit."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest

from videotcav.errors import NumericalError, VideotcavError
from videotcav.video.overlay import labelled, overlay_heatmap

FRAMES = np.random.default_rng(0).integers(0, 256, (3, 48, 64, 3), dtype=np.uint8)


def test_no_heat_leaves_the_frame_untouched():
    np.testing.assert_array_equal(overlay_heatmap(FRAMES, np.zeros(FRAMES.shape[:3])), FRAMES)


def test_full_heat_is_the_top_of_the_scale_by_the_opacity():
    """0.6 of the colour and 0.4 of the frame, by hand."""
    drawn = overlay_heatmap(FRAMES, np.ones(FRAMES.shape[:3]), opacity=0.6)
    top = 255 * np.array(mpl.colormaps["inferno"](255)[:3])
    assert np.abs(drawn - (0.4 * FRAMES + 0.6 * top)).max() <= 1


def test_half_the_heat_covers_half_as_much():
    drawn = overlay_heatmap(FRAMES, np.full(FRAMES.shape[:3], 0.5), opacity=0.6)
    middle = 255 * np.array(mpl.colormaps["inferno"](128)[:3])
    assert np.abs(drawn - (0.7 * FRAMES + 0.3 * middle)).max() <= 1


def test_the_scale_grows_lighter_all_the_way():
    """So that more heat reads as more without any colour vision: relative luminance never falls."""
    grey = np.full((1, 1, 256, 3), 0, np.uint8)
    drawn = overlay_heatmap(grey, np.linspace(0, 1, 256)[None, None], opacity=1.0)
    luminance = drawn[0, 0] @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(luminance) > -1).all()
    assert luminance[-1] - luminance[0] > 200


def test_heat_beyond_the_scale_is_clipped():
    shape = FRAMES.shape[:3]
    np.testing.assert_array_equal(
        overlay_heatmap(FRAMES, np.full(shape, 7.0)), overlay_heatmap(FRAMES, np.full(shape, 1.0))
    )


def test_heat_that_does_not_fit_or_is_no_number_is_refused():
    with pytest.raises(VideotcavError, match="does not fit"):
        overlay_heatmap(FRAMES, np.zeros((3, 24, 32)))
    with pytest.raises(NumericalError, match="NaN"):
        overlay_heatmap(FRAMES, np.full(FRAMES.shape[:3], np.nan))


@pytest.mark.parametrize(("height", "width"), [(32, 32), (160, 160), (240, 426), (1080, 1920), (33, 47)])
def test_panels_have_a_legible_size_that_mp4_can_take(height, width):
    frames = np.zeros((2, height, width, 3), np.uint8)
    film = labelled([frames, frames], ("right", "wrong"))
    assert film.dtype == np.uint8
    assert len(film) == 2
    panel = (film.shape[2] - 3 * 12) / 2
    assert panel / (film.shape[1] - 100) > 0.5 * width / height
    assert min(panel, film.shape[1]) >= 320
    assert film.shape[1] % 2 == film.shape[2] % 2 == 0


def test_a_narrow_strip_is_not_blown_up_beyond_the_screen():
    assert labelled([np.zeros((1, 8, 300, 3), np.uint8)], ["strip"]).shape[2] <= 1000


def test_the_panels_stand_side_by_side_with_their_content():
    red, blue = np.zeros((2, 160, 160, 3), np.uint8), np.zeros((2, 160, 160, 3), np.uint8)
    red[..., 0], blue[..., 2] = 200, 200
    film = labelled([red, blue], ("right class", "wrong class"))
    middle = film.shape[1] // 2
    assert film[0, middle, film.shape[2] // 4].tolist() == [200, 0, 0]
    assert film[0, middle, 3 * film.shape[2] // 4].tolist() == [0, 0, 200]


def test_captions_are_written_and_a_long_one_stays_within_its_panel():
    frames = np.zeros((1, 160, 160, 3), np.uint8)
    blank = labelled([frames, frames], ("", ""))
    long = "an unbelievably long caption " * 20
    written = labelled([frames, frames], (long, ""))
    top = written.shape[1] - blank.shape[1] + 30  # the strip has grown by a line
    ink = written[0, :top] != written[0, 0, 0]
    assert ink[:, : written.shape[2] // 2].any()
    assert not ink[:, written.shape[2] // 2 + 6 :].any()


def test_the_bar_moves_with_time_and_nothing_else_does():
    frames = np.zeros((4, 160, 160, 3), np.uint8)
    film = labelled([frames], ["still"], timestamps=[0.5] * 4)
    changed = (film != film[0]).any(axis=(0, 3))
    rows = np.nonzero(changed.any(axis=1))[0]
    assert rows.max() - rows.min() == 2  # three rows thick
    bright = (film[:, rows[0]] > 200).all(axis=2).sum(axis=1)
    np.testing.assert_allclose(bright / bright[-1], [0.25, 0.5, 0.75, 1], atol=0.01)


def test_videos_of_different_lengths_cannot_stand_side_by_side():
    with pytest.raises(VideotcavError, match="cannot stand in a row"):
        labelled([FRAMES, FRAMES[:2]], ("a", "b"))
    with pytest.raises(VideotcavError, match="1 captions"):
        labelled([FRAMES, FRAMES], ["a"])
