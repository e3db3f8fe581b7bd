"""Which files a study reads: concept sets, the random pool, the clips of each class, and the source of each."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import TypeVar

from videotcav.concepts.folder import told_of_kinds
from videotcav.concepts.review.review import SetReview, is_concept_folder, reviewed_sets
from videotcav.datasets.read import Listed
from videotcav.errors import ConceptError, ConceptNotFound, NotEnoughData, StudyFileError, UnreadableText, closest
from videotcav.features.measure import ClipFile
from videotcav.records import KINDS, ConceptClip, ConceptSet, Kind
from videotcav.results.manifest import AlignmentFacts
from videotcav.results.pool_facts import PoolFacts
from videotcav.study.file import SourcesSection, StudyText, class_videos
from videotcav.study.held_out import HeldOut
from videotcav.video.find import videos_in
from videotcav.video.segment import Segment, file_of, segment_of
from videotcav.video.sources import Sources, counted_pieces, source_in

AnyFile = TypeVar("AnyFile", ClipFile, ConceptClip)


def grouped(declared: Mapping[str, Sequence[str]], there: Container[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Each group with the names of its sets that are there, see `Inputs.groups`."""
    found: list[tuple[str, tuple[str, ...]]] = []
    for name, members in declared.items():
        if any("/" in member for member in members):
            found.append((name, tuple(members)))
        else:
            found += [(name, tuple(f"{member}/{kind}" for member in members)) for kind in KINDS]
    kept = [(name, tuple(member for member in members if member in there)) for name, members in found]
    return [(name, members) for name, members in kept if len(members) > 1]


@dataclass(frozen=True)
class Inputs:
    """Everything a study reads, in a fixed order; `reviews` says of each concept that people verified how they did.

    `declared` are the study's groups: names of concepts or of sets. `remarks` are what a reader must know of them.
    `moments` are the seconds that clips are laid around, of those that are. `videos` are the source videos of files,
    whose `source` is their group where the table of sources has groups. `matched` are the files of the pool that a
    concept is held against, where that is not all of it, and `labels` those of each column that this was matched on.
    `held_out` says what concepts were found in, where that was done by `discover`.
    """

    concepts: tuple[ConceptSet, ...]
    random: tuple[ClipFile, ...]
    classes: dict[str, tuple[ClipFile, ...]]
    reviews: dict[str, str]
    declared: dict[str, tuple[str, ...]]
    remarks: tuple[str, ...] = ()
    moments: Mapping[Path, float] = field(default_factory=dict)
    videos: Mapping[Path, str] = field(default_factory=dict)
    alignment: AlignmentFacts | None = None
    pool: PoolFacts | None = None
    matched: Mapping[str, frozenset[Path]] = field(default_factory=dict)
    labels: Mapping[str, Mapping[Path, str | None]] = field(default_factory=dict)
    held_out: HeldOut = field(default_factory=HeldOut)

    @property
    def groups(self) -> list[tuple[str, tuple[str, ...]]]:
        """Each group with the names of its sets; concepts are held against each other kind by kind.

        A kind in which fewer than two of the concepts are there makes no group.
        """
        return grouped(self.declared, {concept.name for concept in self.concepts})

    @property
    def kinds(self) -> dict[str, tuple[Kind, ...]]:
        """The kinds of clips of each concept."""
        names = dict.fromkeys(each.concept for each in self.concepts)
        return {name: tuple(each.kind for each in self.concepts if each.concept == name) for name in names}

    @property
    def generated(self) -> dict[str, tuple[bool, ...]]:
        """Of each clip of each concept set whether it was generated."""
        return {each.name: tuple(clip.generated for clip in each.clips) for each in self.concepts}

    @property
    def set_files(self) -> tuple[ClipFile, ...]:
        """The clips whose activations are read: those of all concept sets, then the random pool."""
        concepts = (ClipFile(path=clip.path, source=clip.source) for concept in self.concepts for clip in concept.clips)
        return (*concepts, *self.random)

    def once(self, digests: Mapping[Path, str]) -> Inputs:
        """The same with content that one set has several times in it once; `digests` are the hashes of the files."""

        def first(files: tuple[AnyFile, ...]) -> tuple[AnyFile, ...]:
            kept = {(digests[file.path], getattr(file, "view", None)): file for file in reversed(files)}
            return tuple(file for file in files if kept[digests[file.path], getattr(file, "view", None)] is file)

        return replace(
            self,
            concepts=tuple(each.model_copy(update={"clips": first(each.clips)}) for each in self.concepts),
            random=first(self.random),
            classes={name: first(files) for name, files in self.classes.items()},
        )

    def beside_finding(self, digests: Mapping[Path, str]) -> Inputs:
        """The same without the clips that took part in finding its concepts."""
        if not self.held_out:
            return self
        random = self.held_out.files(self.random, digests, of="the random pool")
        classes = {
            name: self.held_out.files(files, digests, of=f"class '{name}'") for name, files in self.classes.items()
        }
        return replace(self, random=random, classes=classes, remarks=(*self.remarks, *self.held_out.remarks))

    def share_a_video(self, path: Path, of_pool: Path) -> bool:
        """Whether a concept that was found and a tubelet that was drawn at random have the same place of one source
        video, which is never compared with itself. A pool without such places would not be drawn at random.
        """
        if not self.held_out:
            return False
        sources = {clip.path: clip.source for each in self.concepts for clip in each.clips}
        return sources.get(path) == next((file.source for file in self.random if file.path == of_pool), "")

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


