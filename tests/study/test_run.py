"""The whole route on files, with a model whose answer is known: it adds up the change between frames."""

from __future__ import annotations

import html
import json
import shutil
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.stats import permutation_test, t

from support.change_net import MODULE, NET, noise
from support.study_text import study_text
from videotcav import api
from videotcav.cli.main import app
from videotcav.errors import (
    ConceptError,
    NotEnoughData,
    OutputError,
    RunFolderError,
    StoreError,
    StudyFileError,
    VideosError,
    VideotcavError,
)
from videotcav.features.measure import measure
from videotcav.report.comparison import write_comparison_page
from videotcav.results.declaration import Declaration
from videotcav.results.followed import above_maps
from videotcav.results.read import RunResults
from videotcav.study import run as study_run
from videotcav.study.comparison import compare, load_studies
from videotcav.study.inputs import Inputs, study_inputs
from videotcav.study.plan import plan
from videotcav.study.run import Study
from videotcav.video.read import read_all
from videotcav.video.write import write_video

STUDY = f"""
seed = 1
{study_text(model=f"{MODULE}:build", videos="moving", of="moving")}[cam]
clips = 1
against = "bright"
"""


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Videos of a study: clips of the class, a concept that flickers with its frozen twin, and a random pool."""
    folder = tmp_path_factory.mktemp("material")
    rng = np.random.default_rng(0)
    (folder / f"{MODULE}.py").write_text(NET)
    (folder / "study.toml").write_text(STUDY)
    for name in ("moving", "random", "concepts/flicker/spatiotemporal", "concepts/flicker/frozen"):
        (folder / name).mkdir(parents=True)
    for number in range(12):
        write_video(folder / "moving" / f"{number:02}.mp4", noise(rng, moving=True), frames_per_second=10)
        clip = noise(rng, moving=True)
        frozen = np.broadcast_to(clip[:1], clip.shape)
        write_video(folder / f"concepts/flicker/spatiotemporal/{number:02}.mp4", clip, frames_per_second=10)
        write_video(folder / f"concepts/flicker/frozen/{number:02}.mp4", frozen, frames_per_second=10)
    for number in range(40):
        moving = bool(number % 2)
        write_video(folder / "random" / f"{number:02}.mp4", noise(rng, moving=moving), frames_per_second=10)
    return folder


@pytest.fixture
def study_folder(material: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(material, tmp_path / "study")
    monkeypatch.setattr(sys, "path", [*sys.path, str(material)])
    return tmp_path / "study"


def test_the_run_folder_holds_what_the_route_promises(study_folder: Path, tmp_path: Path) -> None:
    run = Study.from_file(study_folder / "study.toml").run(tmp_path / "run")
    assert sorted(path.name for path in run.folder.iterdir()) == [
        "clips.parquet",
        "manifest.json",
        "media",
        "report.html",
        "results.parquet",
        "shares.parquet",
    ]
    rows = pq.read_table(run.folder / "results.parquet").to_pylist()
    assert len(rows) == 3 * 2  # two kinds and one pair, by the score and at one layer, for one class
    manifest = json.loads((run.folder / "manifest.json").read_text())
    assert manifest["seed"] == 1
    assert manifest["classes"]["moving"]["clips"] == 12
    assert manifest["concepts"]["flicker"]["kinds"] == {"spatiotemporal": 12, "frozen": 12}
    for medium in manifest["media"]:
        assert (run.folder / "media" / medium["path"]).is_file()
    assert {medium["role"] for medium in manifest["media"]} == {"exemplar", "cam"}


@pytest.mark.parametrize(
    ("tests", "concepts", "are_read"),
    [
        ("", ["flicker"], False),
        ("", ["flicker", "again"], True),
        ('\n[tests]\nscores = "classic"\n', ["flicker"], True),
    ],
)
def test_products_of_set_clips_are_made_where_something_reads_them(
    study_folder: Path, monkeypatch: pytest.MonkeyPatch, tests: str, concepts: list[str], *, are_read: bool
) -> None:
    """CAVs do, and what is told of several concepts beside each other."""
    for name in concepts[1:]:
        shutil.copytree(study_folder / "concepts" / concepts[0], study_folder / "concepts" / name)
    (study_folder / "study.toml").write_text(STUDY + tests)
    foretold = api.plan(study_folder / "study.toml", clips_per_second=1.0).cost
    n, m, layers = foretold.clips_forward - foretold.clips_backward, foretold.clips_backward, 1
    gradients = m * m if tests else 0
    assert foretold.gram_bytes == 8 * layers * (n * m + (n * n if are_read else 0) + gradients)

    def asked(*_: object, kernel: bool, **__: object) -> None:
        assert kernel == are_read
        raise KeyboardInterrupt

    monkeypatch.setattr(study_run, "measure", asked)
    with pytest.raises(KeyboardInterrupt):
        Study.from_file(study_folder / "study.toml").run(study_folder / "run")


def test_flicker_is_found_to_move_the_class_that_is_flicker_and_its_frozen_twin_is_not(
    study_folder: Path, tmp_path: Path
) -> None:
    run = Study.from_file(study_folder / "study.toml").run(tmp_path / "run")
    verdicts = {(row.kind, row.against): row.verdict for row in run.results if row.statistic == "contrast"}
    assert verdicts["spatiotemporal", "random"] == "positive"
    assert verdicts["spatiotemporal", "frozen"] == "positive"
    assert verdicts["frozen", "random"] != "positive"


def test_a_verdict_on_generated_clips_says_so_and_warns_of_a_domain_gap(
    study_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = {"flicker/spatiotemporal": (True,) * 6 + (False,) * 6, "flicker/frozen": (True,) * 12}
    monkeypatch.setattr(Inputs, "generated", property(lambda _: flags))
    monkeypatch.setattr("videotcav.explain.questions.domain_gap.gap_wins", lambda *_: True)
    run = Study.from_file(study_folder / "study.toml").run(tmp_path / "run")
    found = {(row.kind, row.origin) for row in run.results}
    assert found == {("spatiotemporal", "synthetic, domain gap"), ("frozen", "synthetic")}
    page = html.unescape((run.folder / "report.html").read_text())
    assert "(synthetic, domain gap)" in page
    assert "the verdict may be on the generator" in page
    assert "(synthetic)" in repr(run)


def test_several_clips_of_a_video_in_several_crops_are_views_of_one_source(study_folder: Path, tmp_path: Path) -> None:
    study = study_folder / "study.toml"
    views = "[model.clip]\nclips_per_video = 2\ncrops_per_clip = 3\n"
    study.write_text(study.read_text().replace("[classes.moving]", views + "[classes.moving]"))
    run = Study.from_file(study).run(tmp_path / "run")
    manifest = json.loads((run.folder / "manifest.json").read_text())
    assert (manifest["classes"]["moving"]["clips"], manifest["classes"]["moving"]["sources"]) == (72, 12)
    spec = manifest["model"]["clip_spec"]
    assert (spec["clips_per_video"], spec["crops_per_clip"], spec["frames"]) == (2, 3, 4)  # the rest is the model's own
    assert {(row.class_clips, row.class_sources) for row in run.results} == {(72, 12)}
    assert manifest["model"]["precision"] == "fp32"
    assert len([medium for medium in manifest["media"] if medium["role"] == "cam"]) == 1


def test_every_p_can_be_computed_anew_from_the_table_of_clips(study_folder: Path, tmp_path: Path) -> None:
    """Ten lines of pandas and scipy, as a reviewer would write them: the t form of both contrasts, and all flips."""
    pytest.importorskip("pandas", reason="pandas (an extra) is not installed")
    run = Study.from_file(study_folder / "study.toml").run(tmp_path / "run")
    clips, rows = run.clips(), {row.against: row for row in run.results if row.statistic == "contrast"}
    videos = clips.groupby(["set", "kind", "source"])["score:moving"].mean()
    pool = videos["random", "random"]
    sigma = pool.std(ddof=1)
    moving = videos["flicker", "spatiotemporal"]
    apart = abs(moving.mean() - pool.mean())
    parts = moving.var(ddof=1) / len(moving), pool.var(ddof=1) / len(pool)
    error, freedom = sum(parts) ** 0.5, sum(parts) ** 2 / (parts[0] ** 2 / 11 + parts[1] ** 2 / 39)
    p_t = sum(t.sf((apart + side * 0.1 * sigma) / error, freedom) for side in (-1, 1))
    row = next(each for each in run.results if (each.kind, each.against) == ("spatiotemporal", "random"))
    assert row.value == pytest.approx((moving.mean() - pool.mean()) / sigma)
    assert row.p >= p_t * (1 - 1e-9)
    tracks = clips[clips["set"] == "flicker"].pivot(index="track", columns="kind", values="score:moving")
    pairs = (tracks["spatiotemporal"] - tracks["frozen"]).to_numpy()
    own = pairs * np.sign(pairs.mean())
    flips = [permutation_test((own + side * 0.1 * sigma,), np.mean, permutation_type="samples", n_resamples=np.inf,
                              alternative="greater").pvalue for side in (-1, 1)]  # fmt: skip
    p_t = sum(t.sf((own.mean() + side * 0.1 * sigma) / (own.std(ddof=1) / 12**0.5), 11) for side in (-1, 1))
    assert rows["frozen"].p == pytest.approx(max(sum(flips), p_t))
    assert rows["frozen"].value == pytest.approx(pairs.mean() / sigma)


def grouped(folder: Path, *, settings: str = "") -> Path:
    """The study with a table of patients: 8 of the 12 pairs of the concept, 20 of the pool, 3 of the class."""
    rows = ["file,source,patient"]
    for kind in ("spatiotemporal", "frozen"):
        rows += [f"concepts/flicker/{kind}/{n:02}.mp4,visit {n},P{n // 2 if n < 8 else n}" for n in range(12)]
    rows += [f"random/{n:02}.mp4,scan {n},R{n // 2}" for n in range(40)]
    rows += [f"moving/{n:02}.mp4,film {n},C{n // 4}" for n in range(12)]
    (folder / "patients.csv").write_text("\n".join([*rows, ""]))
    study = folder / "study.toml"
    sources = '[sources]\ntable = "patients.csv"\ngroup = "patient"\n'
    study.write_text(study.read_text() + sources + settings)
    return study


def test_a_group_takes_the_place_of_its_videos(study_folder: Path, tmp_path: Path) -> None:
    """By hand: patients are averaged, counted and flipped; the table of clips has both columns."""
    pytest.importorskip("pandas", reason="pandas (an extra) is not installed")
    run = Study.from_file(grouped(study_folder)).run(tmp_path / "run")
    clips = run.clips()
    assert (clips["source"].nunique(), clips["group"].nunique()) == (12 + 40 + 12, 8 + 20 + 3)
    patients = clips.groupby(["set", "kind", "group"])["score:moving"].mean()
    pool, moving = patients["random", "random"], patients["flicker", "spatiotemporal"]
    sigma = pool.std(ddof=1)
    found = {(row.kind, row.against): row for row in run.results if row.statistic == "contrast"}
    assert found["spatiotemporal", "random"].value == pytest.approx((moving.mean() - pool.mean()) / sigma)
    pairs = moving - patients["flicker", "frozen"]
    own = pairs.to_numpy() * np.sign(pairs.mean())
    signs = np.array(list(product((1, -1), repeat=8)))
    flips = sum(((signs @ (own - d)) >= (own - d).sum() - 1e-9).mean() for d in (-0.1 * sigma, 0.1 * sigma))
    p_t = sum(t.sf((own.mean() + side * 0.1 * sigma) / (own.std(ddof=1) / 8**0.5), 7) for side in (-1, 1))
    twin = found["spatiotemporal", "frozen"]
    assert twin.p == pytest.approx(max(flips, p_t))
    assert twin.p >= 2**-7
    assert {(row.concept_sources, row.class_sources) for row in run.results} == {(8, 3)}
    page = (run.folder / "report.html").read_text()
    assert "All clips of one patient" in page
    assert "from visit 0" in page


def test_classic_scores_draw_groups_too(study_folder: Path, tmp_path: Path) -> None:
    """A sign flip turns all pairs of a patient: p of 8 patients cannot be below 2⁻⁷, that of 12 videos could be."""
    settings = '[tests]\nscores = "classic"\npseudo_concepts = 4999\nrandom_draws = 2\nbootstrap_resamples = 100\n'
    run = Study.from_file(grouped(study_folder, settings=settings)).run(tmp_path / "run")
    assert {row.concept_sources for row in run.results} == {8}
    assert min(row.p for row in run.results if row.against == "frozen") >= 2**-7
    assert {row.null_draws for row in run.results if row.against == "frozen"} == {2**7}


def test_what_the_class_is_asked_by_can_be_said_beside_the_file(
    study_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that is told a target or a score is the run of a file that says so, and holds that text."""
    study, other = study_folder / "study.toml", study_folder / "other.toml"
    text = study.read_text()
    for key, value in (("target", "moving - bright"), ("score", "logit")):
        other.write_text(f'{key} = "{value}"\n{text}')
        stated = api.run(other, tmp_path / f"{key} stated")
        said = api.run(study, tmp_path / f"{key} said", **{key: value})
        assert said.results == stated.results
        assert f'{key} = "{value}"' in said.manifest.study
        assert (
            api.plan(study, **{key: value}, clips_per_second=1.0).visible
            == api.plan(other, clips_per_second=1.0).visible
        )
        app(["plan", str(study), f"--{key}", value, "--clips-per-second", "1"], standalone_mode=False)
        assert "tests in the declared family" in capsys.readouterr().out
    assert study.read_text() == text


