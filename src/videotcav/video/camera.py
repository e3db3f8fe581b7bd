"""The camera's motion in a clip: none, a shift or a similarity of each frame against one reference frame.

A camera is taken to stand unless most of the picture says otherwise: one thing that moves before a blank wall looks, in
its pixels, like a camera that follows it. So the picture is cut into cells, and a motion is believed where it explains
what is seen in many of them, at three of the picture's sides too, each of which has texture in both frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from videotcav.video.registration import (
    HALF,
    Matrix,
    matrix_of,
    may_have_moved,
    motions,
    pyramid,
    relative,
    sees,
)
from videotcav.video.softly import Frames, Masks

MotionModel = Literal["identity", "shift", "similarity"]

_MOTIONS: tuple[MotionModel, ...] = ("shift", "similarity")

_SMALL_MOTION = 0.05  # pixels: a frame that moved by less is not interpolated
_FRAMES_THAT_MOVE = 0.25


@dataclass(frozen=True, eq=False)
class Camera:
    """Where each frame's pixels lie in the reference frame.

    `to_frame[t]` (2 × 3) takes a point (x, y) of the reference frame, in whole pixels at their centres, to frame t.
    `residual` is the mean difference to the reference frame that this leaves outside the object, in grey levels.
    """

    kind: MotionModel
    to_frame: Matrix
    reference: int
    residual: float

    @property
    def stands(self) -> bool:
        """Whether no frame is moved at all."""
        return self.kind == "identity"

    def between(self, source: int, target: int) -> Matrix:
        """The 2 × 3 matrix that takes a point of frame `target` to frame `source`."""
        return (_square(self.to_frame[source]) @ np.linalg.inv(_square(self.to_frame[target])))[:2]

    def carried(self, picture: NDArray[np.uint8], *, source: int, target: int) -> tuple[NDArray[np.uint8], Masks]:
        """A picture of frame `source` as frame `target` would show it, and where it shows anything (height width)."""
        return _warped(picture, self.between(source, target))

    def carried_mask(self, mask: Masks, *, source: int, target: int) -> Masks:
        """A mask of frame `source` (height width) as frame `target` would show it: what touches a pixel covers it."""
        return _warped_mask(mask, self.between(source, target))

    def into_reference(self, frames: Frames, *, outside: Masks | None = None) -> tuple[Frames, Masks]:
        """The frames as the reference frame would show them, and where each shows anything and not `outside`."""
        pairs = [_warped(frame, matrix) for frame, matrix in zip(frames, self.to_frame, strict=True)]
        seen = np.stack([seen for _, seen in pairs])
        if outside is not None:
            seen &= ~self.masks_into_reference(outside)
        return np.stack([picture for picture, _ in pairs]), seen

    def masks_into_reference(self, masks: Masks) -> Masks:
        """Masks of all frames as the reference frame would show them: whatever touches a pixel covers it."""
        return np.stack([_warped_mask(mask, matrix) for mask, matrix in zip(masks, self.to_frame, strict=True)])

    def masks_out_of_reference(self, mask: Masks) -> Masks:
        """A mask of the reference frame (height width), or one a frame, as each frame would show it."""
        every = np.broadcast_to(mask, (len(self.to_frame), *mask.shape[-2:]))
        back = [self.between(self.reference, frame) for frame in range(len(self.to_frame))]
        return np.stack([_warped_mask(mask, matrix) for mask, matrix in zip(every, back, strict=True)])


def standing(frames: Frames, masks: Masks | None = None) -> Camera:
    """A camera that stands, with the residual that this leaves."""
    return _camera("identity", frames, masks, np.tile(np.eye(2, 3), (len(frames), 1, 1)), len(frames) // 2)


def camera_motion(frames: Frames, masks: Masks | None = None) -> Camera:
    """The motion of the camera, estimated outside the masks: identity unless a shift, and a shift unless a similarity,
    is clearly better.

    Each frame is registered directly on the reference frame, the middle one, coarse to fine, with weights that leave
    out whatever else moves (Gauss and Newton's steps, Baker & Matthews 2004; weights of Geman & McClure 1985).
    """
    reference, moved = len(frames) // 2, np.zeros((len(frames), 4))
    moved[:, 0] = 1.0
    levels = [pyramid(frame, None if masks is None else masks[at]) for at, frame in enumerate(frames)]
    still = levels[reference]
    kind: MotionModel = "identity"
    if any(may_have_moved(still[0], level[0]) for level in levels):
        enough = max(1, round(_FRAMES_THAT_MOVE * len(frames)))
        for other in _MOTIONS:
            found, anchors = motions(levels, reference, moved, similarity=other == "similarity")
            better = [
                sees(levels[anchors[at]][0], levels[at][0], relative(moved, at, anchors), relative(found, at, anchors))
                for at in range(len(frames))
            ]
            if sum(better) >= enough:
                kind, moved = other, found
    matrices = np.stack([matrix_of(each, still[0].centre, still[0].shrunk) for each in moved])
    return _camera(kind, frames, masks, matrices, reference)


def _camera(kind: MotionModel, frames: Frames, masks: Masks | None, matrices: Matrix, reference: int) -> Camera:
    """The camera with its residual; frames that hardly moved are not moved."""
    height, width = frames.shape[1:3]
    corners = np.array([[0, 0, 1], [width - 1, 0, 1], [0, height - 1, 1], [width - 1, height - 1, 1]])
    for matrix in matrices:
        if np.abs(corners @ matrix.T - corners[:, :2]).max() < _SMALL_MOTION:
            matrix[:] = np.eye(2, 3)
    camera = Camera(kind, matrices, reference, 0.0)
    seen_frames, seen = camera.into_reference(frames, outside=masks)
    both = seen & seen[reference]
    both[reference] = False
    differences = np.abs(seen_frames.astype(np.int16) - frames[reference])[both]
    return Camera(kind, matrices, reference, float(differences.mean()) if len(differences) else 0.0)


def _square(matrix: Matrix) -> Matrix:
    return np.vstack([matrix, [0.0, 0.0, 1.0]])


def _warped(picture: NDArray[np.uint8], matrix: Matrix) -> tuple[NDArray[np.uint8], Masks]:
    if np.array_equal(matrix, np.eye(2, 3)):
        return picture, np.ones(picture.shape[:2], dtype=np.bool_)
    size = picture.shape[1::-1]
    how = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(np.ascontiguousarray(picture), matrix, size, flags=how, borderMode=cv2.BORDER_REPLICATE)
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]]
    at = [row[0] * x + row[1] * y + row[2] for row in matrix]
    seen = np.all([(each > -HALF) & (each < length - HALF) for each, length in zip(at, size, strict=True)], axis=0)
    return np.asarray(warped, dtype=np.uint8), seen


def _warped_mask(mask: Masks, matrix: Matrix) -> Masks:
    if np.array_equal(matrix, np.eye(2, 3)):
        return mask
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(mask.astype(np.float32), matrix, mask.shape[::-1], flags=how) > 1e-3)  # noqa: PLR2004 - of rounding
