"""What the docs' pages tell a reader to type runs: commands, Python, study files, on small bundled scenes."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest

from support.study_text import study_text
from videotcav import api
from videotcav.cli import main
from videotcav.study.demo import cut_concepts
from videotcav.study.file import StudyFile

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def commands(page: Path) -> list[str]:
    lines = page.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.startswith("    videotcav ")]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with few scenes in it, as `videotcav planted render scenes` writes many."""
    folder = tmp_path_factory.mktemp("pages")
    api.render_demo(folder / "scenes", class_clips=6, other_clips=5, concept_sources=10, random_sources=42)
    return folder


def test_the_commands_of_ten_minutes_run_one_after_the_other(
    scenes: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(scenes)
    render, *rest = commands(ROOT / "docs" / "ten-minutes.md")
    assert render == "videotcav planted render scenes"  # which wrote more of the same
    assert len(rest) > 8
    said = {}
    for line in rest:
        monkeypatch.setattr("sys.argv", shlex.split(line, comments=True))
        with pytest.raises(SystemExit) as end:
            main()
        out = capsys.readouterr()
        said[line.split()[1]] = out.out + out.err
        assert not end.value.code or line.split()[1] == "plan", f"{line}\n{out.err}"  # a plan may find too few
    assert said["probe"].startswith("The model ")
    assert (scenes / "map.mp4").stat().st_size
    assert "Does" in (scenes / "scenes" / "run" / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def demo(scenes: Path) -> Path:
    """A folder in which pages find `demo/`, as `videotcav demo` leaves it but for the run."""
    folder = scenes / "beside"
    (folder / "demo").mkdir(parents=True)
    for name in ("classes", "concepts_source", "random_source"):
        (folder / "demo" / name).symlink_to(scenes / "scenes" / name)
    cut_concepts(folder / "demo")
    return folder


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.stem)
def test_the_python_of_a_page_runs_as_it_stands(page: Path, demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas", reason="pandas (an extra) is not installed")
    monkeypatch.chdir(demo)
    names: dict[str, Any] = {}
    for code in blocks(page, "python"):
        exec(compile(code, page.name, "exec"), names)  # noqa: S102 - our own page


def merged(base: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    both = {key: merged(base[key], other[key]) for key in base.keys() & other.keys() if isinstance(base[key], dict)}
    return {**base, **other, **both}


@pytest.mark.parametrize(
    ("page", "text"),
    [pytest.param(page, text, id=page.stem) for page in [ROOT / "README.md", *PAGES] for text in blocks(page, "toml")],
)
def test_what_a_page_shows_of_a_study_file_is_one(page: Path, text: str) -> None:
    """A piece is laid over the least that a study says."""
    told = tomllib.loads(text)
    models = told.pop("models", [])
    whole = told if {"model", "classes", "concepts"} <= told.keys() else merged(tomllib.loads(study_text()), told)
    for model in models or [whole["model"]]:
        StudyFile.model_validate_json(json.dumps({**whole, "model": model}), strict=True)


@pytest.mark.parametrize("text", blocks(ROOT / "docs" / "audit.md", "json"))
def test_the_forms_that_the_audit_reads_are_read(text: str, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(text, encoding="utf-8")
    assert all(finding.sentence for finding in api.audit(tmp_path / "results.json"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_says_first_what_the_reader_gets(page: Path) -> None:
    heading, empty, first = page.read_text(encoding="utf-8").splitlines()[:3]
    assert heading.startswith("# ")
    assert not empty
    assert first.startswith("**Here ")