def test_a_target_or_score_that_does_not_fit_the_file_is_refused(study_folder: Path) -> None:
    study = study_folder / "study.toml"
    text = study.read_text()
    with pytest.raises(StudyFileError, match="the class of the study is 'moving'"):
        api.plan(study, target="bright - moving")
    with pytest.raises(StudyFileError, match="no difference of two classes"):
        api.plan(study, target="moving")
    with pytest.raises(StudyFileError, match="target: is empty"):
        api.run(study, target="")
    with pytest.raises(StudyFileError, match="score: input should be 'centred logit'"):
        api.plan(study, score="logits")
    with pytest.raises(StudyFileError, match="leave one of them out"):
        api.plan(study, score="logit", target="moving - bright")
    study.write_text('score = "logit"\n' + text)
    with pytest.raises(StudyFileError, match="leave one of them out"):
        api.run(study, target="moving - bright")
    study.write_text('target = "moving - bright"\n' + text)
    with pytest.raises(StudyFileError, match="leave one of them out"):
        api.run(study, score="logit")
    with pytest.raises(VideotcavError, match="already has its target"):
        api.plan(Study.from_file(study), target="moving - bright")


def test_how_far_concepts_are_one_to_a_layer_is_in_the_manifest_and_on_the_page(
    study_folder: Path, tmp_path: Path
) -> None:
    """The same clips under two names are one direction, with nothing of their own; one concept alone has no table."""
    alone = Study.from_file(study_folder / "study.toml").run(tmp_path / "alone")
    assert alone.manifest.entanglement == ()
    assert "one and the same to a layer" not in (alone.folder / "report.html").read_text()
    shutil.copytree(study_folder / "concepts" / "flicker", study_folder / "concepts" / "again")
    run = Study.from_file(study_folder / "study.toml").run(tmp_path / "run")
    (facts,) = run.manifest.entanglement
    assert facts.sets == ("again/spatiotemporal", "flicker/spatiotemporal")
    assert facts.cosines[0][1] == pytest.approx(1)
    shift = {row.concept: row.shift for row in run.results if row.statistic == "shift" and row.against == "random"
             and row.kind == "spatiotemporal"}  # fmt: skip
    assert facts.whole[0][0] == facts.whole[1][0] == pytest.approx(shift["flicker"])
    assert facts.own[0][0] == pytest.approx(0, abs=1e-6)
    assert "one and the same to a layer" in (run.folder / "report.html").read_text()


