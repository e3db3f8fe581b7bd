"""What the docs' pages tell a reader to type runs: commands, Python, study files, on small bundled scenes."""

from __future__ import annotations

import json
import re
import shlex
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import torch

from support.study_text import study_text
from videotcav import api
from videotcav.cli import main
from videotcav.concepts.detectors import detect
from videotcav.concepts.generate.prompts import read_prompts
from videotcav.datasets.rows import ClipList
from videotcav.models import load
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


RUN = {
    "audit": ["audit results.json"],
    "cam": ["cam", "scores"],
    "concepts": ["concepts show", "concepts accept"],
    "lists": ["datasets"],
    "models": ["models"],
}
"""What of other pages takes seconds on the bundled scenes, by how a command begins."""


@pytest.mark.parametrize("name", RUN)
def test_commands_of_other_pages_run_on_what_is_bundled(
    name: str, demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = ROOT / "docs" / f"{name}.md"
    for place, file in {"demo": "", "video.mp4": "classes/swing/swing_000.mp4", "concepts": "concepts"}.items():
        (tmp_path / place).symlink_to(demo / "demo" / file)
    for text in blocks(page, "json"):
        (tmp_path / "results.json").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for begins in RUN[name]:
        lines = [line for line in commands(page) if f"{line} ".startswith(f"videotcav {begins} ")]
        assert lines, begins
        for line in lines:
            monkeypatch.setattr("sys.argv", shlex.split(line, comments=True))
            with pytest.raises(SystemExit) as end:
                main()
            assert end.value.code in ((3,) if name == "audit" else (0, None)), f"{line}\n{capsys.readouterr().err}"


def merged(base: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    both = {key: merged(base[key], other[key]) for key in base.keys() & other.keys() if isinstance(base[key], dict)}
    return {**base, **other, **both}


@pytest.mark.parametrize(
    ("page", "text"),
    [
        pytest.param(page, text, id=page.stem)
        for page in [ROOT / "README.md", *PAGES]
        for text in blocks(page, "toml")
        if page.stem != "generate"
    ],
)
def test_what_a_page_shows_of_a_study_file_is_one(page: Path, text: str) -> None:
    """A piece is laid over the least that a study says."""
    told = tomllib.loads(text)
    models = told.pop("models", [])
    whole = told if {"model", "classes", "concepts"} <= told.keys() else merged(tomllib.loads(study_text()), told)
    if isinstance(whole["classes"].get("list"), str):
        given = {key: value for key, value in whole["classes"].items() if not isinstance(value, dict)}
        ClipList.model_validate_json(json.dumps(given), strict=True)
        whole = {**whole, "classes": {"swing": {"videos": ["clips of the list"]}}}
    for model in models or [whole["model"]]:
        StudyFile.model_validate_json(json.dumps({**whole, "model": model}), strict=True)


def test_the_prompts_of_the_page_are_as_many_as_it_says(tmp_path: Path) -> None:
    (text,) = blocks(ROOT / "docs" / "generate.md", "toml")
    (tmp_path / "prompts.toml").write_text(text)
    found, pool, _ = read_prompts(tmp_path / "prompts.toml")
    assert (len(found), len(pool)) == (9, 9)


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


def test_a_detector_and_a_source_of_models_of_ones_own_come_through_the_doors_that_the_page_names(
    demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _function, detector, family = blocks(ROOT / "docs" / "extend.md", "python")
    package = tmp_path / "mypackage"
    package.mkdir()
    (package / "bright.py").write_text(detector, encoding="utf-8")
    (package / "tiny.py").write_text(family, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    text = (ROOT / "docs" / "extend.md").read_text(encoding="utf-8")
    doors = re.findall(r'^    \[project\.entry-points\."(.+)"\]\n    (\w+) = "(.+)"$', text, flags=re.MULTILINE)
    assert len(doors) == 2
    points = [EntryPoint(name=name, value=value, group=group) for group, name, value in doors]
    for room in (detect, load):
        monkeypatch.setattr(room, "entry_points", lambda group: [each for each in points if each.group == group])
    found = api.propose(
        [demo / "demo" / "concepts_source" / "concepts_source_000.mp4"],
        tmp_path / "concepts",
        detector="bright:",
        labels=["spot"],
    )
    assert found.outcomes[0].labels == ("spot",)
    model = api.load_model("tiny:any")
    assert model(torch.zeros(1, 3, 8, 64, 64)).shape == (1, 2)
    for name in ("mypackage", "mypackage.bright", "mypackage.tiny"):
        sys.modules.pop(name, None)


def test_the_versions_that_others_are_compared_in_are_those_that_the_tests_hold_them_in() -> None:
    page = (ROOT / "docs" / "beside.md").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned = dict(
        line.split("==")
        for extra in ("test", "peers")
        for line in project["optional-dependencies"][extra]
        if "==" in line
    )
    for name, key in {"captum": "captum", "grad-cam": "grad-cam", "torch-cam": "torchcam"}.items():
        assert f"{name} {pinned[key]}" in page
