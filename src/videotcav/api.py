"""What a notebook can do, and what the command line does: everything is here, as functions on paths and objects."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace as replace_fields
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from videotcav.concepts.by_hand.mark import MarkedClip, mark_clip
from videotcav.concepts.by_hand.stills import mark_stills
from videotcav.concepts.detectors.detect import AnyDetector, load_detector
from videotcav.concepts.detectors.with_masks import WithMasks
from videotcav.concepts.discover.candidates import Discovery
from videotcav.concepts.folder import accept
from videotcav.concepts.generate.generate import generate
from videotcav.concepts.generate.pipeline import GenerationSettings
from videotcav.concepts.propose.recipe import Recipe
from videotcav.concepts.propose.show import ConceptSummary, contact_sheet, summarise
from videotcav.concepts.propose.videos import Proposal
from videotcav.concepts.propose.videos import propose as propose_from
from videotcav.concepts.review.random_sets import RandomDraw, write_random_set
from videotcav.concepts.review.review import reviewed_sets
from videotcav.datasets.forms import datasets
from videotcav.datasets.read import clips_and_sources
from videotcav.datasets.rows import ClipList
from videotcav.engine.local import Engine, here
from videotcav.engine.on_ray import OnRay
from videotcav.errors import ArgumentError, OutputError, StudyFileError, VideotcavError, VideotcavWarning
from videotcav.explain.design.settings import AnalysisSettings
from videotcav.features.measure import DEFAULT_MEMORY_BYTES
from videotcav.interventions.clips import EditedClips, edit_clips
from videotcav.maps import (
    CamMaps,
    ClipMaps,
    PixelSettings,
    clip_maps,
    last_spatial_layer,
    require_space,
    write_maps,
)
from videotcav.maps.concept import concept_maps, read_counted, write_concept_map
from videotcav.maps.concept_view import ConceptMaps, ConceptMapSettings
from videotcav.maps.evaluation import Truths, measure_faithfulness, read_events
from videotcav.maps.judged import FaithfulnessSettings
from videotcav.models.listing import down_to
from videotcav.models.load import known_models, load_model
from videotcav.models.model import LayerInfo, VideoModel
from videotcav.outputs import refuse_overwriting
from videotcav.planted.render import render_demo
from videotcav.records import ClipSpec, KnownModel, ModelCard, Precision, Progress, Result, ScoreName, silent
from videotcav.report.comparison import Comparison, read_comparison, write_comparison_page
from videotcav.report.faithfulness import FaithfulnessRun, read_faithfulness, write_faithfulness_page
from videotcav.report.page import write_report
from videotcav.report.paper import write_paper
from videotcav.report.probe import ProbeRun, read_probe, write_probe_page
from videotcav.report.render import PAGE
from videotcav.report.run import Run, read_run
from videotcav.report.runs import RunIndex, write_runs_page
from videotcav.results.attacked import AttackResults
from videotcav.results.folder import free_run_folder
from videotcav.results.manifest import kind_of
from videotcav.study.alignment import moments, moments_of
from videotcav.study.attack import attack
from videotcav.study.audit import Finding, audit
from videotcav.study.comparison import compare, load_studies
from videotcav.study.concept_scores import ConceptScores, Moments, concept_scores
from videotcav.study.demo import run_demo
from videotcav.study.discover import discover
from videotcav.study.edits import NO_INTERVENTIONS
from videotcav.study.find import Ranked, find
from videotcav.study.first_file import init
from videotcav.study.held_out import HeldOut
from videotcav.study.paper import run_paper
from videotcav.study.plan import Plan, Spreads, plan_study
from videotcav.study.probe import probe
from videotcav.study.read_file import model_keys
from videotcav.study.run import Study
from videotcav.study.tcav import tcav
from videotcav.study.tcav_results import TcavResults
from videotcav.video.alignment import Align, Alignment, Edges
from videotcav.video.arrays import clips_from_arrays
from videotcav.video.clips import Clips, read_clips, read_windows
from videotcav.video.sources import as_sources

__all__ = [
    "AnalysisSettings",
    "AttackResults",
    "CamMaps",
    "ClipList",
    "ClipMaps",
    "ClipSpec",
    "Comparison",
    "ConceptMapSettings",
    "ConceptMaps",
    "ConceptScores",
    "Discovery",
    "EditedClips",
    "FaithfulnessRun",
    "FaithfulnessSettings",
    "Finding",
    "GenerationSettings",
    "MarkedClip",
    "ModelCard",
    "OnRay",
    "PixelSettings",
    "Plan",
    "ProbeRun",
    "Ranked",
    "Recipe",
    "Result",
    "Run",
    "RunIndex",
    "Spreads",
    "Study",
    "TcavResults",
    "Truths",
    "VideotcavError",
    "VideotcavWarning",
    "accept",
    "attack",
    "audit",
    "clips_from_arrays",
    "compare",
    "concept_maps",
    "concept_scores",
    "concepts_in",
    "contact_sheet",
    "datasets",
    "demo",
    "discover",
    "edit",
    "faithfulness",
    "find",
    "generate",
    "grad_cam",
    "init",
    "intervene",
    "layers",
    "load_detector",
    "load_model",
    "load_studies",
    "maps",
    "mark",
    "mark_clip",
    "mark_stills",
    "models",
    "paper",
    "plan",
    "probe",
    "propose",
    "random_pool",
    "read_clips",
    "read_comparison",
    "read_concepts",
    "read_events",
    "read_faithfulness",
    "read_probe",
    "read_run",
    "read_windows",
    "render_demo",
    "report",
    "review",
    "run",
    "runs",
    "score_video",
    "tcav",
    "write_concept_map",
    "write_maps",
]

# --- models ------------------------------------------------------------------------------------------------------


def models() -> tuple[KnownModel, ...]:
    """The models that can be named: input, classes, names of weights, and what those may be used for."""
    return known_models()


def layers(model: VideoModel | str, *, weights: str | None = None, depth: int | None = None) -> list[LayerInfo]:
    """The layers of a model that can be named, with the shape of what they give out; `depth` levels of them, or all."""
    return down_to((load_model(model, weights=weights) if isinstance(model, str) else model).layers(), depth)


# --- concepts ----------------------------------------------------------------------------------------------------


def propose(
    videos: Path | str | Sequence[Path | str] | ClipList,
    output: Path | str,
    *,
    detector: AnyDetector,
    labels: Sequence[str] | Mapping[str, str],
    recipe: Recipe | None = None,
    sources: Mapping[str, str] | None = None,
    overlay: Path | str | None = None,
    skip_bad: bool = False,
    replace: bool = False,
    masks: str | None = None,
    engine: Engine = here,
    progress: Progress = silent,
) -> Proposal:
    """What was added to the concept folder `output`: candidate clips of every label, with their twins.

    `videos` may be a list of clips, which then says what they were cut from too; some of many are drawn by the recipe's
    seed. `detector` is what `load_detector` takes: an ONNX file, a file of boxes, `transformers:NAME`, a function.
    `masks` names a SAM 2 or EdgeTAM of transformers, or its folder, that outlines what is in the boxes, to be cut out
    with `Recipe(cut="mask")`. Other arguments and errors as those of `videotcav.concepts.propose.videos.propose`.
    """
    places, sources = clips_and_sources(videos, sources, seed=(recipe or Recipe()).seed)
    return propose_from(
        places,
        load_detector(detector) if masks is None else WithMasks(load_detector(detector), masks),
        output,
        labels=labels,
        recipe=recipe,
        sources=sources,
        overlay=overlay,
        skip_bad=skip_bad,
        replace=replace,
        progress=progress,
        engine=None if engine is here else engine,
    )


def review(
    folder: Path | str,
    *,
    model: VideoModel | None = None,
    layer: str | None = None,
    videos: Path | str | Sequence[Path | str] = (),
    store: Path | str | None = None,
    port: int = 0,
    reviewer: str | None = None,
    open_browser: bool = True,
    announce: Callable[[str], None] | None = None,
) -> None:
    """Opens the page on which a person verifies candidates; Ctrl-C ends it.

    With a model, a layer and unlabelled `videos` the page offers more like each concept: `find` with these, into a new
    folder beside this one. Raises MissingExtra, ConceptError, and ArgumentError where one of the three is missing.
    """
    from videotcav.review_app import launch  # noqa: PLC0415 - an optional extra

    def more(concept: str) -> Path:
        output = free_run_folder(Path(folder).absolute().parent, f"{Path(folder).absolute().name}-like-{concept}")
        find(model, videos, output, like=Path(folder) / concept, layer=layer, store=store)  # type: ignore[arg-type]
        return output

    given = [model is not None, layer is not None, bool(videos)]
    if any(given) and not all(given):
        raise ArgumentError("more like a concept needs a model, a layer and videos: give all three, or none")
    how: dict[str, Any] = {"port": port, "reviewer": reviewer, "open_browser": open_browser, "announce": announce}
    launch(folder, find_more=more if all(given) else None, **how)


def mark(
    videos: Path | str | Sequence[Path | str] | ClipList,
    output: Path | str,
    *,
    port: int = 0,
    reviewer: str | None = None,
    open_browser: bool = True,
    announce: Callable[[str], None] | None = None,
) -> None:
    """Opens the page on which a person marks clips in videos for the concept folder `output`; Ctrl-C ends it.

    `videos` may be a list of clips, which then says what they were cut from too. Raises MissingExtra, VideoError,
    UnreadableText, ConceptError. Without the page: `mark_clip`.
    """
    from videotcav.review_app import launch  # noqa: PLC0415 - an optional extra

    places, sources = clips_and_sources(videos)
    how: dict[str, Any] = {"port": port, "reviewer": reviewer, "open_browser": open_browser, "announce": announce}
    launch(output, videos=places, sources=sources, **how)


def concepts_in(folder: Path | str) -> list[ConceptSummary]:
    """What a concept folder holds: counts, sizes, sources."""
    return summarise(folder)


def random_pool(
    folder: Path | str,
    output: Path | str,
    *,
    concept: str,
    size: int = 30,
    pools: Sequence[Path | str] = (),
    match: str | Sequence[str] = (),
    table: Path | str | None = None,
    own: str | Sequence[str] = (),
    seed: int = 0,
) -> RandomDraw:
    """What was drawn and copied to the new folder `output`: clips of other things than the concept, evenly over
    sources that it does not share; with `match` a matched pool, see `write_random_set`.

    Raises ConceptError, ArgumentError, NotEnoughData, UnreadableText.
    """
    return write_random_set(
        folder, output, concept=concept, size=size, rng=seed, pools=pools, match=match, table=table, own=own
    )


def read_concepts(
    folder: Path | str,
    spec: ClipSpec,
    *,
    sources: Mapping[Path | str, str] | Path | str | None = None,
    align: Align | None = None,
    events: Mapping[Path | str, float | None] | Path | str | None = None,
    edges: Edges = "refuse",
    progress: Progress = silent,
) -> dict[str, Clips]:
    """The accepted concept sets of a folder as clips, by `concept/kind`; a twin has the order of its tracks.

    Clips count as in a study: what reviewers accepted, under the name that they gave it, and what was accepted unseen.
    Of a folder of `discover` those of held-out videos do, which is told in a VideotcavWarning.
    `sources` says what the clips, or the videos that they were cut from, come from, as for `read_clips`.
    So do `align`, `events` and `edges`; still clips and twins take the moment of the moving clip of their track.
    """
    clips = {}
    table = as_sources(sources)
    held_out = HeldOut.of([Path(folder)])
    sets = held_out.sets(reviewed_sets(folder, sources=table).sets)
    alignment = Alignment.of(align, events, edges)
    how: dict[str, Any] = {}
    if alignment.align != "none":
        unread = {clip.path: None for concept in sets for clip in concept.clips}
        how = {"events": unread | moments_of(moments(sets, (), alignment, progress=progress)), "edges": edges}
    for concept in sets:
        read = read_clips([clip.path for clip in concept.clips], spec, fit="stretch", progress=progress, **how)
        records = tuple(
            record.model_copy(update={"source": clip.source, "track": clip.id})
            for record, clip in zip(read.records, concept.clips, strict=True)
        )
        clips[concept.name] = replace_fields(read, records=records)
    found = f"{held_out.found} concepts were found in {len(held_out.finding)} videos, whose clips are left out"
    corrected = f"{folder}: {found}; a study corrects p for all that were found, and nothing else does"
    for remark in (*table.remarks(), *((corrected,) if held_out else ())):
        warnings.warn(remark, VideotcavWarning, stacklevel=2)
    return clips


def score_video(
    model: VideoModel,
    video: Path | str,
    output: Path | str | None = None,
    *,
    concepts: Path | str,
    random: Path | str,
    target: str | int | None = None,
    layers: Sequence[str | nn.Module] | None = None,
    pooling: Moments = "all",
    step_seconds: float | None = None,
    progress: Progress = silent,
) -> ConceptScores:
    """How much of each concept of a folder a video shows, see `concept_scores`: the clip in its middle, or with
    `step_seconds` clip after clip.

    It is also written to `output`: a page (.html), or all numbers (.parquet), which `ConceptScores.read` reads back.
    """
    spec = model.card.clip_spec
    if output is not None:
        if Path(output).suffix.lower() not in (".html", ".parquet"):
            raise OutputError(f"{output}: scores are written as a page, .html, or as a table, .parquet")
        refuse_overwriting([Path(output)], inputs=[Path(video)])
    if step_seconds is None:
        clips = read_clips(video, spec)
    else:
        clips = read_windows(video, spec, step_seconds=step_seconds, progress=progress)
    found = concept_scores(
        model,
        clips,
        concepts=read_concepts(concepts, spec, progress=progress),
        random=read_counted(Path(random), spec),
        target=target,
        layers=layers,
        pooling=pooling,
        progress=progress,
    )
    if output is not None:
        (found.report if Path(output).suffix.lower() == ".html" else found.save)(output)
    return found


# --- studies -----------------------------------------------------------------------------------------------------


def run(
    study: Study | Path | str | Sequence[Study],
    output: Path | str | None = None,
    *,
    events: Path | str | None = None,
    target: str | None = None,
    score: ScoreName | None = None,
    device: str | None = None,
    precision: Precision = "fp32",
    skip_bad: bool = False,
    store: Path | str | None = None,
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
    batch_size: int | None = None,
    engine: Engine = here,
    command: str = "",
    progress: Progress = silent,
) -> Run | Comparison:
    """The run of a study, given as an object or as its file; of several models the comparison.

    `device` and `precision` are those that a study file's models are loaded with, `events` a table (CSV: file, seconds)
    of the moments that its clips are aligned on. `target`, the class a of the study held against another ("a - b"), and
    `score`, what classes are asked by, stand in the place of the file's. Other arguments and errors as those of
    `Study.run`.
    """
    if isinstance(study, Path | str):
        studies: Sequence[Study] = load_studies(
            Path(study), device=device, precision=precision, events=events, target=target, score=score
        )
    else:
        _refuse_changes(events=events, target=target, score=score)
        studies = [study] if isinstance(study, Study) else study
    how: dict[str, Any] = {
        "skip_bad": skip_bad,
        "store": store,
        "memory_bytes": memory_bytes,
        "batch_size": batch_size,
        "engine": engine,
        "command": command,
        "progress": progress,
    }
    return studies[0].run(output, **how) if len(studies) == 1 else compare(studies, output, **how)


def intervene(
    study: Study | Path | str | Sequence[Study],
    output: Path | str | None = None,
    *,
    objects: Path | str | None = None,
    preview: Path | str | None = None,
    device: str | None = None,
    precision: Precision = "fp32",
    skip_bad: bool = False,
    store: Path | str | None = None,
    batch_size: int | None = None,
    engine: Engine = here,
    command: str = "",
    progress: Progress = silent,
) -> Run | Comparison | tuple[Path, ...]:
    """The run of a study that also edits the objects of its classes' own clips: what pushes, and what is needed.
    Of several models it is their comparison, whose runs have their edits.

    `objects`, a file of boxes or masks or what `load_detector` reads, stands in the place of the study's section
    interventions. With `preview`, a new folder, only the videos of edited clips beside their originals are written
    there, and nothing passes the model: models that are shown other clips have no preview in common. Other arguments
    and errors as those of `Study.run`.
    """
    if isinstance(study, Path | str):
        studies: Sequence[Study] = load_studies(Path(study), device=device, precision=precision, objects=objects)
    else:
        _refuse_changes(objects=objects)
        studies = [study] if isinstance(study, Study) else study
    file = studies[0].file
    if file.study.interventions is None:
        raise StudyFileError(file.path, [NO_INTERVENTIONS])
    if preview is None:
        how: dict[str, Any] = {"skip_bad": skip_bad, "store": store, "batch_size": batch_size, "engine": engine}
        return run(studies, output, **how, command=command, progress=progress)
    if len({each.model.card.clip_spec for each in studies}) > 1:
        raise StudyFileError(file.path, ["models: are shown clips of their own; preview a study of one of them"])
    return studies[0].preview(preview, progress=progress)


def _refuse_changes(**changes: object) -> None:
    if given := [name for name, value in changes.items() if value is not None]:
        raise VideotcavError(
            f"a study that is made already has its {' and its '.join(given)}: give that to Study.of or Study.from_file"
        )


def plan(
    study: Study | Path | str,
    *,
    events: Path | str | None = None,
    target: str | None = None,
    score: ScoreName | None = None,
    pilot: Run | Path | str | None = None,
    spreads: Spreads | None = None,
    device: str | None = None,
    clips_per_second: float | None = None,
    workers: int = 1,
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
    progress: Progress = silent,
) -> Plan:
    """What a study needs, could see and will cost, before it is run; of several models with the first, and a warning
    says so. Arguments as `plan_study`, and `events`, `target`, `score` and `device`, which is timed, as for `run`.
    """
    if isinstance(study, Study):
        _refuse_changes(events=events, target=target, score=score, device=device)
    else:
        models = len(model_keys(Path(study)))
        if models > 1:
            warnings.warn(
                f"the study asks {models} models; the plan is that of the first", VideotcavWarning, stacklevel=2
            )
        study = Study.from_file(study, model=0, events=events, target=target, score=score, device=device)
    return plan_study(
        study,
        pilot=read_run(pilot) if isinstance(pilot, Path | str) else pilot,
        spreads=spreads,
        clips_per_second=clips_per_second,
        workers=workers,
        memory_bytes=memory_bytes,
        progress=progress,
    )


def report(folder: Path | str) -> Path:
    """Writes the page of a run, a comparison, a probe, maps, measured maps or a paper folder anew, from its results
    alone (of maps, their videos too); where it lies. Raises RunFolderError where the folder is none, or damaged.
    """
    pages: dict[str, Callable[[Path], Path]] = {
        "comparison": write_comparison_page,
        "concept maps": lambda folder: ConceptMaps.read(folder).report(folder / PAGE),
        "faithfulness": write_faithfulness_page,
        "maps": lambda folder: ClipMaps.read(folder).report(folder / PAGE),
        "paper": write_paper,
        "probe": write_probe_page,
    }
    return pages.get(kind_of(Path(folder)), write_report)(Path(folder))


runs = write_runs_page
edit = edit_clips
paper = run_paper
demo = run_demo

# --- maps --------------------------------------------------------------------------------------------------------

maps = clip_maps
faithfulness = measure_faithfulness


def grad_cam(
    model: VideoModel,
    clips: Clips,
    *,
    target: str | int,
    layer: str | nn.Module | None = None,
    reshape_transform: Callable[[Tensor], Tensor] | None = None,
) -> CamMaps:
    """Where and when the model looks for the class `target` in each clip (Grad-CAM), shown in Jupyter as a strip.

    `layer` is the deepest default layer that still has time, height and width when left out. `reshape_transform` folds
    what the layer gives, as grad-cam takes it, where the model's card does not say the layout.
    """
    if reshape_transform is not None:
        model = replace_fields(model, reshape_transform=reshape_transform)
    layer = last_spatial_layer(model) if layer is None else model.layer_name(layer)
    require_space(model, layer)
    return CamMaps(**vars(clip_maps(model, clips, layers=[layer], classes=[target])))