def test_groups_of_sets_are_told_from_each_other(study_folder: Path, tmp_path: Path) -> None:
    study = study_folder / "study.toml"
    text = study.read_text()
    study.write_text(text + '[groups]\nmotion = ["flicker/spatiotemporal", "flicker/frozen"]\n')
    run = Study.from_file(study).run(tmp_path / "run")
    rows = {row.kind: row for row in run.results if row.statistic == "relative"}
    assert {(row.against, row.group) for row in rows.values()} == {("group", "motion")}
    assert rows["spatiotemporal"].value + rows["frozen"].value == pytest.approx(1.0)
    assert rows["spatiotemporal"].value == 1.0
    page = (run.folder / "report.html").read_text()
    assert "Told from each other" in page
    for wrong, sentence in (
        ('["flicker/spatiotemporal", "flicker/reversed"]', "groups.motion: 'flicker/reversed' is not one of its sets"),
        ('["flicker", "flickr"]', "groups.motion: 'flickr' is not one of its concepts; closest: 'flicker'"),
        ('["flicker", "flicker"]', "groups.motion: 'flicker' is named twice"),
    ):
        study.write_text(text + f"[groups]\nmotion = {wrong}\n")
        with pytest.raises(ConceptError, match=sentence):
            Study.from_file(study).run(tmp_path / "other")
    study.write_text(text + '[groups]\nmotion = ["flicker"]\n')
    with pytest.raises(StudyFileError, match=r"groups\.motion"):
        Study.from_file(study)


