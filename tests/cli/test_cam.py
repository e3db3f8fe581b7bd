from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import videotcav as vt
from support.shell import OWN_MODEL, videotcav
from videotcav.video.write import write_video


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a model of one's own, a video, and two folders of clips."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mynet_of_the_cam_tests.py").write_text(OWN_MODEL)
    rng = np.random.default_rng(0)
    for name, count in (("concept", 3), ("random", 8), (".", 1)):
        Path(name).mkdir(exist_ok=True)
        for number in range(count):
            frames = rng.integers(0, 255, size=(8, 16, 16, 3), dtype=np.uint8)
            write_video(Path(name) / f"clip-{number}.mp4", frames, frames_per_second=10)
    return tmp_path


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


def test_what_the_command_line_saves_a_notebook_reads(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("--class", "yes", "--against", "no", "--method", "grad-cam", "--method", "layercam")
    assert videotcav(monkeypatch, "--json", "cam", "clip-0.mp4", *OWN, *asked, "-o", "maps") == 0
    told = json.loads(capsys.readouterr().out)
    maps = vt.ClipMaps.read("maps")
    assert list(maps.methods) == told["methods"] == ["grad-cam", "layercam"]
    assert dict(zip(*maps.classes, *maps.probabilities, strict=True)) == told["probabilities"]
    concept = ("--class", "yes", "--concept", "concept", "--random", "random", "-o", "of-a-concept")
    assert videotcav(monkeypatch, "cam", "clip-0.mp4", *OWN, *concept) == 0
    assert vt.ConceptMaps.read("of-a-concept").concept == "concept"
    for made in ("maps", "of-a-concept"):
        assert videotcav(monkeypatch, "report", made) == 0
        assert (folder / made / "report.html").is_file()


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
        (("cam", "clip-0.mp4", "-o", "x.mp4", "--layer", "0", "--layer", "0"), "layer '0' is named twice"),
        (("cam", "clip-0.mp4", "-o", "x.mp4", "--class", "yes", "--against", "0"), "class 'yes' is named twice"),
        (("faithfulness", "random", "-o", "x", *2 * ("--method", "grad-cam")), "method 'grad-cam' is named twice"),
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


@pytest.mark.parametrize(
    "arguments",
    [
        ("faithfulness", "random", *OWN, "-o", "x", "--method", "rise", "--rise-masks", "0"),
        ("faithfulness", "random", *OWN, "-o", "x", "--seed", "-1"),
        ("planted", "render", "x", "--seed", "-1"),
        ("concepts", "random", "x", "--for", "ball", "--seed", "-1"),
        ("concepts", "random", "x", "--for", "ball", "--size", "0"),
        ("concepts", "review", "x", "--port", "65536"),
    ],
)
def test_numbers_out_of_range_are_told_before_anything_is_done(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert videotcav(monkeypatch, *arguments) == 2
    assert f"Invalid value for '{arguments[-2]}'" in capsys.readouterr().err
    assert not (folder / "x").exists()


@pytest.fixture
def long_video(folder: Path) -> Path:
    """Six seconds that grow brighter, and an event in them."""
    frames = np.zeros((60, 16, 16, 3), dtype=np.uint8) + (4 * np.arange(60, dtype=np.uint8))[:, None, None, None]
    write_video(folder / "long.mp4", frames, frames_per_second=10)
    (folder / "events.json").write_text('{"events": {"long": [4.0, 5.0], "other": [0.0, 1.0]}}')
    return folder / "long.mp4"


@pytest.mark.parametrize(
    ("more", "first", "last"),
    [((), 2.85, 3.15), (("--start", "1.5"), 1.5, 1.8), (("--events", "events.json"), 4.35, 4.65)],
)
def test_the_seconds_shown_are_told_and_may_be_chosen(  # noqa: PLR0917 - fixtures and cases
    long_video: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    more: tuple[str, ...],
    first: float,
    last: float,
) -> None:
    assert videotcav(monkeypatch, "cam", "long.mp4", *OWN, "--class", "yes", "-o", "map.npz", *more) == 0
    assert f"shown: {first:.2f} s to {last:.2f} s of 6.00 s" in capsys.readouterr().err
    assert np.load(long_video.parent / "map.npz")["timestamps"] == pytest.approx(np.linspace(first, last, 4))


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--start", "1", "--events", "events.json"), "give one of them"),
        (("--start", "-1"), "start at 0 or later"),
        (("--start", "5.9"), "more than 6.20 s"),
        (("--events", "wrong.json"), "is no file of events: events.long: an event has a first second"),
        (("--events", "nan.json"), "is no file of events: events.long.1: Input should be a finite number"),
        (("--events", "lacks.json"), "has no event of 'long'; closest: 'lonx'"),
    ],
)
def test_seconds_that_cannot_be_shown_get_one_sentence(
    long_video: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    more: tuple[str, ...],
    says: str,
) -> None:
    (long_video.parent / "wrong.json").write_text('{"events": {"long": [2, 1]}}')
    (long_video.parent / "nan.json").write_text('{"events": {"long": [2, NaN]}}')
    (long_video.parent / "lacks.json").write_text('{"events": {"lonx": [1, 2]}}')
    assert videotcav(monkeypatch, "cam", "long.mp4", *OWN, "--class", "yes", "-o", "map.npz", *more) == 1
    assert says in capsys.readouterr().err


