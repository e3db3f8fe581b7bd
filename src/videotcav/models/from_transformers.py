"""Video classifiers of the transformers library, as `transformers:MCG-NJU/videomae-base-finetuned-kinetics` or from
a local folder, as `transformers:./folder`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from videotcav.compat.hub import LOADING_ERRORS, hub_errors, local_only
from videotcav.compat.mapped import in_memory
from videotcav.compat.torchvision import import_torchvision
from videotcav.errors import MissingExtra, ModelError, ModelNotFound
from videotcav.models import checkpoint, fit
from videotcav.models.seeded import seeded
from videotcav.models.transformers_families import FAMILIES
from videotcav.models.transformers_input import brief, clip_spec_of, processor_of
from videotcav.records import ClipSpec, KnownModel, ModelCard

RANDOM = "random"
"""The name of weights that are drawn anew, the same at each call."""

_STARTING_POINTS = (
    ("MCG-NJU/videomae-base-finetuned-kinetics", 16, 4 / 30, 224, 400, "CC BY-NC 4.0"),
    ("facebook/timesformer-base-finetuned-k400", 8, 32 / 30, 224, 400, "CC BY-NC 4.0"),
    ("google/vivit-b-16x2-kinetics400", 32, 2 / 25, 224, 400, "MIT"),
    ("facebook/vjepa2-vitl-fpc16-256-ssv2", 16, 4 / 30, 256, 174, "MIT"),
)

_PIXELS = "b t c h w"
_HEAD = ("classifier.weight", "classifier.bias")


def load(name: str, *, weights: str | None) -> tuple[nn.Module, ModelCard]:
    """A video classifier with its card; a model source, see `load.ModelSource`.

    Layers keep the names that transformers gives them. Input, classes and token grid are read from the model's own
    config and processor.

    Args:
        name: a name on the Hugging Face hub, or a folder written by `save_pretrained` of a model and its processor.
        weights: None for those under that name; `random`; or a checkpoint file of the same architecture, whose head
            may have another number of classes.

    Raises:
        MissingExtra: transformers is not installed.
        ModelError: nothing under that name, no way to fetch it, no video classifier, or weights that do not fit.
    """
    origin = f"transformers:{name}"
    with _quiet_transformers(origin) as transformers:
        place = str(Path(name).expanduser())
        _check_place(origin, name, Path(place))
        how = local_only(place)
        config = _fetched(origin, "config", lambda: transformers.AutoConfig.from_pretrained(place, **how))
        _check_kind(transformers, origin, config)
        module, label = _module(transformers, origin, place, config, weights, how=how)
        processor = processor_of(transformers, origin, place, how)
        family = FAMILIES.get(config.model_type)
        spec = clip_spec_of(origin, config, processor, family)
        return module, card_for(name, config, clip_spec=spec, weights=label)


def catalogue() -> tuple[KnownModel, ...]:
    """The fine-tuned classifiers that people start from; any other name on the hub will do as well."""
    return tuple(
        KnownModel(
            name=f"transformers:{name}",
            frames=frames,
            seconds_between_frames=seconds,
            size=(side, side),
            classes=classes,
            weights=(name,),
            licence=f"{licence} (check its page)",
            origin=f"https://huggingface.co/{name}",
        )
        for name, frames, seconds, side, classes, licence in _STARTING_POINTS
    )


def card_for(name: str, config: Any, *, clip_spec: ClipSpec, weights: str) -> ModelCard:
    """The card of a classifier with that config; layouts of a family that nobody described are not guessed."""
    family = FAMILIES.get(config.model_type)
    labels = [str(config.id2label[index]) for index in range(config.num_labels)]
    classes = tuple(f"{name} ({index})" if labels.count(name) > 1 else name for index, name in enumerate(labels))
    shared: dict[str, Any] = {
        "name": f"transformers:{name}",
        "clip_spec": clip_spec,
        "classes": classes,
        "weights": weights,
    }
    if config.problem_type == "multi_label_classification":
        shared["scores"] = "multi-label logits"
    if family is None:
        return ModelCard.model_validate({**shared, "pixels": _PIXELS, "layouts": {"classifier": "b c"}})
    return ModelCard.model_validate(
        {
            **shared,
            "pixels": _PIXELS,
            "layouts": family.layouts(config),
            "grids": {"*": family.grid(config)},
            "default_layers": family.default_layers(config),
            "degenerate": family.degenerate(config),
        }
    )


def _known(transformers: Any) -> dict[str, str]:
    """The classes of transformers' video classifiers by `model_type`."""
    return dict(transformers.models.auto.modeling_auto.MODEL_FOR_VIDEO_CLASSIFICATION_MAPPING_NAMES)


def _check_place(origin: str, name: str, place: Path) -> None:
    """Nothing for a name on the hub, or a folder that says its architecture. Raises ModelError."""
    if place.is_file():
        raise ModelError(
            f"{origin}: is a file, and which network its weights are of stands in a config.json: name the folder that "
            "holds it, or a model of the same architecture on the hub, and give the file as the weights"
        )
    if place.is_dir() and not (place / "config.json").is_file():
        raise ModelError(f"{origin}: has no config.json, which names the network; save_pretrained(folder) writes it")
    if not place.is_dir() and name.startswith((".", "/", "~")):
        raise ModelNotFound(f"{origin}: there is no such folder")


