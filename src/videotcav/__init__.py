"""Why did the video model see that action?

import videotcav as vt

model = vt.load_model("planted:swin")
swings = vt.read_clips("demo/classes/swing", model.card.clip_spec)
vt.grad_cam(model, swings, target="swing")
concepts = vt.read_concepts("demo/concepts", model.card.clip_spec)
(random,) = vt.read_concepts("demo/random", model.card.clip_spec).values()
vt.tcav(model, target="swing", clips=swings, concepts=concepts, random=random)
"""

import ast
import sys
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from videotcav.errors import require_posix

if TYPE_CHECKING:
    from videotcav.api import *  # noqa: F403 - its __all__ is the list of public names

__version__ = version("videotcav")


@cache
def _names() -> list[str]:
    """The public names, read where `api` lists them: importing it loads torch, which takes seconds."""
    lines = ast.parse(Path(__file__).with_name("api.py").read_text(encoding="utf-8")).body
    assigned = {ast.unparse(line.targets[0]): line.value for line in lines if isinstance(line, ast.Assign)}
    return ["__version__", *ast.literal_eval(assigned["__all__"])]


class _Package(ModuleType):
    """Some rooms are called as verbs are (`maps`, `models`, `report`): importing the room must not hide the verb."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (isinstance(value, ModuleType) and name in _names()):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    """Public names are imported when they are first used: `videotcav --help` must not wait for torch."""
    if name == "__all__":
        return _names()
    if name not in _names():
        raise AttributeError(f"module 'videotcav' has no attribute '{name}'")
    require_posix()
    return getattr(import_module("videotcav.api"), name)


def __dir__() -> list[str]:
    return _names()
