"""Results in a notebook: a line a row, and nothing that a name could smuggle in."""

from __future__ import annotations

from pathlib import Path

from markupsafe import escape

from videotcav.results.read import RunResults
from videotcav.results.table import results_html, results_table_text


def test_the_text_has_a_line_a_result_and_its_columns_stand_in_line(example_run: Path) -> None:
    results = RunResults.read(example_run).results[:12]
    head, *lines = results_table_text(results).splitlines()
    assert len(lines) == 12
    column = head.index("verdict")
    assert [line[column:].split(" ", 1)[1] for line in lines] == [row.verdict for row in results]


def test_html_escapes_names(example_run: Path) -> None:
    row = RunResults.read(example_run).results[0].model_copy(update={"concept": "<script>x</script>"})
    page = results_html([row])
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_nothing_is_a_table_with_headings_alone() -> None:
    assert results_table_text([]).startswith("concept")
    assert "<tbody>" in results_html([])


def test_a_whole_run_shows_itself_under_its_question(example_run: Path) -> None:
    run = RunResults.read(example_run)
    page = run._repr_html_()
    assert page.count("<tr>") == 1 + len(run.results)
    assert f"<caption>{escape(run.manifest.question)}</caption>" in page
    question, head, *lines = repr(run).splitlines()
    assert question == run.manifest.question
    assert head.startswith("concept")
    assert len(lines) == len(run.results)
