from __future__ import annotations

import ast
import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer.main

import videotcav
from videotcav import errors
from videotcav.cli.main import app
from videotcav.cli.wording import COMMANDS, worded
from videotcav.video import apart  # noqa: F401 - has errors of its own
from videotcav.video.write import write_video

SOURCES = sorted(Path(videotcav.__file__).parent.rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}
OWN = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.VideotcavError)]

TAKES = {
    errors.VideoError: lambda kind: kind("a.mp4", "is cut off"),
    errors.VideosError: lambda kind: kind({"a.mp4": "is cut off", "b.mp4": "is empty"}),
    errors.StudyFileError: lambda kind: kind("study.toml", ["seed: is missing", "layers: none"]),
    errors.UnreadableText: lambda kind: kind("a.csv", "is not CSV"),
    errors.MissingExtra: lambda kind: kind("ray", extra="ray", purpose="work on a Ray cluster"),
    errors.VideotcavError: lambda kind: kind("what was wrong"),
}


def tree(top: type[errors.VideotcavError]) -> Iterator[type[errors.VideotcavError]]:
    yield top
    for below in top.__subclasses__():
        yield from tree(below)


@pytest.mark.parametrize("kind", sorted(set(tree(errors.VideotcavError)), key=lambda kind: kind.__name__))
def test_an_error_is_the_same_in_another_process(kind: type[errors.VideotcavError]) -> None:
    error = next(TAKES[base] for base in kind.__mro__ if base in TAKES)(kind)
    arrived = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(arrived) is kind
    assert str(arrived) == str(error)
    assert vars(arrived) == vars(error)


@pytest.mark.parametrize("kind", OWN, ids=lambda kind: kind.__name__)
def test_every_class_has_its_reason_in_the_tree_and_is_raised(kind: type[errors.VideotcavError]) -> None:
    assert re.search(rf"{kind.__name__}( {{2,}}\S.*)?$", errors.__doc__ or "", re.MULTILINE)
    assert kind.__doc__
    assert kind.__doc__ not in {above.__doc__ for above in kind.__mro__[1:]}
    calls = (node for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.Call))
    assert kind.__name__ in {call.func.id for call in calls if isinstance(call.func, ast.Name)}


def commands(group: Any, words: tuple[str, ...] = ("videotcav",)) -> Iterator[tuple[str, Any]]:
    yield " ".join(words), group
    for name, below in getattr(group, "commands", {}).items():
        yield from commands(below, (*words, name))


KNOWN = dict(commands(typer.main.get_command(app)))
OPTIONS = {option for command in KNOWN.values() for each in command.params for option in each.opts}


def test_only_the_command_line_speaks_of_options_and_commands() -> None:
    spoken = re.compile(rf"(?<![\w-])--[a-z]|\b({'|'.join(sorted(KNOWN)[1:])})\b")
    said = []
    for path, tree in TREES.items():
        texts = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings, of people here
        for node in ast.walk(tree):
            is_text = isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in texts
            if is_text and "cli" not in path.parts and spoken.search(node.value):
                said.append(f"{path}:{node.lineno}: {node.value}")
    assert not said


def hints() -> Iterator[str]:
    for tree in TREES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg == "hint" and not isinstance(node.value, ast.Attribute):
                parts = node.value.values if isinstance(node.value, ast.JoinedStr) else [node.value]
                yield "".join(part.value if isinstance(part, ast.Constant) else "x" for part in parts)


@pytest.mark.parametrize("hint", sorted(set(filter(None, hints()))))
def test_every_hint_can_be_typed(hint: str) -> None:
    typed = worded(errors.VideotcavError("what was wrong", hint=hint))
    assert "`" not in typed
    assert set(re.findall(r"--[a-z-]+", typed)) <= OPTIONS
    for called in re.findall(r"`(\w+)\(", hint):
        assert COMMANDS[called].removesuffix(" --all") in KNOWN


def test_the_command_line_words_a_hint_in_its_own_way() -> None:
    error = errors.NothingAccepted("none accepted", hint='`accept("a, b")`, `propose(mode="paper")` or `replace=True`')
    assert str(error) == 'none accepted; `accept("a, b")`, `propose(mode="paper")` or `replace=True`'
    assert worded(error) == (
        "none accepted; 'videotcav concepts accept --all a, b', 'videotcav concepts propose --mode paper' or --replace"
    )


def test_a_path_in_the_way_of_an_output_is_no_fault_of_a_video(tmp_path: Path) -> None:
    with pytest.raises(errors.OutputError) as refused:
        write_video(tmp_path / "nowhere" / "a.mp4", np.zeros((2, 16, 16, 3), np.uint8), frames_per_second=8)
    assert not isinstance(refused.value, errors.VideoError)
