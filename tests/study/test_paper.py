"""Paper mode on a tiny network: its numbers against a plain loop of torch, scikit-learn and scipy."""

from __future__ import annotations

import html
import importlib
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats
from sklearn.linear_model import Ridge

from support.browser import faults, stands_out
from support.shell import videotcav
from videotcav.errors import LayerNotFound, NotEnoughData, RunFolderError, StudyFileError
from videotcav.models.load import load_model
from videotcav.records import Result, Verdict
from videotcav.report.paper import PaperResults, read_paper, write_paper
from videotcav.report.paper_figures import box_plots
from videotcav.results.table import MARKS
from videotcav.study.paper import run_paper
from videotcav.video.clips import read_clip
from videotcav.video.write import write_video

MODULE = "net_of_the_paper_tests"
NET = """
import torch
from torch import nn
from videotcav.records import ClipSpec, ModelCard

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(4)
        self.one = nn.Conv3d(3, 4, (2, 3, 3), padding=(0, 1, 1))
        self.two = nn.Conv3d(4, 4, (1, 3, 3), padding=(0, 1, 1))
        self.three = nn.Conv3d(4, 6, 1)
        self.avgpool = nn.AdaptiveAvgPool3d(1)
        self.head = nn.Linear(6, 2)

    def forward(self, pixels):
        out = torch.tanh(3 * self.two(torch.tanh(3 * self.one(pixels))))
        return self.head(self.avgpool(torch.tanh(self.three(out))).flatten(1))

def build():
    spec = ClipSpec(frames=3, seconds_between_frames=0.1, height=8, width=8, resize=8)
    layers = ("one", "two", "three")
    return Net(), ModelCard(name="net", clip_spec=spec, classes=("yes", "no"), default_layers=layers,
                            layouts={name: "b c t h w" for name in (*layers, "avgpool")})
"""
STUDY = f"""
question = "Which of them?"
[model]
name = "{MODULE}:build"
[classes.yes]
videos = ["yes"]
[concepts]
folder = "concepts"
[random]
folder = "random"
[tests]
pseudo_concepts = 499
bootstrap_resamples = 100
"""
CONCEPTS = {"ball": 40, "racket": 170}
KINDS = {"spatial": False, "spatiotemporal": True}


def film(path: Path, rng: np.random.Generator, *, bright: int, moving: bool) -> None:
    """Coarse noise about a brightness, new in every frame or held."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = rng.integers(bright - 40, bright + 40, (4 if moving else 1, 4, 4, 3)).repeat(4, axis=1).repeat(4, axis=2)
    write_video(path, np.broadcast_to(frames, (4, 16, 16, 3)).astype(np.uint8), frames_per_second=10)


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with two concepts in both kinds, and clips that their source no table tells."""
    folder = tmp_path_factory.mktemp("paper")
    rng = np.random.default_rng(1)
    (folder / f"{MODULE}.py").write_text(NET)
    (folder / "study.toml").write_text(STUDY)
    for concept, bright in CONCEPTS.items():
        for kind, moving in KINDS.items():
            for number in range(10):
                film(folder / f"concepts/{concept}/{kind}/{concept}{number}.mp4", rng, bright=bright, moving=moving)
    for number in range(32):
        film(folder / f"random/{number:02}.mp4", rng, bright=int(rng.integers(60, 190)), moving=bool(number % 2))
    for number in range(8):
        film(folder / f"yes/{number}.mp4", rng, bright=int(rng.integers(80, 170)), moving=True)
    return folder


@pytest.fixture(scope="module")
def paper(material: Path, tmp_path_factory: pytest.TempPathFactory) -> PaperResults:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path, str(material)])
        return run_paper(material / "study.toml", tmp_path_factory.mktemp("out") / "paper")


def plain(material: Path, layer: str, paths: list[Path], *, gradient: bool) -> np.ndarray:
    """Activations at a layer, or the gradient of the logit of "yes", clip after clip, with nothing but torch."""
    net = importlib.import_module(MODULE).build()[0].eval()
    spec = load_model(f"{MODULE}:build").card.clip_spec
    rows = []
    for path in paths:
        kept: list[torch.Tensor] = []
        hook = net.get_submodule(layer).register_forward_hook(lambda _m, _i, out, kept=kept: kept.append(out))
        logits = net(read_clip(path, spec)[1][None])
        hook.remove()
        found = torch.autograd.grad(logits[0, 0], kept[0])[0] if gradient else kept[0]
        rows.append(found.detach().flatten().double().numpy())
    return np.stack(rows)


