"""What the package promises: its names, their arguments, and that the command line offers nothing more."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.main import get_command

import videotcav as vt
from videotcav import api
from videotcav.cli.main import app
from videotcav.study.demo import cut_concepts

SIGNATURES = Path(__file__).parent / "support" / "public_api.txt"
COMMANDS = {
    "audit": "audit",
    "cam": "write_maps",
    "concepts accept": "accept",
    "concepts discover": "discover",
    "concepts generate": "generate",
    "concepts find": "find",
    "concepts mark": "mark",
    "concepts propose": "propose",
    "concepts random": "random_pool",
    "concepts review": "review",
    "concepts show": "concepts_in",
    "concepts stills": "mark_stills",
    "datasets": "datasets",
    "demo": "demo",
    "faithfulness": "faithfulness",
    "init": "init",
    "layers": "layers",
    "models": "models",
    "paper": "paper",
    "plan": "plan",
    "planted render": "render_demo",
    "probe": "probe",
    "report": "report",
    "intervene": "intervene",
    "run": "run",
    "runs": "runs",
    "scores": "score_video",
}
"""The function that does what the command asks."""


def _signatures() -> str:
    lines = []
    for name in sorted(vt.__all__):
        found = getattr(vt, name)
        if inspect.isfunction(found):
            parameters = [str(each).partition(":")[0].partition("=")[0] for each in _of(found)]
            lines.append(f"{name}({', '.join(parameters)})")
        else:
            lines.append(name)
    return "\n".join(lines) + "\n"


def _of(function: object) -> list[str]:
    marked, keyword_only = [], False
    for each in inspect.signature(function).parameters.values():  # type: ignore[arg-type]
        if each.kind is each.KEYWORD_ONLY and not keyword_only:
            keyword_only = True
            marked.append("*")
        marked.append(each.name)
    return marked


def test_names_and_arguments_are_those_that_were_promised() -> None:
    """A change of this file is a change of the public API: tell it in the changelog."""
    assert _signatures() == SIGNATURES.read_text(encoding="utf-8")


def test_the_names_that_are_listed_are_those_there_are() -> None:
    assert sorted(vt.__all__) == sorted(dir(vt)) == sorted([*api.__all__, "__version__"])
    for name in api.__all__:
        assert getattr(vt, name) is getattr(api, name)
    names: dict[str, object] = {}
    exec("from videotcav import *", names)  # noqa: S102 - as a notebook may
    assert set(vt.__all__) <= names.keys()


def _commands(group: object, prefix: str = "") -> list[str]:
    found = []
    for name, command in getattr(group, "commands", {}).items():
        found += _commands(command, f"{prefix}{name} ") if hasattr(command, "commands") else [prefix + name]
    return found


def test_what_the_command_line_offers_the_api_has() -> None:
    assert sorted(_commands(get_command(app))) == sorted(COMMANDS)
    assert [name for name in COMMANDS.values() if not callable(getattr(vt, name))] == []
    assert set(COMMANDS.values()) <= set(vt.__all__)


@pytest.mark.parametrize(("command", "function"), COMMANDS.items())
def test_what_a_command_takes_its_function_takes(command: str, function: str) -> None:
    """Options of the shell alone, and those that make one object, are named here."""
    words = get_command(app)
    for word in command.split():
        words = words.commands[word]  # type: ignore[attr-defined]
    shell = {
        *("model", "weights", "device", "precision"),  # load_model
        *("address", "workers", "cpus_per_worker", "gpus_per_worker"),  # OnRay
        *("mode", "cut", "fill", "frames", "rule"),  # Recipe
        *("form", "names"),  # load_detector
        "listing",  # ClipList
        *("clips_per_video", "crops_per_clip"),  # VideoModel.with_clip
        *("source_column", "sheet", "everything", "open_page"),
        *("baseline", "concept", "random"),  # PixelSettings, write_concept_map
        *("boxes", "label", "events", "rise_masks", "seed"),  # Truths, FaithfulnessSettings
        *("null_spread", "estimate_spread"),  # Spreads
        *("size", "steps", "guidance", "frames_per_second"),  # GenerationSettings
    }
    other = {"memory": "memory_bytes", "class_name": "target", "against": "classes", "layer": "layers"}
    other |= {"method": "methods", "weights_over": "weights", "start": "start_seconds", "pool": "pools"}
    other |= {"browser": "open_browser", "results": "path", "run": "folder", "study": "study_file", "videos": "clips"}
    other |= {"edit": "edits", "hypothesis": "hypotheses"}
    other |= {"detector": "objects"} if command in {"probe", "concepts discover"} else {}
    taken = set(inspect.signature(getattr(vt, function)).parameters)
    taken |= {"attack", *inspect.signature(vt.attack).parameters} if command == "audit" else set()
    for parameter in words.params:
        name = str(parameter.name)
        if name in shell or name == "help" or (command, name) == ("concepts show", "replace"):  # of its sheet
            continue
        names = {name, other.get(name, name), name.rstrip("s"), {"output": "path"}.get(name, name)}
        names |= {"classes"} if name == "class_name" else set()
        names |= {"out", "folder"} if name == "output" else set()
        assert names & taken, f"{command}: --{name} has no place in {function}{sorted(taken)}"


def test_a_room_does_not_hide_the_verb_of_its_name() -> None:
    for name in ("maps", "models", "report"):
        room = importlib.import_module(f"videotcav.{name}")
        assert inspect.ismodule(room)
        assert inspect.isfunction(getattr(vt, name))


def test_names_are_listed_without_loading_torch() -> None:
    code = "import sys, videotcav; dir(videotcav); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- a study of objects -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few of the demo's scenes and the concepts cut from them."""
    folder = tmp_path_factory.mktemp("scenes")
    vt.render_demo(folder)
    cut_concepts(folder)
    return folder


