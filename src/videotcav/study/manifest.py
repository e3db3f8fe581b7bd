"""What the folder of a run states of its study: what was asked of what, by what, and what became of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from videotcav.explain.cavs.gram import Floats
from videotcav.explain.design.design import Design
from videotcav.explain.questions.entanglement import entanglements, held_together
from videotcav.features.measure import ClipFile, ClipReader, Measured
from videotcav.maps import CAM_SCALE
from videotcav.models.class_score import ClassScore
from videotcav.models.model import VideoModel
from videotcav.records import Result
from videotcav.results.declaration import Declaration
from videotcav.results.edit_effect import EditEffect
from videotcav.results.followed import Followed
from videotcav.results.manifest import (
    CamFacts,
    ClassFacts,
    ConceptFacts,
    DiscoveryFacts,
    EntanglementFacts,
    InterventionFacts,
    Manifest,
    Medium,
    ModelFacts,
    RandomFacts,
    TestFacts,
    stamp,
    versions,
)
from videotcav.study.file import StudyText
from videotcav.study.inputs import Inputs
from videotcav.study.preregistration import outcomes
from videotcav.video.overlay import COLOUR_MAP


def manifest_of(
    file: StudyText,
    inputs: Inputs,
    measured: Measured,
    model: VideoModel,
    score: ClassScore,
    *,
    design: Design,
    results: Sequence[Result],
    media: Sequence[Medium],
    badges: Sequence[Followed],
    reader: ClipReader,
    declared: Declaration | None,
    interventions: InterventionFacts | None,
    effects: Sequence[EditEffect],
    effects_sha256: str,
    shares_sha256: str,
    command: str,
) -> Manifest:
    """All that the folder of a run states, but for its numbers."""
    study = file.study
    return Manifest(
        **stamp(command),
        declared=declared.declared if declared else "",
        declaration_sha256=declared.sha256 if declared else "",
        hypotheses=outcomes(study, [*results, *effects]),
        interventions=interventions,
        effects_sha256=effects_sha256,
        shares_sha256=shares_sha256,
        entanglement=_entangled(measured, design),
        discovery=_discovery(inputs, design, reader) if inputs.held_out else None,
        question=study.question,
        seed=study.seed,
        versions=versions(),
        model=ModelFacts.of(model.card, device=model.device.type),
        study=file.text,
        study_sha256=file.sha256,
        layers=tuple(measured.grams),
        pooling=study.pooling,
        alignment=inputs.alignment,
        tests=TestFacts(**study.tests.model_dump(), primary=study.told_by, score=score.name, target=study.target),
        classes={
            name: _class_facts(model, name, of_class, torch.from_numpy(measured.logits[name]))
            for name, of_class in inputs.classes.items()
        },
        concepts=_concept_facts(inputs),
        groups=inputs.declared,
        pool=inputs.pool,
        random=RandomFacts(clips=len(inputs.random), sources=len({file.source for file in inputs.random})),
        clips_sha256=clips_digest(inputs, reader.digests),
        clips_passed=measured.clips_passed,
        cam=CamFacts(colour_map=COLOUR_MAP, scale=CAM_SCALE),
        badges=tuple(badges),
        left_out=dict(reader.left_out),
        remarks=(*model.remarks, *inputs.remarks),
        media=tuple(media),
    )


def _class_facts(model: VideoModel, name: str, files: tuple[ClipFile, ...], logits: Tensor) -> ClassFacts:
    index = model.class_index(name)
    return ClassFacts(
        clips=len(files),
        sources=len({file.source for file in files}),
        accuracy=float((logits.argmax(dim=1) == index).double().mean()),
        mean_probability=float(model.probabilities(logits)[:, index].mean()),
    )


def _discovery(inputs: Inputs, design: Design, reader: ClipReader) -> DiscoveryFacts:
    files = (*inputs.random, *(file for files in inputs.classes.values() for file in files))
    clips = [clip for each in inputs.concepts for clip in each.clips]
    cut_from = inputs.held_out.cut_from
    tested = {cut_from[clip.path] for clip in clips}
    tested |= {cut_from.get(file.path, reader.digests[file.path].partition("#")[0]) for file in files}
    return DiscoveryFacts(
        found=inputs.held_out.found,
        asked=inputs.held_out.asked(inputs.concepts),
        families=(design.declared_tests, design.layer_tests),
        finding=tuple(sorted(inputs.held_out.finding)),
        tested=tuple(sorted(tested - {""})),
        left_out={place: count for place, count in inputs.held_out.away.items() if count},
    )


def _concept_facts(inputs: Inputs) -> dict[str, ConceptFacts]:
    return {
        name: ConceptFacts(
            kinds={concept.kind: len(concept.clips) for concept in inputs.concepts if concept.concept == name},
            sources=max(
                len({clip.source for clip in concept.clips}) for concept in inputs.concepts if concept.concept == name
            ),
            review=inputs.reviews.get(name, "unreviewed"),
        )
        for name in dict.fromkeys(concept.concept for concept in inputs.concepts)
    }


def _entangled(measured: Measured, design: Design) -> tuple[EntanglementFacts, ...]:
    sets = tuple(each.name for each in held_together(design))

    def told(numbers: Floats) -> tuple[tuple[float | None, ...], ...]:
        return tuple(tuple(number if np.isfinite(number) else None for number in row) for row in numbers.tolist())

    return tuple(
        EntanglementFacts(
            layer=layer,
            sets=sets,
            classes=tuple(design.classes),
            cosines=told(found.cosines),
            whole=told(found.whole),
            own=told(found.own),
        )
        for layer, found in entanglements(measured.grams, design).items()
    )


def clips_digest(inputs: Inputs, digests: Mapping[Path, str]) -> str:
    """One hash over the bytes of all clips, in their order, and over the seconds of segments."""
    found = hashlib.sha256()
    for file in (file for files in (inputs.set_files, *inputs.classes.values()) for file in files):
        content, mark, seconds = digests[file.path].partition("#")
        found.update(bytes.fromhex(content) + f"{mark}{seconds}".encode())
    return found.hexdigest()
