"""One table of sources for all clips, one door for reviewed clips, one list of videos, and overlap is told."""

from __future__ import annotations

import shutil
import warnings
from contextlib import suppress
from pathlib import Path

import av
import numpy as np
import pytest

import videotcav as vt
from support.accepted import accepted_line
from support.study_text import study_text
from videotcav.concepts.folder import write_records
from videotcav.concepts.review.decisions import Candidate
from videotcav.concepts.review.ledger import Ledger
from videotcav.concepts.review.random_sets import write_random_set
from videotcav.concepts.review.review import counted_videos, reviewed_sets
from videotcav.errors import ConceptError, StudyFileError, VideosError, VideotcavError, VideotcavWarning
from videotcav.features.measure import ClipReader
from videotcav.records import ClipSpec
from videotcav.study.inputs import Inputs, overlaps, study_inputs
from videotcav.study.read_file import read_study_file
from videotcav.video.container import _IN_ONE_FILE
from videotcav.video.find import VIDEO_SUFFIXES, find_videos
from videotcav.video.read import frame_times
from videotcav.video.sources import Sources, counted_pieces, source_in
from videotcav.video.write import write_video

SPEC = ClipSpec(frames=4, seconds_between_frames=0.1, height=8, width=8, resize=8)


def film(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = np.random.default_rng(seed).integers(0, 255, (6, 16, 16, 3), dtype=np.uint8)
    write_video(path, frames, frames_per_second=10)
    return path


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study of concepts made by hand: 6 clips of 3 scenes, a pool of 4 and a class of 2, and its table of sources."""
    for number in range(6):
        film(tmp_path / "concepts" / "racket" / f"c{number}.mp4", number)
        film(tmp_path / "concepts" / "racket" / "frozen" / f"c{number}.mp4", 10 + number)
    for number in range(4):
        film(tmp_path / "random" / "deep" / f"r{number}.mp4", 20 + number)
    for number in range(2):
        film(tmp_path / "swing" / f"s{number}.mp4", 30 + number)
    rows = [f"concepts/racket/c{number}.mp4,scene {number // 2}" for number in range(6)]
    rows += [f"concepts/racket/frozen/c{number}.mp4,scene {number // 2}" for number in range(6)]
    rows += ["random/deep/r0.mp4,scene 0", "random/deep/r1.mp4,park", "swing/s0.mp4,hall", "swing/s1.mp4,hall"]
    (tmp_path / "scenes.csv").write_text("\n".join(["file,source", *rows, ""]))
    file = tmp_path / "study.toml"
    file.write_text(study_text(model="own:build", videos="swing") + '[sources]\ntable = "scenes.csv"\n')
    return file


def inputs_of(study: Path) -> Inputs:
    return study_inputs(read_study_file(study))


# --- one table -----------------------------------------------------------------------------------------------------


def test_the_table_says_the_source_of_every_clip_of_a_study(study: Path) -> None:
    inputs = inputs_of(study)
    scenes = [f"scene {number // 2}" for number in range(6)]
    found = {each.name: [clip.source for clip in each.clips] for each in inputs.concepts}
    assert found == {"racket/spatiotemporal": scenes, "racket/frozen": scenes}
    assert [file.source for file in inputs.random][:2] == ["scene 0", "park"]
    assert {file.source for file in inputs.classes["swing"]} == {"hall"}
    (remark,) = inputs.remarks
    assert "says nothing about 2 of 18 clips" in remark
    assert "r2.mp4" in remark


def test_a_column_of_groups_takes_the_place_of_sources(study: Path) -> None:
    """By file, by the source that a clip's own table names, and only where all of it fits."""
    table = study.parent / "scenes.csv"
    rows = table.read_text().splitlines()
    site = {"scene 0": "north", "scene 1": "north", "scene 2": "south", "park": "east", "hall": "hall"}
    grouped = [rows[0] + ",site", *(f"{row},{site[row.split(',')[1]]}" for row in rows[1:])]
    table.write_text("\n".join(grouped))
    study.write_text(study.read_text() + 'group = "site"\n')
    inputs = inputs_of(study)
    assert [clip.source for clip in inputs.concepts[0].clips] == ["north"] * 4 + ["south"] * 2
    assert inputs.videos[study.parent / "concepts" / "racket" / "c2.mp4"] == "scene 1"
    assert [file.source for file in inputs.random][:2] == ["north", "east"]
    assert "All clips of one site" in inputs.remarks[0]
    assert "2 clips have no site" in inputs.remarks[1]
    own = Sources.read(table, group="site")
    assert own.unit(study.parent / "elsewhere.mp4", "scene 2") == "south"
    table.write_text("\n".join([*grouped, "random/deep/r2.mp4,,east", "random/deep/r3.mp4,,west"]))
    assert [file.source for file in inputs_of(study).random] == ["north", "east", "east", "west"]
    for row, said in (
        ("random/deep/r2.mp4,scene 0,west", "'scene 0' is of 'north' and of 'west'"),
        ("random/deep/r2.mp4,lake,", "names no site of random/deep/r2.mp4"),
    ):
        table.write_text("\n".join([*grouped, row]))
        with pytest.raises(StudyFileError, match=said):
            inputs_of(study)
    table.write_text("\n".join(rows))
    with pytest.raises(StudyFileError, match="no column site"):
        inputs_of(study)


def test_a_file_without_a_group_is_not_taken_for_one(study: Path) -> None:
    """Its own name is that of a group: counted together they would be one video, which nobody said."""
    table = study.parent / "scenes.csv"
    table.write_text("file,source,site\nconcepts/racket/c0.mp4,a,random/deep/r2.mp4\n")
    study.write_text(study.read_text() + 'group = "site"\n')
    with pytest.raises(StudyFileError, match=r"says no site of .*r2\.mp4"):
        inputs_of(study)


def test_rows_of_a_renamed_folder_are_told(study: Path) -> None:
    (study.parent / "swing").rename(study.parent / "swings")
    study.write_text(study.read_text().replace('["swing"]', '["swings"]'))
    told = " ".join(inputs_of(study).remarks)
    assert "says nothing about 4 of 18 clips" in told
    assert "2 of 16 rows" in told
    assert "s0.mp4" in told


def test_a_table_that_fits_nothing_is_refused(study: Path) -> None:
    (study.parent / "scenes.csv").write_text("file,source\nelsewhere/a.mp4,a\n")
    with pytest.raises(StudyFileError, match="none of its 1 rows is about a file of this study"):
        inputs_of(study)
    (study.parent / "scenes.csv").write_text("file,source\nswing/s0.mp4,a\nswing/s0.mp4,b\n")
    with pytest.raises(StudyFileError, match=r"two sources of swing/s0\.mp4: 'a' and 'b'"):
        inputs_of(study)


def test_the_python_interface_takes_the_same_table(study: Path) -> None:
    table = study.parent / "scenes.csv"
    concepts = vt.read_concepts(study.parent / "concepts", SPEC, sources=table)
    assert [clip.source for clip in concepts["racket/spatiotemporal"].records] == [
        f"scene {number // 2}" for number in range(6)
    ]
    folder = study.parent / "swing"
    swings = vt.read_clips(folder, SPEC, sources={folder / "s0.mp4": "hall", folder / "s1.mp4": "court"})
    assert [clip.source for clip in swings.records] == ["hall", "court"]


def test_a_file_that_the_mapping_does_not_name_is_told(study: Path) -> None:
    with pytest.warns(VideotcavWarning, match="says nothing about 1 of 2 clips"):
        vt.read_clips(study.parent / "swing", SPEC, sources={study.parent / "swing" / "s0.mp4": "hall"})


def test_kinds_that_are_none_and_names_that_occur_twice_are_refused(study: Path) -> None:
    film(study.parent / "concepts" / "racket" / "spatiotemporal" / "c0.mp4", 40)
    with pytest.raises(ConceptError, match="two spatiotemporal clips called 'c0'"):
        inputs_of(study)
    shutil.rmtree(study.parent / "concepts" / "racket" / "spatiotemporal")
    film(study.parent / "concepts" / "racket" / "slow" / "c0.mp4", 40)
    with pytest.raises(ConceptError, match="slow: is no kind of clips"):
        inputs_of(study)


# --- one door ------------------------------------------------------------------------------------------------------


@pytest.fixture
def reviewed(study: Path) -> Path:
    """The concepts with c0 accepted, c1 rejected, c2 called a bottle, the others unsure."""
    folder = study.parent / "concepts"
    with Ledger(folder) as ledger:
        for number, verdict in enumerate(("accept", "reject", "relabel", "unsure", "unsure", "unsure")):
            label = "bottle" if verdict == "relabel" else None
            ledger.decide(
                [Candidate("racket", f"c{number}")],
                reviewer="Zoé",
                verdict=verdict,  # type: ignore[arg-type] # one of those that there are
                gesture=f"gesture-{number}",
                label=label,
            )
    return folder


def test_all_readers_give_the_same_clips_of_a_reviewed_folder(reviewed: Path, study: Path) -> None:
    right = {"bottle": ["c2"], "racket": ["c0"]}
    assert {each.concept: [clip.id for clip in each.clips] for each in reviewed_sets(reviewed).sets} == right
    assert {each.concept: [clip.id for clip in each.clips] for each in inputs_of(study).concepts} == right
    clips = vt.read_concepts(reviewed, SPEC)
    assert {
        name.partition("/")[0]: [clip.video.path.stem for clip in each.records] for name, each in clips.items()
    } == right
    assert [path.stem for path in counted_videos(reviewed / "racket")] == ["c0"]
    with pytest.raises(ConceptError, match="none of its clips is accepted"):
        counted_videos(reviewed / "racket" / "shuffled")


def test_the_table_may_name_a_clip_or_the_video_that_it_was_cut_from(study: Path) -> None:
    """The folder's own table speaks where the study's says nothing, and that is no clip without a source."""
    folder = study.parent / "cut"
    names = [f"ball/spatiotemporal/b{number}.mp4" for number in range(3)]
    for number, name in enumerate(names):
        film(folder / name, 60 + number)
    write_records(folder, [accepted_line(name, f"../match{number}.mp4") for number, name in enumerate(names)])
    sources = Sources({folder / names[0]: "court", study.parent / "match1.mp4": "court"})
    (balls,) = reviewed_sets(folder, sources=sources).sets
    assert [clip.source for clip in balls.clips] == ["court", "court", "of b2"]
    assert not any("says nothing" in remark for remark in sources.remarks())
    assert list(counted_videos(folder / "ball").values()) == ["of b0", "of b1", "of b2"]  # as maps take them


def test_a_reviewed_pool_without_a_table_holds_what_counts(study: Path, reviewed: Path) -> None:
    shutil.rmtree(study.parent / "random")
    shutil.copytree(reviewed, study.parent / "random")
    pool = {file.path.stem for file in inputs_of(study).random}
    assert pool == {"c0", "c2"}


def test_a_random_set_holds_nothing_that_people_turned_away_or_called_the_concept(tmp_path: Path) -> None:
    """Of four balls one is rejected, one is called a bottle; the two others are drawn, and then count."""
    folder = tmp_path / "concepts"
    names = ["bottle/spatiotemporal/d0.mp4", *(f"ball/spatiotemporal/c{number}.mp4" for number in range(4))]
    for number, name in enumerate(names):
        film(folder / name, 70 + number)
    write_records(folder, [accepted_line(name, "v.mp4").model_copy(update={"decision": "undecided"}) for name in names])
    with Ledger(folder) as ledger:
        ledger.decide([Candidate("ball", "c1")], reviewer="Ada", verdict="reject", gesture="gesture-1")
        ledger.decide([Candidate("ball", "c2")], reviewer="Ada", verdict="relabel", label="bottle", gesture="gesture-2")
    write_random_set(folder, tmp_path / "random", concept="bottle", size=2, rng=0)
    assert {path.stem for path in counted_videos(tmp_path / "random")} == {"c0", "c3"}


# --- overlap -------------------------------------------------------------------------------------------------------


def hashed(inputs: Inputs) -> dict[Path, str]:
    reader = ClipReader({None: inputs.set_files, **inputs.classes}, read=lambda *_: None)  # type: ignore[arg-type,return-value]
    reader.clips()
    return reader.digests


@pytest.mark.parametrize("of", ["concepts/racket/c1.mp4", "swing/s1.mp4"])
def test_a_pool_that_holds_what_it_is_compared_with_is_refused(study: Path, of: str) -> None:
    assert overlaps(inputs_of(study), hashed(inputs_of(study))) == []
    shutil.copy(study.parent / of, study.parent / "random" / "another name.mp4")
    inputs = inputs_of(study)
    with pytest.raises(ConceptError, match=rf"{Path(of).name}.*another name\.mp4"):
        overlaps(inputs, hashed(inputs))


def test_the_same_content_twice_is_told(study: Path) -> None:
    shutil.copy(study.parent / "concepts/racket/c1.mp4", study.parent / "concepts/racket/c9.mp4")
    shutil.copy(study.parent / "concepts/racket/c1.mp4", study.parent / "swing/s9.mp4")
    inputs = inputs_of(study)
    told = overlaps(inputs, hashed(inputs))
    assert "1 clips of concept 'racket/spatiotemporal' have the same content" in told[0]
    assert "in concept 'racket/spatiotemporal' and in class 'swing'" in told[1]


def test_the_same_content_twice_in_one_set_counts_once_and_in_another_set_too(study: Path) -> None:
    shutil.copy(study.parent / "concepts/racket/c1.mp4", study.parent / "concepts/racket/c9.mp4")
    shutil.copy(study.parent / "concepts/racket/c1.mp4", study.parent / "swing/s9.mp4")
    shutil.copy(study.parent / "swing/s0.mp4", study.parent / "swing/s0 again.mp4")
    inputs = inputs_of(study).with_views(2)
    once = inputs.once(hashed(inputs))
    assert [clip.id for clip in once.concepts[0].clips] == [f"c{number}" for number in range(6)]
    assert [(file.path.stem, file.view) for file in once.classes["swing"]] == [
        (name, view) for name in ("s0 again", "s1", "s9") for view in (0, 1)
    ]
    assert len(once.random) == 4


# --- pieces of longer videos ---------------------------------------------------------------------------------------


def test_pieces_of_longer_videos_are_told_by_their_counters() -> None:
    several = [Path(f"v/match_{letter}_{number:03d}.mp4") for letter in "ab" for number in (1, 2, 3)]
    assert [(name, len(paths)) for name, paths in counted_pieces(several)] == [("match_a_", 3), ("match_b_", 3)]
    one_name = [Path(f"swing/swing-{number:03d}.mp4") for number in range(30)]
    assert list(counted_pieces(one_name)) == []
    assert list(counted_pieces([Path("v/match_a_001.mp4"), Path("v/match_b_001.mp4")])) == []


def test_a_study_is_told_how_to_say_what_was_cut_from_what(study: Path) -> None:
    study.write_text(study.read_text().replace('[sources]\ntable = "scenes.csv"', ""))
    assert inputs_of(study).remarks == ()
    for path in (study.parent / "swing").iterdir():
        path.unlink()
    for name in ("match_a_1", "match_a_2", "match_b_1", "match_b_2"):
        film(study.parent / "swing" / f"{name}.mp4", hash(name) % 1000)
    (remark,) = inputs_of(study).remarks
    assert "4 files look like pieces of 2 longer videos" in remark
    assert "[sources]" in remark


# --- one list of videos --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".flv", ".3gp", ".mpg", ".MP4", ".m2ts"])
def test_every_place_takes_the_same_endings(study: Path, ending: str) -> None:
    for place in ("concepts/racket", "random", "swing"):
        film(study.parent / place / "x.mp4", 50).rename(study.parent / place / f"x{ending}")
    inputs = inputs_of(study)
    paths = [file.path for file in (*inputs.set_files, *inputs.classes["swing"])]
    assert sum(path.suffix == ending for path in paths) == 3
    assert ending.lower() in VIDEO_SUFFIXES


def test_the_list_has_every_ending_that_ffmpeg_names_for_what_the_decoder_reads() -> None:
    """By FFmpeg's own table; pictures, sound and texts, which share demuxers with videos, are named here."""
    others = {"avif", "avs", "heic", "heif", "ism", "isma", "m4a", "m4b", "mka", "mks", "mpo"}
    named: set[str] = set()
    for name in _IN_ONE_FILE.split(","):
        with suppress(ValueError):  # this FFmpeg has it not
            named |= av.ContainerFormat(name, "r").extensions
    assert len(named) > 30
    assert {f".{ending}" for ending in named - others} <= VIDEO_SUFFIXES


def test_a_video_without_a_known_ending_is_known_by_its_beginning(tmp_path: Path) -> None:
    for name, container in (("a", "mp4"), ("b.x1", "matroska"), ("c.x2", "mpegts"), ("d.x3", "avi"), ("e.x4", "nut")):
        with av.open(str(tmp_path / name), "w", format=container) as written:
            stream = written.add_stream("mpeg4", rate=8)
            stream.width = stream.height = 32
            stream.pix_fmt = "yuv420p"
            for _ in range(4):
                written.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))))
            written.mux(stream.encode(None))
    found = find_videos(tmp_path)
    assert [path.name for path in found] == ["a", "b.x1", "c.x2", "d.x3", "e.x4"]
    assert [len(frame_times(path)) for path in found] == [4] * 5
    (tmp_path / "a").rename(tmp_path / "sound.m4a")  # by its ending it is something else
    (tmp_path / "empty.x5").write_bytes(b"")
    (tmp_path / "other.x6").write_bytes(b"G" * 100 + bytes(400))
    with pytest.warns(VideotcavWarning, match=r"1 × \.m4a, 1 × \.x5, 1 × \.x6"):
        assert [path.name for path in find_videos(tmp_path)] == ["b.x1", "c.x2", "d.x3", "e.x4"]


