"""The page on paper, in a real browser: nothing that a reader cannot open is closed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from videotcav.report.page import write_report

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip


@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no browser at {CHROMIUM}: apt install chromium")
def test_closed_sections_print_open(run_folder: Path) -> None:
    page_file = write_report(run_folder)
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        page.goto(page_file.as_uri())
        inside = page.locator("details:not([open]) > :not(summary)")
        assert inside.count() > 0
        assert not any(part.is_visible() for part in inside.all())
        page.emulate_media(media="print")
        assert all(part.is_visible() for part in inside.all())
        browser.close()
