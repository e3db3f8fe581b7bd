"""Clips of a concept folder's own table."""

from __future__ import annotations

from pathlib import Path

from videotcav.concepts.folder import ClipRecord


def accepted_line(file_name: str, source_video: str) -> ClipRecord:
    """A line of a folder's own table, accepted unseen."""
    concept, kind, name = Path(file_name).parts
    return ClipRecord(
        file_name=file_name,
        id=Path(name).stem,
        concept=concept,
        kind=kind,  # type: ignore[arg-type] # as the folder is called
        label=concept,
        source=f"of {Path(name).stem}",
        source_sha256="",
        source_video=source_video,
        track="0",
        frames=(0,),
        boxes=((0, 0, 1, 1),),
        scores=(1.0,),
        frames_per_second=10,
        width=16,
        height=16,
        detector="d",
        detector_sha256="",
        recipe="{}",
        decision="accepted",
    )
