"""The nouns: frozen, validated from birth, free of tensors and of files.

Several rooms speak in these; a noun with one owner lives with it. They import nothing heavy, so that the review app
and the report can use them without torch.
"""

from __future__ import annotations

import hashlib
import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    PlainSerializer,
    PositiveInt,
    model_validator,
)

from videotcav.errors import repeated

T = TypeVar("T")

MOST_SHOWN = 300
"""Characters of a field that Jupyter shows."""

Kind = Literal["spatial", "spatiotemporal", "frozen", "shuffled", "reversed"]
"""How a concept clip was made: one crop repeated; a track; or a twin of that same track."""

Statistic = Literal["contrast", "shift", "sign_count", "sensitivity", "cosine", "relative"]
"""What a row tells. `contrast`: what the class's score does on the concept's clips, and `shift`: the same as far as a
layer's linear readout shows it too (method.md 8). The classic scores (method.md 3): fraction of class clips with S > 0,
mean of S, mean cosine of gradient and CAV; and the fraction along a CAV that was trained against the rest of a
group."""

Against = Literal["random", "frozen", "shuffled", "reversed", "concept", "group"]
"""What a concept is held against: random clips, a twin of its own clips, another concept, or the rest of a group."""

Verdict = Literal[
    "positive",
    "negative",
    "negligible",
    "undecided",
    "fidelity too low",
    "no evidence",
    "not learned",
    "degenerate",
    "underpowered",
]
"""What may be concluded about a concept. The last four, which are those of classic scores alone, are decided by effect,
interval, p and accuracy together; *fidelity too low* is said of a layer's row."""

Outcome = Literal["supported", "contradicted", "mixed", "not supported", "cannot be judged"]
"""What became of a hypothesis, over all of its tests."""

Pooling = Literal["none", "space", "time", "all"]
"""Which axes of a layer's activation are averaged before the CAV sees it."""

Precision = Literal["fp32", "bf16", "fp16"]
"""What a model's passes compute in; whatever is done with their results is done in fp32."""

Scores = Literal["logits", "multi-label logits", "one logit", "probabilities", "one probability"]
"""What a network's outputs are: logits of which one class is true (softmax) or any number (sigmoid), a probability a
class, or a lone one that speaks for the second of two."""

ScoreName = Literal["centred logit", "logit", "log-odds", "probability"]
"""What of a class a study asks by: its logit above the mean of all logits, its logit, ln p / (1 − p), or p."""

KINDS: tuple[Kind, ...] = ("spatial", "spatiotemporal", "frozen", "shuffled", "reversed")
TWINS: tuple[Kind, ...] = ("frozen", "shuffled", "reversed")
STILL: tuple[Kind, ...] = ("spatial", "frozen")
STATISTICS: tuple[Statistic, ...] = ("sign_count", "sensitivity", "cosine")
"""The classic ones of every CAV; `relative` belongs to groups alone."""


class Record(BaseModel):
    """Base of all records: frozen, no unknown keys. Shows itself in Jupyter, a line a field."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def _repr_html_(self) -> str:
        cells = ((name, str(getattr(self, name))) for name in type(self).model_fields)
        lines = (f"<tr><th>{escape(name)}</th><td>{escape(text[:MOST_SHOWN])}</td></tr>" for name, text in cells)
        return f"<table>{''.join(lines)}</table>"


def _distinct(values: tuple[T, ...]) -> tuple[T, ...]:
    if twice := repeated(values):
        raise ValueError(f"'{twice[0]}' is named twice; name it once")
    return values


Distinct = Annotated[tuple[T, ...], AfterValidator(_distinct)]
"""Values none of which is there twice: a question that is asked twice would be corrected for twice."""

Positive = Annotated[FiniteFloat, Field(gt=0)]
"""A number above 0, and not infinite."""

MOST_PIXELS, MOST_VIEWS = 16_384, 1000
"""Of a side of a clip, or its frames; and clips of one video."""

Spread = Literal["linspace", "skip", "middle"]
"""Which n of the N frames of a video stand for all of it, k from 0 to n − 1. `linspace`: ⌊k (N − 1) / (n − 1)⌋, first
to last, as torch.linspace and the UniformTemporalSubsample of pytorchvideo and torchvision. `skip`:
k max(⌊N / n⌋, 1), as most LRCN codes. `middle`: ⌊(k + ½) N / n⌋, of each of n equal segments, as TSN in its tests."""

SAMPLINGS = ("seconds_between_frames", "stride", "spread")
"""The fields of a clip spec of which one says which frames are taken."""


class Progress(Protocol):
    """A way to watch long work: wraps an iterable, yields its items. The library's own default is silent."""

    def __call__(self, items: Iterable[T], what: str, *, total: int | None = None) -> Iterator[T]:
        """The items, one by one, while something somewhere shows how far they are."""
        ...


