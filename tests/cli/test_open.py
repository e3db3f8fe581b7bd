"""`--open` shows what a command wrote; no test opens a browser."""

from __future__ import annotations

import shutil
import webbrowser
from pathlib import Path

import numpy as np
import pytest

from support.shell import OWN_MODEL, videotcav
from videotcav import api
from videotcav.report.run import read_run
from videotcav.video.write import write_video

MODEL = ("--model", "mynet_of_the_open_tests:build")


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that a browser was asked to show."""
    asked: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: asked.append(address) or True)
    return asked


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a model of one's own and a few videos of it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mynet_of_the_open_tests.py").write_text(OWN_MODEL)
    rng = np.random.default_rng(0)
    for name in ("yes", "no"):
        (tmp_path / "videos" / name).mkdir(parents=True)
        for number in range(3):
            frames = rng.integers(0, 255, size=(8, 16, 16, 3), dtype=np.uint8)
            write_video(tmp_path / "videos" / name / f"{number}.mp4", frames, frames_per_second=10)
    return tmp_path


def test_the_demos_report_is_shown(
    folder: Path, run_folder: Path, monkeypatch: pytest.MonkeyPatch, opened: list[str]
) -> None:
    monkeypatch.setattr(api, "demo", lambda *_, **__: read_run(run_folder))
    assert videotcav(monkeypatch, "demo") == 0
    assert opened == []
    assert videotcav(monkeypatch, "demo", "--open") == 0
    assert opened == [(run_folder / "report.html").as_uri()]


def test_a_report_and_an_index_are_shown(run_folder: Path, monkeypatch: pytest.MonkeyPatch, opened: list[str]) -> None:
    assert videotcav(monkeypatch, "report", run_folder, "--open") == 0
    assert videotcav(monkeypatch, "runs", run_folder.parent, "--open") == 0
    assert opened == [(run_folder / "report.html").as_uri(), (run_folder.parent / "index.html").as_uri()]


@pytest.mark.parametrize("output", ["map.mp4", "map.png", "maps"])
def test_maps_are_shown(folder: Path, monkeypatch: pytest.MonkeyPatch, opened: list[str], output: str) -> None:
    """Of a folder of maps its page."""
    asked = ("cam", "videos/yes/0.mp4", *MODEL, "--layer", "0", "-o", output)
    assert videotcav(monkeypatch, *asked, "--open") == 0
    shown = folder / output / "report.html" if output == "maps" else folder / output
    assert opened == [shown.as_uri()]
    assert shown.is_file()


def test_a_probe_is_shown(folder: Path, monkeypatch: pytest.MonkeyPatch, opened: list[str]) -> None:
    asked = ("probe", "videos", *MODEL, "--edit", "grey")
    assert videotcav(monkeypatch, *asked, "-o", "probe", "--open") == 0
    assert opened == [(folder / "probe" / "report.html").as_uri()]


def test_what_is_no_page_is_refused_before_any_pass(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], opened: list[str]
) -> None:
    assert videotcav(monkeypatch, "cam", "videos/yes/0.mp4", *MODEL, "-o", "map.npz", "--open") == 1
    assert videotcav(monkeypatch, "probe", "videos", *MODEL, "--open") == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "map.npz is none: end it in .mp4, or leave --open out" in said
    assert "give --output" in said
    assert opened == []
    assert not (folder / "map.npz").exists()


def test_where_there_is_no_browser_the_page_is_named(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(webbrowser, "open", lambda _: False)
    assert videotcav(monkeypatch, "report", run_folder, "--open") == 0
    said = " ".join(capsys.readouterr().err.split())
    assert f"no browser could be opened; the page is {run_folder / 'report.html'}" in said


def test_the_answer_is_the_first_line(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(api, "run", lambda *_, **__: read_run(run_folder))
    shutil.rmtree(run_folder / "media")
    assert videotcav(monkeypatch, "run", "study.toml") == 0
    assert capsys.readouterr().out.startswith("“bar” and its motion push the model towards “swing”")