def test_a_layer_without_space_is_not_drawn(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its numbers over time can be written; a picture would be one flat colour a frame."""
    (folder / "mynet_of_the_cam_tests.py").write_text(
        "import torch\nfrom torch import nn\nfrom videotcav.records import ClipSpec, ModelCard\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.steps, self.head = nn.Linear(192, 2), nn.Linear(2, 2)\n"
        "    def forward(self, x):\n"
        "        return self.head(self.steps(x.transpose(1, 2).flatten(2)).mean(dim=1))\n"
        "def build():\n"
        "    spec = ClipSpec(frames=4, seconds_between_frames=0.1, height=8, width=8, resize=8)\n"
        "    return Net(), ModelCard(name='own', clip_spec=spec, classes=('yes', 'no'), layouts={'steps': 'b t c'})\n"
    )
    monkeypatch.delitem(sys.modules, "mynet_of_the_cam_tests", raising=False)
    asked = ("cam", "clip-0.mp4", *OWN, "--class", "yes", "--layer", "steps")
    for end in ("mp4", "gif", "png"):
        assert videotcav(monkeypatch, *asked, "-o", f"map.{end}") == 1
        assert "layer 'steps' of own has no height and width (its layout is 'b t c')" in capsys.readouterr().err
    assert videotcav(monkeypatch, *asked, "-o", "map.npz") == 0
    monkeypatch.delitem(sys.modules, "mynet_of_the_cam_tests", raising=False)


@pytest.mark.filterwarnings("default")  # the command line says them
def test_events_of_videos_that_are_not_there_are_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "events.json").write_text('{"events": {"clip-0": [0.2, 0.3], "clip-00": [0.1, 0.2]}}')
    arguments = ("--method", "grad-cam", "--events", "events.json", "-o", "judged")
    assert videotcav(monkeypatch, "faithfulness", "random", *OWN, *arguments) == 0
    said = capsys.readouterr().err
    assert "warning: events of 1 videos that are not among those judged, such as 'clip-00'; closest: 'clip-0'" in said


def test_the_number_of_passes_that_is_told_is_the_number_that_is_made(folder: Path) -> None:
    from mynet_of_the_cam_tests import build  # noqa: PLC0415 - written by the fixture

    from videotcav.maps.evaluation import measure_faithfulness  # noqa: PLC0415 - as above
    from videotcav.maps.judged import Evaluator, FaithfulnessSettings  # noqa: PLC0415 - as above
    from videotcav.models.load import load_model  # noqa: PLC0415 - as above

    model, passed = load_model(*build()[:1], card=build()[1]), []
    model.module.register_forward_hook(lambda _, given, __: passed.append(len(given[0])))
    methods, settings = ("grad-cam", "layercam"), FaithfulnessSettings()
    measure_faithfulness([folder / "clip-0.mp4"], folder / "out", model=model, target="yes", methods=methods)
    told = Evaluator(model, "0", methods, settings).passes_a_clip
    assert told - 3 <= sum(passed) + 1 <= told + 3  # and one that is made before another network
