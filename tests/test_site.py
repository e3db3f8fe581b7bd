"""The docs as a site: what its build refuses, and what its reference pages hold. `make check` builds it strictly."""

from __future__ import annotations

import html
import importlib
import importlib.util
import json
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Annotated, Any

import pytest
from pydantic import TypeAdapter

import videotcav as vt
from support.browser import faults
from videotcav.study.file import StudyFile

pytest.importorskip("mkdocs", reason="mkdocs is not installed")
import markdown
from mkdocs.commands.build import build
from mkdocs.config import load_config

ROOT = Path(__file__).parents[1]
MOST_COLUMNS = 88
spec = importlib.util.spec_from_file_location("site_hook", ROOT / ".ci" / "site.py")
assert spec is not None
assert spec.loader is not None
hook = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hook)


@pytest.mark.parametrize(
    "load",
    [
        '<script src="https://x.org/a.js"></script>',
        "<script src='//x.org/a.js'></script>",
        '<link rel="stylesheet" href="https://x.org/a.css">',
        '<link rel="preconnect" href="https://x.org" crossorigin>',
        '<img src="local.png" srcset="https://x.org/a.png 2x">',
        "<img src=http://x.org/a.png>",
        '<video poster="https://x.org/a.png"></video>',
        '<iframe src="HTTPS://x.org"></iframe>',
        "<style>@import 'https://x.org/a.css';</style>",
        '<p style="background: url(https://x.org/a.png)">',
    ],
)
def test_a_page_that_loads_from_elsewhere_is_refused(load: str) -> None:
    (found,) = hook.loaded_from_elsewhere(f"<html><body>{load}</body></html>")
    assert "//x.org" in found.lower()


@pytest.mark.parametrize(
    "page",
    [
        '<a href="https://x.org">a link</a>',
        '<link rel="canonical" href="https://x.org/page/">',
        '<script src="../assets/a.js"></script><img src="data:image/svg+xml,http://www.w3.org/2000/svg">',
        "<pre>curl https://x.org</pre>",
    ],
)
def test_links_and_files_of_the_site_itself_are_not_meant(page: str) -> None:
    assert hook.loaded_from_elsewhere(page) == []


def test_a_number_in_a_table_stays_with_its_unit() -> None:
    page = SimpleNamespace(file=SimpleNamespace(name="index"), meta={})
    text = "5 % of\n\n| a | 5 % (2.5 % to 8 ×), 12 MiB |\n| --- | --- |\n\n    | 5 % |\n"
    shown = hook.on_page_markdown(text, page=page, config=None, files=None)
    assert shown == text.replace("| a | 5 % (2.5 % to 8 ×), 12 MiB |", "| a | 5\xa0% (2.5\xa0% to 8\xa0×), 12\xa0MiB |")


def test_the_reference_of_the_interface_has_every_public_name_once() -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    told = re.findall(r"^      heading: vt\.(\w+)$", page, flags=re.MULTILINE)
    assert sorted(told) == sorted(set(vt.__all__) - {"__version__"})
    for place, name in zip(re.findall(r"^::: (\S+)$", page, flags=re.MULTILINE), told, strict=True):
        room, _, own = place.rpartition(".")
        assert getattr(importlib.import_module(room), own) is getattr(vt, name)


@pytest.fixture
def study_page(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The script of the page, imported as whoever runs it does."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(ROOT / "benchmarks" / "pages")
    yield importlib.import_module("study_file")
    for name in {"study_file", "template"} - before:
        sys.modules.pop(name, None)


def test_the_reference_of_the_study_file_is_what_its_script_writes(
    study_page: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_page, "PAGE", tmp_path / "page.md")
    study_page.main()
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert page == (ROOT / "docs" / "study-file.md").read_text(encoding="utf-8"), "make pages"


def test_every_key_of_a_study_file_is_told_with_an_example_that_the_file_may_have(study_page: ModuleType) -> None:
    words = tomllib.loads(study_page.WORDS.read_text(encoding="utf-8"))
    fields = dict(study_page.keys(StudyFile))
    assert {
        "study.question",
        "model.clip.frames",
        "classes.NAME.videos",
        "tests.alpha",
        "study.groups",
    } <= fields.keys()
    for name, field in fields.items():
        section, _, key = name.rpartition(".")
        what, unit, example = words[section][key]
        told = tomllib.loads(example)
        assert list(told) == [key]
        assert what.endswith(".")
        assert what != unit
        annotation = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        TypeAdapter(annotation).validate_json(json.dumps(told[key]), strict=True)
        if not field.is_required():
            assert told[key] != json.loads(json.dumps(field.get_default(call_default_factory=True), default=str)), (
                f"the example of {name} is its default"
            )


@pytest.mark.parametrize("section", ["missing", "more"])
def test_a_key_that_words_or_models_alone_have_is_refused(study_page: ModuleType, section: str) -> None:
    words = tomllib.loads(study_page.WORDS.read_text(encoding="utf-8"))
    if section == "missing":
        del words["cam"]["clips"]
    else:
        words["cam"]["clip"] = words["cam"]["clips"]
    with pytest.raises(KeyError, match=r"cam\.clip"):
        list(study_page.sections(words))


def code_lines(page: Path) -> list[str]:
    """The lines of code as the site shows them, of every block, in a list too."""
    text = markdown.markdown(page.read_text(encoding="utf-8"), extensions=["pymdownx.superfences", "tables"])
    blocks = re.findall(r"<pre>(.*?)</pre>", text, flags=re.DOTALL)
    return [html.unescape(re.sub(r"<[^>]+>", "", line)) for block in blocks for line in block.splitlines()]


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda page: page.stem)
def test_no_line_of_code_is_cut_off(page: Path) -> None:
    assert [line for line in code_lines(page) if len(line) > MOST_COLUMNS] == []


def test_a_long_line_of_code_is_found_in_either_form(tmp_path: Path) -> None:
    for text in (f"    {'x' * 89}\n", f"```python\n{'x' * 89}\n```\n", f"1. a\n\n        {'x' * 89}\n"):
        (tmp_path / "page.md").write_text(f"# A\n\n{text}", encoding="utf-8")
        assert max(map(len, code_lines(tmp_path / "page.md"))) > MOST_COLUMNS


LEVELS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa")  # what the theme does beside them is its own
PEOPLE_START_AT = ("index", "ten-minutes", "probe", "report")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site with the pages that people start at, without the reference, which takes most of the time."""
    config = load_config(
        str(ROOT / "mkdocs.yml"),
        site_dir=str(tmp_path_factory.mktemp("site")),
        plugins=[],
        nav=None,
        exclude_docs="\n".join(["*.md", *(f"!{name}.md" for name in PEOPLE_START_AT)]),
        use_directory_urls=False,
    )
    build(config)
    return Path(config.site_dir)


@pytest.mark.parametrize(
    ("name", "screen", "scheme"),
    [
        *(("index", "laptop", "light"), ("ten-minutes", "phone", "dark")),
        *(("probe", "phone", "light"), ("report", "laptop", "dark")),
    ],
)
def test_axe_finds_nothing_on_the_pages_that_people_start_at(
    built: Path, visit: Callable[..., Any], name: str, screen: str, scheme: str
) -> None:
    page = visit(built / f"{name}.html", screen, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert not faults(page, *LEVELS)


def test_axe_would_find_a_picture_without_words(built: Path, visit: Callable[..., Any]) -> None:
    page = visit(built / "index.html")
    page.evaluate("document.querySelector('article img').removeAttribute('alt')")
    assert "image-alt" in faults(page, *LEVELS)
