"""Detections → tracks, one instance each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from videotcav.concepts.detect import Detections
from videotcav.errors import ConceptError
from videotcav.records import Box, Track


def known_tracks(found: Sequence[Detections], *, min_score: float) -> list[Track]:
    """The tracks of detections that know their instances, by id; one `Detections` a frame, from frame 0."""
    rows: dict[tuple[str, str], dict[int, tuple[Box, float]]] = defaultdict(dict)
    for frame, detections in enumerate(found):
        ids = detections.track_ids or ()
        for edges, score, label, instance in zip(
            detections.boxes.tolist(), detections.scores.tolist(), detections.labels, ids, strict=True
        ):
            if score < min_score:
                continue
            track = rows[label, instance]
            if frame in track:
                raise ConceptError(f"track {instance} of '{label}' has two boxes in frame {frame}; an instance has one")
            left, top, right, bottom = edges
            track[frame] = (Box(left=left, top=top, right=right, bottom=bottom), score)
    return [
        Track(
            id=instance,
            label=label,
            frames=tuple(sorted(track)),
            boxes=tuple(track[frame][0] for frame in sorted(track)),
            scores=tuple(track[frame][1] for frame in sorted(track)),
        )
        for (label, instance), track in sorted(rows.items())
    ]
