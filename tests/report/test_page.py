"""The page says what the results say, needs nothing else, and does what no name in it wants."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
from pathlib import Path

import pytest

from support.elements import EVIL, Elements
from videotcav.errors import OutputError, RunFolderError
from videotcav.records import Result
from videotcav.report.page import write_report
from videotcav.results.read import RunResults
from videotcav.results.words import score


def page_of(folder: Path) -> str:
    return write_report(folder).read_text(encoding="utf-8")


def test_the_page_fetches_nothing(run_folder: Path) -> None:
    page = page_of(run_folder)
    fetched = [
        value
        for _, attributes in Elements(page).tags
        for name in ("src", "href", "xlink:href", "srcset", "poster", "data", "action")
        if (value := attributes.get(name))
    ]
    assert fetched
    assert all(value.startswith(("data:", "#")) for value in fetched)
    style = page.split("<style>")[1].split("</style>")[0]
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", style))
    assert "@import" not in style


def test_its_policy_lets_only_its_own_style_and_script_through(run_folder: Path) -> None:
    page = page_of(run_folder)
    policy = next(a["content"] for tag, a in Elements(page).tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        inside = page.split(f"<{tag}>")[1].split(f"</{tag}>")[0]
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert not any("style" in a or any(name.startswith("on") for name in a) for _, a in Elements(page).tags)


def test_the_same_folder_gives_the_same_bytes(run_folder: Path) -> None:
    first = write_report(run_folder).read_bytes()
    assert write_report(run_folder).read_bytes() == first
    assert sorted(path.name for path in run_folder.iterdir()) == [
        "manifest.json",
        "media",
        "report.html",
        "results.parquet",
    ]


def test_it_is_rebuilt_from_the_results_alone(run_folder: Path, tmp_path: Path) -> None:
    first = write_report(run_folder).read_bytes()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("manifest.json", "results.parquet"):
        shutil.copy(run_folder / name, elsewhere)
    shutil.copytree(run_folder / "media", elsewhere / "media")
    assert write_report(elsewhere).read_bytes() == first


def test_every_number_of_the_results_is_on_the_page_to_the_last_digit(run_folder: Path) -> None:
    page = page_of(run_folder)
    body = page.split('<table class="numbers">', 1)[1]
    exact = set(re.findall(r'<data value="([^"]*)">', body))
    for row in RunResults.read(run_folder).results:
        for value in (row.value, row.low, row.high, row.null_low, row.null_high, row.p, row.p_corrected, row.accuracy):
            assert str(value) in exact
        assert f'<data value="{row.value}">{score(row.value, row.statistic)}</data>' in body


def test_bars_stand_where_the_numbers_are(run_folder: Path) -> None:
    """On the scale of a sign count, from 0 to 1, a value is its own percentage."""
    page = page_of(run_folder)
    push = page.split("Push towards “swing”")[1].split("What motion adds")[0]
    drawn = [float(position) for position in re.findall(r'<circle class="point" cx="([\d.]+)%" cy="15"', push)]
    values = [
        row.value
        for row in RunResults.read(run_folder).results
        if row.statistic == "sign_count" and row.against == "random"
    ]
    assert sorted(drawn) == pytest.approx(sorted(100 * value for value in values), abs=0.01)


def test_names_from_files_are_inert(run_folder: Path, write_run) -> None:
    results = [row.model_copy(update={"concept": EVIL, "layer": EVIL}) for row in write_run.results("swing" + EVIL)]
    write_run(
        run_folder,
        results=results,
        question=EVIL,
        study=EVIL,
        command=EVIL,
        remarks=[EVIL],
        layers=[EVIL],
        left_out={EVIL: EVIL},
        concepts={EVIL: {"kinds": {EVIL: 3}, "sources": 1, "review": EVIL}},
        classes={EVIL: {"clips": 3, "sources": 1, "accuracy": 0.3, "mean_probability": 0.2}},
        media=[{"role": "exemplar", "path": EVIL, "caption": EVIL, "concept": EVIL, "kind": EVIL}],
    )
    page = page_of(run_folder)
    parsed = Elements(page)
    assert sum(tag == "script" for tag, _ in parsed.tags) == 1
    assert not any(tag == "img" for tag, _ in parsed.tags)
    assert EVIL in parsed.text


def test_entangled_concepts_stand_in_a_table_and_their_names_are_inert(run_folder: Path, write_run) -> None:
    facts = {
        "layer": "features.2",
        "sets": ["bar/spatiotemporal", EVIL],
        "classes": ["swing"],
        "cosines": [[1.0, 0.25], [0.25, None]],
        "whole": [[1.5], [-0.5]],
        "own": [[1.25], [None]],
    }
    assert "one and the same to a layer" not in page_of(run_folder)
    write_run(run_folder, entanglement=[facts])
    page = page_of(run_folder)
    table = page.split("one and the same to a layer")[1].split("</table>")[0]
    assert EVIL not in page
    cells = re.findall(r"<t[dh][^>]*>([^<]*)</t[dh]>", table.split("<tbody>")[1])
    assert cells[:6] == ["features.2", "bar/spatiotemporal", "", "0.25", "1.50", "1.25"]
    assert cells[8:] == ["0.25", "", "\N{MINUS SIGN}0.50", "–"]


def test_clips_play_without_sound_and_have_a_name(run_folder: Path) -> None:
    videos = [attributes for tag, attributes in Elements(page_of(run_folder)).tags if tag == "video"]
    assert len(videos) >= 2 * 4 * 4 + 3
    for video in videos:
        assert {"muted", "loop", "playsinline", "autoplay", "aria-label"} <= video.keys()
        assert (video["src"] or "").startswith("data:video/mp4;base64,")


def test_a_missing_clip_costs_one_sentence(run_folder: Path) -> None:
    (run_folder / "media" / "bar-frozen-1.mp4").unlink()
    (run_folder / "media" / "ball-frozen-1.mp4").write_bytes(b"")
    text = Elements(page_of(run_folder)).text
    assert "bar-frozen-1.mp4 is missing from the run folder." in text
    assert "ball-frozen-1.mp4 is empty." in text


@pytest.mark.parametrize("path", ["../../secret.mp4", "/etc/hostname.mp4"])
def test_a_medium_outside_the_run_folder_is_not_shown(run_folder: Path, write_run, path: str) -> None:
    (run_folder.parent / "secret.mp4").write_bytes(b"secret")
    write_run(run_folder, media=[{"role": "cam", "path": path, "caption": "a clip"}])
    page = page_of(run_folder)
    assert "lies outside the run folder" in page
    assert "<video" not in page


def test_a_run_without_clips_still_has_a_page(run_folder: Path, write_run) -> None:
    shutil.rmtree(run_folder / "media")
    write_run(run_folder, media=[])
    assert "Moving bar clips push the model towards" in page_of(run_folder)


def test_every_class_is_answered(run_folder: Path, write_run) -> None:
    results: list[Result] = [*write_run.results("swing"), *write_run.results("slide")]
    write_run(run_folder, results=results)
    text = Elements(page_of(run_folder)).text
    for name in ("swing", "slide"):
        assert f"Moving bar clips push the model towards “{name}”" in text
        assert f"Push towards “{name}”" in text


# --- not a run folder --------------------------------------------------------------------------------------------


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="is not a folder"):
        RunResults.read(tmp_path / "nothing")


@pytest.mark.parametrize("name", ["manifest.json", "results.parquet"])
def test_a_file_is_missing(run_folder: Path, name: str) -> None:
    (run_folder / name).unlink()
    with pytest.raises(RunFolderError, match=f"has no {name}"):
        write_report(run_folder)
    assert not (run_folder / "report.html").exists()


@pytest.mark.parametrize("name", ["manifest.json", "results.parquet"])
@pytest.mark.parametrize("kept", [0, 40])
def test_a_file_is_truncated(run_folder: Path, name: str, kept: int) -> None:
    path = run_folder / name
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(RunFolderError, match=f"{name} is damaged"):
        RunResults.read(run_folder)


def test_a_fact_is_of_the_wrong_kind(run_folder: Path, write_run) -> None:
    write_run(run_folder, question=None)
    with pytest.raises(RunFolderError, match=r"manifest.json is damaged: question: .*string"):
        RunResults.read(run_folder)


def test_there_are_no_results(run_folder: Path, write_run) -> None:
    write_run(run_folder, results=[])
    with pytest.raises(RunFolderError, match="results"):
        RunResults.read(run_folder)


def test_unknown_facts_are_damage_unless_the_manifest_is_older_than_its_format(run_folder: Path, write_run) -> None:
    write_run(run_folder, another="ab12", model={"name": "small", "nickname": "it"})
    assert RunResults.read(run_folder).manifest.model.name == "small"
    write_run(run_folder, format=1)
    with pytest.raises(RunFolderError, match=r"damaged: (another|model\.nickname): Extra"):
        RunResults.read(run_folder)
    write_run(run_folder, format=99)
    with pytest.raises(RunFolderError, match="newer than this one"):
        RunResults.read(run_folder)


def test_a_page_that_cannot_be_written_leaves_the_old_one(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = write_report(run_folder).read_bytes()

    def fail(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OutputError, match="No space left"):
        write_report(run_folder)
    assert (run_folder / "report.html").read_bytes() == before
    assert not list(run_folder.glob(".report*"))
