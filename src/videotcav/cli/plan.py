"""`videotcav plan`: what a study needs, could see and will cost, before any pass."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ByteSize

from videotcav.cli.console import parsed_bytes
from videotcav.cli.options import EventsOption, ScoreOption, TargetOption

if TYPE_CHECKING:
    from videotcav.study.plan import Plan

_SECONDS_PER_MINUTE, _SECONDS_PER_HOUR = 60, 3600
_UNITS_FROM = 2  # of a larger unit


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
    events: EventsOption = None,
    target: TargetOption = None,
    score: ScoreOption = None,
    memory: Annotated[str, typer.Option(metavar="SIZE", help="As of `videotcav run`.")] = "2GiB",
) -> None:
    """Say what a study needs, what effect it could see and what it will cost, without passing a clip of it.

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
        clips_per_second=clips_per_second,
        memory_bytes=parsed_bytes(memory),
        progress=context.obj.progress,
    )
    context.obj.result("\n".join(_lines(made)), made.model_dump())
    if not made.is_enough:
        raise typer.Exit(1)


def _lines(made: Plan) -> list[str]:
    needs = [f"{'  ' if need.is_met else '✗ '}{need.sentence}" for need in made.needs]
    cost = made.cost
    by_stage = ", ".join(f"{stage} {_duration(seconds)}" for stage, seconds in cost.seconds.items())
    return [
        f"{made.tests} tests in the declared family",
        *needs,
        *([f"  {made.alignment}"] if made.alignment else []),
        *(f"! {remark}" for remark in made.remarks),
        *(f"  {line}" for line in (made.pool.lines if made.pool else ())),
        *([f"  {made.equivalence}"] if made.equivalence else []),
        *(f"  {line}" for line in made.edits),
        *(f"  visible with a power of 80 %: ±{each.effect:.3g}, {each.question}" for each in made.visible),
        f"{cost.clips_forward} clips forward, {cost.clips_backward} of them backward",
        *([f"at most {cost.map_passes} forward passes more to check maps"] if cost.map_passes else []),
        *([f"at most {cost.edit_passes} forward passes more of edited clips"] if cost.edit_passes else []),
        *([f"at most {cost.share_passes} forward passes more for concepts' shares"] if cost.share_passes else []),
        f"about {_duration(sum(cost.seconds.values()))} of one worker: {by_stage}",
        f"{_size(cost.store_bytes)} of rows, {_size(cost.read_bytes)} read for {cost.operations:.1e} operations",
        f"{_size(cost.gram_bytes)} of inner products, {_size(cost.statistics_bytes)} of memory for the statistics",
    ]


def _duration(seconds: float) -> str:
    if seconds < _UNITS_FROM * _SECONDS_PER_MINUTE:
        return f"{seconds:.2g} s"
    if seconds < _UNITS_FROM * _SECONDS_PER_HOUR:
        return f"{seconds / _SECONDS_PER_MINUTE:.0f} min"
    return f"{seconds / _SECONDS_PER_HOUR:,.0f} h"


def _size(count: float) -> str:
    return ByteSize(count).human_readable(separator=" ")
