"""Matched pools: the concept's own shares, by drawing whole clips, and what no pool may be matched on."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from videotcav.concepts.folder import ClipRecord, read_records, write_records
from videotcav.concepts.review.matching import LabelTable, counts_to_match, draw_matched, refuse_unmatchable
from videotcav.concepts.review.random_sets import RandomDraw, write_random_set
from videotcav.errors import ArgumentError, NotEnoughData, UnreadableText


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_shares_are_the_concepts_own_to_a_clip() -> None:
    """7 : 2 : 1 of 15 are 10.5, 3 and 1.5: the two halves go by name, one of them."""
    concept = [("court",)] * 7 + [("grass",)] * 2 + [("sand",)]
    assert counts_to_match(concept, 15) == {("court",): 11, ("grass",): 3, ("sand",): 1}
    assert counts_to_match(concept, 10) == {("court",): 7, ("grass",): 2, ("sand",): 1}


def test_a_matched_pool_has_each_combination_as_often_and_spreads_over_sources() -> None:
    concept = [("court", "day")] * 6 + [("grass", "day")] * 3 + [("grass", "night")] * 3
    pool = {
        f"clip {number}": (f"video {number // 3}", (("court", "grass")[number % 2], ("day", "night")[number // 60]))
        for number in range(120)
    }
    drawn = draw_matched(pool, concept, columns=("floor", "light"), size=24, rng=rng())
    assert len(set(drawn)) == 24
    assert Counter(pool[clip][1] for clip in drawn) == {
        ("court", "day"): 12,
        ("grass", "day"): 6,
        ("grass", "night"): 6,
    }
    assert len({pool[clip][0] for clip in drawn}) >= 18
    assert drawn == draw_matched(pool, concept, columns=("floor", "light"), size=24, rng=rng())


def test_a_pool_that_is_too_small_says_how_many_can_be_matched() -> None:
    pool = {f"c{number}": (f"v{number}", ("court",) if number < 4 else ("grass",)) for number in range(40)}
    with pytest.raises(NotEnoughData, match=r"needs 10 clips with floor = court, and there are 4; 8 clips can be"):
        draw_matched(pool, [("court",), ("grass",)], columns=["floor"], size=20, rng=rng())


@pytest.mark.parametrize(
    ("columns", "own", "concept", "pool", "sentence"),
    [
        (["shape"], ["shape"], {("racket",)}, {("racket",), ("ball",)}, "'shape' is the concept's own column"),
        (["sort"], [], {("racket",)}, {("ball",), ("box",)}, r"'sort' tells every clip of the concept \(racket\)"),
    ],
)
def test_what_says_what_the_concept_is_is_no_column_to_match_on(
    columns: list[str], own: list[str], concept: set[tuple[str]], pool: set[tuple[str]], sentence: str
) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        refuse_unmatchable(columns, own, concept, pool)


def test_columns_that_both_have_are_matched_on() -> None:
    refuse_unmatchable(["floor"], ["shape"], {("court",)}, {("court",), ("grass",)})


# --- from files ----------------------------------------------------------------------------------------------------


def write_set(folder: Path, concept: str, label: str, sources: list[str]) -> None:
    """A concept folder with a clip a source; nobody decodes them here."""
    records = []
    for number, source in enumerate(sources):
        name = f"{concept}/spatial/{concept}-{number}.mp4"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
        records.append(
            ClipRecord(
                file_name=name, id=f"{concept}-{number}", concept=concept, kind="spatial", label=label, source=source,
                source_sha256="0" * 64, source_video=f"../videos/{source}.mp4", track="1", frames=(0,),
                boxes=((0, 0, 9, 9),), scores=(0.9,), frames_per_second=25.0, width=64, height=48, detector="yolo",
                detector_sha256="1", recipe="{}", decision="accepted",
            )
        )  # fmt: skip
    write_records(folder, records)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten rackets, eight of them on a court; forty other things, half of them on one."""
    write_set(tmp_path / "concepts", "racket", "tennis racket", [f"match {number}" for number in range(10)])
    write_set(tmp_path / "pool", "things", "bottle", [f"film {number}" for number in range(40)])
    lines = [f"../videos/match {number}.mp4,{'court' if number < 8 else 'grass'},racket" for number in range(10)]
    lines += [f"film {number},{'court' if number % 2 else 'grass'},thing" for number in range(40)]
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "labels.csv").write_text("\ufefffile,floor,sort\r\n" + "\r\n".join(lines) + "\r\n")
    return tmp_path


def draw(folder: Path, **options: object) -> RandomDraw:
    given = {"concept": "racket", "size": 20, "rng": 0, "pools": [folder / "pool"], "match": ["floor"]}
    given["table"] = folder / "tables" / "labels.csv"
    return write_random_set(folder / "concepts", folder / "random", **(given | options))


def test_a_random_set_is_matched_on_the_users_table(folder: Path) -> None:
    """By the path of the video in one half of the table, by the name of the source in the other."""
    drawn = draw(folder)
    assert drawn.matched_on == ("floor",)
    assert "with its own shares of floor" in drawn.sentence
    films = [int(record.source.removeprefix("film ")) for record in read_records(folder / "random")]
    assert (len(films), sum(number % 2 for number in films)) == (20, 16)


def test_what_the_table_cannot_do_is_one_sentence(folder: Path) -> None:
    with pytest.raises(ArgumentError, match=r"has no column 'flor'; it has: floor, sort"):
        draw(folder, match=["flor"])
    with pytest.raises(ArgumentError, match="'sort' tells every clip of the concept"):
        draw(folder, match=["sort"])
    with pytest.raises(ArgumentError, match="'sort' is the concept's own column"):
        draw(folder, match=["sort"], own=["sort"])
    with pytest.raises(ArgumentError, match="match names columns of a table: give both"):
        draw(folder, table=None)
    with pytest.raises(NotEnoughData, match="floor = court"):
        draw(folder, size=40)
    table = folder / "tables" / "labels.csv"
    table.write_text(table.read_text(encoding="utf-8-sig").replace("film 3,court", "film 3,"))
    with pytest.raises(ArgumentError, match=r"does not say floor of things/spatial/things-3\.mp4, from film 3"):
        draw(folder)
    table.write_text("file,floor\nfilm 1,court\nfilm 1,grass\n")
    with pytest.raises(UnreadableText, match="says two things of film 1"):
        LabelTable.read(table)
    assert not (folder / "random").exists()
