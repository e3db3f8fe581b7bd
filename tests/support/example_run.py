"""A run folder such as a study leaves behind, small and always the same, with every verdict in it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageDraw

from videotcav.outputs import file_sha256
from videotcav.records import Result
from videotcav.results.edit_effect import EditEffect
from videotcav.results.manifest import Medium

LAYERS = ("features.0", "features.2", "features.4", "avgpool")
SIZE = 64
FRAMES = 12

# Concept, kind, against → for each layer: sign count, cosine, verdict.
N, P, M, L, U = "no evidence", "positive", "negative", "not learned", "underpowered"
TRUTH: dict[tuple[str, str, str], tuple[tuple[float, float, str], ...]] = {
    ("bar", "spatial", "random"): ((0.46, -0.01, N), (0.55, 0.02, N), (0.41, -0.03, N), (0.0, -0.02, N)),
    ("bar", "spatiotemporal", "random"): ((0.58, 0.01, N), (0.81, 0.08, N), (0.98, 0.21, P), (1.0, 0.24, P)),
    ("bar", "frozen", "random"): ((0.44, -0.02, N), (0.39, -0.03, N), (0.03, -0.17, M), (0.0, -0.15, M)),
    ("bar", "shuffled", "random"): ((0.52, 0.01, N), (0.60, 0.03, N), (0.66, 0.05, N), (1.0, 0.04, N)),
    ("bar", "spatiotemporal", "frozen"): ((0.14, 0.03, N), (0.42, 0.11, P), (0.95, 0.38, P), (1.0, 0.39, P)),
    ("bar", "spatiotemporal", "shuffled"): ((0.06, 0.0, N), (0.21, 0.05, N), (0.32, 0.16, P), (0.0, 0.20, P)),
    ("ball", "spatial", "random"): ((0.50, 0.0, L), (0.47, -0.01, N), (0.44, -0.02, N), (0.0, -0.02, N)),
    ("ball", "spatiotemporal", "random"): ((0.49, 0.0, L), (0.53, 0.01, U), (0.57, 0.02, N), (1.0, 0.03, N)),
    ("ball", "frozen", "random"): ((0.51, 0.0, L), (0.48, 0.0, N), (0.47, -0.01, N), (0.0, -0.01, N)),
    ("ball", "shuffled", "random"): ((0.50, 0.0, L), (0.52, 0.0, N), (0.54, 0.02, N), (1.0, 0.01, N)),
    ("ball", "spatiotemporal", "frozen"): ((-0.02, 0.0, L), (0.05, 0.01, U), (0.10, 0.03, N), (1.0, 0.04, N)),
    ("ball", "spatiotemporal", "shuffled"): ((-0.01, 0.0, L), (0.01, 0.01, N), (0.03, 0.0, N), (0.0, 0.02, N)),
}


@pytest.fixture(scope="session")
def example_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder that the other fixtures copy; never written to."""
    return build_run(tmp_path_factory.mktemp("example") / "run")


@pytest.fixture
def run_folder(example_run: Path, tmp_path: Path) -> Path:
    """A copy of the run folder to spoil or to write a page into."""
    return Path(shutil.copytree(example_run, tmp_path / "run"))


class WriteRun:
    """Writes a run folder's facts and rows anew, with changes."""

    def results(self, class_name: str) -> list[Result]:
        return example_results(class_name)

    def __call__(self, folder: Path, *, results: list[Result] | None = None, **changes: Any) -> None:
        facts = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        write_manifest(folder, facts | changes)
        if results is not None:
            write_results(folder, results)


@pytest.fixture
def write_run() -> WriteRun:
    """Spoils or changes a run folder."""
    return WriteRun()


def build_run(folder: Path, *, media: bool = True) -> Path:
    """A run folder with four layers, two concepts of four kinds, three statistics, and clips."""
    folder.mkdir(parents=True)
    write_results(folder, example_results())
    listed = write_media(folder / "media") if media else []
    write_manifest(folder, example_manifest(media=[medium.model_dump() for medium in listed]))
    return folder


def write_results(folder: Path, results: list[Result]) -> None:
    pq.write_table(pa.Table.from_pylist([row.as_row() for row in results]), folder / "results.parquet")


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2), encoding="utf-8")


