"""The notebooks run from their first cell to their last on what is bundled, and show what they find."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

nb_run = pytest.importorskip("nbmake.nb_run", reason="nbmake is not installed")
nbformat = pytest.importorskip("nbformat", reason="nbformat, which nbmake brings, is not installed")

NOTEBOOKS = sorted((Path(__file__).parents[1] / "docs" / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_what_it_finds(
    notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR"):  # nothing of the person's own
        monkeypatch.setenv(name, str(tmp_path / name))
    here = Path(shutil.copy(notebook, tmp_path))
    ran = nb_run.NotebookRun(here, default_timeout=300).execute()
    assert ran.error is None, ran.error.summary
    outputs = [output for cell in ran.nb.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output.text for output in outputs if output.get("name") == "stderr"]
    shown = [output.data for output in outputs if output.output_type == "execute_result"]
    assert any("image/png" in each for each in shown)
    assert any("<table" in each.get("text/html", "") for each in shown)
    assert not any("object at 0x" in each["text/plain"] for each in shown if len(each) == 1)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs_and_begins_with_what_the_reader_gets(notebook: Path) -> None:
    cells = nbformat.read(notebook, 4).cells
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
    assert cells[0].source.startswith("# ")
    assert "\n\n**In this notebook " in cells[0].source