def silent(items: Iterable[T], what: str, *, total: int | None = None) -> Iterator[T]:  # noqa: ARG001 - as Progress
    """The default progress: shows nothing."""
    return iter(items)


# --- video -----------------------------------------------------------------------------------------------------


def _told(reader: Callable[..., Any] | None) -> str | None:
    """A reader by name and source, so that another one of the same name is another clip specification."""
    if reader is None:
        return None
    try:
        source = inspect.getsource(inspect.getmodule(reader) or reader)
    except (OSError, TypeError):  # a partial, or made in a session
        source = repr(reader)
    name = getattr(reader, "__qualname__", type(reader).__qualname__)
    return f"{reader.__module__}:{name}, source {hashlib.sha256(source.encode()).hexdigest()}"


class ClipSpec(Record):
    """How a video becomes a model's input: which frames, which pixels, which numbers.

    A `reader` gives what a network is shown that sees no colour pictures (flow, depth, events), or other ones than the
    file's: called with the video's path and the seconds of the clip's frames, it returns an array of as many frames
    `time height width channel`, uint8 as pictures or floats as they are. `mean` and `std` then say its 1 to 4 channels.

    `resize` is the length of the shorter side, or (height, width) of the whole frame, before the centre crop
    to `height` × `width`, whose edge is rounded to the nearest pixel, half to even as torchvision does, or down as
    transformers does. Pixels are scaled to 0…1, then (x − mean) / std per channel (RGB).

    One of three says which frames: `seconds_between_frames` apart; every `stride`-th of the file's own, whose distance
    in seconds is the file's, also where that varies; or a `spread` over all of it. `short` says what becomes of a
    video of fewer frames than a stride or a spread needs: it is refused, or frames are shown more than once, the last
    one where there are none left.

    A video of a class may be shown as several clips, spread evenly over it, each in one or three crops (the centre,
    or both ends and the centre of the longer side): `clips_per_video` × `crops_per_clip` views of one source.
    """

    frames: PositiveInt
    seconds_between_frames: Positive | None = None
    stride: PositiveInt | None = None
    spread: Spread | None = None
    short: Literal["refuse", "repeat"] = "refuse"
    reader: Annotated[Callable[[Path, tuple[float, ...]], Any] | None, PlainSerializer(_told)] = None
    height: PositiveInt
    width: PositiveInt
    resize: PositiveInt | tuple[PositiveInt, PositiveInt]
    mean: Annotated[tuple[FiniteFloat, ...], Field(min_length=1, max_length=4)] = (0.5, 0.5, 0.5)
    std: Annotated[tuple[Positive, ...], Field(min_length=1, max_length=4)] = (0.5, 0.5, 0.5)
    resampling: Literal["bilinear", "bicubic"] = "bilinear"
    antialias: bool = False
    crop_rounding: Literal["even", "down"] = "even"
    clips_per_video: Annotated[int, Field(ge=1, le=MOST_VIEWS)] = 1
    crops_per_clip: Literal[1, 3] = 1

    @model_validator(mode="after")
    def _has_channels(self) -> Self:
        if len(self.mean) != len(self.std):
            raise ValueError(f"mean and std need one number a channel, got {len(self.mean)} and {len(self.std)}")
        return self

    @model_validator(mode="after")
    def _says_which_frames(self) -> Self:
        said = [name for name in SAMPLINGS if getattr(self, name) is not None]
        if len(said) != 1:
            raise ValueError(
                f"one of {', '.join(SAMPLINGS)} says which frames are taken, got {' and '.join(said) or 'none of them'}"
            )
        if self.spread is not None and self.clips_per_video > 1:
            raise ValueError(
                f"frames spread over a whole video make one clip of it, not clips_per_video = {self.clips_per_video}"
            )
        if self.seconds_between_frames is not None and self.short != "refuse":
            raise ValueError(
                'short = "repeat" is of a stride or a spread; at fixed seconds too short a video is refused'
            )
        return self

    def changed(self, changes: Mapping[str, Any]) -> ClipSpec:
        """The same otherwise; one that is told which frames are taken forgets how it took them before.

        Raises pydantic's ValidationError.
        """
        told = changes.keys() & set(SAMPLINGS)
        left = {*SAMPLINGS, "short"} if told else set()
        kept = {name: getattr(self, name) for name in type(self).model_fields if name not in left}
        return ClipSpec.model_validate({**kept, **changes})

    @property
    def channels(self) -> int:
        """Of a pixel, as mean and deviation have them."""
        return len(self.mean)

    @property
    def unlike_pictures(self) -> str:
        """Why clips cannot be shown and edited as the colour pictures of their video; empty where they can."""
        if self.channels != len("RGB"):
            return f"the clip spec has {self.channels} channels instead of 3"
        return "the clip spec has a reader of its own" if self.reader is not None else ""

    @property
    def views(self) -> int:
        """How many inputs a video of a class makes."""
        return self.clips_per_video * self.crops_per_clip

    @property
    def span(self) -> int:
        """How many frames of a file a clip reaches over, from its first to its last, or needs at least."""
        return (self.frames - 1) * (self.stride or 1) + 1

    @property
    def fill(self) -> tuple[int, int, int]:
        """The model's mean as an 8-bit colour: what padding is filled with, so that it becomes 0."""
        shades = [min(255, max(0, round(255 * channel))) for channel in self.mean]
        red, green, blue = shades if len(shades) == 3 else shades[:1] * 3  # noqa: PLR2004 - RGB
        return (red, green, blue)


