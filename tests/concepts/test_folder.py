"""The folder: with its table, without it, and as Hugging Face `datasets` reads it."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

import numpy as np
import pytest

from videotcav.concepts.folder import (
    ClipRecord,
    accept,
    read_candidates,
    read_records,
    told_of_kinds,
    write_records,
)
from videotcav.concepts.propose.recipe import Recipe
from videotcav.concepts.propose.show import contact_sheet, summarise
from videotcav.concepts.propose.videos import propose_from_boxes
from videotcav.concepts.review.random_sets import draw_evenly, write_random_set
from videotcav.errors import ConceptError, ConceptNotFound, NotEnoughData, PathTaken
from videotcav.records import KINDS

WHOLE = Recipe(frames_per_clip=None, min_hash_distance=0)


@pytest.fixture
def folder(make_videos, tmp_path: Path) -> Path:
    videos = make_videos(3)
    propose_from_boxes(
        videos, videos / "boxes.json", tmp_path / "out", labels=["square", "tennis racket"], recipe=WHOLE
    )
    return tmp_path / "out"


def test_a_plain_folder_works_without_a_table(folder: Path):
    (folder / "metadata.jsonl").unlink()
    sets = read_candidates(folder)
    assert [one.name for one in sets[:2]] == ["square/spatial", "square/spatiotemporal"]
    assert sets[0].clips[0].source == sets[0].clips[0].path.stem


def test_only_the_wanted_concepts_are_read_and_a_wrong_name_is_corrected(folder: Path):
    assert {one.concept for one in read_candidates(folder, include=["square"])} == {"square"}
    with pytest.raises(ConceptNotFound, match="no concept 'squares'; closest: 'square'"):
        read_candidates(folder, include=["squares"])


def test_damage_to_the_folder_is_named(folder: Path, tmp_path: Path):
    with pytest.raises(ConceptNotFound, match="no such concept folder"):
        read_candidates(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConceptNotFound, match="no concept clips; expected"):
        read_candidates(tmp_path / "empty")
    record = read_records(folder)[0]
    (folder / record.file_name).unlink()
    with pytest.raises(ConceptError, match=f"1 clips of metadata.jsonl are not there, the first is {record.file_name}"):
        read_candidates(folder)
    with (folder / "metadata.jsonl").open("a") as table:
        table.write('{"file_name": "x.mp4"}\n')
    with pytest.raises(ConceptError, match="line 31: id: Field required"):
        read_candidates(folder)


@pytest.mark.parametrize("name", ["person\u2028at net", "ball\u0085bounce", "a\x0bb"])
def test_a_name_may_hold_any_character_that_json_leaves_as_it_is(folder: Path, name: str):
    records = read_records(folder)
    write_records(folder, [record.model_copy(update={"label": name}) for record in records])
    assert {record.label for record in read_records(folder)} == {name}


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (b'{"file_name": "ball/1.mp4", "text": "a ball"}', "line 31: (id: Field required|text: Extra inputs)"),
        (b'{"clip": 1', "line 31: Invalid JSON"),
        (b"not json at all", "line 31: Invalid JSON"),
        (b"\xff\xfe", "is not UTF-8 text"),
    ],
)
def test_a_foreign_line_in_the_table_is_told_in_a_sentence(folder: Path, line: bytes, sentence: str):
    with (folder / "metadata.jsonl").open("ab") as table:
        table.write(line + b"\n")
    for use in (read_candidates, accept, summarise):
        with pytest.raises(ConceptError, match=sentence):
            use(folder)


def test_an_outcome_or_rules_of_another_version_are_told_in_a_sentence(folder: Path, make_videos):
    outcome = next((folder / ".propose" / "done").glob("*/*.json"))
    whole = json.loads(outcome.read_text())
    outcome.write_text(json.dumps({key: whole[key] for key in ("video", "concept", "clips")}))
    with pytest.raises(ConceptError, match=r"square\.json: source: Field required"):
        summarise(folder)
    (folder / ".propose" / "recipe.json").write_text("[1")
    videos = make_videos(3)
    with pytest.raises(PathTaken, match="cannot be read as the rules"):
        propose_from_boxes(videos, videos / "boxes.json", folder, labels=["square"], recipe=WHOLE)


def test_a_folder_that_is_not_there_has_nothing_to_accept(tmp_path: Path):
    with pytest.raises(ConceptNotFound, match="there is no such folder"):
        accept(tmp_path / "nowhere")


def test_accepting_one_concept_leaves_the_others(folder: Path):
    assert accept(folder, include=["square"]) == 15
    assert accept(folder, include=["square"]) == 0
    assert {(r.concept, r.decision) for r in read_records(folder)} == {
        ("square", "accepted"),
        ("tennis_racket", "undecided"),
    }


def test_provenance_leads_back_to_the_source_pixels(folder: Path):
    record = next(record for record in read_records(folder) if record.kind == "reversed")
    assert (folder / record.source_video).resolve().name == f"{record.source}.mp4"
    assert record.frames == tuple(range(11, -1, -1))
    lefts = [box[0] for box in record.boxes]
    assert lefts == sorted(lefts, reverse=True)
    rules = json.loads(record.recipe)
    assert (rules["mode"], rules["detector"], rules["min_sharpness"]) == ("paper", "boxes", 20.0)


def test_hugging_face_datasets_reads_it_as_a_videofolder(folder: Path, tmp_path: Path):
    datasets = pytest.importorskip("datasets", reason="Hugging Face datasets is not installed")
    loaded = datasets.load_dataset(
        "videofolder", data_dir=str(folder), cache_dir=str(tmp_path / "cache"), split="train"
    )
    assert len(loaded) == len(read_records(folder)) == 30
    rows = loaded.cast_column("video", datasets.Video(decode=False)).to_list()
    assert {(row["concept"], row["kind"]) for row in rows} == {
        (concept, kind) for concept in ("square", "tennis_racket") for kind in KINDS
    }
    assert all(Path(row["video"]["path"]).parent.name == row["kind"] for row in rows)
    assert rows[0]["frames"] == list(read_records(folder)[0].frames)


def test_show_counts_what_is_there_and_draws_it(folder: Path, tmp_path: Path):
    square, racket = summarise(folder)
    assert (square.concept, square.candidates, square.sources, square.accepted) == ("square", 3, 3, 0)
    assert square.clips == dict.fromkeys(KINDS, 3)
    assert (square.smallest_side, square.largest_side) == (20, 20)
    assert racket.rejected == {}
    assert contact_sheet(folder, tmp_path / "sheet.png") == 6


def test_random_clips_come_evenly_and_avoid_the_concepts_sources():
    pool = [(source, f"{source}{i}") for source in "abcd" for i in range(5)]
    drawn = draw_evenly(pool, avoid={"a", "b"}, size=6, rng=np.random.default_rng(0))
    assert sorted(source for source, _ in drawn) == ["c"] * 3 + ["d"] * 3
    more = draw_evenly(pool, avoid={"a", "b"}, size=14, rng=np.random.default_rng(0))
    assert sorted(source for source, _ in more) == ["a"] * 2 + ["b"] * 2 + ["c"] * 5 + ["d"] * 5
    with pytest.raises(NotEnoughData, match="21 random clips were asked for, and the pool has 20"):
        draw_evenly(pool, avoid=(), size=21, rng=np.random.default_rng(0))


def test_a_random_set_says_when_it_must_share_sources(folder: Path, tmp_path: Path):
    drawn = write_random_set(folder, tmp_path / "random", concept="square", size=2, rng=0)
    assert len(drawn.shared_sources) == 2
    assert "sources are the concept's own" in drawn.sentence
    sets = read_candidates(tmp_path / "random")
    assert [one.name for one in sets] == ["random/spatial", "random/spatiotemporal"]
    record = read_records(tmp_path / "random")[0]
    assert (tmp_path / "random" / record.source_video).resolve().is_file()
    with pytest.raises(PathTaken, match="is there already"):
        write_random_set(folder, tmp_path / "random", concept="square", size=2, rng=0)
    with pytest.raises(ConceptNotFound, match="no concept 'sqare'; closest: 'square'"):
        write_random_set(folder, tmp_path / "other", concept="sqare", size=2, rng=0)


def test_clips_that_lie_in_no_folder_of_a_kind_are_told(folder: Path, tmp_path: Path):
    """Nobody said that they move."""
    (folder / "metadata.jsonl").unlink()
    assert not [*told_of_kinds(read_candidates(folder))]
    loose = tmp_path / "loose"
    (loose / "square").mkdir(parents=True)
    for clip in (folder / "square/spatiotemporal").iterdir():
        clip.rename(loose / "square" / clip.name)
    sets = read_candidates(loose)
    assert [one.name for one in sets] == ["square/spatiotemporal"]
    (told,) = told_of_kinds(sets)
    assert told.startswith("3 clips of square lie in no folder of a kind, and so count as moving ones")
    (folder / "square/frozen").rename(loose / "square/frozen")  # whose moving ones the others must be
    assert not [*told_of_kinds(read_candidates(loose))]


def test_the_table_is_written_by_one_at_a_time(make_videos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Whoever reads it to write it anew holds the folder: another process that asks for it meanwhile has to wait."""
    held: list[bool] = []

    def read(place: Path) -> list[ClipRecord]:
        other = os.open(place, os.O_RDONLY)
        try:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held.append(True)
        else:
            held.append(False)
        finally:
            os.close(other)
        return read_records(place)

    monkeypatch.setattr("videotcav.concepts.propose.workshop.read_records", read)
    monkeypatch.setattr("videotcav.concepts.folder.read_records", read)
    videos = make_videos(1)
    propose_from_boxes(videos, videos / "boxes.json", tmp_path / "out", labels=["square"], recipe=WHOLE)
    accept(tmp_path / "out")
    assert held == [True, True]