def of_group(paper: PaperResults, group: str) -> dict[tuple[str, str, str], Result]:
    return {(row.concept, row.kind, row.layer): row for row in paper.run.results if row.group == group}


def test_relative_scores_are_those_of_a_plain_loop(
    paper: PaperResults, material: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(material)])
    assert paper.facts.layers == ("one", "two", "avgpool")
    sides = {
        "static": [(concept, "spatial") for concept in CONCEPTS],
        "dynamic": [(concept, "spatiotemporal") for concept in CONCEPTS],
        **{concept: [(concept, kind) for kind in KINDS] for concept in CONCEPTS},
    }
    for layer in ("one", "two"):
        gradients = plain(material, layer, sorted((material / "yes").glob("*.mp4")), gradient=True)
        random = plain(material, layer, sorted((material / "random").glob("*.mp4")), gradient=False)
        penalty = 0.1 * ((random - random.mean(axis=0)) ** 2).sum(axis=1).mean()
        for group, (first, second) in sides.items():
            here, there = (
                plain(material, layer, sorted((material / "concepts" / name / kind).glob("*.mp4")), gradient=False)
                for name, kind in (first, second)
            )
            labels = np.repeat([1.0, -1.0], [len(here), len(there)])
            direction = Ridge(alpha=penalty, solver="svd").fit(np.concatenate([here, there]), labels).coef_
            share = (gradients @ direction > 0).mean()
            rows = of_group(paper, group)
            assert rows[*first, layer].value == pytest.approx(share)
            assert rows[*second, layer].value == pytest.approx(1 - share)


@pytest.mark.filterwarnings("ignore:Precision loss:RuntimeWarning")  # scipy of a box without any spread
def test_the_published_test_is_scipys_with_bonferroni_over_all_boxes(paper: PaperResults) -> None:
    tests = paper.tested
    assert len(tests) == len(CONCEPTS) * len(KINDS) * 3
    for row in tests:
        assert len(row.runs) == len(row.random_runs) == 10
        if max(np.ptp(row.runs), np.ptp(row.random_runs)) > 1e-9:  # else scipy has no t
            p = stats.ttest_ind(row.runs, row.random_runs, equal_var=False).pvalue
            assert row.p_classic_corrected == pytest.approx(min(1, len(tests) * p))


def test_the_pooled_layer_is_called_degenerate_and_every_relative_bar_there_is_0_or_1(paper: PaperResults) -> None:
    assert paper.facts.degenerate == ("avgpool",)
    bars = [row.value for row in paper.run.results if row.group and row.layer == "avgpool"]
    assert bars
    assert set(bars) <= {0.0, 1.0}
    page = (paper.folder / "paper.html").read_text()
    assert "Degenerate layer." in page
    assert "rejected 29 to 39 % of 1 000 true nulls" in page


