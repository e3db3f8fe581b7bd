"""The machine's Chromium: `visit(page, "phone", color_scheme="dark")` opens a page, and `faults` asks axe about it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
SCREENS = {"laptop": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"there is no browser at {CHROMIUM}: apt install chromium")
    with playwright.sync_playwright() as play:
        opened = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    contexts = []

    def visit(file: Path, screen: str = "laptop", **how: Any) -> Any:
        contexts.append(browser.new_context(viewport=SCREENS[screen], **how))
        page = contexts[-1].new_page()
        page.goto(file.as_uri())
        return page

    yield visit
    for context in contexts:
        context.close()


def faults(page: Any, *tags: str) -> str:
    """What axe complains of, in words; empty where there is nothing. Asked are the rules with the tags, or all.

    The page must bypass its policy.
    """
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    found = axe.Axe().run(page, options={"runOnly": {"type": "tag", "values": tags}} if tags else None)
    return str(found.generate_report()) if found.violations_count else ""


def stands_out(page: Any, picture: str) -> bool:
    """Whether a picture's corner has another colour than the card that it lies on."""
    corner = Image.open(BytesIO(page.locator(picture).first.screenshot())).convert("RGB").getpixel((4, 4))
    card = page.locator(picture).first.evaluate(
        "(one) => getComputedStyle(one.closest('.glance, .plate')).backgroundColor"
    )
    return max(abs(ours - int(theirs)) for ours, theirs in zip(corner, re.findall(r"\d+", card), strict=True)) > 3
