"""`videotcav concepts discover` and `find`: concepts out of what a model's layers see."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from videotcav.cli.console import parsed_bytes
from videotcav.cli.engines import Address, CpusPerWorker, EngineName, EngineOption, GpusPerWorker, Workers, engine_of
from videotcav.cli.lists import ListOption, list_of
from videotcav.cli.options import (
    BatchSize,
    Device,
    FormOption,
    MemoryOption,
    ModelOption,
    PrecisionOption,
    StoreOption,
    Weights,
)
from videotcav.errors import UnreadableText
from videotcav.texts import read_names, read_table
from videotcav.video.sources import sources_by_name

if TYPE_CHECKING:
    from videotcav.concepts.discover.candidates import Explained


def discover_command(  # noqa: PLR0917 - typer's parameters are options
    shell: typer.Context,
    videos: Annotated[
        list[str], typer.Argument(help="Videos without labels, folders of them, or patterns; or a list of clips.")
    ],
    model: ModelOption,
    layer: Annotated[list[str], typer.Option(help="Layer whose tubelets are looked at; repeat for several.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="New folder for what is found.")] = Path("found"),
    pool: Annotated[
        Path | None, typer.Option(help="New folder for a random pool: tubelets of held-out videos, cut alike.")
    ] = None,
    class_name: Annotated[
        str | None, typer.Option("--class", help="Class by whose shift the concepts are ranked.")
    ] = None,
    concepts: Annotated[
        Path | None, typer.Option(help="Your own concept folder: what its sets leave unexplained is told.")
    ] = None,
    random: Annotated[
        Path | None, typer.Option(help="Random clips, cut alike, that --concepts are held against.")
    ] = None,
    factors: Annotated[
        int | None, typer.Option(min=2, help="Concepts of each layer; else as many as hold 90 % of the variance.")
    ] = None,
    clips: Annotated[int, typer.Option(min=1, help="Clips of each concept, to find by and to test on.")] = 20,
    held_out: Annotated[float, typer.Option(help="Share of the videos that takes no part in finding.")] = 0.5,
    mode: Annotated[str, typer.Option(help="Crop: window (real surroundings), paper (padded) or in-place.")] = "window",
    context: Annotated[float, typer.Option(min=0.0, help="How much wider than the tubelet a window is.")] = 2.0,
    detector: Annotated[
        str | None,
        typer.Option(
            "--detector",
            "--boxes",
            help="Where objects are, whose tracks are then looked at in the place of grid positions: a file or folder "
            "of boxes, an ONNX file (YOLO), or transformers:NAME.",
        ),
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option(help="Which of its objects; repeat for several. All by default.")
    ] = None,
    form: FormOption = None,
    names: Annotated[Path | None, typer.Option(help="File of class names of the detector, one a line.")] = None,
    sources: Annotated[Path | None, typer.Option(help="CSV table: which video comes from which recording.")] = None,
    source_column: Annotated[str, typer.Option(help="Column of --sources that names the recording.")] = "source",
    seed: Annotated[int, typer.Option(min=0, help="Seed of what is held out, drawn and fitted.")] = 0,
    listing: ListOption = None,
    weights: Weights = None,
    device: Device = None,
    precision: PrecisionOption = "fp32",
    store: StoreOption = None,
    memory: MemoryOption = "2GiB",
    batch_size: BatchSize = None,
    engine: EngineOption = EngineName.LOCAL,
    address: Address = None,
    workers: Workers = None,
    cpus_per_worker: CpusPerWorker = 1.0,
    gpus_per_worker: GpusPerWorker = 0.0,
) -> None:
    """Find concepts that nobody collected: factors of what a layer sees, as candidate clips for a person to name."""
    from videotcav import api  # noqa: PLC0415 - slow to import

    loaded = api.load_model(model, weights=weights, device=device, precision=precision)  # type: ignore[arg-type] # checked there
    found = api.discover(
        loaded,
        list_of(videos, listing or []) or videos,
        output,
        layers=layer,
        pool=pool,
        target=class_name,
        concepts=concepts,
        random=random,
        factors=factors,
        clips=clips,
        held_out=held_out,
        mode=mode,  # type: ignore[arg-type] # checked there
        context=context,
        objects=api.load_detector(detector, form=form, class_names=read_names(names) if names else None)
        if detector
        else None,
        labels=label or (),
        sources=recordings(sources, source_column),
        seed=seed,
        store=store,
        memory_bytes=parsed_bytes(memory),
        batch_size=batch_size,
        engine=engine_of(engine, address=address, workers=workers, cpus=cpus_per_worker, gpus=gpus_per_worker),
        progress=shell.obj.progress,
    )
    text = [
        f"{len(found.found)} concepts from {len(found.finding)} videos in {output}; {len(found.held_out)} are held out"
    ]
    if found.no_track:
        text.append(f"{len(found.no_track)} videos that show no track are left out")
    text += [
        f"{', '.join(found.known)} explain{'s' * (len(found.known) == 1)} {_told(each)} of what tells "
        f"'{found.class_name}' from other videos at {name}"
        for name, each in found.explained.items()
    ]
    for one in found.found:
        shift = "" if one.shift is None else f", shift of '{found.class_name}' {one.shift:+.2f} σ"
        known = "" if one.explained is None else f", {_told(one.explained)} explained{', left' * one.is_left}"
        text.append(f"  {one.concept}: {one.strength:.1f} times as strong as in the average video{shift}{known}")
    text.append(f"name them: videotcav concepts review {output}")
    shell.obj.result("\n".join(text), found.model_dump(mode="json"))


def _told(share: Explained) -> str:
    chance = "" if share.by_chance is None else f"; sets drawn at random below {100 * share.by_chance:.0f} %"
    return f"{100 * share.share:.0f} % ({100 * share.low:.0f} to {100 * share.high:.0f} %{chance})"


def find_command(  # noqa: PLR0917 - as above
    shell: typer.Context,
    videos: Annotated[
        list[str], typer.Argument(help="Videos without labels, folders of them, or patterns; or a list of clips.")
    ],
    like: Annotated[Path, typer.Option(help="Folder of one concept, as concepts/racket: its accepted clips.")],
    model: ModelOption,
    layer: Annotated[str, typer.Option(help="Layer whose rows are compared.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="New folder for the candidates.")] = Path("found"),
    by: Annotated[str, typer.Option(help="displacement, or similarity to the nearest clips.")] = "displacement",
    clips: Annotated[int, typer.Option(min=1, help="How many candidates.")] = 20,
    mode: Annotated[str, typer.Option(help="Crop: window (real surroundings), paper (padded) or in-place.")] = "window",
    context: Annotated[float, typer.Option(min=0.0, help="How much wider than the tubelet a window is.")] = 2.0,
    sources: Annotated[Path | None, typer.Option(help="CSV table: which video comes from which recording.")] = None,
    source_column: Annotated[str, typer.Option(help="Column of --sources that names the recording.")] = "source",
    listing: ListOption = None,
    weights: Weights = None,
    device: Device = None,
    precision: PrecisionOption = "fp32",
    store: StoreOption = None,
    memory: MemoryOption = "2GiB",
    engine: EngineOption = EngineName.LOCAL,
    address: Address = None,
    workers: Workers = None,
    cpus_per_worker: CpusPerWorker = 1.0,
    gpus_per_worker: GpusPerWorker = 0.0,
) -> None:
    """Find more like a concept: videos ranked by what a layer sees, the first of them as candidates for a person."""
    from videotcav import api  # noqa: PLC0415 - slow to import

    ranked = api.find(
        api.load_model(model, weights=weights, device=device, precision=precision),  # type: ignore[arg-type] # checked there
        list_of(videos, listing or []) or videos,
        output,
        like=like,
        layer=layer,
        by=by,  # type: ignore[arg-type] # checked there
        clips=clips,
        mode=mode,  # type: ignore[arg-type] # checked there
        context=context,
        sources=recordings(sources, source_column),
        store=store,
        memory_bytes=parsed_bytes(memory),
        engine=engine_of(engine, address=address, workers=workers, cpus=cpus_per_worker, gpus=gpus_per_worker),
        progress=shell.obj.progress,
    )
    text = [f"{each.score:8.2f}  {each.video}" for each in ranked[:clips]]
    text.append(f"look at them: videotcav concepts review {output}")
    shell.obj.result("\n".join(text), [each.model_dump(mode="json") for each in ranked])


def recordings(table: Path | None, column: str) -> dict[str, str] | None:
    """Which recording each video is from, by its name without ending."""
    if table is None:
        return None
    rows = read_table(table)
    missing = [name for name in ("file", column) if not rows or name not in rows[0]]
    if missing:
        there = ", ".join(filter(None, rows[0])) if rows else "no rows"
        raise UnreadableText(table, f"has no column '{missing[0]}'; found: {there}")
    return sources_by_name(table, ((Path(row["file"]), row[column].strip()) for row in rows))
