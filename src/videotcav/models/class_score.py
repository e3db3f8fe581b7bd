"""The number that a class is asked by: a function of the logits, f_k (method.md 8.1)."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from videotcav.errors import ArgumentError, ClassNotFound, ModelError
from videotcav.models.model import VideoModel
from videotcav.records import ScoreName

Function = Callable[[Tensor, int], Tensor]


@dataclass(frozen=True)
class ClassScore:
    """A function of logits `clip class` and the number of a class, one value a clip.

    `name` tells two of them apart, also in the store. A layer's linear readout follows only what is `linear` in the
    logits.
    """

    name: str
    function: Function
    linear: bool = True

    def __call__(self, logits: Tensor, class_index: int) -> Tensor:
        """The score of each clip, (clip,). Raises ModelError where the function gives something else."""
        found = self.function(logits, class_index)
        if not isinstance(found, Tensor) or found.shape != logits.shape[:1]:
            shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise ModelError(
                f"the score of {len(logits)} clips must be a tensor of shape ({len(logits)},), got {shape}: let the "
                "function give one number for each row of the logits"
            )
        return found


def class_score(name: ScoreName, model: VideoModel) -> ClassScore:
    """The score of that name, of the model's classes."""
    if name == "log-odds":
        # Of a softmax; a sigmoid's log-odds are its logit.
        return ClassScore(name, _log_odds, linear=False) if model.card.scores == "logits" else LOGIT
    if name == "probability":
        return ClassScore(name, partial(_probability, model.probabilities), linear=False)
    return CENTRED if name == "centred logit" else LOGIT


def default_score(model: VideoModel) -> ClassScore:
    """The logit above the mean of all where a softmax makes probabilities of them, since it does not fix their common
    offset; otherwise the logit, or the log-odds of a module that gives probabilities.
    """
    return CENTRED if model.card.scores == "logits" else LOGIT


def against_class(model: VideoModel, target: str) -> tuple[int, ClassScore]:
    """The class a of "a - b" and the score that holds it against b: z_a − z_b.

    Raises:
        ClassNotFound: it is not two classes of the model with a minus sign between them.
    """
    # A class may have a dash in its name, so every place where it could be split is tried.
    places = [place for place in range(len(target)) if target.startswith(" - ", place)]
    problems: list[str] = []
    for place in places:
        one, other = target[:place], target[place + len(" - ") :]
        try:
            first, second = model.class_index(one), model.class_index(other)
        except ClassNotFound as error:
            problems.append(str(error))
            continue
        if first == second:
            raise ClassNotFound(f"'{target}' holds a class against itself; name two")
        return first, ClassScore(f"logit - {second}", partial(_difference, second))
    said = problems[0] if problems else "write two classes with ' - ' between them"
    raise ClassNotFound(f"'{target}' is no difference of two classes: {said}")


def own_score(function: Callable[[Tensor], Tensor]) -> ClassScore:
    """A score of the user's own: logits `clip class` in, one number a clip out, linear or not.

    Nothing of it is found in a store again, since nobody can tell whether it is still the same function.
    """
    return ClassScore(f"own {uuid.uuid4()}", partial(_own, function))


def asked_score(
    model: VideoModel,
    target: str | int | None,
    score: ScoreName | Callable[[Tensor], Tensor] | None,
    *,
    classic: bool = False,
) -> tuple[str | int | None, ClassScore]:
    """The class, and what it is asked by: `score`, or else the logit for `classic` scores, or `default_score`.

    Of "a - b" it is the class a held against b.

    Raises:
        ArgumentError: both say what the class is asked by.
    """
    if isinstance(target, str) and target not in model.card.classes and " - " in target:
        if score is not None:
            raise ArgumentError("target and score both say what the class is asked by: leave one of them out")
        return against_class(model, target)
    if callable(score):
        return target, own_score(score)
    if score is not None:
        return target, class_score(score, model)
    return target, LOGIT if classic else default_score(model)


def _log_odds(logits: Tensor, index: int) -> Tensor:
    """Log-odds of a softmax, ln p / (1 − p): the logit above the log-sum-exp of all others."""
    others = torch.cat([logits[:, :index], logits[:, index + 1 :]], dim=1)
    return logits[:, index] - others.logsumexp(dim=1)


def _probability(probabilities: Callable[[Tensor], Tensor], logits: Tensor, index: int) -> Tensor:
    return probabilities(logits)[:, index]


def _difference(other: int, logits: Tensor, index: int) -> Tensor:
    return logits[:, index] - logits[:, other]


def _own(function: Callable[[Tensor], Tensor], logits: Tensor, _: int) -> Tensor:
    return function(logits)


def _logit(logits: Tensor, index: int) -> Tensor:
    return logits[:, index]


def _centred(logits: Tensor, index: int) -> Tensor:
    return logits[:, index] - logits.mean(dim=1)


LOGIT = ClassScore("logit", _logit)
CENTRED = ClassScore("centred logit", _centred)
