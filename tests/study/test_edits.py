"""A study with edits of its class's clips: a model that adds up change, on clips where one thing flickers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy import stats
from torch import Tensor

from support.change_net import MODULE, NET, noise
from support.far import Far
from support.flicker import BOXES, scene, sidecar
from support.legs import contrast
from support.shell import videotcav
from support.study_text import study_text
from videotcav import api
from videotcav.errors import NotFound, RunFolderError, StudyFileError, TrackNotFound, VideotcavWarning
from videotcav.models.model import VideoModel
from videotcav.report.comparison import read_comparison
from videotcav.report.evidence import class_clips, picture_of
from videotcav.report.run import Run
from videotcav.results.read import RunResults
from videotcav.study import edit_worker, media, object_edits, reading
from videotcav.study.class_shares import VIDEOS, telling_layer
from videotcav.study.edit_pictures import Pictures, worth_showing
from videotcav.study.edits import Editor
from videotcav.study.file import InterventionsSection
from videotcav.study.inputs import study_inputs
from videotcav.study.probe_inputs import ClipToProbe
from videotcav.study.run import Study
from videotcav.video.info import ClipOrigin, VideoInfo
from videotcav.video.read import read_all
from videotcav.video.write import write_video

CLIPS = 14
MAPS = SimpleNamespace(probabilities=[[0.5]])
SECTION = """
hypotheses = ["moving needs flicker motion", "moving needs nothing of lamp"]
{study}
[interventions]
boxes = "boxes.json"
objects = ["flicker", "lamp", "background"]
grow = 0.0
[cam]
checked = 0
"""


@pytest.fixture(scope="module")
def study_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("edits")
    rng = np.random.default_rng(0)
    (folder / f"{MODULE}.py").write_text(NET)
    for name in ("moving", "random", "concepts/flicker/spatiotemporal", "concepts/flicker/frozen"):
        (folder / name).mkdir(parents=True)
    for number in range(CLIPS):
        write_video(folder / f"moving/{number:02}.mp4", scene(rng), frames_per_second=10, crf=0)
        clip = noise(rng, moving=True)
        write_video(folder / f"concepts/flicker/spatiotemporal/{number:02}.mp4", clip, frames_per_second=10)
        still = np.broadcast_to(clip[:1], clip.shape)
        write_video(folder / f"concepts/flicker/frozen/{number:02}.mp4", still, frames_per_second=10)
    for number in range(30):
        write_video(folder / f"random/{number:02}.mp4", noise(rng, moving=bool(number % 2)), frames_per_second=10)
    held = [f"{number:02}.mp4" for number in range(CLIPS - 2)]  # two clips are said to hold nothing
    (folder / "boxes.json").write_text(sidecar(held, BOXES))
    text = study_text(model=f"{MODULE}:build", videos="moving", of="moving")
    (folder / "study.toml").write_text(SECTION.format(study=text))
    return folder


@pytest.fixture(scope="module")
def run(study_folder: Path) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path, str(study_folder)])
        return Study.from_file(study_folder / "study.toml").run(study_folder / "run")


def test_the_class_needs_what_flickers_and_nothing_else(run: Run) -> None:
    found = {row.name: row for row in run.effects}
    assert found["freeze flicker"].verdict == "negative"
    assert found["remove flicker"].verdict == "negative"
    one = found["freeze flicker"]
    assert (one.clips, one.unchanged, one.not_told, one.why) == (12, 0, 2, "the clip does not hold it")
    assert found["remove background"].inpainted is None  # its mean colour is no other frame's
    assert 0 <= found["remove flicker"].inpainted <= 1
    assert found["freeze lamp"].verdict in ("not asked", "negligible")
    assert found["remove lamp"].verdict == "negligible"
    assert found["freeze background"].verdict in ("not asked", "negligible")
    assert [(each.text, each.outcome) for each in run.manifest.hypotheses] == [
        ("moving needs flicker motion", "supported"),
        ("moving needs nothing of lamp", "supported"),
    ]


def test_both_legs_are_one_sentence_at_the_top_of_the_page(run: Run) -> None:
    legs = {(each.concept, each.against): each for each in run.legs}
    assert legs["flicker", "random"].short == "pushes and is needed"
    assert "It is its motion" in legs["flicker", "random"].sentence
    page = (run.folder / "report.html").read_text()
    assert page.index("pushes the model towards “moving”") < page.index('id="layers"')
    assert "What the class needs" in page


def test_contrasts_and_edits_are_corrected_together(run: Run) -> None:
    contrasts = [row for row in run.results if row.statistic == "contrast"]
    rows = [*contrasts, *run.effects]
    p = np.array([1.0 if row.p is None else row.p for row in rows])  # what cannot be asked stays in the count
    order = np.argsort(p, kind="stable")
    holm = np.empty(len(p))
    holm[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    for row, expected in zip(rows, holm, strict=True):
        if not row.hypothesis and row.p is not None:
            assert row.p_corrected == pytest.approx(expected)


def test_the_unit_is_the_spread_of_the_score_over_the_pool(run: Run) -> None:
    rows = pq.read_table(run.folder / "clips.parquet").to_pylist()
    pool = np.array([row["score:moving"] for row in rows if row["set"] == "random"])
    for row in run.effects:
        assert row.sigma == pytest.approx(pool.std(ddof=1))


def test_what_an_edit_does_to_each_clip_is_in_the_table_of_clips(run: Run) -> None:
    rows = [row for row in pq.read_table(run.folder / "clips.parquet").to_pylist() if row["kind"] == "class"]
    (found,) = (row for row in run.effects if row.name == "freeze flicker")
    changes = np.array([row["edit:freeze flicker"] for row in rows if row["edit:freeze flicker"] is not None])
    shams = np.array([row["edit:freeze flicker, sham 1"] for row in rows if row["edit:freeze flicker"] is not None])
    before = np.array([row["score:moving"] for row in rows if row["edit:freeze flicker"] is not None])
    e, u = (changes - before) / found.sigma, (shams - before) / found.sigma
    assert found.raw == pytest.approx(e.mean(), abs=1e-5)
    assert found.sham == pytest.approx(u.mean(), abs=1e-5)
    flipped = stats.permutation_test(
        (-e - 0.1,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="greater"
    )
    assert found.p is not None
    assert found.p >= flipped.pvalue * (1 - 1e-9)


def test_a_clip_stands_beside_each_edit_of_it(run: Run) -> None:
    captions = [medium.caption for medium in run.media if medium.role == "edit"]
    assert "freeze flicker: before and after" in captions
    assert all(run.medium_path(medium).is_file() for medium in run.media)


def test_each_concepts_share_in_a_shown_clip_is_what_concept_scores_says_of_the_same_clips(
    run: Run, study_folder: Path
) -> None:
    model = Study.from_file(study_folder / "study.toml").model
    spec = model.card.clip_spec
    shown = dict.fromkeys(medium.clip for medium in run.media if medium.clip)
    assert [row.clip for row in run.shares] == [*shown]
    concept = api.read_clips(study_folder / "concepts/flicker/spatiotemporal", spec)
    random = api.read_clips(sorted((study_folder / "random").iterdir())[:VIDEOS], spec)
    asked = api.concept_scores(
        model,
        api.read_clips([study_folder / clip for clip in shown], spec),
        concepts={"flicker/spatiotemporal": concept},
        random=random,
        target="moving",
        layers=["square"],
        exact=False,
    )
    for row, expected in zip(run.shares, asked, strict=True):
        assert (row.layer, row.is_told) == ("square", expected.is_told)
        assert row.share == pytest.approx(expected.share)
        assert (row.low, row.high, row.auroc) == pytest.approx((expected.low, expected.high, expected.auroc))


def test_the_plan_counts_the_passes_for_shares(run: Run, study_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three clips, the concept's videos, and a few of the pool's, which is read once."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(study_folder)])
    assert api.plan(study_folder / "study.toml", clips_per_second=1.0).cost.share_passes == 3 + CLIPS + VIDEOS


def test_a_layer_is_told_by_its_fidelity() -> None:
    rows = [
        contrast("positive", 1.0).model_copy(update={"statistic": "shift", "layer": layer, "fidelity": fidelity})
        for layer, fidelity in (("first", 0.4), ("second", 0.9), ("third", 0.8))
    ]
    assert telling_layer(rows, ("first", "second", "third")) == "second"
    assert telling_layer([], ("first", "second")) == "second"
    assert telling_layer([], ()) == ""


def test_what_the_run_says_of_its_edits_is_read_back(run: Run) -> None:
    facts = RunResults.read(run.folder).manifest.interventions
    assert facts is not None
    assert facts.holding == {"moving": {"flicker": 12, "lamp": 12, "background": 12}}
    assert facts.clips == {"moving": CLIPS}


@pytest.mark.parametrize(
    ("old", "new", "error", "sentence"),
    [
        ('"flicker", "lamp"', '"fliker", "lamp"', (NotFound, StudyFileError), "fliker"),
        (
            'boxes = "boxes.json"',
            'boxes = "none.json"',
            StudyFileError,
            "interventions.boxes: 'none.json' does not exist",
        ),
        ('boxes = "boxes.json"', "", StudyFileError, "boxes or detector, one of them"),
        ("needs flicker motion", "needs flicker order", StudyFileError, "not edited by 'shuffle'"),
        ("needs flicker motion", "needs fliker motion", StudyFileError, "edits no 'fliker'"),
        (
            "[interventions]",
            '[tests]\nscores = "classic"\n[interventions]',
            StudyFileError,
            "edits stand beside contrasts",
        ),
        ('["flicker", "lamp", "background"]', '{ flicker = "background" }', StudyFileError, "all that no box covers"),
        ('"flicker", "lamp", "b', '"lamp", "lamp", "b', StudyFileError, "objects: value error, 'lamp' is named twice"),
        ('["flicker", "lamp", "background"]', '{ background = "lamp" }', StudyFileError, "all that no box covers"),
        (
            'objects = ["flicker", "lamp", "background"]',
            'objects = ["background"]\nedits = ["shuffle"]',
            StudyFileError,
            "the background takes remove, freeze, blur",
        ),
    ],
)
def test_a_study_whose_edits_cannot_be_made_is_refused(
    study_folder: Path, monkeypatch: pytest.MonkeyPatch, *, old: str, new: str, error: type[Exception], sentence: str
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(study_folder)])
    text = (study_folder / "study.toml").read_text()
    bad = study_folder / "bad.toml"
    bad.write_text(text.replace(old, new))
    with pytest.raises(error, match=sentence):
        Study.from_file(bad).run(study_folder / "refused")
    assert not (study_folder / "refused").exists()


def test_boxes_of_other_videos_are_told_before_anything_is_tested(
    study_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(study_folder)])
    (study_folder / "others.json").write_text(sidecar(["another.mp4"], BOXES))
    bad = study_folder / "other.toml"
    bad.write_text((study_folder / "study.toml").read_text().replace("boxes.json", "others.json"))
    with pytest.raises(TrackNotFound, match="none of the 14 class clips holds 'flicker' or 'lamp'"):
        Study.from_file(bad).run(study_folder / "refused")


def test_an_object_that_no_class_clip_holds_is_not_asked(study_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another class's object, which the file of boxes knows, leaves the other objects' rows as they are."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(study_folder)])
    known = json.loads((study_folder / "boxes.json").read_text())
    known["categories"].append({"id": 3, "name": "kite"})
    (study_folder / "more.json").write_text(json.dumps(known))
    text = (study_folder / "study.toml").read_text().replace("boxes.json", "more.json")
    (study_folder / "kite.toml").write_text(text.replace('"lamp", "background"', '"lamp", "kite"'))
    found = {row.name: row for row in Study.from_file(study_folder / "kite.toml").run(study_folder / "kite").effects}
    assert (found["remove kite"].verdict, found["remove kite"].clips) == ("not asked", 0)
    assert found["remove flicker"].verdict == "negative"


def test_edits_that_the_store_knows_are_not_passed_again(
    study_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(study_folder)])
    study = Study.from_file(study_folder / "study.toml")
    first = study.run(tmp_path / "first", store=tmp_path / "store")
    monkeypatch.setattr(edit_worker, "_logits", lambda *_: pytest.fail("an edited clip was passed again"))
    assert study.run(tmp_path / "second", store=tmp_path / "store").effects == first.effects


def test_another_edit_passes_only_what_is_new(
    study_folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(study_folder)])
    less = study_folder / "less.toml"
    text = (study_folder / "study.toml").read_text().replace('["moving needs flicker motion", "moving', '["moving')
    less.write_text(text.replace("[cam]", 'edits = ["remove"]\n[cam]'))
    Study.from_file(less).run(tmp_path / "first", store=tmp_path / "store")
    passed: list[str] = []
    real = edit_worker._logits

    def watched(model: VideoModel, pixels: Tensor, names: Sequence[str]) -> tuple[Tensor, bool]:
        passed.extend(names)
        return real(model, pixels, names)

    monkeypatch.setattr(edit_worker, "_logits", watched)
    found = Study.from_file(study_folder / "study.toml").run(tmp_path / "second", store=tmp_path / "store")
    assert found.effects == run.effects
    assert passed
    assert all(" after freeze " in name for name in passed)


def test_a_class_clip_is_decoded_once_for_its_passes_its_edits_and_the_check_of_its_maps(
    study_folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(study_folder)])
    decoded: Counter[str] = Counter()
    real = reading.read_clip

    def counted(video: VideoInfo, *args: Any, **how: Any) -> tuple[ClipOrigin, Tensor]:
        decoded[video.path.parent.name] += 1
        return real(video, *args, **how)

    monkeypatch.setattr(reading, "read_clip", counted)
    with_maps = study_folder / "maps.toml"
    text = (study_folder / "study.toml").read_text()
    with_maps.write_text(text.replace("checked = 0", 'layer = "square"\nclips = 1'))
    assert Study.from_file(with_maps).run(tmp_path / "run").effects == run.effects
    assert decoded["moving"] == CLIPS
    decoded.clear()
    monkeypatch.setattr(reading, "_KEPT_BYTES", 3 * 4 * 16 * 16 * 3)  # room for three of them
    assert Study.from_file(with_maps).run(tmp_path / "again").effects == run.effects
    assert decoded["moving"] >= CLIPS + 2 * (CLIPS - 3)


def test_another_engine_gives_the_same_run(
    study_folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(study_folder)])
    engine = Far()
    found = api.intervene(study_folder / "study.toml", tmp_path / "run", engine=engine)
    assert isinstance(found, Run)
    assert found.effects == run.effects
    assert found.results == run.results
    tables = [pq.read_table(each.folder / "clips.parquet") for each in (found, run)]
    assert tables[0].equals(tables[1])
    assert "EditPasser" in engine.workers


def test_each_class_has_edits_of_its_own_clips(
    study_folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Two classes, of which one holds nothing that is edited: its rows are counted, the other's numbers stay."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(study_folder)])
    (study_folder / "bright").mkdir(exist_ok=True)
    rng = np.random.default_rng(7)
    for number in range(4):
        write_video(study_folder / f"bright/b{number}.mp4", noise(rng, moving=False), frames_per_second=10)
    two = study_folder / "two.toml"
    text = (study_folder / "study.toml").read_text()
    two.write_text(text.replace("[concepts]", '[classes.bright]\nvideos = ["bright"]\n[concepts]'))
    found = Study.from_file(two).run(tmp_path / "two")
    alone = {row.name: row for row in run.effects}
    for row in found.effects:
        if row.class_name == "bright":
            assert (row.verdict, row.reason, row.not_told, row.effect) == ("not asked", "not told", 4, None)
        else:
            own = alone[row.name]
            assert (row.raw, row.clips, row.unchanged, row.not_told) == (own.raw, own.clips, own.unchanged, 2)
    assert {row.class_name for row in found.effects} == {"moving", "bright"}
    sentences = [each.sentence for each in found.legs if each.class_name == "bright"]
    assert any("“flicker”" in each and "none of them holds it" in each for each in sentences)
    facts = found.manifest.interventions
    assert facts is not None
    assert facts.holding["bright"] == {"flicker": 0, "lamp": 0, "background": 0}


def test_each_of_several_models_is_asked_what_it_needs(
    study_folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(study_folder)])
    many = study_folder / "many.toml"
    text = (study_folder / "study.toml").read_text()
    named = f'[[models]]\nname = "{MODULE}:build"\n[[models]]\nname = "{MODULE}:build_still"'
    many.write_text(text.replace(f'[model]\nname = "{MODULE}:build"', named))
    assert videotcav(monkeypatch, "intervene", many, "--output", tmp_path / "many") == 0
    said = capsys.readouterr().out
    found = read_comparison(tmp_path / "many")
    assert list(found.runs) == ["change", "still"]
    assert found.runs["change"].effects == run.effects
    needs = {label: {row.name: row for row in each.effects} for label, each in found.runs.items()}
    assert needs["change"]["freeze flicker"].verdict == "negative"
    assert needs["still"]["freeze flicker"].verdict != "negative"
    page = (tmp_path / "many" / "report.html").read_text(encoding="utf-8")
    for text in (said, page):
        assert "change: “flicker” pushes the model towards “moving”" in text
        assert "still: “flicker” " in text
    assert videotcav(monkeypatch, "intervene", many, "--preview", tmp_path / "preview") == 0


def test_of_several_models_nobody_is_asked_alone_without_a_word(
    study_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(study_folder)])
    text = (study_folder / "study.toml").read_text()
    named = f'[[models]]\nname = "{MODULE}:build_still"\n[[models]]\nname = "{MODULE}:build"'
    both = study_folder / "both.toml"
    both.write_text(text.replace(f'[model]\nname = "{MODULE}:build"', named))
    with pytest.raises(StudyFileError, match="models: are 2: say which one"):
        Study.from_file(both)
    assert [Study.from_file(both, model=number).model.card.name for number in (0, 1)] == ["still", "change"]
    with pytest.warns(VideotcavWarning, match="asks 2 models; the plan is that of the first"):
        api.plan(both, clips_per_second=1.0)


def test_models_that_are_shown_clips_of_their_own_have_no_preview_in_common(
    study_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(study_folder)])
    text = (study_folder / "study.toml").read_text()
    named = f'[[models]]\nname = "{MODULE}:build"\n[[models]]\nname = "{MODULE}:build"\nclip.frames = 3'
    (study_folder / "apart.toml").write_text(text.replace(f'[model]\nname = "{MODULE}:build"', named))
    with pytest.raises(StudyFileError, match="are shown clips of their own"):
        api.intervene(study_folder / "apart.toml", preview=tmp_path / "preview")


KILLED = """
import os, signal, sys
import torch
torch.set_num_threads(1)  # as conftest.py: other numbers of threads round otherwise
from videotcav.study import edit_worker, probe_passes
from videotcav.study.run import Study
probe_passes._ROWS_A_SHARD = 8
passes, real = 0, edit_worker._logits
def passed(*args):
    global passes
    passes += 1
    if passes == 20:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args)
