"""`videotcav concepts`: from videos to concept sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from videotcav.cli.discover import discover_command, find_command, recordings
from videotcav.cli.engines import Address, CpusPerWorker, EngineName, EngineOption, GpusPerWorker, Workers, engine_of
from videotcav.cli.lists import ListOption, list_of
from videotcav.cli.options import Device, FormOption, PrecisionOption, Replace, StoreOption, Weights
from videotcav.errors import ArgumentError, closest
from videotcav.texts import first_problem, read_names

concepts = typer.Typer(help="Concept sets from your own videos: detect, track, crop, twin.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(help="Concept folder, as written by `videotcav concepts propose`.")]
_PAIR = "="


@concepts.command("propose")
def propose_command(  # noqa: PLR0917 - typer's parameters are options
    context: typer.Context,
    videos: Annotated[
        list[str],
        typer.Argument(help="Videos, folders of them, or patterns; or a list of clips (see videotcav datasets)."),
    ],
    detector: Annotated[
        str, typer.Option(help="transformers:NAME, an ONNX file (YOLO), a file or folder of boxes, or module:function.")
    ],
    label: Annotated[
        list[str], typer.Option(help="What to cut out, as the detector calls it; LABEL=CONCEPT renames; * is the rest.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Concept folder to add to.")] = Path("concepts"),
    mode: Annotated[str, typer.Option(help="Crop: paper (padded), window (real surroundings) or in-place.")] = "paper",
    cut: Annotated[str, typer.Option(help="What is cut out: box, or mask, with all else filled.")] = "box",
    masks: Annotated[
        str | None,
        typer.Option(help="SAM 2 or EdgeTAM that outlines boxes: facebook/sam2.1-hiera-tiny, or a local folder."),
    ] = None,
    fill: Annotated[
        str | None, typer.Option(help="Colour of padding, R,G,B (best the model's mean); or scene, with --cut mask.")
    ] = None,
    frames: Annotated[int, typer.Option(help="Frames a clip; 0 takes each track whole.")] = 16,
    rule: Annotated[
        list[str] | None, typer.Option(help="Any other rule, KEY=VALUE, as min_side_pixels=20 or seed=1.")
    ] = None,
    form: FormOption = None,
    names: Annotated[Path | None, typer.Option(help="File of class names, one a line.")] = None,
    listing: ListOption = None,
    sources: Annotated[Path | None, typer.Option(help="CSV table: which video comes from which recording.")] = None,
    source_column: Annotated[str, typer.Option(help="Column of --sources that names the recording.")] = "source",
    overlay: Annotated[
        Path | None, typer.Option(help="Folder for copies of the new videos with their tracks drawn in.")
    ] = None,
    *,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave unreadable videos out, and say so.")] = False,
    replace: Replace = False,
    engine: EngineOption = EngineName.LOCAL,
    address: Address = None,
    workers: Workers = None,
    cpus_per_worker: CpusPerWorker = 1.0,
    gpus_per_worker: GpusPerWorker = 0.0,
) -> None:
    """Cut candidate clips of things out of videos, with their frozen, shuffled and reversed twins."""
    from videotcav import api  # noqa: PLC0415 - slow to import

    where = engine_of(engine, address=address, workers=workers, cpus=cpus_per_worker, gpus=gpus_per_worker)
    proposal = api.propose(
        list_of(videos, listing or []) or videos,
        output,
        detector=api.load_detector(detector, form=form, class_names=read_names(names) if names else None),
        labels=_concepts(label),
        recipe=_recipe(mode=mode, cut=cut, fill=fill, frames=frames, rules=rule or []),
        sources=recordings(sources, source_column),
        overlay=overlay,
        skip_bad=skip_bad,
        replace=replace,
        masks=masks,
        progress=context.obj.progress,
        engine=where,
    )
    for video, reason in proposal.skipped.items():
        context.obj.say(f"left out {video}: {reason}")
    wanted = sorted({outcome.concept for outcome in proposal.outcomes})
    for video in proposal.without_tracks:
        context.obj.say(f"{video}: nothing of what was asked for ({', '.join(wanted)}) was found in it")
    text = [f"{proposal.added} new candidates in {output}; {proposal.done_before} videos were done before"]
    for concept in wanted:
        mine = [outcome for outcome in proposal.outcomes if outcome.concept == concept]
        kept, tracks = sum(outcome.kept for outcome in mine), sum(outcome.tracks for outcome in mine)
        reasons = "; ".join(f"{count} {reason}" for reason, count in proposal.rejected(concept).items())
        text.append(f"  {concept}: {tracks} tracks gave {kept} clips" + (f"; not kept: {reasons}" if reasons else ""))
    if proposal.added:
        text.append(f"look at them: videotcav concepts review {output}")
    context.obj.result("\n".join(text), proposal.model_dump(mode="json"))


concepts.command("discover")(discover_command)
concepts.command("find")(find_command)


@concepts.command("generate")
def generate_command(  # noqa: PLR0917 - as above
    context: typer.Context,
    prompts: Annotated[Path, typer.Argument(help="Templates of prompts and their slots (TOML).")],
    pipeline: Annotated[str, typer.Option(help="Text-to-video pipeline of diffusers: a folder, or a name on the hub.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Concept folder to add to.")] = Path("concepts"),
    per_prompt: Annotated[int, typer.Option(min=1, help="Clips of each prompt in each scene.")] = 4,
    seed: Annotated[int, typer.Option(min=0, help="What all clips' own seeds are made of.")] = 0,
    pool: Annotated[Path | None, typer.Option(help="Concept folder for random clips, of the section pool.")] = None,
    frames: Annotated[int | None, typer.Option(help="Frames a clip; the pipeline's default when left out.")] = None,
    size: Annotated[str | None, typer.Option(metavar="HEIGHTxWIDTH", help="Of the clips, as 480x832.")] = None,
    steps: Annotated[int | None, typer.Option(help="Steps of denoising.")] = None,
    guidance: Annotated[float | None, typer.Option(help="How closely prompts are followed.")] = None,
    frames_per_second: Annotated[float | None, typer.Option(help="How fast clips play.")] = None,
    device: Device = None,
    *,
    download: Annotated[bool, typer.Option("--download", help="Fetch weights that are not on this machine.")] = False,
    engine: EngineOption = EngineName.LOCAL,
    address: Address = None,
    workers: Workers = None,
    cpus_per_worker: CpusPerWorker = 1.0,
    gpus_per_worker: GpusPerWorker = 0.0,
) -> None:
    """Generate candidate clips of concepts from prompts, with their twins; a person reviews them like any others."""
    from videotcav import api  # noqa: PLC0415 - slow to import

    height, _, width = (size or "").partition("x")
    if size and not (height.isdecimal() and width.isdecimal()):
        raise typer.BadParameter(f"'{size}' is no size; write it as 480x832", param_hint="--size")
    asked = {"frames": frames, "height": height, "width": width, "steps": steps, "guidance": guidance}
    asked["frames_per_second"] = frames_per_second
    try:
        settings = api.GenerationSettings.model_validate(
            {key: value for key, value in asked.items() if value not in (None, "")}
        )
    except ValidationError as error:
        raise ArgumentError(first_problem(error)) from None
    how: dict[str, Any] = {"pipeline": pipeline, "per_prompt": per_prompt, "seed": seed, "pool": pool}
    how |= {"settings": settings, "download": download, "device": device}
    how["engine"] = engine_of(engine, address=address, workers=workers, cpus=cpus_per_worker, gpus=gpus_per_worker)
    made = api.generate(prompts, output, **how, announce=context.obj.say, progress=context.obj.progress)
    text = [f"{count} new candidates in {folder}" for folder, count in made.folders.items()]
    text.append(f"of {made.prompts} prompts; {made.done_before} clips were there before")
    text += [f"look at them: videotcav concepts review {folder}" for folder in made.folders]
    context.obj.result("\n".join(text), made.model_dump(mode="json"))


@concepts.command("show")
def show_command(
    context: typer.Context,
    folder: Folder,
    sheet: Annotated[Path | None, typer.Option(help="Contact sheet to write (png or jpg).")] = None,
    *,
    replace: Replace = False,
) -> None:
    """Say what a concept folder holds: counts, sizes, sources; and draw a contact sheet."""
    from videotcav import api  # noqa: PLC0415 - slow to import

    found = api.concepts_in(folder)
    text = []
    for one in found:
        sides = f", {one.smallest_side}–{one.largest_side} pixels" if one.largest_side else ""
        text.append(
            f"{one.concept}: {one.candidates} candidates from {one.sources} source{'s' * (one.sources != 1)}{sides}"
        )
        if one.clips:
            text.append("  " + ", ".join(f"{count} {kind}" for kind, count in one.clips.items()))
        text.extend(f"  turned away: {count} {reason}" for reason, count in one.rejected.items())
    if sheet is not None:
        api.contact_sheet(folder, sheet, replace=replace)
        text.append(f"contact sheet: {sheet}")
    context.obj.result("\n".join(text), [one.model_dump(mode="json") for one in found])


@concepts.command("review")
def review_command(  # noqa: PLR0917 - as above
    context: typer.Context,
    folder: Folder,
    reviewer: Annotated[str | None, typer.Option("--as", help="Your name, as decisions record it.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on this machine; 0 takes a free one.")] = 0,
    videos: Annotated[list[str] | None, typer.Option(help="Videos in which more like a concept is found.")] = None,
    model: Annotated[str | None, typer.Option(help="Model that says what is alike.")] = None,
    layer: Annotated[str | None, typer.Option(help="Its layer whose rows are compared.")] = None,
    weights: Weights = None,
    device: Device = None,
    precision: PrecisionOption = "fp32",
    store: StoreOption = None,
    *,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
) -> None:
    """Verify candidates in the browser, by keyboard; Ctrl-C ends it and every decision is saved as it is made."""
    from videotcav import api  # noqa: PLC0415 - slow to import

    how: dict[str, Any] = {"weights": weights, "device": device, "precision": precision}
    loaded = api.load_model(model, **how) if model else None
    finds: dict[str, Any] = {"model": loaded, "layer": layer, "videos": videos or (), "store": store}
    api.review(folder, **finds, port=port, reviewer=reviewer, open_browser=browser, announce=context.obj.say)


@concepts.command("mark")
def mark_command(  # noqa: PLR0917 - as above
    context: typer.Context,
    videos: Annotated[
        list[str], typer.Argument(help="Videos, folders or patterns to mark clips in; or a list of clips.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Concept folder to add to.")] = Path("concepts"),
    reviewer: Annotated[str | None, typer.Option("--as", help="Your name, as decisions record it.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on this machine; 0 takes a free one.")] = 0,
    listing: ListOption = None,
    *,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
) -> None:
    """Mark concept clips in videos by hand in the browser, with a box that is followed or without; Ctrl-C ends it."""
    from videotcav import api  # noqa: PLC0415 - slow to import

    places = list_of(videos, listing or []) or videos
    api.mark(places, output, port=port, reviewer=reviewer, open_browser=browser, announce=context.obj.say)


@concepts.command("stills")
def stills_command(
    context: typer.Context,
    pictures: Annotated[list[Path], typer.Argument(help="JPEG, PNG and WebP pictures, or folders of them.")],
    concept: Annotated[str, typer.Option(help="What they show.")],
    reviewer: Annotated[str, typer.Option("--as", help="Your name: what you add counts as accepted by you.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Concept folder to add to.")] = Path("concepts"),
) -> None:
    """Add still pictures as spatial clips of a concept, each held; a picture has no moving clip and no twins."""
    from videotcav import api  # noqa: PLC0415 - slow to import

    added = api.mark_stills(pictures, output, concept=concept, reviewer=reviewer)
    text = f"{len(added)} spatial clips of {concept} in {output}, one of each picture"
    context.obj.result(text, [one.model_dump(mode="json") for one in added])


@concepts.command("accept")
def accept_command(
    context: typer.Context,
    folder: Folder,
    include: Annotated[list[str] | None, typer.Option("--concept", help="Only this concept; may be repeated.")] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All concepts.")] = False,
) -> None:
    """Take candidates unseen; the folder records that nobody looked at them."""
    from videotcav import api  # noqa: PLC0415 - slow to import

    if everything == bool(include):
        raise typer.BadParameter("say --all, or name concepts with --concept", param_hint="--all / --concept")
    count = api.accept(folder, include=include or None)
    context.obj.result(f"{count} clips accepted, on record as seen by nobody", {"accepted": count})


@concepts.command("random")
def random_command(  # noqa: PLR0917 - as above
    context: typer.Context,
    folder: Folder,
    concept: Annotated[str, typer.Option("--for", help="Concept that the random set is to be held against.")],
    size: Annotated[int, typer.Option(min=1, help="How many clips.")] = 30,
    output: Annotated[Path, typer.Option("--output", "-o", help="New folder for the random set.")] = Path("random"),
    pool: Annotated[list[Path] | None, typer.Option(help="More concept folders to draw from; may be repeated.")] = None,
    match: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN[,COLUMN]", help="Columns of the table that the pool is matched on, jointly."),
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help="CSV, JSONL or Parquet with a column 'file' and labels of clips or videos.")
    ] = None,
    own: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN[,COLUMN]", help="Columns that say what the concept is: never matched."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draw.")] = 0,
) -> None:
    """Draw a random set: clips of other things, evenly over sources that the concept does not share."""
    from videotcav import api  # noqa: PLC0415 - slow to import

    drawn = api.random_pool(
        folder,
        output,
        concept=concept,
        size=size,
        seed=seed,
        pools=pool or [],
        match=_columns(match),
        table=table,
        own=_columns(own),
    )
    for remark in drawn.remarks:
        context.obj.say(remark)
    context.obj.result(f"{drawn.sentence}: {output}", drawn.model_dump(mode="json"))


def _columns(given: list[str] | None) -> list[str]:
    return [name.strip() for names in given or () for name in names.split(",") if name.strip()]


def _concepts(labels: list[str]) -> dict[str, str]:
    pairs = (label.partition(_PAIR) for label in labels)
    return {name: concept or name.replace(" ", "_") for name, _, concept in pairs}


def _recipe(*, mode: str, cut: str, fill: str | None, frames: int, rules: list[str]) -> Any:
    from videotcav.concepts.propose.recipe import Recipe  # noqa: PLC0415 - slow to import

    given: dict[str, Any] = {"mode": mode, "cut": cut, "frames_per_clip": frames or None}
    if fill is not None:
        given["fill"] = fill if fill == "scene" else tuple(fill.split(","))
    for text in rules:
        key, _, value = text.partition(_PAIR)
        given[key] = value.split(",") if key == "kinds" else value
    try:
        return Recipe.model_validate(given)
    except ValidationError as error:
        mistakes = []
        for one in error.errors():
            key, says = ".".join(map(str, one["loc"])), one["msg"][0].lower() + one["msg"][1:]
            if one["type"] == "extra_forbidden":
                near = closest(key, Recipe.model_fields)
                says = f"unknown; closest: {near}" if near else f"unknown; known are {', '.join(Recipe.model_fields)}"
            mistakes.append(f"{key}: {says}")
        raise ArgumentError(f"the rules do not fit: {'; '.join(mistakes)}") from None