def test_a_class_given_by_its_number_has_its_name_everywhere(study_folder: Path, tmp_path: Path) -> None:
    study = study_folder / "study.toml"
    text = study.read_text()
    by_name = Study.from_file(study)
    number = by_name.model.class_index("moving")
    against = by_name.model.class_index("bright")
    declared = text.replace("seed = 1", 'seed = 1\nhypotheses = ["flicker matters for {}"]')
    numbers = declared.replace("[classes.moving]", f"[classes.{number}]").replace('"bright"', f'"{against}"')
    study.write_text(numbers.replace("for {}", f"for {number}"))
    run = Study.from_file(study).run(tmp_path / "run")
    assert {row.class_name for row in run.results} == {"moving"}
    manifest = json.loads((run.folder / "manifest.json").read_text())
    assert list(manifest["classes"]) == ["moving"]
    assert {medium["class_name"] for medium in manifest["media"] if medium["role"] == "cam"} == {"moving"}
    study.write_text(declared.replace("for {}", "for moving"))
    named = Study.from_file(study).run(tmp_path / "named")
    assert [row.model_dump() for row in run.results] == [row.model_dump() for row in named.results]
    study.write_text(text + f'[classes.{number}]\nvideos = ["moving"]\n')
    with pytest.raises(StudyFileError, match=f"classes.{number}: is the class that classes.moving is; name it once"):
        Study.from_file(study)