# --- concepts --------------------------------------------------------------------------------------------------


class Box(Record):
    """A rectangle in source pixels; right and bottom are exclusive."""

    left: float
    top: float
    right: float
    bottom: float

    @model_validator(mode="after")
    def _has_area(self) -> Self:
        edges = (self.left, self.top, self.right, self.bottom)
        if not all(math.isfinite(edge) for edge in edges) or self.right <= self.left or self.bottom <= self.top:
            raise ValueError(f"a box needs left < right and top < bottom, got {edges}")
        return self

    @property
    def width(self) -> float:
        """Pixels from left to right."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Pixels from top to bottom."""
        return self.bottom - self.top


class ConceptClip(Record):
    """One clip of a concept set: where it lies, what it shows, what it was cut from.

    `id` is shared by a spatiotemporal clip and its spatial version and twins: they come from one track.
    `source` names the source video; splits and resampling go by it. `decision` is `accepted` where the clip was
    taken unseen by `videotcav concepts accept`; what reviewers said is kept apart. `generated` it was not filmed.
    """

    id: str
    concept: str
    kind: Kind
    path: Path
    source: str
    source_sha256: str = ""
    decision: Literal["undecided", "accepted"] = "undecided"
    generated: bool = False


class ConceptSet(Record):
    """The clips of one concept in one kind, ordered by id."""

    concept: str
    kind: Kind
    clips: tuple[ConceptClip, ...]

    @property
    def name(self) -> str:
        """The concept and its kind, as `racket/frozen`."""
        return f"{self.concept}/{self.kind}"


# --- models ----------------------------------------------------------------------------------------------------


class ModelCard(Record):
    """What must be known of a model besides its module.

    `layouts` maps layer names (shell patterns) to how their output is laid out, as `b t h w c`, `b c t h w`,
    `b (t h w) c` or `b c`; `grids` gives time, height and width where tokens are flattened. `degenerate` names
    (shell patterns) the layers with only linear operations between them and the logits: see method.md 4.6.

    `logits` says where the logits are in what the module returns: the name of a key or an attribute, or a number, and
    behind a dot what is inside; `()` behind a name calls it. It is empty where they are bare, first in a tuple, or
    called `logits`. `scores` says what they are; where a card does not state it, it is seen when the model is loaded.

    `colour` is the order of colours that the module was trained with. Only at its door are they turned: `mean` and
    `std`, clips, pixels of one's own and edits are red, green, blue whatever it says.

    `pixels` is the order of axes that the module wants its input in. `pathways` lists the frames that each pathway of
    a network with several is given, in the order of its list of inputs; empty for the usual one input.
    """

    name: str
    clip_spec: ClipSpec
    classes: tuple[str, ...]
    layouts: dict[str, str] = Field(default_factory=dict)
    grids: dict[str, tuple[int, int, int]] = Field(default_factory=dict)
    default_layers: tuple[str, ...] = ()
    degenerate: tuple[str, ...] = ()
    pixels: str = "b c t h w"
    colour: Literal["RGB", "BGR"] = "RGB"
    pathways: tuple[tuple[int, ...], ...] = ()
    precision: Precision = "fp32"
    logits: str = ""
    scores: Scores = "logits"
    weights: str = "random"
    weights_sha256: str = ""

    @model_validator(mode="after")
    def _has_an_input_and_classes(self) -> Self:
        if twice := repeated(self.classes):
            raise ValueError(f"each class needs a name of its own, got '{twice[0]}' twice")
        if sorted(self.pixels.split()) != ["b", "c", "h", "t", "w"]:
            raise ValueError(f"pixels names the axes b, c, t, h and w in the module's order, got '{self.pixels}'")
        if self.colour == "BGR" and self.clip_spec.channels != len("BGR"):
            raise ValueError(f"BGR is an order of three colours, but there are {self.clip_spec.channels} channels")
        for frames in self.pathways:
            if not frames or not all(0 <= frame < self.clip_spec.frames for frame in frames):
                raise ValueError(f"a pathway takes frames 0 … {self.clip_spec.frames - 1} of the clip, got {frames}")
        return self


