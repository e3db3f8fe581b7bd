"""The demo as a new user runs it: the planted truth must come out, and the README's code must run on what it wrote."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from scipy.stats import binomtest

from videotcav.planted.model import WEIGHTS
from videotcav.records import Result
from videotcav.results.read import RunResults
from videotcav.study.demo import run_demo

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> RunResults:
    return run_demo(tmp_path_factory.mktemp("new") / "demo")


def found(run: RunResults, concept: str, kind: str, against: str = "random") -> Result:
    return next(
        row
        for row in run.results
        if (row.concept, row.kind, row.against, row.statistic) == (concept, kind, against, "contrast")
    )


def test_the_model_knows_its_class_as_well_as_its_log_claims(demo: RunResults) -> None:
    """30 clips can only refute the share of swings that the log's thousand scenes give, and do not."""
    log = json.loads(WEIGHTS.with_suffix(".json").read_text())
    swings = log["confusion"][log["classes"].index("swing")]
    claimed = swings[log["classes"].index("swing")] / sum(swings)
    facts = demo.manifest.classes["swing"]
    assert facts.accuracy is not None
    recognised = round(facts.accuracy * facts.clips)
    assert binomtest(recognised, facts.clips, claimed, alternative="less").pvalue > 0.01


def test_the_swinging_racket_pushes_towards_swing(demo: RunResults) -> None:
    assert found(demo, "racket", "spatiotemporal").verdict == "positive"


def test_the_very_same_rackets_frozen_do_not(demo: RunResults) -> None:
    assert found(demo, "racket", "frozen").verdict != "positive"


def test_motion_is_what_matters(demo: RunResults) -> None:
    assert found(demo, "racket", "spatiotemporal", against="frozen").verdict == "positive"


def test_the_ball_moves_the_class_far_less_than_the_racket(demo: RunResults) -> None:
    assert abs(found(demo, "ball", "spatiotemporal").value) < found(demo, "racket", "spatiotemporal").low / 5


def test_the_report_shows_every_kind_of_evidence(demo: RunResults) -> None:
    page = (demo.folder / "report.html").read_text(encoding="utf-8")
    assert page.count("<video") >= 10
    assert demo.manifest.question in page


def test_the_readmes_python_runs_as_it_stands(
    demo: RunResults, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pandas", reason="pandas (an extra) is not installed")
    monkeypatch.chdir(demo.folder.parents[1])
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), names)  # noqa: S102 - our own README
    assert "racket" in capsys.readouterr().out
    assert "<table" in names["results"]._repr_html_()  # type: ignore[attr-defined]
