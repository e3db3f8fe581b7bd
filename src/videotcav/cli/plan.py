"""`videotcav plan`: what a study needs, could see and will cost, before it is run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from videotcav.cli.console import parsed_bytes
from videotcav.cli.options import Device, EventsOption, ScoreOption, TargetOption


def plan(
    context: typer.Context,
    study: Annotated[Path, typer.Argument(help="Study file (TOML).")],
    *,
    pilot: Annotated[Path | None, typer.Option(help="Run folder of an earlier study, for its spreads.")] = None,
    null_spread: Annotated[float | None, typer.Option(min=0, help="Standard deviation of the null, stated.")] = None,
    estimate_spread: Annotated[float, typer.Option(min=0, help="Standard deviation of an estimate, stated.")] = 0.0,
    clips_per_second: Annotated[
        float | None, typer.Option(min=1e-9, help="Forward passes a second; else timed.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Say the time with so many workers of an engine too.")] = 1,
    device: Device = None,
    events: EventsOption = None,
    target: TargetOption = None,
    score: ScoreOption = None,
    memory: Annotated[str, typer.Option(metavar="SIZE", help="As of `videotcav run`.")] = "2GiB",
) -> None:
    """Say what a study needs, what effect it could see and what it will cost, before it is run.

    To time that, class clips are edited and the first maps made. With --clips-per-second nothing passes the model.

    Exit codes: 0 it can be run, 1 something is missing or does not fit.
    """
    from videotcav import api  # noqa: PLC0415 - torch is slow to import

    made = api.plan(
        study,
        events=events,
        target=target,
        score=score,  # type: ignore[arg-type] # checked there
        pilot=pilot,
        spreads=None if null_spread is None else api.Spreads(null_spread, estimate_spread),
        device=device,
        clips_per_second=clips_per_second,
        workers=workers,
        memory_bytes=parsed_bytes(memory),
        progress=context.obj.progress,
    )
    context.obj.result("\n".join(made.lines), made.model_dump())
    if not made.is_enough:
        raise typer.Exit(1)
