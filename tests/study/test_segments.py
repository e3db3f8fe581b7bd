"""A study and a probe of segments give the numbers of the same seconds that were cut into files of their own."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import videotcav as vt
from support.change_net import MODULE, NET, noise
from support.flicker import scene, sidecar
from support.study_text import study_text
from videotcav.concepts.detectors.detect import VideoFrames, load_detector
from videotcav.errors import BoxesError, ConceptError, StudyFileError
from videotcav.features.measure import ClipFile
from videotcav.interventions.locate import objects_of
from videotcav.records import ClipSpec
from videotcav.study.inputs import Inputs, overlaps, study_inputs
from videotcav.study.run import Study
from videotcav.video.clips import read_clip
from videotcav.video.segment import clip_sha256, segment_path
from videotcav.video.write import PictureWriter

SEGMENTS, SECONDS = 3, 0.5
STUDY = f"{study_text(model=f'{MODULE}:build', videos=[], of='moving')}[cam]\nclips = 2\nchecked = 0\n"


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips of the class, once as files of their own and once as seconds of longer ones: a frame decodes alike."""
    folder = tmp_path_factory.mktemp("segments")
    rng = np.random.default_rng(0)
    (folder / f"{MODULE}.py").write_text(NET)
    for name in ("cut", "whole", "random", "concepts/flicker"):
        (folder / name).mkdir(parents=True)
    write = PictureWriter(frames_per_second=10.0, quantiser=12).write
    for number in range(8):
        parts = [noise(rng, moving=True) for _ in range(SEGMENTS)]
        for part, frames in enumerate(parts):
            write(folder / f"cut/{number}-{part}.mp4", frames)
        write(folder / f"whole/{number}.mp4", np.concatenate(parts))
    for number in range(12):
        write(folder / f"concepts/flicker/{number}.mp4", noise(rng, moving=True))
    for number in range(40):
        write(folder / f"random/{number}.mp4", noise(rng, moving=bool(number % 2)))
    rows = [f"cut/{number}-{part}.mp4,whole/{number}.mp4" for number in range(8) for part in range(SEGMENTS)]
    (folder / "sources.csv").write_text("\n".join(["file,source", *rows, ""]))
    return folder


def _cut(folder: Path) -> list[Path]:
    return [folder / f"cut/{number}-{part}.mp4" for number in range(8) for part in range(SEGMENTS)]


def _segments(folder: Path) -> list[Path]:
    return [
        segment_path(folder / f"whole/{number}.mp4", part * SECONDS, (part + 1) * SECONDS)
        for number in range(8)
        for part in range(SEGMENTS)
    ]


def test_a_run_of_segments_is_the_run_of_the_same_seconds_in_files(
    material: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(material)])
    runs = {}
    for name, paths in {"cut": _cut(material), "segments": _segments(material)}.items():
        listed = [str(path.relative_to(material)) for path in paths]
        sources = '[sources]\ntable = "sources.csv"\n' if name == "cut" else ""
        (material / f"{name}.toml").write_text(STUDY.replace("videos = []", f"videos = {listed!r}") + sources)
        vt.run(material / f"{name}.toml", tmp_path / name)
        runs[name] = pq.read_table(tmp_path / name / "clips.parquet").to_pylist()
    own = {name: [row for row in rows if row["kind"] == "class"] for name, rows in runs.items()}
    assert [row["file"] for row in own["segments"][:2]] == ["whole/0.mp4#t=0,0.5", "whole/0.mp4#t=0.5,1"]
    for one, other in zip(own["cut"], own["segments"], strict=True):
        assert {**one, "file": ""} == {**other, "file": ""}
    run = vt.read_run(tmp_path / "segments")
    facts = run.manifest.classes["moving"]
    assert (facts.clips, facts.sources) == (24, 8)
    overlays = [medium for medium in run.manifest.media if medium.role == "cam"]
    assert len({medium.path for medium in overlays}) == 2
    assert [medium.clip for medium in overlays] == ["whole/0.mp4#t=0,0.5", "whole/0.mp4#t=0.5,1"]
    numbers = [pq.read_table(tmp_path / name / "results.parquet").to_pylist() for name in runs]
    assert numbers[0] == numbers[1]


def test_a_probe_of_segments_is_the_probe_of_the_same_seconds_in_files(
    material: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(material)])
    model = vt.load_model(f"{MODULE}:build")
    found = vt.probe(model, _segments(material), target="moving", edits=["still"])
    cut = vt.probe(model, _cut(material), target="moving", edits=["still"], table=_with_sources(material))
    assert [row["clip"] for row in found.clips] == [str(path) for path in _segments(material)]
    assert [{**row, "clip": "", "source": ""} for row in found.clips] == [
        {**row, "clip": "", "source": ""} for row in cut.clips
    ]
    assert [row.as_row() for row in found] == [row.as_row() for row in cut]
    assert found.manifest.sources == 8


def _with_sources(folder: Path) -> Path:
    return folder / "sources.csv"


