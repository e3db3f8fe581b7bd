"""The docs' pages of results are what their scripts write from the results that are there."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from validation.targets import rows, table

ROOT = Path(__file__).parents[1]
SCRIPTS = {"performance": "pages/performance.py", "reliability": "pages/reliability.py", "scale": "pages/scale_page.py"}


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


def test_tables_of_pages_that_people_write_are_what_the_results_say(monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(sys.modules)
    monkeypatch.syspath_prepend(ROOT / "benchmarks" / "pages")
    tables = importlib.import_module("tables")
    asked = set()
    for name in tables.PAGES:
        page = (ROOT / f"docs/{name}.md").read_text(encoding="utf-8")
        asked |= {place["name"] for place in tables.PLACE.finditer(page)}
        assert tables.filled_in(page) == page, "python benchmarks/pages/tables.py"
    assert set(tables.TABLES) <= asked
    with pytest.raises(KeyError, match="no such table"):
        tables.filled_in("<!-- table no such table -->\n<!-- end -->")
    for name in {"template", "tables", "gallery_tables"} - before:
        sys.modules.pop(name, None)


def test_a_row_of_targets_stands_in_a_page_as_it_is() -> None:
    """Whatever wrote the page: what names a row tells that row's numbers."""
    lines = {line for row in rows() for line in table([row]).splitlines()[2:]}
    known = {row.what for row in rows()}
    for page in sorted((ROOT / "docs").glob("*.md")):
        for line in page.read_text(encoding="utf-8").splitlines():
            if line.startswith("| ") and line.split(" | ")[0].removeprefix("| ") in known:
                assert any(line.startswith(told) for told in lines), f"{page.name}: {line}"


def published(*, sets: str = "", test: str = "sample t") -> list[float]:
    """How often published tests reject true nulls, in per cent."""
    found = rows("benchmarks/null_calibration.py")
    return [100 * (row.value or 0) for row in found if test in row.what and sets in row.what]


@pytest.mark.parametrize(
    "page", ["README.md", "docs/audit.md", "src/videotcav/study/audit.py", "src/videotcav/report/page.html"]
)
def test_the_tens_between_which_published_tests_reject_true_nulls_are_measured(page: str) -> None:
    low, high = (round(end, -1) for end in (min(published()), max(published())))
    assert f"{low:.0f}–{high:.0f} %" in (ROOT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", ["docs/paper.md", "src/videotcav/report/paper.html"])
def test_how_often_ten_random_sets_reject_true_nulls_is_measured(page: str) -> None:
    found = published(sets="10 random sets", test="two-sample t")
    assert f"{min(found):.0f} to {max(found):.0f} %" in (ROOT / page).read_text(encoding="utf-8")
