"""`videotcav scores`: the table, what is written, and what is refused before any pass."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import videotcav as vt
from support.shell import videotcav
from videotcav.video.write import write_video

MODEL = """\
import torch
from torch import nn
from videotcav.records import ClipSpec, ModelCard
def build():
    torch.manual_seed(0)
    net = nn.Sequential(nn.AvgPool3d((1, 4, 4)), nn.Flatten(), nn.Linear(3 * 4 * 4, 2))
    spec = ClipSpec(frames=4, seconds_between_frames=0.1, height=8, width=8, resize=8)
    return net, ModelCard(name='own', clip_spec=spec, classes=('yes', 'no'), layouts={'0': 'b c t h w'},
                          default_layers=('0',))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a model of one's own, bright and dark clips of a concept, a pool and a bright video."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mynet_of_the_score_tests.py").write_text(MODEL)
    rng = np.random.default_rng(0)
    for place, count, low in (("concepts/bright", 8, 200), ("random", 12, 0), (".", 1, 200)):
        Path(place).mkdir(exist_ok=True, parents=True)
        for number in range(count):
            grey = rng.integers(low, low + 50)
            frames = np.clip(grey + rng.integers(-9, 9, size=(12, 16, 16, 3)), 0, 255).astype(np.uint8)
            write_video(Path(place) / f"{Path(place).name or 'clip'}-{number}.mp4", frames, frames_per_second=10)
    return tmp_path


def scores(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    asked = ("clip-0.mp4", "--model", "mynet_of_the_score_tests:build", "--concepts", "concepts", "--random", "random")
    return videotcav(monkeypatch, "--json", "scores", *asked, *arguments)


def test_a_bright_video_shows_brightness(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert scores(monkeypatch, "--class", "yes", "-o", "scores.parquet") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["concept"], row["layer"], row["class_name"]) == ("bright", "0", "yes")
    assert row["share"] == pytest.approx(1, abs=0.2)
    assert row["above_pool"] == 1
    (read,) = vt.ConceptScores.read("scores.parquet")
    assert read.share == row["share"]
    assert scores(monkeypatch, "-o", "scores.html", "--step-seconds", "0.4") == 0
    windows = json.loads(capsys.readouterr().out)
    assert [each["first_seconds"] for each in windows] == pytest.approx([0, 0.4, 0.8])
    assert "How much of each concept" in Path("scores.html").read_text(encoding="utf-8")


def test_what_cannot_be_is_told_in_one_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("notes.html").write_text("mine")
    for asked, said in (
        (("-o", "scores.txt"), ".html, or as a table, .parquet"),
        (("-o", "notes.html"), "not written by videotcav"),
        (("--pooling", "none"), "no pooling 'none'"),
        (("--class", "maybe"), "no class 'maybe'"),
        (("--layer", "7"), "no layer '7'"),
        (("--step-seconds", "0"), "above 0"),
    ):
        assert scores(monkeypatch, *asked) == 1
        assert said in " ".join(capsys.readouterr().err.split())
    assert Path("notes.html").read_text() == "mine"
