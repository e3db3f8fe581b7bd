"""No output ever takes the place of an input, or of a file that somebody else made."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from support.shell import OWN_MODEL, videotcav
from videotcav.concepts.folder import write_records
from videotcav.concepts.propose.recipe import Recipe
from videotcav.concepts.propose.show import contact_sheet
from videotcav.concepts.propose.videos import propose_from_boxes
from videotcav.concepts.review.review import export_decisions
from videotcav.errors import OutputError, StoreError, VideoError, masked
from videotcav.maps.files import writer_for
from videotcav.maps.view import ClipMaps, View
from videotcav.outputs import is_ours, refuse_overwriting, short_name, whole_file, write_text
from videotcav.planted.render import render_demo
from videotcav.results.folder import new_run_folder
from videotcav.results.manifest import ModelFacts
from videotcav.video.info import ClipOrigin, VideoInfo
from videotcav.video.write import write_video

NOISE = np.random.default_rng(0).integers(0, 255, (8, 16, 16, 3), dtype=np.uint8)


def _foreign(path: Path) -> bytes:
    path.write_bytes(b"somebody else's")
    return path.read_bytes()


def _said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str]:
    return videotcav(monkeypatch, *words), capsys.readouterr().err


# --- whose file it is ----------------------------------------------------------------------------------------------


def _same(path: Path) -> Path:
    return path


def _linked(path: Path) -> Path:
    os.link(path, path.with_name("hard.mp4"))
    return path.with_name("hard.mp4")


def _pointed_at(path: Path) -> Path:
    path.with_name("soft.mp4").symlink_to(path)
    return path.with_name("soft.mp4")


def _by_another_way(path: Path) -> Path:
    return path.parent / ".." / path.parent.name / path.name


@pytest.mark.parametrize("reached", [_same, _linked, _pointed_at, _by_another_way])
@pytest.mark.parametrize("replace", [False, True])
def test_an_input_is_never_written_to_under_whatever_name(
    tmp_path: Path, reached: Callable[[Path], Path], *, replace: bool
) -> None:
    write_video(tmp_path / "in.mp4", NOISE, frames_per_second=8)  # bears the mark, and is an input all the same
    with pytest.raises(OutputError, match="is an input"):
        refuse_overwriting([reached(tmp_path / "in.mp4")], inputs=[tmp_path / "in.mp4"], replace=replace)


def test_somebody_elses_file_is_replaced_only_where_that_is_asked_for(tmp_path: Path) -> None:
    _foreign(tmp_path / "theirs.png")
    with pytest.raises(OutputError, match="was not written by videotcav") as refused:
        refuse_overwriting([tmp_path / "theirs.png"])
    assert "`replace=True`" in refused.value.hint
    refuse_overwriting([tmp_path / "theirs.png", tmp_path / "not there.png"], replace=True)
    with pytest.raises(OutputError, match="is a folder"):
        refuse_overwriting([tmp_path], replace=True)


def _maps(video: Path) -> ClipMaps:
    info = VideoInfo(path=video, sha256="", width=16, height=16, duration_seconds=1, frames_per_second=8)
    clip = ClipOrigin(video=info, timestamps=(0.0, 0.5), top=0, left=0, pixels_per_row=1, pixels_per_column=1)
    values = np.arange(512, dtype=np.float32).reshape(1, 1, 1, 2, 16, 16)
    return ClipMaps(
        model=ModelFacts(name="own"),
        clips=(clip,),
        views=(View(method="grad-cam", layer="0"),),
        classes=(("yes",),),
        probabilities=((1.0,),),
        values=values,
    )


@pytest.mark.parametrize("end", ["mp4", "gif", "png", "npz"])
def test_whatever_maps_are_written_to_is_known_again(tmp_path: Path, end: str) -> None:
    write_video(tmp_path / "in.mp4", NOISE, frames_per_second=8)
    path = tmp_path / f"map.{end}"
    writer_for(path)(path, _maps(tmp_path / "in.mp4"))
    assert is_ours(path)
    assert not is_ours(_path_of_foreign(tmp_path))


def _path_of_foreign(folder: Path) -> Path:
    _foreign(folder / "theirs")
    return folder / "theirs"


@pytest.mark.parametrize("end", ["png", "jpg"])
def test_contact_sheets_are_known_again_and_pictures_of_others_are_kept(tmp_path: Path, end: str) -> None:
    clips = tmp_path / "concepts" / "racket" / "spatial"
    clips.mkdir(parents=True)
    write_video(clips / "c0.mp4", NOISE, frames_per_second=8)
    sheet = tmp_path / f"sheet.{end}"
    before = _foreign(sheet)
    with pytest.raises(OutputError, match="not written by videotcav"):
        contact_sheet(tmp_path / "concepts", sheet)
    assert sheet.read_bytes() == before
    contact_sheet(tmp_path / "concepts", sheet, replace=True)
    contact_sheet(tmp_path / "concepts", sheet)
    with pytest.raises(OutputError, match=r"end it in \.png or \.jpg"):
        contact_sheet(tmp_path / "concepts", tmp_path / "sheet.doc")


# --- every command -------------------------------------------------------------------------------------------------


def test_overlays_never_replace_the_videos_that_they_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "ovl"
    folder.mkdir()
    write_video(folder / "v0.mp4", NOISE, frames_per_second=8)
    (folder / "boxes.json").write_text(json.dumps({"regions": {"mark": [2, 2, 14, 14]}}))
    before = (folder / "v0.mp4").read_bytes()
    words = ("concepts", "propose", folder / "*.mp4", "--detector", folder / "boxes.json", "--label", "mark")
    code, told = _said(monkeypatch, capsys, *words, "--frames", "4", "-o", tmp_path / "c", "--overlay", folder)
    assert code == 1
    assert "is an input" in told
    assert (folder / "v0.mp4").read_bytes() == before
    assert not list((tmp_path / "c").rglob("*.mp4"))
    before = _foreign(_made(tmp_path / "drawn") / "v0.mp4")
    code, told = _said(monkeypatch, capsys, *words, "-o", tmp_path / "c", "--overlay", tmp_path / "drawn")
    assert (code, "--replace" in told) == (1, True)
    assert (tmp_path / "drawn" / "v0.mp4").read_bytes() == before
    code, _ = _said(monkeypatch, capsys, *words, "-o", tmp_path / "c", "--overlay", tmp_path / "drawn", "--replace")
    assert code == 0
    assert (tmp_path / "drawn" / "v0.mp4").read_bytes() != before


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_maps_never_replace_their_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net_of_the_output_tests.py").write_text(OWN_MODEL)
    write_video("x.mp4", NOISE, frames_per_second=8)
    before = Path("x.mp4").read_bytes()
    own = ("--model", "net_of_the_output_tests:build")
    code, told = _said(monkeypatch, capsys, "cam", "x.mp4", *own, "-o", "x.mp4", "--replace")
    assert (code, "is an input" in told) == (1, True)
    for twice in range(2):  # what the tool wrote may be written again
        assert _said(monkeypatch, capsys, "cam", "x.mp4", *own, "-o", "map.png")[0] == 0, twice
    theirs = _foreign(Path("theirs.png"))
    code, told = _said(monkeypatch, capsys, "cam", "x.mp4", *own, "-o", "theirs.png")
    assert (code, "--replace" in told) == (1, True)
    assert Path("theirs.png").read_bytes() == theirs
    assert Path("x.mp4").read_bytes() == before


def test_rendering_scenes_keeps_a_study_file_of_others(tmp_path: Path) -> None:
    before = _foreign(tmp_path / "study.toml")
    few = {"class_clips": 1, "other_clips": 1, "concept_sources": 1, "random_sources": 1}
    with pytest.raises(OutputError, match=r"study\.toml"):
        render_demo(tmp_path, **few)  # type: ignore[arg-type] # numbers
    assert [path.name for path in tmp_path.iterdir()] == ["study.toml"]
    assert (tmp_path / "study.toml").read_bytes() == before
    for _ in range(2):
        render_demo(tmp_path / "own", **few)  # type: ignore[arg-type] # as above


def test_proposals_keep_clips_that_they_did_not_write(tmp_path: Path) -> None:
    videos = _made(tmp_path / "videos")
    write_video(videos / "v0.mp4", NOISE, frames_per_second=8)
    (videos / "boxes.json").write_text(json.dumps({"regions": {"mark": [2, 2, 14, 14]}}))
    recipe = Recipe(frames_per_clip=4, min_side_pixels=4)
    propose_from_boxes(videos, videos / "boxes.json", tmp_path / "first", labels=["mark"], recipe=recipe)
    (made, *_) = (tmp_path / "first").glob("mark/spatial/*.mp4")
    theirs = tmp_path / "second" / "mark" / "spatial" / made.name
    theirs.parent.mkdir(parents=True)
    before = _foreign(theirs)
    with pytest.raises(OutputError, match="not written by videotcav"):
        propose_from_boxes(videos, videos / "boxes.json", tmp_path / "second", labels=["mark"], recipe=recipe)
    assert theirs.read_bytes() == before


def test_exported_decisions_and_run_folders_keep_what_is_there(tmp_path: Path) -> None:
    before = _foreign(tmp_path / "decisions.jsonl")
    write_records(tmp_path / "concepts", [])
    with pytest.raises(OutputError, match="not written by videotcav"):
        export_decisions(tmp_path / "concepts", tmp_path / "decisions.jsonl")
    assert (tmp_path / "decisions.jsonl").read_bytes() == before
    web_page = _made(tmp_path / "web page")
    (web_page / "manifest.json").write_text('{"name": "a web page"}')
    with pytest.raises(Exception, match="exists already"), new_run_folder(web_page, replace=True):
        pass
    assert (web_page / "manifest.json").is_file()


# --- whole files ---------------------------------------------------------------------------------------------------


def test_a_full_disk_leaves_no_half_of_a_store_and_the_next_try_succeeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zarr = pytest.importorskip("zarr")
    write_video(tmp_path / "in.mp4", NOISE, frames_per_second=8)
    path = tmp_path / "map.zarr"

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(zarr.Group, "create_array", full)
        with pytest.raises(OutputError, match="No space left"):
            writer_for(path)(path, _maps(tmp_path / "in.mp4"))
    assert [each.name for each in tmp_path.iterdir()] == ["in.mp4"]
    writer_for(path)(path, _maps(tmp_path / "in.mp4"))
    assert zarr.open_group(path, mode="r")["maps"].shape == (1, 1, 2, 16, 16)


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "old")

    def half() -> None:
        with whole_file(tmp_path / "a.txt") as unfinished:
            unfinished.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    assert (tmp_path / "a.txt").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_appears_whole_or_not_at_all_and_what_it_lacked_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"set: cannot be written \(No such file or directory: .*gone\.mp4\)"):
        _copied(tmp_path / "gone.mp4", tmp_path / "set")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "clip.mp4").write_bytes(b"clip")
    _copied(tmp_path / "clip.mp4", tmp_path / "set")
    assert (tmp_path / "set" / "clip.mp4").read_bytes() == b"clip"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["clip.mp4", "set"]


def _copied(file: Path, out: Path) -> None:
    with whole_file(out) as unfinished:
        unfinished.mkdir()
        (unfinished / file.name).write_bytes(file.read_bytes())


def test_two_that_write_one_file_at_a_time_do_not_mix(tmp_path: Path) -> None:
    """As two threads do: the last one to end is the one that is there, whole."""
    with whole_file(tmp_path / "a.txt") as first:
        first.write_text("first")
        with whole_file(tmp_path / "a.txt") as second:
            second.write_text("second")
        assert (tmp_path / "a.txt").read_text() == "second"
    assert (tmp_path / "a.txt").read_text() == "first"


@pytest.mark.parametrize("name", ["x" * 251 + ".mp4", "ü" * 125 + ".mp4", "視" * 83 + ".mp4"])
def test_the_longest_legal_names_can_be_written(tmp_path: Path, name: str) -> None:
    write_video(tmp_path / name, NOISE, frames_per_second=8)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_long_names_differ_also_when_they_are_shortened() -> None:
    assert short_name("as it is.mp4") == "as it is.mp4"
    assert short_name("x" * 250 + "1.mp4") != short_name("x" * 250 + "2.mp4")
    assert len(short_name("ü" * 127).encode()) <= 191


# --- addresses -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("s3://key:secret@bucket/rows", "s3://***@bucket/rows"),
        ("--store https://host/rows?sig=abc&x=1 --quiet", "--store https://host/rows?*** --quiet"),
        ("'ray://user@head:10001' and s3://bucket/rows", "'ray://***@head:10001' and s3://bucket/rows"),
        ("mail a@b.c, file C:/x?y", "mail a@b.c, file C:/x?y"),
    ],
)
def test_addresses_are_told_without_their_passwords(text: str, shown: str) -> None:
    assert masked(text) == shown
    assert str(StoreError(text)) == shown
    assert str(pickle.loads(pickle.dumps(StoreError(text)))) == shown  # noqa: S301 - our own


def test_errors_keep_their_cure_on_the_way_between_processes() -> None:
    error = pickle.loads(pickle.dumps(OutputError("there", hint="give `replace=True`")))  # noqa: S301 - our own
    assert (str(error), error.hint) == ("there; give `replace=True`", "give `replace=True`")
    assert str(pickle.loads(pickle.dumps(VideoError("a.mp4", "is empty")))) == "a.mp4: is empty"  # noqa: S301 - our own
