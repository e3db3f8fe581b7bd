"""Paper mode: a study as *Exploring Explainability in Video Action Recognition* (arXiv 2404.09067) would run it.

paper/
  run/            the study itself, as `videotcav run` leaves it: results.parquet, manifest.json, report.html
  figures/        every figure as PNG and PDF
  media/          the frames that figures 1, 4, 5 and 6 are made of
  paper.html      all of it on one page that needs nothing else
  manifest.json   which frames belong where, what departs from the protocol, what is missing
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace as with_changes
from pathlib import Path

from videotcav.concepts.folder import ClipRecord
from videotcav.concepts.review.review import reviewed_clips
from videotcav.errors import LayerNotFound, NotEnoughData, StudyFileError, closest
from videotcav.maps import last_spatial_layer
from videotcav.maps.evaluation import Truths
from videotcav.records import Progress, silent
from videotcav.report.paper import PaperResults, read_paper, write_paper
from videotcav.results.edit_effect import BACKGROUND
from videotcav.results.folder import MEDIA, new_run_folder
from videotcav.results.manifest import stamp, write_manifest
from videotcav.results.paper_facts import DYNAMIC, PAPER_KINDS, STATIC, PaperFacts, PictureFigure, Strip
from videotcav.study import paper_pictures as pictures
from videotcav.study.inputs import Inputs, study_inputs
from videotcav.study.run import Study
from videotcav.video.overlay import COLOUR_MAP

RANDOM_SETS = 10
ALPHA = 0.05
POOLED = "avgpool"
LAYERS = 3
CLIPS_A_CONCEPT = range(25, 31)
CLASS_CLIPS = 30
NO_BOXES = (
    "Which of the maps hits its object is not known without boxes on the class's own videos, so the clips that the "
    "model is surest and least sure of are shown: give boxes (a detector, or a file of boxes) and a label."
)
NO_DETECTIONS = (
    "No detections: the concept folder has no metadata.jsonl, or the source videos are not where it says. "
    "Proposing clips records every box."
)
_CUT = "cut them in the mode 'paper', with the rule kinds=spatial,spatiotemporal"


def run_paper(
    study_file: Path | str,
    output: Path | str,
    *,
    class_name: str | None = None,
    truths: Truths | None = None,
    skip_bad: bool = False,
    replace: bool = False,
    store: Path | str | None = None,
    device: str | None = None,
    command: str = "",
    progress: Progress = silent,
) -> PaperResults:
    """The study under the published protocol, and the folder `output` with its figures.

    Args:
        study_file: the study; its model, videos, concepts, random pool, classifier and seed are used.
        output: the folder, which must not exist; it appears complete or not at all.
        class_name: the class that the figures are about, where the study has several.
        truths: boxes on the class's own videos, which tell a hit of Grad-CAM from a miss; those of the study's
            interventions, of all its objects, when left out.
        device: where passes run.
        skip_bad: leave unreadable videos out and record it.
        replace: an earlier paper folder at `output` is replaced when the new one is complete.
        store: where what the passes produce is kept for other studies.
        command: what the manifest says it was asked for with.
        progress: shows how far it is.

    Raises:
        StudyFileError, NotEnoughData, VideosError, NumericalError, StoreError: as `Study.run`.
        LayerNotFound: the protocol's three layers are not known for this model, and the study names no three.
    """
    given = Study.from_file(study_file, device=device, as_published=True)
    if given.file.study.align != "none":
        raise StudyFileError(given.file.path, ["align: is no part of the published protocol; leave it out"])
    inputs = study_inputs(given.file)
    asked = paper_study(given, inputs, class_name=class_name)
    truths = truths or _truths(given, inputs)
    with new_run_folder(Path(output), replace=replace) as folder:
        run = asked.run(folder / "run", skip_bad=skip_bad, store=store, command=command, progress=progress)
        inputs = inputs.without(run.manifest.left_out)
        study, media, layer = asked.file.study, folder / MEDIA, last_spatial_layer(asked.model)
        (name,) = study.classes
        records = list(_records(given))
        of_class = pictures.cams(
            inputs.classes[name],
            model=asked.model,
            class_name=name,
            layer=layer,
            truths=truths,
            media=media,
            progress=progress,
        )
        strips: dict[PictureFigure, tuple[Strip, ...]] = {
            "1": tuple(of_class),
            "4": tuple(pictures.detections(records, media)),
            "5": tuple(pictures.exemplar_strips(inputs.concepts, "spatial", media)),
            "6": tuple(pictures.exemplar_strips(inputs.concepts, "spatiotemporal", media)),
        }
        degenerate = {row.layer for row in run.results if (row.gradient_cosine or 0) > study.tests.degenerate_cosine}
        facts = PaperFacts(
            **stamp(command),
            class_name=name,
            concepts=tuple(inputs.kinds),
            layers=asked.layers,
            random_sets=RANDOM_SETS,
            alpha=ALPHA,
            departures=tuple(departures(given, inputs, [record for _, record in records], class_name=name)),
            degenerate=tuple(each for each in asked.layers if each in degenerate),
            strips={figure: found for figure, found in strips.items() if found},
            missing=dict(_missing(inputs, strips, boxes=truths.boxes is not None, groups=set(study.groups))),
            colour_map=COLOUR_MAP,
            cam_layer=layer,
        )
        write_manifest(folder, facts)
        write_paper(folder)
    return read_paper(Path(output))


def paper_study(study: Study, inputs: Inputs, *, class_name: str | None) -> Study:
    """The same study under the protocol: its class, layers, kinds, groups, tests and correction.

    The classifier, its penalty and the seed stay the study's own: the paper does not name them.
    Raises NotEnoughData where the study has none of the protocol's kinds of clips.
    """
    if not any(each.kind in PAPER_KINDS for each in inputs.concepts):
        raise NotEnoughData(
            "paper mode needs spatial or spatiotemporal clips, and the study has neither",
            hint='cut them with `propose(mode="paper")`',
        )
    text = study.file.study
    name = the_class(study, class_name)
    changes = {
        "classes": {name: text.classes[name]},
        "layers": paper_layers(study),
        "primary": "sign_count",
        "hypotheses": (),
        "concepts": text.concepts.model_copy(update={"kinds": tuple(PAPER_KINDS)}),
        "groups": paper_groups(inputs),
        "tests": text.tests.model_copy(
            update={
                "scores": "classic",
                "random_draws": RANDOM_SETS,
                "alpha": ALPHA,
                "correction": "bonferroni",
            }
        ),
        "score": "logit",
        "target": "",
        "interventions": None,
        "cam": None,
    }
    return with_changes(study, file=study.file.model_copy(update={"study": text.model_copy(update=changes)}))


def the_class(study: Study, asked: str | None) -> str:
    """The one class that the figures are about. Raises StudyFileError with what to name."""
    known = list(study.file.study.classes)
    if asked in known:
        return asked
    if asked is None and len(known) == 1:
        return known[0]
    if asked is not None:
        near = closest(asked, known) or ", ".join(known)
        raise StudyFileError(study.file.path, [f"classes: there is no '{asked}'; closest: {near}"])
    mistake = f"classes: paper mode is about one of {', '.join(known)}"
    raise StudyFileError(study.file.path, [mistake], hint="name it with `class_name`")


def paper_layers(study: Study) -> tuple[str, ...]:
    """The two stages before the last one, and the pooled feature between the last stage and the logits.

    Where the model's card does not tell which those are: the three layers that the study names.
    Raises LayerNotFound where it does not name three either.
    """
    model, stages, named = study.model, study.model.card.default_layers, study.file.study.layers
    with suppress(LayerNotFound):
        model.layer(POOLED)
        if len(stages) >= LAYERS:
            return (stages[-3], stages[-2], POOLED)
    if len(named) != LAYERS:
        raise LayerNotFound(
            f"the protocol reads two stages and the pooled feature, and {model.name} does not say which those are; "
            "name three layers in the study file, as layers = [...]",
            hint=f'`layers("{model.name}")` lists them',
        )
    return named


def paper_groups(inputs: Inputs) -> dict[str, tuple[str, ...]]:
    """Static concepts against each other, dynamic ones against each other, and the two kinds of each concept."""
    sets = [each for each in inputs.concepts if each.kind in PAPER_KINDS]
    groups = {name: tuple(each.name for each in sets if each.kind == kind) for kind, name in PAPER_KINDS.items()}
    groups |= {
        concept: tuple(f"{concept}/{kind}" for kind in PAPER_KINDS if kind in inputs.kinds[concept])
        for concept in inputs.kinds
    }
    return {name: members for name, members in groups.items() if len(members) > 1}


def departures(study: Study, inputs: Inputs, records: Sequence[ClipRecord], *, class_name: str) -> Iterator[str]:
    """Where what was asked differs from what was published, in sentences."""
    layers = paper_layers(study)
    if POOLED not in layers:
        yield f"The layers are those that the study names: {', '.join(layers)}."
    clips = len(inputs.classes[class_name])
    if clips != CLASS_CLIPS:
        yield f"{clips} clips of the class, not {CLASS_CLIPS}."
    sizes = {each.name: len(each.clips) for each in inputs.concepts if each.kind in PAPER_KINDS}
    outside = [f"{name} has {size}" for name, size in sizes.items() if size not in CLIPS_A_CONCEPT]
    if outside:
        yield f"A concept had 25 to 30 clips; here {', '.join(outside)}. A random set is as large as its concept."
    if not records:
        yield "Nothing says how the concept clips were cut: their folder has no metadata.jsonl."
    modes = {json.loads(record.recipe).get("mode") for record in records if record.recipe.startswith("{")} - {"paper"}
    if modes:
        yield f"Concept clips were cut in mode {' and '.join(sorted(map(str, modes)))}, not in the paper's."
    unseen = sorted({each.concept for each in inputs.concepts} - set(inputs.reviews))
    if unseen:
        yield f"Every crop was verified by hand; here nobody looked through {', '.join(unseen)}."
    yield f"CAVs are {study.file.study.tests.classifier}; the paper does not name its classifier."


def _truths(study: Study, inputs: Inputs) -> Truths:
    """The boxes that the study has of its own class's videos."""
    section = study.file.study.interventions
    if section is None:
        return Truths()
    labels = {label for target, label in section.labels(inputs.kinds).items() if target != BACKGROUND}
    return Truths(boxes=section.finder(study.file.folder), labels=tuple(sorted(labels)))


def _records(study: Study) -> Iterator[tuple[Path, ClipRecord]]:
    """The lines of the tables of all concept folders, of the clips that count, each with its folder."""
    for path in study.file.study.concepts.folders:
        folder = study.file.folder / path
        for one in reviewed_clips(folder):
            if one.record is not None and one.counts:
                yield folder, one.record.model_copy(update={"concept": one.concept})


def _missing(
    inputs: Inputs, strips: dict[PictureFigure, tuple[Strip, ...]], *, boxes: bool, groups: set[str]
) -> Iterator[tuple[str, str]]:
    """Figure → what it lacks and how to get it."""
    if not boxes:
        yield "1", NO_BOXES
    if not strips["4"]:
        yield "4", NO_DETECTIONS
    there = {each.kind for each in inputs.concepts}
    for exemplars, relative, (kind, name) in zip("56", "78", PAPER_KINDS.items(), strict=True):
        if kind not in there:
            yield exemplars, f"The study has no {kind} clips; {_CUT}."
        if name not in groups:
            yield relative, f"Relative scores need at least two concepts with {name} clips; {_CUT}."
    if not groups - {STATIC, DYNAMIC}:
        yield "9", f"No concept has both static and dynamic clips; {_CUT}."
