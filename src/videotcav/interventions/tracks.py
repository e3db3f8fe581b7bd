"""Tracks in source pixels → which pixels of a clip, as the model is shown it, are the object's.

A pixel of the clip is the object's where any source pixel of the object has a share in its colour: resizing mixes the
source pixels, and a rim of the object that is left out is one that the model still sees.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from videotcav.concepts.detectors.masks import BoxEdges
from videotcav.concepts.propose.places import places
from videotcav.concepts.propose.track import Track
from videotcav.errors import ArgumentError, BoxesError, TrackNotFound
from videotcav.interventions.frames import Masks
from videotcav.records import Box, ClipSpec
from videotcav.video.info import ClipOrigin

BOX_ERROR = 0.1
"""By what share of its width and height a box is grown on each side: a detector's usual error."""

MASK_ERROR = 1.0
"""By how many source pixels a mask is grown: those at its rim that the object covers by less than half.

Of the pixels that planted objects change by more than 10 of 255 grey levels, exact masks leave out 3 to 10 %, and masks
grown by a pixel less than 1 in 1000.
"""

_MOST = 0.5  # of the picture: other objects that cover more are its ground

_SUPPORT = {"bilinear": 1.0, "bicubic": 2.0}  # how far resizing mixes, in pixels of the coarser grid (Keys 1981)
_NOISE = 1e-6  # of pixels, in the position of a crop


@dataclass(frozen=True)
class ObjectMasks:
    """Where an object is in a clip. Shares are of the `frames` that show it.

    `outlined` is what masks say it shows, grown by nothing, in frames that no box tells of.
    `interpolated` are those in which it was not seen itself, but before and after; `by_mask` those in which masks alone
    say where it is, not boxes.
    """

    masks: Masks
    outlined: Masks
    frames: int
    interpolated: float
    by_mask: float

    @property
    def known(self) -> Masks:
        """What it is known to show: its outline, and its box in frames that have none."""
        return np.where(self.outlined.any(axis=(1, 2), keepdims=True), self.outlined, self.masks)


def object_masks(
    tracks: Sequence[Track],
    clip: ClipOrigin,
    shown: Sequence[int],
    spec: ClipSpec,
    *,
    box_error: float = BOX_ERROR,
    mask_error: float = MASK_ERROR,
) -> ObjectMasks:
    """The masks of one object in a clip, as the spec has it shown; several tracks are one object.

    Args:
        tracks: boxes, or masks where there are any, at frames of the clip's video.
        clip: where the clip comes from.
        shown: the frame of the video that each frame of the clip shows, as `VideoFile.ranks_at` gives them.
        spec: how the model is shown a video.
        box_error: by what share of its width and height a box is grown on each side.
        mask_error: by how many source pixels a mask is grown.

    Between two frames of a track the box is interpolated, and the masks of both are carried along; before its first and
    after its last frame the object is absent.

    Raises:
        TrackNotFound: the clip shows nothing of the tracks.
        BoxesError: a track has a frame that the video does not have, or a mask of another size.
    """
    for name, error in (("box_error", box_error), ("mask_error", mask_error)):
        if not 0 <= error < np.inf:
            raise ArgumentError(f"{name} says by how much the object is grown, 0 or more; got {error:g}")
    for track in tracks:
        _require_fit(track, clip)
    view = _View.of(clip, spec)
    masks = np.zeros((len(shown), spec.height, spec.width), dtype=np.bool_)
    outlined = np.zeros_like(masks)
    seen, by_mask = np.zeros(len(shown), dtype=np.bool_), np.ones(len(shown), dtype=np.bool_)
    for number, frame in enumerate(shown):
        for track in tracks:
            for place in places(track, frame):
                if isinstance(place.where, Box):
                    inside = view.box(_grown(place.where, box_error))
                else:
                    inside = view.pixels(place.where, mask_error)
                    outlined[number] |= inside if not mask_error else view.pixels(place.where, 0.0)
                masks[number] |= inside
                if inside.any():
                    seen[number] |= not place.interpolated
                    by_mask[number] &= not isinstance(place.where, Box)
    outlined[~by_mask] = False
    present = masks.any(axis=(1, 2))
    frames = int(present.sum())
    if not frames:
        raise TrackNotFound(_nothing(tracks, clip, shown))
    return ObjectMasks(
        masks=masks,
        outlined=outlined,
        frames=frames,
        interpolated=1 - int(seen[present].sum()) / frames,
        by_mask=int(by_mask[present].sum()) / frames,
    )


def beside(own: Sequence[ObjectMasks], every: Iterable[ObjectMasks]) -> Masks | None:
    """What masks say the other objects of a clip show, `every` one that is not its `own`; None where they tell of none.

    Pixels of both are its own, and so is all of its box in frames where no mask tells of it. Masks of most of the
    picture tell of its ground, which is no other object.
    """
    theirs = [each.outlined for each in every if not any(each is mine for mine in own)]
    others = np.any([np.zeros_like(own[0].masks), *theirs], axis=0) & ~np.any([each.known for each in own], axis=0)
    return others if 0 < others.mean() <= _MOST else None


