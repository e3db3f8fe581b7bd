"""`videotcav scores`: how much of each concept one video shows, and what that does to its score."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from videotcav.cli.cam import ClassOption, asked_class
from videotcav.cli.options import Device, ModelOption, PrecisionOption, Weights


def scores(  # noqa: PLR0917 - typer's parameters are options
    context: typer.Context,
    video: Annotated[Path, typer.Argument(help="Video that is asked.")],
    model: ModelOption,
    concepts: Annotated[Path, typer.Option(help="Folder of concept sets.")],
    random: Annotated[Path, typer.Option(help="Folder of random clips.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A page (.html) or a table (.parquet) to write.")
    ] = None,
    class_name: ClassOption = None,
    layer: Annotated[
        list[str] | None, typer.Option(help="Layer; repeat for several. The model's default ones else.")
    ] = None,
    pooling: Annotated[
        str, typer.Option(help="all: whenever the concept's clips show it; space: at the same moment as they do.")
    ] = "all",
    step_seconds: Annotated[
        float | None, typer.Option(help="Clip after clip, one every so many seconds, instead of the video's middle.")
    ] = None,
    weights: Weights = None,
    device: Device = None,
    precision: PrecisionOption = "fp32",
) -> None:
    """Say how much of each concept a video shows, layer by layer, and what that does to its score.

    A share of 0 is like the random clips, of 1 like the concept's own.
    """
    from videotcav import api  # noqa: PLC0415 - torch is slow to import

    loaded = api.load_model(model, weights=weights, device=device, precision=precision)  # type: ignore[arg-type] # checked there
    found = api.score_video(
        loaded,
        video,
        output,
        concepts=concepts,
        random=random,
        target=asked_class(loaded, class_name),
        layers=layer,
        pooling=pooling,  # type: ignore[arg-type] # checked there
        step_seconds=step_seconds,
        progress=context.obj.progress,
    )
    written = [str(output)] if output else []
    context.obj.result("\n".join([repr(found), *written]), [row.as_row() for row in found])
