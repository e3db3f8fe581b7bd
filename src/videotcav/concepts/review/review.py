"""What people decided about a concept folder: which clips count, how many people looked, how far they agree.

What is judged is a *candidate*, that is a track: the clip cut from it, its still version and its twins share one
decision. `decisions.py` says what can be decided, `ledger.py` keeps it, `sets.py` reads the folder.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from videotcav.concepts.folder import METADATA, UNREVIEWED, ClipRecord, clip_of, read_candidates, read_records
from videotcav.concepts.review.agreement import Agreement, agreement, ratings
from videotcav.concepts.review.decisions import Candidate, Decision, Standing, from_lines, standings, to_lines
from videotcav.concepts.review.ledger import DATABASE, Ledger
from videotcav.errors import ConceptNotFound, NothingAccepted, ReviewError, UnreadableText
from videotcav.outputs import refuse_overwriting, write_text
from videotcav.records import KINDS, TWINS, ConceptClip, ConceptSet, Record
from videotcav.texts import read_text
from videotcav.video.find import find_videos
from videotcav.video.sources import Sources


@dataclass(frozen=True)
class ReviewedClip:
    """A clip of a concept folder, its line of the table where there is one, and what people said of its candidate."""

    clip: ConceptClip
    record: ClipRecord | None
    standing: Standing

    @property
    def candidate(self) -> Candidate:
        """What is judged."""
        return Candidate(self.clip.concept, self.clip.id)

    @property
    def judged(self) -> bool:
        """Whether a person's opinion stands."""
        return bool(self.standing.opinions or self.standing.settled_by)

    @property
    def people(self) -> tuple[str, ...]:
        """Everybody whose opinion stands."""
        return reviewers([self.standing])

    @property
    def concept(self) -> str:
        """What the clip is an example of, after relabelling."""
        return self.standing.label or self.clip.concept

    @property
    def counts(self) -> bool:
        """Whether a study uses the clip: a person accepted it, or nobody judged it and it was accepted unseen.

        A folder without a table, which somebody filled by hand, is accepted unseen as a whole. A generated clip counts
        where a person accepted it, here or before it was drawn for a random set, and nowhere else.
        """
        if self.judged:
            return self.standing.outcome == "accepted"
        if self.record is not None and self.record.generated and self.record.who in ("", UNREVIEWED):
            return False
        return self.record is None or self.record.decision == "accepted"


class SetReview(Record):
    """What people did about one concept. `unseen` clips count although nobody looked at them."""

    concept: str
    accepted: int = 0
    unseen: int = 0
    rejected: int = 0
    unsure: int = 0
    conflicts: int = 0
    undecided: int = 0
    reviewers: tuple[str, ...] = ()
    agreement: Agreement | None = None

    @property
    def reviewed(self) -> bool:
        """Whether people looked, and nothing counts that nobody looked at."""
        return bool(self.reviewers) and self.unseen == 0

    @property
    def sentence(self) -> str:
        """The review in one sentence, for a report."""
        words = {
            "accepted": self.accepted,
            "taken unseen": self.unseen,
            "rejected": self.rejected,
            "unsure": self.unsure,
            "in conflict": self.conflicts,
            "undecided": self.undecided,
        }
        counts = ", ".join(f"{count} {word}" for word, count in words.items() if count)
        people = f"{len(self.reviewers)} {'person' if len(self.reviewers) == 1 else 'people'}"
        how = "not reviewed" if not self.reviewers else f"{'' if self.reviewed else 'partly '}reviewed by {people}"
        agreed = f"; {self.agreement.sentence}" if self.agreement else ""
        return f"'{self.concept}' is {how}: {counts}{agreed}."


class ReviewedSets(Record):
    """The concept sets of a folder as they stand after review, and what people did about each concept."""

    sets: tuple[ConceptSet, ...]
    reviews: dict[str, SetReview]
    agreement: Agreement | None

    @property
    def accepted(self) -> dict[str, tuple[str, ...]]:
        """The ids that count, for each concept, after relabelling."""
        ids: dict[str, set[str]] = {}
        for concept_set in self.sets:
            ids.setdefault(concept_set.concept, set()).update(clip.id for clip in concept_set.clips)
        return {concept: tuple(sorted(found)) for concept, found in ids.items()}


def reviewed_sets(folder: Path | str, *, sources: Sources | None = None) -> ReviewedSets:
    """The concept sets of a folder with all decisions applied, and a summary for each concept.

    Whoever uses clips of a concept folder gets them here: studies, notebooks, maps, random pools.

    A clip that a person accepted counts, as what they called it; one that nobody judged counts where the table says
    that it was accepted unseen, or where there is no table. Raises NothingAccepted, or ConceptNotFound where a clip
    that counts is not there.
    """
    clips = reviewed_clips(folder, sources=sources)
    chosen = sorted(
        (one for one in clips if one.counts),
        key=lambda one: (one.concept, KINDS.index(one.clip.kind), one.clip.id),
    )
    if not chosen:
        raise NothingAccepted(
            f"{folder}: {len(clips)} candidate clips and none accepted",
            hint=f'look at them with `review("{folder}")`, or take them unseen with `accept("{folder}")`',
        )
    missing = [one.clip.path for one in chosen if not one.clip.path.is_file()]
    if missing:
        raise ConceptNotFound(
            f"{folder}: {len(missing)} accepted clips are not there, the first is {missing[0]}",
            hint="make them again with `propose()`",
        )
    return ReviewedSets(
        sets=tuple(
            ConceptSet(
                concept=concept,
                kind=kind,
                clips=tuple(one.clip.model_copy(update={"concept": concept}) for one in group),
            )
            for (concept, kind), group in itertools.groupby(chosen, key=lambda one: (one.concept, one.clip.kind))
        ),
        reviews=set_reviews(clips),
        agreement=agreement(ratings({one.candidate: one.standing for one in clips})),
    )