def example_results(class_name: str = "swing") -> list[Result]:
    rng = np.random.default_rng(7)
    return [
        _row(question, layer, class_name, statistic, rng)
        for question in TRUTH
        for layer in range(len(LAYERS))
        for statistic in ("sign_count", "sensitivity", "cosine")
    ]


def _row(
    question: tuple[str, str, str], layer: int, class_name: str, statistic: str, rng: np.random.Generator
) -> Result:
    concept, kind, against = question
    sign_count, cosine, verdict = TRUTH[question][layer]
    wobble = float(rng.uniform(-0.01, 0.01))
    contrast = against != "random"
    if statistic == "sign_count":
        value, centre = sign_count, 0.0 if contrast else 0.5 + wobble
        reach, spread, bounds = 0.24, 0.06, (-1.0 if contrast else 0.0, 1.0)
        if LAYERS[layer] == "avgpool":
            verdict, reach, spread = "degenerate", 0.5, 0.0
    else:
        scale = 1.0 if statistic == "cosine" else 37.5 / (1 + layer) ** 2
        value, centre = (cosine + wobble / 10) * scale, wobble / 5 * scale
        reach, spread, bounds = 0.06 * scale, 0.03 * scale, (-1e9, 1e9)
    decided = verdict in {P, M}
    outside = not centre - reach <= value <= centre + reach
    p = 0.001 if decided else 0.03 if outside else float(rng.uniform(0.08, 0.9))
    accuracy = 0.55 if verdict == L else float(rng.uniform(0.8, 0.97))
    classic = float(rng.uniform(1e-6, 0.03)) if rng.random() < 0.6 else float(rng.uniform(0.06, 0.5))
    return Result(
        concept=concept,
        kind=kind,
        against=against,
        layer=LAYERS[layer],
        class_name=class_name,
        statistic=statistic,
        value=value,
        low=max(bounds[0], value - spread),
        high=min(bounds[1], value + spread * 0.8),
        null_centre=centre,
        null_low=max(bounds[0], centre - reach),
        null_high=min(bounds[1], centre + reach),
        p=p,
        p_corrected=min(1.0, 18 * p),
        null_draws=1000,
        p_classic=None if contrast else classic,
        p_classic_corrected=None if contrast else min(1.0, 2 * classic),
        accuracy=accuracy,
        accuracy_low=accuracy - 0.07,
        accuracy_high=min(1.0, accuracy + 0.03),
        smallest_effect=reach * 0.9,
        gradient_cosine=0.9999 if LAYERS[layer] == "avgpool" else 0.31,
        concept_clips=24,
        concept_sources=24,
        class_clips=40,
        class_sources=40,
        random_clips=160,
        verdict=verdict,
    )


def example_manifest(**changes: Any) -> dict[str, Any]:
    kinds = {"spatial": 24, "spatiotemporal": 24, "frozen": 24, "shuffled": 24}
    manifest = {
        "videotcav": "0.1.0",
        "created": "2025-11-22T21:40:00+00:00",
        "command": "videotcav run study.toml -o runs/swing",
        "question": "Does the model see the swing, or only the bar?",
        "seed": 0,
        "versions": {"python": "3.11.9", "torch": "2.13.0", "torchvision": "0.28.0", "numpy": "2.3.1"},
        "model": {
            "name": "planted:swin",
            "weights": "bundled",
            "weights_sha256": "5f1d" * 16,
            "classes": ["swing", "slide", "spin", "rest"],
            "clip_spec": {"frames": 8, "seconds_between_frames": 0.1, "height": 32, "width": 32, "resize": 32},
        },
        "classes": {"swing": {"clips": 40, "sources": 40, "accuracy": 0.975, "mean_probability": 0.93}},
        "study": 'question = "Does the model see the swing, or only the bar?"\nseed = 0\n\n[model]\n',
        "study_sha256": "9ac3" * 16,
        "layers": list(LAYERS),
        "pooling": "none",
        "tests": {
            "alpha": 0.05,
            "correction": "holm",
            "random_draws": 20,
            "pseudo_concepts": 1000,
            "classifier": "ridge",
            "primary": "sign_count",
        },
        "concepts": {
            "bar": {"kinds": kinds, "sources": 24, "review": "accepted by rule"},
            "ball": {"kinds": kinds, "sources": 24, "review": "unreviewed"},
        },
        "random": {"clips": 160, "sources": 160},
        "cam": {"colour_map": "inferno", "scale": "All maps of a clip share one scale."},
        "left_out": {"classes/swing/0031.mp4": "the file ends in the middle of a frame"},
        "remarks": [],
        "media": [],
    }
    return manifest | changes


