"""Every threshold that decides which clips are made, and how."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator

from videotcav.concepts.propose.crop import Colour, Mode
from videotcav.records import KINDS, Kind, Record

Byte = Annotated[int, Field(ge=0, le=255)]
Share = Annotated[float, Field(ge=0, le=1)]


class Recipe(Record):
    """How detections become concept clips. It goes whole into the provenance of each clip.

    Cutting: `mode` is explained in `crop.py`; `cut` says whether the box or the mask is cut out: by mask all that is
    not the object is filled too. `fill` None means black for boxes in `paper` mode, as published, and else the mean of
    ImageNet, which most video models subtract; "scene", by mask alone, is what other frames show behind the object,
    and that colour beyond the frame. `frames_per_clip` None takes each track whole. The spatial clip
    and the frozen twin hold frame `still_frame` of the clip (of shorter clips the last); None means the sharpest one
    in which the object was detected.
    Tracking: a detection of `min_score` starts a track; weaker ones continue it. The next one is looked for up to
    `search_margin` box sizes beyond the box's edge (a swung racket leaves its own box within a frame), and missed
    for up to `max_gap_frames`. Where the longer side of the box changes by more than `max_growth` from one detection
    to the next, the track ends: it is most likely another thing.
    Gates: what a clip must be to reach a person's eyes; 0 switches a gate off.
    """

    mode: Mode = "paper"
    cut: Literal["box", "mask"] = "box"
    fill: tuple[Byte, Byte, Byte] | Literal["scene"] | None = None
    kinds: tuple[Kind, ...] = KINDS
    frames_per_clip: Annotated[int, Field(ge=2)] | None = 16
    context: NonNegativeFloat = 0.25
    smoothing_frames: NonNegativeFloat = 2.0
    still_frame: NonNegativeInt | None = None
    seed: NonNegativeInt = 0

    min_score: Share = 0.25
    search_margin: NonNegativeFloat = 0.5
    max_gap_frames: NonNegativeInt = 8
    max_growth: Annotated[float, Field(gt=1)] = 2.0
    min_frames: PositiveInt = 8
    min_side_pixels: NonNegativeFloat = 12.0
    min_observed: Share = 0.5
    min_sharpness: NonNegativeFloat = 20.0
    min_hash_distance: NonNegativeInt = 12
    max_clips_per_source: NonNegativeInt = 4

    @model_validator(mode="after")
    def _scene_is_behind_a_mask(self) -> Self:
        if self.fill == "scene" and self.cut != "mask":
            raise ValueError('fill "scene" stands behind what is cut by mask: take cut "mask", or a colour')
        return self

    @property
    def fill_colour(self) -> Colour:
        """The colour of padding, RGB."""
        if isinstance(self.fill, tuple):
            return self.fill
        return (0, 0, 0) if (self.mode, self.cut) == ("paper", "box") else (124, 116, 104)
