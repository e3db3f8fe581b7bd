"""Who is asked, and in which version."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import numpy as np
import pytest

import videotcav
from videotcav.cli.console import Voice
from videotcav.cli.main import main
from videotcav.errors import VideotcavError
from videotcav.maps.sheet import SheetRow, map_sheet


def test_the_version_is_the_same_everywhere() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "videotcav", "--version"], capture_output=True, text=True, check=True
    ).stdout
    assert said == f"videotcav {version('videotcav')}\n"
    assert videotcav.__version__ == version("videotcav")


def test_the_shell_can_complete_commands() -> None:
    asked = {"_VIDEOTCAV_COMPLETE": "complete_bash", "COMP_WORDS": "videotcav fai", "COMP_CWORD": "1", "PATH": "/bin"}
    code = "from videotcav.cli import main; import sys; sys.argv = ['videotcav']; main()"
    found = subprocess.run([sys.executable, "-c", code], env=asked, capture_output=True, text=True, check=False).stdout
    assert found.split() == ["faithfulness"]


def test_long_work_that_is_piped_says_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Twenty items of thirty seconds each, by a clock of our own: a first line soon, then one a minute."""
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    for _ in Voice().progress(range(20), "judging"):
        now[0] += 30
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "judging 1/20, about 570 s left"
    assert len(lines) == 7
    assert list(Voice(quiet=True).progress(range(3), "judging")) == [0, 1, 2]


@pytest.mark.parametrize("strongest", [0, 7, 13, 31, 49])
def test_a_contact_sheet_shows_the_frame_that_holds_the_map(strongest: int) -> None:
    """One frame of fifty holds nearly all of the map; a sheet of eight must show it."""
    profile = np.full(50, 0.01 / 49)
    profile[strongest] = 0.99
    frames = np.zeros((50, 8, 8, 3), dtype=np.uint8)
    figure = map_sheet([SheetRow("a", frames, profile)], timestamps=[index / 10 for index in range(50)])
    seconds = {text.get_text() for axes in figure.axes for text in axes.texts}
    assert f"{strongest / 10:.2f} s" in seconds
    assert len(seconds) == 8


def test_windows_is_told_in_one_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Both doors are tried: the command line, and whatever is used of the package."""
    monkeypatch.setattr("sys.argv", ["videotcav", "models"])
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("sys.platform", "win32")
        with pytest.raises(SystemExit) as ended:
            main()
        with pytest.raises(VideotcavError, match="does not run on Windows"):
            videotcav.load_model  # noqa: B018 - the use is what is refused
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (1, "")
    assert said.err.splitlines() == ["error: videotcav does not run on Windows; run it on Linux, in WSL for example"]
