"""`videotcav audit`: what published results give away about themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

FOUND = 3
"""Exit code of an audit that found something: neither a success nor an input that does not fit."""


def audit(
    context: typer.Context,
    results: Annotated[Path, typer.Argument(help="Results: captum's dictionaries, a list (JSON), or a run folder.")],
) -> None:
    """Say what in published results cannot be right, or cannot carry its conclusion.

    Exit codes: 0 nothing found, 3 something found, 1 not a file of results.
    """
    from videotcav import api  # noqa: PLC0415 - scipy is slow to import

    found = api.audit(results)
    lines = [f"{finding.flag}: {finding.sentence}." for finding in found] or ["nothing found"]
    context.obj.result("\n".join(lines), [finding.model_dump() for finding in found])
    if found:
        raise typer.Exit(FOUND)