def test_the_same_study_twice_gives_the_same_bytes(study_folder: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        Study.from_file(study_folder / "study.toml").run(tmp_path / name)
    one, two = ((tmp_path / name / "results.parquet").read_bytes() for name in ("one", "two"))
    assert one == two
    media = sorted(path.name for path in (tmp_path / "one" / "media").iterdir())
    for name in media:
        assert (tmp_path / "one" / "media" / name).read_bytes() == (tmp_path / "two" / "media" / name).read_bytes()


def test_with_a_store_a_second_study_passes_nothing_and_gives_the_same_bytes(
    study_folder: Path, tmp_path: Path
) -> None:
    study = Study.from_file(study_folder / "study.toml")
    runs = [study.run(tmp_path / name, store=tmp_path / "store") for name in ("one", "two")]
    without = study.run(tmp_path / "without")
    passed = [json.loads((run.folder / "manifest.json").read_text())["clips_passed"] for run in (*runs, without)]
    assert passed == [12 + 12 + 12 + 40, 0, 12 + 12 + 12 + 40]
    assert len({(run.folder / "results.parquet").read_bytes() for run in (*runs, without)}) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "store", "study", "two", "without"]


def test_rows_of_frames_taken_otherwise_are_not_those_of_the_store(study_folder: Path, tmp_path: Path) -> None:
    """Whatever way frames are taken, a run beside a store that holds all others has the bytes of one without any."""
    study = study_folder / "study.toml"
    text = study.read_text()
    results = []
    for number, way in enumerate(["stride = 1", 'spread = "linspace"', 'spread = "middle"']):
        study.write_text(text.replace("[classes.moving]", f"[model.clip]\n{way}\n[classes.moving]"))
        beside, alone = (
            Study.from_file(study).run(tmp_path / f"{name}-{number}", store=store)
            for name, store in (("beside", tmp_path / "store"), ("alone", None))
        )
        results.append((alone.folder / "results.parquet").read_bytes())
        assert (beside.folder / "results.parquet").read_bytes() == results[-1], way
        assert beside.manifest.clips_passed == 12 + 12 + 12 + 40
    assert len(set(results)) == 3  # of 5 frames they take 0 to 3, then 0, 1, 2, 4, then 0, 1, 3, 4


READS_CHANGE = f"""
import numpy as np
from videotcav.video.read import VideoFile
from {MODULE} import build as build_of_colours

def change(path, seconds):
    \"\"\"Two channels of floats: brightness, and how it differs from the frame before.\"\"\"
    grey = VideoFile(path).at(seconds).mean(axis=3) / 255
    return np.stack([grey, np.diff(grey, axis=0, prepend=grey[:1])], axis=3).astype(np.float32)

def build():
    import torch
    from torch import nn
    module, card = build_of_colours()
    module.diff = nn.Conv3d(2, 2, (2, 1, 1), bias=False)
    with torch.no_grad():
        module.diff.weight.zero_()
        module.diff.weight[0, 1, 1] = 4
        module.diff.weight[1, 0, 1] = 1
    spec = card.clip_spec.changed({{"spread": "skip"}}).model_copy(
        update={{"reader": change, "mean": (0.0, 0.0), "std": (1.0, 1.0)}}
    )
    return module, card.model_copy(update={{"name": "change alone", "clip_spec": spec}})
"""


