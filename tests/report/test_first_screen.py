"""The page as people see it: the answer on the first screen, evidence behind it, and open to everybody."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

import videotcav as vt
from support.browser import SCREENS, faults, stands_out
from support.example_run import write_legs
from support.legs import DEMO, EDITS, contrast, effect
from support.pages import PLAIN, comparison, faithfulness, probe
from videotcav.records import Result, Verdict
from videotcav.report.page import write_report
from videotcav.results.concept_score import ConceptScore
from videotcav.results.edit_effect import EditEffect, EditVerdict
from videotcav.results.folder import write_rows

MOST_WORDS = 600

WORDS_BEFORE_DETAILS = """() => {
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let text = "";
  while (walk.nextNode()) {
    const at = walk.currentNode.parentElement;
    if (at.closest("#details")) break;
    if (at.checkVisibility()) text += " " + walk.currentNode.data;
  }
  return text.split(/\\s+/).filter(Boolean).length;
}"""


def page_of(folder: Path, results: list[Result], effects: list[EditEffect] | None = None, **changes: Any) -> Path:
    return write_report(write_legs(folder, results, effects or [], **({"media": []} | changes)))


def is_on_screen(page: Any, selector: str) -> bool:
    box, view = page.locator(selector).first.bounding_box(), page.viewport_size
    return bool(
        box["y"] >= 0 and box["y"] + box["height"] <= view["height"] and box["x"] + box["width"] <= view["width"]
    )


# --- the first screen --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verdict", get_args(Verdict))
def test_question_and_answer_are_on_the_first_screen_for_every_verdict(
    run_folder: Path, visit: Callable[..., Any], verdict: Verdict
) -> None:
    """All concepts have the verdict, which makes the longest sentence of its kind; the model hardly knows the class."""
    rows = [
        contrast(verdict, 1.9, concept=name, kind=kind)
        for name in ("racket", "ball")
        for kind in ("spatiotemporal", "spatial")
    ]
    rows += [contrast(verdict, 1.2, concept=name, against="frozen") for name in ("racket", "ball")]
    classes = {"swing": {"clips": 24, "sources": 24, "accuracy": 0.3}}
    page = visit(page_of(run_folder, rows, classes=classes))
    assert page.locator("#answer").inner_text().endswith(".")
    for screen in SCREENS.values():
        page.set_viewport_size(screen)
        for selector in ("h1", "#answer", ".caution.grave"):
            assert is_on_screen(page, selector), selector
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("need", get_args(EditVerdict))
def test_both_legs_are_on_the_first_screen_for_every_verdict(
    run_folder: Path, visit: Callable[..., Any], need: EditVerdict
) -> None:
    value = None if need == "not asked" else -1.4
    edits = [effect(need, value), effect(need, value, edit="freeze"), effect(need, value, target="background")]
    page = visit(page_of(run_folder, DEMO, edits))
    for screen in SCREENS.values():
        page.set_viewport_size(screen)
        for selector in ("h1", "#answer", ".glance .row:nth-child(2)"):
            assert is_on_screen(page, selector), selector


@pytest.mark.parametrize("screen", SCREENS)
def test_sentence_picture_and_trust_of_the_demo_are_on_the_first_screen(
    run_folder: Path, visit: Callable[..., Any], screen: str
) -> None:
    page = visit(page_of(run_folder, DEMO, EDITS), screen)
    for selector in ("h1", "#answer", ".glance", ".trust"):
        assert is_on_screen(page, selector), selector


@pytest.mark.parametrize("question", ["Why? " * 40, "x" * 400])
def test_a_long_question_leaves_the_answer_on_the_screen(
    run_folder: Path, visit: Callable[..., Any], question: str
) -> None:
    page = visit(page_of(run_folder, DEMO, EDITS, question=question))
    assert is_on_screen(page, "#answer")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_few_words_stand_before_the_details(with_edits: Path, visit: Callable[..., Any]) -> None:
    page = visit(with_edits)
    assert 50 < page.evaluate(WORDS_BEFORE_DETAILS) <= MOST_WORDS


# --- the evidence ------------------------------------------------------------------------------------------------


@pytest.fixture
def with_edits(run_folder: Path) -> Path:
    """The demo-like run, its first class clip with two edits."""
    media = [{"role": "cam", "path": f"cam-{clip}-swing.mp4", "caption": f"scene {clip}", "class_name": "swing",
              "layer": "features.4", "method": "grad-cam", "value": 0.9, "clip": f"swing/{clip}.mp4"}
             for clip in range(3)]  # fmt: skip
    for name in ("remove racket", "freeze racket"):
        path = f"edit-{name.split()[0]}.mp4"
        shutil.copy(run_folder / "media" / "bar-spatial-0.mp4", run_folder / "media" / path)
        media.append({"role": "edit", "path": path, "caption": f"{name}: before and after", "kind": name,
                      "class_name": "swing", "clip": "swing/0.mp4"})  # fmt: skip
    media += [{"role": "exemplar", "path": f"bar-{kind}-0.mp4", "caption": f"bar, {kind}", "concept": "bar",
               "kind": kind} for kind in ("spatiotemporal", "frozen")]  # fmt: skip
    badge = {"method": "grad-cam", "layer": "features.4", "class_name": "swing", "verdict": "not told",
             "reason": "two videos are too few", "clips": 2, "right": 2, "sources": 2, "sigma": 1.0,
             "sigma_of": "the pool’s videos", "negligible_below": 0.1}  # fmt: skip
    shares = [
        ConceptScore(
            clip="swing/0.mp4", first_seconds=0, last_seconds=1, concept=concept, kind="spatiotemporal",
            layer="features.4", class_name="swing", concept_sources=9, pool_sources=9, auroc=0.9, auroc_low=0.8,
            auroc_high=1, p_apart=0.01, is_told=share is not None, share=share, low=share and share - 0.2,
            high=share and share + 0.2, above_pool=share, seconds=(0.5,), score=1.0,
        )
        for concept, share in (("racket", 0.75), ("ball", None))
    ]  # fmt: skip
    sha256 = write_rows(run_folder / "shares.parquet", shares)
    return page_of(run_folder, DEMO, EDITS, media=media, badges=[badge], shares_sha256=sha256)


def test_a_click_on_a_clip_opens_it_with_its_map_shares_and_edits(with_edits: Path, visit: Callable[..., Any]) -> None:
    page = visit(with_edits, java_script_enabled=False)
    clip = page.locator(".clip").first
    assert "map not told" in clip.locator("summary").inner_text()
    assert not clip.locator(".opened").is_visible()
    clip.locator("summary").click()
    assert clip.locator(".opened").is_visible()
    assert clip.locator(".opened video").count() == 2
    said = clip.locator(".opened").inner_text()
    assert "remove racket" in said
    assert "racket 0.75 (0.55 to 0.95), more than in 75\N{NO-BREAK SPACE}% of the random videos" in said
    assert "ball is not told from random clips at this layer" in said
    assert not page.locator(".clip").nth(1).locator(".shares").count()


def test_the_keyboard_opens_a_clip(with_edits: Path, visit: Callable[..., Any]) -> None:
    page = visit(with_edits)
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('.clip summary')"):
            break
    page.keyboard.press("Enter")
    assert page.locator(".clip").first.get_attribute("open") is not None


def test_clips_play(with_edits: Path, visit: Callable[..., Any]) -> None:
    page = visit(with_edits)
    page.locator(".clip summary video").first.scroll_into_view_if_needed()
    page.wait_for_function("document.querySelector('.clip summary video').currentTime > 0")


def test_evidence_comes_before_statistics(with_edits: Path, visit: Callable[..., Any]) -> None:
    page = visit(with_edits)
    order = [
        page.locator(f"#{name}").bounding_box()["y"] for name in ("answer", "evidence", "details", "found", "layers")
    ]
    assert order == sorted(order)


# --- for everybody -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
def test_axe_finds_nothing(with_edits: Path, visit: Callable[..., Any], scheme: str, screen: str) -> None:
    page = visit(with_edits, screen, color_scheme=scheme, bypass_csp=True)
    for summary in page.locator("summary").all():
        summary.click()
    assert not faults(page)


def test_axe_would_find_a_fault(with_edits: Path, visit: Callable[..., Any]) -> None:
    page = visit(with_edits, bypass_csp=True)
    page.evaluate("document.querySelector('.glance svg[role=img]').removeAttribute('aria-label')")
    assert "aria-label" in faults(page)


def test_dots_differ_by_more_than_colour(with_edits: Path, visit: Callable[..., Any]) -> None:
    """Shown, shown to be none, and not shown are a filled circle, a square and a hollow circle."""
    page = visit(with_edits)
    shapes = page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll('.dot')].map((dot) => {
          const shape = dot.firstElementChild, style = getComputedStyle(shape);
          return [dot.classList[1], [shape.tagName, style.fill === style.stroke]];
        }))"""
    )
    assert shapes == {"shown": ["circle", True], "none": ["rect", True], "open": ["circle", False]}


