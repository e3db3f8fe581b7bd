"""A study's table of labels: what it declares, what it is cautioned of, matched pools, and the traps."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from support.study_text import study_text
from videotcav.errors import ArgumentError, ConceptError, NotEnoughData, StudyFileError, VideotcavError
from videotcav.study.inputs import Inputs, study_inputs
from videotcav.study.plan import plan_study
from videotcav.study.pool import beside_pool, refuse_outputs
from videotcav.study.read_file import read_study_file
from videotcav.study.run import Study
from videotcav.video.write import write_video

NET = """
import torch
from torch import nn
from videotcav.records import ClipSpec, ModelCard

class Colours(nn.Module):
    def forward(self, pixels):
        return pixels.mean((2, 3, 4)) @ torch.eye(3)[:, :2] * 20

def build():
    spec = ClipSpec(frames=2, seconds_between_frames=0.1, height=8, width=8, resize=8)
    return Colours(), ModelCard(name="colours", clip_spec=spec, classes=("red", "green"), layouts={})
"""
BALLS, OTHERS = 12, 40


def place(number: int, *, ball: bool) -> str:
    """Nine of twelve balls are on grass, 20 of 40 other things."""
    return "grass" if number % 4 < (3 if ball else 2) else "court"


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips in which the place makes the picture redder, and the ball bluer, which is nothing to the model."""
    folder = tmp_path_factory.mktemp("colours")
    (folder / "net_of_the_pool_tests.py").write_text(NET)
    rng = np.random.default_rng(0)
    lines = ["file,place,light,shape"]
    for name, count, ball in (("concepts/ball", BALLS, True), ("random", OTHERS, False), ("red", 4, False)):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            grass = place(number, ball=ball) == "grass"
            colour = np.array([130 if grass else 70, 100, 200 if ball else 50]) + rng.integers(-45, 45, 3)
            frames = (colour + rng.integers(-5, 5, (3, 8, 8, 3))).astype(np.uint8)
            write_video(folder / name / f"{number:02}.mp4", frames, frames_per_second=10)
            if name != "red":
                light = ("day", "night")[int(rng.integers(2))]
                lines.append(f"{name}/{number:02}.mp4,{place(number, ball=ball)},{light},{'round' if ball else 'flat'}")
    (folder / "labels.csv").write_text("\n".join(lines))
    return folder


