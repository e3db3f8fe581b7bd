"""Why did the video model see that action?

import videotcav as vt

model = vt.load_model("planted:swin")
swings = vt.read_clips("demo/classes/swing", model.card.clip_spec)
vt.grad_cam(model, swings, target="swing")
concepts = vt.read_concepts("demo/concepts", model.card.clip_spec)
(random,) = vt.read_concepts("demo/random", model.card.clip_spec).values()
vt.tcav(model, target="swing", clips=swings, concepts=concepts, random=random)
"""

import sys
from importlib import import_module
from importlib.metadata import version
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = version("videotcav")

if TYPE_CHECKING:
    from videotcav.api import (
        CamMaps,
        ClipMaps,
        Comparison,
        ConceptMaps,
        ConceptMapSettings,
        FaithfulnessRun,
        FaithfulnessSettings,
        Finding,
        OnRay,
        PixelSettings,
        Plan,
        Recipe,
        Run,
        Spreads,
        Study,
        TcavResults,
        Truths,
        accept,
        audit,
        compare,
        concept_maps,
        concepts_in,
        contact_sheet,
        demo,
        faithfulness,
        grad_cam,
        layers,
        load_detector,
        load_model,
        load_studies,
        maps,
        models,
        paper,
        plan,
        propose,
        random_pool,
        read_clips,
        read_comparison,
        read_concepts,
        read_events,
        read_faithfulness,
        read_run,
        render_demo,
        report,
        review,
        run,
        tcav,
        write_concept_map,
        write_maps,
    )
    from videotcav.errors import VideotcavError, VideotcavWarning
    from videotcav.explain.design.settings import AnalysisSettings
    from videotcav.records import ClipSpec, ModelCard, Result

_HOMES = {
    "AnalysisSettings": "explain.design.settings",
    "ClipSpec": "records",
    "ModelCard": "records",
    "Result": "records",
    "VideotcavError": "errors",
    "VideotcavWarning": "errors",
}
"""Where public names are that `api` does not have."""

__all__ = [
    "AnalysisSettings",
    "CamMaps",
    "ClipMaps",
    "ClipSpec",
    "Comparison",
    "ConceptMapSettings",
    "ConceptMaps",
    "FaithfulnessRun",
    "FaithfulnessSettings",
    "Finding",
    "ModelCard",
    "OnRay",
    "PixelSettings",
    "Plan",
    "Recipe",
    "Result",
    "Run",
    "Spreads",
    "Study",
    "TcavResults",
    "Truths",
    "VideotcavError",
    "VideotcavWarning",
    "__version__",
    "accept",
    "audit",
    "compare",
    "concept_maps",
    "concepts_in",
    "contact_sheet",
    "demo",
    "faithfulness",
    "grad_cam",
    "layers",
    "load_detector",
    "load_model",
    "load_studies",
    "maps",
    "models",
    "paper",
    "plan",
    "propose",
    "random_pool",
    "read_clips",
    "read_comparison",
    "read_concepts",
    "read_events",
    "read_faithfulness",
    "read_run",
    "render_demo",
    "report",
    "review",
    "run",
    "tcav",
    "write_concept_map",
    "write_maps",
]


class _Package(ModuleType):
    """Some rooms are called as verbs are (`maps`, `models`, `report`): importing the room must not hide the verb."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in __all__ and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    """Public names are imported when they are first used: torch takes seconds, `videotcav --help` must not."""
    if name not in __all__:
        raise AttributeError(f"module 'videotcav' has no attribute '{name}'")
    return getattr(import_module(f"videotcav.{_HOMES.get(name, 'api')}"), name)


def __dir__() -> list[str]:
    return __all__