def test_a_network_that_sees_no_colours_is_studied_by_its_reader(
    study_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flicker is what the second channel holds; maps lie over the videos' own pictures."""
    (study_folder / "reads_change.py").write_text(READS_CHANGE)
    monkeypatch.syspath_prepend(str(study_folder))
    study = study_folder / "study.toml"
    text = study.read_text().replace(f"{MODULE}:build", "reads_change:build")
    study.write_text(f'{text}[interventions]\ndetector = "any"\n')
    with pytest.raises(StudyFileError) as refused:
        Study.from_file(study)
    assert [problem.partition(":")[0] for problem in refused.value.problems] == ["interventions", "cam.checked"]
    study.write_text(text.replace("[cam]", "[cam]\nchecked = 0"))
    run = Study.from_file(study).run(tmp_path / "run")
    verdicts = {(row.kind, row.against): row.verdict for row in run.results if row.statistic == "contrast"}
    assert verdicts["spatiotemporal", "frozen"] == "positive"
    assert run.manifest.model.clip_spec["reader"].startswith("reads_change:change, source ")
    assert len([medium for medium in run.manifest.media if medium.role == "cam"]) == 1
    with pytest.raises(StoreError, match="change alone has a reader of its own: rows are kept by the bytes"):
        Study.from_file(study).run(tmp_path / "stored", store=tmp_path / "store")
    (tmp_path / ".broken-rows").mkdir()
    with pytest.raises(StoreError, match=r"remove .*\.broken-rows, the rows of a run that did not end"):
        Study.from_file(study).run(tmp_path / "broken")


def test_ways_to_take_frames_that_exclude_each_other_are_one_sentence(study_folder: Path) -> None:
    study = study_folder / "study.toml"
    clip = '[model.clip]\nstride = 2\nspread = "skip"\n[classes.moving]'
    study.write_text(study.read_text().replace("[classes.moving]", clip))
    with pytest.raises(StudyFileError, match=r"model\.clip: one of .* are taken, got stride and spread"):
        Study.from_file(study)


def test_clips_that_look_alike_are_told_by_plan_and_report(study_folder: Path, tmp_path: Path) -> None:
    """A clip of the class, coded again, is in the random pool under another name: other bytes, the same pictures."""
    frames, _ = read_all(study_folder / "moving" / "03.mp4")
    write_video(study_folder / "random" / "unrelated.mp4", frames[:, ::2, ::2], frames_per_second=10)
    study = Study.from_file(study_folder / "study.toml")
    inputs = study.told(study_inputs(study.file))
    assert any("unrelated.mp4" in remark for remark in inputs.remarks)
    made = plan(study.file.study, inputs, widths={"square": 1})
    assert made.remarks == inputs.remarks
    run = study.run(tmp_path / "run")
    assert run.manifest.remarks == inputs.remarks
    assert "unrelated.mp4" in (run.folder / "report.html").read_text()


def test_a_random_clip_of_a_concept_is_refused_before_any_pass(study_folder: Path, tmp_path: Path) -> None:
    shutil.copy(study_folder / "concepts/flicker/frozen/03.mp4", study_folder / "random" / "unrelated.mp4")
    study = Study.from_file(study_folder / "study.toml")
    for ask in (lambda: study.run(tmp_path / "run"), lambda: study.told(study_inputs(study.file))):
        with pytest.raises(ConceptError, match=r"flicker.*03.mp4.*unrelated.mp4"):
            ask()
    assert not (tmp_path / "run").exists()


def test_bad_videos_are_all_listed_and_leave_no_run_folder(study_folder: Path, tmp_path: Path) -> None:
    (study_folder / "moving" / "03.mp4").write_bytes(b"")
    (study_folder / "random" / "07.mp4").write_bytes(b"not a video")
    with pytest.raises(VideosError) as caught:
        Study.from_file(study_folder / "study.toml").run(tmp_path / "run")
    assert {Path(path).name for path in caught.value.reasons} == {"03.mp4", "07.mp4"}
    assert not (tmp_path / "run").exists()


def test_bad_videos_may_be_left_out_and_are_recorded(study_folder: Path, tmp_path: Path) -> None:
    (study_folder / "moving" / "03.mp4").write_bytes(b"")
    (study_folder / "concepts" / "flicker" / "frozen" / "05.mp4").write_bytes(b"not a video")
    run = Study.from_file(study_folder / "study.toml").run(tmp_path / "run", skip_bad=True)
    assert {Path(path).name for path in run.manifest.left_out} == {"03.mp4", "05.mp4"}
    assert {row.class_clips for row in run.results} == {11}
    contrast = next(row for row in run.results if row.against == "frozen")
    assert contrast.concept_clips == 11  # a pair needs both


def test_too_few_concept_clips_are_refused_before_the_first_pass_with_the_number_needed(
    study_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("videotcav.study.run.measure", lambda *_, **__: pytest.fail("passed in vain"))
    for number in range(5, 12):
        (study_folder / f"concepts/flicker/frozen/{number:02}.mp4").unlink()
    with pytest.raises(NotEnoughData, match=r"flicker/frozen.*5 clips.*at least 10"):
        Study.from_file(study_folder / "study.toml").run(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_only_the_model_can_tell_joins_the_list_of_mistakes(study_folder: Path) -> None:
    path = study_folder / "study.toml"
    text = (
        path.read_text()
        .replace("seed = 1", 'seed = 1\nlayers = ["squares"]')
        .replace("[classes.moving]", "[classes.mving]")
    )
    path.write_text(text.replace('folder = "random"', 'folder = "randm"'))
    with pytest.raises(StudyFileError) as caught:
        Study.from_file(path)
    told = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 3
    assert "layers[0]: no layer 'squares'" in told
    assert "closest: 'square'" in told
    assert "classes.mving: no class 'mving'" in told
    assert "random.folder: 'randm' does not exist" in told


def test_an_unknown_concept_is_suggested(study_folder: Path, tmp_path: Path) -> None:
    path = study_folder / "study.toml"
    path.write_text(path.read_text().replace('folder = "concepts"', 'folder = "concepts"\ninclude = ["flickr"]'))
    with pytest.raises(ConceptError, match="no concept 'flickr'; closest: 'flicker'"):
        Study.from_file(path).run(tmp_path / "run")


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        (
            "bright - moving",
            "target: the class of the study is 'moving', so that it is what",
        ),
        ("moving - brigt", "target: 'moving - brigt' is no difference of two classes: no class 'brigt'"),
        ("moving", "target: 'moving' is no difference of two classes: write two classes with ' - ' between them"),
        ("moving - moving", "holds a class against itself"),
    ],
)
def test_a_target_that_does_not_fit_is_one_sentence(study_folder: Path, target: str, sentence: str) -> None:
    path = study_folder / "study.toml"
    path.write_text(f'target = "{target}"\n' + path.read_text())
    with pytest.raises(StudyFileError) as caught:
        Study.from_file(path)
    assert len(caught.value.problems) == 1
    assert sentence in caught.value.problems[0]


def test_one_class_against_another_is_twice_the_centred_logit_of_two(study_folder: Path, tmp_path: Path) -> None:
    """Of two classes z_a − (z_a + z_b) / 2 is half of z_a − z_b: in standard deviations the two are one."""
    path = study_folder / "study.toml"
    plain = Study.from_file(path).run(tmp_path / "plain")
    path.write_text('target = "moving - bright"\n' + path.read_text())
    against = Study.from_file(path).run(tmp_path / "against")
    assert [row.value for row in against.results] == pytest.approx([row.value for row in plain.results], rel=1e-5)
    assert against.manifest.tests.target == "moving - bright"


# --- hypotheses --------------------------------------------------------------------------------------------------

DECLARED = """
hypotheses = ["flicker: moving > frozen", "nothing about flicker matters"]
[model]"""


def declare(study_folder: Path, text: str = DECLARED) -> Path:
    path = study_folder / "study.toml"
    path.write_text(path.read_text().replace("[model]", text.lstrip(), 1))
    return path


def test_what_is_declared_is_written_down_before_any_clip_is_read(
    study_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the passes begin the declaration lies in the folder, and its hash there is that of the manifest later."""
    seen = []

    def spy(*arguments: object, **options: object) -> object:
        [found] = tmp_path.glob(".run-partial-*/declaration.json")
        seen.append(Declaration.model_validate_json(found.read_bytes()))
        return measure(*arguments, **options)

    monkeypatch.setattr("videotcav.study.run.measure", spy)
    run = Study.from_file(declare(study_folder)).run(tmp_path / "run")
    [declared] = seen
    assert declared.hypotheses == ("flicker: moving > frozen", "nothing about flicker matters")
    assert declared.tests == 2
    assert run.manifest.declaration_sha256 == declared.sha256
    assert run.declaration == declared
    assert run.manifest.declared <= run.manifest.created
    outcomes = {each.text: each.outcome for each in run.manifest.hypotheses}
    assert outcomes == {"flicker: moving > frozen": "supported", "nothing about flicker matters": "contradicted"}


def test_hypotheses_that_were_changed_after_the_run_are_refused(study_folder: Path, tmp_path: Path) -> None:
    run = Study.from_file(declare(study_folder)).run(tmp_path / "run")
    for name in ("declaration.json", "manifest.json"):
        copy = Path(shutil.copytree(run.folder, tmp_path / f"changed {name}"))
        text = (copy / name).read_text()
        (copy / name).write_text(text.replace("moving > frozen", "frozen > moving"))
        with pytest.raises(RunFolderError, match="not those that were declared before the run"):
            RunResults.read(copy)
    (run.folder / "declaration.json").unlink()
    with pytest.raises(RunFolderError, match="missing or damaged"):
        RunResults.read(run.folder)


def test_mistakes_in_hypotheses_join_the_list_of_mistakes(study_folder: Path) -> None:
    texts = [
        "flickr matters",
        "flicker: moving > frosen",
        "flicker matters at sqare",
        "nothing about flicker matters at square",
        "flicker pushes mooving",
    ]
    path = declare(study_folder, f"hypotheses = {json.dumps(texts)}\n[model]")
    text = path.read_text().replace("seed = 1", "sed = 1")
    path.write_text(text)
    with pytest.raises(StudyFileError) as caught:
        Study.from_file(path)
    told = "\n".join(caught.value.problems)
    assert "sed: unknown key; closest: 'seed'" in told
    assert "hypotheses[0]: 'flickr matters': no concept 'flickr'; closest: 'flicker'" in told
    assert "hypotheses[1]: unknown kind 'frosen'; closest: 'frozen'" in told
    assert "hypotheses[2]: 'flicker matters at sqare': the study has no layer 'sqare'; closest: 'square'" in told
    assert "hypotheses[3]: 'nothing about flicker matters at square': only the score itself can be shown" in told
    assert "hypotheses[4]: 'flicker pushes mooving': the study has no class 'mooving'; closest: 'moving'" in told


def test_several_models_are_asked_one_question_and_held_together(study_folder: Path, tmp_path: Path) -> None:
    study = study_folder / "study.toml"
    one = f'[model]\nname = "{MODULE}:build"\n'
    labels = {"sees change": "build", "sees frames": "build_still"}
    tables = "".join(f'[[models]]\nname = "{MODULE}:{build}"\nlabel = "{label}"\n' for label, build in labels.items())
    study.write_text(study.read_text().replace(one, tables))
    compared = compare(load_studies(study), tmp_path / "compared")
    folder = compared.folder
    index = {row.model: row for row in compared.standings if row.against == "frozen"}
    assert index["sees change"].verdict == "positive"
    assert index["sees change"].low > 0.1 > index["sees frames"].value
    whole = json.loads((folder / "manifest.json").read_text())
    assert list(whole["models"]) == list(labels)
    for label, facts in whole["models"].items():
        results = pq.read_table(folder / facts["run"] / "results.parquet").to_pylist()
        (row,) = (row for row in results if row["against"] == "frozen" and row["statistic"] == "contrast")
        assert index[label].value == row["value"]
    page = (folder / "report.html").read_text()
    assert "sees change: relies on the motion of “flicker” for “moving”" in page
    (folder / "report.html").unlink()
    write_comparison_page(folder)
    assert (folder / "report.html").read_text() == page
    (folder / "report.html").unlink()
    (folder / "report.html").mkdir()
    with pytest.raises(OutputError, match=r"report.html: cannot be written"):
        write_comparison_page(folder)


def test_numbers_that_changed_since_the_run_are_refused(study_folder: Path, tmp_path: Path) -> None:
    """A table that is whole and says something else: only the hash in the manifest can tell."""
    run = Study.from_file(study_folder / "study.toml").run(tmp_path / "run")
    table = pq.read_table(run.folder / "results.parquet")
    values = table.column_names.index("value")
    pq.write_table(table.set_column(values, "value", [[0.5] * len(table)]), run.folder / "results.parquet")
    with pytest.raises(RunFolderError, match=r"results.parquet is not what the run wrote: its checksum"):
        RunResults.read(run.folder)


@pytest.mark.parametrize("facts", ["{}", "[]", '{"models": {"a": {}}}', "{", ""])
def test_a_comparison_with_damaged_facts_is_one_sentence(tmp_path: Path, facts: str) -> None:
    (tmp_path / "manifest.json").write_text(facts)
    with pytest.raises(RunFolderError, match=r"manifest.json is damaged: .*; run the study again"):
        write_comparison_page(tmp_path)


def test_a_mistake_of_the_one_model_bears_the_files_own_key(study_folder: Path) -> None:
    study = study_folder / "study.toml"
    study.write_text(study.read_text().replace(f"{MODULE}:build", f"{MODULE}:nothing"))
    with pytest.raises(StudyFileError) as told:
        load_studies(study)
    assert [problem.split(":")[0] for problem in told.value.problems] == ["model"]


def test_mistakes_of_all_models_are_told_at_once(study_folder: Path) -> None:
    study = study_folder / "study.toml"
    one = f'[model]\nname = "{MODULE}:build"\n'
    two = f'[[models]]\nname = "{MODULE}:nothing"\n[[models]]\nname = "{MODULE}:build"\nlayers = ["sqare"]\n'
    study.write_text(study.read_text().replace(one, two))
    with pytest.raises(StudyFileError) as told:
        load_studies(study)
    assert [problem.split(":")[0] for problem in told.value.problems] == ["models[0]", "layers[0]"]
    study.write_text(study.read_text() + one)
    with pytest.raises(StudyFileError, match="models: unknown key; closest: 'model'"):
        load_studies(study)


def test_maps_are_shown_with_whether_the_score_follows_them(study_folder: Path, tmp_path: Path) -> None:
    """σ is the pool's, which the table of clips gives; the maps of the layer are `square`, the change itself."""
    study = study_folder / "study.toml"
    run = Study.from_file(study).run(tmp_path / "run")
    shown, *others = run.manifest.badges
    rows = pq.read_table(run.folder / "clips.parquet").to_pylist()
    right = [row for row in rows if row["kind"] == "class" and row["predicted"] == "moving"]
    assert (shown.method, shown.layer, shown.class_name) == ("grad-cam", "square", "moving")
    assert (shown.clips, shown.right, shown.sources) == (12, len(right), len(right))
    scores = [row["score:moving"] for row in rows if row["set"] == "random"]
    assert shown.sigma == pytest.approx(np.std(scores, ddof=1))
    assert [each.method for each in others] in ([], ["hirescam", "layercam"])
    assert (shown.verdict == "not followed") == bool(others)
    page = (run.folder / "report.html").read_text()
    assert above_maps(run.manifest.badges) in html.unescape(page)
    assert f"</svg>map {shown.verdict}</span>" in page

    # Two passes for the maps and eight, in fours, for the clip and its blurs; of two other maps two and four.
    assert api.plan(study, clips_per_second=1.0).cost.map_passes == 12 * (2 + 8 + 2 + 4)

    text = study.read_text()
    study.write_text(text.replace("clips = 1", 'clips = 1\nmethod = "layercam"\nchecked = 4'))
    few = Study.from_file(study).run(tmp_path / "few")
    (badge,) = few.manifest.badges
    assert (badge.map, badge.verdict) == ("layercam at square", "not told")
    assert {medium.method for medium in few.media if medium.role == "cam"} == {"layercam"}
    study.write_text(text.replace("clips = 1", "clips = 1\nchecked = 0"))
    assert Study.from_file(study).run(tmp_path / "none").manifest.badges == ()
    study.write_text(text.replace("clips = 1", 'clips = 1\nmethod = "gradcam"'))
    with pytest.raises(StudyFileError, match=r"cam\.method"):
        Study.from_file(study)
