"""What a study file says is taken as it is written: no number for a text, nothing twice, nothing without bounds."""

from __future__ import annotations

import json
import time
import tracemalloc
from pathlib import Path

import pytest

from support.study_text import study_text
from videotcav.errors import StudyFileError
from videotcav.study.file import ClipChanges
from videotcav.study.read_file import read_study_file
from videotcav.study.run import Study

GOOD = study_text()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("swing", "concepts", "random"):
        (tmp_path / name).mkdir()
    (tmp_path / "swing" / "one.mp4").touch()
    return tmp_path


def refused(folder: Path, text: str) -> str:
    (folder / "study.toml").write_text(text)
    tracemalloc.start()
    began = time.process_time()
    with pytest.raises(StudyFileError) as caught:
        read_study_file(folder / "study.toml")
    assert time.process_time() - began < 5  # of a parser that took a minute
    assert tracemalloc.get_traced_memory()[1] < 2**25
    tracemalloc.stop()
    return str(caught.value)


def with_line(line: str, section: str = "") -> str:
    return line + "\n" + GOOD if not section else f"{GOOD}[{section}]\n{line}\n"


def test_the_file_itself_is_good(folder: Path) -> None:
    (folder / "study.toml").write_text(GOOD)
    assert read_study_file(folder / "study.toml").study.seed == 0


@pytest.mark.parametrize(
    ("line", "section", "says"),
    [
        ("seed = true", "", "seed: input should be a valid integer, got True"),
        ('seed = "0"', "", "seed: input should be a valid integer, got '0'"),
        ("seed = 1.0", "", "seed: input should be a valid integer, got 1.0"),
        ("seed = -1", "", "seed: input should be greater than or equal to 0"),
        (f"seed = {10**30}", "", "seed: "),
        (f"seed = {'9' * 5000}", "", "is not TOML: "),
        ("question2 = 1", "", "question2: unknown key; closest: 'question'"),
        ("smallest_effect = 0.1", "", "smallest_effect: is called equivalence_margin, and stands in the section tests"),
        ('equivalence_margin = "a"', "tests", "tests.equivalence_margin: input should be a valid number"),
        ("equivalence_margin = nan", "tests", "tests.equivalence_margin: "),
        ("equivalence_margin = 0.05", "tests", "equivalence_margin 0.05 must be above negligible_below 0.1"),
        ('primary = "cosine"', "", "primary 'cosine' is a classic score: leave it out"),
        ('score = "logits"', "", "score: input should be 'centred logit', 'logit', 'log-odds' or 'probability'"),
        ('score = "logit"\ntarget = "swing - slide"', "", "target and score both say what the class is asked by"),
        ("alpha = nan", "tests", "tests.alpha: "),
        ("penalty = inf", "tests", "tests.penalty: "),
        ("random_draws = 99999999999999999999", "tests", "tests.random_draws: "),
        ("random_draws = 1000000000", "tests", "tests.random_draws: input should be less than or equal to 10000"),
        ("pseudo_concepts = 1000000000", "tests", "tests.pseudo_concepts: input should be less than or equal to"),
        ("bootstrap_resamples = true", "tests", "tests.bootstrap_resamples: input should be a valid integer"),
        ("clips_per_video = 100000000", "model.clip", "model.clip.clips_per_video: input should be less than or equal"),
        ("frames = 100000000", "model.clip", "model.clip.frames: input should be less than or equal to 16384"),
        ("seconds_between_frames = inf", "model.clip", "model.clip.seconds_between_frames: "),
        ('layers = ["a", "b", "a"]', "", "layers: value error, 'a' is named twice; name it once"),
        ('hypotheses = ["a matters", "a matters"]', "", "hypotheses: value error, 'a matters' is named twice"),
        ('library = ["a"]', "tests", "tests.library: unknown key"),
        ('correction = "max-t"', "tests", "tests.correction: "),
        ('classifier = "lda"', "tests", "tests.classifier: "),
        ("x = " + "[" * 20000 + "]" * 20000, "", "it is nested too deeply"),
        (".".join("a" * 20000) + " = 1", "", "a key has more than 100 parts"),
        ("when = 2024-01-01", "", "when: unknown key"),
        ("question = 2024-01-01", "", "is not TOML"),  # twice in the file
    ],
)
def test_what_is_not_meant_is_one_sentence(folder: Path, line: str, section: str, says: str) -> None:
    assert says in refused(folder, with_line(line, section))


def test_every_part_of_a_clip_can_be_changed(folder: Path) -> None:
    """One of each kind of value, as a file writes them."""
    changes = {"frames": 8, "seconds_between_frames": 0.5, "height": 32, "width": 48, "resize": [32, 48]}
    changes |= {"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.4], "resampling": "bicubic", "antialias": True}
    changes |= {"clips_per_video": 2, "crops_per_clip": 3, "stride": 4, "spread": "middle", "short": "repeat"}
    assert set(changes) == set(ClipChanges.model_fields)
    lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in changes.items())
    (folder / "study.toml").write_text(f"{GOOD}[model.clip]\n{lines}\n")
    found = read_study_file(folder / "study.toml").study.model.clip
    assert found is not None
    assert found.model_dump(mode="json") == changes


@pytest.mark.parametrize("key", ["include", "kinds", "folder"])
def test_nothing_is_named_twice_in_a_section(folder: Path, key: str) -> None:
    twice = {"include": '["a", "a"]', "kinds": '["frozen", "frozen"]', "folder": '["concepts", "concepts"]'}[key]
    text = GOOD.replace('folder = "concepts"\n', f"{key} = {twice}\n" + ('folder = "concepts"\n' * (key != "folder")))
    assert "is named twice; name it once" in refused(folder, text)


@pytest.mark.parametrize(
    ("tests", "told"),
    [
        (
            "penalty = 0.1\nrandom_draws = 20",
            [
                'tests.penalty: only classic scores and groups read it; leave it out, or ask for scores = "classic"',
                'tests.random_draws: only classic scores read it; leave it out, or ask for scores = "classic"',
            ],
        ),
        (
            'scores = "classic"\nrelabellings = 999',
            ['tests.relabellings: only contrasts read it; leave it out, or leave out scores = "classic"'],
        ),
        ('scores = "clasic"\npenalty = 0.1', ["tests.scores: input should be 'contrast' or 'classic', got 'clasic'"]),
    ],
)
def test_a_setting_that_nothing_reads_is_told_with_all_other_mistakes(
    folder: Path, tests: str, told: list[str]
) -> None:
    (folder / "study.toml").write_text(f"question2 = 1\n{GOOD}[tests]\n{tests}\n")
    with pytest.raises(StudyFileError) as caught:
        Study.from_file(folder / "study.toml")
    assert set(caught.value.problems) == {"question2: unknown key; closest: 'question'", *told}


def test_groups_read_what_trains_their_cavs(folder: Path) -> None:
    groups = '[groups]\nthings = ["a", "b"]\n'
    (folder / "study.toml").write_text(f"{GOOD}{groups}[tests]\npenalty = 0.2\n")
    assert Study.from_file(folder / "study.toml").file.study.tests.penalty == 0.2
