"""Whatever a name wants, the pages show it as text; and no link leads out of the folder."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support.elements import EVIL, Elements
from support.pages import PLAIN, comparison, faithfulness, probe
from videotcav.errors import RunFolderError
from videotcav.report.faithfulness import write_faithfulness_page

EVILS = (EVIL, "\"' onmouseover=alert(1) x='", "</style><svg onload=alert(1)>", "{{ 7 * 7 }}", "&lt;b&gt;")
LINKS = ("javascript:alert(1)//", "data:text/html,x", "//evil.example", "http://evil.example", "a#b?c&d 100%<")


@pytest.mark.parametrize("evil", EVILS)
@pytest.mark.parametrize("page_of", [comparison, faithfulness, probe])
def test_names_add_nothing_to_a_page_but_text(tmp_path: Path, page_of: Callable[[Path, str], str], evil: str) -> None:
    """The page has the very elements and attributes that it has with a plain name in every name's place."""
    pages = []
    for number, name in enumerate((PLAIN, evil)):
        (tmp_path / str(number)).mkdir()
        pages.append(page_of(tmp_path / str(number), name))
    plain, parsed = (Elements(page) for page in pages)
    assert [(tag, set(attributes)) for tag, attributes in parsed.tags] == [
        (tag, set(attributes)) for tag, attributes in plain.tags
    ]
    assert evil in parsed.text
    assert parsed.text.count(evil) == plain.text.count(PLAIN)
    policy = next(a["content"] for _, a in parsed.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "script-src" not in policy


@pytest.mark.parametrize("run", LINKS)
def test_a_link_to_a_models_report_leads_into_the_folder(tmp_path: Path, run: str) -> None:
    parsed = Elements(comparison(tmp_path, PLAIN, run))
    links = [attributes["href"] or "" for tag, attributes in parsed.tags if tag == "a"]
    assert links
    for link in links:
        assert link.startswith("./")
        assert not set(link) & set(":#?<> \"'")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda folder, _: (folder / "manifest.json").write_text("[]"), "is damaged"),
        (lambda folder, _: (folder / "manifest.json").write_text('{"kind": "run"}'), "another kind of run"),
        (lambda folder, facts: (folder / "manifest.json").write_text(json.dumps(facts)), "is damaged"),
        (lambda folder, _: rewritten(folder, measure="a hunch"), "measures that are not known here (a hunch)"),
        (lambda folder, _: rewritten(folder, clips="some"), "results.parquet is damaged: clips"),
    ],
)
def test_a_damaged_folder_of_maps_is_one_sentence(
    tmp_path: Path, damage: Callable[[Path, dict[str, str]], object], says: str
) -> None:
    faithfulness(tmp_path, PLAIN)
    damage(tmp_path, {"kind": "faithfulness"})
    with pytest.raises(RunFolderError, match=re.escape(says)):
        write_faithfulness_page(tmp_path)


def rewritten(folder: Path, **changed: object) -> None:
    rows = [row | changed for row in pq.read_table(folder / "results.parquet").to_pylist()]
    pq.write_table(pa.Table.from_pylist(rows), folder / "results.parquet")
