"""Candidates cut by their masks: what is not the object becomes one colour, or the scene, before all else is cut."""

from __future__ import annotations

import numpy as np

from videotcav.concepts.propose.crop import Colour, UInt8Array
from videotcav.concepts.propose.places import places
from videotcav.concepts.propose.tracklets import Tracklet
from videotcav.video.camera import camera_motion
from videotcav.video.fill import filled
from videotcav.video.softly import Masks, blended, grown, soft

_SOFT_SHARE = 1 / 32  # of the object's longer side


def has_masks(candidate: Tracklet) -> bool:
    """Whether a mask is known in every frame in which the object was detected."""
    track = candidate.track
    known = dict(zip(track.frames, track.masks or (None,) * len(track.frames), strict=True))
    return all(known.get(frame) is not None for frame in _detected(candidate))


def masks_of_candidate(candidate: Tracklet) -> Masks:
    """Where the object is in each of the candidate's frames, in source pixels; between detections both are carried
    along.
    """
    found = []
    for frame in candidate.frames:
        outlines = [place.where for place in places(candidate.track, frame) if isinstance(place.where, np.ndarray)]
        found.append(np.any(outlines, axis=0))
    return np.stack(found)


def alone(frames: UInt8Array, candidate: Tracklet, ground: Colour | None) -> UInt8Array:
    """The frames (uint8 `time height width 3`) with one colour wherever the object is not; its pixels stay as they are,
    and its border is soft outside them.

    Without a colour it is the scene, as the edits of a study fill it: of each place the median over the frames in which
    the object does not cover it, after the camera's motion. Whatever else moves is gone.
    """
    width, masks = max(1, round(_SOFT_SHARE * candidate.side)), masks_of_candidate(candidate)
    if ground is None:
        covered = grown(masks, width)
        camera = camera_motion(frames, covered)
        below = filled(frames, np.ones_like(masks), covered=covered, camera=camera).frames
    else:
        below = np.broadcast_to(np.array(ground, dtype=np.uint8), frames.shape)
    return blended(below, frames, soft(masks, width=width))


def _detected(candidate: Tracklet) -> set[int]:
    """The track's frames that the candidate's frames lie on or between."""
    frames = candidate.track.frames
    first = int(np.searchsorted(frames, candidate.frames[0], side="right")) - 1
    last = int(np.searchsorted(frames, candidate.frames[-1]))
    return set(frames[first : last + 1])
