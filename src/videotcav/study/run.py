"""START HERE: a study file in, a run folder out, top to bottom.

videos ─→ clips ─→ activations and gradients ─→ Gram blocks ─→ CAVs, scores, tests ─→ results ─→ report
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import tomli_w

from videotcav.datasets.rows import ClipList
from videotcav.engine.local import Engine, here
from videotcav.engine.run_store import scratch
from videotcav.engine.store import Store
from videotcav.errors import StoreError, StudyFileError
from videotcav.explain.design.design import Design
from videotcav.explain.questions.all import answers, refuse_untestable
from videotcav.explain.questions.domain_gap import with_origins
from videotcav.explain.questions.entanglement import reads_kernel
from videotcav.features.measure import DEFAULT_MEMORY_BYTES, measure
from videotcav.models.class_score import ClassScore, against_class, asked_score
from videotcav.models.load import load_model
from videotcav.models.model import VideoModel
from videotcav.records import Precision, Progress, silent
from videotcav.report.page import write_report
from videotcav.report.run import Run
from videotcav.results.folder import MEDIA, free_run_folder, new_run_folder, write_clips, write_results, write_rows
from videotcav.results.manifest import EFFECTS, SHARES, write_manifest
from videotcav.study.against_model import by_name, model_problems
from videotcav.study.alignment import aligned
from videotcav.study.class_shares import class_shares, telling_layer
from videotcav.study.clip_rows import ClipTable
from videotcav.study.design import pool_scores, study_design
from videotcav.study.edits import NO_INTERVENTIONS, Editor
from videotcav.study.file import StudyText
from videotcav.study.inputs import Inputs, overlaps, study_inputs
from videotcav.study.manifest import manifest_of
from videotcav.study.map_checks import map_badges
from videotcav.study.media import exemplars, overlays
from videotcav.study.overlap import near_overlaps
from videotcav.study.pool import beside_pool, refuse_matched_outputs
from videotcav.study.preregistration import declare
from videotcav.study.read_file import (
    model_keys,
    parse_study,
    read_study_file,
    study_tables,
    unread_settings,
    with_one_model,
)
from videotcav.study.reading import StudyClips, clip_reader


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
        model: int | None = None,
        events: Path | str | None = None,
        target: str | None = None,
        score: str | None = None,
        objects: Path | str | None = None,
        as_published: bool = False,
    ) -> Self:
        """The study in a file, its model loaded onto `device`, its passes in `precision`.

        `model` says which one, where the file names several: without it such a file is refused. `events`, `target`,
        `score` and `objects` stand in the place of the file's, see `read_study_file`.
        A study that is asked `as_published` may hold settings of all scores, and its hypotheses are left unread.

        Raises:
            StudyFileError: the file has mistakes, also such that only the model can tell (layers, classes).
        """
        several = model_keys(Path(path))
        if model is None and len(several) > 1:
            raise StudyFileError(
                Path(path), [f"models: are {len(several)}: say which one, or take them all with load_studies"]
            )
        loaded: list[VideoModel] = []
        load = partial(load_model, device=device, precision=precision)

        def check(raw: Mapping[str, Any]) -> Iterator[str]:
            read = {**raw, "hypotheses": []} if as_published else raw
            yield from () if as_published else unread_settings(raw)
            yield from model_problems(read, folder=Path(path).parent, load=load, loaded=loaded)

        asked: dict[str, Any] = {"events": events, "target": target, "score": score, "objects": objects}
        file = read_study_file(Path(path), check=check, model=model or 0, **asked)
        return cls(by_name(file, loaded[0]), loaded[0])

    @classmethod
    def of(
        cls,
        model: VideoModel,
        *,
        classes: Mapping[str, Path | str | Sequence[Path | str]] | ClipList,
        concepts: Path | str | Sequence[Path | str],
        random: Path | str | Sequence[Path | str],
        question: str = "Which concepts move the class?",
        name: str = "study",
        **others: Any,
    ) -> Self:
        """A study without a file, from a loaded model and paths.

        Args:
            model: from `load_model`.
            classes: the videos of each class: a folder, a pattern, or several; or a list of clips.
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
        return cls.from_text(Path(f"{name}.toml").absolute(), tomli_w.dumps(raw), model=model)

    @classmethod
    def from_text(
        cls,
        path: Path,
        text: str,
        *,
        model: VideoModel | int = 0,
        device: str | None = None,
        precision: Precision = "fp32",
    ) -> Self:
        """The study that a text states, as if it stood in the file `path`; of several models the one of that number.

        A model that is given stands in the place of the named one. Raises StudyFileError.
        """
        raw = with_one_model(tomllib.loads(text), 0 if isinstance(model, VideoModel) else model)
        loaded: list[VideoModel] = []

        def load(*named: Any, **how: Any) -> VideoModel:
            if isinstance(model, VideoModel):
                return model
            return load_model(*named, **how, device=device, precision=precision)

        def check(raw: Mapping[str, Any]) -> Iterator[str]:
            yield from unread_settings(raw)
            yield from model_problems(raw, folder=path.parent, load=load, loaded=loaded)

        file = parse_study(path, text, raw, check=check)
        return cls(by_name(file, loaded[0]), loaded[0])

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
        return asked_score(self.model, None, study.score, classic=study.tests.scores == "classic")[1]

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
        study = self.file.study
        target = Path(output) if output else free_run_folder(Path("runs"), self.file.path.stem)
        unfinished = target.with_name(f".{target.name if output else self.file.path.stem}-rows")
        if self.model.card.clip_spec.reader is not None:
            _refuse_kept_rows(self.model.name, store, unfinished)
        with (
            scratch(unfinished, result=None if replace else target)
            if store is None
            else nullcontext(Store(store)) as rows,
            new_run_folder(target, replace=replace) as folder,
        ):
            inputs = study_inputs(self.file).with_views(self.model.card.clip_spec.views)
            design = self.design(inputs)
            refuse_untestable(design)
            declared = declare(self.file, design, folder)
            inputs = self.told(inputs, progress=progress)
            refuse_untestable(self.design(inputs))
            clips = self.clips(keeps=study.interventions is not None or study.cam is not None)
            editor = Editor.of(self.file, inputs, clips)
            reader = clip_reader(inputs, clips, skip_bad=skip_bad, progress=progress)
            measured = measure(
                self.model,
                reader,
                classes=tuple(inputs.classes),
                layers=self.layers,
                pooling=study.pooling,
                score=self.score,
                store=rows,
                memory_bytes=memory_bytes,
                batch_size=batch_size,
                engine=engine,
                kernel=reads_kernel(design),
                gradients=design.trains_cavs,
            )
            inputs = inputs.without(reader.left_out)
            design = self.design(inputs)
            scores = measured.scores(self.model, self.score)
            pool = pool_scores(scores, design)
            refuse_matched_outputs(inputs, measured.predicted(self.model), scores.values)
            edited = editor and editor.asked(
                inputs,
                design,
                self.model,
                self.score,
                pool=pool,
                store=rows,
                batch_size=batch_size,
                engine=engine,
                progress=progress,
            )
            tests = edited.family if edited else None
            results = answers(measured.grams, design, scores=scores, primary=study.told_by, edits=tests)
            results = with_origins(results, measured.grams, design, scores, inputs.generated)
            write_results(folder, results)
            effects = edited.effects(results) if edited else []
            after = edited.scores if edited else {}
            table = ClipTable(inputs, design, measured, self.model, self.score, self.file.folder, after)
            write_clips(folder, table.rows())
            pictures = edited.pictures if edited else None
            shown = [*overlays(self.file, inputs, self.model, folder / MEDIA, beside=pictures, progress=progress)]
            shown += pictures.media(folder / MEDIA, seen_from=self.file.folder) if pictures else ()
            layer = telling_layer(results, self.layers)
            told = (self.file, inputs, self.model, self.score)
            shares = class_shares(*told, layer=layer, media=shown, read=clips, progress=progress)
            manifest = manifest_of(
                self.file,
                inputs,
                measured,
                self.model,
                self.score,
                design=design,
                results=results,
                media=(*exemplars(inputs, folder / MEDIA), *shown),
                badges=map_badges(study, inputs, self.model, self.score, pool, clips, progress=progress),
                interventions=edited.facts if edited else None,
                effects=effects,
                effects_sha256=write_rows(folder / EFFECTS, effects),
                shares_sha256=write_rows(folder / SHARES, shares),
                reader=reader,
                declared=declared,
                command=command,
            )
            write_manifest(folder, manifest)
            write_report(folder)
        return Run.read(target)

    def preview(self, folder: Path | str, *, progress: Progress = silent) -> tuple[Path, ...]:
        """Videos of the first clip of each class that holds an object, beside each edit of it, in a new folder.

        Nothing passes the model. Raises StudyFileError where the study asks for no edits, TrackNotFound where no clip
        has an object.
        """
        spec = self.model.card.clip_spec
        inputs = aligned(study_inputs(self.file).with_views(spec.views), self.file, spec, progress=progress)
        editor = Editor.of(self.file, inputs, self.clips())
        if editor is None:
            raise StudyFileError(self.file.path, [NO_INTERVENTIONS])
        with new_run_folder(Path(folder)) as unfinished:
            names = [medium.path for medium in editor.preview(inputs, progress=progress).previews(unfinished / MEDIA)]
        return tuple(Path(folder) / MEDIA / name for name in names)

    def told(self, inputs: Inputs, *, progress: Progress = silent) -> Inputs:
        """The same with remarks on clips that are in it several times or look alike; the same content counts once.

        Raises ConceptError where the random pool holds clips that it is to be compared with.
        """
        reader = clip_reader(inputs, self.clips(), progress=progress)
        reader.clips()
        inputs = inputs.beside_finding(reader.digests)
        found = overlaps(inputs, reader.digests)
        inputs = inputs.once(reader.digests)
        alike = near_overlaps(inputs.concepts, inputs.random, inputs.classes, progress=progress)
        inputs = replace(inputs, remarks=(*inputs.remarks, *found, *alike))
        inputs = beside_pool(inputs, self.file, progress=progress)
        return aligned(inputs, self.file, self.model.card.clip_spec, progress=progress)

    def clips(self, *, keeps: bool = False) -> StudyClips:
        """What reads its clips."""
        return StudyClips(self.model.card.clip_spec, self.file.study.edges, keeps=keeps)

    def design(self, inputs: Inputs) -> Design:
        """What is asked of which clips, see `study_design`."""
        return study_design(self.file.study, inputs, layers=len(self.layers))


def _refuse_kept_rows(name: str, store: Path | str | None, unfinished: Path) -> None:
    """Raises StoreError where rows of other runs would be taken for what a card's reader gives now."""
    why = f"{name} has a reader of its own: rows are kept by the bytes of videos, and nobody knows what else it reads"
    if store is not None:
        raise StoreError(f"{why}; run without one")
    if unfinished.exists():
        raise StoreError(f"{why}; remove {unfinished}, the rows of a run that did not end")
