"""Tables that people bring: whatever form they have, one label each, and what does not fit is told in one sentence."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from videotcav.errors import UnreadableText
from videotcav.video.labels import Labels
from videotcav.video.sources import Sources

ROWS = [("videos/a.mp4", "grass", "1"), ("videos/b.mp4", "court", "2"), ("c é.mp4", "", "1")]


def csv_table(path: Path, *, newline: str = "\n", mark: bytes = b"") -> Path:
    lines = ["file, background ,camera", *(",".join(row) for row in ROWS), "", ""]
    path.write_bytes(mark + newline.join(lines).encode())
    return path


def jsonl_table(path: Path) -> Path:
    path.write_text(
        '{"file_name": "videos/a.mp4", "background": "grass", "camera": 1, "boxes": [[0, 1, 2, 3]]}\r\n\r\n'
        '{"file_name": "videos/b.mp4", "background": "court", "camera": 2.0}\r\n'
        '{"file_name": "c é.mp4", "background": null, "camera": 1}'
    )
    return path


def parquet_table(path: Path) -> Path:
    names, backgrounds, _ = zip(*ROWS, strict=True)
    pq.write_table(pa.table({"file": names, "background": backgrounds, "camera": [1.0, 2.0, 1.0]}), path)
    return path


@pytest.mark.parametrize(
    "table",
    [
        lambda folder: csv_table(folder / "t.csv"),
        lambda folder: csv_table(folder / "t.csv", newline="\r\n", mark=b"\xef\xbb\xbf"),
        lambda folder: csv_table(folder / "t.txt", newline="\r"),
        lambda folder: jsonl_table(folder / "t.jsonl"),
        lambda folder: parquet_table(folder / "t.parquet"),
        lambda folder: jsonl_table(folder / "metadata"),  # what a file holds says what it is
        lambda folder: parquet_table(folder / "0000.parquet.1"),
    ],
)
def test_every_form_says_the_same(tmp_path: Path, table) -> None:
    labels = Labels.read(table(tmp_path))
    assert labels.columns == ("background", "camera")
    told = [tuple(labels.of(column, tmp_path / name) for column in labels.columns) for name, _, _ in ROWS]
    assert told == [("grass", "1"), ("court", "2"), (None, "1")]
    assert labels.of("background", tmp_path / "a.mp4") is None  # the row is about another folder's


def test_a_clip_has_its_own_label_before_that_of_its_video(tmp_path: Path) -> None:
    labels = Labels({tmp_path / "film.mp4": {"place": "hall"}, tmp_path / "clip.mp4": {"place": "park"}})
    assert labels.of("place", tmp_path / "clip.mp4", tmp_path / "film.mp4") == "park"
    assert labels.of("place", tmp_path / "other.mp4", tmp_path / "film.mp4") == "hall"


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("t.csv", b"video,place\na.mp4,hall\n", r"has no column file; found: video, place"),
        ("t.csv", b"", r"has no column file; found: no rows"),
        ("t.csv", b"file,place, place\na.mp4,hall,park\n", r"names the column 'place' twice; rename one"),
        ("t.csv", b"file,place\na.mp4,hall, north\n", r"line 2 has 3 cells, and the first line names 2 columns"),
        ("t.csv", b"file,place\n,hall\n", r"row 1 names no file"),
        ("t.csv", b"file,place\na.mp4,hall\n./a.mp4,park\n", r"two things of ./a.mp4: place is 'hall' and 'park'"),
        ("t.csv", b"file,place\na.mp4,hall\na.mp4,\n", r"two things of a.mp4: place is 'hall' and empty"),
        ("t.csv", b"\xff\xfef\x00i\x00", r"not UTF-8 text"),
        ("t.jsonl", b'{"file": "a.mp4", "place": "hall", "place": "park"}', r"line 1: names the column 'place' twice"),
        ("t.jsonl", b'{"file": "a.mp4"}\n[1]', r"line 2: is no object"),
        ("t.jsonl", b'{"file": "a.mp4"}\n{', r"line 2: is not JSON"),
        ("t.parquet", b"PAR1 and nothing", r"is not Parquet"),
    ],
)
def test_what_does_not_fit_is_told_in_one_sentence(tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnreadableText, match=sentence) as caught:
        Labels.read(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_rows_about_nothing_here_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    labels = Labels.read(csv_table(tmp_path / "t.csv"))
    labels.of("background", tmp_path / "a.mp4")
    with pytest.raises(UnreadableText, match=r"none of its 3 rows is about a clip or a source video here.*relative"):
        labels.remarks()
    labels.of("background", tmp_path / "videos" / "a.mp4")
    assert [remark.split(",")[0] for remark in labels.remarks()] == [
        f"2 of 3 rows of {tmp_path / 't.csv'} are about files that are not there"
    ]
    with pytest.raises(UnreadableText, match=r"no column 'backgruond' of labels; closest: 'background'"):
        labels.refuse_unknown(["backgruond"])


def test_a_table_of_sources_with_two_columns_of_one_name_is_refused_too(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("file,source,source\na.mp4,hall,park\n")
    with pytest.raises(UnreadableText, match="names the column 'source' twice"):
        Sources.read(tmp_path / "t.csv")
