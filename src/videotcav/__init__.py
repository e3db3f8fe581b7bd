"""Why did the video model see that action?

import videotcav as vt

model = vt.load_model("planted:swin")
swings = vt.read_clips("demo/classes/swing", model.card.clip_spec)
vt.grad_cam(model, swings, target="swing")
concepts = vt.read_concepts("demo/concepts", model.card.clip_spec)
(random,) = vt.read_concepts("demo/random", model.card.clip_spec).values()
vt.tcav(model, target="swing", clips=swings, concepts=concepts, random=random)
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

__version__ = version("videotcav")

if TYPE_CHECKING:
    from videotcav.api import grad_cam, read_concepts, tcav
    from videotcav.errors import VideotcavError
    from videotcav.explain.design.settings import AnalysisSettings
    from videotcav.models.load import load_model
    from videotcav.records import ClipSpec, ModelCard, Result
    from videotcav.results.read import read_run
    from videotcav.study.run import Study
    from videotcav.video.clips import read_clips

_HOMES = {
    "AnalysisSettings": "explain.design.settings",
    "ClipSpec": "records",
    "ModelCard": "records",
    "Result": "records",
    "Study": "study.run",
    "VideotcavError": "errors",
    "grad_cam": "api",
    "load_model": "models.load",
    "read_clips": "video.clips",
    "read_concepts": "api",
    "read_run": "results.read",
    "tcav": "api",
}

__all__ = [
    "AnalysisSettings",
    "ClipSpec",
    "ModelCard",
    "Result",
    "Study",
    "VideotcavError",
    "__version__",
    "grad_cam",
    "load_model",
    "read_clips",
    "read_concepts",
    "read_run",
    "tcav",
]


def __getattr__(name: str) -> Any:
    """Public names are imported when they are first used: torch takes seconds, `videotcav --help` must not."""
    if name not in _HOMES:
        raise AttributeError(f"module 'videotcav' has no attribute '{name}'")
    return getattr(import_module(f"videotcav.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
