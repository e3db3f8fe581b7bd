"""Lists of clips on the command line: which forms there are, and how a probe is told to read one."""

from __future__ import annotations

from pathlib import Path

import pytest

import videotcav as vt
from videotcav.cli.lists import list_of
from videotcav.cli.main import main
from videotcav.errors import ArgumentError


def test_the_forms_are_listed_with_what_they_need(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["videotcav", "datasets"])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    out = capsys.readouterr().out
    for form in vt.datasets():
        assert form.name in out
        assert form.needs in out


def test_keys_of_a_list_are_those_of_a_study_file() -> None:
    told = ["videos=there", "limit_per_class=5", "include=run,jump", "numbers_from=1", "cut=true", "columns.path=file"]
    assert list_of([Path("clips.csv")], told) == vt.ClipList(
        list=Path("clips.csv"),
        videos=Path("there"),
        limit_per_class=5,
        include=("run", "jump"),
        numbers_from=1,
        cut=True,
        columns={"path": "file"},
    )
    assert list_of([Path("clips.csv")], []) == vt.ClipList(list=Path("clips.csv"))
    assert list_of([Path("videos")], []) is None
    assert list_of([Path("videos")], ["form=folders"]) == vt.ClipList(list=Path("videos"), form="folders")


@pytest.mark.parametrize("told", ["limit=5", "limit_per_class=none", "numbers_from=2", "form=other"])
def test_a_key_that_does_not_fit_is_told(told: str) -> None:
    with pytest.raises(ArgumentError, match=told.partition("=")[0]):
        list_of([Path("clips.csv")], [told])