def study_inputs(file: StudyText) -> Inputs:
    """The files of a study.

    Raises:
        ConceptError: a concept folder or the random pool is empty or damaged, or lacks a concept that is asked for.
        StudyFileError: the table of sources does not fit.
    """
    study, folder = file.study, file.folder
    sources = _sources(study.sources, folder)
    concepts: list[ConceptSet] = []
    reviews: dict[str, SetReview] = {}
    held_out = HeldOut.of([folder / path for path in study.concepts.folders], sources.videos)
    for path in study.concepts.folders:
        reviewed = reviewed_sets(folder / path, sources=sources)
        twice = sorted(reviews.keys() & reviewed.reviews)
        if twice:
            raise ConceptError(f"{folder / path}: concept '{twice[0]}' is in another of the study's folders too")
        concepts += reviewed.sets
        reviews |= reviewed.reviews
    for name in study.concepts.include:
        if name not in reviews:
            hint = closest(name, reviews) or ", ".join(reviews)
            raise ConceptNotFound(
                f"{', '.join(map(str, study.concepts.folders))}: no concept '{name}'; closest: {hint}"
            )
    wanted = study.concepts.include or tuple(reviews)
    kinds = study.concepts.kinds or KINDS
    used = tuple(
        concept for name in wanted for concept in concepts if concept.concept == name and concept.kind in kinds
    )
    if not used:
        raise ConceptNotFound(
            f"{', '.join(map(str, study.concepts.folders))}: no clips of the kind {' or '.join(kinds)}"
        )
    check_groups(study.groups, used)
    if held_out:
        if study.tests.scores == "classic" or study.groups or study.tests.correction == "none":
            raise StudyFileError(
                file.path,
                ["concepts: some were found by discover, and only contrast, with a correction, pays for all that was"],
            )
        used = tuple(held_out.sets(used))
    random = tuple(
        file for path in study.random.folders for file in _random_pool(folder / path, sources, folder, held_out)
    )
    classes = {
        name: tuple(_clip_file(path, sources, folder, file.listed) for path in paths)
        for name, paths in class_videos(study, folder).items()
    }
    try:
        remarks = sources.remarks()
    except UnreadableText as error:
        raise StudyFileError(file.path, [f"sources.table: {error}"]) from None
    if study.sources is None:
        by_hand = [
            ClipFile(path=clip.path, source=clip.source)
            for each in used
            for clip in each.clips
            if clip.source == clip.path.stem
        ]
        own = [each for files in classes.values() for each in files if each.path not in file.listed.sources]
        remarks += _pieces([*by_hand, *random, *own])
    return Inputs(
        concepts=used,
        declared=study.groups,
        random=random,
        classes=classes,
        reviews={name: review.sentence for name, review in reviews.items() if review.reviewed},
        remarks=(
            *file.listed.remarks,
            *remarks,
            *told_of_kinds(used),
            *HeldOut.chosen([folder / path for path in study.concepts.folders]),
        ),
        videos=sources.videos,
        held_out=held_out,
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
                raise ConceptNotFound(f"groups.{group}: '{member}' {twice}; closest: {hint}")


def _random_pool(place: Path, sources: Sources, folder: Path, held_out: HeldOut) -> tuple[ClipFile, ...]:
    """The clips of the random pool: of a folder with a table or a review those that count, else all videos below it."""
    if is_concept_folder(place):
        sets = reviewed_sets(place, sources=sources).sets
        pool = tuple(
            ClipFile(path=clip.path, source=clip.source, kind=concept.kind)
            for concept in sets
            for clip in held_out.clips(concept.clips, of="the random pool")
        )
    else:
        pool = tuple(_clip_file(path, sources, folder) for path in videos_in(place, below=True))
    if not pool:
        raise NotEnoughData(f"{place}: the random pool holds no video; put unrelated clips there")
    return pool


def _clip_file(path: Path, sources: Sources, folder: Path, listed: Listed | None = None) -> ClipFile:
    """A file whose source is what the study's table says, or its list of clips, or else its own path."""
    video = file_of(path)
    own = source_in(path) or str(video.relative_to(folder) if video.is_relative_to(folder) else video)
    if listed is None:
        return ClipFile(path=path, source=sources.unit(path, own))
    source = sources.unit(path, listed.sources.get(path, own))
    return ClipFile(path=path, source=listed.groups.get(path, source))


def _sources(section: SourcesSection | None, folder: Path) -> Sources:
    if section is None:
        return Sources()
    try:
        return Sources.read(folder / section.table, file=section.file, source=section.source, group=section.group)
    except UnreadableText as error:
        raise StudyFileError(error.path, [f"sources: {error.reason}"]) from None


def _pieces(files: Iterable[ClipFile]) -> Iterator[str]:
    """A remark on files that look like pieces of longer videos, each of which counts as a source of its own."""
    found = [*counted_pieces(file.path for file in files if file.view in (None, 0))]
    if found:
        pieces = sum(len(paths) for _, paths in found)
        name, paths = found[0]
        yield (
            f"{pieces} files look like pieces of {len(found)} longer videos (as {paths[0].name} and {paths[1].name} of "
            f"“{name.rstrip('_-. ')}”), yet each counts as a source of its own, so that intervals and tests are too "
            'sure. Say what was cut from what: [sources] table = "sources.csv", with the columns file and source.'
        )


def overlaps(inputs: Inputs, digests: Mapping[Path, str]) -> list[str]:
    """Remarks on clips of the same content in more than one place; `digests` are the hashes of the files.

    Raises:
        ConceptError: clips of a concept or of a class are in the random pool too, whatever they are called there.
    """
    pool = _Shown(digests, (file.path for file in inputs.random))
    places = {
        **{f"concept '{each.name}'": [clip.path for clip in each.clips] for each in inputs.concepts},
        **{f"class '{name}'": [file.path for file in files] for name, files in inputs.classes.items()},
    }
    shared = {
        place: pairs
        for place, paths in places.items()
        if (
            pairs := [
                (path, same)
                for path in dict.fromkeys(paths)
                if (same := pool.beside(path)) and not inputs.share_a_video(path, same)
            ]
        )
    }
    if shared:
        listed = "; ".join(
            f"{len(pairs)} of {place} (the first is {pairs[0][0]}, there called {pairs[0][1].name})"
            for place, pairs in shared.items()
        )
        raise ConceptError(
            f"the random pool holds clips that it is to be compared with: {listed}; take them out of the pool"
        )
    return [
        *(
            f"{len(again)} clips of {place} have the same content as others of it, the first is {again[0]}: it counts "
            "once."
            for place, paths in {**places, "the random pool": [file.path for file in inputs.random]}.items()
            if (again := _again(dict.fromkeys(paths), digests))
        ),
        *(
            f"{len(pairs)} segments of {place} show seconds that others of it show too, as {pairs[0][0]} and "
            f"{pairs[0][1].name}: they count as clips of one source."
            for place, paths in places.items()
            if (pairs := _Shown(digests, dict.fromkeys(paths)).pairs)
        ),
        *_of_two(places, digests),
    ]


class _Shown:
    """Which clips show what: the same content, or seconds of it in common."""

    def __init__(self, digests: Mapping[Path, str], paths: Iterable[Path]) -> None:
        self._digests = digests
        self._of: dict[Path, dict[Segment, Path]] = {}
        self.pairs: list[tuple[Path, Path]] = []
        for path in paths:
            segment = self._segment(path)
            own = self._of.setdefault(segment.file, {})
            if segment not in own and (other := self.beside(path)):
                self.pairs.append((other, path))
            own[segment] = path

    @property
    def paths(self) -> list[Path]:
        return [path for own in self._of.values() for path in own.values()]

    def beside(self, path: Path) -> Path | None:
        """A clip that shows what this one shows."""
        segment = self._segment(path)
        own = self._of.get(segment.file, {})
        return own.get(segment) or next((other for each, other in own.items() if segment.shares(each)), None)

    def _segment(self, path: Path) -> Segment:
        digest = self._digests[path]
        return segment_of(digest) or Segment(Path(digest), 0.0, None)


def _again(paths: Iterable[Path], digests: Mapping[Path, str]) -> list[Path]:
    seen: set[str] = set()
    again = []
    for path in paths:
        if digests[path] in seen:
            again.append(path)
        seen.add(digests[path])
    return again


def _of_two(places: Mapping[str, Sequence[Path]], digests: Mapping[Path, str]) -> Iterator[str]:
    """Content that is in two of the places, but for the kinds of one concept, which show the same tracks."""
    held = {place: _Shown(digests, paths) for place, paths in places.items()}
    for (one, first), (other, second) in combinations(held.items(), 2):
        both = [path for path in first.paths if second.beside(path)]
        if both and one.partition("/")[0] != other.partition("/")[0]:
            yield f"{len(both)} clips are in {one} and in {other}, the first is {both[0]}."
