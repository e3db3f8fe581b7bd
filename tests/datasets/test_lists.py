"""Lists of clips in the forms that data sets have them, tiny and made up: class, seconds and source come out right."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from videotcav.datasets.forms import FORMS, datasets, form_of
from videotcav.datasets.read import Listed, clips_and_sources, read_list
from videotcav.datasets.rows import ClipList
from videotcav.errors import UnreadableText


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder; files are empty, as a list reads none of them."""
    return tmp_path


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def listed(folder: Path, name: str, text: str | bytes, **keys: object) -> Listed:
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_list(ClipList.model_validate({"list": name, **keys}), folder)


def named(found: Listed, folder: Path) -> dict[str, list[str]]:
    return {name: [str(path.relative_to(folder)) for path in paths] for name, paths in found.classes.items()}


def sources(found: Listed) -> dict[str, str]:
    return {path.name: source for path, source in found.sources.items()}


# --- the table ---------------------------------------------------------------------------------------------------

TABLE = (
    "path,label,start,end,source,group\na b.mp4,run,0,2.5,m1,north\na b.mp4,jump,2.5,5,m1,north\nc.mp4,run,,,m2,south\n"
)
EXPECTED = {"run": ["a b.mp4#t=0,2.5", "c.mp4"], "jump": ["a b.mp4#t=2.5,5"]}


@pytest.mark.parametrize(
    "text",
    [
        TABLE,
        TABLE.replace("\n", "\r\n"),
        "\ufeff" + TABLE,
        TABLE.replace(",", "\t"),
        "excel",
        TABLE.replace("a b.mp4", '"a b.mp4"').replace("label", " Label "),
        TABLE.replace("path", "PATH"),
    ],
    ids=["plain", "crlf", "bom", "tabs", "semicolons", "quotes", "case"],
)
def test_the_table_is_read_however_a_program_writes_it(files: Path, text: str) -> None:
    touch(files, "a b.mp4", "c.mp4")
    if text == "excel":  # where numbers have commas
        text = "path;label;start;end;source;group\na b.mp4;run;0;2,5;m1;north\n"
        text += "a b.mp4;jump;2,5;5;m1;north\nc.mp4;run;;;m2;south\n"
    found = listed(files, "clips.csv", text)
    assert named(found, files) == {name: EXPECTED[name] for name in sorted(EXPECTED)}
    assert sources(found) == {"a b.mp4#t=0,2.5": "m1", "a b.mp4#t=2.5,5": "m1", "c.mp4": "m2"}
    assert set(found.groups.values()) == {"north", "south"}
    assert found.remarks == ()


def test_columns_may_have_other_names(files: Path) -> None:
    touch(files, "a.mp4")
    found = listed(files, "c.csv", "file,action\na.mp4,run\n", columns={"path": "file", "label": "action"})
    assert named(found, files) == {"run": ["a.mp4"]}
    with pytest.raises(UnreadableText, match="no column actions; closest: 'action'"):
        listed(files, "c.csv", "file,action\na.mp4,run\n", form="table", columns={"path": "file", "label": "actions"})


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ("a.mp4,run,2,2", "line 2: a clip from 2 s to 2 s has no length"),
        ("a.mp4,run,3,2", "line 2: a clip from 3 s to 2 s has no length"),
        ("a.mp4,run,-1,2", "start is '-1'; expected seconds"),
        ("a.mp4,run,0:10,2", "start is '0:10'; expected seconds"),
        (",run,,", "line 2 names no path"),
        ("a.mp4,run,,\na.mp4,jump,,", "two classes: 'run' in line 2, 'jump' in line 3"),
        ("a.mp4,run,,\nb.mp4,Run,,", "'run' and 'Run', which differ by their case alone"),
        ("x.mp4,run,,\ny.mp4,run,,", "none of the files of its 2 rows is there"),
        ("a.mp4,run,,,", None),
        ("a.mp4,run,,,left over", "line 2 has 5 cells, and the first line names 4"),
    ],
)
def test_what_a_table_says_wrongly_is_told(files: Path, rows: str, reason: str | None) -> None:
    touch(files, "a.mp4", "b.mp4")
    if reason is None:
        assert listed(files, "c.csv", f"path,label,start,end\n{rows}\n").remarks == ()
        return
    with pytest.raises(UnreadableText, match=re.escape(reason)):
        listed(files, "c.csv", f"path,label,start,end\n{rows}\n")


