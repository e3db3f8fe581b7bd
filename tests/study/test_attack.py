"""Attacks on a network that adds up brightness, for which ± ε moves every score by just ε."""

from __future__ import annotations

import json
import shutil
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from support.study_text import study_text
from videotcav import api
from videotcav.cli.main import app
from videotcav.errors import ArgumentError, AuditError
from videotcav.results.attacked import AttackResults
from videotcav.study.attack import attack
from videotcav.study.run import Study
from videotcav.video.write import write_video

MODULE = "net_of_the_attack_tests"
NET = """
import torch
from torch import nn
from videotcav.records import ClipSpec, ModelCard

class Bright(nn.Module):
    def __init__(self, gain=1.0):
        super().__init__()
        self.conv = nn.Conv3d(3, 2, 1, bias=False)
        with torch.no_grad():
            self.conv.weight[0], self.conv.weight[1] = gain, -gain

    def forward(self, pixels):
        return self.conv(pixels).mean((2, 3, 4))

def build():
    spec = ClipSpec(frames=2, seconds_between_frames=0.1, height=16, width=16, resize=16)
    card = ModelCard(name="bright", clip_spec=spec, classes=("bright", "dark"), layouts={"conv": "b c t h w"},
                     default_layers=("conv",))
    return Bright(), card
"""
NEAR, FAR = 3, 20
"""How many grey levels brighter the concepts' clips are than the pool's, whose levels differ by about one."""


@pytest.fixture(scope="module")
def bright_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bright")
    rng = np.random.default_rng(0)
    (folder / f"{MODULE}.py").write_text(NET)
    sets = {
        "bright": (12, 150),
        "random": (30, 100),
        "concepts/near/spatiotemporal": (12, 100 + NEAR),
        "concepts/far/spatiotemporal": (12, 100 + FAR),
        "concepts/same/spatiotemporal": (12, 100),
    }
    for name, (clips, level) in sets.items():
        (folder / name).mkdir(parents=True)
        for number in range(clips):
            blocks = level + (number % 5 - 2) * 0.75 + rng.integers(-4, 5, size=(4, 4, 4, 1))
            frames = blocks.round().repeat(4, axis=1).repeat(4, axis=2).repeat(3, axis=3).astype(np.uint8)
            write_video(folder / name / f"{number:02}.mp4", frames, frames_per_second=10)
    (folder / "study.toml").write_text(study_text(model=f"{MODULE}:build", videos="bright", of="bright"))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        Study.from_file(folder / "study.toml").run(folder / "runs" / "bright")
    return folder


@pytest.fixture
def folder(bright_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", [*sys.path, str(bright_run)])
    return Path(shutil.copytree(bright_run, tmp_path / "bright"))


@pytest.fixture(scope="module")
def attacked(bright_run: Path) -> AttackResults:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(bright_run))
        return attack(bright_run / "runs" / "bright", statistics=["contrast"], levels=(1, 6), steps=2)


def test_a_verdict_falls_at_the_change_that_its_gap_says_and_not_before(attacked: AttackResults) -> None:
    """A concept 3 levels brighter is no brighter after a change by 6, and one 20 levels brighter still is."""
    fell = {(row.concept, row.changed): row for row in attacked}
    for changed in ("concept", "pool"):
        assert (fell["near", changed].verdict, fell["near", changed].overturned_at) == ("positive", 6)
        assert (fell["far", changed].verdict, fell["far", changed].overturned_at) == ("positive", None)
        assert not fell["same", changed].was_effect
        assert fell["same", changed].overturned_at in {1, 6}


def test_where_an_attack_must_succeed_it_does_and_noise_overturns_nothing(attacked: AttackResults) -> None:
    assert all(row.control for row in attacked)
    assert not any(row.noise for row in attacked if row.concept != "same")
    assert "where an attack must succeed" in repr(attacked)


def test_the_same_seed_is_the_same_attack_whoever_else_is_attacked(folder: Path, attacked: AttackResults) -> None:
    run = folder / "runs" / "bright"
    again = attack(run, statistics=["contrast", "shift"], levels=(1, 6), steps=2, include=["near"])
    assert [*again][:2] == [row for row in attacked if row.concept == "near"]
    assert [row.overturned_at for row in again if row.statistic == "shift"] == [6, 6]  # the same mean of pixels


def test_a_run_of_classic_scores_is_attacked_in_its_own_verdicts_as_they_were_tested(folder: Path) -> None:
    """Corrected with each other, of 59 pseudo-concepts; contrasts, which nobody declared, are not among them."""
    text = study_text(model=f"{MODULE}:build", videos="bright", of="bright")
    tests = '[tests]\nscores = "classic"\npseudo_concepts = 59\nrandom_draws = 4\nbootstrap_resamples = 100\n'
    (folder / "classic.toml").write_text(f'primary = "sensitivity"\n{text}{tests}')
    told = Study.from_file(folder / "classic.toml").run(folder / "runs" / "classic").results
    rows = [*attack(folder / "runs" / "classic", include=["far"], levels=(1,), steps=2)]
    [far] = [each for each in told if (each.concept, each.statistic) == ("far", "sensitivity")]
    assert far.verdict == "positive"
    assert [(row.statistic, row.changed, row.value) for row in rows] == [
        ("sensitivity", side, far.value) for side in ("concept", "pool")
    ]
    assert rows[0].control
    assert not rows[0].noise


def test_clips_that_are_others_now_are_refused(folder: Path) -> None:
    shutil.copy(folder / "random" / "04.mp4", folder / "random" / "03.mp4")
    with pytest.raises(AuditError, match="not those of the run any more"):
        attack(folder / "runs" / "bright")


def test_another_network_under_the_same_name_is_refused(folder: Path, bright_run: Path) -> None:
    from videotcav.models.load import load_model  # noqa: PLC0415 - of the module on the path

    other = load_model(f"{MODULE}:build")
    other.module.conv.weight.data *= -1  # type: ignore[union-attr,operator]
    with pytest.raises(AuditError, match="not what they were"):
        attack(folder / "runs" / "bright", model=other)


def test_a_run_without_its_clips_says_what_to_give(folder: Path, tmp_path: Path) -> None:
    run = Path(shutil.move(folder / "runs" / "bright", tmp_path / "elsewhere"))
    with pytest.raises(AuditError, match="clips are not found"):
        attack(run)
    with pytest.raises(ArgumentError, match="levels are bounds above 0"):
        attack(run, files=folder, levels=())
    with pytest.raises(ArgumentError, match="'conv2' is none of them"):
        attack(run, files=folder, layer="conv2")


def test_the_command_line_attacks_a_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "attack", partial(attack, levels=(6,), steps=1))
    run = str(folder / "runs" / "bright")
    said = CliRunner().invoke(app, ["--json", "audit", run, "--attack", "--concept", "near", "--files", str(folder)])
    assert said.exit_code == 0, said.output
    facts = json.loads(said.stdout)["attack"]
    assert {row["concept"] for row in facts["rows"]} == {"near"}
    assert {row["statistic"] for row in facts["rows"]} == {"contrast", "shift", "cosine"}
    assert facts["levels"] == [6]
