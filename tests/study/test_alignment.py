"""Studies of events at different moments: a planted event whose frame is known, in the class, the concept, the pool."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from videotcav import api
from videotcav.cli.main import app
from videotcav.errors import StudyFileError, UnreadableText, VideosError
from videotcav.records import ClipSpec, ConceptClip, ConceptSet, Kind
from videotcav.results.read import RunResults
from videotcav.study.alignment import moments
from videotcav.study.inputs import study_inputs
from videotcav.study.reading import clip_reader
from videotcav.study.run import Study
from videotcav.texts import read_table
from videotcav.video.alignment import Alignment
from videotcav.video.write import write_video

MODULE = "net_of_the_alignment_tests"
NET = """
import torch
from torch import nn
from videotcav.records import ClipSpec, ModelCard

class Brightness(nn.Module):
    '''Logit "late": how bright the second half of the clip is beyond the first.'''
    def __init__(self):
        super().__init__()
        self.frames = nn.AdaptiveAvgPool3d((4, 1, 1))

    def forward(self, pixels):
        frames = torch.tanh(self.frames(pixels)).mean(1).flatten(1)
        late = frames[:, 2:].mean(1) - frames[:, :2].mean(1)
        return torch.stack([late, -late], 1)

def build():
    spec = ClipSpec(frames=4, seconds_between_frames=0.1, height=16, width=16, resize=16)
    return Brightness(), ModelCard(name="late", clip_spec=spec, classes=("late", "early"),
                                   layouts={"frames": "b c t h w"}, default_layers=("frames",))
