"""The page on paper, in a real browser: nothing that a reader cannot open is closed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from videotcav.report.page import write_report


def test_closed_sections_print_open(run_folder: Path, visit: Callable[..., Any]) -> None:
    page = visit(write_report(run_folder))
    inside = page.locator("details:not([open]) > :not(summary)")
    assert inside.count() > 0
    assert not any(part.is_visible() for part in inside.all())
    page.emulate_media(media="print")
    assert all(part.is_visible() for part in inside.all())
