"""What a module returns, held against its card: one row a clip, one column a class, and what the numbers are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from videotcav.errors import ModelError
from videotcav.models.user_code import where
from videotcav.records import ModelCard, Scores

ReadLogits = Callable[[Any], Tensor]

_KEEPS = frozenset(
    "View UnsafeView Reshape Squeeze Unsqueeze Select Slice Alias Clone ToCopy Permute T Transpose Expand Index Unbind "  # noqa: SIM905
    "Split UnsafeSplit Narrow IndexSelect Stack Cat Mean Sum Div Add Sub Rsub Max Amax Min Amin Clamp".split()
)
"""What torch calls operations behind which probabilities are still probabilities, such as their mean over frames."""

_MANY = 2
"""Clips that a module is looked at with, where it has not that many classes: no row can be taken for a column."""


def rows_of(output: Any, card: ModelCard, *, clips: int, read: ReadLogits | None = None) -> Tensor:
    """The logits `clip class` in what a module returned for so many clips.

    A lone logit z, or a lone probability, is that of the second of two classes: the first has −z. Probabilities become
    log-odds, ln p / (1 − p).

    Raises:
        ModelError: there are not as many rows as clips, or not as many columns as classes; says both numbers.
    """
    return _held_against(card, located(output, card, read), clips=clips)


def _held_against(card: ModelCard, found: Tensor, *, clips: int) -> Tensor:
    if not found.is_floating_point():
        raise ModelError(
            f"{card.name} gives {found.dtype} where scores are needed; return the numbers that a class is chosen by"
        )
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

    A head that reads its clip by one query gives `clip 1 class`, one of convolutions alone `clip class 1 1 1`: both are
    `clip class`.

    Raises:
        ModelError: it cannot be found; says what there is.
    """
    found = _located(output, card, read)
    match found.shape[1:]:
        case (1, _):
            return found[:, 0]
        case (_, 1, 1, 1):
            return found[:, :, 0, 0, 0]
    return found


def _located(output: Any, card: ModelCard, read: ReadLogits | None) -> Tensor:
    if read is not None:
        found = read(output)
        if not isinstance(found, Tensor):
            raise ModelError(f"what reads the logits of {card.name} gives {type(found).__name__}, not a tensor")
        return found
    path = card.logits
    while path:
        # A key may have a dot in it, as those of a state dict.
        step, _, path = (path, "", "") if isinstance(output, Mapping) and path in output else path.partition(".")
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


LONE: tuple[Scores, ...] = ("one logit", "one probability")


@dataclass(frozen=True)
class Inspection:
    """What a module showed of itself: its card completed, and what a reader of any result must know."""

    card: ModelCard
    cautions: tuple[str, ...]


def inspected(
    module: nn.Module, card: ModelCard, forward: Callable[[Tensor], Any], read: ReadLogits | None = None
) -> Inspection:
    """What a few clips show of the module's output: whether it is a lone logit, or probabilities, and each clip's own.

    What the card states itself stays. `forward` gives what the module returns for pixels.

    Raises:
        ModelError: what the module gives does not fit the card.
    """
    spec = card.clip_spec
    clips = _MANY if len(card.classes) != _MANY else _MANY + 1
    size = (spec.channels, spec.frames, spec.height, spec.width)
    pixels = torch.randn(clips, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float32, device="cpu")
    pixels[0] = 0
    with torch.inference_mode(mode=False), torch.enable_grad():
        found = _with_empty_graph(lambda: located(forward(pixels.clone().requires_grad_()), card, read))
    card = _completed(card, found, clips=clips)
    rows = _held_against(card, found, clips=clips).detach()
    try:
        with torch.no_grad():  # the last one: where clips are mixed up at all, it has neighbours unlike itself
            alone, again = (rows_of(forward(pixels[-1:]), card, clips=1, read=read)[0] for _ in range(2))
    except Exception as error:
        raise ModelError(f"{card.name} can be passed {clips} clips, but none alone: {where(error)}") from error
    return Inspection(card, tuple(_cautions(module, card, rows, alone, again)))


def _with_empty_graph(work: Callable[[], Tensor]) -> Tensor:
    """What the work gives, with a graph that names its operations and keeps none of their tensors in memory."""
    try:
        nothing = torch.empty(0, device="cpu")
        with torch.autograd.graph.saved_tensors_hooks(lambda _: nothing, lambda _: nothing):
            return work()
    except RuntimeError as error:
        if "saved tensor hooks" not in str(error):  # functions of torch.func cannot run under them
            raise
    return work()


