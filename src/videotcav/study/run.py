"""START HERE: a study file in, a run folder out, top to bottom.

videos ─→ clips ─→ activations and gradients ─→ Gram blocks ─→ CAVs, scores, tests ─→ results ─→ report
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import tomli_w
import torch
from pydantic import ValidationError
from torch import Tensor

from videotcav.engine.local import Engine, here
from videotcav.engine.run_store import scratch
from videotcav.engine.store import Store
from videotcav.errors import ClassNotFound, LayerNotFound, ModelError
from videotcav.explain.cavs.gram import Floats
from videotcav.explain.design.design import ConceptRows, Design, Group
from videotcav.explain.design.draws import Clips
from videotcav.explain.questions.all import answers, refuse_untestable
from videotcav.explain.questions.entanglement import entanglements, held_together
from videotcav.features.measure import DEFAULT_MEMORY_BYTES, ClipFile, ClipReader, Measured, measure
from videotcav.maps import CAM_SCALE, last_spatial_layer, write_maps
from videotcav.models.class_score import ClassScore, against_class, class_score, default_score
from videotcav.models.load import load_model
from videotcav.models.model import VideoModel
from videotcav.records import ClipSpec, Precision, Progress, silent
from videotcav.report.page import write_report
from videotcav.report.run import Run
from videotcav.results.folder import (
    MEDIA,
    free_run_folder,
    new_run_folder,
    write_clips,
    write_declaration,
    write_results,
)
from videotcav.results.manifest import (
    CamFacts,
    ClassFacts,
    ConceptFacts,
    EntanglementFacts,
    Manifest,
    Medium,
    ModelFacts,
    RandomFacts,
    TestFacts,
    stamp,
    versions,
    write_manifest,
)
from videotcav.study.alignment import aligned
from videotcav.study.clip_rows import ClipTable
from videotcav.study.file import StudyText, parse_study, read_study_file, study_tables, unread_settings
from videotcav.study.inputs import Inputs, gather, overlaps
from videotcav.study.overlap import near_overlaps
from videotcav.study.pool import beside_pool, refuse_matched_outputs
from videotcav.study.preregistration import declaration, hypotheses, hypothesis_problems, outcomes
from videotcav.video.alignment import Edges
from videotcav.video.clips import read_clip
from videotcav.video.overlay import COLOURS
from videotcav.video.read import probe

EXEMPLARS = 4


@dataclass(frozen=True)
class Study:
    """A study that can be run: its file, and its model, loaded and checked against the file."""

    file: StudyText
    model: VideoModel

    @classmethod
    def from_file(
        cls,
        path: Path | str,
        *,
        device: str | None = None,
        precision: Precision = "fp32",
        model: int = 0,
        events: Path | str | None = None,
        target: str | None = None,
        score: str | None = None,
        as_published: bool = False,
    ) -> Self:
        """The study in a file, its model loaded onto `device`, its passes in `precision`.

        `model` says which one, where the file names several. `events`, `target` and `score` stand in the
        place of the file's.
        A study that is asked `as_published` may hold settings of all scores, and its hypotheses are left unread.

        Raises:
            StudyFileError: the file has mistakes, also such that only the model can tell (layers, classes).
        """
        loaded: list[VideoModel] = []
        load = partial(load_model, device=device, precision=precision)

        def check(raw: Mapping[str, Any]) -> Iterator[str]:
            read = {**raw, "hypotheses": []} if as_published else raw
            yield from () if as_published else unread_settings(raw)
            yield from _model_problems(read, folder=Path(path).parent, load=load, loaded=loaded)

        file = read_study_file(Path(path), check=check, model=model, events=events, target=target, score=score)
        return cls(_by_name(file, loaded[0]), loaded[0])

    @classmethod
    def of(
        cls,
        model: VideoModel,
        *,
        classes: Mapping[str, Path | str | Sequence[Path | str]],
        concepts: Path | str | Sequence[Path | str],
        random: Path | str | Sequence[Path | str],
        question: str = "Which concepts move the class?",
        name: str = "study",
        **others: Any,
    ) -> Self:
        """A study without a file, from a loaded model and paths.

        Args:
            model: from `load_model`.
            classes: the videos of each class: a folder, a pattern, or several.
            concepts: the folder of concept sets, or several; of some of their concepts and kinds with
                `include=[…]` and `kinds=[…]`.
            random: the folder of the random pool, or several.
            question: what the report is headed by.
            name: what the run folder is called by default.
            others: any other key of a study file: `seed`, `layers`, `pooling`, `align`, `events`, `edges`, `score`,
                `target`, `hypotheses`, `groups`, `sources` (a table, or its section), `pool`, `tests`
                (AnalysisSettings, or keys), `primary` and `cam`.

        The manifest holds it as the text of a study file, which gives the same run where the model has a name that can
        be loaded.

        Raises:
            StudyFileError: all that does not fit, each with its key.
        """
        raw = study_tables(model.card.name, classes, concepts, random, {"question": question, **others})

        def check(raw: Mapping[str, Any]) -> Iterator[str]:
            yield from unread_settings(raw)
            yield from _model_problems(raw, folder=Path(), load=lambda *_, **__: model, loaded=[])

        file = parse_study(Path(f"{name}.toml").absolute(), tomli_w.dumps(raw), raw, check=check)
        return cls(_by_name(file, model), model)

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that the file names, or the model's default ones."""
        study = self.file.study
        return study.model.layers or study.layers or self.model.card.default_layers

    @property
    def score(self) -> ClassScore:
        """What each class is asked by: what the file says, or else what suits the model's head."""
        study = self.file.study
        if study.target:
            return against_class(self.model, study.target)[1]
        if study.score is not None:
            return class_score(study.score, self.model)
        return default_score(self.model) if study.tests.scores == "contrast" else class_score("logit", self.model)

    def run(
        self,
        output: Path | str | None = None,
        *,
        skip_bad: bool = False,
        replace: bool = False,
        store: Path | str | None = None,
        memory_bytes: int = DEFAULT_MEMORY_BYTES,
        batch_size: int | None = None,
        engine: Engine = here,
        command: str = "",
        progress: Progress = silent,
    ) -> Run:
        """The results, which also lie in a run folder with a report.

        Args:
            output: the run folder, which must not exist; `runs/NAME` by default.
            skip_bad: leave unreadable videos out and record it, instead of refusing the study.
            replace: an earlier run folder at `output` is replaced when the new one is complete.
            store: a folder or URL where what the passes produce is kept for other studies. Without one it lies
                beside the run folder until that is complete, so that a killed run goes on where it was.
            memory_bytes: what inner products may take beside the model; the rest lies in files.
            batch_size: clips of a pass; see `videotcav.features.measure.measure`.
            engine: where passes run and rows are multiplied.
            command: what the manifest says the run was asked for with.
            progress: shows how far the passes are.

        Raises:
            NotEnoughData: fewer clips, sources or draws than the tests can stand on; says the number needed.
            VideosError: videos cannot be read; all of them are listed.
            NumericalError: NaN or infinity in the model; names clip and layer.
            StoreError: the store cannot be used.
        """
        target = Path(output) if output else free_run_folder(Path("runs"), self.file.path.stem)
        unfinished = target.with_name(f".{target.name if output else self.file.path.stem}-rows")
        with (
            scratch(unfinished, result=None if replace else target)
            if store is None
            else nullcontext(Store(store)) as rows,
            new_run_folder(target, replace=replace) as folder,
        ):
            inputs = gather(self.file).with_views(self.model.card.clip_spec.views)
            refuse_untestable(self._design(inputs))
            declared = self._declare(inputs, folder)
            inputs = self.told(inputs, progress=progress)
            refuse_untestable(self._design(inputs))
            reader = self.reader(inputs, skip_bad=skip_bad, progress=progress)
            measured = measure(
                self.model,
                reader,
                classes=tuple(inputs.classes),
                layers=self.layers,
                pooling=self.file.study.pooling,
                score=self.score,
                store=rows,
                memory_bytes=memory_bytes,
                batch_size=batch_size,
                engine=engine,
            )
            inputs = inputs.without(reader.left_out)
            scores = measured.scores(self.model, self.score)
            predicted = [self.model.card.classes[index] for index in measured.logits[None].argmax(axis=1).tolist()]
            refuse_matched_outputs(inputs, predicted, scores.values)
            results = answers(measured.grams, self._design(inputs), scores=scores, primary=self.file.study.told_by)
            media = [*_exemplars(inputs, folder / MEDIA), *self._overlays(inputs, folder / MEDIA, progress=progress)]
            write_results(folder, results)
            table = ClipTable(inputs, self._design(inputs), measured, self.model, self.score, self.file.folder)
            write_clips(folder, table.rows())
            declared = {**declared, "entanglement": _entangled(measured, self._design(inputs))}
            facts = declared | {"hypotheses": outcomes(self.file.study, results)} if declared else {}
            write_manifest(folder, self._manifest(inputs, measured, media, reader, command=command, **facts))
            write_report(folder)
        return Run.read(target)

    def _declare(self, inputs: Inputs, folder: Path) -> dict[str, Any]:
        """Writes down what the study declares, before any clip is read; what the manifest says of it."""
        if not self.file.study.hypotheses:
            return {}
        design = self._design(inputs)
        tests = design.declared_tests + (design.layer_tests if design.asks_contrast else 0)
        declared = declaration(self.file, tests=tests)
        write_declaration(folder, declared)
        return {"declared": declared.declared, "declaration_sha256": declared.sha256}

    def told(self, inputs: Inputs, *, progress: Progress = silent) -> Inputs:
        """The same with remarks on clips that are in it several times or look alike; the same content counts once.

        Raises ConceptError where the random pool holds clips that it is to be compared with.
        """
        reader = self.reader(inputs, progress=progress)
        reader.clips()
        found = overlaps(inputs, reader.digests)
        inputs = inputs.once(reader.digests)
        alike = near_overlaps(inputs.concepts, inputs.random, inputs.classes, progress=progress)
        inputs = replace(inputs, remarks=(*inputs.remarks, *found, *alike))
        inputs = beside_pool(inputs, self.file, progress=progress)
        return aligned(inputs, self.file, self.model.card.clip_spec, progress=progress)

    def reader(self, inputs: Inputs, *, skip_bad: bool = False, progress: Progress = silent) -> ClipReader:
        """What brings the clips to the passes, and knows afterwards which could not be read."""
        files: dict[str | None, tuple[ClipFile, ...]] = {None: inputs.set_files}
        files.update(inputs.classes.items())
        edges = self.file.study.edges
        return ClipReader(
            files,
            partial(_read, spec=self.model.card.clip_spec, edges=edges),
            skip_bad=skip_bad,
            progress=progress,
            moments=inputs.moments,
            alignment=f"edges {edges}",
        )

    def _design(self, inputs: Inputs) -> Design:
        """What is asked of which clips, the rows of one kind of clips standing one after the other."""
        concepts, first_row = [], 0
        for concept in inputs.concepts:
            concepts.append(ConceptRows.of(concept, first_row=first_row))
            first_row += len(concept.clips)
        classes, first_class_row = {}, 0
        for name, files in inputs.classes.items():
            classes[name] = _rows(files, first_class_row)
            first_class_row += len(files)
        by_name = {concept.name: concept for concept in concepts}
        return Design(
            tuple(concepts),
            _rows(inputs.random, first_row),
            classes,
            layers=len(self.layers),
            settings=self.file.study.tests.model_copy(update={"seed": self.file.study.seed}),
            groups=tuple(Group(name, tuple(by_name[each] for each in members)) for name, members in inputs.groups),
            hypotheses=hypotheses(self.file.study),
            random_kinds=tuple(file.kind for file in inputs.random),
            matched={
                name: np.array([file.path in paths for file in inputs.random]) for name, paths in inputs.matched.items()
            },
        )

    def _overlays(self, inputs: Inputs, media: Path, *, progress: Progress) -> Iterator[Medium]:
        """Grad-CAM videos of the first clips of each class, beside the map of the class it is held against."""
        cam = self.file.study.cam
        if cam is None:
            return
        layer = cam.layer or last_spatial_layer(self.model)
        first_views = {name: [file for file in files if not file.view] for name, files in inputs.classes.items()}
        clips = [(name, file) for name, files in first_views.items() for file in files[: cam.clips]]
        for number, (name, file) in enumerate(progress(clips, "overlays", total=len(clips)), start=1):
            shown = (name, cam.against) if cam.against and cam.against != name else (name,)
            path = f"cam-{number}-{_slug(name)}.mp4"
            maps = write_maps(
                media / path,
                self.model,
                file.path,
                layers=[layer],
                classes=shown,
                event_seconds=inputs.moments.get(file.path),
                edges=self.file.study.edges,
            )
            yield Medium(
                role="cam",
                path=path,
                caption=f"{file.path.name}: where the model looks for " + " and for ".join(f"“{n}”" for n in shown),
                class_name=name,
                layer=layer,
                source=file.source,
                value=maps.probabilities[0][0],
            )

    def _manifest(
        self,
        inputs: Inputs,
        measured: Measured,
        media: list[Medium],
        reader: ClipReader,
        *,
        command: str,
        **declared: Any,
    ) -> Manifest:
        study = self.file.study
        files = [file for files in (inputs.set_files, *inputs.classes.values()) for file in files]
        return Manifest(
            **stamp(command),
            **declared,
            question=study.question,
            seed=study.seed,
            versions=versions(),
            model=ModelFacts.of(self.model.card, device=self.model.device.type),
            study=self.file.text,
            study_sha256=self.file.sha256,
            layers=self.layers,
            pooling=study.pooling,
            alignment=inputs.alignment,
            tests=TestFacts(
                **study.tests.model_dump(), primary=study.told_by, score=self.score.name, target=study.target
            ),
            classes={
                name: self._class_facts(name, of_class, torch.from_numpy(measured.logits[name]))
                for name, of_class in inputs.classes.items()
            },
            concepts=_concept_facts(inputs),
            groups=inputs.declared,
            pool=inputs.pool,
            random=RandomFacts(clips=len(inputs.random), sources=len({file.source for file in inputs.random})),
            clips_sha256=_digest(reader.digests[file.path] for file in files),
            clips_passed=measured.clips_passed,
            cam=CamFacts(colour_map=COLOURS, scale=CAM_SCALE),
            left_out=dict(reader.left_out),
            remarks=(*self.model.remarks, *inputs.remarks),
            media=tuple(media),
        )

    def _class_facts(self, name: str, files: tuple[ClipFile, ...], logits: Tensor) -> ClassFacts:
        index = self.model.class_index(name)
        return ClassFacts(
            clips=len(files),
            sources=len({file.source for file in files}),
            accuracy=float((logits.argmax(dim=1) == index).double().mean()),
            mean_probability=float(self.model.probabilities(logits)[:, index].mean()),
        )


