"""`videotcav init`: a first study file; on a terminal it asks what it cannot see."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from videotcav.cli.options import ModelOption, Weights
from videotcav.cli.wording import worded
from videotcav.errors import VideotcavError

if TYPE_CHECKING:
    from videotcav.study.first_file import Unseen


def init(  # noqa: PLR0917 - typer's parameters are options
    context: typer.Context,
    videos: Annotated[Path, typer.Argument(help="Folder with a folder of videos a class, or of one class's videos.")],
    model: ModelOption,
    output: Annotated[Path, typer.Option("--output", "-o", help="Study file to write; must not exist.")] = Path(
        "study.toml"
    ),
    weights: Weights = None,
    class_name: Annotated[
        str | None, typer.Option("--class", help="Class that the videos show; of several the only one to ask about.")
    ] = None,
    concepts: Annotated[
        list[Path] | None, typer.Option(help="Folder of concept clips; repeat for several. `concepts` if it is there.")
    ] = None,
    random: Annotated[
        list[Path] | None, typer.Option(help="Folder of unrelated clips; repeat for several. `random` if it is there.")
    ] = None,
    question: Annotated[str | None, typer.Option(help="What the report is headed by.")] = None,
    layer: Annotated[
        list[str] | None, typer.Option(help="Layer; repeat for several. The model's own by default.")
    ] = None,
    hypothesis: Annotated[
        list[str] | None, typer.Option(help="What you expect, as 'racket pushes swing'; repeat for several.")
    ] = None,
) -> None:
    """Write a commented study file from a folder of videos and a model.

    What it cannot see it asks on a terminal; elsewhere options say it. Nothing is overwritten.
    """
    from videotcav import api  # noqa: PLC0415 - torch is slow to import

    written = api.init(
        videos,
        output,
        model=model,
        weights=weights,
        target=class_name,
        concepts=concepts or (),
        random=random or (),
        question=question,
        layers=layer or (),
        hypotheses=hypothesis or (),
        ask=_answer if sys.stdin.isatty() else None,
    )
    context.obj.say(f"next: videotcav plan {output}")
    context.obj.result(str(output), {"study": written})


def _answer(unseen: Unseen) -> str:
    """What a person says, asked again until it fits; on standard error, as all that is no result."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    default = f" [{unseen.default}]" if unseen.default else ""
    while True:
        try:
            said = console.input(f"{unseen.question}{default} ", markup=False).strip()
        except EOFError:
            raise typer.Abort from None
        answer = said or unseen.default
        if answer is None:
            continue
        try:
            unseen.check(answer)
        except VideotcavError as error:
            console.print(worded(error), markup=False)
        else:
            return answer