def test_what_is_left_out_is_counted(files: Path) -> None:
    touch(files, "a.mp4", "b.mp4")
    text = "path,label\na.mp4,run\nlost.mp4,run\na.mp4,run\nb.mp4,\n"
    found = listed(files, "c.csv", text)
    assert named(found, files) == {"run": ["a.mp4"]}
    unlabelled, lost, again = found.remarks
    assert unlabelled.startswith("1 of 4 rows of ")
    assert "files that are not there" in lost
    assert "name a clip again" in again


def test_text_that_is_not_utf_8_is_refused(files: Path) -> None:
    with pytest.raises(UnreadableText, match="not UTF-8"):
        listed(files, "c.csv", "path,label\nä.mp4,run\n".encode("latin-1"))


def test_a_limit_draws_the_same_clips_however_the_list_is_ordered(files: Path) -> None:
    rows = [f"{number}.mp4,{'run' if number % 2 else 'jump'}" for number in range(40)]
    touch(files, *(row.partition(",")[0] for row in rows))
    (files / "c.csv").write_text("\n".join(["path,label", *rows]))
    (files / "d.csv").write_text("\n".join(["path,label", *np.random.default_rng(0).permutation(rows)]))
    one, other = (read_list(ClipList(list=Path(name), limit_per_class=5), files) for name in ("c.csv", "d.csv"))
    assert one == other
    assert [len(paths) for paths in one.classes.values()] == [5, 5]
    assert read_list(ClipList(list=Path("c.csv"), limit_per_class=5), files, seed=1).classes != one.classes


def test_classes_are_chosen_by_name(files: Path) -> None:
    touch(files, "a.mp4", "b.mp4")
    assert [*listed(files, "c.csv", "path,label\na.mp4,run\nb.mp4,jump\n", include=["run"]).classes] == ["run"]
    with pytest.raises(UnreadableText, match="include: it has no class 'runn'; closest: 'run'"):
        listed(files, "c.csv", "path,label\na.mp4,run\nb.mp4,jump\n", include=["runn"])


# --- path and number ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("between", [" ", "\t", ",", ", ", ";"])
def test_paths_may_hold_blanks_before_the_number(files: Path, between: str) -> None:
    touch(files, "run/a b, c.mp4", "jump/d.mp4")
    text = f"run/a b, c.mp4{between}0\njump/d.mp4{between}1\n"
    found = listed(files, "train.csv", text, numbers_from=0)
    assert named(found, files) == {"0": ["run/a b, c.mp4"], "1": ["jump/d.mp4"]}


def test_numbers_need_names_or_a_word_that_they_are_the_models(files: Path) -> None:
    touch(files, "a.mp4", "b.mp4")
    text = "a.mp4 1\nb.mp4 2\n"
    with pytest.raises(UnreadableText, match=re.escape("its classes are numbers (1 to 2): say what they are called")):
        listed(files, "l.txt", text)
    assert [*listed(files, "l.txt", text, numbers_from=1).classes] == ["0", "1"]
    (files / "classInd.txt").write_text("1 Apply Eye Makeup\n2 Archery\n")
    assert [*listed(files, "l.txt", text, labels="classInd.txt").classes] == ["Apply Eye Makeup", "Archery"]
    (files / "names.txt").write_text("x\ny\nz\n")
    with pytest.raises(UnreadableText, match="what they are counted from"):
        listed(files, "l.txt", text, labels="names.txt")
    assert [*listed(files, "l.txt", text, labels="names.txt", numbers_from=0).classes] == ["y", "z"]
    assert [*listed(files, "l.txt", text, labels="names.txt", numbers_from=1).classes] == ["x", "y"]
    with pytest.raises(UnreadableText, match="has the class 0, which"):
        listed(files, "m.txt", "a.mp4 0\nb.mp4 2\n", labels="classInd.txt")


