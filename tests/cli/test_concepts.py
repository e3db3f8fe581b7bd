"""The concepts commands, from annotated videos to a random set."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from videotcav.cli.concepts import concepts
from videotcav.cli.console import Voice
from videotcav.errors import ConceptError
from videotcav.video.write import write_video


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Two videos of noise with the same region of interest."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for number in range(2):
        noise = np.random.default_rng(number).integers(0, 255, (16, 32, 48, 3)).astype(np.uint8)
        write_video(folder / f"v{number}.mp4", noise, frames_per_second=8)
    (folder / "marks.json").write_text(json.dumps({"regions": {"mark": [4, 4, 24, 24], "rest": [24, 4, 44, 24]}}))
    return folder


def run(*words: object, as_json: bool = True) -> object:
    result = CliRunner().invoke(
        concepts, [str(word) for word in words], obj=Voice(json=as_json), catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout) if as_json else result.stdout


def test_from_videos_to_a_random_set(videos: Path, tmp_path: Path):
    out = tmp_path / "concepts"
    words = ("propose", videos, "--detector", videos / "marks.json", "--label", "mark=logo", "--label", "*=other")
    proposal = run(*words, "-o", out, "--mode", "window", "--fill", "124,116,104", "--rule", "seed=3")
    assert [(one["video"], one["concept"], len(one["clips"])) for one in proposal["outcomes"]] == [
        ("v0", "logo", 5),
        ("v0", "other", 5),
        ("v1", "logo", 5),
        ("v1", "other", 5),
    ]
    shown = run("show", out, "--sheet", tmp_path / "sheet.png")
    assert [(one["concept"], one["candidates"]) for one in shown] == [("logo", 2), ("other", 2)]
    assert (tmp_path / "sheet.png").is_file()
    assert run("accept", out, "--all") == {"accepted": 20}
    drawn = run("random", out, "--for", "logo", "--size", "2", "-o", tmp_path / "random")
    assert len(drawn["shared_sources"]) == 2
    assert "2 candidates from 2 sources" in run("show", out, as_json=False)


def test_wrong_rules_are_named_with_those_that_exist(videos: Path, tmp_path: Path):
    words = ("propose", videos, "--detector", videos / "marks.json", "--label", "mark", "-o", tmp_path / "out")
    with pytest.raises(ConceptError, match=r"min_siz: Extra inputs .*known are mode, fill"):
        run(*words, "--rule", "min_siz=3")
    with pytest.raises(ConceptError, match="mode: Input should be 'paper', 'window' or 'in-place'"):
        run(*words, "--mode", "windows")


def test_recordings_come_from_a_table(videos: Path, tmp_path: Path):
    (tmp_path / "scenes.csv").write_text("file,scene\nv0.mp4,a\nv1.mp4,a\n")
    words = ("propose", videos, "--detector", videos / "marks.json", "--label", "mark", "-o", tmp_path / "out")
    proposal = run(*words, "--sources", tmp_path / "scenes.csv", "--source-column", "scene")
    assert {one["source"] for one in proposal["outcomes"]} == {"a"}
    with pytest.raises(ConceptError, match="has no column 'source'; found: file, scene"):
        run(*words, "--sources", tmp_path / "scenes.csv")


def test_accepting_nothing_in_particular_is_wrong_usage(tmp_path: Path):
    result = CliRunner().invoke(concepts, ["accept", str(tmp_path)], obj=Voice())
    assert result.exit_code == 2
    assert "say --all" in result.output