def test_every_figure_is_there_or_says_what_is_missing(paper: PaperResults) -> None:
    drawn = {path.name for path in (paper.folder / "figures").iterdir()}
    assert drawn == {f"figure-{n}.{end}" for n in (1, 5, 6, 7, 8, 9, 10) for end in ("png", "pdf")}
    assert set(paper.facts.missing) == {"1", "4"}
    assert "metadata.jsonl" in paper.facts.missing["4"]
    for path in (paper.folder / "figures").glob("*.png"):
        assert np.asarray(Image.open(path).convert("L")).std() > 5  # not blank
    page = (paper.folder / "paper.html").read_text()
    assert "http" not in page.replace("http-equiv", "")
    assert (
        page.index('<p id="answer">The published test calls ')
        < page.index('alt="Figure 10')
        < page.index('id="figures"')
    )
    assert page.index('id="figures"') < page.index('id="departures"')
    assert page.count('alt="Figure 10') == 1
    assert "8 clips of the class, not 30" in page


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_open_to_everybody_and_its_charts_have_its_colour(
    paper: PaperResults, visit: Callable[..., Any], scheme: str
) -> None:
    page = visit(paper.folder / "paper.html", "phone", color_scheme=scheme, bypass_csp=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert not faults(page)
    for picture in (".glance img", ".plate.chart img"):
        assert not stands_out(page, picture)


def test_the_page_is_rebuilt_from_the_folder_alone(paper: PaperResults, tmp_path: Path) -> None:
    shutil.copytree(paper.folder, tmp_path / "copy")
    before = (tmp_path / "copy" / "paper.html").read_bytes()
    shutil.rmtree(tmp_path / "copy" / "figures")
    write_paper(tmp_path / "copy")
    assert (tmp_path / "copy" / "paper.html").read_bytes() == before
    with pytest.raises(RunFolderError, match="is no folder of a study by the paper's protocol"):
        read_paper(tmp_path / "copy" / "run")


def test_a_study_may_declare_what_the_protocol_does_not_ask(
    material: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hypothesis is about twins that the study has not: paper mode asks none, so it is not refused for it."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(material)])
    shutil.copytree(material, tmp_path / "study")
    (tmp_path / "study/study.toml").write_text('hypotheses = ["ball: dynamic > frozen"]\n' + STUDY)
    assert run_paper(tmp_path / "study/study.toml", tmp_path / "out").run.declaration is None


@pytest.mark.parametrize("verdict", get_args(Verdict))
def test_every_verdict_has_its_mark_below_its_boxes(paper: PaperResults, verdict: Verdict) -> None:
    rows = [row.model_copy(update={"verdict": verdict}) for row in paper.tested]
    labels = [label.get_text() for axes in box_plots(rows, paper.facts).axes for label in axes.get_xticklabels()]
    assert len(labels) == len(rows)
    assert all(MARKS[verdict] in label for label in labels)


def test_names_in_the_page_are_text_and_never_markup(paper: PaperResults, tmp_path: Path) -> None:
    evil = "<img src=x onerror=alert(1)>"
    shutil.copytree(paper.folder, tmp_path / "copy")
    for facts in (tmp_path / "copy").rglob("*.json"):
        facts.write_text(facts.read_text().replace("Which of them?", evil).replace(".mp4: ", f"{evil}: "))
    write_paper(tmp_path / "copy")
    page = (tmp_path / "copy" / "paper.html").read_text()
    assert evil not in page
    assert html.escape(evil) in page


def test_what_the_protocol_cannot_be_asked_is_refused_in_a_sentence(
    material: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "study"
    shutil.copytree(material, folder)
    monkeypatch.setattr(sys, "path", [*sys.path, str(material)])
    study = folder / "study.toml"
    with pytest.raises(StudyFileError, match="there is no 'yess'; closest: 'yes'"):
        run_paper(study, tmp_path / "out", class_name="yess")
    study.write_text(STUDY + '[classes.no]\nvideos = ["yes"]\n')
    with pytest.raises(StudyFileError, match="is about one of yes, no; name it with `class_name`"):
        run_paper(study, tmp_path / "out")
    study.write_text(STUDY)
    for concept in CONCEPTS:
        shutil.move(folder / f"concepts/{concept}/spatial", folder / f"concepts/{concept}/frozen")
        shutil.rmtree(folder / f"concepts/{concept}/spatiotemporal")
    with pytest.raises(NotEnoughData, match="needs spatial or spatiotemporal clips"):
        run_paper(study, tmp_path / "out")
    net = importlib.import_module(MODULE)
    whole = net.build

    def headless() -> object:
        module, card = whole()
        return module, card.model_copy(update={"default_layers": ("one", "two")})

    monkeypatch.setattr(net, "build", headless)
    shutil.move(folder / "concepts/ball/frozen", folder / "concepts/ball/spatial")
    with pytest.raises(LayerNotFound, match=r"name three layers in the study file"):
        run_paper(study, tmp_path / "out")
    assert videotcav(monkeypatch, "paper", study, "-o", tmp_path / "out") == 1
    assert "name three layers" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
