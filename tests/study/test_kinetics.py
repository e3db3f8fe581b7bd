"""The studies of Kinetics-400 and Something-Something v2, end to end on made-up folders of their structure."""

from __future__ import annotations

import runpy
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import videotcav as vt
from support.transformer_folders import write_transformer
from videotcav.concepts.folder import read_records
from videotcav.study.inputs import study_inputs
from videotcav.study.probe_inputs import gather

EXAMPLE = Path(__file__).parents[2] / "examples" / "kinetics"
RECIPE: dict[str, Any] = runpy.run_path(str(EXAMPLE / "recipe.py"))
MADE_UP: dict[str, Any] = runpy.run_path(str(EXAMPLE / "made_up.py"))
PREPARE: Callable[..., None] = RECIPE["prepare"]
OF_CLASS, ASKED, OTHERS = 11, 3, 15


def quickened(study: Path) -> Path:
    """The same study with fewer maps."""
    text = study.read_text()
    assert text.count("clips = 3") == 1
    study.write_text(text.replace("clips = 3", "clips = 1\nchecked = 2"))
    return study


@pytest.fixture(scope="module")
def tennis(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study's folder, its concepts accepted, about a network whose layers are called as those of swin3d_t."""
    folder = tmp_path_factory.mktemp("kinetics")
    data, weights = folder / "kinetics400", folder / "swin.safetensors"
    MADE_UP["kinetics"](data, of_class=OF_CLASS, asked=ASKED, others=OTHERS)
    MADE_UP["tiny_swin"](weights, ("archery", MADE_UP["TENNIS"], "bowling"))
    boxes = str(data / "boxes.csv")
    PREPARE("study", data, boxes, folder / "tennis", model="torchvision:swin3d", weights=str(weights))
    vt.accept(folder / "tennis" / "concepts")
    quickened(folder / "tennis" / "study.toml")
    return folder / "tennis"


def test_clips_of_one_recording_are_one_source_in_the_class_the_concepts_and_the_pool(tennis: Path) -> None:
    """Files of Kinetics say the recording in their names; the first two of each part are of one."""
    study = vt.Study.from_file(tennis / "study.toml")
    inputs = study_inputs(study.file)
    (files,) = inputs.classes.values()
    assert (len(files), len({file.source for file in files})) == (ASKED, ASKED - 1)
    of_concepts = {record.source for record in read_records(tennis / "concepts")}
    assert of_concepts == {f"train---{number:03}" for number in range(1, OF_CLASS)}
    assert not of_concepts & {file.source for file in inputs.random}
    assert {each.name for each in inputs.concepts} == {
        f"{concept}/{kind}"
        for concept in ("person", "racket", "ball")
        for kind in ("spatial", "spatiotemporal", "frozen")
    }


def test_without_a_list_names_of_kinetics_say_the_recording_too(tmp_path: Path) -> None:
    for name in ("abcdefghi-1_000010_000020", "abcdefghi-1_000030_000040", "abcdefghi-2_000010_000020", "match_1"):
        (tmp_path / "archery").mkdir(exist_ok=True)
        (tmp_path / "archery" / f"{name}.mp4").touch()
    found = gather(tmp_path, target=None, table=None, by="", proper=str)
    own = str(tmp_path / "archery" / "match_1.mp4")  # another name says nothing
    assert [clip.source for clip in found.clips] == ["abcdefghi-1", "abcdefghi-1", "abcdefghi-2", own]


def test_one_file_is_asked_as_published_and_by_our_tests_beside_edits(
    tennis: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("videotcav.study.paper.write_paper", lambda folder: folder)  # its figures are drawn elsewhere
    layers = ("features.2", "features.4", "avgpool")
    published = vt.api.paper(tennis / "study.toml", tennis / "paper", store=tennis / "rows")
    assert published.facts.layers == layers
    assert published.facts.missing == {}
    assert [strip.title for strip in published.facts.strips["1"]] != []
    assert not (tennis / "paper" / "run" / "effects.parquet").exists()  # edits are no part of the protocol
    run = vt.run(tennis / "study.toml", tennis / "run", store=tennis / "rows")
    assert {row.layer for row in run.results} == {"", *layers}
    edited = pq.read_table(tennis / "run" / "effects.parquet").to_pydict()
    assert {"person", "racket", "ball", "background"} == set(edited["target"])
    said = tomllib.loads((EXAMPLE / "study.toml").read_text())["hypotheses"]
    assert [each.text for each in run.manifest.hypotheses] == said


def test_a_plan_says_the_time_of_one_worker_and_of_eight(tennis: Path) -> None:
    plan = vt.plan(tennis / "study.toml", clips_per_second=2.0, workers=8)
    assert plan.is_enough, plan.lines
    seconds = plan.cost.seconds
    undivided = ("inputs", "maps", "shares", "statistics")
    alone = sum(seconds[stage] for stage in undivided)
    every = plan.cost.elapsed()
    assert max(alone, seconds["passes"]) < every < sum(seconds.values())  # clips are read beside the passes
    assert plan.cost.elapsed(8) == pytest.approx(alone + (every - alone) / 8)
    assert any(line.endswith("of 8 of them") for line in plan.lines)


def test_a_class_is_held_against_its_mirror(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    data, net = tmp_path / "ssv2", tmp_path / "videomae"
    MADE_UP["something"](data, of_class=OF_CLASS, asked=ASKED, others=OTHERS)
    right, left = MADE_UP["RIGHT"], MADE_UP["LEFT"]
    write_transformer("videomae", net, (right, left, "Doing something"))
    PREPARE("ssv2", data, str(data / "boxes.csv"), tmp_path / "pushing", model=f"transformers:{net}")
    vt.accept(tmp_path / "pushing" / "concepts")
    run = vt.run(quickened(tmp_path / "pushing" / "study.toml"), tmp_path / "run")
    assert {row.class_name for row in run.results} == {right}
    assert run.manifest.tests.score == "logit - 1"  # that of the mirror, by its number
    assert {("hand", "reversed"), ("thing", "reversed")} <= {(row.concept, row.against) for row in run.results}
