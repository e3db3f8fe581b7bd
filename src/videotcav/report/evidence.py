"""What a reader can look at: clips of concepts, and clips of classes with their maps and edits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from videotcav.report import sentences
from videotcav.report.render import data_uri
from videotcav.results.concept_score import ConceptScore
from videotcav.results.manifest import Medium
from videotcav.results.read import RunResults

_TYPES = {
    ".mp4": "video/mp4",
    ".webm": "video/webm",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
}


@dataclass(frozen=True)
class ReportPicture:
    """A medium as the page shows it: its bytes as a data URI, or the reason why there are none."""

    medium: Medium
    uri: str = ""
    is_video: bool = False
    missing: str = ""


@dataclass(frozen=True)
class EditOfClip:
    """One edit of a clip, with its picture where there is one: by how much the class's score moves, in its unit."""

    name: str
    change: float | None
    picture: ReportPicture | None


@dataclass(frozen=True)
class ClassClip:
    """A clip of a class that can be opened: its maps, each concept's share in it, and its edits."""

    name: str
    class_name: str
    predicted: str
    maps: tuple[ReportPicture, ...]
    shares: tuple[ConceptScore, ...]
    edits: tuple[EditOfClip, ...]

    @property
    def cover(self) -> ReportPicture | None:
        """What is seen of it while it is closed."""
        return next(iter(self.maps), next((each.picture for each in self.edits if each.picture), None))


def class_clips(run: RunResults, pictures: Sequence[ReportPicture]) -> dict[str, list[ClassClip]]:
    """Class → its clips that are shown, in the order of their pictures."""
    told = {(row["set"], row["file"]): row for row in run.clip_rows if row["kind"] == "class" and not row["view"]}
    shown: dict[tuple[str, str], list[ReportPicture]] = {}
    for each in pictures:
        medium = each.medium
        if medium.role == "cam" or (medium.role == "edit" and medium.clip):
            shown.setdefault((medium.class_name, medium.clip or medium.path), []).append(each)
    found: dict[str, list[ClassClip]] = {}
    for (class_name, clip), own in shown.items():
        row = told.get((class_name, clip), {})
        maps = tuple(each for each in own if each.medium.role == "cam")
        name = PurePath(clip).name if own[0].medium.clip else own[0].medium.caption
        edits = _edits(run, class_name, row, {each.medium.kind: each for each in own if each.medium.role == "edit"})
        shares = tuple(each for each in run.shares if (each.class_name, each.clip) == (class_name, clip))
        predicted = row.get("predicted", "")
        found.setdefault(class_name, []).append(ClassClip(name, class_name, predicted, maps, shares, edits))
    return found


def _edits(
    run: RunResults, class_name: str, row: Mapping[str, Any], pictures: Mapping[str, ReportPicture]
) -> tuple[EditOfClip, ...]:
    before = row.get(f"score:{class_name}")
    found = []
    for effect in (each for each in run.effects if each.class_name == class_name):
        after = row.get(f"edit:{effect.name}")
        change = None if before is None or after is None else (after - before) / effect.sigma
        if change is not None or effect.name in pictures:
            found.append(EditOfClip(effect.name, change, pictures.get(effect.name)))
    return tuple(found)


def picture_of(run: RunResults, medium: Medium) -> ReportPicture:
    """A medium of a run; one that lies elsewhere, is missing or is no picture says so."""
    path = run.medium_path(medium)
    kind = _TYPES.get(path.suffix.lower())
    if not path.resolve().is_relative_to(run.folder.resolve()):
        return ReportPicture(medium, missing=f"{medium.path} lies outside the run folder and is not shown.")
    if kind is None:
        return ReportPicture(medium, missing=f"{medium.path} is neither a video nor a picture that a browser shows.")
    try:
        data = path.read_bytes()
    except OSError:
        return ReportPicture(medium, missing=f"{medium.path} is missing from the run folder.")
    if not data:
        return ReportPicture(medium, missing=f"{medium.path} is empty.")
    return ReportPicture(medium, uri=data_uri(data, kind), is_video=kind.startswith("video/"))


def first_of_each_kind(pictures: Sequence[ReportPicture]) -> dict[tuple[str, str], ReportPicture]:
    """Of each concept and kind the first clip that there is."""
    firsts: dict[tuple[str, str], ReportPicture] = {}
    for picture in pictures:
        if picture.medium.role == "exemplar" and picture.uri:
            firsts.setdefault((picture.medium.concept, picture.medium.kind), picture)
    return firsts


def concept_reels(pictures: Sequence[ReportPicture]) -> dict[str, dict[str, list[ReportPicture]]]:
    """Concept → kind → its clips, kinds in the order of the telling, so that a clip stands above its twins."""
    shown = [picture for picture in pictures if picture.medium.role == "exemplar"]
    shown.sort(key=lambda picture: sentences.question_order(picture.medium.kind, "random"))
    concepts = sentences.unique(p.medium.concept for p in pictures if p.medium.role == "exemplar")
    grouped: dict[str, dict[str, list[ReportPicture]]] = {concept: {} for concept in concepts}
    for picture in shown:
        grouped[picture.medium.concept].setdefault(picture.medium.kind, []).append(picture)
    return grouped
