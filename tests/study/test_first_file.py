"""`videotcav init`: what it writes loads and plans as it is; what nobody can see is asked, or told as missing."""

from __future__ import annotations

import io
import sys
import tomllib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import videotcav as vt
from support.accepted import accepted_line
from support.shell import OWN_MODEL, videotcav
from support.transformer_folders import write_transformer
from videotcav.compat.torchvision import import_torchvision
from videotcav.concepts.folder import write_records
from videotcav.errors import (
    ArgumentError,
    ClassNotFound,
    ConceptNotFound,
    LayerNotFound,
    ModelError,
    NothingAccepted,
    PathTaken,
    StudyFileError,
    VideotcavWarning,
)
from videotcav.models import checkpoint
from videotcav.models.from_torchvision import OWN_SIZE
from videotcav.records import ClipSpec
from videotcav.study.against_model import model_problems
from videotcav.study.first_file import Unseen
from videotcav.video.write import write_video


def film(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = np.random.default_rng(seed).integers(0, 256, (15, 32, 32, 3), dtype=np.uint8)
    write_video(path, frames, frames_per_second=15)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Videos of two classes and of none, two concepts, a random pool."""
    folder = tmp_path_factory.mktemp("films")
    sets = ("videos/swing", "videos/slide", "videos/notes", "concepts/racket/spatiotemporal", "concepts/racket/frozen")
    for place, where in enumerate((*sets, "concepts/big ball/spatial", "random")):
        for number in range(3):
            film(folder / where / f"{number}.mp4", 10 * place + number)
    return folder


@pytest.fixture
def here(films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with those films in it."""
    for each in films.iterdir():
        (tmp_path / each.name).symlink_to(each)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    return tmp_path


def quietly(*given: Any, **more: Any) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VideotcavWarning)
        return vt.init(*given, **more)


# --- every form of model -------------------------------------------------------------------------------------------


def planted(_: Path) -> dict[str, Any]:
    return {"model": "planted:swin"}


def own(folder: Path) -> dict[str, Any]:
    (folder / "first_net.py").write_text(OWN_MODEL.replace("('yes', 'no')", "('swing', 'slide')"))
    return {"model": "first_net:build"}


def own_with_a_checkpoint(folder: Path) -> dict[str, Any]:
    named = own(folder)
    model = vt.load_model(name=named["model"])
    checkpoint.save(
        folder / "own.safetensors", model.module, classes=model.card.classes, clip_spec=model.card.clip_spec
    )
    return named | {"weights": "own.safetensors"}


def own_with_averages(folder: Path) -> dict[str, Any]:
    """A part of a file without an ending."""
    named = own(folder)
    state = vt.load_model(name=named["model"]).module.state_dict()
    torch.save({"net": state, "ema": {key: tensor + 1 for key, tensor in state.items()}}, folder / "last")
    return named | {"weights": "last#ema"}


def torchvision(folder: Path) -> dict[str, Any]:
    size = {
        "patch_size": [2, 4, 4],
        "embed_dim": 12,
        "depths": [1, 1],
        "num_heads": [1, 2],
        "window_size": [2, 2, 2],
        "num_classes": 2,
    }
    module = import_torchvision("torchvision.models.video").SwinTransformer3d(**size)
    spec = ClipSpec(frames=4, seconds_between_frames=0.1, height=32, width=32, resize=32)
    path = folder / "checkpoints" / "small.safetensors"
    path.parent.mkdir()
    checkpoint.save(path, module, classes=("swing", "slide"), clip_spec=spec, architecture=size)
    return {"model": f"torchvision:{OWN_SIZE}", "weights": path}


def transformers(folder: Path) -> dict[str, Any]:
    pytest.importorskip("transformers", reason="transformers (the extra hub) is not installed")
    write_transformer("videomae", folder / "my-videomae")
    return {"model": "transformers:./my-videomae"}


