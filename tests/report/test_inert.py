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
from videotcav.errors import RunFolderError
from videotcav.records import StandardisedEffect
from videotcav.report.comparison import write_comparison_page
from videotcav.report.faithfulness import MEASURES, write_faithfulness_page
from videotcav.report.probe import ProbeRun, write_probe_page
from videotcav.results.map_facts import Faithfulness
from videotcav.results.probe_facts import ModelDifference, ProbeEffect, ProbeManifest

EVILS = (EVIL, "\"' onmouseover=alert(1) x='", "</style><svg onload=alert(1)>", "{{ 7 * 7 }}", "&lt;b&gt;")
PLAIN = "Zenobia"
LINKS = ("javascript:alert(1)//", "data:text/html,x", "//evil.example", "http://evil.example", "a#b?c&d 100%<")


def comparison(folder: Path, evil: str, run: str = "models/a") -> str:
    facts = {"run": run, "layers": [evil], "name": evil, "weights": evil, "needs": [evil]}
    manifest = {"videotcav": evil, "created": evil, "command": evil, "question": evil, "study_sha256": "0" * 64,
                "statistic": "sensitivity", "models": {evil: facts}}  # fmt: skip
    rows = [
        StandardisedEffect(
            model=evil, layer=evil, class_name=evil, concept=evil, kind="spatiotemporal", against=against,
            statistic="sensitivity", value=2.0, low=1.0, high=3.0, p_corrected=0.01, verdict="positive",
        )
        for against in ("frozen", "random")
    ]  # fmt: skip
    return written(folder, manifest, rows, write_comparison_page)


def faithfulness(folder: Path, evil: str) -> str:
    manifest = {"kind": "faithfulness", "videotcav": evil, "created": evil, "command": evil, "layer": evil, "clips": 3,
                "classes": [evil], "labels": [evil], "mean_probability": 0.5, "events": 0, "settings": {evil: evil},
                "target": None, "methods": [evil],
                "versions": {evil: evil}, "left_out": {evil: evil}, "boxes": {"source": evil, "sha256": "0" * 64},
                "model": {"name": evil, "weights": evil, "weights_sha256": "0" * 64}}  # fmt: skip
    rows = [
        Faithfulness(
            method=evil, measure=measure, value=0.5, low=0.4, high=0.6, clips=3, undefined=0, baseline=baseline
        )
        for measure in MEASURES
        for baseline in (False, True)
    ]
    (folder / "media").mkdir()
    (folder / "media" / '"><img src=x onerror=alert(1)>.png').write_bytes(b"a picture")
    return written(folder, manifest, rows, write_faithfulness_page)


def probe(folder: Path, evil: str) -> str:
    model = {"facts": {"name": evil, "weights": evil, "weights_sha256": "0" * 64, "classes": [evil]}, "score": evil,
             "classes": {evil: {"clips": 3, "sources": 3, "accuracy": 0.5}}}  # fmt: skip
    edit = {"name": evil, "about": evil, "without": evil, "ranked": True}
    manifest = {"kind": "probe", "videotcav": evil, "created": evil, "command": evil, "versions": {evil: evil},
                "models": {evil: model}, "classes": [evil], "of_classes": [evil], "edits": [edit], "clips": 3,
                "sources": 3, "alpha": 0.05, "correction": evil, "negligible_below": 0.1, "equivalence_margin": 0.3,
                "seed": 0, "by": evil, "left_out": {evil: evil}, "remarks": [evil]}  # fmt: skip
    effects = [
        ProbeEffect(
            model=evil, edit=evil, class_name=evil, of_clips=of_clips, effect=-1.0, low=-2.0, high=-0.5, sigma=1.0,
            p=0.01, p_corrected=0.01, clips=3, sources=3, verdict="negative", not_told=1, why=evil,
        )
        for of_clips in ("", evil, "right")
    ]  # fmt: skip
    apart = ModelDifference(
        model=evil, other=evil, edit=evil, class_name=evil, difference=1.0, low=0.5, high=2.0, p=0.01, p_corrected=0.01,
        clips=3, sources=3,
    )  # fmt: skip
    said = {"model": evil, "clip": evil, "source": evil, "class": evil, "predicted": "other", "score": 0.0}
    ProbeRun(
        ProbeManifest.model_validate(manifest), tuple(effects), ({**said, f"{evil}: predicted": evil},), (apart,)
    ).write(folder)
    return write_probe_page(folder).read_text(encoding="utf-8")


def written(folder: Path, manifest: dict[str, object], rows: list, write: Callable[[Path], Path]) -> str:
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    pq.write_table(pa.Table.from_pylist([row.model_dump() for row in rows]), folder / "results.parquet")
    return write(folder).read_text(encoding="utf-8")


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
