"""`videotcav cam` and `videotcav faithfulness`: where and when a model looks, and whether that is true."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from videotcav.cli.browser import Open, show
from videotcav.cli.console import command_line
from videotcav.cli.options import Device, ModelOption, PrecisionOption, Replace, Weights
from videotcav.errors import ArgumentError, NotFound, closest
from videotcav.video.segment import file_of, start_of

if TYPE_CHECKING:
    from videotcav.models.model import VideoModel

PREDICTED = "predicted"

ClassOption = Annotated[
    str | None,
    typer.Option("--class", help="Class by name or index; 'predicted' (the default) is what the model says of a clip."),
]
Layers = Annotated[list[str] | None, typer.Option(help="Layer; repeat for several. The last spatial one by default.")]
Methods = Annotated[
    list[str] | None,
    typer.Option(
        "--method",
        help="grad-cam (the default), grad-cam++, hirescam, layercam, eigencam; integrated-gradients or rise; repeat "
        "for several.",
    ),
]
Baseline = Annotated[
    str, typer.Option(help="What integrated-gradients holds the clip against: blur, freeze or mean (colour).")
]


def cam(  # noqa: PLR0917 - typer's parameters are options
    context: typer.Context,
    video: Annotated[Path, typer.Argument(help="Video to explain.")],
    model: ModelOption,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="What to write: .mp4, .gif, .png (contact sheet), .npz, .zarr, or a folder."
        ),
    ],
    class_name: ClassOption = None,
    layer: Layers = None,
    weights: Weights = None,
    against: Annotated[str | None, typer.Option(help="A second class to show beside.")] = None,
    method: Methods = None,
    weights_over: Annotated[str, typer.Option(help="Over what a channel's weight is taken: clip or frame.")] = "clip",
    baseline: Baseline = "blur",
    concept: Annotated[
        Path | None, typer.Option(help="Folder of concept clips: show the concept's sensitivity instead (.png).")
    ] = None,
    random: Annotated[Path | None, typer.Option(help="Folder of random clips, with --concept.")] = None,
    start: Annotated[
        float | None, typer.Option(help="Second where the clip begins; the middle of the video by default.")
    ] = None,
    events: Annotated[
        Path | None,
        typer.Option(help='Take the clip about an event: JSON {"events": {"video name": [first, last second]}}.'),
    ] = None,
    check: Annotated[
        list[str] | None,
        typer.Option(
            help="Videos of the class, a folder or pattern of them: ask by these whether its score follows such maps; "
            "repeat for several."
        ),
    ] = None,
    device: Device = None,
    precision: PrecisionOption = "fp32",
    *,
    replace: Replace = False,
    open_page: Open = False,
) -> None:
    """Write a video that shows where and when the model looks (Grad-CAM and its relatives, or a concept's map)."""
    from videotcav import api  # noqa: PLC0415 - torch is slow to import
    from videotcav.maps.compute import DEFAULT_METHODS  # noqa: PLC0415 - as above

    if open_page and output.suffix.lower() in (".npz", ".zarr"):
        raise ArgumentError(
            f"--open shows videos, pictures and pages, and {output} is none: end it in .mp4, or leave --open out"
        )
    loaded = api.load_model(model, weights=weights, device=device, precision=precision)  # type: ignore[arg-type] # checked there
    if concept is not None or random is not None:
        if concept is None or random is None or class_name is None or len(layer or ()) > 1:
            raise ArgumentError("a concept's map needs --concept, --random and --class, and one --layer at most")
        if start is not None or events is not None:
            raise ArgumentError("a concept's map is of the middle of the video: leave --start and --events out")
        if check:
            raise ArgumentError("a concept's map is tested by pseudo-concepts: leave --check out")
        found = api.write_concept_map(
            output,
            loaded,
            video,
            concept=concept,
            random=random,
            target=class_name,
            layer=layer[0] if layer else None,
            replace=replace,
        )
        least = min((cluster.p for cluster in found.tests[0].clusters), default=1.0)
        facts = {"video": output, "layer": found.layer, "concept": found.concept, "smallest_p": least}
        context.obj.result(str(output), facts)
        show(context.obj, output, asked=open_page)
        return
    names = [name for name in (asked_class(loaded, class_name), against) if name is not None]
    maps = api.write_maps(
        output,
        loaded,
        video,
        layers=layer or (),
        classes=names,
        methods=method or DEFAULT_METHODS,
        weights=weights_over,  # type: ignore[arg-type] # checked there
        pixel_settings=api.PixelSettings(baseline=baseline),
        start_seconds=start,
        event=_event(events, video, start=start),
        check=check or (),
        progress=context.obj.progress,
        replace=replace,
    )
    (clip,), (classes,), (probabilities,) = maps.clips, maps.classes, maps.probabilities
    shown = (clip.timestamps[0], clip.timestamps[-1])
    whole = clip.video.duration_seconds
    facts = {
        "video": output,
        "layers": maps.layers,
        "methods": maps.methods,
        "weights_over": maps.weights,
        "probabilities": dict(zip(classes, probabilities, strict=True)),
        "seconds": shown,
        "remarks": maps.remarks,
        "badges": [badge.model_dump() for badge in maps.badges],
    }
    for sentence in maps.followed:
        context.obj.say(sentence)
    for remark in maps.remarks:
        context.obj.say(f"warning: {remark}")
    another = "--start and --events show another part"
    context.obj.say(f"shown: {shown[0]:.2f} s to {shown[1]:.2f} s of {whole:.2f} s ({another})")
    context.obj.result(str(output), facts)
    if open_page:
        show(context.obj, api.report(output) if output.is_dir() else output, asked=True)


def _event(events: Path | None, video: Path, *, start: float | None) -> tuple[float, float] | None:
    """The seconds of the video's event."""
    from videotcav import api  # noqa: PLC0415 - torch is slow to import

    if events is None:
        return None
    if start is not None:
        raise ArgumentError("--start and --events both say where the clip lies; give one of them")
    known = api.read_events(events)
    name, begins = file_of(video).stem, start_of(video)
    if name not in known:
        near = closest(name, known)
        raise NotFound(f"{events}: has no event of '{name}'" + (f"; closest: {near}" if near else ""))
    return known[name][0] - begins, known[name][1] - begins


def asked_class(model: VideoModel, name: str | None) -> str | None:
    """The class by name; None for the predicted one, unless the model has a class that is called so."""
    return None if name == PREDICTED and PREDICTED not in model.card.classes else name


def faithfulness(  # noqa: PLR0917 - typer's parameters are options
    context: typer.Context,
    videos: Annotated[list[str], typer.Argument(help="Videos, folders of them, or patterns.")],
    model: ModelOption,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write; must not exist.")],
    class_name: Annotated[
        str | None,
        typer.Option("--class", help="Class whose maps are judged; 'predicted', the default, is each clip's own."),
    ] = None,
    layer: Annotated[str | None, typer.Option(help="Layer; the model's last spatial one by default.")] = None,
    weights: Weights = None,
    method: Annotated[
        list[str] | None, typer.Option(help="Method; repeat for several. All but rise by default.")
    ] = None,
    boxes: Annotated[
        str | None, typer.Option(help="Where the truth is: boxes.json, or a detector as for concepts propose.")
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option(help="Which boxes count; repeat for several, all by default.")
    ] = None,
    events: Annotated[
        Path | None, typer.Option(help='When it happens: JSON {"events": {"video name": [first, last second]}}.')
    ] = None,
    rise_masks: Annotated[int, typer.Option(min=1, help="Masks a clip, with --method rise.")] = 256,
    seed: Annotated[int, typer.Option(min=0, help="Seed of random weights, shuffles, noise and intervals.")] = 0,
    device: Device = None,
    precision: PrecisionOption = "fp32",
    *,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave unreadable videos out, and record it.")] = False,
) -> None:
    """Measure whether maps are true, and compare methods side by side on a page."""
    from videotcav import api  # noqa: PLC0415 - torch is slow to import
    from videotcav.maps.evaluation import METHODS_COMPARED  # noqa: PLC0415 - as above
    from videotcav.report.faithfulness import headlines  # noqa: PLC0415 - as above

    truths = api.Truths(
        boxes=api.load_detector(boxes) if boxes else None,
        labels=tuple(label or ()),
        events=api.read_events(events) if events else {},
    )
    loaded = api.load_model(model, weights=weights, device=device, precision=precision)  # type: ignore[arg-type] # there
    found = api.faithfulness(
        videos,
        output,
        model=loaded,
        target=asked_class(loaded, class_name),
        layer=layer,
        methods=method or METHODS_COMPARED,
        truths=truths,
        settings=api.FaithfulnessSettings(rise_masks=rise_masks, seed=seed),
        skip_bad=skip_bad,
        command=command_line(),
        progress=context.obj.progress,
    )
    page = output / "report.html"
    facts = {"run": output, "report": page, "results": [result.model_dump() for result in found]}
    context.obj.result("\n".join([*headlines(found.results), "", str(page)]), facts)