def _model_problems(
    raw: Mapping[str, Any], *, folder: Path, load: Callable[..., VideoModel], loaded: list[VideoModel]
) -> Iterator[str]:
    """What the model has to say about a raw study: that it cannot be loaded, or lacks a layer or a class."""
    section = raw.get("model")
    if not isinstance(section, dict) or not isinstance(section.get("name"), str):
        yield from hypothesis_problems(raw, folder, layers=None)
        return
    try:
        model = load(section["name"], weights=_weights(section.get("weights"), folder))
        if isinstance(section.get("clip"), dict):
            spec = ClipSpec.model_validate({**model.card.clip_spec.model_dump(), **section["clip"]})
            model = replace(model, card=model.card.model_copy(update={"clip_spec": spec}))
    except ValidationError:
        return  # told by the file's own validation
    except ModelError as error:
        yield f"model: {error}"
        yield from hypothesis_problems(raw, folder, layers=None)
        return
    loaded.append(model)
    layers = _strings(section.get("layers")) or _strings(raw.get("layers"))
    yield from hypothesis_problems(raw, folder, layers=layers or model.card.default_layers)
    cam = raw.get("cam")
    cam = cam if isinstance(cam, dict) else {}
    asked: list[tuple[str, object, Callable[[str], object]]] = [
        *((f"layers[{index}]", name, model.layer) for index, name in enumerate(layers)),
        *((f"classes.{name}", name, model.class_index) for name in _strings(raw.get("classes"))),
        ("cam.layer", cam.get("layer"), model.layer),
        ("cam.against", cam.get("against"), model.class_index),
    ]
    yield from _target_problems(raw, model)
    numbers: dict[int, str] = {}
    for key in _strings(raw.get("classes")):
        with suppress(ClassNotFound):
            number = model.class_index(key)
            if number in numbers:
                yield f"classes.{key}: is the class that classes.{numbers[number]} is; name it once"
            numbers[number] = key
    for key, name, look_up in asked:
        try:
            if isinstance(name, str):
                look_up(name)
        except (LayerNotFound, ClassNotFound) as error:
            yield f"{key}: {error}"


