"""A person's own function as a detector: what it says is what comes back, and what it does wrong is told."""

from __future__ import annotations

import hashlib
import linecache
import pickle
import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.frames_of_video import frames_of
from videotcav.concepts.detectors.detect import Detections, OwnFunction, VideoFrames, load_detector
from videotcav.errors import ConceptError

DOCS = Path(__file__).parents[3] / "docs"
FRAMES = frames_of(np.zeros((2, 40, 60, 3), np.uint8))
FRAMES.pixels[0, 10, 20] = FRAMES.pixels[1, 30, 40] = 255


def written(folder: Path, name: str, body: str) -> Path:
    path = folder / f"{name}.py"
    path.write_text(f"from videotcav.concepts.detectors.detect import Detections\n{body}")
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_the_eight_lines_of_the_docs_find_the_brightest_pixel(folder: Path):
    code = re.search(r"```python\n(.*?def brightest.*?)```", (DOCS / "extend.md").read_text(), re.DOTALL)
    assert len([line for line in code[1].splitlines() if line.strip()]) <= 8
    path = written(folder, "spots_of_the_docs", code[1])
    detector = load_detector("spots_of_the_docs:brightest")
    for one in (detector, pickle.loads(pickle.dumps(detector))):  # noqa: S301 - as it goes to another process
        found = one(FRAMES)
        assert [each.boxes.tolist() for each in found] == [[[12, 2, 28, 18]], [[32, 22, 48, 38]]]
        assert [each.labels for each in found] == [("spot",), ("spot",)]
        assert one.labels == ("spot",)
        assert one.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("name", "body", "sentence"),
    [
        ("unlabelled", "", "does not say what it can find; write detect.labels"),
        ("one_text", "detect.labels = 'spot'", "does not say what it can find"),
        ("few", "detect.labels = ('spot',)", "returns 1 Detections for 2 frames"),
        ("no_list", "detect = lambda frames: None\ndetect.labels = ('spot',)", "no list of Detections, but NoneType"),
        ("failing", "detect = lambda frames: 1 / 0\ndetect.labels = ('spot',)", "fails on x.mp4: ZeroDivisionError"),
        (
            "other",
            "detect = lambda frames: [spot, spot]\ndetect.labels = ('ball',)",
            "found 'spot', which is not",
        ),
        ("unable", "raise SystemExit('no arguments')", "cannot be imported: SystemExit: no arguments"),
        ("nameless", "detects = detect\ndel detect", "has no function 'detect'; closest: 'detects'"),
    ],
)
def test_what_a_function_does_wrong_is_one_sentence(folder: Path, name: str, body: str, sentence: str):
    spot = "spot = Detections.of([(0, 0, 8, 8, 1.0, 'spot')])\ndef detect(frames):\n    return [spot]\n"
    written(folder, f"wrong_{name}", f"{spot}{body}\n")
    with pytest.raises(ConceptError, match=sentence):
        load_detector(f"wrong_{name}:detect")(FRAMES)


def brightest(frames: VideoFrames) -> list[Detections]:
    """The box of one pixel around the brightest."""
    found = []
    for frame in frames.pixels:
        y, x = np.unravel_index(frame.sum(axis=2).argmax(), frame.shape[:2])
        found.append(Detections.of([(x, y, x + 1, y + 1, 1.0, "spot")]))
    return found


brightest.labels = ("spot",)


class Brightest:
    labels = ("spot",)

    def __call__(self, frames: VideoFrames) -> list[Detections]:
        return brightest(frames)


@pytest.mark.parametrize("own", [brightest, Brightest(), partial(brightest)], ids=["function", "object", "partial"])
def test_a_function_is_a_detector_as_it_is(own: OwnFunction):
    detector = load_detector(own, class_names=("spot",) if isinstance(own, partial) else None)
    assert [one.boxes.tolist() for one in detector(FRAMES)] == [[[20, 10, 21, 11]], [[40, 30, 41, 31]]]
    assert (detector.labels, detector.knows_instances) == (("spot",), False)
    assert detector.sha256 == hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    assert load_detector(detector) is detector


def test_a_function_of_a_notebook_is_known_by_its_own_text(monkeypatch: pytest.MonkeyPatch):
    """It stands in no file; `linecache` holds its text, as IPython leaves it there."""
    text = "def detect(frames):\n    return []\n"
    monkeypatch.setitem(linecache.cache, "<cell 1>", (len(text), None, text.splitlines(keepends=True), "<cell 1>"))
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(text, "<cell 1>", "exec"), names)  # noqa: S102 - as a notebook does
    detector = load_detector(names["detect"], class_names=("spot",))
    assert detector.sha256 == hashlib.sha256(text.encode()).hexdigest()
    exec("def other(frames):\n    return []\n", names)  # noqa: S102 - of a text that nobody keeps
    with pytest.raises(ConceptError, match="__main__:other: has no Python code, whose hash its clips would state"):
        load_detector(names["other"], class_names=("spot",))


@pytest.mark.parametrize(
    ("given", "options", "sentence"),
    [
        (5, {}, "a detector is a path, a function or a Detector, not 5"),
        (len, {}, "builtins:len: has no Python code"),
        (lambda frames: [], {}, "does not say what it can find"),
        (brightest, {"form": "raw"}, "knows its own form and its names; leave both out"),
    ],
)
def test_what_is_no_detector_is_refused(given: Any, options: dict[str, str], sentence: str):
    with pytest.raises(ConceptError, match=sentence):
        load_detector(given, **options)


def test_what_can_be_found_is_said_by_the_names_too(folder: Path):
    written(folder, "named_by_file", "def detect(frames):\n    return [Detections.of([])] * len(frames.pixels)\n")
    detector = load_detector("named_by_file:detect", class_names=("spot",))
    assert pickle.loads(pickle.dumps(detector)).labels == ("spot",)  # noqa: S301 - as it goes to another process
    assert [len(one) for one in detector(FRAMES)] == [0, 0]


def test_a_name_that_is_no_module_is_still_a_missing_file():
    with pytest.raises(ConceptError, match="there is no such detector file"):
        load_detector("nowhere_at_all:detect")