@pytest.mark.parametrize("form", [planted, own, own_with_a_checkpoint, own_with_averages, torchvision, transformers])
def test_what_is_written_loads_and_plans_as_it_is(form: Any, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From any folder, too; only a module of one's own must be where it is found."""
    named = form(here)
    written = quietly("videos", "studies/swing.toml", **{key: str(value) for key, value in named.items()})
    if ":build" not in named["model"]:
        monkeypatch.chdir(here / "studies")
    study = vt.Study.from_file(written)
    assert study.model.card.classes[0] == "swing"
    assert set(study.file.study.classes) == {"swing", "slide"}
    assert study.layers == study.model.card.default_layers
    made = vt.plan(study, clips_per_second=1.0)
    assert made.tests > 0
    raw = tomllib.loads(written.read_text(encoding="utf-8"))
    assert raw["concepts"]["folder"] == [str(here / "concepts")]  # not below the file's folder
    if "weights" in named:
        monkeypatch.chdir(here)
        assert (
            vt.load_model(named["model"], weights=str(named["weights"])).card.weights_sha256
            == study.model.card.weights_sha256
        )


def test_weights_are_a_file_of_the_study_or_else_a_name(tmp_path: Path) -> None:
    seen = []

    def load(_: str, *, weights: str) -> vt.VideoModel:
        seen.append(weights)
        raise ModelError("enough is seen")

    (tmp_path / "random").mkdir()  # as the folder of the pool is called, and weights are
    (tmp_path / "last").touch()
    names = ("random", "KINETICS400_V1", "somebody/weights")
    for weights in (*names, "last", "last#ema", "absent.pth"):
        raw = {"model": {"name": "any:net", "weights": weights}}
        list(model_problems(raw, folder=tmp_path, load=load, loaded=[]))
    assert seen == [*names, *(f"{tmp_path}/{file}" for file in ("last", "last#ema", "absent.pth"))]


# --- what it writes ------------------------------------------------------------------------------------------------


def test_every_line_that_is_commented_out_may_be_said(here: Path) -> None:
    """Uncommented, the keys of the comments are keys of a study, with values that fit."""
    (here / "videos" / "boxes.json").write_text('{"images": [], "annotations": [], "categories": []}')
    text = quietly("videos", model="planted:swin").read_text(encoding="utf-8")
    (here / "sources.csv").write_text(
        "file,source\n" + "".join(f"{p},{p}\n" for p in sorted(here.glob("videos/*/*.mp4")))
    )
    lines = text.replace("…", "planted").splitlines()
    said = [
        line[2:]
        if line.startswith(("# [", "# layers", "# include", "# table", "# boxes", "# hypo", "# against"))
        else line
        for line in lines
    ]
    (here / "said.toml").write_text("\n".join(said), encoding="utf-8")
    study = vt.Study.from_file("said.toml").file.study
    assert study.layers == vt.load_model("planted:swin").card.default_layers
    assert study.hypotheses
    assert study.concepts.include == ("big ball", "racket")
    assert study.interventions is not None
    assert study.sources is not None
    assert study.cam is not None
    assert study.cam.against == "jump"
    assert sum(line.startswith("# ") for line in said) > 10  # the words are still there
    (here / "videos" / "boxes.json").unlink()


def test_folders_are_classes_by_the_models_own_names_and_others_are_told(here: Path) -> None:
    with pytest.warns(VideotcavWarning, match="left out notes: no class of planted:swin"):
        written = vt.init("videos", model="planted:swin")
    raw = tomllib.loads(written.read_text(encoding="utf-8"))
    assert raw["classes"] == {"slide": {"videos": ["videos/slide"]}, "swing": {"videos": ["videos/swing"]}}
    assert raw["random"] == {"folder": ["random"]}
    assert raw["question"] == "Which concepts move slide and swing?"
    assert "layers" not in raw


def test_all_that_may_be_said_stands_in_the_file(here: Path) -> None:
    hypotheses = ["racket pushes swing", "racket: moving > frozen"]
    said = {"question": 'Is it the "racket"?', "layers": ["features.4"], "hypotheses": hypotheses, "target": "swing"}
    raw = tomllib.loads(quietly("videos", model="planted:swin", **said).read_text(encoding="utf-8"))
    assert (raw["question"], raw["layers"], raw["hypotheses"]) == (said["question"], said["layers"], hypotheses)
    assert list(raw["classes"]) == ["swing"]


def test_one_folder_of_videos_is_of_the_class_that_is_named(here: Path) -> None:
    raw = tomllib.loads(vt.init("videos/notes", model="planted:swin", target="3").read_text(encoding="utf-8"))
    assert raw["classes"] == {"pulse": {"videos": ["videos/notes"]}}


def test_pools_that_stand_apart_are_both_taken(here: Path) -> None:
    for kind, what in (("moving", "spatiotemporal"), ("still", "spatial")):
        folder, names = here / "pools" / "random" / kind, [f"other/{what}/{number}.mp4" for number in range(2)]
        for number, name in enumerate(names):
            film(folder / name, 90 + number)
        write_records(folder, [accepted_line(name, "v.mp4") for name in names])
    raw = tomllib.loads(quietly("videos", model="planted:swin", random="pools/random").read_text(encoding="utf-8"))
    assert raw["random"]["folder"] == ["pools/random/moving", "pools/random/still"]


def test_names_are_what_they_are_however_they_are_written(here: Path) -> None:
    classes = """('it\\'s "one"', 'tab\\there', '2 = 3 # no')"""
    (here / "odd_net.py").write_text(
        OWN_MODEL.replace("('yes', 'no')", classes).replace("Linear(2, 2)", "Linear(2, 3)")
    )
    folder = here / "odd" / 'tab\there "1"'
    film(folder / "0.mp4", 1)
    film(here / "odd" / "concepts" / "bell\arings" / "spatial" / "0.mp4", 2)
    given = {
        "model": "odd_net:build",
        "target": "tab\there",
        "concepts": "odd/concepts",
        "question": 'Is it "so"?\nOr\x00',
    }
    raw = tomllib.loads(quietly(folder, **given).read_text(encoding="utf-8"))
    assert raw["classes"] == {"tab\there": {"videos": ['odd/tab\there "1"']}}
    assert raw["question"] == given["question"]


# --- what does not fit ---------------------------------------------------------------------------------------------


def test_nothing_is_ever_overwritten(here: Path) -> None:
    (here / "study.toml").write_text("mine")
    (here / "gone.toml").symlink_to("nowhere")
    for name in ("study.toml", "gone.toml", "videos"):
        with pytest.raises(PathTaken, match="is there already and is never overwritten"):
            vt.init("videos", name, model="planted:swin")
    assert (here / "study.toml").read_text() == "mine"


def test_a_file_that_appears_while_questions_are_answered_stays(here: Path) -> None:
    def ask(unseen: Unseen) -> str:
        (here / "study.toml").write_text("mine")
        return unseen.default or ""

    with pytest.raises(PathTaken):
        quietly("videos", model="planted:swin", ask=ask)
    assert (here / "study.toml").read_text() == "mine"


def test_all_that_is_missing_is_told_at_once_as_the_command_takes_it(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "concepts").unlink()
    (here / "random").unlink()
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert videotcav(monkeypatch, "init", "videos/swing", "--model", "planted:swin") == 1
    said = capsys.readouterr().err
    assert "Which class do the videos in swing show?" in said
    assert "'videotcav init videos/swing --model planted:swin --class … --concepts … --random …'" in said
    assert not (here / "study.toml").exists()


@pytest.mark.parametrize(
    ("videos", "given", "error", "sentence"),
    [
        ("videos/swing", {"target": "swong"}, ClassNotFound, "closest: 'swing'"),
        ("videos", {"target": "jump"}, ClassNotFound, "has no folder for 'jump', only notes, slide, swing"),
        ("videos", {"concepts": "nowhere"}, ConceptNotFound, "nowhere is no folder"),
        ("videos", {"layers": ["features.9"]}, StudyFileError, "features.9"),
        ("videos", {"hypotheses": ["rocket pushes swing"]}, StudyFileError, "rocket"),
        ("nowhere", {}, ArgumentError, "nowhere is no folder"),
        ("concepts", {}, ClassNotFound, r"none of its folders \(big ball, racket\) has the name of a class"),
    ],
)
def test_what_does_not_fit_is_told_and_nothing_is_written(
    here: Path, videos: str, given: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        quietly(videos, model="planted:swin", **given)
    assert not (here / "study.toml").exists()


def test_random_weights_are_told(here: Path) -> None:
    with pytest.warns(VideotcavWarning, match="has random weights"):
        vt.init("videos/swing", model="torchvision:r3d_18", target="archery")


def test_a_model_without_layers_of_its_own_is_asked_for_some(here: Path) -> None:
    (here / "no_layers_net.py").write_text(OWN_MODEL.replace("default_layers=('0',)", ""))
    with pytest.raises(ArgumentError, match=r"Which layers of own, with spaces between \(as 0, 1, 2\)\?.*layers=…"):
        vt.init("videos/swing", model="no_layers_net:build", target="yes")
    with pytest.raises(LayerNotFound, match="'5'"):
        vt.init(
            "videos/swing",
            model="no_layers_net:build",
            target="yes",
            ask=lambda unseen: (unseen.check("5") and "") or "",
        )
    raw = tomllib.loads(vt.init("videos/swing", model="no_layers_net:build", target="yes", layers=["1"]).read_text())
    assert raw["layers"] == ["1"]


def test_candidates_that_nobody_judged_are_told_with_what_to_do(here: Path) -> None:
    film(here / "new" / "racket" / "spatial" / "0.mp4", 3)
    unjudged = accepted_line("racket/spatial/0.mp4", "v.mp4").model_copy(update={"decision": "undecided"})
    write_records(here / "new", [unjudged])
    with pytest.raises(NothingAccepted, match=r"none accepted.*accept"):
        quietly("videos", model="planted:swin", concepts="new")
    assert not (here / "study.toml").exists()


# --- on a terminal -------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_is_asked_until_the_answers_fit(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "concepts").rename(here / "things")
    answers = ["swong", "swing", "nowhere", "things", "Why?", "rocket pushes swing"]
    answers += ["racket pushes swing; racket: moving > frozen"]
    monkeypatch.setattr(sys, "stdin", Terminal("\n".join(answers) + "\n"))
    assert videotcav(monkeypatch, "init", "videos/notes", "--model", "planted:swin") == 0
    shown = capsys.readouterr()
    assert shown.out == "study.toml\n"
    assert "closest: 'swing'" in shown.err
    assert "nowhere is no folder" in shown.err
    assert "'rocket'" in shown.err
    raw = tomllib.loads((here / "study.toml").read_text())
    assert list(raw["classes"]) == ["swing"]
    assert raw["concepts"]["folder"] == ["things"]
    assert raw["question"] == "Why?"
    assert raw["hypotheses"] == ["racket pushes swing", "racket: moving > frozen"]
    assert vt.plan(here / "study.toml", clips_per_second=1.0).tests == 2


def test_empty_answers_take_what_stands_there(here: Path) -> None:
    asked: list[Unseen] = []

    def ask(unseen: Unseen) -> str:
        asked.append(unseen)
        assert unseen.default is not None
        return unseen.default

    quietly("videos", model="planted:swin", ask=ask)
    assert [each.argument for each in asked] == ["question", "hypotheses"]
    assert tomllib.loads((here / "study.toml").read_text())["question"] == "Which concepts move slide and swing?"


def test_weights_that_a_source_knows_are_offered(here: Path) -> None:
    asked: dict[str, str] = {}

    def ask(unseen: Unseen) -> str:
        asked[unseen.argument] = unseen.question
        return unseen.default or ""

    with pytest.warns(VideotcavWarning, match="random weights"):
        vt.init("videos/swing", model="torchvision:r3d_18", target="archery", ask=ask)
    assert "KINETICS400_V1" in asked["weights"]