def _completed(card: ModelCard, found: Tensor, *, clips: int) -> ModelCard:
    if found.numel() == 0:
        raise ModelError(_misfit(found, card, clips=clips))
    lone = found.shape in ((clips,), (clips, 1))
    if "scores" not in card.model_fields_set:
        card = card.model_copy(update={"scores": _kind(found, card, lone=lone)})
    if card.scores in LONE and len(card.classes) == 1:
        card = card.model_copy(update={"classes": (f"not {card.classes[0]}", card.classes[0])})
    if card.scores in LONE and len(card.classes) != 2:  # noqa: PLR2004 - one and its opposite
        raise ModelError(_misfit(found, card, clips=clips))
    if card.scores == "logits" and len(card.classes) == 1:
        raise ModelError(
            f"the card of {card.name} names one class and calls its scores logits, whose softmax is 1 for every clip; "
            "say ModelCard(scores='one logit')"
        )
    return card


def remarks(card: ModelCard) -> Iterator[str]:
    """What the card says that a reader of any result must know, in sentences."""
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


def _cautions(module: nn.Module, card: ModelCard, rows: Tensor, alone: Tensor, again: Tensor) -> Iterator[str]:
    among, alone, again = rows[-1].double(), alone.double(), again.double()
    rounding = 64 * torch.finfo(torch.bfloat16 if rows.element_size() == 2 else torch.float32).eps  # noqa: PLR2004 - bytes
    near = rounding * float(rows.double().abs().max()) + 1e-2 * float((rows[-1] - rows[0]).double().abs().max())
    if float((alone - again).abs().max()) > near:
        yield (
            f"{card.name} gives other numbers each time it is passed the same clip, as a dropout does that does not "
            "heed evaluation mode: nothing that is computed with it can be repeated."
        )
    elif float((alone - among).abs().max()) > near:
        norms = [name for name, part in module.named_modules() if getattr(part, "track_running_stats", True) is False]
        because = f", as a batch norm without running statistics does ('{norms[0]}')" if norms else ""
        yield (
            f"{card.name} gives a clip other numbers among others than alone{because}: a clip's answers hang on the "
            "clips that are passed with it."
        )


def _kind(found: Tensor, card: ModelCard, *, lone: bool) -> Scores:
    """What the numbers are, by the last operation that made them; rows that add up to one are probabilities."""
    node = found.grad_fn
    while node is not None and node.name().partition("Backward")[0].lstrip("_") in _KEEPS:
        node = next((before for before, _ in node.next_functions if before is not None), None)
    made_by = "" if node is None else node.name()
    fractions = bool(((found >= 0) & (found <= 1)).all())
    if made_by.startswith("LogSigmoid") or (lone and made_by.startswith(("Softmax", "LogSoftmax"))):
        raise ModelError(
            f"{card.name} ends in {made_by.partition('Backward')[0]}, from which no probability can be told; return "
            "the logits before it"
        )
    if not made_by and fractions and not found.requires_grad:
        raise ModelError(
            f"{card.name} returns numbers from 0 to 1 without a graph, so that nobody can tell what they are; say "
            "ModelCard(scores='probabilities') or 'logits'"
        )
    if lone:
        return "one probability" if made_by.startswith("Sigmoid") and fractions else "one logit"
    adds_up = fractions and found.ndim > 1 and bool((found.float().sum(dim=1) - 1).abs().max() < 1e-2)  # noqa: PLR2004
    return "probabilities" if adds_up or (fractions and made_by.startswith(("Sigmoid", "Softmax"))) else "logits"


def _step(output: Any, step: str, card: ModelCard) -> Any:
    name = step.removesuffix("()")
    try:
        if isinstance(output, Mapping):
            found = output[name] if name in output or not name.isdecimal() else output[int(name)]
        elif name:
            found = output[int(name)] if name.isdecimal() else getattr(output, name)
        else:
            found = output
        return found() if step.endswith("()") else found
    except (KeyError, IndexError, AttributeError, TypeError):
        raise ModelError(
            f"the card of {card.name} says that its logits are at '{card.logits}', but it returns {_described(output)}"
        ) from None


def _described(output: Any) -> str:
    if isinstance(output, Mapping):
        return f"a {type(output).__name__} with {', '.join(repr(key) for key in output)}"
    if isinstance(output, tuple | list):
        return f"a {type(output).__name__} of {', '.join(type(item).__name__ for item in output) or 'nothing'}"
    held = [name for name, value in getattr(output, "__dict__", {}).items() if isinstance(value, Tensor)]
    return f"a {type(output).__name__}" + (f" with {', '.join(held)}" if held else "")


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
        f"{said}, {outputs} score{'s' * (outputs != 1)} a clip, but its card names {classes} "
        f"class{'es' * (classes != 1)}: name {outputs} in ModelCard(classes=…), or say with ModelCard(logits=…) where "
        "else the scores are"
    )