def test_what_is_left_out_is_told_and_what_lies_beside_is_not(tmp_path: Path) -> None:
    film(tmp_path / "a.mp4")
    for name in ("a.json", "notes.txt", ".hidden.bin"):
        (tmp_path / name).write_text("")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert find_videos(tmp_path) == (tmp_path / "a.mp4",)
    (tmp_path / "b.xyz").write_text("")
    with pytest.warns(VideotcavWarning, match=r"left out .*1 × \.xyz.*1 videos are taken"):
        assert find_videos(tmp_path) == (tmp_path / "a.mp4",)


def test_brackets_in_names_that_are_there_are_names(tmp_path: Path) -> None:
    film(tmp_path / "dir [2024]" / "a[1].mp4")
    film(tmp_path / "dir [2024]" / "b?" / "c.mp4")
    found = tmp_path / "dir [2024]" / "a[1].mp4"
    assert find_videos(tmp_path / "dir [2024]" / "*.mp4") == (found,)
    assert find_videos(found) == (found,)
    assert find_videos(tmp_path / "dir [2024]" / "b?" / "*.mp4") == (tmp_path / "dir [2024]" / "b?" / "c.mp4",)
    assert find_videos(tmp_path / "dir *" / "a*.mp4") == (found,)
    with pytest.raises(VideosError, match="check the pattern"):
        find_videos(tmp_path / "dir [2025]" / "*.mp4")


