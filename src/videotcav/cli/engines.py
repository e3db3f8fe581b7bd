"""Where the work is done, as options of commands."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from videotcav.errors import ArgumentError

if TYPE_CHECKING:
    from videotcav.engine.local import Engine


class EngineName(StrEnum):
    """Names of the engines."""

    LOCAL = "local"
    RAY = "ray"


EngineOption = Annotated[
    EngineName, typer.Option("--engine", help="Do the work in this process, or on a Ray cluster (extra 'ray').")
]
Address = Annotated[
    str | None,
    typer.Option(
        help="A running Ray cluster, or auto; without it Ray uses this machine. Its machines must reach the "
        "videos and the store by the same names."
    ),
]
Workers = Annotated[int | None, typer.Option(min=1, help="The most Ray actors; as many as there is room for.")]
CpusPerWorker = Annotated[float, typer.Option(min=0.1, help="Cores of a Ray actor.")]
GpusPerWorker = Annotated[
    float, typer.Option(min=0.0, help="GPUs of a Ray actor; a fraction, as 0.5, lets two share one.")
]


def engine_of(where: EngineName, *, address: str | None, workers: int | None, cpus: float, gpus: float) -> Engine:
    """The engine that the options mean. Raises EngineError where they contradict each other."""
    from videotcav.engine.local import here  # noqa: PLC0415 - numpy is slow to import
    from videotcav.engine.on_ray import OnRay  # noqa: PLC0415 - as above

    if where is EngineName.LOCAL:
        if address is not None or workers is not None or gpus:
            raise ArgumentError(
                "--address, --workers and --gpus-per-worker are for --engine ray; add it, or leave them out"
            )
        return here
    return OnRay(address=address, workers=workers, cpus=cpus, gpus=gpus)