class KnownModel(Record):
    """A model that can be named: its input, how many classes, and what its weights may be used for.

    `weights` are the names that the source knows for it. `size` is height and width in pixels.
    """

    name: str
    frames: PositiveInt
    seconds_between_frames: Positive
    size: tuple[PositiveInt, PositiveInt]
    classes: PositiveInt
    weights: tuple[str, ...]
    licence: str
    origin: str


# --- results ---------------------------------------------------------------------------------------------------

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]

FIDELITY = 0.8
"""Below it a layer's readout does not follow the score: among such rows the sign was right in 73 % of cases, above it
in 99 %."""


Origin = Literal["", "partly synthetic", "synthetic", "synthetic, domain gap"]
"""What a concept's clips are where not all of them were filmed. With a domain gap the generated and the real ones are
farther apart, in what decides the verdict, than the concept is from what it is held against."""


class Result(Record):
    """One row of results: a concept × kind × layer × class × statistic, against random clips, a twin, another concept
    or a group.

    A row of `contrast` has no layer. Its `value`, 95 % interval, `smallest_effect` (the detectable one: what this study
    finds with 80 % power) and `effect_of_interest` (the equivalence margin) are in standard deviations of the class's
    score over the pool; its null is the interval from `null_low` to `null_high`, ± `negligible_below`. A row of `shift`
    has the smaller of the two effects where both have one sign, otherwise the layer's own, which is `shift`; its p is
    the larger, and `fidelity` says how closely the layer's readout follows the score over the pool's videos. Rows of
    both say what share of the concept's and of the pool's clips the model gives to the class, and how many source
    videos must at most be removed before the verdict is another one, of the concept and of the pool (None where that is
    not known: nothing overturns it, or there are too many tests to ask).

    What follows is said of classic scores. `value` with its 95 % interval is the estimate; for `against` a twin or a
    concept (`other`, as `person/spatial`) it is the difference between the two values. `null_*` is the central 95 % of
    the null and its centre. `p` is never 0. `classic` is the published t-test, shown for comparison
    only: it holds `runs`, the values with each random set (`value` is their mean), against `random_runs`, those of as
    many random sets against random sets. `group` names the concepts that a `relative` value is held against.

    `hypothesis` is the declared sentence that asks for this row; a row of a study with hypotheses that none of them
    asks for is `exploratory`. `p_equivalence` is given where a hypothesis declares the effect to be smaller than
    `effect_of_interest`. `origin` says of the concept's clips whether they were generated.
    """

    concept: str
    kind: Kind
    against: Against
    group: str = ""
    layer: str
    class_name: str
    statistic: Statistic
    value: float
    low: float
    high: float
    null_centre: float
    null_low: float
    null_high: float
    p: Fraction
    p_corrected: Fraction
    null_draws: PositiveInt
    p_classic: Fraction | None = None
    p_classic_corrected: Fraction | None = None
    runs: tuple[float, ...] = ()
    random_runs: tuple[float, ...] = ()
    accuracy: Fraction | None = None
    accuracy_low: Fraction | None = None
    accuracy_high: Fraction | None = None
    smallest_effect: float
    gradient_cosine: float | None = None
    concept_clips: PositiveInt
    concept_sources: PositiveInt
    class_clips: PositiveInt
    class_sources: PositiveInt
    random_clips: PositiveInt
    verdict: Verdict
    other: str = ""
    hypothesis: str = ""
    exploratory: bool = False
    effect_of_interest: float | None = None
    p_equivalence: Fraction | None = None
    p_equivalence_corrected: Fraction | None = None
    negligible_below: float | None = None
    shift: float | None = None
    fidelity: float | None = None
    concept_predicted: Fraction | None = None
    pool_predicted: Fraction | None = None
    removed_of_concept: int | None = None
    removed_of_pool: int | None = None
    origin: Origin = ""

    def as_row(self) -> dict[str, Any]:
        """The result as one flat row of a table."""
        return self.model_dump()


class StandardisedEffect(Record):
    """How one model answers one question at one layer, in units that models share.

    `value` with its 95 % interval is a contrast, or a classic result's distance from the centre of its null in standard
    deviations of that null. `against` the frozen twin it is the dynamic-reliance index: how much of the effect is
    motion's.
    """

    model: str
    layer: str
    class_name: str
    concept: str
    kind: Kind
    against: Literal["random", "frozen"]
    statistic: Statistic
    value: float
    low: float
    high: float
    p_corrected: Fraction
    verdict: Verdict
