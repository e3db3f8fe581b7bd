"""Tiny pipelines of diffusers, built from their configurations with random weights: nothing is downloaded."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from support.tiny_pipelines import write_ltx, write_wan
from videotcav.concepts.folder import accept, read_records
from videotcav.concepts.generate import generate as route
from videotcav.concepts.generate import pipeline as pipelines
from videotcav.concepts.generate.generate import generate
from videotcav.concepts.generate.pipeline import GenerationSettings, VideoPipeline, find_pipeline
from videotcav.concepts.review.decisions import Decision
from videotcav.concepts.review.ledger import Ledger
from videotcav.concepts.review.review import reviewed_sets
from videotcav.errors import ModelError, ModelNotFound, NothingAccepted, PathTaken, UnreadableText
from videotcav.outputs import file_sha256
from videotcav.video.read import VideoFile

PROMPTS = """
[slots]
scene = ["w3", "w4"]
[concepts.racket]
prompts = ["w1 w2 {scene}"]
[pool]
prompts = ["w5 {scene}"]
"""
SMALL = GenerationSettings(frames=9, height=32, width=32, steps=1)


@pytest.fixture(scope="module")
def wan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_wan(tmp_path_factory.mktemp("wan"))


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    (tmp_path / "prompts.toml").write_text(PROMPTS)
    return tmp_path / "prompts.toml"


def content(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): file_sha256(path) for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("write", [write_wan, write_ltx])
def test_the_same_seed_is_the_same_video_also_of_a_pipeline_that_is_loaded_again(write: Any, tmp_path: Path) -> None:
    folder, facts = find_pipeline(str(write(tmp_path / "pipeline")))
    settings = SMALL.model_copy(update={"steps": 2})
    first, again = (VideoPipeline.load(folder, facts, settings) for _ in range(2))
    parts = [part for part in first.module.components.values() if isinstance(part, torch.nn.Module)]
    assert not any(module.training for part in parts for module in part.modules())
    assert first.sha256 == again.sha256
    shown = first("w1 w2", seed=3)
    assert shown.shape == (9, 32, 32, 3)
    assert (shown == again("w1 w2", seed=3)).all()
    assert (shown != first("w1 w2", seed=4)).any()
    assert (shown != first("w3", seed=3)).any()


def test_clips_land_as_candidates_with_twins_and_all_that_they_were_made_of(wan: Path, prompts: Path) -> None:
    out, pool = prompts.parent / "concepts", prompts.parent / "random"
    told: list[str] = []
    how: dict[str, Any] = {"pipeline": str(wan), "per_prompt": 2, "pool": pool, "settings": SMALL}
    made = generate(prompts, out, **how, announce=told.append)
    assert made.folders == {str(out): 4, str(pool): 4}
    assert "licence apache-2.0" in told[0]
    records = read_records(out)
    assert {record.concept for record in records} == {"racket"}
    assert len({record.source for record in records}) == 2  # a prompt and scene each, never a seed
    assert len({record.id for record in records}) == 4
    facts = records[0].generated
    assert facts is not None
    assert (facts.pipeline, facts.licence, facts.prompt) == (str(wan), "apache-2.0", "w1 w2 w3")
    assert facts.asked["num_inference_steps"] == 1
    assert facts.weights_sha256 == made.weights_sha256
    twins = {
        record.kind: VideoFile(out / record.file_name).frames(range(9))
        for record in records
        if record.id == records[0].id
    }
    assert set(twins) == {"spatial", "spatiotemporal", "frozen", "shuffled", "reversed"}
    assert (twins["reversed"][::-1] == twins["spatiotemporal"]).all()
    assert twins["spatiotemporal"].shape == (9, 32, 32, 3)
    assert {record.concept for record in read_records(pool)} == {"random"}


def test_an_engine_is_given_all_that_a_clip_needs(wan: Path, prompts: Path) -> None:
    """A copy of the worker, as another process would have it, makes the same bytes."""
    out = {}
    for name, engine in (("here", None), ("there", lambda worker, work: pickle.loads(pickle.dumps(worker))(work))):  # noqa: S301 - our own
        out[name] = prompts.parent / name
        generate(prompts, out[name], pipeline=str(wan), per_prompt=1, settings=SMALL, engine=engine)
    here, there = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.mp4")} for folder in out.values()
    )
    assert here == there
    assert len(here) == 12  # of two prompts: what was generated, and the five kinds of clip


def test_killed_and_taken_up_again_is_as_uninterrupted(
    wan: Path, prompts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    how: dict[str, Any] = {"pipeline": str(wan), "per_prompt": 2, "settings": SMALL}
    whole, parts = prompts.parent / "whole", prompts.parent / "parts"
    generate(prompts, whole, **how)

    def killed(*_: object, **__: object) -> Iterator[None]:
        raise KeyboardInterrupt

    for name, calls in (("write_text", 1), ("write_video", 1), ("propose", 0)):
        left, real = [calls], getattr(route, name)

        def after_some(*given: Any, _left: list[int] = left, _real: Any = real, **named: Any) -> Any:
            _left[0] -= 1
            return _real(*given, **named) if _left[0] >= 0 else killed()

        with monkeypatch.context() as patch:
            patch.setattr(route, name, after_some)
            with pytest.raises(KeyboardInterrupt):
                generate(prompts, parts, **how)
    made = generate(prompts, parts, **how)
    assert made.done_before == 4
    assert content(parts) == content(whole)
    with pytest.raises(PathTaken, match="generated otherwise"):
        generate(prompts, parts, **how, seed=1)


def test_what_nobody_looked_at_never_counts(wan: Path, prompts: Path) -> None:
    out = prompts.parent / "concepts"
    generate(prompts, out, pipeline=str(wan), per_prompt=1, settings=SMALL)
    with pytest.raises(NothingAccepted, match="count only when a person"):
        accept(out)
    lines = (out / "metadata.jsonl").read_text().splitlines()
    forged = [json.loads(line) | {"decision": "accepted", "who": "nobody (unreviewed)"} for line in lines]
    (out / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in forged))
    with pytest.raises(NothingAccepted):
        reviewed_sets(out)
    one = read_records(out)[0]
    with Ledger(out) as ledger:
        said = {"at": "2026-01-31T12:00:00Z", "reviewer": "Ada", "verdict": "accept", "gesture": "g" * 12}
        ledger.merge([Decision.model_validate({**said, "concept": one.concept, "id": one.id})])
    counting = [clip for each in reviewed_sets(out).sets for clip in each.clips]
    assert {clip.id for clip in counting} == {one.id}
    assert all(clip.generated for clip in counting)


class _Unreached(Exception):
    """As httpx has it, whose errors are no OSError."""


class _Hub:
    """A hub that knows a pipeline, and counts what is fetched."""

    fetched = 0

    def snapshot_download(self, name: str, *, local_files_only: bool = False, **_: object) -> str:
        if local_files_only:
            raise FileNotFoundError(name)
        _Hub.fetched += 1
        raise _Unreached("no network in tests")

    def HfApi(self) -> Any:  # noqa: N802 - its name there
        return self

    def model_info(self, name: str, **_: object) -> Any:
        if name == "nobody/nothing":
            raise _Unreached("404 Client Error")
        sizes = {"vae/a.safetensors": 500_000_000, "transformer/b.safetensors": 2_800_000_000, "README.md": 9_000}
        siblings = [type("File", (), {"rfilename": key, "size": size}) for key, size in sizes.items()]
        return type("Info", (), {"siblings": siblings, "card_data": {"license": "apache-2.0"}})


def test_weights_are_told_before_they_are_fetched_and_not_fetched_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipelines, "_libraries", lambda: (None, _Hub()))
    with pytest.raises(ModelNotFound, match=r"weights of 3\.3 GB, which need as much memory.*; licence apache-2\.0"):
        find_pipeline("somebody/video")
    assert _Hub.fetched == 0
    with pytest.raises(ModelNotFound, match="the hub does not give it: 404"):
        find_pipeline("nobody/nothing", download=True)
    told: list[str] = []
    with pytest.raises(ModelNotFound, match="no network"):
        find_pipeline("somebody/video", download=True, announce=told.append)
    assert "licence apache-2.0" in told[0]
    assert _Hub.fetched == 1


def test_what_is_no_pipeline_or_has_no_pool_is_one_sentence(wan: Path, prompts: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelNotFound, match="is no whole pipeline of diffusers"):
        find_pipeline(str(tmp_path / "empty"))
    prompts.write_text(PROMPTS.partition("[pool]")[0])
    with pytest.raises(UnreadableText, match="has no section pool"):
        generate(prompts, tmp_path / "a", pipeline=str(wan), pool=tmp_path / "b")
    folder, facts = find_pipeline(str(wan))
    odd = VideoPipeline.load(folder, facts, GenerationSettings(height=33, frames=9, steps=1))
    with pytest.raises(ModelError, match="divisible by"):
        odd("w1", seed=0)
