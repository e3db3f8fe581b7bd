"""One word, one thing: what has a name in one room has it in no other."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import videotcav

SOURCE = Path(__file__).parents[1] / "src" / "videotcav"
OF_EVERY_PLUGIN = {"load", "catalogue", "card_for"}  # what entry points name, see ARCHITECTURE.md
OF_EVERY_PROGRAM = {"main"}
OF_THE_API = set(videotcav.__all__)  # a command, the function it calls, and where that is done are one thing


def defined() -> list[tuple[str, str, str]]:
    """What every module defines on its top level: its kind, its name, and what it is where that is one line."""
    found = []
    for path in SOURCE.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                found.append(("class", node.name, str(path)))
            elif isinstance(node, ast.FunctionDef):
                found.append(("function", node.name, str(path)))
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                found.append(("alias", node.targets[0].id, ast.unparse(node.value).replace("npt.", "")))
    return found


def several(kind: str) -> dict[str, set[str]]:
    """The public names of a kind that stand for several things, with all of them."""
    things = defaultdict(set)
    for of, name, what in defined():
        if of == kind and not name.startswith("_"):
            things[name].add(what)
    return {name: found for name, found in things.items() if len(found) > 1}


def test_no_class_shares_its_name_with_another_thing() -> None:
    assert several("class") == {}
    classes = {name for kind, name, _ in defined() if kind == "class"}
    assert classes.isdisjoint(name for kind, name, _ in defined() if kind == "alias" and not name.startswith("_"))


def test_a_name_of_a_type_is_the_same_type_everywhere() -> None:
    assert {name: found for name, found in several("alias").items() if not name.isupper()} == {}


def test_functions_that_share_a_name_are_one_thing_in_several_layers() -> None:
    assert set(several("function")) <= OF_THE_API | OF_EVERY_PLUGIN | OF_EVERY_PROGRAM
