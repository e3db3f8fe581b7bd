from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from videotcav.cli.main import main
from videotcav.video.write import write_video

MODEL = """\
from torch import nn
from videotcav.records import ClipSpec, ModelCard
def build():
    net = nn.Sequential(nn.Conv3d(3, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(2, 2))
    spec = ClipSpec(frames=4, seconds_between_frames=0.1, height=8, width=8, resize=8)
    return net, ModelCard(name='own', clip_spec=spec, classes=('yes', 'no'), layouts={'[01]': 'b c t h w'},
                          default_layers=('0',))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a model of one's own, a video, and two folders of clips."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mynet_of_the_cam_tests.py").write_text(MODEL)
    rng = np.random.default_rng(0)
    for name, count in (("concept", 3), ("random", 8), (".", 1)):
        Path(name).mkdir(exist_ok=True)
        for number in range(count):
            frames = rng.integers(0, 255, size=(8, 16, 16, 3), dtype=np.uint8)
            write_video(Path(name) / f"clip-{number}.mp4", frames, frames_per_second=10)
    return tmp_path


def videotcav(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["videotcav", *arguments])
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


OWN = ("--model", "mynet_of_the_cam_tests:build")


@pytest.mark.parametrize("end", ["mp4", "gif", "png", "npz"])
def test_maps_of_several_layers_and_classes(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], end: str
) -> None:
    asked = ("--class", "yes", "--against", "no", "--layer", "0", "--layer", "1", "--weights-over", "frame")
    assert videotcav(monkeypatch, "--json", "cam", "clip-0.mp4", *OWN, *asked, "-o", f"map.{end}") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["layers"] == ["0", "1"]
    assert set(told["probabilities"]) == {"yes", "no"}
    assert sum(told["probabilities"].values()) == pytest.approx(1)
    assert (folder / f"map.{end}").stat().st_size > 0


def test_the_predicted_class_may_be_asked_for_and_a_class_by_its_index(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = {}
    for asked in ("predicted", "0", "1"):
        command = ("--json", "cam", "clip-0.mp4", *OWN, "--class", asked, "--layer", "0", "-o", f"{asked}.png")
        assert videotcav(monkeypatch, *command, "--device", "cpu", "--precision", "bf16") == 0
        told[asked] = json.loads(capsys.readouterr().out)["probabilities"]
    assert list(told["0"]) + list(told["1"]) == ["yes", "no"]
    (share,) = told["predicted"].values()
    assert share >= 0.5  # of two classes


def test_the_map_of_a_concept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("--class", "yes", "--concept", "concept", "--random", "random", "-o", "map.png")
    assert videotcav(monkeypatch, "cam", "clip-0.mp4", *OWN, *arguments) == 0
    assert (folder / "map.png").read_bytes().startswith(b"\x89PNG")


def test_a_comparison_of_methods(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "events.json").write_text('{"events": {"clip-0": [0.2, 0.3]}}')
    arguments = ("--method", "grad-cam", "--method", "eigencam", "--events", "events.json", "-o", "judged")
    assert videotcav(monkeypatch, "faithfulness", "random", *OWN, *arguments) == 0
    assert capsys.readouterr().out.endswith("judged/report.html\n")
    assert (folder / "judged" / "report.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("cam", "clip-0.mp4", "-o", "x.mp4", "--method", "gradcam"), "closest: 'grad-cam'"),
        (("cam", "clip-0.mp4", "-o", "x.mp4", "--weights-over", "video"), "'clip' or 'frame'"),
        (("cam", "clip-0.mp4", "-o", "x.webm"), "end it in .mp4, .gif"),
        (("cam", "clip-0.mp4", "-o", "x.png", "--concept", "concept"), "needs --concept, --random and --class"),
        (("cam", "clip-0.mp4", "-o", "x.mp4", "--method", "rise", "--layer", "0"), "leave the layer out"),
        (("faithfulness", "random", "-o", "x", "--method", "gradcam"), "closest: 'grad-cam'"),
        (("faithfulness", "random", "-o", "x", "--boxes", "absent.json"), "absent.json"),
        (("faithfulness", "absent.mp4", "-o", "x"), "absent.mp4"),
    ],
)
def test_what_does_not_fit_gets_one_sentence(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    sentence: str,
) -> None:
    before = set(folder.iterdir())
    assert videotcav(monkeypatch, arguments[0], *arguments[1:], *OWN) == 1
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert captured.err.startswith("error: ")
    assert "Traceback" not in captured.err
    assert {path for path in folder.iterdir() if path.name != "__pycache__"} == before