def _inputs(classes: dict[str, list[Path]], random: list[Path]) -> tuple[Inputs, dict[Path, str]]:
    def files(paths: list[Path]) -> tuple[ClipFile, ...]:
        return tuple(ClipFile(path=path, source="s") for path in paths)

    inputs = Inputs((), files(random), {name: files(paths) for name, paths in classes.items()}, {}, {})
    return inputs, {file.path: clip_sha256(file.path) for some in (random, *classes.values()) for file in files(some)}


def test_segments_that_share_seconds_are_told(material: Path) -> None:
    file, other = material / "whole/0.mp4", material / "random/0.mp4"
    apart = [segment_path(file, 0, 0.5), segment_path(file, 0.5, 1)]
    assert overlaps(*_inputs({"a": apart}, [other])) == []
    (remark,) = overlaps(*_inputs({"a": [apart[0], segment_path(file, 0.4, 1)]}, [other]))
    assert remark.startswith("1 segments of class 'a' show seconds that others of it show too")
    (between,) = overlaps(*_inputs({"a": [apart[0]], "b": [segment_path(file, 0.4, 1)]}, [other]))
    assert between.startswith("1 clips are in class 'a' and in class 'b'")


def test_the_pool_may_not_hold_what_a_segment_shows(material: Path) -> None:
    file = material / "whole/0.mp4"
    with pytest.raises(ConceptError, match="the random pool holds clips"):
        overlaps(*_inputs({"a": [segment_path(file, 0, 0.5)]}, [file]))


def _list(folder: Path) -> Path:
    rows = [f"{number}.mp4,Moving,{part / 2},{part / 2 + 0.5}" for number in range(8) for part in range(SEGMENTS)]
    table = folder / "whole" / "clips.csv"
    table.write_text("\n".join(["path,label,start,end", *rows, "lost.mp4,Moving,0,1"]))
    return table


def test_a_study_and_a_probe_take_a_list(material: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(material)])
    table = _list(material)
    text = STUDY.replace("[classes.moving]\nvideos = []", '[classes]\nlist = "whole/clips.csv"\nlimit_per_class = 10')
    (material / "listed.toml").write_text(text)
    study = Study.from_file(material / "listed.toml")
    inputs = study_inputs(study.file)
    (files,) = inputs.classes.values()
    assert [*inputs.classes] == ["moving"]  # the model's own name
    assert len(files) == 10
    assert {file.path for file in files} < set(_segments(material))
    assert inputs.remarks[0].startswith("1 of 25 rows")
    model = study.model
    given = vt.ClipList(list=table, limit_per_class=10)
    same = Study.of(model, classes=given, concepts=material / "concepts", random=material / "random")
    assert {file.path for file in study_inputs(same.file).classes["moving"]} == {file.path for file in files}
    found = vt.probe(model, given, edits=["still"])
    assert {row["clip"] for row in found.clips} == {str(file.path) for file in files}
    assert found.manifest.remarks[0].startswith("1 of 25 rows")


def test_what_is_wrong_with_a_list_is_a_mistake_of_the_study(material: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(material)])
    (material / "odd.csv").write_text("path,label\nwhole/0.mp4,standing\nwhole/1.mp4,moving\n")
    for key, reason in {
        'list = "none.csv"': "classes.list: .*no such file",
        'list = "odd.csv"\nlimit = 3': "classes.limit: unknown key; closest: .*'limit_per_class'",
        'list = "odd.csv"': "classes.standing: no class 'standing'",
    }.items():
        (material / "wrong.toml").write_text(STUDY.replace("[classes.moving]\nvideos = []", f"[classes]\n{key}"))
        with pytest.raises(StudyFileError, match=reason) as told:
            Study.from_file(material / "wrong.toml")
        assert len(told.value.problems) == 1


def test_boxes_of_a_file_are_those_of_its_segments(tmp_path: Path) -> None:
    """A box that moves eight pixels a frame; the segment begins with the third frame."""
    file = tmp_path / "a.mp4"
    PictureWriter(frames_per_second=10.0, quantiser=12).write(file, scene(np.random.default_rng(0)))
    boxes = json.loads(sidecar(["a.mp4"], {"lamp": (0, 0, 4, 4)}))
    for frame, each in enumerate(boxes["annotations"]):
        each["bbox"] = [6 * frame, 6 * frame, 4, 4]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    spec = ClipSpec(frames=2, seconds_between_frames=0.1, height=32, width=32, resize=32)
    own, _ = read_clip(segment_path(file, 0.2, 0.5), spec, start_seconds=0.0)
    whole, _ = read_clip(file, spec, start_seconds=0.2)
    (one, other) = objects_of([own, whole], spec, tmp_path / "boxes.json", "lamp").objects
    assert one is not None
    assert other is not None
    assert np.array_equal(one.masks, other.masks)
    assert one.masks[0, 12:16, 12:16].all()
    with pytest.raises(BoxesError, match="counts the frames of whole files"):
        load_detector(tmp_path / "boxes.json")(VideoFrames(np.zeros((1, 32, 32, 3), np.uint8), own.video, 0))