def test_sources_tell_nothing_where_nothing_was_said() -> None:
    assert Sources().remarks() == []
    with pytest.raises(VideotcavError, match="none of its 1 rows"):
        Sources({"a.mp4": "a"}).remarks()


def test_a_link_that_leads_nowhere_is_a_video_that_is_not_there(tmp_path: Path) -> None:
    """It is listed, so that whoever reads it says so; left out, a set would be smaller without a word."""
    (tmp_path / "a.mp4").symlink_to("gone.mp4")
    (tmp_path / "folder.mp4").mkdir()
    assert find_videos(tmp_path) == (tmp_path / "a.mp4",)


def test_videos_behind_links_to_folders_are_found_and_a_link_to_a_folder_above_ends(tmp_path: Path) -> None:
    """As a shell's `find -L` lists them: data sets are often put together of links."""
    for name in ("data/part/a.mp4", "data/part/.hidden/b.mp4", "all/c.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "all/linked").symlink_to(tmp_path / "data/part")
    (tmp_path / "data/part/back").symlink_to(tmp_path / "all")
    (tmp_path / "all/own").symlink_to(tmp_path / "all")
    assert find_videos(tmp_path / "all", below=True) == (tmp_path / "all/c.mp4", tmp_path / "all/linked/a.mp4")
    assert find_videos(tmp_path / "all") == (tmp_path / "all/c.mp4",)


def test_names_of_kinetics_and_ucf101_say_their_source_with_or_without_an_ending_or_seconds() -> None:
    for name in (
        "dQw4w9WgXcQ_000010_000020",
        "dQw4w9WgXcQ_000010_000020.mp4",
        "a/dQw4w9WgXcQ_000010_000020.mp4#t=1.5,3",
    ):
        assert source_in(Path(name)) == "dQw4w9WgXcQ"
    assert source_in("v_Archery_g07_c02.avi") == "Archery_g07"
    assert source_in("match_01.mp4") == ""