# --- other pages -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [comparison, faithfulness, probe])
def test_other_pages_answer_first_and_are_open_to_everybody(
    tmp_path: Path, visit: Callable[..., Any], make: Callable[[Path, str], str]
) -> None:
    make(tmp_path, PLAIN)
    page = visit(tmp_path / "report.html", bypass_csp=True)
    for screen in SCREENS.values():
        page.set_viewport_size(screen)
        for selector in ("h1", "#answer"):
            assert is_on_screen(page, selector), selector
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert not faults(page)
    assert page.evaluate(WORDS_BEFORE_DETAILS) <= MOST_WORDS


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_first_picture_of_a_probe_has_the_pages_colour(
    tmp_path: Path, visit: Callable[..., Any], scheme: str
) -> None:
    probe(tmp_path, PLAIN)
    page = visit(tmp_path / "report.html", color_scheme=scheme)
    assert not stands_out(page, ".glance img")
    page.evaluate("document.querySelectorAll('.chart').forEach((one) => one.classList.remove('chart'))")
    assert stands_out(page, ".glance img") == (scheme == "dark")


def test_two_runs_that_are_ticked_stand_side_by_side(
    run_folder: Path, tmp_path: Path, visit: Callable[..., Any]
) -> None:
    write_legs(run_folder, DEMO, EDITS, media=[])
    for name in ("first", "second", "third"):
        shutil.copytree(run_folder, tmp_path / "runs" / name)
    page = visit(vt.runs(tmp_path / "runs").page, bypass_csp=True)
    assert not faults(page)
    pictures = page.locator(".one-run .glance")
    assert pictures.count() == 3
    for name in ("first", "third"):
        page.get_by_role("checkbox", name=name).check()
    shown = [picture.bounding_box() for picture in pictures.all() if picture.is_visible()]
    assert len(shown) == 2
    assert shown[0]["y"] == shown[1]["y"]
    page.get_by_role("checkbox", name="third").uncheck()
    page.get_by_role("checkbox", name="first").uncheck()
    assert all(picture.is_visible() for picture in pictures.all())