edit_worker._logits = passed
Study.from_file(sys.argv[1]).run(sys.argv[2])
"""


def test_a_run_that_was_killed_as_it_edited_goes_on_where_it_was(
    study_folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    study, folder = study_folder / "study.toml", tmp_path / "run"
    there = {**os.environ, "PYTHONPATH": os.pathsep.join([str(study_folder), *sys.path])}
    killed = subprocess.run([sys.executable, "-c", KILLED, study, folder], check=False, env=there)
    assert killed.returncode == -signal.SIGKILL
    assert not folder.exists()
    monkeypatch.setattr(sys, "path", [*sys.path, str(study_folder)])
    passed: list[str] = []
    real = edit_worker._logits

    def watched(model: VideoModel, pixels: Tensor, names: Sequence[str]) -> tuple[Tensor, bool]:
        passed.extend(names)
        return real(model, pixels, names)

    monkeypatch.setattr(edit_worker, "_logits", watched)
    found = Study.from_file(study).run(folder)
    assert found.effects == run.effects
    assert pq.read_table(folder / "clips.parquet").equals(pq.read_table(run.folder / "clips.parquet"))
    everything = CLIPS + 12 * len([name for name in pq.read_schema(folder / "clips.parquet").names if "edit:" in name])
    assert len(passed) <= everything - 19 * 4 + 8 + 4  # what was kept before, but for the last shard and a filled pass
    assert {each.name for each in tmp_path.iterdir()} == {"run"}


def test_the_plan_counts_the_edits_and_the_clips_they_can_be_asked_of(
    study_folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as the run then has. Of an object: remove, another fill, three shams; freeze, another fill, one sham."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(study_folder)])
    monkeypatch.setattr(media, "write_maps", lambda *_, **__: pytest.fail("a clip passed the model"))
    made = api.plan(study_folder / "study.toml", clips_per_second=1.0)
    assert made.cost.edit_passes == made.cost.seconds["edits"] == CLIPS * (1 + 2 * (5 + 3) + 2 * 2)
    assert {"inputs", "editing", "pictures", "statistics"} < set(made.cost.seconds)
    for row in run.effects:
        beside = "" if row.with_sham is None else f", {row.with_sham} of them beside a sham"
        assert f"{row.name} changes {row.clips} of {CLIPS} clips of moving{beside}" in made.edits


def test_all_maps_take_what_the_first_two_tell(study_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By hand: two in 4 s, so three clips of the class in 6 s."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(study_folder)])
    study = Study.from_file(study_folder / "study.toml")
    monkeypatch.setattr(media, "time", SimpleNamespace(perf_counter=iter([10.0, 14.0]).__next__))
    written: list[Path] = []
    monkeypatch.setattr(media, "write_maps", lambda path, *_, **__: written.append(path) or MAPS)
    assert media.overlay_seconds(study.file, study_inputs(study.file), study.model) == 6
    assert len(written) == 2


def test_a_picture_makes_neither_shams_nor_second_fills(study_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(study_folder)])
    study = Study.from_file(study_folder / "study.toml")
    inputs = study_inputs(study.file)
    editor = Editor.of(study.file, inputs, study.clips())
    assert editor is not None
    first = next(editor.clips(inputs))
    _, _, all_made = editor.made(first)
    monkeypatch.setattr(object_edits, "shams", lambda *_: pytest.fail("a sham was made"))
    monkeypatch.setattr(object_edits, "second_fill", lambda _: pytest.fail("a second fill was made"))
    _, _, made = editor.made(first, alone=True)
    assert [*made] == [edit.name for edit in editor.edit.edits]
    for name, each in made.items():
        np.testing.assert_array_equal(each.frames, all_made[name].frames)


def test_the_same_clips_are_shown_in_whatever_order_clips_are_edited(tmp_path: Path) -> None:
    """Those that take most edits, then by name; and of every edit some picture, also of one that none of them takes."""
    takes = {"a": ["remove"], "b": ["remove", "freeze"], "c": ["remove"], "d": ["remove", "freeze"], "e": ["blur"]}
    clips = [ClipToProbe(name, "moving", name, lambda _: pytest.fail("not read")) for name in takes]
    grey = {name: np.full((2, 16, 16, 3), 40 * number, dtype=np.uint8) for number, name in enumerate(takes)}
    seen = set()
    for number, order in enumerate(permutations(clips)):
        pictures = Pictures()
        for clip in order:
            made = dict.fromkeys(takes[clip.name], grey[clip.name])
            pictures.add(clip, tmp_path / "videos" / f"{clip.name}.mp4", grey[clip.name], made, frames_per_second=10)
        assert [path.stem for path in pictures.of("moving")] == ["b", "d", "a"]
        assert pictures.firsts["moving", "remove"][0] == "a"
        if number % 24 == 0:  # another clip comes first
            media = pictures.media(tmp_path, seen_from=tmp_path)
            seen.add(tuple((medium.path, medium.kind, medium.clip) for medium in media))
    assert seen == {
        (
            ("edit-moving-1-remove.mp4", "remove", "videos/b.mp4"),
            ("edit-moving-1-freeze.mp4", "freeze", "videos/b.mp4"),
            ("edit-moving-2-remove.mp4", "remove", "videos/d.mp4"),
            ("edit-moving-2-freeze.mp4", "freeze", "videos/d.mp4"),
            ("edit-moving-3-remove.mp4", "remove", "videos/a.mp4"),
            ("edit-moving-blur.mp4", "blur", ""),
        )
    }


def test_pictures_of_the_clips_worth_showing_are_those_of_all_clips(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        clips = [ClipToProbe(f"{at:02}", "ab"[at % 2], "", lambda _: pytest.fail("not read")) for at in range(12)]
        takes = {clip: [edit for edit in ("remove", "freeze", "blur") if rng.random() < 0.4] for clip in clips}
        paths = {clip.name: tmp_path / clip.name for clip in clips if rng.random() < 0.7}
        kept = worth_showing(takes, paths)
        both = []
        for some in (clips, kept[::-1]):
            pictures = Pictures()
            for clip in some:
                grey = np.full((1, 4, 4, 3), int(clip.name), dtype=np.uint8)
                pictures.add(clip, paths.get(clip.name), grey, dict.fromkeys(takes[clip], grey), frames_per_second=10)
            firsts = {key: name for key, (name, _) in pictures.firsts.items()}
            both.append((firsts, [pictures.of(name) for name in "ab"]))
        assert both[0] == both[1]
        assert len(kept) <= 2 * (3 + 3)


def test_further_views_of_a_video_are_not_shown_as_clips() -> None:
    grey = np.zeros((1, 4, 4, 3), dtype=np.uint8)
    pictures = Pictures()
    clip = ClipToProbe("a.mp4, view 1", "moving", "a", lambda _: pytest.fail("not read"))
    pictures.add(clip, None, grey, {"remove": grey}, frames_per_second=10)
    assert pictures.of("moving") == []
    assert [*pictures.firsts] == [("moving", "remove")]


def test_a_clip_is_opened_with_its_maps_and_what_each_edit_did_to_its_own_score(run: Run) -> None:
    """The numbers are those that clips.parquet gives by hand."""
    table = pq.read_table(run.folder / "clips.parquet").to_pylist()
    rows = {row["file"]: row for row in table if row["kind"] == "class"}
    sigma = run.effects[0].sigma
    shown = class_clips(run, [picture_of(run, medium) for medium in run.media])["moving"]
    assert len(shown) == 3
    for clip in shown:
        (file,) = {each.picture.medium.clip for each in clip.edits if each.picture}
        assert [each.medium.clip for each in clip.maps] == [file]
        assert clip.predicted == rows[file]["predicted"]
        for each in clip.edits:
            moved = (rows[file][f"edit:{each.name}"] - rows[file]["score:moving"]) / sigma
            assert each.change == pytest.approx(moved)


def test_an_empty_table_of_objects_is_all_of_them() -> None:
    section = InterventionsSection.model_validate({"boxes": "boxes.json", "objects": {}})
    assert section.labels(["ball"]) == {"ball": "ball", "background": "background"}


def test_the_command_edits_by_boxes_that_the_study_does_not_name(
    study_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(study_folder)])
    study = study_folder / "without.toml"
    text = (study_folder / "study.toml").read_text()
    study.write_text(text[text.index("question") : text.index("[interventions]")])
    assert videotcav(monkeypatch, "intervene", study, "--output", tmp_path / "run") == 1
    assert "interventions: is missing; its boxes or detector say where" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "run").exists()
    named = study.read_text() + '[interventions]\nboxes = "others.json"\nobjects = ["flicker"]\nedits = ["freeze"]\n'
    (study_folder / "others.json").write_text(sidecar(["another.mp4"], BOXES))
    study.write_text(named)
    monkeypatch.setattr(sys, "path", [*sys.path, str(study_folder)])
    boxes, preview = study_folder / "boxes.json", tmp_path / "preview"
    assert videotcav(monkeypatch, "intervene", study, "--objects", boxes, "--preview", preview) == 0
    (video,) = (preview / "media").iterdir()
    assert video.name == "edit-moving-freeze-flicker.mp4"
    frames = read_all(video)[0].astype(int)
    assert frames.shape[2] == 2 * 16 + 4
    assert np.ptp(frames[:, 11, 5], axis=0).min() > 100  # flickers at the left, before the edit
    assert np.ptp(frames[:, 11, 5 + 20], axis=0).max() < 20  # and not at the right


def test_a_table_of_boxes_stands_with_its_columns_in_the_study(
    study_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It gives the edits of the same boxes in COCO's form; from the study's folder, and as `objects` from this one."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(study_folder)])
    known = json.loads((study_folder / "boxes.json").read_text())
    videos, labels = ({one["id"]: one for one in known[key]} for key in ("videos", "categories"))
    images = {one["id"]: one for one in known["images"]}
    lines = ["clip,index,x,y,w,h,kind,id"]
    for each in known["annotations"]:
        image = images[each["image_id"]]
        cells = [videos[image["video_id"]]["file_name"], image["frame_index"], *each["bbox"]]
        lines.append(",".join(map(str, [*cells, labels[each["category_id"]]["name"], each["track_id"]])))
    (study_folder / "boxes.csv").write_text("\n".join(lines))
    spec = "boxes.csv:video=clip,frame=index,left=x,top=y,width=w,height=h,label=kind,track=id"
    text = (study_folder / "study.toml").read_text()
    (study_folder / "table.toml").write_text(text.replace("boxes.json", spec))
    expected = Study.from_file(study_folder / "study.toml").preview(tmp_path / "expected")
    named = Study.from_file(study_folder / "table.toml").preview(tmp_path / "named")
    monkeypatch.chdir(study_folder)
    given = api.intervene(study_folder / "study.toml", objects=spec, preview=tmp_path / "given")
    for videos_of in (named, given):
        assert [video.name for video in videos_of] == [video.name for video in expected]
        for video, same in zip(videos_of, expected, strict=True):
            assert (read_all(video)[0] == read_all(same)[0]).all()


def test_a_preview_alone_is_no_run(study_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(study_folder)])
    videos = Study.from_file(study_folder / "study.toml").preview(tmp_path / "preview")
    assert {video.stem for video in videos} >= {"edit-moving-freeze-flicker", "edit-moving-remove-lamp"}
    with pytest.raises(RunFolderError):
        RunResults.read(tmp_path / "preview")


def test_the_first_clip_is_shown_in_whatever_order_clips_stand(
    study_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its own name, of those of which the edit can be made."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(study_folder)])
    study = Study.from_file(study_folder / "study.toml")
    inputs = study_inputs(study.file)
    editor = Editor.of(study.file, inputs, study.clips())
    assert editor is not None
    clips = [*editor.clips(inputs)]
    first = editor.pictures(clips[:3]).firsts
    for order in (clips[2::-1], [*clips[-2:], *clips[:3]]):  # the last two hold nothing
        shown = editor.pictures(order).firsts
        assert shown.keys() == first.keys()
        assert all(np.array_equal(shown[key][1], frames) for key, (_, frames) in first.items())
    assert len(first) == 6
