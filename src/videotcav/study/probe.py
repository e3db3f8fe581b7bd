"""What does a model rely on? Its classes' own clips with one thing changed at a time, top to bottom.

videos ─→ clips ─→ edits of each ─→ passes ─→ changes of the score ─→ sign flips over source videos ─→ effects
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from videotcav.concepts.detectors.detect import AnyDetector
from videotcav.engine.local import Engine, here
from videotcav.engine.store import Store
from videotcav.errors import ArgumentError
from videotcav.explain.cavs.gram import Floats, Rows
from videotcav.explain.design.settings import AnalysisSettings
from videotcav.explain.questions.contrast import Units
from videotcav.interventions.ask import Edits, ask, judged_edits
from videotcav.models.model import VideoModel
from videotcav.records import Progress, silent
from videotcav.report.probe import ProbeRun, read_probe
from videotcav.results.folder import new_run_folder
from videotcav.results.manifest import ClassFacts, ModelFacts, stamp, versions
from videotcav.results.probe_facts import (
    RIGHT,
    WRONG,
    EditFacts,
    ProbedModel,
    ProbeEffect,
    ProbeManifest,
    after,
    score_of,
)
from videotcav.study.against_model import class_named
from videotcav.study.object_edits import edits_of
from videotcav.study.probe_differences import differences
from videotcav.study.probe_edits import ProbeEdits, probe_edits
from videotcav.study.probe_inputs import Given, ToProbe, gather
from videotcav.study.probe_passes import Answers, Passed, Passer
from videotcav.video.labels import Labels


def probe(
    model: VideoModel | Sequence[VideoModel] | Mapping[str, VideoModel],
    clips: Given,
    output: Path | str | None = None,
    *,
    target: str | None = None,
    table: Labels | Path | str | None = None,
    by: str = "",
    edits: Sequence[str] | None = None,
    objects: AnyDetector | None = None,
    labels: Sequence[str] = (),
    settings: AnalysisSettings | None = None,
    store: Path | str | None = None,
    batch_size: int | None = None,
    engine: Engine = here,
    skip_bad: bool = False,
    command: str = "",
    progress: Progress = silent,
) -> ProbeRun:
    """What each class of a model relies on: what edits of its clips do to its score, and to what is right.

    Args:
        model: from `load_model`, handed back unchanged; or several, in a list or by names of your own, which are shown
            the same clips.
        clips: a folder with the videos of each class in a folder of its name; clips or videos by class; a list of
            clips (`ClipList`); or those of one class, the `target`.
        output: a folder to write everything into, which must not exist.
        target: the class that is asked about, where it is one alone.
        table: labels of the videos (CSV, JSONL or Parquet with a column `file`): `class` says which class each is of,
            `source` what it was cut from.
        by: the column of the table whose labels make subgroups.
        edits: names of edits; all when left out.
        objects: where the clips' objects are, so that these and the background are edited too: a detector, or what
            `load_detector` reads (a file of boxes or masks, an ONNX file).
        labels: what the detector calls the objects; all that it finds when left out.
        settings: margins, level, correction and seed of the tests.
        store: a folder or URL where logits are kept by the pixels that gave them, for other questions.
        batch_size: clips of a pass; halved where memory runs out.
        engine: where clips are read, edited and passed.
        skip_bad: leave unreadable videos out and record it.
        command: what the manifest says it was asked for with.
        progress: shows how far it is.

    Raises:
        ArgumentError: nothing says of which class the clips are, or an edit is not known.
        ClassNotFound: a class is not the model's; the closest names are told.
        NotEnoughData: a class has clips of fewer than two source videos.
        NumericalError: a logit is NaN or infinite; names the clip.
        PathTaken: something is at `output` already.
        TrackNotFound: objects are asked about, and no clip has one.
        VideosError: videos cannot be read; all of them are listed.
    """
    settings = settings or AnalysisSettings()
    chosen = probe_edits(edits, objects, labels, seed=settings.seed)
    models = _by_label(model)
    first = next(iter(models.values()))
    gathered = gather(
        clips,
        target=target,
        table=table,
        by=by,
        proper=lambda name: first.card.classes[class_named(name, first)],
        seed=settings.seed,
    )
    for each in models.values():
        for class_name in gathered.classes:
            each.class_index(class_name)

    passer = Passer(
        chosen,
        gathered.asked,
        batch_size=batch_size,
        skip_bad=skip_bad,
        store=None if store is None else Store(store),
        engine=engine,
    )
    with nullcontext() if output is None else new_run_folder(Path(output)) as folder:
        passed = passer(models, gathered.clips, progress)
        remarks = (*gathered.remarks, *_views(models, gathered), *chosen.remarks(passed, gathered.asked))
        asking = _Asking(passed, chosen, gathered.asked, by, settings)
        found = asking.run(command=command, of_classes=gathered.classes, remarks=remarks)
        if folder is not None:
            found.write(folder)
    return found if output is None else read_probe(output)


def _views(models: Mapping[str, VideoModel], gathered: ToProbe) -> Iterator[str]:
    """A remark on each model that is shown videos as several clips."""
    for label, each in models.items():
        views = each.card.clip_spec.views
        if views > 1 and any(clip.is_video for clip in gathered.clips):
            yield f"{label} is shown each video as {views} clips, whose logits are averaged."


def _by_label(model: VideoModel | Sequence[VideoModel] | Mapping[str, VideoModel]) -> dict[str, VideoModel]:
    """The models by their names; where several have one, with their weights if these differ, or else a number."""
    if isinstance(model, VideoModel):
        return {model.name: model}
    if isinstance(model, Mapping):
        return dict(model)
    found: dict[str, VideoModel] = {}
    for each in model:
        alike = [other.card.weights for other in model if other.name == each.name]
        number = sum(label == each.name or label.startswith(f"{each.name} (") for label in found)
        told_by = each.card.weights if len(alike) == len(set(alike)) > 1 else str(number + 1) if number else ""
        found[f"{each.name} ({told_by})" if told_by else each.name] = each
    if not found:
        raise ArgumentError("name one model at least")
    return found


class _Asking:
    """What was passed, asked class by class and edit by edit."""

    def __init__(
        self,
        passed: Passed,
        edits: ProbeEdits,
        classes: Sequence[str],
        by: str,
        settings: AnalysisSettings,
    ) -> None:
        self.passed, self.edits, self.classes, self.by, self.settings = passed, edits, classes, by, settings
        self.sources = [clip.source for clip in passed.clips]
        names = np.array([clip.class_name for clip in passed.clips])
        self.rows: dict[str, Rows] = {name: np.flatnonzero(names == name) for name in dict.fromkeys(names.tolist())}

    def run(self, *, command: str, of_classes: tuple[str, ...], remarks: tuple[str, ...]) -> ProbeRun:
        """Everything that is asked, with what is stated of it."""
        labels, settings = tuple(self.passed.answers), self.settings
        manifest = ProbeManifest(
            **stamp(command),
            versions=versions(),
            models={label: self.model_facts(label) for label in labels},
            classes=tuple(self.classes),
            of_classes=of_classes,
            edits=self.edits.facts,
            clips=len(self.passed.clips),
            sources=len(set(self.sources)),
            alpha=settings.alpha,
            correction=settings.correction,
            negligible_below=settings.negligible_below,
            equivalence_margin=settings.margin,
            seed=settings.seed,
            by=self.by,
            left_out=dict(self.passed.left_out),
            remarks=remarks,
        )
        return ProbeRun(
            manifest,
            effects=tuple(row for label in labels for row in self.effects(label)),
            clips=tuple(row for label in labels for row in self.clip_rows(label)),
            differences=differences(self.passed, self.sigma, self.edits.facts, self.classes, settings=settings),
        )

    def reference(self, label: str, class_name: str) -> Floats:
        """The score of the class of each source video, unedited: its spread is the unit of effects."""
        scores = self.passed.answers[label].score(class_name)
        return Units.of(scores[:, None], self.sources).values[:, 0]

    def sigma(self, label: str, class_name: str) -> float:
        """The unit of effects."""
        return float(self.reference(label, class_name).std(ddof=1))

    def effects(self, label: str) -> Iterator[ProbeEffect]:
        """All rows of a model: its classes, then subgroups, then clips that are right and wrong apart."""
        answers = self.passed.answers[label]
        reference = {name: self.reference(label, name) for name in self.classes}
        families: list[list[Edits]] = [[], [], []]
        for class_name in self.classes:
            rows = self.rows[class_name]
            is_right = answers.predicted(rows=rows) == answers.model.class_index(class_name)
            for edit in self.edits.facts:
                families[0].append(self._edits(answers, class_name, edit, rows))
                families[1] += [
                    self._edits(answers, class_name, edit, some, of_clips=name) for name, some in self._groups(rows)
                ]
                families[2] += [
                    self._edits(answers, class_name, edit, rows[flags], of_clips=name, ranked=False)
                    for name, flags in ((RIGHT, is_right), (WRONG, ~is_right))
                    if flags.any()
                ]
        for family in families:
            asked = ask(family, reference, settings=self.settings)
            for row in judged_edits(asked, settings=self.settings):
                yield ProbeEffect(**row.model_dump(), model=label)

    def _groups(self, rows: Rows) -> Iterator[tuple[str, Rows]]:
        """The clips of each label of the column that makes subgroups."""
        told = [self.passed.clips[row].labels.get(self.by) for row in rows] if self.by else []
        for label in sorted({label for label in told if label is not None}):
            yield f"{self.by} = {label}", rows[[each == label for each in told]]

    def _edits(
        self,
        answers: Answers,
        class_name: str,
        edit: EditFacts,
        rows: Rows,
        *,
        of_clips: str = "",
        ranked: bool | None = None,
    ) -> Edits:
        """One edit of some clips."""
        return edits_of(
            answers,
            edit.name,
            class_name,
            rows,
            self.sources,
            of=self.edits.targets.get(edit.name),
            of_clips=of_clips,
            ranked=edit.ranked if ranked is None else ranked,
        )

    def model_facts(self, label: str) -> ProbedModel:
        """What a model is, and how it does on the clips as they are."""
        answers = self.passed.answers[label]
        classes: dict[str, ClassFacts] = {}
        for name, rows in self.rows.items():
            classes[name] = ClassFacts(
                clips=len(rows),
                sources=len({self.sources[row] for row in rows}),
                accuracy=float((answers.predicted(rows=rows) == answers.model.class_index(name)).mean()),
                mean_probability=float(answers.probability(name, rows=rows).mean()),
            )
        model = answers.model
        return ProbedModel(
            facts=ModelFacts.of(model.card, device=model.device.type),
            score=answers.asked_by.name,
            classes=classes,
        )

    def clip_rows(self, label: str) -> Iterator[dict[str, Any]]:
        """A row a clip, from which every effect can be computed anew."""
        answers = self.passed.answers[label]
        names = answers.model.card.classes
        scores = {name: answers.score(name) for name in self.classes}
        predicted = {edit: answers.predicted(edit) for edit in ("", *answers.after)}
        own = {edit: np.full((len(self.sources), 2), np.nan) for edit in predicted}
        for edit, name in product(predicted, self.rows):
            rows = self.rows[name]
            own[edit][rows] = np.stack([answers.score(name, edit, rows), answers.probability(name, edit, rows)], axis=1)
        for row, clip in enumerate(self.passed.clips):
            score, probability = own[""][row]
            found: dict[str, Any] = {
                "model": label,
                "clip": clip.name,
                "source": clip.source,
                "class": clip.class_name,
                **{f"label {column}": value for column, value in clip.labels.items()},
                "score": float(score),
                "probability": float(probability),
                "predicted": names[predicted[""][row]],
                **{score_of(name): float(values[row]) for name, values in scores.items()},
            }
            for edit in answers.after:
                share = answers.changed[edit][row]
                is_made = bool(np.isfinite(share))
                score, probability = own[edit][row]
                found |= {
                    after(edit, "changed"): float(share) if is_made else None,
                    after(edit, "score"): float(score) if is_made else None,
                    after(edit, "probability"): float(probability) if is_made else None,
                    after(edit, "predicted"): names[predicted[edit][row]] if is_made else None,
                }
            yield found
