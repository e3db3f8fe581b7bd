"""A list of clips in the place of videos, on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from videotcav.errors import ArgumentError
from videotcav.texts import first_problem

if TYPE_CHECKING:
    from videotcav.datasets.rows import ClipList

LISTS = (".csv", ".tsv", ".txt", ".json")
"""What lists of clips end with."""

ListOption = Annotated[
    list[str] | None,
    typer.Option("--list", help="How the list is read, as in a study file: videos=FOLDER; repeat for several."),
]


def list_of(videos: Sequence[Path | str], told: list[str]) -> ClipList | None:
    """The list that is named, read as told; None where videos are named."""
    from pydantic import ValidationError  # noqa: PLC0415 - torch is slow to import

    from videotcav import api  # noqa: PLC0415 - torch is slow to import

    is_list = len(videos) == 1 and Path(videos[0]).suffix.lower() in LISTS
    if not (is_list or told):
        return None
    if len(videos) > 1:
        raise ArgumentError("--list says how a list of clips is read: name that list alone")
    keys = dict(each.partition("=")[::2] for each in told)
    read: dict[str, object] = {"include": tuple(keys["include"].split(","))} if "include" in keys else {}
    if keys.get("numbers_from", "").isdecimal():
        read["numbers_from"] = int(keys["numbers_from"])
    columns = {key.removeprefix("columns."): value for key, value in keys.items() if key.startswith("columns.")}
    others = {key: value for key, value in keys.items() if not key.startswith("columns.")}
    try:
        return api.ClipList.model_validate({**others, **read, "columns": columns, "list": videos[0]})
    except ValidationError as error:
        raise ArgumentError(f"--list: {first_problem(error)}") from None
