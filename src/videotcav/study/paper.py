"""`run_paper`: a study file in, a folder with the paper's figures out, top to bottom.

paper/
  run/            the study itself, as `videotcav run` leaves it: results.parquet, manifest.json, report.html
  figures/        every figure as PNG and PDF
  media/          the frames that figures 1, 4, 5 and 6 are made of
  paper.html      all of it on one page that needs nothing else
  manifest.json   which frames belong where, what departs from the protocol, what is missing
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from videotcav.concepts.folder import ClipRecord
from videotcav.concepts.review.review import reviewed_clips
from videotcav.maps import last_spatial_layer
from videotcav.maps.evaluation import Truths
from videotcav.records import Progress, silent
from videotcav.report.paper import PaperResults, read_paper, write_paper
from videotcav.results.folder import MEDIA, new_run_folder
from videotcav.results.manifest import stamp, write_manifest
from videotcav.results.paper_facts import DYNAMIC, STATIC, PaperFacts, PictureFigure, Strip
from videotcav.results.read import RunResults
from videotcav.study import paper_pictures as pictures
from videotcav.study import paper_protocol as protocol
from videotcav.study.inputs import Inputs, gather
from videotcav.study.run import Study
from videotcav.video.overlay import COLOURS

RUN = "run"
NO_BOXES = (
    "Which of the maps hits its object is not known without boxes on the class's own videos, so the clips that the "
    "model is surest and least sure of are shown: give --boxes (a detector, or a file of boxes) and --label."
)
NO_DETECTIONS = (
    "No detections: the concept folder has no metadata.jsonl, or the source videos are not where it says. "
    "videotcav concepts propose records every box."
)
_CUT = "cut them with: videotcav concepts propose --mode paper --rule kinds=spatial,spatiotemporal"


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
        truths: boxes on the class's own videos, which tell a hit of Grad-CAM from a miss.
        skip_bad: leave unreadable videos out and record it.
        replace: an earlier paper folder at `output` is replaced when the new one is complete.
        store: where what the passes produce is kept for other studies.
        device: where passes run.
        command: what the manifest says it was asked for with.
        progress: shows how far it is.

    Raises:
        StudyFileError, NotEnoughData, VideosError, NumericalError, StoreError: as `Study.run`.
        LayerNotFound: the protocol's three layers are not known for this model, and the study names no three.
    """
    given = Study.from_file(study_file, device=device)
    inputs = gather(given.file)
    protocol.refuse_too_little(inputs)
    asked = protocol.paper_study(given, inputs, class_name=class_name)
    with new_run_folder(Path(output), replace=replace) as folder:
        run = asked.run(folder / RUN, skip_bad=skip_bad, store=store, command=command, progress=progress)
        inputs = inputs.without(run.manifest.left_out)
        facts = _facts(given, asked, inputs, run, media=folder / MEDIA, truths=truths or Truths(), progress=progress)
        write_manifest(folder, facts.model_copy(update={"command": command}))
        write_paper(folder)
    return read_paper(Path(output))


def _facts(
    given: Study,
    asked: Study,
    inputs: Inputs,
    run: RunResults,
    *,
    media: Path,
    truths: Truths,
    progress: Progress,
) -> PaperFacts:
    study = asked.file.study
    (name,) = study.classes
    records = list(_records(given))
    layer = last_spatial_layer(asked.model)
    strips: dict[PictureFigure, tuple[Strip, ...]] = {
        "1": pictures.cams(
            asked.model,
            inputs.classes[name],
            class_name=name,
            layer=layer,
            truths=truths,
            media=media,
            progress=progress,
        ),
        "4": pictures.detections(records, media),
        "5": pictures.exemplars(inputs.concepts, "spatial", media),
        "6": pictures.exemplars(inputs.concepts, "spatiotemporal", media),
    }
    degenerate = {row.layer for row in run.results if row.gradient_cosine > study.tests.degenerate_cosine and row.layer}
    return PaperFacts(
        **stamp(),
        class_name=name,
        concepts=tuple(dict.fromkeys(each.concept for each in inputs.concepts)),
        layers=asked.layers,
        random_sets=protocol.RANDOM_SETS,
        alpha=protocol.ALPHA,
        departures=tuple(protocol.departures(given, inputs, [record for _, record in records], class_name=name)),
        degenerate=tuple(layer for layer in asked.layers if layer in degenerate),
        strips={figure: found for figure, found in strips.items() if found},
        missing=dict(_missing(inputs, strips, boxes=truths.boxes is not None, groups=set(study.groups))),
        colour_map=COLOURS,
        cam_layer=layer,
    )


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
    for figure, kind in (("5", "spatial"), ("6", "spatiotemporal")):
        if not any(each.kind == kind for each in inputs.concepts):
            yield figure, f"The study has no {kind} clips; {_CUT}."
    for figure, group in (("7", STATIC), ("8", DYNAMIC)):
        if group not in groups:
            yield figure, f"Relative scores need at least two concepts with {group} clips; {_CUT}."
    if not groups - {STATIC, DYNAMIC}:
        yield "9", f"No concept has both static and dynamic clips; {_CUT}."
