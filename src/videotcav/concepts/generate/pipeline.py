"""Text-to-video pipelines of the diffusers library, from a folder or the hub: what they are, then what they show.

Nothing is fetched unasked: weights that are not on this machine are told, with their size and licence, and refused.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import FiniteFloat, PositiveFloat, PositiveInt

from videotcav.compat.hub import LOADING_ERRORS
from videotcav.compat.mapped import in_memory
from videotcav.compat.torchvision import import_torchvision
from videotcav.concepts.detectors.from_transformers import quietly
from videotcav.errors import ArgumentError, MissingExtra, ModelError, ModelNotFound
from videotcav.outputs import file_sha256
from videotcav.records import Record
from videotcav.video.read import Frames

_INDEX = "model_index.json"
_WANTED = ("*.json", "*.txt", "*.model", "*.safetensors", "README.md", "LICENSE*")
_VARIANTS = ("*.fp16.*", "*.bf16.*")
_RATES = {"Wan": 16.0, "CogVideoX": 8.0}
"""Frames a second of families whose pipelines do not say it; by their own pages."""


class GenerationSettings(Record):
    """How a pipeline is asked; what is left out is the pipeline's own default."""

    frames: PositiveInt | None = None
    height: PositiveInt | None = None
    width: PositiveInt | None = None
    steps: PositiveInt | None = None
    guidance: FiniteFloat | None = None
    frames_per_second: PositiveFloat | None = None


class PipelineFacts(Record):
    """What is known of weights before they are fetched or loaded; None where nobody says it."""

    name: str
    licence: str | None = None
    weight_bytes: int | None = None

    @property
    def sentence(self) -> str:
        """In words, before a download."""
        size = "of a size that cannot be told"
        if self.weight_bytes is not None:
            size = f"of {self.weight_bytes / 1e9:.1f} GB, which need as much memory and more"
        licence = f"licence {self.licence}" if self.licence else "a licence that cannot be told: read their page"
        return f"{self.name}: weights {size}; {licence}"


def _libraries() -> tuple[Any, Any]:
    import_torchvision()  # before transformers, which imports it and gives up where it fails
    try:
        return importlib.import_module("diffusers"), importlib.import_module("huggingface_hub")
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "diffusers", extra="generate", purpose="generating clips") from None


def find_pipeline(
    name: str, *, download: bool = False, announce: Callable[[str], None] = lambda _: None
) -> tuple[Path, PipelineFacts]:
    """The folder of a pipeline on this machine, and what is known of it; `name` is a folder or a name on the hub.

    `announce` is told what is known before anything is fetched. Raises ModelNotFound where it would have to be fetched
    and `download` does not say so; what is known is told too.
    """
    folder = Path(name)
    if not folder.is_dir():
        _, hub = _libraries()
        if download:  # also where some of it is there: a fetch that was killed goes on
            announce(_facts_of_hub(hub, name).sentence)
            folder = Path(_from_hub(name, hub.snapshot_download, allow_patterns=_WANTED, ignore_patterns=_VARIANTS))
        else:
            try:
                folder = Path(hub.snapshot_download(name, local_files_only=True, allow_patterns=_WANTED))
            except (OSError, ValueError):
                facts = _facts_of_hub(hub, name)
                raise ModelNotFound(f"{facts.sentence}; they are not on this machine", hint="`download=True`") from None
    if not (folder / _INDEX).is_file():
        raise ModelNotFound(f"{name}: is no whole pipeline of diffusers, whose folder has a {_INDEX}")
    weights = sum(path.stat().st_size for path in folder.rglob("*.safetensors"))
    page = folder / "README.md"
    front = page.read_text(encoding="utf-8", errors="replace")[:4000] if page.is_file() else ""
    told = re.search(r"\A---\n(?:.*\n)*?license: *(\S.*)\n", front)
    facts = PipelineFacts(name=name, licence=told and told[1].strip(), weight_bytes=weights)
    announce(facts.sentence)
    return folder, facts


def _facts_of_hub(hub: Any, name: str) -> PipelineFacts:
    info = _from_hub(name, hub.HfApi().model_info, files_metadata=True)
    sizes = [each.size for each in info.siblings or () if each.rfilename.endswith(".safetensors")]
    licence = (info.card_data or {}).get("license")
    return PipelineFacts(name=name, licence=licence, weight_bytes=sum(sizes) if sizes and None not in sizes else None)


