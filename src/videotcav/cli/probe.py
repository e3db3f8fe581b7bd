"""`videotcav probe`: what each class of a model relies on, by edits of its clips."""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path
from typing import Annotated

import typer

from videotcav.cli.browser import Open, show
from videotcav.cli.console import command_line
from videotcav.cli.engines import Address, CpusPerWorker, EngineName, EngineOption, GpusPerWorker, Workers, engine_of
from videotcav.cli.lists import ListOption, list_of
from videotcav.cli.options import MODELS, BatchSize, Device, FormOption, PrecisionOption
from videotcav.errors import ArgumentError
from videotcav.records import MOST_VIEWS
from videotcav.texts import read_names


def probe(  # noqa: PLR0917 - typer's parameters are options
    context: typer.Context,
    videos: Annotated[
        list[Path],
        typer.Argument(
            help="Folder with a folder of videos a class; a list of clips (see videotcav datasets); or videos of one "
            "class, with --class."
        ),
    ],
    model: Annotated[list[str], typer.Option("--model", help=f"{MODELS} Repeat to ask several of the same clips.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder to write numbers, clips and the page into.")
    ] = None,
    class_name: Annotated[
        str | None, typer.Option("--class", help="Class by name or index; all that are given by default.")
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(help="Labels of the videos (CSV, JSONL, Parquet) by a column file: class, source, and others."),
    ] = None,
    by: Annotated[str, typer.Option(help="Column of the table whose labels make subgroups.")] = "",
    listing: ListOption = None,
    edit: Annotated[list[str] | None, typer.Option(help="Edit; repeat for several. All by default.")] = None,
    detector: Annotated[
        str | None,
        typer.Option(
            "--detector",
            "--boxes",
            help="Where objects are, so that they and the background are edited too: a file or folder of boxes, an "
            "ONNX file (YOLO), or transformers:NAME.",
        ),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(help="What is edited, as the detector calls it; repeat for several. All by default."),
    ] = None,
    form: FormOption = None,
    names: Annotated[Path | None, typer.Option(help="File of class names of the detector, one a line.")] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(help="Name of published weights or a checkpoint file; of several models one for each, in order."),
    ] = None,
    clips_per_video: Annotated[
        int | None,
        typer.Option(
            "--clips-per-video", min=1, max=MOST_VIEWS, help="Clips of each video, whose logits are averaged."
        ),
    ] = None,
    crops_per_clip: Annotated[
        int | None,
        typer.Option(
            "--crops-per-clip", help="Crops of each clip, averaged too: 1, the centre; or 3, both ends and the centre."
        ),
    ] = None,
    device: Device = None,
    precision: PrecisionOption = "fp32",
    batch_size: BatchSize = None,
    store: Annotated[
        str | None,
        typer.Option(
            help="Folder or URL (s3://bucket/folder) where logits are kept; a later probe passes what is new."
        ),
    ] = None,
    *,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave unreadable videos out, and record it.")] = False,
    engine: EngineOption = EngineName.LOCAL,
    address: Address = None,
    workers: Workers = None,
    cpus_per_worker: CpusPerWorker = 1.0,
    gpus_per_worker: GpusPerWorker = 0.0,
    open_page: Open = False,
) -> None:
    """Say what each class of a model relies on: motion, order, colour, what moves, what never moves.

    Each clip is edited as a whole, one thing at a time, and its score read again. No boxes and no concepts are needed;
    with boxes or a detector its objects and its background are edited too.
    """
    from videotcav import api  # noqa: PLC0415 - torch is slow to import

    if weights and len(weights) != len(model):
        raise ArgumentError(
            f"{len(model)} models and {len(weights)} weights do not fit: give weights for each, or none"
        )
    if open_page and output is None:
        raise ArgumentError("--open shows the page, which is written into a folder: give --output")
    views = {"clips_per_video": clips_per_video, "crops_per_clip": crops_per_clip}
    said = {name: value for name, value in views.items() if value is not None}
    loaded = [
        api.load_model(name, weights=own, device=device, precision=precision).with_clip(**said)  # type: ignore[arg-type] # checked there
        for name, own in zip_longest(model, weights or ())
    ]
    found = api.probe(
        loaded,
        list_of(videos, listing or []) or (videos[0] if len(videos) == 1 else videos),
        output,
        target=class_name,
        table=table,
        by=by,
        edits=edit,
        objects=api.load_detector(detector, form=form, class_names=read_names(names) if names else None)
        if detector
        else None,
        labels=label or (),
        store=store,
        batch_size=batch_size,
        engine=engine_of(engine, address=address, workers=workers, cpus=cpus_per_worker, gpus=gpus_per_worker),
        skip_bad=skip_bad,
        command=command_line(),
        progress=context.obj.progress,
    )
    for remark in found.manifest.remarks:
        context.obj.say(f"warning: {remark}")
    page = [] if output is None else ["", str(output / "report.html")]
    facts = {
        "probe": output,
        "sentences": found.sentences,
        "effects": [row.as_row() for row in found],
        "differences": [row.as_row() for row in found.differences],
    }
    context.obj.result("\n".join([*found.sentences, *page]), facts)
    if output is not None:
        show(context.obj, output / "report.html", asked=open_page)
