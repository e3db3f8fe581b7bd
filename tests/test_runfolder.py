from __future__ import annotations

from pathlib import Path

import pytest

from videotcav.errors import RunFolderError
from videotcav.runfolder import free_run_folder, new_run_folder, write_manifest


def test_a_run_folder_appears_complete(tmp_path: Path) -> None:
    target = tmp_path / "runs" / "one"
    with new_run_folder(target) as folder:
        write_manifest(folder, {"seed": 0})
        assert not target.exists()
    assert (target / "manifest.json").is_file()
    assert [path.name for path in target.parent.iterdir()] == ["one"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_run_that_ends_early_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    def run() -> None:
        with new_run_folder(tmp_path / "one") as folder:
            write_manifest(folder, {"seed": 0})
            raise error

    with pytest.raises(error):
        run()
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_run_survives_when_its_replacement_fails(tmp_path: Path) -> None:
    with new_run_folder(tmp_path / "one") as folder:
        write_manifest(folder, {"seed": 1})
    with pytest.raises(ValueError, match="no"), new_run_folder(tmp_path / "one", replace=True):
        raise ValueError("no")
    assert '"seed": 1' in (tmp_path / "one" / "manifest.json").read_text()
    with new_run_folder(tmp_path / "one", replace=True) as folder:
        write_manifest(folder, {"seed": 2})
    assert '"seed": 2' in (tmp_path / "one" / "manifest.json").read_text()


def test_what_is_not_a_run_folder_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "thesis.txt").touch()
    with pytest.raises(RunFolderError, match="exists already"), new_run_folder(tmp_path / "one", replace=True):
        pass
    assert (tmp_path / "one" / "thesis.txt").exists()


def test_the_first_free_name_is_taken(tmp_path: Path) -> None:
    assert free_run_folder(tmp_path, "study") == tmp_path / "study"
    (tmp_path / "study").mkdir()
    (tmp_path / "study-2").mkdir()
    assert free_run_folder(tmp_path, "study") == tmp_path / "study-3"
