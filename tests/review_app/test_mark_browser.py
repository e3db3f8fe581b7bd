"""Marking as a person does it: in the machine's Chromium, by mouse and by keyboard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.concepts.conftest import FRAMES, HEIGHT, SIDE, TOP, WIDTH, draw, left_edge
from tests.review_app.test_browser import Site, browser, press, pytestmark, text, until, visit  # noqa: F401 - fixtures
from videotcav.concepts.folder import read_records
from videotcav.concepts.review.review import reviewed_sets
from videotcav.video.write import write_video


@pytest.fixture
def marked(tmp_path: Path) -> Iterator[Site]:
    """A new folder, and two videos: a square that travels, and the same covered from frame 8."""
    videos = tmp_path / "videos"
    videos.mkdir()
    pixels = draw(0)
    write_video(videos / "all.mp4", pixels, frames_per_second=10)
    pixels[8:] = np.random.default_rng(0).integers(0, 255, pixels[8:].shape)
    write_video(videos / "covered.mp4", pixels, frames_per_second=10)
    running = Site(tmp_path / "concepts", videos=videos)
    yield running
    running.stop()


def at_frame(page, video: int, frame: int) -> None:
    until(page, f"document.body.dataset.frame === '{video}:{frame}'")


def drag_box(page, left: int, top: int, side: int) -> None:
    """Drags over these pixels of the video, wherever the picture lies on the page."""
    box = page.locator("#picture").bounding_box()
    scale = min(box["width"] / WIDTH, box["height"] / HEIGHT)
    x0 = box["x"] + (box["width"] - WIDTH * scale) / 2
    y0 = box["y"] + (box["height"] - HEIGHT * scale) / 2
    page.mouse.move(x0 + left * scale, y0 + top * scale)
    page.mouse.down()
    page.mouse.move(x0 + (left + side) * scale, y0 + (top + side) * scale, steps=3)
    page.mouse.up()


def test_a_clip_is_marked_followed_and_added(marked: Site, visit: Callable) -> None:  # noqa: F811 - a fixture
    page = visit(marked, "Ada", ready="body[data-frame='0:0']", path="mark")
    assert page.url == f"http://127.0.0.1:{marked.port}/mark"  # the token is gone from the address
    assert page.locator("#add").is_disabled()
    press(page, "i", "Shift+ArrowRight", "ArrowRight")
    at_frame(page, 0, FRAMES - 1)
    press(page, "o")
    until(page, "document.getElementById('found').textContent.includes('whole picture')")
    for _ in range(FRAMES - 1):
        press(page, "ArrowLeft")
    at_frame(page, 0, 0)
    drag_box(page, left_edge(0, 0), TOP, SIDE)
    until(page, "document.getElementById('found').textContent.includes('through all of it')")
    press(page, "Shift+ArrowRight")  # the box went along
    at_frame(page, 0, 10)
    until(page, f"Math.abs(document.getElementById('left').value - {left_edge(10, 0)}) <= 1")
    page.fill("#concept", "square")
    press(page, "Enter")
    until(page, "document.getElementById('added').textContent.includes('square')")
    (moving,) = (one for one in read_records(marked.folder) if one.kind == "spatiotemporal")
    assert (moving.frames, moving.who, moving.detector) == (tuple(range(FRAMES)), "Ada", "by hand")
    np.testing.assert_allclose([box[0] for box in moving.boxes], [left_edge(i, 0) for i in range(FRAMES)], atol=1)
    assert reviewed_sets(marked.folder).accepted == {"square": (moving.id,)}

    page.select_option("#video", "1")  # by keyboard alone, and the object is lost in the middle
    at_frame(page, 1, 0)
    page.locator("#main").focus()
    press(page, "i", "Shift+ArrowRight", "o")
    for name, value in {"left": left_edge(0, 0), "top": TOP, "width": SIDE, "height": SIDE}.items():
        page.fill(f"#{name}", str(value))
    press(page, "Tab")
    press(page, "Enter")  # sets the box on frame 10, where there is noise
    until(page, "document.getElementById('found').className === 'bad'")
    assert text(page, "#found").startswith("Where the object is found is 1 frame long")
    assert page.locator("#add").is_disabled()
    page.locator("#main").focus()
    press(page, "x", "Shift+ArrowLeft")
    at_frame(page, 1, 0)
    for name, value in {"left": left_edge(0, 0), "top": TOP, "width": SIDE, "height": SIDE}.items():
        page.fill(f"#{name}", str(value))
    page.click("#set-box")
    until(page, "document.getElementById('found').className === 'part'")
    assert "from 0.00 s to 0.70 s only" in text(page, "#found")
    page.locator("#main").focus()
    press(page, "p")
    until(page, "document.body.dataset.frame === '1:9'")  # it plays what is marked
    page.click("#add")
    until(page, "document.getElementById('added').children.length === 2")
    page.goto(f"http://127.0.0.1:{marked.port}/")
    page.wait_for_selector("#name-dialog[open]")
    press(page, "Enter")
    page.wait_for_selector("body.ready")
    assert page.locator("#to-mark").is_visible()


def test_typed_numbers_outlive_an_answer_that_comes_late(marked: Site, visit: Callable) -> None:  # noqa: F811 - a fixture
    page = visit(marked, "Ada", ready="body[data-frame='0:0']", path="mark")
    held: list = []
    page.route("**/follow", lambda route: held.append(route))  # noqa: PLW0108 - it is given an attribute
    press(page, "i", "Shift+ArrowRight", "o", "Shift+ArrowLeft")
    at_frame(page, 0, 0)
    typed = {"left": "7", "top": "8", "width": "9", "height": "10"}
    for name, value in typed.items():
        page.fill(f"#{name}", value)
    page.locator("#main").focus()
    until(page, "document.getElementById('found').textContent === '…'")
    held[-1].continue_()
    until(page, "document.getElementById('found').textContent.includes('whole picture')")
    assert {name: page.input_value(f"#{name}") for name in typed} == typed
    press(page, "ArrowRight")  # of another frame they are no box
    at_frame(page, 0, 1)
    assert page.input_value("#left") == ""
