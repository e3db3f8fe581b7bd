"""An index of runs lists what can be read, says in a sentence what cannot, and leads nowhere but into its runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from urllib.parse import unquote

import pytest

import videotcav as vt
from support.elements import EVIL, Elements
from support.example_run import build_run
from support.pages import PLAIN, comparison, faithfulness, probe
from support.shell import videotcav
from videotcav.errors import OutputError, RunFolderError
from videotcav.report.page import write_report
from videotcav.report.runs import differing

STUDY = """question = "Does the model see the swing?"
seed = {seed}
layers = ["features.2"]
[tests]
alpha = {alpha}
"""


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_run(tmp_path_factory.mktemp("one") / "run", media=False)


@pytest.fixture
def runs(one: Path, tmp_path: Path, write_run) -> Path:
    """Two runs of one question, the later with another seed and level, and one of another question below a folder."""
    folder = tmp_path / "all runs"
    for name, created, seed, alpha in (("first", "2025-01-01", 0, 0.05), ("second", "2025-01-02", 7, 0.01)):
        shutil.copytree(one, folder / name)
        write_run(folder / name, created=f"{created}T10:00:00", study=STUDY.format(seed=seed, alpha=alpha))
        write_report(folder / name)
    shutil.copytree(one, folder / "deep" / "er" / "third")
    write_run(folder / "deep" / "er" / "third", question="And the slide?", created="2025-01-03T10:00:00")
    return folder


def test_runs_are_listed_the_latest_first_with_what_was_changed(runs: Path) -> None:
    index = vt.runs(runs)
    assert index.page == runs / "index.html"
    assert [run.folder.name for run in index] == ["third", "second", "first"]
    assert [dict(run.changed) for run in index] == [{}, {"seed": "0 → 7", "tests.alpha": "0.05 → 0.01"}, {}]
    assert {run.question for run in index} == {"Does the model see the swing, or only the bar?", "And the slide?"}
    assert all(run.answer.startswith("“bar” and its motion push the model towards “swing”") for run in index)
    assert index.skipped == {}
    assert repr(index).splitlines()[0].startswith(f"2025-01-03  {runs / 'deep' / 'er' / 'third'}: And the slide? “bar”")
    assert Elements(index._repr_html_()).text.count("And the slide?") == 1


def test_the_page_leads_to_the_reports_that_there_are(runs: Path, tmp_path: Path) -> None:
    page = vt.runs(runs, tmp_path / "elsewhere.html").page
    parsed = Elements(page.read_text(encoding="utf-8"))
    links = {attributes["href"] or "" for tag, attributes in parsed.tags if tag == "a"}
    outward = sorted(link for link in links if not link.startswith("#"))
    assert outward == ["./all%20runs/first/report.html", "./all%20runs/second/report.html"]
    assert all((page.parent / unquote(link)).is_file() for link in outward)


def test_settings_that_one_file_does_not_say_differ_too() -> None:
    assert differing({"a": "1", "b": "2"}, {"b": "2", "c": "3"}) == {"a": ("1", ""), "c": ("", "3")}


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda folder: (folder / "manifest.json").write_text("{"), "manifest.json is damaged"),
        (lambda folder: (folder / "manifest.json").write_text("{}"), "manifest.json was not written by videotcav"),
        (lambda folder: (folder / "manifest.json").write_text("[1]"), "manifest.json was not written by videotcav"),
        (lambda folder: (folder / "manifest.json").write_bytes(b"\xff\xfe"), "manifest.json is damaged"),
        (lambda folder: (folder / "results.parquet").write_bytes(b"PAR1"), "results.parquet is damaged"),
        (lambda folder: (folder / "results.parquet").unlink(), "has no results.parquet"),
        (lambda folder: changed(folder, kind="maps"), "holds maps, which answer no question"),
        (lambda folder: changed(folder, format=99), "newer than this one"),
        (lambda folder: changed(folder, effects_sha256="0" * 64), "effects.parquet is damaged"),
    ],
)
def test_what_cannot_be_read_is_named_in_one_sentence_and_skipped(runs: Path, damage, says: str) -> None:
    damage(runs / "second")
    index = vt.runs(runs)
    assert len(index) == 2
    ((folder, reason),) = index.skipped.items()
    assert folder == runs / "second"
    assert says in reason
    assert "\n" not in reason
    assert reason in Elements(index.page.read_text(encoding="utf-8")).text


def changed(folder: Path, **facts: object) -> None:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    (folder / "manifest.json").write_text(json.dumps(manifest | facts))


def test_every_kind_of_run_has_a_line(runs: Path) -> None:
    for make in (comparison, faithfulness, probe):
        (runs / make.__name__).mkdir()
        make(runs / make.__name__, PLAIN)
    index = vt.runs(runs)
    assert index.skipped == {}
    assert {run.kind for run in index} == {"run", "comparison", "faithfulness", "probe"}
    assert all(run.question and run.answer for run in index)


def test_what_lies_inside_a_run_or_behind_a_link_is_not_listed(runs: Path, one: Path) -> None:
    shutil.copytree(one, runs / "first" / "models" / "inner")
    shutil.copytree(one, runs / ".first-partial-1")
    (runs / "linked").symlink_to(one)
    assert len(vt.runs(runs)) == 3


def test_names_are_inert(runs: Path, write_run) -> None:
    folder = runs / "<img src=x onerror=alert(1)> #?"
    (runs / "first").rename(folder)
    write_run(folder, question=EVIL, study=f"seed = {json.dumps(EVIL)}\n")
    (runs / "second" / "manifest.json").write_text(json.dumps({"kind": EVIL, "videotcav": "1"}))
    page = vt.runs(runs).page.read_text(encoding="utf-8")
    parsed = Elements(page)
    assert not {"script", "img"} & {tag for tag, _ in parsed.tags}
    assert parsed.text.count(EVIL) >= 3
    for tag, attributes in parsed.tags:
        if tag == "a" and not (attributes["href"] or "").startswith("#"):
            assert (attributes["href"] or "").startswith("./")
            assert not set(attributes["href"] or "") & set(":#?<> \"'")


def test_the_index_is_written_again_but_never_over_somebody_elses_page(runs: Path) -> None:
    first = vt.runs(runs).page.read_bytes()
    assert vt.runs(runs).page.read_bytes() == first
    (runs / "index.html").write_text("mine")
    with pytest.raises(OutputError, match="was not written by videotcav"):
        vt.runs(runs)
    assert (runs / "index.html").read_text() == "mine"


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="is not a folder"):
        vt.runs(tmp_path / "nothing")
    with pytest.raises(RunFolderError, match=r"holds no run that can be read; `run\(\)`"):
        vt.runs(tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(RunFolderError, match="was not written by videotcav"):
        vt.runs(tmp_path)
    assert not (tmp_path / "index.html").exists()


def test_the_command_tells_them_and_what_it_skipped(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (runs / "second" / "manifest.json").write_text("{}")
    assert videotcav(monkeypatch, "runs", runs, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert [Path(run["folder"]).name for run in facts["runs"]] == ["third", "first"]
    assert len(facts["skipped"]) == 1
    assert videotcav(monkeypatch, "runs", runs) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[-1] == str(runs / "index.html")
    assert "skipped" in said.err
    assert videotcav(monkeypatch, "runs", runs / "none") == 1
