from __future__ import annotations

from pathlib import Path

import pytest

from support.study_text import study_text
from videotcav.errors import StudyFileError
from videotcav.study.file import class_videos
from videotcav.study.read_file import read_study_file

GOOD = "seed = 3\n" + study_text()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("swing", "concepts", "random"):
        (tmp_path / name).mkdir()
    for name in ("b.mp4", "a.mp4"):
        (tmp_path / "swing" / name).touch()
    return tmp_path


def written(folder: Path, text: str) -> Path:
    path = folder / "study.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_good_file_gives_its_study_with_defaults(folder: Path) -> None:
    file = read_study_file(written(folder, GOOD))
    assert file.study.seed == 3
    assert file.study.tests.alpha == 0.05
    assert file.text == GOOD
    assert class_videos(file.study, file.folder) == {"swing": (folder / "swing" / "a.mp4", folder / "swing" / "b.mp4")}


def test_every_mistake_is_told_at_once_with_its_key_and_a_suggestion(folder: Path) -> None:
    text = (
        GOOD.replace('folder = "concepts"', 'folder = "concept"\ninclued = ["racket"]')
        .replace('videos = ["swing/*.mp4"]', 'videos = ["swung/*.mp4"]')
        .replace("seed = 3", 'seed = "three"\npoling = "space"')
        + '[tests]\nalpha = 2.0\ncorrection = "holms"\n'
    )
    with pytest.raises(StudyFileError) as caught:
        read_study_file(written(folder, text))
    told = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 7
    assert "poling: unknown key; closest: 'pooling'" in told
    assert "concepts.inclued: unknown key; closest: 'include'" in told
    assert "seed: " in told
    assert "tests.alpha: " in told
    assert "tests.correction: " in told
    assert "concepts.folder: 'concept' does not exist" in told
    assert "classes.swing.videos: 'swung/*.mp4' matches no file" in told


def test_missing_tables_are_named(folder: Path) -> None:
    with pytest.raises(StudyFileError) as caught:
        read_study_file(written(folder, 'question = "?"\n'))
    assert set(caught.value.problems) == {f"{key}: is missing" for key in ("model", "classes", "concepts", "random")}


def test_an_unknown_key_in_a_class_is_suggested_from_the_keys_of_a_class(folder: Path) -> None:
    with pytest.raises(StudyFileError, match=r"classes\.swing\.video: unknown key; closest: 'videos'"):
        read_study_file(written(folder, GOOD.replace("videos = ", "video = ")))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"question = ", "is not TOML"),
        (b"\xff\xfe\x00", "not UTF-8 text"),
        (None, "cannot be read: there is no such file"),
    ],
)
def test_what_is_not_a_study_file_is_refused_in_one_sentence(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    path = tmp_path / "study.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StudyFileError, match=reason):
        read_study_file(path)


def test_further_checks_join_the_list(folder: Path) -> None:
    with pytest.raises(StudyFileError) as caught:
        read_study_file(written(folder, GOOD + "[tests]\nseed = 1\n"), check=lambda _: ["layers[0]: no such layer"])
    assert caught.value.problems == (
        "tests.seed: a study has one seed; write it at the top, as seed = 0",
        "layers[0]: no such layer",
    )