@pytest.fixture
def study(material: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", [*sys.path, str(material)])
    return material


def with_pool(folder: Path, pool: str, *, tests: str = "", table: str = "labels.csv") -> Path:
    file = folder / "study.toml"
    text = study_text(model="net_of_the_pool_tests:build", videos="red", of="red")
    file.write_text(f'{text}[tests]\nnegligible_below = 0.1\n{tests}[pool]\ntable = "{table}"\n{pool}')
    return file


def beside(folder: Path, pool: str, *, table: str = "labels.csv") -> Inputs:
    file = read_study_file(with_pool(folder, pool, table=table))
    return beside_pool(study_inputs(file), file)


def test_a_matched_pool_has_the_concepts_shares_and_is_told(study: Path) -> None:
    inputs = beside(study, 'own = "shape"\nmatch = "place"\n')
    numbers = [int(path.stem) for path in inputs.matched["ball"]]
    grass = sum(place(number, ball=False) == "grass" for number in numbers)
    assert (len(numbers), grass) == (
        27,
        20,
    )  # 20.25 and 6.75 by the shares 3 : 1; of 28 it were 21, and there are 20 on grass
    assert inputs.pool is not None
    assert inputs.pool.match == ("place",)
    assert "'ball' is held against 27 source videos, matched on place" in inputs.pool.matched["ball"]
    assert inputs.pool.matched["ball"] + "." in inputs.remarks
    assert {each.column for each in inputs.pool.labels} == {"place", "light"}


def test_what_differs_is_cautioned_and_what_does_not_is_not(study: Path) -> None:
    """All balls on grass, and half of the pool; by day and night as it falls."""
    table = (study / "labels.csv").read_text()
    (study / "all.csv").write_text("\n".join(
        line.replace(",court,", ",grass,") if "ball" in line else line for line in table.splitlines()
    ))  # fmt: skip
    inputs = beside(study, 'own = { ball = "shape" }\n')
    assert not any("differ in" in remark for remark in inputs.remarks)
    assert inputs.pool is not None
    assert inputs.pool.sentence == "association; no difference was found in place, light, others are not excluded"
    inputs = beside(study, 'own = { ball = "shape" }\n', table="all.csv")
    (remark,) = [remark for remark in inputs.remarks if "differ in" in remark]
    assert remark.startswith(
        "'ball' and the pool differ in place as well (place is court in 0% and 50% of source videos"
    )
    assert inputs.pool is not None
    assert "confounding is likely" in inputs.pool.sentence
    matched = beside(study, 'own = "shape"\nmatch = "place"\n', table="all.csv")
    assert not any("differ in" in remark for remark in matched.remarks)


def test_how_clips_look_is_told_with_and_without_a_table(study: Path) -> None:
    file = read_study_file(with_pool(study, 'own = "shape"\n'))
    file.path.write_text(file.text.partition("[pool]")[0])
    file = read_study_file(file.path)
    inputs = beside_pool(study_inputs(file), file)
    assert inputs.pool is not None
    assert "association; confounding not excluded" in inputs.pool.sentence
    found = {each.measure: each for each in inputs.pool.appearance}
    assert list(found) == ["brightness", "contrast", "sharpness", "saturation", "motion"]
    assert found["brightness"].of_concept > found["brightness"].of_pool
    assert inputs.remarks == study_inputs(file).remarks


@pytest.mark.parametrize(
    ("pool", "error", "sentence"),
    [
        ("", ConceptError, r"'shape' tells 'ball' and the pool apart perfectly \('round' against 'flat'\).* in own"),
        ('own = "shape"\nmatch = "shape"\n', ArgumentError, "cannot be matched on 'shape', which is its own column"),
        (
            'confounders = "shape"\nmatch = "shape"\n',
            ArgumentError,
            "'shape' tells 'ball' and the pool apart perfectly",
        ),
        ('own = "form"\n', StudyFileError, r"pool.table: .*no column 'form' of labels"),
        ('own = { bal = "shape" }\n', StudyFileError, r"pool.own: 'bal' is no concept of the study; closest: 'ball'"),
        ('own = "shape"\nmatch = ["place", "place"]\n', StudyFileError, "pool.match.*'place' is named twice"),
        ('owns = "shape"\n', StudyFileError, "pool.owns: unknown key; closest: 'own'"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(
    study: Path, pool: str, error: type[VideotcavError], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        beside(study, pool)


def test_a_column_that_tells_apart_is_cautioned_once_it_is_declared(study: Path) -> None:
    inputs = beside(study, 'confounders = ["shape"]\n')
    assert any("'ball' and the pool differ in shape as well" in remark for remark in inputs.remarks)


def test_matched_pools_are_for_contrasts(study: Path) -> None:
    with pytest.raises(StudyFileError, match="only contrasts are held against matched pools"):
        read_study_file(with_pool(study, 'match = "place"\n', tests='scores = "classic"\n'))
    with pytest.raises(StudyFileError, match=r"pool.table: 'gone.csv' does not exist"):
        read_study_file(with_pool(study, "", table="gone.csv"))


# --- a whole run ---------------------------------------------------------------------------------------------------


def test_a_run_holds_the_concept_against_its_matched_pool(study: Path, tmp_path: Path) -> None:
    """Balls lie on grass more often, which is redder: less is left against a pool that does so too."""
    plain = Study.from_file(with_pool(study, 'own = "shape"\n')).run(tmp_path / "plain")
    matched = Study.from_file(with_pool(study, 'own = "shape"\nmatch = ["place"]\n')).run(tmp_path / "matched")
    (before,) = [row for row in plain.results if row.statistic == "contrast"]
    (after,) = [row for row in matched.results if row.statistic == "contrast"]
    clips = matched.clips()
    concept = clips.loc[clips["set"] == "ball", "score:red"]
    pool = clips.loc[clips["matched"] == "ball", "score:red"]
    reference = clips.loc[clips["set"] == "random", "score:red"]
    assert len(pool) == 27
    assert after.value == pytest.approx((concept.mean() - pool.mean()) / reference.std(), rel=1e-5)
    assert abs(after.value) < abs(before.value) / 2
    assert (tmp_path / "matched" / "report.html").read_text().count("matched on place") >= 1
    assert matched.manifest.pool is not None
    assert len(matched.manifest.pool.appearance) == 5


def test_what_the_model_says_is_refused_at_the_run(study: Path, tmp_path: Path) -> None:
    table = (study / "labels.csv").read_text().splitlines()
    clips = Study.from_file(with_pool(study, 'own = "shape"\n')).run(tmp_path / "plain").clips()
    said = {str(file): name for file, name in zip(clips["file"], clips["predicted"], strict=True)}
    lines = [f"{table[0]},sort", *(f"{line},{'AB'[said[line.split(',')[0]] == 'red']}" for line in table[1:])]
    (study / "said.csv").write_text("\n".join(lines))
    file = with_pool(study, 'own = "shape"\nmatch = "sort"\n', table="said.csv")
    with pytest.raises(ConceptError, match="the column 'sort' is the class that the model predicts"):
        Study.from_file(file).run(tmp_path / "run")
    assert not (tmp_path / "run").exists()


PREDICTED = ["a", "a", "b", "c", "b", "c", "a", "b", "a", "c"]
SCORES = {"a": np.array([9.0, 8, 1, 2, 3, 0, 7, -1, 6, 1.5])}


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ([*PREDICTED], "the class that the model predicts"),
        (["0", "0", "1", "2", "1", None, "0", "1", "0", "2"], "the class that the model predicts"),
        ([str(each == "b") for each in PREDICTED], "whether the model predicts 'b'"),
        (["high" if score > 2.5 else "low" for score in SCORES["a"]], "the model's score of 'a', cut into levels"),
    ],
)
def test_an_output_of_the_model_is_known_under_any_name(told: list[str | None], sentence: str) -> None:
    with pytest.raises(ConceptError, match=sentence):
        refuse_outputs({"place": ["x", *"xyxyxyxyx"], "said": told}, predicted=PREDICTED, scores=SCORES)


@pytest.mark.parametrize("told", ["aabcbcabab", "xxxxxxxxxx", [None] * 10, "aaaaaaaaab", ["1", *"23456789", "10"]])
def test_what_people_see_is_no_output(told: list[str | None]) -> None:
    """One clip otherwise, one label, none, one rare label, a label a clip."""
    refuse_outputs({"said": list(told)}, predicted=PREDICTED, scores=SCORES)


def test_too_small_a_match_is_refused(study: Path) -> None:
    table = (study / "labels.csv").read_text()
    kept = [line for line in table.splitlines() if not (line.startswith("random") and ",court," in line)]
    (study / "few.csv").write_text("\n".join(kept))
    with pytest.raises(NotEnoughData, match="no clip with place = court"):
        beside(study, 'own = "shape"\nmatch = "place"\n', table="few.csv")


def test_a_plan_tells_it_before_any_pass(study: Path) -> None:
    made = plan_study(Study.from_file(with_pool(study, 'own = "shape"\nmatch = "place"\n')), clips_per_second=10.0)
    assert made.pool is not None
    first, looks = made.pool.lines
    assert (
        first == "against random clips: association; no difference was found in place, light, others are not excluded"
    )
    assert looks.startswith("ball / random clips: brightness 0.")
    assert any("matched on place" in remark for remark in made.remarks)
    assert [need.has for need in made.needs if "random source videos" in need.what] == [27]