def _check_kind(transformers: Any, origin: str, config: Any) -> None:
    if config.model_type not in (known := _known(transformers)):
        raise ModelError(
            f"{origin}: is a {config.model_type}, no video classifier; transformers has {', '.join(known)}"
        )
    if getattr(config, "attention_type", None) == "space_only":
        raise ModelError(
            f"{origin}: a TimeSformer with space_only attention gives one score a frame, not a clip; "
            "take one with divided_space_time or joint_space_time"
        )


def _module(
    transformers: Any, origin: str, place: str, config: Any, weights: str | None, *, how: dict[str, bool]
) -> tuple[nn.Module, str]:
    """The module, and what a card says of its weights. The config's classes become those of the weights."""
    kind = getattr(transformers, _known(transformers)[config.model_type])
    if weights == RANDOM:
        with seeded():
            drawn: nn.Module = kind(config)
        return drawn.eval(), RANDOM
    if weights is None:
        module = _loaded(kind, config, origin, "", place, **how)
        label = Path(place).name if Path(place).is_dir() else place
    else:
        held = checkpoint.read(weights)
        with torch.device("meta"):
            expected = kind(config).state_dict()
        given = fit.weights_for(held, expected, resizable=_HEAD, renamed_later=True)
        # A checkpoint goes through the library too: the keys of its files are not always those of its modules.
        module = _loaded(kind, config, origin, str(held.path), None, state_dict=given.state)
        fit.tell_left(given.left, origin=held.path, name=origin)
        label = given.label
        if held.classes is not None:
            if len(held.classes) != config.num_labels:
                raise ModelError(
                    f"{held.path}: {len(held.classes)} classes are named but the model has {config.num_labels} outputs"
                )
            config.id2label = dict(enumerate(held.classes))
    whole = in_memory(module.float())  # some are stored in half precision; precision says what passes compute in
    return whole.eval(), label


def _loaded(kind: Any, config: Any, origin: str, file: str, place: str | None, **how: Any) -> nn.Module:
    """The module with the weights of its folder, or with those of a file, whose head may have another size."""

    def fetched() -> tuple[nn.Module, dict[str, Any]]:
        return _fetched(  # type: ignore[no-any-return] # transformers says no types
            file or origin,
            "weights",
            lambda: kind.from_pretrained(
                place, config=config, output_loading_info=True, ignore_mismatched_sizes=True, **how
            ),
        )

    module, found = fetched()
    sizes = {key: tuple(size) for key, size, _ in found["mismatched_keys"]}
    if sizes and sizes.keys() <= set(_HEAD):
        config.id2label = {index: f"class {index}" for index in range(next(iter(sizes.values()))[0])}
        module, found = fetched()
    missing, unexpected = sorted(found["missing_keys"]), sorted(found["unexpected_keys"])
    if not file and missing and not any(key.startswith(f"{kind.base_model_prefix}.") for key in missing):
        raise ModelError(
            f"{origin}: its weights lack {fit.shown(missing)}: a pre-trained network without a trained classifier; "
            "take one that was fine-tuned"
        )
    wrong = {
        "missing": fit.shown(missing),
        "unexpected": fit.shown(unexpected if file else ()),
        "of another shape": fit.shown(
            {key: f"{tuple(has)} instead of {tuple(its)}" for key, has, its in found["mismatched_keys"]}
        ),
    }
    if said := "; ".join(f"{what}: {keys}" for what, keys in wrong.items() if keys):
        raise ModelError(f"{file or origin}: does not fit {origin if file else 'its config.json'}: {said}")
    fit.tell_left(unexpected, origin=origin, name="the classifier")
    return module


def _fetched(origin: str, what: str, fetch: Callable[[], Any]) -> Any:
    try:
        with hub_errors():
            return fetch()
    except LOADING_ERRORS as error:
        name = origin.removeprefix("transformers:")
        if Path(name).expanduser().exists():
            raise ModelError(f"{origin}: its {what} cannot be read: {brief(error)}") from None
        raise ModelError(
            f"{origin}: its {what} cannot be fetched from the Hugging Face hub, and no copy is here ({brief(error)}); "
            "check the name, or fetch the folder elsewhere and name it as transformers:./folder"
        ) from None


@contextmanager
def _quiet_transformers(origin: str) -> Iterator[Any]:
    """The library, silent inside: progress bars and remarks of its own belong to nobody here."""
    import_torchvision()  # before transformers, which imports it and gives up where it fails
    try:
        transformers: Any = importlib.import_module("transformers")
    except ImportError:
        raise MissingExtra("transformers", extra="hub", purpose=origin) from None
    logging = transformers.utils.logging
    level, speaks = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield transformers
    finally:
        logging.set_verbosity(level)
        if speaks:
            logging.enable_progress_bar()
