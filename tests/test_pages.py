"""The docs' pages of results are what their scripts write from the results that are there."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = {"performance": "pages/performance.py", "reliability": "pages/reliability.py", "scale": "scale_page.py"}


@pytest.mark.parametrize("page", SCRIPTS)
def test_a_page_of_results_is_what_its_script_writes(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set(sys.modules)
    for folder in ("benchmarks", "benchmarks/pages"):
        monkeypatch.syspath_prepend(ROOT / folder)
    script = importlib.import_module(Path(SCRIPTS[page]).stem)
    monkeypatch.setattr(script, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(script, "FIGURE", tmp_path / "figure.png", raising=False)
    script.main()
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == (ROOT / f"docs/{page}.md").read_text(encoding="utf-8")
    for name in {"template", "pages", "pages.template", script.__name__} - before:
        sys.modules.pop(name, None)  # scripts, not packages: others may be called so too