def _target_problems(raw: Mapping[str, Any], model: VideoModel) -> Iterator[str]:
    target, classes = raw.get("target"), _strings(raw.get("classes"))
    if target == "":
        yield "target: is empty; write it as 'a - b', or leave it out"
    if not isinstance(target, str) or not target:
        return
    try:
        index = against_class(model, target)[0]
    except ClassNotFound as error:
        yield f"target: {error}"
        return
    with suppress(ClassNotFound):
        if len(classes) == 1 and model.class_index(classes[0]) != index:
            yield (
                f"target: the class of the study is '{classes[0]}', so that it is what the difference begins with, "
                f"not '{model.card.classes[index]}'"
            )


def _by_name(file: StudyText, model: VideoModel) -> StudyText:
    """The same with every class under its name, as all that follows calls it; a study may give its number."""
    study = file.study
    names = {key: model.card.classes[model.class_index(key)] for key in study.classes}
    cam = study.cam
    if cam is not None and cam.against is not None:
        cam = cam.model_copy(update={"against": model.card.classes[model.class_index(cam.against)]})
    changes = {
        "classes": {names[key]: section for key, section in study.classes.items()},
        "cam": cam,
        "hypotheses": tuple(_naming(text, names) for text in study.hypotheses),
    }
    return file.model_copy(update={"study": study.model_copy(update=changes)})