def _grown(box: Box, share: float) -> BoxEdges:
    across, down = share * box.width, share * box.height
    return (box.left - across, box.top - down, box.right + across, box.bottom + down)


@dataclass(frozen=True)
class _Axis:
    """Where the pixels of a clip have their centres along one axis of the source, which has `size` pixels.

    Source pixels that are nearer than `reach`, centre to centre, are mixed into one.
    """

    centres: NDArray[np.floating]
    reach: float
    size: int

    def reached(self, further: float = 0.0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The first source pixel of which each pixel is made, and the one after the last; none where it is padding.

        `further` source pixels are added at both ends.
        """
        reach = self.reach + further
        first = np.floor(self.centres - reach - 0.5 + _NOISE).astype(np.int64) + 1
        stop = np.ceil(self.centres + reach - 0.5 - _NOISE).astype(np.int64)
        shown = (self.centres > 0) & (self.centres < self.size)
        return np.where(shown, first.clip(0), 0), np.where(shown, stop.clip(0, self.size), 0)

    def within(self, low: float, high: float) -> NDArray[np.bool_]:
        """Which pixels have a source pixel in them that lies between two edges, at least in part."""
        first, stop = self.reached()
        inside = (first < np.ceil(high - _NOISE)) & (stop > np.floor(low + _NOISE)) & (stop > first)
        return np.asarray(inside)


class _View(NamedTuple):
    """The clip's rows and columns in its source."""

    rows: _Axis
    columns: _Axis

    @classmethod
    def of(cls, clip: ClipOrigin, spec: ClipSpec) -> _View:
        support = _SUPPORT[spec.resampling]

        def axis(start: float, step: float, count: int, size: int) -> _Axis:
            centres = start + (np.arange(count) + 0.5) * step
            return _Axis(centres, support * (max(1.0, step) if spec.antialias else 1.0), size)

        return cls(
            axis(clip.top, clip.pixels_per_row, spec.height, clip.video.height),
            axis(clip.left, clip.pixels_per_column, spec.width, clip.video.width),
        )

    def box(self, edges: BoxEdges) -> NDArray[np.bool_]:
        left, top, right, bottom = edges
        return self.rows.within(top, bottom)[:, None] & self.columns.within(left, right)[None]

    def pixels(self, source: NDArray[np.bool_], further: float) -> NDArray[np.bool_]:
        """Which pixels have one of the source's true ones in them, by a table of sums from the first corner on."""
        sums = np.zeros((source.shape[0] + 1, source.shape[1] + 1), dtype=np.int64)
        sums[1:, 1:] = source.cumsum(axis=0).cumsum(axis=1)
        (top, bottom), (left, right) = self.rows.reached(further), self.columns.reached(further)
        inside = sums[bottom][:, right] - sums[top][:, right] - sums[bottom][:, left] + sums[top][:, left]
        return np.asarray((inside > 0) & (bottom > top)[:, None] & (right > left)[None])


def _require_fit(track: Track, clip: ClipOrigin) -> None:
    """Nothing where the track can be one of the clip's video. Raises BoxesError."""
    video = clip.video
    last = round(video.duration_seconds * video.frames_per_second) - 1
    if track.frames[0] < 0 or track.frames[-1] > last:
        beyond = track.frames[0] if track.frames[0] < 0 else track.frames[-1]
        raise BoxesError(
            f"track {track.id} of '{track.label}' has a box in frame {beyond} of {video.path.name}, "
            f"whose frames are 0 to {last}"
        )
    for frame, mask in zip(track.frames, track.masks or (), strict=False):
        if mask is not None and (mask.width, mask.height) != (video.width, video.height):
            raise BoxesError(
                f"the mask of track {track.id} of '{track.label}' in frame {frame} is of {mask.width}×{mask.height} "
                f"pixels, and {video.path.name} of {video.width}×{video.height}"
            )


def _nothing(tracks: Sequence[Track], clip: ClipOrigin, shown: Sequence[int]) -> str:
    """Why a clip shows none of the tracks, in one sentence."""
    where = f"{clip.video.path.name} in frames {min(shown)} to {max(shown)}"
    if not tracks:
        return f"{where} has no track of what is to be edited"
    label = tracks[0].label
    if any(track.frames[0] <= frame <= track.frames[-1] for track in tracks for frame in shown):
        return f"{where} shows nothing of '{label}': it is hidden, or outside the part that the model is shown"
    first, last = min(track.frames[0] for track in tracks), max(track.frames[-1] for track in tracks)
    return f"{where} has no track of '{label}': its tracks lie in frames {first} to {last}"
