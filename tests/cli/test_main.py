from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from support.shell import videotcav
from videotcav.cli.main import app

ROOT = Path(__file__).parents[2]


@pytest.fixture
def own_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A user's own module in the working directory, as `--model` names it."""
    (tmp_path / "mynet_of_the_cli_tests.py").write_text(
        "from torch import nn\n"
        "from videotcav.records import ClipSpec, ModelCard\n"
        "def build():\n"
        "    net = nn.Sequential(nn.Conv3d(3, 2, 3), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(2, 2))\n"
        "    spec = ClipSpec(frames=4, seconds_between_frames=0.1, height=8, width=8, resize=8)\n"
        "    return net, ModelCard(name='own', clip_spec=spec, classes=('yes', 'no'), layouts={'0': 'b c t h w'},\n"
        "                          default_layers=('0',))\n"
    )
    monkeypatch.chdir(tmp_path)
    return "mynet_of_the_cli_tests:build"


def test_layers_of_the_users_own_module_are_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], own_model: str
) -> None:
    assert videotcav(monkeypatch, "layers", own_model) == 0
    shown = capsys.readouterr().out
    assert re.search(r"\* 0 +Conv3d +1 × 2 × 2 × 6 × 6 +b c t h w", shown)


def test_a_listing_of_layers_ends_with_a_card_that_can_be_pasted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Pasted into a module whose own card says less, it makes the same model with what was seen on its card."""
    (tmp_path / "bare_net_of_the_cli_tests.py").write_text(
        "from torch import nn\n"
        "from videotcav import ClipSpec, ModelCard\n"
        "card = ModelCard(name='bare', classes=('yes', 'no'), clip_spec=ClipSpec(frames=4,\n"
        "                 seconds_between_frames=0.1, height=8, width=8, resize=8))\n"
        "def net():\n"
        "    stem = nn.Sequential(nn.Conv3d(3, 2, 3), nn.ReLU())\n"
        "    return nn.Sequential(stem, nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(2, 2))\n"
        "def build():\n"
        "    return net(), card\n"
    )
    monkeypatch.chdir(tmp_path)
    assert videotcav(monkeypatch, "layers", "bare_net_of_the_cli_tests:build", "--depth", "1") == 0
    listing, _, code = capsys.readouterr().out.partition("\n\n")
    assert re.search(r"^  0 +Sequential +1 × 2 × 2 × 6 × 6 +b c t h w  \(\+ 2 inside\)$", listing, re.MULTILINE)
    assert "0.0" not in listing
    (tmp_path / "pasted_net_of_the_cli_tests.py").write_text(
        f"from bare_net_of_the_cli_tests import net\n{code}\ndef build():\n    return net(), card\n"
    )
    assert videotcav(monkeypatch, "layers", "pasted_net_of_the_cli_tests:build", "--depth", "1") == 0
    assert capsys.readouterr().out == f"{listing}\n\n{code}"


def test_models_are_listed_with_what_their_weights_may_be_used_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert videotcav(monkeypatch, "models") == 0
    shown = capsys.readouterr().out
    assert re.search(r"torchvision:swin3d_t +32 +0\.067 s +224 × 224 +400 +KINETICS400_V1: none stated", shown)
    assert re.search(r"transformers:google/vivit-b-16x2-kinetics400 +32 +0\.080 s .* MIT", shown)


def test_json_is_one_document_on_standard_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], own_model: str
) -> None:
    assert videotcav(monkeypatch, "--json", "layers", own_model) == 0
    names = [layer["name"] for layer in json.loads(capsys.readouterr().out)]
    assert names == ["0", "1", "2", "3"]


def test_global_options_may_stand_behind_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], own_model: str
) -> None:
    assert videotcav(monkeypatch, "layers", own_model, "--json", "-q") == 0
    assert len(json.loads(capsys.readouterr().out)) == 4


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["layers", "torchvision:swin3d"], "torchvision:swin3d"),
        (["layers", "torchvison:swin3d_t"], "torchvision"),
        (["run", "nowhere.toml"], "nowhere.toml"),
        (["report", "nowhere"], "nowhere is not a folder"),
        (["plan", "nowhere.toml"], "nowhere.toml"),
        (["run", "study.toml", "--workers", "2"], "--address, --workers and --gpus-per-worker are for --engine ray"),
        (["cam", "nowhere.mp4", "--model", "OWN", "--class", "yes", "-o", "x.mp4"], "nowhere.mp4: there is no such"),
        (["cam", "nowhere.mp4", "--model", "OWN", "--class", "yess", "-o", "x.mp4"], "closest: 'yes'"),
        (["cam", "nowhere.mp4", "--model", "OWN", "--layer", "1.0", "-o", "x.mp4"], "no layer '1.0'"),
    ],
)
def test_what_does_not_fit_gets_one_sentence_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    own_model: str,
    arguments: list[str],
    sentence: str,
) -> None:
    assert videotcav(monkeypatch, *[own_model if word == "OWN" else word for word in arguments]) == 1
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert captured.err.startswith("error: ")
    assert "Traceback" not in captured.err
    assert captured.out == ""
    assert not Path("x.mp4").exists()


def test_wrong_usage_has_exit_code_2(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert videotcav(monkeypatch, "run") == 2
    assert "study" in capsys.readouterr().err
    assert videotcav(monkeypatch, "run", "study.toml", "--memory", "plenty") == 2
    assert "write it as 2GiB" in capsys.readouterr().err


def commands_of(group: typer.Typer) -> dict[str, set[str]]:
    """Every command by its words, with its option flags."""
    found: dict[str, set[str]] = {}

    def walk(command: object, words: tuple[str, ...]) -> None:
        for name, sub in getattr(command, "commands", {}).items():
            walk(sub, (*words, name))
        if not hasattr(command, "commands"):
            found[" ".join(words)] = {flag for parameter in command.params for flag in parameter.opts}  # type: ignore[attr-defined]

    walk(typer.main.get_command(group), ())
    return found


def documented() -> list[str]:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "examples").glob("*/*.md"))]
    lines = [line for page in pages for line in page.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()]
    return [line.strip() for line in lines if line.startswith("    videotcav ")]


@pytest.mark.parametrize("line", documented())
def test_every_documented_command_exists_with_its_options(line: str) -> None:
    words = [word for word in shlex.split(line, comments=True)[1:] if word not in ("--quiet", "--json", "--debug")]
    commands = commands_of(app)
    name = next((" ".join(words[:n]) for n in (3, 2, 1) if " ".join(words[:n]) in commands), None)
    assert name, f"no command for: {line}"
    for word in words:
        if word.startswith("-"):
            assert word.split("=")[0] in commands[name], f"{word} is no option of {name}"


def test_every_command_is_documented() -> None:
    text = "\n".join(documented()) + (ROOT / "Makefile").read_text(encoding="utf-8")
    assert [name for name in commands_of(app) if f"videotcav {name}" not in text] == []


def test_help_needs_no_torch() -> None:
    code = "import sys, videotcav.cli.main; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