"""
FRAMES, RATE, MIDDLE = 12, 10, 2  # of 4 frames
STUDY = f"""
question = "What makes late?"
layers = ["frames"]
[model]
name = "{MODULE}:build"
[classes.late]
videos = ["class/*.mp4"]
[concepts]
folder = "concepts"
[random]
folder = "random"
"""


def step(rng: np.random.Generator, at: int) -> np.ndarray:
    """Dark noise, and bright from frame `at` on."""
    levels = np.where(np.arange(FRAMES) < at, 40, 190)[:, None, None, None]
    return (levels + rng.integers(0, 30, (1, 16, 16, 3))).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    rng = np.random.default_rng(0)
    (tmp_path / f"{MODULE}.py").write_text(NET)
    (tmp_path / "study.toml").write_text(STUDY)
    rows = []
    for place, number in (("class", 12), ("random", 40), ("concepts/step/spatiotemporal", 12)):
        (tmp_path / place).mkdir(parents=True)
        for index in range(number):
            at = 2 + index % 9
            write_video(tmp_path / place / f"{index:02}.mp4", step(rng, at), frames_per_second=RATE)
            rows.append((f"{place}/{index:02}.mp4", at / RATE))
    write_table(tmp_path, dict(rows))
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    yield tmp_path
    sys.modules.pop(MODULE, None)


def write_table(folder: Path, rows: Mapping[str, object]) -> None:
    with (folder / "events.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "seconds"), *rows.items()])


def read_of(folder: Path) -> dict[str, object]:
    return {row["file"]: row["seconds"] for row in read_table(folder / "events.csv")}


def aligning(folder: Path, text: str) -> Path:
    (folder / "study.toml").write_text(text + STUDY)
    return folder / "study.toml"


@pytest.mark.parametrize("how", ['align = "motion"\n', 'align = "event"\nevents = "events.csv"\n'])
def test_every_clip_of_a_study_shows_its_event_on_the_same_frame(folder: Path, how: str) -> None:
    study = Study.from_file(aligning(folder, how))
    reader = clip_reader(study.told(study_inputs(study.file)), study.clips())
    load = reader.loader()
    for name, clips in reader.clips().items():
        for clip in clips:
            bright = load(clip, name).mean(dim=(0, 2, 3)) > 0
            assert bright.tolist() == [False] * MIDDLE + [True] * (4 - MIDDLE)


def test_rows_of_another_alignment_are_other_rows_to_the_store(folder: Path, tmp_path: Path) -> None:
    passed = {}
    for name, text in (
        ("none", ""),
        ("motion", 'align = "motion"\n'),
        ("again", 'align = "motion"\n'),
        ("the same moments", 'align = "event"\nevents = "events.csv"\n'),
    ):
        run = Study.from_file(aligning(folder, text)).run(tmp_path / name, store=tmp_path / "store")
        passed[name] = run.manifest.clips_passed
    assert passed == {"none": 64, "motion": 64, "again": 0, "the same moments": 0}
    rows = {name: (tmp_path / name / "results.parquet").read_bytes() for name in passed}
    assert rows["motion"] == rows["again"] == rows["the same moments"] != rows["none"]


def test_manifest_and_plan_say_what_was_aligned(folder: Path, tmp_path: Path) -> None:
    rows = read_of(folder) | {"random/00.mp4": ""}
    write_table(folder, rows)
    run = api.run(folder / "study.toml", tmp_path / "run", events=folder / "events.csv")
    facts = RunResults.read(tmp_path / "run").manifest.alignment
    assert facts is not None
    assert (facts.align, facts.frame, facts.clips, facts.without_event, facts.held) == ("event", 2, 64, 1, 0)
    planned = api.plan(folder / "study.toml", events=folder / "events.csv", clips_per_second=1.0)
    assert planned.alignment == facts.sentence
    assert "event in events.csv falls on frame 2 (the first is 0) of 63 clips; 1 without one" in facts.sentence
    assert facts.sentence in (run.folder / "report.html").read_text()
    assert 'align = "event"' in run.manifest.study  # the study as it was run, not as its file stands


def test_the_command_line_takes_a_table_of_events(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["plan", str(folder / "study.toml"), "--events", str(folder / "events.csv"), "--clips-per-second", "1"]
    app(arguments, standalone_mode=False)
    assert "the event in events.csv falls on frame 2" in capsys.readouterr().out


def test_edges_are_refused_or_held_and_told(folder: Path, tmp_path: Path) -> None:
    write_video(folder / "class/00.mp4", step(np.random.default_rng(1), 11), frames_per_second=RATE)
    how = 'align = "motion"\n'
    planned = Study.from_file(aligning(folder, how))
    inputs = planned.told(study_inputs(planned.file))
    assert any(remark.startswith("1 of 64 clips cannot be shifted so far") for remark in inputs.remarks)
    with pytest.raises(VideosError, match=r"class/00\.mp4.* cannot be shifted so far"):
        planned.run(tmp_path / "refused", store=tmp_path / "store")
    held = Study.from_file(aligning(folder, how + 'edges = "hold"\n')).run(tmp_path / "held", store=tmp_path / "store")
    assert any(remark.startswith("1 of 64 clips hold the first or the last frame") for remark in held.manifest.remarks)
    with pytest.raises(VideosError):  # rows that were held are none of a study that refuses
        planned.run(tmp_path / "refused", store=tmp_path / "store")


@pytest.mark.parametrize(
    ("how", "changed", "said"),
    [
        ('align = "event"\n', {}, 'align = "event" needs the seconds'),
        ('align = "motion"\nevents = "events.csv"\n', {}, 'read with align = "event" only'),
        ('events = "events.csv"\n', {}, 'read with align = "event" only'),
        ('edges = "hold"\n', {}, "edges are of aligned clips"),
        ('align = "event"\nevents = "none.csv"\n', {}, "'none.csv' is no file below"),
        ('align = "evnet"\n', {}, "align: input should be 'none', 'event' or 'motion'"),
    ],
)
def test_settings_that_do_not_fit_are_told_with_the_other_mistakes(folder, how, changed, said) -> None:
    with pytest.raises(StudyFileError) as told:
        Study.from_file(aligning(folder, how))
    assert said in str(told.value)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"class/00.mp4": 1.2}, "names seconds outside of 1 videos, the first is 1.2 s of"),
        ({"class/00.mp4": "nan"}, "must be a number, 0 or more"),
        ({"class/99.mp4": 0.5}, "names 1 of 65 files that are not there"),
        ({"class/00.mp4": None}, "says nothing about 1 of 64 clips"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_by_plan_and_run(folder: Path, tmp_path: Path, changed, said) -> None:
    rows = {name: at for name, at in (read_of(folder) | changed).items() if at is not None}
    write_table(folder, rows)
    study = Study.from_file(folder / "study.toml", events=folder / "events.csv")
    for asked in (lambda: study.run(tmp_path / "run"), lambda: api.plan(study, clips_per_second=1.0)):
        with pytest.raises(StudyFileError) as told:
            asked()
        assert said in str(told.value)
    assert not (tmp_path / "run").exists()


def test_twins_take_the_moment_of_their_moving_clip(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    clip = step(rng, 4)
    shown = {"spatiotemporal": clip, "frozen": np.repeat(clip[:1], FRAMES, 0), "reversed": clip[::-1]}
    sets = []
    for kind, frames in shown.items():
        path = tmp_path / f"{kind}.mp4"
        write_video(path, frames, frames_per_second=RATE)
        sets.append(concept(kind, path))
    placed = moments(sets, (), Alignment.of("motion"))
    # Reversed, the first frame after the change is the last one before it: 12 − 4 = 8.
    assert [each.moment for each in placed.values()] == pytest.approx([0.4, 0.4, 0.8])
    table = Alignment.of(events={tmp_path / "spatiotemporal.mp4": 0.3, tmp_path / "frozen.mp4": 0.5})
    assert [each.moment for each in moments(sets, (), table).values()] == pytest.approx([0.3, 0.5, 0.9])
    with pytest.raises(UnreadableText, match="says nothing about 1 of 2 clips"):
        moments(sets, (), Alignment.of(events={tmp_path / "frozen.mp4": 0.5}))


def concept(kind: Kind, path: Path) -> ConceptSet:
    clip = ConceptClip(id="track", concept="step", kind=kind, path=path, source="v")
    return ConceptSet(concept="step", kind=kind, clips=(clip,))


def test_concept_sets_in_memory_are_aligned_as_in_a_study(folder: Path) -> None:
    spec = ClipSpec(frames=4, seconds_between_frames=0.1, height=16, width=16, resize=16)
    clips = api.read_concepts(folder / "concepts", spec, align="motion")["step/spatiotemporal"]
    assert torch.all((clips.pixels.mean(dim=(1, 3, 4)) > 0) == torch.tensor([False, False, True, True]))
