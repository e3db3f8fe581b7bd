"""What a module returns, held against its card: one row a clip, one column a class, and what the numbers are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from videotcav.errors import ModelError
from videotcav.records import LONE, ModelCard, Scores

ReadLogits = Callable[[Any], Tensor]

_SHAPED_ONLY = frozenset(
    "View UnsafeView Reshape Squeeze Unsqueeze Select Slice Alias Clone ToCopy Permute T Transpose".split()  # noqa: SIM905
)
"""What torch calls operations that leave the numbers as they are."""


def rows_of(output: Any, card: ModelCard, *, clips: int, read: ReadLogits | None = None) -> Tensor:
    """The logits `clip class` in what a module returned for so many clips.

    A lone logit z, or a lone probability, is that of the second of two classes: the first has −z. Probabilities become
    log-odds, ln p / (1 − p).

    Raises:
        ModelError: there are not as many rows as clips, or not as many columns as classes; says both numbers.
    """
    found = located(output, card, read)
    lone = card.scores in LONE
    wanted = 1 if lone else len(card.classes)
    if found.ndim == 0 or (found.ndim == 1 and clips == 1 and len(found) == wanted):
        found = found.reshape(1, -1)  # a head that squeezes away the only clip
    elif found.ndim == 1 and lone:
        found = found[:, None]
    if found.ndim != 2 or found.shape != (clips, wanted):  # noqa: PLR2004 - clip class
        raise ModelError(_misfit(found, card, clips=clips))
    if card.scores in ("probabilities", "one probability"):
        found = torch.logit(found.float(), eps=torch.finfo(torch.float32).eps)
    return torch.cat([-found, found], dim=1) if lone else found


def located(output: Any, card: ModelCard, read: ReadLogits | None = None) -> Tensor:
    """The tensor of scores: where the card says, or bare, first in a tuple, as `.logits` or under "logits".

    Raises:
        ModelError: it cannot be found; says what there is.
    """
    if read is not None:
        found = read(output)
        if not isinstance(found, Tensor):
            raise ModelError(f"what reads the logits of {card.name} gives {type(found).__name__}, not a tensor")
        return found
    for step in card.logits.split(".") if card.logits else ():
        output = _step(output, step, card)
    if isinstance(output, Tensor):
        return output
    inside = output.get("logits") if isinstance(output, Mapping) else getattr(output, "logits", None)
    if isinstance(inside, Tensor):
        return inside
    if isinstance(output, tuple | list) and output and isinstance(output[0], Tensor):
        return output[0]
    raise ModelError(
        f"{card.name} returns {_described(output)}: say where its logits are, as ModelCard(logits='…') with the "
        "name of a key or an attribute, or load_model(…, read_logits=function)"
    )


def looked_at(card: ModelCard, forward: Callable[[Tensor], Any], read: ReadLogits | None = None) -> ModelCard:
    """The card with what two clips show of the module's output: whether it is a lone logit, or probabilities.

    What the card states itself stays. `forward` gives what the module returns for pixels.

    Raises:
        ModelError: the module cannot be passed its input, or what it gives does not fit the card.
    """
    spec = card.clip_spec
    noise = torch.randn(
        1, spec.channels, spec.frames, spec.height, spec.width, generator=torch.Generator().manual_seed(0)
    )
    pixels = torch.cat([torch.zeros_like(noise), noise]).requires_grad_()
    with torch.inference_mode(mode=False), torch.enable_grad():
        found = located(forward(pixels), card, read)
    lone = found.shape in ((2,), (2, 1))
    if "scores" not in card.model_fields_set:
        card = card.model_copy(update={"scores": _kind(found, lone=lone)})
    if card.scores in LONE and len(card.classes) == 1:
        card = card.model_copy(update={"classes": (f"not {card.classes[0]}", card.classes[0])})
    if card.scores in LONE and len(card.classes) != 2:  # noqa: PLR2004 - one and its opposite
        raise ModelError(_misfit(found, card, clips=2))
    rows_of(found, card.model_copy(update={"logits": ""}), clips=2)
    return card


def remarks(module: nn.Module, card: ModelCard) -> Iterator[str]:
    """What a reader of any result of this model must know, in sentences."""
    if card.scores in ("probabilities", "one probability"):
        yield (
            f"{card.name} returns probabilities: they are taken as they are, and scores are their log-odds "
            "(ModelCard(scores='logits') says otherwise)."
        )
    if card.scores in LONE:
        yield (
            f"{card.name} has one output a clip: it speaks for “{card.classes[1]}”, and its negative for "
            f"“{card.classes[0]}”."
        )
    neighbourly = [
        name
        for name, part in module.named_modules()
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.running_mean is None  # noqa: SLF001 - its base class
    ]
    if neighbourly:
        yield (
            f"{card.name} has batch norms without running statistics ('{neighbourly[0]}'): a clip's numbers hang on "
            "the clips that are passed with it."
        )


def _kind(found: Tensor, *, lone: bool) -> Scores:
    """What the numbers are, by the last operation that made them; rows that add up to one are probabilities."""
    node = found.grad_fn
    while node is not None and node.name().partition("Backward")[0].lstrip("_") in _SHAPED_ONLY:
        node = next((before for before, _ in node.next_functions if before is not None), None)
    made_by = "" if node is None else node.name()
    if lone:
        return "one probability" if made_by.startswith("Sigmoid") else "one logit"
    adds_up = found.ndim > 1 and bool((found >= 0).all() and (found.float().sum(dim=1) - 1).abs().max() < 1e-3)  # noqa: PLR2004
    return "probabilities" if adds_up or made_by.startswith(("Sigmoid", "Softmax")) else "logits"


def _step(output: Any, step: str, card: ModelCard) -> Any:
    try:
        if isinstance(output, Mapping):
            return output[step]
        return output[int(step)] if step.isdecimal() else getattr(output, step)
    except (KeyError, IndexError, AttributeError, TypeError):
        raise ModelError(
            f"the card of {card.name} says that its logits are at '{card.logits}', but it returns {_described(output)}"
        ) from None


def _described(output: Any) -> str:
    if isinstance(output, Mapping):
        return f"a {type(output).__name__} with {', '.join(repr(key) for key in output)}"
    if isinstance(output, tuple | list):
        return f"a {type(output).__name__} of {', '.join(type(item).__name__ for item in output) or 'nothing'}"
    return f"a {type(output).__name__}"


def _misfit(found: Tensor, card: ModelCard, *, clips: int) -> str:
    shape, classes = tuple(found.shape), len(card.classes)
    wanted = f"one row of {classes} scores a clip"
    said = f"{card.name} gives an output of the shape {shape} for {clips} clip{'s' * (clips != 1)}"
    if found.ndim > 2:  # noqa: PLR2004 - clip class
        return f"{said}; needed: {wanted}. Take the mean over frames or places in the module itself"
    if found.ndim and len(found) != clips:
        return f"{said}, so {len(found)} rows for {clips} clips; needed: {wanted}"
    outputs = found.shape[1] if found.ndim > 1 else 1
    return (
        f"{said}, {outputs} scores a clip, but its card names {classes} classes: name {outputs} in ModelCard(classes=…)"
    )