def is_concept_folder(folder: Path) -> bool:
    """Whether the folder has a table of clips, or a review of them."""
    return (folder / METADATA).is_file() or (folder / DATABASE).is_file()


def concept_folder_of(place: Path) -> Path | None:
    """The concept folder that a folder is, or whose concept's or kind's it is."""
    return next((folder for folder in (place, *place.absolute().parents[:2]) if is_concept_folder(folder)), None)


def counted_clips(place: Path | str) -> tuple[ConceptClip, ...]:
    """The clips that count in a concept folder, in that of one of its concepts, or in that of one kind.

    Of several kinds they are the moving ones, or those that are no twins. A folder that is none of these, without a
    table or a review above it, has all of its videos. Raises as `reviewed_sets`, and VideosError where there is no
    video.
    """
    place = Path(place)
    root = concept_folder_of(place)
    if root is None:
        name = place.parent.name if place.name in KINDS else place.name
        return tuple(
            ConceptClip(id=path.stem, concept=name, kind="spatiotemporal", path=path, source=str(path))
            for path in find_videos(place)
        )
    wanted = place.absolute().relative_to(root.absolute()).parts
    sets = [
        each
        for each in reviewed_sets(root).sets
        if wanted in ((), (each.concept,), (each.concept, each.kind)) and (len(wanted) > 1 or each.kind not in TWINS)
    ]
    moving = [each for each in sets if each.kind == "spatiotemporal"]
    found = tuple(clip for each in moving or sets for clip in each.clips)
    if not found:
        raise NothingAccepted(f"{place}: none of its clips is accepted", hint=f'look at them with `review("{root}")`')
    return found


def counted_videos(place: Path | str) -> dict[Path, str]:
    """The source of each of `counted_clips`."""
    return {clip.path: clip.source for clip in counted_clips(place)}


def set_reviews(clips: Collection[ReviewedClip]) -> dict[str, SetReview]:
    """What people did about each concept, as the candidates are called now. Counts are of candidates, not clips."""
    candidates = {one.candidate: one for one in clips}
    groups: dict[str, list[ReviewedClip]] = {}
    for one in candidates.values():
        groups.setdefault(one.concept, []).append(one)
    return {concept: _set_review(concept, groups[concept]) for concept in sorted(groups)}


def _set_review(concept: str, group: Collection[ReviewedClip]) -> SetReview:
    outcomes = Counter(one.standing.outcome for one in group)
    unseen = sum(one.counts and not one.judged for one in group)
    held = {one.candidate: one.standing for one in group}
    return SetReview(
        concept=concept,
        accepted=outcomes["accepted"],
        unseen=unseen,
        rejected=outcomes["rejected"],
        unsure=outcomes["unsure"],
        conflicts=outcomes["conflict"],
        undecided=outcomes["undecided"] - unseen,
        reviewers=reviewers(held.values()),
        agreement=agreement(ratings(held)),
    )


def reviewers(held: Iterable[Standing]) -> tuple[str, ...]:
    """Everybody who has an opinion on something or settled a conflict."""
    named = {name for standing in held for name in (*standing.opinions, standing.settled_by)}
    return tuple(sorted(named - {""}))


def recorded(folder: Path | str) -> list[Decision]:
    """All decisions on a folder, oldest first; none where nobody ever reviewed it. Makes no file."""
    if not (Path(folder) / DATABASE).is_file():
        return []
    with Ledger(folder) as ledger:
        return ledger.decisions()


def reviewed_clips(folder: Path | str, *, sources: Sources | None = None) -> list[ReviewedClip]:
    """Every clip of the folder with what people said of it; those of a table whether or not their files are there."""
    folder = Path(folder)
    held = standings(recorded(folder))
    nothing = Standing()
    return [
        ReviewedClip(clip=clip, record=record, standing=held.get(Candidate(clip.concept, clip.id), nothing))
        for clip, record in _clips(folder, sources or Sources())
    ]


def _clips(folder: Path, sources: Sources) -> Iterator[tuple[ConceptClip, ClipRecord | None]]:
    records = read_records(folder)
    if records:  # a clip whose file is gone can still be judged by its picture
        yield from ((clip_of(folder, record, sources), record) for record in records)
        return
    for concept_set in read_candidates(folder, sources=sources):
        yield from ((clip, None) for clip in concept_set.clips)


# --- files of decisions ----------------------------------------------------------------------------------------


def export_decisions(folder: Path | str, path: Path | str, *, replace: bool = False) -> int:
    """How many decisions were written to `path`, a row a line (JSONL).

    A file that is there is replaced only where `replace` says so. Raises OutputError.
    """
    refuse_overwriting([Path(path)], replace=replace)
    rows = recorded(folder)
    write_text(Path(path), "".join(to_lines(rows)))
    return len(rows)


def import_decisions(folder: Path | str, path: Path | str) -> int:
    """How many decisions in the JSONL file `path` were new to the folder; all of them go in, or none."""
    try:
        text = read_text(path)
    except UnreadableText as error:
        raise ReviewError(f"{path} cannot be read as a file of decisions: {error.reason}") from error
    rows = from_lines(text)
    with Ledger(folder) as ledger:
        return ledger.merge(rows)
