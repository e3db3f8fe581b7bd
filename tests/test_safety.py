"""What the source must not do, read from its syntax: run code from data, speak to a shell, trust a pickle."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "videotcav"
FILES = sorted(SOURCE.rglob("*.py"))
RUNS_CODE = {"eval", "exec", "compile", "__import__"}
SHELLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "pty.spawn"}
SHELLS |= {"asyncio.create_subprocess_shell", "asyncio.create_subprocess_exec", "os.startfile"}
ASKED_BY_THEIR_MODULE = {"os", "subprocess", "asyncio", "builtins", "torch", "numpy"}  # so that calls carry its name
STARTS_PROCESSES = {"video/apart.py"}  # the decoder's worker: our own module, no shell
FORBIDDEN_MODULES = {"cPickle", "_pickle", "dill", "cloudpickle", "shelve", "marshal", "joblib", "pty", "telnetlib"}


def calls(tree: ast.AST) -> list[tuple[str, ast.Call]]:
    return [(ast.unparse(node.func), node) for node in ast.walk(tree) if isinstance(node, ast.Call)]


def keywords(call: ast.Call) -> dict[str | None, str]:
    return {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_no_code_from_data_and_no_shell(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for name, call in calls(tree):
        said = keywords(call)
        where = f"{path}:{call.lineno}: {name}"
        assert name not in RUNS_CODE, where
        assert name not in SHELLS, where
        assert not name.startswith(("os.exec", "os.spawn", "os.posix_spawn", "yaml.load", "yaml.unsafe")), where
        assert said.get("shell", "False") == "False", where
        assert said.get("allow_pickle", "False") == "False", where
        assert said.get("trust_remote_code", "False") == "False", where
        if name.endswith("torch.load"):
            assert said["weights_only"] == "True", where
        if name.startswith("subprocess."):
            assert path.relative_to(SOURCE).as_posix() in STARTS_PROCESSES, where
    assert not imported(tree) & FORBIDDEN_MODULES
    pickled = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert {name for name in pickled if name.startswith("pickle.")} <= {
        "pickle.UnpicklingError"
    }  # torch's own raises it


def imported(tree: ast.AST) -> set[str]:
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    sources = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    for node in sources:
        assert node.module != "pickle" or [alias.name for alias in node.names] == ["UnpicklingError"]
        bare = {alias.name for alias in node.names} if node.module in ASKED_BY_THEIR_MODULE else set()
        assert not {f"{node.module}.{name}" for name in bare} & SHELLS
        assert not bare & {"run", "Popen", "call", "check_call", "check_output", "load", "eval", "exec", "compile"}
    names |= {node.module for node in sources if node.module}
    return {name.partition(".")[0] for name in names}


def test_templates_escape_whatever_they_are_given() -> None:
    """`| safe` stands only behind our own style, script and fixed words."""
    allowed = {"style", "script", "' class=\"long\"'"}
    for page in SOURCE.rglob("*.html"):
        for line in page.read_text(encoding="utf-8").splitlines():
            for part in line.split("{{")[1:]:
                expression = part.partition("}}")[0]
                if "| safe" in expression:
                    assert expression.partition("| safe")[0].strip() in allowed, f"{page}: {line.strip()}"
