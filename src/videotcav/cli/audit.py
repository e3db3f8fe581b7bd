"""`videotcav audit`: what published results give away about themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from videotcav.cli.options import Device

FOUND = 3
"""Exit code of an audit that found something: neither a success nor an input that does not fit."""


def audit(
    context: typer.Context,
    results: Annotated[Path, typer.Argument(help="Results: captum's dictionaries, a list (JSON), or a run folder.")],
    *,
    attack: Annotated[
        bool, typer.Option("--attack", help="Of a run: also the smallest change of pixels that overturns each verdict.")
    ] = False,
    files: Annotated[
        Path | None, typer.Option(help="With --attack: the folder of the study file, where it is not found.")
    ] = None,
    layer: Annotated[str | None, typer.Option(help="With --attack: the layer of shift and classic scores.")] = None,
    concept: Annotated[
        list[str] | None, typer.Option(help="With --attack: only this concept; may be repeated.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="With --attack: of the random starts.")] = 0,
    device: Device = None,
) -> None:
    """Say what in published results cannot be right, or cannot carry its conclusion.

    Exit codes: 0 nothing found, 3 something found, 1 not a file of results.
    """
    from videotcav import api  # noqa: PLC0415 - scipy is slow to import

    found = api.audit(results)
    lines = [f"{finding.flag}: {finding.sentence}." for finding in found] or ["nothing found"]
    facts: Any = [finding.model_dump() for finding in found]
    if attack:
        how: dict[str, Any] = {"layer": layer, "include": concept or (), "seed": seed, "device": device}
        became = api.attack(results, files=files, **how, progress=context.obj.progress)
        lines.append(repr(became))
        facts = {"findings": facts, "attack": became.as_facts()}
    context.obj.result("\n".join(lines), facts)
    if found:
        raise typer.Exit(FOUND)
