from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from support.manifests import write_seed
from videotcav.errors import OutputError, PathTaken
from videotcav.results.folder import free_run_folder, new_run_folder


def test_a_run_folder_appears_complete(tmp_path: Path) -> None:
    target = tmp_path / "runs" / "one"
    with new_run_folder(target) as folder:
        write_seed(folder, 0)
        assert not target.exists()
    assert (target / "manifest.json").is_file()
    assert [path.name for path in target.parent.iterdir()] == ["one"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_run_that_ends_early_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    def run() -> None:
        with new_run_folder(tmp_path / "one") as folder:
            write_seed(folder, 0)
            raise error

    with pytest.raises(error):
        run()
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_run_survives_when_its_replacement_fails(tmp_path: Path) -> None:
    with new_run_folder(tmp_path / "one") as folder:
        write_seed(folder, 1)
    with pytest.raises(ValueError, match="no"), new_run_folder(tmp_path / "one", replace=True):
        raise ValueError("no")
    assert '"seed": 1' in (tmp_path / "one" / "manifest.json").read_text()
    with new_run_folder(tmp_path / "one", replace=True) as folder:
        write_seed(folder, 2)
    assert '"seed": 2' in (tmp_path / "one" / "manifest.json").read_text()


def test_what_is_not_a_run_folder_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "thesis.txt").touch()
    with pytest.raises(PathTaken, match="exists already"), new_run_folder(tmp_path / "one", replace=True):
        pass
    assert (tmp_path / "one" / "thesis.txt").exists()


def test_the_first_free_name_is_taken(tmp_path: Path) -> None:
    assert free_run_folder(tmp_path, "study") == tmp_path / "study"
    (tmp_path / "study").mkdir()
    (tmp_path / "study-2").mkdir()
    assert free_run_folder(tmp_path, "study") == tmp_path / "study-3"


def test_of_two_runs_into_one_folder_the_first_to_end_is_kept(tmp_path: Path) -> None:
    def late() -> None:
        with new_run_folder(tmp_path / "one") as slow:
            write_seed(slow, 1)
            with new_run_folder(tmp_path / "one") as quick:
                write_seed(quick, 2)

    with pytest.raises(PathTaken, match="another run wrote this folder meanwhile"):
        late()
    assert '"seed": 2' in (tmp_path / "one" / "manifest.json").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_an_earlier_run_comes_back_where_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with new_run_folder(tmp_path / "one") as folder:
        write_seed(folder, 1)
    rename = Path.rename

    def full(path: Path, target: Path) -> Path:
        if path == partial:
            raise OSError(28, "No space left on device")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", full)
    with (
        pytest.raises(OutputError, match="No space left"),
        new_run_folder(tmp_path / "one", replace=True) as partial,
    ):
        write_seed(partial, 2)
    assert '"seed": 1' in (tmp_path / "one" / "manifest.json").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_what_killed_runs_left_is_swept_and_what_others_still_fill_is_not(tmp_path: Path) -> None:
    """Filled and held by nobody; empty and old; empty and just made, not yet held; held; the earlier run."""
    filled, old, new, before = (tmp_path / f".one-partial-{name}" for name in ("filled", "old", "new", "x-before"))
    for folder in (filled / "media", old, new, before):
        folder.mkdir(parents=True)
    an_hour_ago = time.time() - 3600
    for folder in (old, before):
        os.utime(folder, (an_hour_ago, an_hour_ago))
    with new_run_folder(tmp_path / "one", replace=True) as first:
        assert not filled.exists()
        assert not old.exists()
        write_seed(first, 2)
        os.utime(first, (an_hour_ago, an_hour_ago))
        with new_run_folder(tmp_path / "one", replace=True) as second:
            assert first.is_dir()
            write_seed(second, 1)
            assert new.is_dir()
            assert before.is_dir()


def test_two_runs_at_once_take_two_names(tmp_path: Path) -> None:
    with new_run_folder(free_run_folder(tmp_path, "study")) as first:
        write_seed(first, 1)
        with new_run_folder(free_run_folder(tmp_path, "study")) as second:
            write_seed(second, 2)
    assert '"seed": 1' in (tmp_path / "study" / "manifest.json").read_text()
    assert '"seed": 2' in (tmp_path / "study-2" / "manifest.json").read_text()


def test_the_name_of_a_run_that_was_killed_is_free(tmp_path: Path) -> None:
    (tmp_path / ".study-partial-killed").mkdir()
    assert free_run_folder(tmp_path, "study") == tmp_path / "study"