SMALL = {"alpha": 0.4}
GROUPS = vt.AnalysisSettings(pseudo_concepts=59, bootstrap_resamples=100, **SMALL)


def test_a_study_of_objects_is_the_study_of_its_own_text(scenes: Path, tmp_path: Path) -> None:
    pytest.importorskip("pandas", reason="pandas (an extra) is not installed")
    study = vt.Study.of(
        vt.load_model("planted:swin"),
        question="Does it see the swing?",
        classes={"swing": scenes / "classes" / "swing"},
        concepts=scenes / "concepts",
        random=scenes / "random" / "moving",
        include=["racket"],
        kinds=["spatiotemporal", "frozen"],
        layers=["features.4"],
        hypotheses=["racket: dynamic > frozen"],
        tests=vt.AnalysisSettings(**SMALL),
    )
    run = vt.run(study, tmp_path / "run")
    assert run.manifest.question == "Does it see the swing?"
    written = tmp_path / "again.toml"
    written.write_text(run.manifest.study, encoding="utf-8")
    again = vt.run(written, tmp_path / "again")
    assert again.results == run.results
    assert list(run.to_pandas()["value"]) == [row.value for row in run.results]
    assert run.report().is_file()
    assert run.plot().axes
    assert vt.read_run(run.save(tmp_path / "copy")).results == run.results
    with pytest.raises(vt.VideotcavError, match="already"):
        run.save(tmp_path / "copy")
    assert vt.plan(study).tests == 1


def test_a_study_of_objects_tells_all_that_does_not_fit(scenes: Path) -> None:
    with pytest.raises(vt.VideotcavError) as caught:
        vt.Study.of(
            vt.load_model("planted:swin"),
            classes={"swim": scenes / "classes" / "swing"},
            concepts=scenes / "nowhere",
            random=scenes / "random" / "moving",
            layers=["features.9"],
            primry="cosine",
        )
    for part in ("classes.swim", "concepts.folder", "features.9", "primry: unknown key; closest: 'primary'"):
        assert part in str(caught.value)


