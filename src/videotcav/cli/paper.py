"""`videotcav paper`: the published protocol on one's own weights and videos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from videotcav.cli.console import command_line
from videotcav.cli.options import Device


def paper(  # noqa: PLR0917 - typer's parameters are options
    context: typer.Context,
    study: Annotated[Path, typer.Argument(help="Study file (TOML).")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write; must not exist.")] = Path("paper"),
    class_name: Annotated[
        str | None, typer.Option("--class", help="Class of the figures, where the study has several.")
    ] = None,
    boxes: Annotated[
        str | None,
        typer.Option(
            help="Boxes on the class's videos, for Figure 1: boxes.json, or a detector; else the study's own."
        ),
    ] = None,
    label: Annotated[list[str] | None, typer.Option(help="Which boxes count; repeat for several.")] = None,
    store: Annotated[str | None, typer.Option(help="Folder or URL where passes are kept for other studies.")] = None,
    *,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave unreadable videos out, and record it.")] = False,
    device: Device = None,
) -> None:
    """Follow the published protocol (arXiv 2404.09067) and draw its figures 1 and 4 to 10."""
    from videotcav import api  # noqa: PLC0415 - torch is slow to import
    from videotcav.report.paper import summary  # noqa: PLC0415 - as above

    truths = None
    if boxes or label:
        truths = api.Truths(boxes=api.load_detector(boxes) if boxes else None, labels=tuple(label or ()))
    found = api.paper(
        study,
        output,
        class_name=class_name,
        truths=truths,
        skip_bad=skip_bad,
        store=store,
        device=device,
        command=command_line(),
        progress=context.obj.progress,
    )
    page = found.folder / "paper.html"
    facts = {"paper": found.folder, "page": page, "missing": found.facts.missing}
    context.obj.result("\n".join([summary(found), "", str(page)]), facts)
