"""`videotcav runs`: an index of run folders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from videotcav.cli.browser import Open, show


def runs(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder that holds run folders, at any depth.")] = Path("runs"),
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Page to write; index.html in that folder by default.")
    ] = None,
    *,
    open_page: Open = False,
) -> None:
    """Write one page of all runs below a folder: question, answer, date, model, changed settings, side by side."""
    from videotcav import api  # noqa: PLC0415 - torch is slow to import

    index = api.runs(folder, output)
    for reason in index.skipped.values():
        context.obj.say(f"warning: skipped: {reason}")
    facts = {
        "page": index.page,
        "runs": [
            {
                "folder": run.folder,
                "kind": run.kind,
                "question": run.question,
                "answer": run.answer,
                "created": run.created,
                "model": run.model,
                "changed": run.changed,
            }
            for run in index
        ],
        "skipped": [*index.skipped.values()],
    }
    context.obj.result("\n".join([repr(index), "", str(index.page)]), facts)
    show(context.obj, index.page, asked=open_page)