# --- data sets ---------------------------------------------------------------------------------------------------

KINETICS = (
    "label,youtube_id,time_start,time_end,split\n"
    'riding a bike,-abcdefghi_,10,20,train\n"riding a bike",-abcdefghi_,30,40,train\ntai chi,lost5678901,0,10,val\n'
)


def test_kinetics_clips_of_one_recording_have_one_source(files: Path) -> None:
    touch(files, "-abcdefghi__000010_000020.mp4", "riding_a_bike/-abcdefghi__000030_000040.mp4")
    found = listed(files, "train.csv", KINETICS)
    assert named(found, files) == {
        "riding a bike": ["-abcdefghi__000010_000020.mp4", "riding_a_bike/-abcdefghi__000030_000040.mp4"]
    }
    assert set(sources(found).values()) == {"-abcdefghi_"}
    assert "1 of 3 rows" in found.remarks[0]
    assert len(listed(files, "train.csv", KINETICS, split="train").remarks) == 0
    with pytest.raises(UnreadableText, match="has no split 'tran'; it has: train, val"):
        listed(files, "train.csv", KINETICS, split="tran")


def test_kinetics_files_without_seconds_may_be_cut_or_not(files: Path) -> None:
    touch(files, "-abcdefghi_.mp4")
    with pytest.raises(UnreadableText, match="cut = true or cut = false"):
        listed(files, "train.csv", KINETICS)
    whole = named(listed(files, "train.csv", KINETICS, cut=False), files)
    assert whole == {"riding a bike": ["-abcdefghi_.mp4#t=10,20", "-abcdefghi_.mp4#t=30,40"]}
    assert named(listed(files, "train.csv", KINETICS, cut=True), files) == {"riding a bike": ["-abcdefghi_.mp4"]}


def test_kinetics_lists_without_classes_are_refused(files: Path) -> None:
    with pytest.raises(UnreadableText, match="the lists of test sets have none"):
        listed(files, "test.csv", "youtube_id,time_start,time_end\nx,0,10\n")


def test_something_something_has_its_template_without_brackets(files: Path) -> None:
    touch(files, "1.webm", "2.webm")
    rows = [{"id": str(number), "label": "pushing a cup", "template": "Pushing [something]"} for number in (1, 2)]
    found = listed(files, "train.json", json.dumps(rows))
    assert named(found, files) == {"Pushing something": ["1.webm", "2.webm"]}
    (files / "labels.json").write_text(json.dumps({"Pushing something": "0"}))
    assert listed(files, "train.json", json.dumps(rows), labels="labels.json") == found
    with pytest.raises(UnreadableText, match="the list of a test set has none"):
        listed(files, "test.json", json.dumps([{"id": "1"}]))


def test_ucf101_groups_are_sources(files: Path) -> None:
    lines = [
        "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1",
        "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c02.avi 1",
        "HandstandPushups/v_HandStandPushups_g01_c01.avi 37",
    ]
    touch(files, *(line.split()[0] for line in lines))
    for text in ("\n".join(lines), "\n".join(line.split()[0] for line in lines)):
        found = listed(files, "trainlist01.txt", text)
        assert [*found.classes] == ["ApplyEyeMakeup", "HandstandPushups"]
        assert sorted(sources(found).values()) == ["ApplyEyeMakeup_g08"] * 2 + ["HandStandPushups_g01"]