def _naming(hypothesis: str, names: Mapping[str, str]) -> str:
    said, _, key = hypothesis.rpartition(" for ")
    return f"{said} for {names[key]}" if said and key in names else hypothesis


def _strings(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list | dict) else []


def _weights(value: object, folder: Path) -> str | None:
    """The weights as the loader takes them: a file relative to the study, or else a name."""
    if not isinstance(value, str):
        return None
    return str(folder / value) if Path(value).suffix else value


def _read(
    path: Path,
    class_name: str | None,
    *,
    spec: ClipSpec,
    view: int | None = None,
    event_seconds: float | None = None,
    edges: Edges = "refuse",
) -> Tensor:
    """A clip at its own speed, laid around its event where it has one; a concept or random clip without that is too
    short for it is stretched to the model's length.
    """
    video = probe(path)
    if event_seconds is not None:
        return read_clip(video, spec, view=view, event_seconds=event_seconds, edges=edges)[1]
    stretched = class_name is None and video.duration_seconds <= spec.seconds
    return read_clip(video, spec, fit="stretch" if stretched else "time", view=view)[1]


def _rows(files: tuple[ClipFile, ...], first: int) -> Clips:
    """Clips that stand one after the other from row `first`."""
    return Clips(rows=np.arange(first, first + len(files)), sources=tuple(file.source for file in files))


def _exemplars(inputs: Inputs, media: Path) -> Iterator[Medium]:
    """The first clips of each concept set, copied beside the results; those of twins show the same tracks."""
    for concept in inputs.concepts:
        for number, clip in enumerate(concept.clips[:EXEMPLARS], start=1):
            path = f"{_slug(concept.concept)}-{concept.kind}-{number}{clip.path.suffix}"
            shutil.copyfile(clip.path, media / path)
            yield Medium(
                role="exemplar",
                path=path,
                caption=f"{concept.concept}, {concept.kind}, from {inputs.videos.get(clip.path, clip.source)}",
                concept=concept.concept,
                kind=concept.kind,
                source=clip.source,
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


def _digest(digests: Iterable[str]) -> str:
    """One hash over the bytes of all clips, in their order."""
    return hashlib.sha256(b"".join(bytes.fromhex(digest) for digest in digests)).hexdigest()


def _slug(name: str) -> str:
    """A name as a part of a file name."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower() or "concept"