# --- clips in memory ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def asked(scenes: Path) -> dict[str, object]:
    model = vt.load_model("planted:swin")
    spec = model.card.clip_spec
    concepts = vt.read_concepts(scenes / "concepts", spec)
    (random,) = vt.read_concepts(scenes / "random" / "moving", spec).values()
    chosen = {name: clips for name, clips in concepts.items() if name.endswith("/spatiotemporal")}
    settings = vt.AnalysisSettings(**SMALL)
    return {"model": model, "concepts": chosen, "random": random, "layers": ["features.4"], "settings": settings}


def test_several_classes_are_each_what_they_are_alone(scenes: Path, asked: dict[str, object]) -> None:
    swings = vt.read_clips(scenes / "classes" / "swing", asked["model"].card.clip_spec)
    first, second = (
        vt.tcav(**asked, clips={"swing": swings, "rest": swings}),
        vt.tcav(**asked, clips=swings, target="swing"),
    )
    alone = {(row.concept, row.statistic): row.value for row in second}
    both = {(row.concept, row.statistic): row.value for row in first if row.class_name == "swing"}
    assert {row.class_name for row in first} == {"swing", "rest"}
    assert both == pytest.approx(alone, rel=1e-9)
    with pytest.raises(vt.VideotcavError, match="say which as target"):
        vt.tcav(**asked, clips=swings)
    with pytest.raises(vt.VideotcavError, match="leave target out"):
        vt.tcav(**asked, clips={"swing": swings}, target="swing")


def test_groups_a_store_and_a_file_that_reads_back(scenes: Path, asked: dict[str, object], tmp_path: Path) -> None:
    pytest.importorskip("pandas", reason="pandas (an extra) is not installed")
    swings = vt.read_clips(scenes / "classes" / "swing", asked["model"].card.clip_spec)
    watched: list[str] = []

    def progress(items, description, *, total=None):
        watched.append(description)
        return items

    how = {"clips": swings, "target": "swing", "groups": {"things": ["racket", "ball"]}, "store": tmp_path / "rows"}
    how["settings"] = GROUPS
    found = vt.tcav(**asked | how, progress=progress)
    relative = {row.concept: row.value for row in found if row.statistic == "relative"}
    assert sum(relative.values()) == pytest.approx(1)  # two of a group are each other's opposites
    assert watched
    watched.clear()
    assert vt.tcav(**asked | how, progress=progress).results == found.results
    assert "clips" not in watched  # all rows were in the store
    path = found.save(tmp_path / "found.parquet")
    assert vt.TcavResults.read(path) == found
    assert len(found.to_pandas()) == len(found)
    assert found.plot().axes
    assert found.report(tmp_path / "found.html").read_text(encoding="utf-8").count("<img") == 3
    with pytest.raises(vt.VideotcavError, match="no concept 'rocket'; closest: 'racket'"):
        vt.tcav(**asked, clips=swings, target="swing", groups={"things": ["rocket", "ball"]})
    with pytest.raises(vt.VideotcavError, match="fewer than two"):
        vt.tcav(**asked, clips=swings, target="swing", groups={"things": ["ball"]})


def test_maps_of_many_clips_are_those_of_each_alone(scenes: Path, asked: dict[str, object]) -> None:
    model = asked["model"]
    swings = vt.read_clips(sorted((scenes / "classes" / "swing").iterdir())[:2], model.card.clip_spec)
    maps = vt.maps(model, swings, layers=["features.0", "features.2"], classes=["swing", "rest"])
    assert maps.values.shape[:3] == (2, 2, 2)
    alone = vt.grad_cam(model, swings, target="swing", layer="features.2")
    np.testing.assert_allclose(maps.values[:, 1, 0], alone.maps, rtol=1e-4, atol=1e-7)
    assert (alone.target, alone.layer) == ("swing", "features.2")
    predicted = vt.maps(model, swings, methods=["hirescam"])
    assert [len(each) for each in predicted.classes] == [1, 1]


def test_no_start_waits_for_scikit_learn() -> None:
    """Discovering alone needs it, and it takes a second to import."""
    code = "import sys, videotcav; videotcav.load_model; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
