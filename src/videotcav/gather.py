"""Which files a study reads: concept sets, the random pool, the clips of each class, and the source of each."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from videotcav.concepts.review import SetReview, reviewed_sets
from videotcav.concepts.sets import METADATA, read_sets
from videotcav.errors import ConceptError, StudyFileError, closest
from videotcav.measure import ClipFile
from videotcav.records import KINDS, ConceptSet, Kind
from videotcav.studyfile import SourcesSection, StudyText, class_videos
from videotcav.video.clips import VIDEO_SUFFIXES


@dataclass(frozen=True)
class Inputs:
    """Everything a study reads, in a fixed order; `reviews` says of each concept that people verified how they did.

    `declared` are the study's groups: names of concepts or of sets.
    """

    concepts: tuple[ConceptSet, ...]
    random: tuple[ClipFile, ...]
    classes: dict[str, tuple[ClipFile, ...]]
    reviews: dict[str, str]
    declared: dict[str, tuple[str, ...]]

    @property
    def groups(self) -> list[tuple[str, tuple[str, ...]]]:
        """Each group with the names of its sets; concepts are held against each other kind by kind.

        A kind in which fewer than two of the concepts are there makes no group.
        """
        there = {concept.name for concept in self.concepts}
        found = []
        for name, members in self.declared.items():
            if any("/" in member for member in members):
                found.append((name, members))
            else:
                found += [(name, tuple(f"{member}/{kind}" for member in members)) for kind in KINDS]
        kept = [(name, tuple(member for member in members if member in there)) for name, members in found]
        return [(name, members) for name, members in kept if len(members) > 1]

    @property
    def kinds(self) -> dict[str, tuple[Kind, ...]]:
        """The kinds of clips of each concept."""
        names = dict.fromkeys(each.concept for each in self.concepts)
        return {name: tuple(each.kind for each in self.concepts if each.concept == name) for name in names}

    @property
    def set_files(self) -> tuple[ClipFile, ...]:
        """The clips whose activations are read: those of all concept sets, then the random pool."""
        concepts = (ClipFile(path=clip.path, source=clip.source) for concept in self.concepts for clip in concept.clips)
        return (*concepts, *self.random)

    def a_few(self, count: int = 4) -> Inputs:
        """So many clips of the random pool and of each class, to try how long reading takes."""
        classes = {name: files[:count] for name, files in self.classes.items()}
        return replace(self, concepts=(), random=self.random[:count], classes=classes)

    def with_views(self, views: int) -> Inputs:
        """The same with so many views of each class video, which stand together and share its source."""
        if views == 1:
            return self
        return replace(
            self,
            classes={
                name: tuple(file.model_copy(update={"view": view}) for file in files for view in range(views))
                for name, files in self.classes.items()
            },
        )

    def without(self, left_out: Iterable[str]) -> Inputs:
        """The same without the clips at these paths. A concept that loses all its clips is gone."""
        bad = {Path(path) for path in left_out}
        kept = (
            concept.model_copy(update={"clips": tuple(clip for clip in concept.clips if clip.path not in bad)})
            for concept in self.concepts
        )
        return replace(
            self,
            concepts=tuple(concept for concept in kept if concept.clips),
            random=tuple(file for file in self.random if file.path not in bad),
            classes={
                name: tuple(file for file in files if file.path not in bad) for name, files in self.classes.items()
            },
        )


def gather(file: StudyText) -> Inputs:
    """The files of a study.

    Raises:
        ConceptError: a concept folder or the random pool is empty or damaged, or lacks a concept that is asked for.
        StudyFileError: the table of sources does not fit.
    """
    study, folder = file.study, file.folder
    source_of = _source_lookup(study.sources, folder)
    concepts: list[ConceptSet] = []
    reviews: dict[str, SetReview] = {}
    for path in study.concepts.folders:
        reviewed = reviewed_sets(folder / path)
        twice = sorted(reviews.keys() & reviewed.reviews)
        if twice:
            raise ConceptError(f"{folder / path}: concept '{twice[0]}' is in another of the study's folders too")
        concepts += reviewed.sets
        reviews |= reviewed.reviews
    for name in study.concepts.include:
        if name not in reviews:
            hint = closest(name, reviews) or ", ".join(reviews)
            raise ConceptError(f"{', '.join(map(str, study.concepts.folders))}: no concept '{name}'; closest: {hint}")
    wanted = study.concepts.include or tuple(reviews)
    kinds = study.concepts.kinds or KINDS
    used = tuple(
        concept for name in wanted for concept in concepts if concept.concept == name and concept.kind in kinds
    )
    if not used:
        raise ConceptError(f"{', '.join(map(str, study.concepts.folders))}: no clips of the kind {' or '.join(kinds)}")
    check_groups(study.groups, used)
    return Inputs(
        concepts=used,
        declared=study.groups,
        random=_random_pool(folder / study.random.folder, source_of),
        classes={
            name: tuple(ClipFile(path=path, source=source_of(path)) for path in paths)
            for name, paths in class_videos(study, folder).items()
        },
        reviews={name: review.sentence for name, review in reviews.items() if review.reviewed},
    )


def check_groups(groups: Mapping[str, Sequence[str]], concepts: Sequence[ConceptSet]) -> None:
    """Nothing where every member of every group is a concept, or else every one a set, of the study.

    Raises ConceptError with the group, the member and the closest name.
    """
    for group, members in groups.items():
        sets = any("/" in member for member in members)
        known = sorted({concept.name if sets else concept.concept for concept in concepts})
        for member in members:
            if member not in known or members.count(member) > 1:
                twice = "is named twice" if member in known else f"is not one of its {'sets' if sets else 'concepts'}"
                hint = closest(member, known) or ", ".join(known)
                raise ConceptError(f"groups.{group}: '{member}' {twice}; closest: {hint}")


def _random_pool(folder: Path, source_of: Callable[[Path], str]) -> tuple[ClipFile, ...]:
    if (folder / METADATA).is_file():
        sets = read_sets(folder)
        pool = tuple(ClipFile(path=clip.path, source=clip.source) for concept in sets for clip in concept.clips)
    else:
        pool = tuple(ClipFile(path=path, source=source_of(path)) for path in _videos_below(folder))
    if not pool:
        raise ConceptError(f"{folder}: the random pool holds no video; put unrelated clips there")
    return pool


def _source_lookup(section: SourcesSection | None, folder: Path) -> Callable[[Path], str]:
    """What says the source of a file: the study's table, or else the file's own path."""
    if section is None:
        return lambda path: str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)
    table = folder / section.table
    try:
        with table.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader((line.replace("\0", "") for line in lines), restval=""))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "it is not CSV in UTF-8"
        raise StudyFileError(table, [f"sources: the table cannot be read: {reason}"]) from None
    wrong = [key for key in (section.file, section.source) if rows and key not in rows[0]]
    if wrong or not rows:
        found = ", ".join(filter(None, rows[0])) if rows else "no rows"
        raise StudyFileError(
            table, [f"sources: the table has no column {' and no '.join(wrong) or section.file}; found: {found}"]
        )
    sources = {(table.parent / row[section.file]).resolve(): row[section.source] for row in rows}
    return lambda path: sources.get(path.resolve(), str(path))


def _videos_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
