"""Runs of earlier versions are read as what they were; `before_formats` was written before manifests had a format."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import videotcav as vt
from videotcav.errors import RunFolderError
from videotcav.results.manifest import FORMAT, Manifest, ModelFacts, kind_of, read_manifest, stamp, write_manifest

OLD = Path(__file__).parent / "before_formats"


def test_a_run_from_before_formats_is_read_and_shown(tmp_path: Path) -> None:
    assert "format" not in json.loads((OLD / "manifest.json").read_text(encoding="utf-8"))
    run = vt.read_run(shutil.copytree(OLD, tmp_path / "run"))
    assert run.manifest.hypotheses[0].text == "racket: dynamic > frozen"
    assert {row.against for row in run.results} == {"random", "frozen"}
    assert "Does the model see the swing" in vt.report(run.folder).read_text(encoding="utf-8")


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    shutil.copyfile(OLD / "results.parquet", tmp_path / "results.parquet")
    manifest = Manifest(**stamp("videotcav run"), question="?", model=ModelFacts(name="net"), seed=3)
    write_manifest(tmp_path, manifest)
    found = read_manifest(tmp_path / "manifest.json", Manifest)
    assert found.format == FORMAT
    assert found.model_copy(update={"results_sha256": ""}) == manifest
    assert found.results_sha256 == read_manifest(OLD / "manifest.json", Manifest).results_sha256


@pytest.mark.parametrize("content", ["[" * 10_000, "[]", "{", "", '"run"', "null", '{"kind": 1}', '{"format": "one"}'])
def test_what_is_no_manifest_is_one_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(RunFolderError, match=r"manifest\.json is (damaged|of another kind)"):
        read_manifest(tmp_path / "manifest.json", Manifest)
    assert isinstance(kind_of(tmp_path), str)