def test_hmdb51_flags_say_which_part(files: Path) -> None:
    names = [f"April_09_brush_hair_u_nm_np1_ba_goo_{number}.avi" for number in range(3)]
    touch(files, *(f"brush_hair/{name}" for name in names))
    text = "".join(f"{name} {flag} \n" for name, flag in zip(names, (1, 2, 0), strict=True))
    (files / "splits").mkdir()
    for split in (1, 2):
        (files / f"splits/brush_hair_test_split{split}.txt").write_text(text)
    of = {"list": "splits/*_test_split1.txt", "videos": "."}
    found = read_list(ClipList.model_validate(of), files)
    assert named(found, files) == {"brush_hair": [f"brush_hair/{name}" for name in names[:2]]}
    assert set(sources(found).values()) == {"April_09"}
    part = read_list(ClipList.model_validate({**of, "split": "test"}), files)
    assert named(part, files) == {"brush_hair": [f"brush_hair/{names[1]}"]}
    with pytest.raises(UnreadableText, match="has the splits 1, 2: take one"):
        read_list(ClipList.model_validate({**of, "list": "splits"}), files)


def test_folders_are_classes(files: Path) -> None:
    touch(files, "v/run/a.mp4", "v/jump/b.webm", "v/jump/v_Jump_g01_c01.avi", "v/notes.txt")
    found = read_list(ClipList(list=Path("v")), files)
    assert named(found, files) == {"jump": ["v/jump/b.webm", "v/jump/v_Jump_g01_c01.avi"], "run": ["v/run/a.mp4"]}
    assert sources(found) == {"v_Jump_g01_c01.avi": "Jump_g01"}


@pytest.mark.parametrize("text", ["a.mp4\nb.mp4\n", "name,thing\na.mp4,run\n", ""])
def test_a_form_that_is_not_certain_is_asked_for(files: Path, text: str) -> None:
    (files / "l.txt").write_text(text)
    with pytest.raises(UnreadableText, match="say which: form = one of"):
        form_of(ClipList(list=Path("l.txt")), files / "l.txt")


def test_every_form_is_listed() -> None:
    assert datasets() == FORMS
    assert {form.name for form in FORMS} == {"table", "path label", "kinetics", "ssv2", "ucf101", "hmdb51", "folders"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("kinetics_400_labels.csv", "id,name\n0,riding a bike\n1,archery\n"),
        ("labels.csv", "riding a bike,0\narchery,1\n"),
        ("classInd.txt", '0 "riding a bike"\r\n1 archery\r\n'),
        ("kinetics_classnames.json", '{"\\"riding a bike\\"": 0, "archery": 1}'),
    ],
)
def test_files_of_labels_are_read_as_they_are_given_out(files: Path, name: str, text: str) -> None:
    """With a first line of names, names first, in quotes, and PyTorchVideo's, whose names hold quotes themselves."""
    touch(files, "a.mp4", "b.mp4")
    (files / name).write_bytes(text.encode())
    found = listed(files, "l.txt", "a.mp4 0\nb.mp4 1\n", labels=name)
    assert named(found, files) == {"archery": ["b.mp4"], "riding a bike": ["a.mp4"]}


@pytest.mark.parametrize("what", ["source", "group"])
def test_a_clip_that_is_said_to_be_of_two_is_refused(files: Path, what: str) -> None:
    touch(files, "a.mp4")
    with pytest.raises(UnreadableText, match=f"a.mp4 two {what}s: 'm1' in line 2, 'm2' in line 3"):
        listed(files, "l.csv", f"path,label,{what}\na.mp4,run,m1\na.mp4,run,m2\n")


def test_a_source_is_not_given_to_another_file_of_the_same_name(files: Path) -> None:
    """Where clips go by their names, as in proposing and marking."""
    touch(files, "a/x.mp4", "b/x.mp4", "y.mp4")
    text = "path,label,source\na/x.mp4,run,m1\nb/x.mp4,run,{}\ny.mp4,run,\n"
    (files / "l.csv").write_text(text.format(""))
    with pytest.raises(UnreadableText, match=r"names a source of one 'x' and none of .*b/x\.mp4; videos go by their"):
        clips_and_sources(ClipList(list=files / "l.csv"))
    (files / "l.csv").write_text(text.format("m1"))
    assert clips_and_sources(ClipList(list=files / "l.csv"), {"y": "m2"})[1] == {"x": "m1", "y": "m2"}