def _from_hub(name: str, ask: Callable[..., Any], **how: Any) -> Any:
    try:
        return ask(name, **how)
    except Exception as error:  # noqa: BLE001 - what it speaks through has errors of its own, another in each version
        reason = " ".join(str(error).split())[:200]
        raise ModelNotFound(f"{name}: is no folder, and the hub does not give it: {reason}") from None


@dataclass(frozen=True)
class VideoPipeline:
    """A loaded pipeline: call it with a prompt and a seed. `sha256` is of its weights and configuration.

    `asked` is what it is asked for, whole, as provenance keeps it.
    """

    module: Any
    facts: PipelineFacts
    sha256: str
    frames_per_second: float
    asked: dict[str, str | float]
    arguments: dict[str, Any]

    @classmethod
    def load(
        cls, folder: Path, facts: PipelineFacts, settings: GenerationSettings, *, device: str | None = None
    ) -> VideoPipeline:
        """The pipeline in a folder. Raises ModelError where it is none, or none from text to video."""
        diffusers, _ = _libraries()
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        dtype = torch.float32 if device == "cpu" else torch.bfloat16
        how: dict[str, Any] = {"use_safetensors": True, "local_files_only": True, "dtype": dtype}
        try:
            with quietly(diffusers):
                module: Any = diffusers.DiffusionPipeline.from_pretrained(str(folder), **how)
        except (*LOADING_ERRORS, AttributeError) as error:
            raise ModelError(f"{facts.name}: cannot be loaded: {' '.join(str(error).split())[:300]}") from None
        kind, takes = type(module).__name__, inspect.signature(module.__call__).parameters
        if not {"prompt", "num_frames", "num_inference_steps", "generator"} <= takes.keys():
            raise ModelError(f"{facts.name}: {kind} makes no videos of text; name a text-to-video pipeline")
        module.set_progress_bar_config(disable=True)
        module.to(device)
        for part in module.components.values():
            if isinstance(part, torch.nn.Module):
                in_memory(part).eval().requires_grad_(False)
        given = {
            "num_frames": settings.frames,
            "height": settings.height,
            "width": settings.width,
            "num_inference_steps": settings.steps,
            "guidance_scale": settings.guidance,
        }
        arguments = {key: value for key, value in given.items() if value is not None}
        default = {key: takes[key].default for key in given if key in takes}
        family = next((rate for start, rate in _RATES.items() if kind.startswith(start)), None)
        own = takes["frame_rate"].default if "frame_rate" in takes else family
        rate = settings.frames_per_second or own
        if not isinstance(rate, int | float):
            raise ArgumentError(f"{facts.name}: {kind} does not say how fast its videos play; give frames_per_second")
        told = {key: value for key, value in (default | arguments).items() if isinstance(value, int | float)}
        asked: dict[str, str | float] = {"kind": kind, "precision": str(dtype).removeprefix("torch."), **told}
        if "frame_rate" in takes:
            arguments["frame_rate"] = rate
        return cls(module, facts, _hash_of(folder), float(rate), asked, arguments)

    def __call__(self, prompt: str, *, seed: int, negative: str = "") -> Frames:
        """Frames, uint8 `time height width 3`: the same for the same prompt and seed on the same machine.

        Raises ModelError where the pipeline refuses its arguments, or gives what is no picture.
        """
        how = {**self.arguments, **({"negative_prompt": negative} if negative else {})}
        generator = torch.Generator("cpu").manual_seed(seed)
        try:
            with torch.no_grad():
                (video,) = self.module(prompt=prompt, generator=generator, output_type="np", **how).frames
        except (ValueError, TypeError) as error:
            raise ModelError(f"{self.facts.name}: {' '.join(str(error).split())[:300]}") from None
        if not np.isfinite(video).all():
            raise ModelError(f"{self.facts.name}: gives NaN for “{prompt}”: take another precision or device")
        return np.asarray((np.clip(video, 0, 1) * 255).round().astype(np.uint8))


def _hash_of(folder: Path) -> str:
    """Of all weights and configurations, by their names."""
    digest = hashlib.sha256()
    for path in sorted([*folder.rglob("*.safetensors"), *folder.rglob("*.json")]):
        digest.update(f"{path.relative_to(folder).as_posix()} {file_sha256(path)}\n".encode())
    return digest.hexdigest()
