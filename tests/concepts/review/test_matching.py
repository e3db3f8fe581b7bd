"""Matched pools: hand-made tables with known answers, and the traps."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videotcav.concepts.folder import ClipRecord, read_records, write_records
from videotcav.concepts.review.matching import Labelled, Matched, match
from videotcav.concepts.review.random_sets import RandomDraw, write_random_set
from videotcav.errors import ArgumentError, ConceptError, NotEnoughData, UnreadableText


def clips(prefix: str, labels: str, *, a_source: int = 1) -> list[Labelled]:
    """So many clips of a source for each letter, which is its place."""
    return [
        Labelled(f"{prefix}{number}", f"{prefix}{number}-{clip}", {"place": letter})
        for number, letter in enumerate(labels)
        for clip in range(a_source)
    ]


def draw(concept: list[Labelled], pool: list[Labelled], *, seed: int = 0, **how: object) -> Matched:
    found: Matched = match(concept, pool, ["place"], name="ball", rng=np.random.default_rng(seed), **how)  # type: ignore[arg-type]
    return found


def places(found: Matched) -> Counter[str | None]:
    return Counter({clip.source: clip.labels["place"] for clip in found.clips}.values())


def test_the_shares_are_those_of_the_concepts_source_videos() -> None:
    """3 of 4 videos on grass; the pool has 12 videos on grass and 30 on courts: 12 and 4 can be drawn."""
    found = draw(clips("c", "ggcg"), clips("p", "g" * 12 + "c" * 30 + "s" * 9, a_source=2))
    assert places(found) == {"g": 12, "c": 4}
    assert len(found.clips) == 32
    assert found.matching.farthest == 0.0
    assert found.matching.sources == 16
    assert "exactly" in found.matching.sentence


def test_a_video_with_many_clips_counts_once() -> None:
    """Nine of ten clips are on grass, but one of two videos is."""
    concept = [*clips("g", "g", a_source=9), *clips("c", "c")]
    assert places(draw(concept, clips("p", "g" * 20 + "c" * 6))) == {"g": 6, "c": 6}


def test_shares_that_whole_videos_cannot_have_are_told() -> None:
    """Thirds of 7 videos: 3, 2 and 2, at most 3/7 − 1/3 from a third."""
    found = draw(clips("c", "gcs"), clips("p", "ggggccccssss"), most=7)
    assert sorted(places(found).values()) == [2, 2, 3]
    assert found.matching.farthest == pytest.approx(3 / 7 - 1 / 3)
    assert "to within 9.5 %" in found.matching.sentence


@given(
    concept=st.lists(st.sampled_from("gcs"), min_size=1, max_size=12),
    pool=st.lists(st.sampled_from("gcsx"), min_size=30, max_size=60),
    seed=st.integers(0, 10),
)
@settings(max_examples=40, deadline=None)
def test_no_share_is_farther_off_than_one_video(concept: list[str], pool: list[str], seed: int) -> None:
    try:
        found = draw(clips("c", "".join(concept)), clips("p", "".join(pool)), seed=seed)
    except (NotEnoughData, ArgumentError):  # too few of a place, or none in common
        return
    count = found.matching.sources
    shares = Counter(concept)
    drawn = places(found)
    assert sum(drawn.values()) == count
    assert set(drawn) <= set(shares)
    assert all(abs(drawn[letter] / count - n / len(concept)) < 1 / count for letter, n in shares.items())


def test_columns_are_matched_jointly() -> None:
    """Half on grass and half by day, but never on grass by day: margins alone would let such clips in."""

    def of(prefix: str, pairs: list[tuple[str, str]]) -> list[Labelled]:
        return [Labelled(f"{prefix}{n}", f"{prefix}{n}", {"place": a, "light": b}) for n, (a, b) in enumerate(pairs)]

    concept = of("c", [("grass", "night"), ("court", "day")] * 5)
    pool = of("p", [(a, b) for a in ("grass", "court") for b in ("day", "night") for _ in range(8)])
    found = match(concept, pool, ["place", "light"], name="ball", rng=np.random.default_rng(0))
    drawn = Counter((clip.labels["place"], clip.labels["light"]) for clip in found.clips)
    assert drawn == {("grass", "night"): 8, ("court", "day"): 8}


def test_a_video_of_two_places_helps_where_it_is_needed_and_only_there() -> None:
    both = [Labelled(f"b{n}", f"b{n}-{letter}", {"place": letter}) for n in range(4) for letter in "gc"]
    found = draw(clips("c", "gc"), [*both, *clips("p", "g" * 4)])
    assert places(found) == {"g": 4, "c": 4}
    assert {clip.labels["place"] for clip in found.clips if clip.source.startswith("b")} == {"c"}


def test_the_seed_decides_which_videos() -> None:
    pool = clips("p", "gc" * 30)
    first, again, other = (draw(clips("c", "gc"), pool, seed=seed, most=10).clips for seed in (0, 0, 1))
    assert first == again != other


def test_the_concepts_own_videos_and_clips_without_a_label_are_left_out() -> None:
    pool = [*clips("c", "gg"), *clips("p", "g" * 8), Labelled("x", "x", {"place": None})]
    found = draw(clips("c", "gg"), pool)
    assert {clip.source[0] for clip in found.clips} == {"p"}
    assert found.matching.unlabelled == 1
    assert "1 clips of the pool have no such label" in found.matching.sentence


# --- traps ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("concept", "pool", "how", "sentence"),
    [
        ("gc", "gc" * 9, {"own": ["place"]}, "cannot be matched on 'place', which is its own column"),
        ("gg", "cs" * 9, {}, r"tells 'ball' and the pool apart perfectly \('g' against 'c', 's'\)"),
    ],
)
def test_what_the_concept_is_cannot_be_matched(concept: str, pool: str, how: dict[str, object], sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        draw(clips("c", concept), clips("p", pool), **how)


@pytest.mark.parametrize(("column", "label"), [("Ball", "yes"), ("shape", "ball")])
def test_a_column_that_names_the_concept_is_its_own(column: str, label: str) -> None:
    concept = [Labelled(f"c{n}", f"c{n}", {column: label}) for n in range(6)]
    pool = [Labelled(f"p{n}", f"p{n}", {column: label if n % 2 else "no"}) for n in range(20)]
    with pytest.raises(ArgumentError, match="says what it is"):
        match(concept, pool, [column], name="ball", rng=np.random.default_rng(0))


def test_numbers_are_no_labels() -> None:
    def of(prefix: str) -> list[Labelled]:
        return [Labelled(f"{prefix}{n}", f"{prefix}{n}", {"light": f"0.{n}1"}) for n in range(12)]

    with pytest.raises(ArgumentError, match="holds 12 different numbers, and only labels can be matched"):
        match(of("c"), of("p"), ["light"], name="ball", rng=np.random.default_rng(0))


@pytest.mark.parametrize(
    ("concept", "pool", "sentence"),
    [
        ("gggc", "g" * 20, "no clip with place = c from other videos than the concept's, as 25 % of the source videos"),
        ("gc", "g" * 20 + "c", "has 2 source videos; at least 5 are needed. Add clips with place = c.* from 1 videos"),
    ],
)
def test_too_few_left_is_refused_with_what_is_missing(concept: str, pool: str, sentence: str) -> None:
    with pytest.raises(NotEnoughData, match=sentence):
        draw(clips("c", concept), clips("p", pool))


def test_clips_of_the_concept_without_a_label_are_named() -> None:
    concept = [*clips("c", "gg"), Labelled("x", "film x", {"place": None})]
    with pytest.raises(
        ConceptError, match="1 of 3 clips of 'ball' have no label in the column 'place', the first is film x"
    ):
        draw(concept, clips("p", "g" * 9))


# --- from a folder -------------------------------------------------------------------------------------------------


def record(concept: str, number: int, kind: str) -> ClipRecord:
    name = f"{concept}-{number}"
    return ClipRecord(
        file_name=f"{concept}/{kind}/{name}.mp4",
        id=name,
        concept=concept,
        kind=kind,  # type: ignore[arg-type]
        label=concept,
        source=name,
        source_sha256="",
        source_video=f"../videos/{name}.mp4",
        track="0",
        frames=(0,),
        boxes=((0.0, 0.0, 1.0, 1.0),),
        scores=(1.0,),
        frames_per_second=10.0,
        width=8,
        height=8,
        detector="",
        detector_sha256="",
        recipe="",
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight balls, six of them on grass, and 40 other things, 10 of them on grass, with twins; labels of the films."""
    folder = tmp_path / "concepts"
    records = [
        record(concept, number, kind)
        for concept, count in (("ball", 8), ("other", 40))
        for number in range(count)
        for kind in ("spatiotemporal", "frozen")
    ]
    for each in records:
        (folder / each.file_name).parent.mkdir(parents=True, exist_ok=True)
        (folder / each.file_name).write_bytes(each.file_name.encode())
    write_records(folder, records)
    rows = [f"videos/ball-{n}.mp4,{'grass' if n < 6 else 'court'},round" for n in range(8)]
    rows += [f"videos/other-{n}.mp4,{'grass' if n < 10 else 'court'},flat" for n in range(40)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,place,shape", *rows, "gone.mp4,grass,flat", ""]))
    return folder


def drawn(folder: Path, out: str = "random", **how: object) -> RandomDraw:
    table = {"table": folder.parent / "labels.csv"} | how
    found: RandomDraw = write_random_set(folder, folder.parent / out, concept="ball", rng=0, **table)  # type: ignore[arg-type]
    return found


def test_a_matched_random_set_is_written(folder: Path) -> None:
    found = drawn(folder, size=12, match=["place"], own="shape")
    records = read_records(folder.parent / "random")
    numbers = sorted(int(each.id.removeprefix("other-")) for each in records)
    assert len(numbers) == 12
    assert sum(number < 10 for number in numbers) == 9  # three quarters, as of the balls
    assert found.matching is not None
    assert found.matching.farthest == 0.0
    assert "matched on place: shares of source videos are the concept's exactly" in found.sentence
    assert len(found.remarks) == 1
    assert "gone.mp4" in found.remarks[0]


def test_labels_of_one_kind_of_clips_are_those_of_their_track(folder: Path) -> None:
    """The table may name the moving clips, and the twins that stand beside them not."""
    table = folder.parent / "labels.csv"
    rows = table.read_text().replace("videos/ball-", "concepts/ball/spatiotemporal/ball-")
    table.write_text(rows.replace("videos/other-", "concepts/other/spatiotemporal/other-"))
    assert drawn(folder, size=12, match=["place"]).clips == 12


def test_rows_may_name_sources(folder: Path) -> None:
    table = folder.parent / "labels.csv"
    table.write_text(table.read_text().replace("videos/", "").replace(".mp4", ""))
    assert drawn(folder, size=12, match="place").clips == 12


@pytest.mark.parametrize(
    ("how", "error", "sentence"),
    [
        ({"match": ["shape"]}, ArgumentError, "tells 'ball' and the pool apart perfectly"),
        ({"match": "shape", "own": "shape"}, ArgumentError, "is its own column"),
        ({"match": ["place"], "table": "elsewhere/labels.csv"}, UnreadableText, "none of its 49 rows is about a clip"),
        ({"match": ["plaice"]}, UnreadableText, "no column 'plaice' of labels; closest: 'place'"),
        ({"match": ["place"], "own": "form"}, UnreadableText, "no column 'form' of labels"),
        (
            {"match": ["place"], "size": 30},
            NotEnoughData,
            "30 random clips were asked for.* the pool has 14 .*ask for 14",
        ),
        ({"match": ["place"], "table": None}, ArgumentError, "match names columns of a table: give both"),
        ({}, ArgumentError, "match names columns of a table: give both"),
        ({"own": "shape", "table": None}, ArgumentError, "match names columns of a table: give both"),
    ],
)
def test_what_cannot_be_drawn_leaves_no_folder(
    folder: Path, how: dict[str, object], error: type[Exception], sentence: str
) -> None:
    (folder.parent / "elsewhere").mkdir()
    shutil.copy(folder.parent / "labels.csv", folder.parent / "elsewhere")
    if how.get("table"):
        how = how | {"table": folder.parent / str(how["table"])}
    with pytest.raises(error, match=sentence):
        drawn(folder, **({"size": 12} | how))
    assert not (folder.parent / "random").exists()