# --- clips -------------------------------------------------------------------------------------------------------


def write_media(folder: Path) -> list[Medium]:
    folder.mkdir()
    listed = []
    for concept in ("bar", "ball"):
        for kind in ("spatial", "spatiotemporal", "frozen", "shuffled"):
            for clip in range(4):
                path = folder / f"{concept}-{kind}-{clip}.mp4"
                encode(path, twin(scene(concept, clip), kind, clip))
                listed.append(
                    Medium(
                        role="exemplar",
                        path=path.name,
                        caption=f"{concept}, {kind}, clip {clip}",
                        concept=concept,
                        kind=kind,
                        source=f"scene-{clip}",
                    )
                )
    for clip in range(3):
        path = folder / f"cam-{clip}-swing.mp4"
        sides = [overlay(scene("bar", clip), right=right) for right in (True, False)]
        encode(path, np.concatenate(sides, axis=2))
        listed.append(
            Medium(
                role="cam",
                path=path.name,
                caption=f"scene {clip}: where the model looks for “swing” and for “slide”",
                class_name="swing",
                layer="features.4",
                source=f"scene-{clip}",
                value=0.97 - 0.02 * clip,
            )
        )
    return listed


def scene(concept: str, clip: int) -> np.ndarray:
    """Frames, uint8 `time height width channel`: a bar that swings, or a ball that slides."""
    frames = []
    for time in range(FRAMES):
        phase = 2 * np.pi * time / FRAMES + clip
        image = Image.new("RGB", (SIZE, SIZE), (60 + 20 * clip, 74, 96))
        draw = ImageDraw.Draw(image)
        if concept == "bar":
            angle = 0.9 * np.sin(phase)
            end = (32 + 26 * np.sin(angle), 10 + 40 * np.cos(angle))
            draw.line([(32, 10), end], fill=(240, 200, 90), width=7)
        else:
            x = 32 + 20 * np.cos(phase)
            draw.ellipse([x - 9, 28, x + 9, 46], fill=(220, 90, 110))
        frames.append(np.asarray(image))
    return np.stack(frames)


def twin(frames: np.ndarray, kind: str, clip: int) -> np.ndarray:
    if kind in {"spatial", "frozen"}:
        return np.repeat(frames[len(frames) // 2 if kind == "frozen" else 0][None], len(frames), axis=0)
    if kind == "shuffled":
        return frames[np.random.default_rng(clip).permutation(len(frames))]
    return frames


def overlay(frames: np.ndarray, *, right: bool) -> np.ndarray:
    rows, columns = np.mgrid[:SIZE, :SIZE]
    heat = np.exp(-((columns - 32) ** 2 + (rows - (40 if right else 8)) ** 2) / 300)[None, :, :, None]
    return np.uint8(frames * (1 - 0.6 * heat) + np.array([250, 160, 40]) * 0.6 * heat)


def encode(path: Path, frames: np.ndarray) -> None:
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=12, options={"crf": "24", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode())


# --- legs --------------------------------------------------------------------------------------------------------


def write_legs(folder: Path, results: list[Result], effects: list[EditEffect], **changes: Any) -> Path:
    """The example's clips and facts as a study of contrasts, with these rows and edits; its folder."""
    facts = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    tests = {"scores": "contrast", "primary": "contrast", "negligible_below": 0.1, "score": "centred logit"}
    concepts = {"racket": {"kinds": {"spatiotemporal": 20}, "sources": 20, "review": "reviewed by 2 people"}}
    write_results(folder, results)
    if effects:
        pq.write_table(pa.Table.from_pylist([effect.as_row() for effect in effects]), folder / "effects.parquet")
        facts["effects_sha256"] = file_sha256(folder / "effects.parquet")
    write_manifest(folder, facts | {"tests": facts["tests"] | tests, "concepts": concepts} | changes)
    return folder
