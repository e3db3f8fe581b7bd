"""The gallery: each page is short, answers first and ends with what would overturn it; its entry can be built again."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from videotcav.datasets.rows import ClipList
from videotcav.study.file import StudyFile
from videotcav.study.read_file import with_one_model

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs" / "gallery").glob("*.md"))
MOST_WORDS = 500


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_of_the_gallery_is_short_answers_first_and_ends_with_what_would_overturn_it(page: Path) -> None:
    text = re.sub(r"<!--.*?-->\n?", "", page.read_text(encoding="utf-8"))
    assert text.splitlines()[2].startswith("**Here ")
    assert len(re.findall(r"\S*[A-Za-z]\S*", text)) <= MOST_WORDS
    assert re.findall(r"^## (.+)$", text, flags=re.MULTILINE)[-1] == "What would overturn it"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_of_the_gallery_has_a_recipe_and_one_command_that_is_there(page: Path) -> None:
    command = f"gallery-{page.stem}"
    assert f"    make {command} " in page.read_text(encoding="utf-8")
    assert re.search(rf"^{command}: .*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert (ROOT / "examples" / page.stem / "recipe.py").is_file()


@pytest.mark.parametrize("study", sorted((ROOT / "examples").glob("*/*.toml")), ids=lambda path: path.parent.name)
def test_a_study_of_the_gallery_is_one(study: Path) -> None:
    told = tomllib.loads(study.read_text(encoding="utf-8"))
    if isinstance(told["classes"].get("list"), str):
        listed = ClipList.model_validate_json(json.dumps(told["classes"]), strict=True)
        told["classes"] = {name: {"videos": ["clips of the list"]} for name in listed.include}
    for number in range(len(told.get("models", [told]))):
        StudyFile.model_validate_json(json.dumps(with_one_model(told, number)), strict=True)
