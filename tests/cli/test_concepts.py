"""The concepts commands, from annotated videos to a random set."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from support.shell import videotcav
from videotcav.cli.concepts import concepts
from videotcav.cli.console import Voice
from videotcav.errors import ArgumentError, NotEnoughData, UnreadableText, VideoNotFound, VideotcavWarning
from videotcav.video.write import write_video


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Two videos of noise with the same region of interest."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for number in range(2):
        noise = np.random.default_rng(number).integers(0, 255, (16, 32, 48, 3)).astype(np.uint8)
        write_video(folder / f"v{number}.mp4", noise, frames_per_second=8)
    (folder / "marks.json").write_text(json.dumps({"regions": {"mark": [4, 4, 24, 24], "rest": [24, 4, 44, 24]}}))
    return folder


def run(*words: object, as_json: bool = True) -> object:
    result = CliRunner().invoke(
        concepts, [str(word) for word in words], obj=Voice(json=as_json), catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout) if as_json else result.stdout


def test_from_videos_to_a_random_set(videos: Path, tmp_path: Path):
    out = tmp_path / "concepts"
    words = ("propose", videos, "--detector", videos / "marks.json", "--label", "mark=logo", "--label", "*=other")
    proposal = run(*words, "-o", out, "--mode", "window", "--fill", "124,116,104", "--rule", "seed=3")
    assert [(one["video"], one["concept"], len(one["clips"])) for one in proposal["outcomes"]] == [
        ("v0", "logo", 5),
        ("v0", "other", 5),
        ("v1", "logo", 5),
        ("v1", "other", 5),
    ]
    shown = run("show", out, "--sheet", tmp_path / "sheet.png")
    assert [(one["concept"], one["candidates"]) for one in shown] == [("logo", 2), ("other", 2)]
    assert (tmp_path / "sheet.png").is_file()
    assert run("accept", out, "--all") == {"accepted": 20}
    drawn = run("random", out, "--for", "logo", "--size", "2", "-o", tmp_path / "random")
    assert len(drawn["shared_sources"]) == 2
    assert "2 candidates from 2 sources" in run("show", out, as_json=False)


def test_wrong_rules_are_named_with_those_that_exist(videos: Path, tmp_path: Path):
    words = ("propose", videos, "--detector", videos / "marks.json", "--label", "mark", "-o", tmp_path / "out")
    with pytest.raises(ArgumentError, match=r"min_side_pixel: unknown; closest: 'min_side_pixels'"):
        run(*words, "--rule", "min_side_pixel=3")
    with pytest.raises(ArgumentError, match=r"zzz: unknown; known are mode, cut, fill"):
        run(*words, "--rule", "zzz=3")
    with pytest.raises(ArgumentError, match="mode: input should be 'paper', 'window' or 'in-place'"):
        run(*words, "--mode", "windows")


def test_recordings_come_from_a_table(videos: Path, tmp_path: Path):
    (tmp_path / "scenes.csv").write_text("file,scene\nv0.mp4,a\nv1.mp4,a\n")
    words = ("propose", videos, "--detector", videos / "marks.json", "--label", "mark", "-o", tmp_path / "out")
    proposal = run(*words, "--sources", tmp_path / "scenes.csv", "--source-column", "scene")
    assert {one["source"] for one in proposal["outcomes"]} == {"a"}
    with pytest.raises(UnreadableText, match="has no column 'source'; found: file, scene"):
        run(*words, "--sources", tmp_path / "scenes.csv")


def test_a_table_that_leaves_a_recording_open_makes_no_source_of_it(videos: Path, tmp_path: Path):
    """Two folders may have a video of one name; an empty cell is no recording that videos have in common."""
    words = ("propose", videos, "--detector", videos / "marks.json", "--label", "mark", "-o", tmp_path / "out")
    (tmp_path / "scenes.csv").write_text("file,source\na/v0.mp4,match 1\nb/v0.mp4,match 2\n")
    with pytest.raises(UnreadableText, match="says that 'v0' is of 'match 1' and of 'match 2'"):
        run(*words, "--sources", tmp_path / "scenes.csv")
    (tmp_path / "scenes.csv").write_text("file,source\nv0.mp4,\nv1.mp4, \n")
    found = {one["source"] for one in run(*words, "--sources", tmp_path / "scenes.csv")["outcomes"]}
    assert found == {"v0", "v1"}


def test_a_list_of_clips_names_the_videos_and_their_recordings(videos: Path, tmp_path: Path):
    """Of three rows one is of another class, and one of a video that is lost."""
    (videos / "clips.csv").write_text("path,label,source\nv0.mp4,goal,match\nv1.mp4,foul,other\nv2.mp4,goal,match\n")
    words = ("propose", videos / "clips.csv", "--detector", videos / "marks.json", "--label", "mark")
    with pytest.warns(VideotcavWarning, match="1 of 2 rows of .* are about files that are not there"):
        proposal = run(*words, "--list", "include=goal", "-o", tmp_path / "out")
    assert [(one["video"], one["source"]) for one in proposal["outcomes"]] == [("v0", "match")]


def test_a_list_that_tells_two_recordings_of_one_name_is_refused(videos: Path, tmp_path: Path):
    (videos / "again").mkdir()
    shutil.copy(videos / "v0.mp4", videos / "again" / "v0.mp4")
    (videos / "clips.csv").write_text("path,label,source\nv0.mp4,goal,match\nagain/v0.mp4,goal,other\n")
    words = ("propose", videos / "clips.csv", "--detector", videos / "marks.json", "--label", "mark")
    with pytest.raises(UnreadableText, match="says that 'v0' is of 'match' and of 'other'"):
        run(*words, "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_recordings_of_other_videos_are_told(videos: Path, tmp_path: Path):
    (tmp_path / "scenes.csv").write_text("file,source\nv0.mp4,a\nrenamed.mp4,a\n")
    words = ("propose", videos, "--detector", videos / "marks.json", "--label", "mark", "-o", tmp_path / "out")
    with pytest.warns(VideotcavWarning, match="1 rows of sources are about videos .* such as 'renamed'"):
        run(*words, "--sources", tmp_path / "scenes.csv")


def test_accepting_nothing_in_particular_is_wrong_usage(tmp_path: Path):
    result = CliRunner().invoke(concepts, ["accept", str(tmp_path)], obj=Voice())
    assert result.exit_code == 2
    assert "say --all" in result.output


SIDECAR = {
    "videos": [{"id": 1, "file_name": "v0.mp4", "width": 48, "height": 32}],
    "images": [{"id": 1, "video_id": 1, "frame_index": 0}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "track_id": 1, "bbox": [4, 4, 20, 20]}],
    "categories": [{"id": 1, "name": "tennis racket"}],
}


def proposing(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """The exit code of `videotcav concepts propose` in an own folder, as a shell sees it."""
    return videotcav(monkeypatch, "concepts", "propose", *words)


@pytest.mark.parametrize(
    ("name", "content", "label", "sentence"),
    [
        ("net.onnx", "not a network", "person", "net.onnx: is not an ONNX network that onnxruntime can load"),
        ("boxes.json", SIDECAR, "tenis raket", "has no label 'tenis raket'; closest: 'tennis racket'"),
        (
            "boxes.json",
            SIDECAR | {"annotations": [{**SIDECAR["annotations"][0], "bbox": [90, 4, 20, 20]}]},
            "tennis racket",
            "box (90, 4, 110, 24) of 'tennis racket' in frame 0 of v0.mp4 lies outside the 48×32 frame",
        ),
        (
            "boxes.json",
            SIDECAR | {"videos": [{"id": 1, "file_name": "v1.mp4"}]},
            "tennis racket",
            "has no boxes for the video v0.mp4; closest: 'v1'",
        ),
        (
            "boxes.json",
            SIDECAR | {"videos": [{"id": 1, "file_name": "v0.mp4", "width": 1920, "height": 1080}]},
            "tennis racket",
            "says v0.mp4 is 1920×1080, but it is 48×32",
        ),
        (
            "boxes.csv",
            "clip,index\nv0.mp4,1\n",
            "tennis racket",
            "and has none; its columns are clip, index; name them as --form: video=COLUMN,frame=COLUMN,left=COLUMN,…",
        ),
        (
            "boxes.json",
            SIDECAR | {"images": [{"id": 1, "video_id": 1, "frame_index": 16}]},
            "tennis racket",
            "frame 16 of v0.mp4, whose last frame is 15",
        ),
    ],
    ids=[
        "no network",
        "no such label",
        "outside the frame",
        "of another video",
        "of another size",
        "no columns",
        "after the end",
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_written(  # noqa: PLR0917 - fixtures and cases
    videos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    content: object,
    label: str,
    sentence: str,
):
    if name.endswith(".onnx"):
        pytest.importorskip("onnxruntime", reason="onnxruntime (the extra detect) is not installed")
    source = tmp_path / name
    source.write_text(content if isinstance(content, str) else json.dumps(content))
    out, shown = tmp_path / "out", tmp_path / "shown"
    words = (videos / "v0.mp4", "--detector", source, "--label", label, "-o", out, "--overlay", shown)
    assert proposing(monkeypatch, *words) == 1
    said = capsys.readouterr().err.strip()
    assert said.startswith("error: ")
    assert sentence in said.replace("\n", " ")
    assert "Traceback" not in said
    assert not out.exists()
    assert not shown.exists()


def test_a_video_without_detections_is_named_and_there_is_nothing_to_look_at(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "boxes.json").write_text(json.dumps(SIDECAR | {"images": [], "annotations": []}))
    out = tmp_path / "out"
    words = (videos / "v0.mp4", "--detector", tmp_path / "boxes.json", "--label", "tennis racket=racket", "-o", out)
    assert proposing(monkeypatch, *words) == 0
    said = capsys.readouterr()
    assert "v0: nothing of what was asked for (racket) was found in it" in said.err
    assert "0 new candidates" in said.out
    assert "review" not in said.out
    assert run("show", out) == [
        {"concept": "racket", "clips": {}, "candidates": 0, "sources": 0, "accepted": 0, "smallest_side": 0}
        | {"median_side": 0, "largest_side": 0, "rejected": {}}
    ]
    assert not list(out.rglob("*.mp4"))


def test_a_random_set_is_matched_on_columns_of_a_table(videos: Path, tmp_path: Path):
    """The place stands for the region: what is refused is told with the table's words."""
    out = tmp_path / "concepts"
    words = ("propose", videos, "--detector", videos / "marks.json", "--label", "mark=logo", "--label", "*=other")
    run(*words, "-o", out, "--mode", "window")
    run("accept", out, "--all")
    (videos / "labels.csv").write_text("file,place,light\nv0.mp4,hall,day\nv1.mp4,park,day\n")
    words = ("random", out, "--for", "logo", "--table", videos / "labels.csv", "--own", "light")
    with pytest.raises(ArgumentError, match="cannot be matched on 'light', which is its own column"):
        run(*words, "--match", "place, light", "-o", tmp_path / "random")
    with pytest.raises(NotEnoughData, match="no clip with place = hall from other videos than the concept's"):
        run(*words, "--match", "place", "-o", tmp_path / "random")


def test_marking_begins_with_videos_that_are_there_and_a_folder_that_may_be_new(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    pytest.importorskip("uvicorn")
    monkeypatch.setattr("uvicorn.Server.run", interrupted)
    with pytest.raises(VideoNotFound, match="there is no such file"):
        run("mark", videos, tmp_path / "gone.mp4", "-o", tmp_path / "out", "--no-browser")
    assert not (tmp_path / "out").exists()
    words = ["mark", str(videos), "-o", str(tmp_path / "out"), "--as", "Ada", "--no-browser"]
    assert "/mark?token=" in CliRunner().invoke(concepts, words, obj=Voice(), catch_exceptions=False).stderr
