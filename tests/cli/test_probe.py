"""`videotcav probe`: the answer in words and as JSON, what is written, and what is refused."""

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
class Grows(nn.Module):
    def forward(self, x):
        found = x[:, :, -1].mean(dim=(1, 2, 3)) - x[:, :, 0].mean(dim=(1, 2, 3))
        return torch.stack([found, -found], dim=1)
def build():
    spec = ClipSpec(frames=4, seconds_between_frames=0.1, height=8, width=8, resize=8)
    return Grows(), ModelCard(name='own', clip_spec=spec, classes=('up', 'down'))
def broken():
    made, card = build()
    made.register_forward_hook(lambda *args: args[2] * float('nan'))
    return made, card
"""
ASKED = ("probe", "videos", "--model", "mynet_of_the_probe_tests:build")


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of one's own, and clips that get brighter, and darker."""
    folder = tmp_path_factory.mktemp("probe")
    (folder / "mynet_of_the_probe_tests.py").write_text(MODEL)
    rng = np.random.default_rng(0)
    for name, sign in (("up", 1), ("down", -1)):
        (folder / "videos" / name).mkdir(parents=True)
        for number in range(10):
            levels = 120 + sign * rng.uniform(3, 6) * np.arange(-6, 6)
            film = levels[:, None, None, None] + rng.normal(0, 6, (12, 16, 16, 3))
            write_video(
                folder / "videos" / name / f"{number}.mp4", np.clip(film, 0, 255).astype(np.uint8), frames_per_second=20
            )
    return folder


@pytest.fixture
def folder(videos: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(videos)
    return videos


def test_the_answer_comes_first_and_the_page_is_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert videotcav(monkeypatch, *ASKED, "--edit", "reverse", "--edit", "grey", "-o", "probe") == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == (
        "The model relies most on the direction of time: accuracy falls from 100\N{NO-BREAK SPACE}% to "
        f"0\N{NO-BREAK SPACE}% when frames run backwards, and the score of 2 of 2 classes falls "
        f"({said[0].rpartition('(')[2]}"
    )
    assert said[-1] == "probe/report.html"
    found = vt.read_probe("probe")
    assert found.manifest.command.endswith("--edit grey -o probe")
    page = Path("probe/report.html").read_text(encoding="utf-8")
    assert said[0] in page
    assert videotcav(monkeypatch, "report", "probe") == 0
    assert Path("probe/report.html").read_text(encoding="utf-8") == page


def test_json_has_every_row(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert videotcav(monkeypatch, "--json", *ASKED, "--class", "up", "--edit", "reverse") == 0
    found = json.loads(capsys.readouterr().out)
    (row,) = (row for row in found["effects"] if not row["of_clips"])
    assert (row["edit"], row["class_name"], row["verdict"]) == ("reverse", "up", "negative")
    assert found["sentences"][0].startswith("“up” relies most on the direction of time")


def test_objects_are_edited_where_boxes_say_where_they_are(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("regions.json").write_text('{"regions": {"corner": [2, 2, 9, 9], "mark": [12, 12, 15, 15]}}')
    words = ("--edit", "reverse", "--edit", "freeze object", "--edit", "blur background")
    assert videotcav(monkeypatch, "--json", *ASKED, *words, "--boxes", "regions.json", "--label", "corner") == 0
    found = json.loads(capsys.readouterr().out)
    rows = {(row["edit"], row["target"], row["class_name"]): row for row in found["effects"] if not row["of_clips"]}
    assert {key[:2] for key in rows} == {("reverse", ""), ("freeze", "object"), ("blur", "background")}
    assert rows["freeze", "object", "up"]["clips"] == 10
    assert videotcav(monkeypatch, *ASKED, "--detector", "nowhere.onnx") == 1
    assert "there is no such detector file" in capsys.readouterr().err
    assert videotcav(monkeypatch, *ASKED, "--edit", "freeze object") == 1
    assert "give a file of boxes or a detector" in capsys.readouterr().err


def test_two_models_and_subgroups(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [f"videos/{name}/{number}.mp4,{number % 2}" for name in ("up", "down") for number in range(10)]
    Path("labels.csv").write_text("\n".join(["file,site", *lines]), encoding="utf-8")
    more = ("--model", "mynet_of_the_probe_tests:build", "--table", "labels.csv", "--by", "site", "--edit", "reverse")
    assert videotcav(monkeypatch, "--json", *ASKED, *more, "-o", "two") == 0
    found = json.loads(capsys.readouterr().out)
    assert {row["of_clips"] for row in found["effects"]} == {"", "site = 0", "site = 1", "right"}
    assert {row["model"] for row in found["differences"]} == {"own (2)"}
    assert vt.read_probe("two").differences[0].difference == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--class", "upp"), "no class 'upp' among the 2 of own; closest: 'up'"),
        (("--edit", "revers"), "no edit 'revers' of whole clips; closest: 'reverse'"),
        (("--weights", "a", "--weights", "b"), "1 models and 2 weights do not fit"),
        (("--by", "site"), "need a table of labels"),
        (("--table", "nowhere.csv"), "nowhere.csv"),
    ],
)
def test_what_does_not_fit_is_one_sentence(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    said: str,
) -> None:
    assert videotcav(monkeypatch, *ASKED, *words) == 1
    printed = capsys.readouterr()
    assert said in printed.err
    assert "Traceback" not in printed.err
    assert not printed.out


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("videos/up", "build"), "nothing says of which class videos/up are"),
        (("nowhere", "build"), "nowhere: does not exist"),
        (("empty", "build"), "no video"),
        (("alone", "build"), "'up' has 1"),
        (("videos", "broken"), "clip 'videos/down/0.mp4': the logits of own is NaN"),
    ],
)
def test_videos_that_do_not_fit_are_one_sentence(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    given: tuple[str, str],
    said: str,
) -> None:
    Path("empty/up").mkdir(parents=True, exist_ok=True)
    Path("alone/up").mkdir(parents=True, exist_ok=True)
    Path("alone/up/one.mp4").write_bytes(Path("videos/up/0.mp4").read_bytes())
    words = ("probe", given[0], "--model", f"mynet_of_the_probe_tests:{given[1]}", "-o", "not-written")
    assert videotcav(monkeypatch, *words) == 1
    assert said in capsys.readouterr().err
    assert not Path("not-written").exists()
