"""Small folders of every kind of page, with one name wherever a name stands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from videotcav.records import StandardisedEffect
from videotcav.report.comparison import write_comparison_page
from videotcav.report.faithfulness import MEASURES, write_faithfulness_page
from videotcav.report.probe import ProbeRun, write_probe_page
from videotcav.results.map_facts import Faithfulness
from videotcav.results.probe_facts import ModelDifference, ProbeEffect, ProbeManifest

PLAIN = "Zenobia"


def comparison(folder: Path, evil: str, run: str = "models/a") -> str:
    facts = {"run": run, "layers": [evil], "name": evil, "weights": evil, "needs": [evil]}
    manifest = {"kind": "comparison", "videotcav": evil, "created": evil, "command": evil, "question": evil,
                "study_sha256": "0" * 64, "statistic": "sensitivity", "models": {evil: facts}}  # fmt: skip
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
