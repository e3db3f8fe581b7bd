"""Code that users bring: its errors are one sentence with the file and the line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from videotcav.errors import ModelError
from videotcav.models.load import load_model

BROKEN = {
    "raises": "def build():\n    raise ValueError('no weights')\n",
    "imports": "import json\nfrom json import nothing\n",
    "syntax": "def build(:\n",
    "leaves": "import sys\nsys.exit(3)\n",
    "arguments": "import argparse\nargparse.ArgumentParser().parse_args(['--unknown'])\n",
    "reads": "import json\ndef build():\n    return json.loads('{')\n",
    "lacks": "def build():\n    import a_package_nobody_has\n",
    "lines": "from torch import nn\ndef build():\n    nn.Linear(2, 2).load_state_dict({})\n",
    "record": "from videotcav.records import ModelCard\ndef build():\n    return ModelCard(name='x', classes=('a',))\n",
    "endless": "def build():\n    return build()\n",
    "named": "build = 3\n",
    "biuld": "def biuld():\n    pass\n",
    "fails": "from torch import nn\nfrom tests_card import CARD\nclass Net(nn.Module):\n"
    "    def forward(self, x):\n        return x.nothing\n\ndef build():\n    return Net(), CARD\n",
}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("raises", r"fails: ValueError: no weights \(broken_raises\.py, line 2\)"),
        ("imports", r"cannot be imported: ImportError: .*\(broken_imports\.py, line 2\)"),
        ("syntax", r"cannot be imported: SyntaxError: .*\(broken_syntax\.py, line 1\)"),
        ("leaves", r"cannot be imported: SystemExit: 3 \(broken_leaves\.py, line 2\)"),
        ("arguments", r"cannot be imported: SystemExit: 2 \(broken_arguments\.py, line 2\)"),
        ("reads", r"fails: JSONDecodeError: .* \(broken_reads\.py, line 3\)"),
        ("lacks", r"fails: ModuleNotFoundError: .*'a_package_nobody_has' \(broken_lacks\.py, line 2\)"),
        ("lines", r"fails: RuntimeError: .*Missing key.*\"weight\".* \(broken_lines\.py, line 3\)"),
        ("record", r"fails: ValidationError: clip_spec: Field required \(broken_record\.py, line 3\)"),
        ("endless", r"fails: RecursionError: .* \(broken_endless\.py, line 2\)"),
        ("named", "fails: TypeError: 'int' object is not callable"),
        ("biuld", "has no 'build'; closest: 'biuld'"),
        ("fails", r"cannot be passed clips of 3 × 3 × 4 × 4.*AttributeError.*\(broken_fails\.py, line 5\)"),
    ],
)
def test_errors_of_a_users_code_are_one_sentence_with_file_and_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, says: str
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / f"broken_{name}.py").write_text(BROKEN[name])
    (tmp_path / "tests_card.py").write_text(
        "from videotcav.records import ClipSpec, ModelCard\n"
        "SPEC = ClipSpec(frames=3, seconds_between_frames=0.1, height=4, width=4, resize=4)\n"
        "CARD = ModelCard(name='own', clip_spec=SPEC, classes=('a', 'b'))\n"
    )
    with pytest.raises(ModelError, match=says) as told:
        load_model(f"broken_{name}:build")
    assert "\n" not in str(told.value)
    sys.modules.pop("tests_card", None)


def test_a_users_file_finds_torchvision_in_order(tmp_path: Path) -> None:
    """In a process of its own, where nobody imported torchvision before; the file lets no error through."""
    (tmp_path / "sees.py").write_text(
        "try:\n    import torchvision\nexcept Exception as error:\n    FOUND = error\n"
        "else:\n    FOUND = torchvision.__name__\n\ndef build():\n    raise ValueError(f'found {FOUND}')\n"
    )
    tried = "from videotcav.models.load import load_model\nload_model('sees:build')\n"
    ended = subprocess.run(
        [sys.executable, "-c", tried],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(["", *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "ModelError: 'sees:build' fails: ValueError: found torchvision (sees.py, line 9)" in ended.stderr
