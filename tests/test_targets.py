"""docs/targets.json: rows that check themselves, written by scripts alone, each from its own results."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic import ValidationError

from validation import targets
from validation.proof import (
    contrast_page,
    discovered,
    edits_boxes,
    edits_cameras,
    edits_page,
    harder_page,
    joint_page,
    unlabelled,
)
from validation.proof.page import page, read
from validation.proof.promises import SCRIPT, promises
from validation.targets import Promise, Row, at_least, at_most, between, both, record, rows

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"
PROMISING = [
    path.stem
    for path in sorted(BENCHMARKS.glob("*.py"))
    if any(isinstance(node, ast.FunctionDef) and node.name == "promises" for node in ast.parse(path.read_text()).body)
]


def promise(what: str = "speed of light", **changes: Any) -> Promise:
    facts: dict[str, Any] = {"area": "speed", "what": what, "unit": "×", "target": at_least(1), "value": 1.5, "n": 5}
    return Promise(**facts | {"commit": "0123456789", "machine": "a machine"} | changes)


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Imports a benchmark as whoever runs it does, and forgets what it brought."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(BENCHMARKS)

    def load(name: str) -> ModuleType:
        spec = util.spec_from_file_location(f"benchmark_{name}", BENCHMARKS / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = util.module_from_spec(spec)
        sys.modules[spec.name] = module  # dataclasses look their module up
        try:
            spec.loader.exec_module(module)
        except ModuleNotFoundError as error:
            if error.name == "onnxruntime":
                pytest.skip(f"{error.name} (the extra detect), which {name} measures, is not installed")
            raise
        return module

    yield load
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("harness", "pages", "_clips", "_gaussian") or name.startswith("benchmark_"):
            sys.modules.pop(name)


@pytest.mark.parametrize("name", PROMISING)
def test_the_rows_of_a_benchmark_are_made_of_its_results(name: str, script: Any) -> None:
    results = BENCHMARKS / "results" / f"{name}.json"
    cells = json.loads(results.read_text(encoding="utf-8"))["cells"] if results.is_file() else {}
    made = [
        Row(**vars(each), met=each.meets(), script=f"benchmarks/{name}.py") for each in script(name).promises(cells)
    ]
    stored = [
        # the last digits of an interval are scipy's, and change with its version
        {key: pytest.approx(value, rel=1e-12) if key in ("low", "high") and value else value for key, value in row}
        for row in rows(f"benchmarks/{name}.py")
    ]
    assert [dict(row) for row in made] == stored, f"python benchmarks/{name}.py --from-results"


@pytest.mark.parametrize(
    "name", [path.stem for path in sorted(BENCHMARKS.glob("[a-z]*.py")) if path.stem not in PROMISING]
)
def test_other_benchmarks_find_what_they_import(name: str, script: Any) -> None:
    assert script(name)


def test_make_bench_runs_no_script_that_must_be_told_something() -> None:
    """Tools and pictures take their paths from the command line; `make bench` gives none."""
    planned = subprocess.run(["make", "-n", "-B", "bench"], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607 - whatever make is there
    run = set(re.findall(r"benchmarks/(\w+)\.py", planned.stdout)) - {"harness"}
    assert run >= set(PROMISING)
    assert [
        name for name in sorted(run) if "sys.argv[" in (BENCHMARKS / f"{name}.py").read_text(encoding="utf-8")
    ] == []


def test_the_parts_of_a_study_that_a_benchmark_times_are_there(script: Any) -> None:
    floor = script("study_against_floor")
    for caller in floor.CALLERS.values():
        for where, name in floor.PARTS.values():
            assert callable(getattr(floor.part_of(where, called_by=caller), name))


def test_the_rows_of_the_proof_are_made_of_its_results_and_its_page_of_the_rows() -> None:
    found = read()
    made = [Row(**vars(each), met=each.meets(), script=SCRIPT) for each in promises(found)]
    assert made == rows(SCRIPT), "python -m validation.proof --page"
    assert page(found) == (ROOT / "docs" / "validity-classic.md").read_text(encoding="utf-8"), (
        "python -m validation.proof --page"
    )


def test_the_rows_of_harder_conditions_are_made_of_their_results() -> None:
    found = json.loads(contrast_page.HARDER.read_text(encoding="utf-8"))
    own = [
        Row(**vars(each), met=each.meets(), script=contrast_page.HARDER_SCRIPT) for each in harder_page.promises(found)
    ]
    assert own == rows(contrast_page.HARDER_SCRIPT), "python -m validation.proof.harder_page --page"


@pytest.mark.parametrize("page", [edits_page, edits_boxes, edits_cameras])
def test_the_rows_of_edits_are_made_of_their_results(page: ModuleType) -> None:
    found = json.loads(page.RESULT.read_text(encoding="utf-8"))
    own = [Row(**vars(each), met=each.meets(), script=page.SCRIPT) for each in page.promises(found)]
    assert own == rows(page.SCRIPT), f"python -m {page.__name__} --page"


def test_the_rows_of_contrast_are_made_of_its_results_and_its_page_of_the_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = json.loads(contrast_page.RESULT.read_text(encoding="utf-8"))
    own = [Row(**vars(each), met=each.meets(), script=contrast_page.SCRIPT) for each in contrast_page.promises(found)]
    assert own == rows(contrast_page.SCRIPT), "python -m validation.proof.contrast_page --page"
    monkeypatch.setattr(contrast_page, "record", lambda *_: None)
    monkeypatch.setattr(contrast_page, "PAGE", tmp_path / "page.md")
    contrast_page.write_page(found)
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == (ROOT / "docs" / "validity.md").read_text(
        encoding="utf-8"
    )


@pytest.mark.parametrize("proof", [discovered, unlabelled], ids=["discovered", "unlabelled"])
def test_the_rows_of_discovered_sets_are_made_of_their_results(proof: ModuleType) -> None:
    found = json.loads(proof.RESULT.read_text(encoding="utf-8"))
    own = [Row(**vars(each), met=each.meets(), script=proof.SCRIPT) for each in proof.promises(found)]
    assert own == rows(proof.SCRIPT), f"python -m {proof.__name__} --page"


def test_every_row_has_a_script_that_can_be_run_again() -> None:
    writers = {f"benchmarks/{name}.py" for name in PROMISING} | {
        SCRIPT,
        contrast_page.SCRIPT,
        contrast_page.HARDER_SCRIPT,
        edits_page.SCRIPT,
        edits_boxes.SCRIPT,
        edits_cameras.SCRIPT,
        joint_page.SCRIPT,
        discovered.SCRIPT,
        unlabelled.SCRIPT,
    }
    assert {row.script for row in rows()} <= writers


def test_the_file_is_as_a_script_would_write_it(tmp_path: Path) -> None:
    again = tmp_path / "targets.json"
    for name in sorted({row.script for row in rows()}, reverse=True):
        record(name, [Promise(**row.model_dump(exclude={"met", "script"})) for row in rows(name)], path=again)
    assert again.read_bytes() == targets.TARGETS.read_bytes()


def test_a_script_replaces_its_own_rows_and_no_others(tmp_path: Path) -> None:
    path = tmp_path / "targets.json"
    record("b.py", [promise("one"), promise("two")], path=path)
    record("a.py", [promise("one", value=0.5)], path=path)
    record("b.py", [promise("three")], path=path)
    assert [(row.script, row.what, row.met) for row in rows(path=path)] == [
        ("a.py", "one", False),
        ("b.py", "three", True),
    ]
    assert list(tmp_path.iterdir()) == [path]


def test_scripts_that_end_together_lose_no_row(tmp_path: Path) -> None:
    path = tmp_path / "targets.json"
    with ThreadPoolExecutor(8) as several:
        list(several.map(lambda number: record(f"{number}.py", [promise()], path=path), range(24)))
    assert {row.script for row in rows(path=path)} == {f"{number}.py" for number in range(24)}


def test_a_script_that_fails_as_it_tells_its_rows_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "targets.json"
    record("a.py", [promise()], path=path)
    before = path.read_bytes()

    def broken() -> Iterator[Promise]:
        yield promise("another")
        raise KeyError("a cell")

    with pytest.raises(KeyError):
        record("a.py", broken(), path=path)
    with pytest.raises(ValueError, match="same twice"):
        record("a.py", [promise(), promise()], path=path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "met"),
    [
        ({"target": at_least(1.5)}, True),
        ({"target": at_least(1.6)}, False),
        ({"target": at_most(1.5)}, True),
        ({"target": between(1, 2)}, True),
        ({"target": between(1.6, 2)}, False),
        ({"target": at_most(2, on="high"), "high": 2.0}, True),
        ({"target": at_most(2, on="high"), "high": 2.1}, False),
        ({"target": both(at_most(2), at_most(2, on="high")), "high": 2.1}, False),
        ({"target": at_least(1, on="low"), "low": 0.9}, False),
        ({"target": None}, None),
        ({"value": None, "n": 0}, False),
        ({"value": None, "n": 0, "target": None}, None),
    ],
)
def test_whether_a_target_is_met_is_computed(changes: dict[str, Any], met: bool | None) -> None:
    assert promise(**changes).meets() is met


@pytest.mark.parametrize(
    "changes",
    [
        {"area": "style"},
        {"unit": "furlongs"},
        {"what": ""},
        {"value": float("nan")},
        {"value": "1.5"},
        {"value": None},
        {"n": 0},
        {"n": -1},
        {"low": 1.6},
        {"high": 1.4},
        {"target": {}},
        {"target": at_most(2, on="high")},
        {"target": {"median": {"at_most": 2.0}}},
        {"target": {"value": {}}},
        {"target": {"value": {"at_least": 2.0, "at_most": 1.0}}},
        {"commit": ""},
        {"met": True},
    ],
    ids=str,
)
def test_a_row_that_cannot_be_true_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        promise(**changes)


@pytest.mark.parametrize("changes", [{"met": True}, {"value": 2.0}, {"remark": "nearly"}, {"area": "style"}])
def test_a_file_changed_by_hand_is_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "targets.json"
    record("a.py", [promise(value=0.5)], path=path)
    [row] = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps([row | changes]), encoding="utf-8")
    with pytest.raises(ValidationError):
        rows(path=path)
    with pytest.raises(ValidationError):
        record("b.py", [promise()], path=path)


def test_what_falls_short_is_listed_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "targets.json"
    missed = promise("decoding", value=0.9, low=0.8, high=1.1)
    absent = promise("on a GPU", value=None, n=0)
    level = promise("errors", unit="%", target=at_most(0.07, on="high"), value=0.061, low=0.05, high=0.0712)
    record("a.py", [missed, promise("well"), promise("told", target=None, value=0.1), absent, level], path=path)
    targets.main(path)
    assert capsys.readouterr().out.splitlines() == [
        "3 of 4 numbers that have a target fall short of it.",
        "",
        "speed",
        "  decoding: 0.9 × (0.8 × to 1.1 ×); the target is ≥ 1 ×.",
        "    a.py, n = 5, at 0123456789",
        "  on a GPU: not measured; the target is ≥ 1 ×.",
        "    a.py, n = 0, at 0123456789",
        "  errors: 6.1 % (5.0 % to 7.1 %); the target is upper bound ≤ 7 %.",
        "    a.py, n = 5, at 0123456789",
    ]


def test_a_benchmark_records_when_a_cell_is_complete(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = script("harness")
    told: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(harness, "RESULTS", tmp_path)
    monkeypatch.setattr(harness, "record", lambda name, made: told.append((name, [each.what for each in made])))
    arguments = harness.options(None).parse_args(["--repeats", "1"])
    arguments.results = tmp_path

    def made(cells: dict[str, Any]) -> Iterator[Promise]:
        return (
            promise(title, **harness.medians(cell, "ours", "theirs"), **harness.taken(cell))
            for title, cell in cells.items()
        )

    def book(options: Namespace) -> Any:
        return harness.Book("speed.py", "how fast", options, made)

    one = book(arguments)
    for title in one.wanted("first", "second"):
        one.race(title, {"ours": list, "theirs": dict}, warm_up=False)
    assert told == [("benchmarks/speed.py", ["first"]), ("benchmarks/speed.py", ["first", "second"])]
    with pytest.raises(SystemExit) as end:
        book(Namespace(**vars(arguments) | {"from_results": True}))
    assert not end.value.code
    assert told[2] == told[1]
