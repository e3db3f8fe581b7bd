"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

MODELS = "Model, as torchvision:swin3d_t, transformers:./folder, planted:swin or package.module:build."

Model = Annotated[str, typer.Argument(help=MODELS)]
ModelOption = Annotated[str, typer.Option("--model", help=MODELS)]
Weights = Annotated[
    str | None,
    typer.Option(help="Name of published weights (KINETICS400_V1) or a checkpoint file, behind a # the part meant."),
]
Device = Annotated[str | None, typer.Option(help="Where passes run: cpu (default), cuda or mps.")]
Replace = Annotated[
    bool, typer.Option("--replace", help="Replace files that are there and were not written by videotcav.")
]
BatchSize = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Clips of a pass; 4 on a CPU and 16 on a GPU by default, fewer where clips are large. Halved where memory "
        "runs out.",
    ),
]
StoreOption = Annotated[
    str | None,
    typer.Option(
        help="Folder or URL (s3://bucket/folder) where what the passes produce is kept, so that a later study "
        "passes only what is new. Without it rows are kept beside the run folder until the run is complete."
    ),
]
MemoryOption = Annotated[
    str,
    typer.Option(
        metavar="SIZE",
        help="What inner products and rows may take beside the model and its passes; what is more lies in files.",
    ),
]
PrecisionOption = Annotated[str, typer.Option("--precision", help="What passes compute in: fp32, bf16 or fp16.")]
TargetOption = Annotated[
    str | None, typer.Option("--target", help="The study's class held against another: 'a - b', by their logits.")
]
ScoreOption = Annotated[
    str | None,
    typer.Option(
        "--score", help="What classes are asked by: centred logit, logit, log-odds or probability; else the file says."
    ),
]
EventsOption = Annotated[
    Path | None,
    typer.Option("--events", help="CSV table (file, seconds) of the moments that clips are aligned on."),
]
FormOption = Annotated[
    str | None,
    typer.Option(
        "--form",
        metavar="FORM|KEY=COLUMN,…",
        help="Form of the detector's output, where it is not recognised; of a table of boxes its columns, as "
        "video=file,frame=index,left=x,top=y,width=w,height=h.",
    ),
]
