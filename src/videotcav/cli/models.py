"""`videotcav models` and `videotcav layers`: what can be named."""

from __future__ import annotations

from typing import Annotated

import typer

from videotcav.cli.options import Model, Weights


def models(context: typer.Context) -> None:
    """List the models that can be named: input, classes, names of weights and what those may be used for."""
    from videotcav import api  # noqa: PLC0415 - torch is slow to import

    rows = api.models()
    name_width = max(len(row.name) for row in rows)
    lines = [f"{'model':<{name_width}}  frames  every    pixels     classes  weights: licence"]
    for row in rows:
        weights = ", ".join(row.weights) if not row.name.endswith(row.weights[0]) else "its own"
        lines.append(
            f"{row.name:<{name_width}}  {row.frames:>6}  {row.seconds_between_frames:.3f} s  "
            f"{row.size[0]} × {row.size[1]:<4} {row.classes:>6}   {weights}: {row.licence}"
        )
    lines += [
        "",
        "Also any other video classifier as transformers:NAME-ON-THE-HUB or transformers:./FOLDER, and your own as",
        "package.module:build. Weights are fetched only when a command names them; licences are those of the weights.",
    ]
    context.obj.result("\n".join(lines), [row.model_dump() for row in rows])


def datasets(context: typer.Context) -> None:
    """List the forms of lists of clips that are read as they are, with what each needs."""
    from videotcav import api  # noqa: PLC0415 - torch is slow to import

    rows = api.datasets()
    lines = [
        f"{row.name:<11}  {row.looks_like}\n{'':11}  needs {row.needs}\n{'':11}  source: {row.source}" for row in rows
    ]
    lines += ["", 'In a study file: [classes] with list = "FILE", and form = "NAME" where that cannot be told.']
    context.obj.result("\n".join(lines), [row.model_dump() for row in rows])


def layers(
    context: typer.Context,
    model: Model,
    weights: Weights = None,
    depth: Annotated[
        int | None, typer.Option(min=1, help="Levels of layers to list; those inside are counted. All by default.")
    ] = None,
) -> None:
    """List the layers of a model that can be named, with the shape of what they give out, and its card as code."""
    from videotcav import api  # noqa: PLC0415 - torch is slow to import
    from videotcav.models.listing import card_code  # noqa: PLC0415 - as above

    loaded = api.load_model(model, weights=weights)
    rows = api.layers(loaded, depth=depth)
    width = max(len(row.name) for row in rows)
    lines = [
        f"{'*' if row.name in loaded.card.default_layers else ' '} {row.name:<{width}}  {row.kind:<24} "
        f"{' × '.join(map(str, row.shape)):<24} {row.layout or '?'}{'  (degenerate)' * row.degenerate}"
        f"{f'  (+ {row.folded} inside)' if row.folded else ''}"
        for row in rows
    ]
    lines += [
        *([f"weights: {loaded.card.weights}"] if weights else []),
        "* = default layers of a study; ? = nobody said how the output is laid out, nor does it follow from the",
        "network; degenerate = its gradient is the same for every clip, so that a sign count says nothing there",
        "",
        "# The card, to paste: beside your function for a model of your own, or changed, as load_model(…, card=card).",
        "from videotcav import ClipSpec, ModelCard",
        "",
        f"card = {card_code(loaded.card)}",
    ]
    context.obj.result("\n".join(lines), [vars(row) for row in rows])
