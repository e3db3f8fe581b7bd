"""What a concept folder holds, at a glance: numbers, and a sheet of pictures."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps
from PIL.PngImagePlugin import PngInfo

from videotcav.concepts.folder import read_candidates, read_records, uncollected
from videotcav.concepts.propose.workshop import outcomes_of
from videotcav.errors import OutputError
from videotcav.outputs import MARK, refuse_overwriting, whole_file
from videotcav.records import ConceptClip, Record
from videotcav.video.read import read_all

_CELL, _GAP, _STRIP = 96, 6, 3


class ConceptSummary(Record):
    """One concept: clips by kind, candidates (one, however many kinds show it), sources, sides in pixels."""

    concept: str
    clips: dict[str, int]
    candidates: int
    sources: int
    accepted: int
    smallest_side: int = 0
    median_side: int = 0
    largest_side: int = 0
    rejected: dict[str, int]


@uncollected()
def summarise(folder: Path | str) -> list[ConceptSummary]:
    """A summary of each concept of a folder; sizes and rejections only where `propose` made the folder."""
    outcomes = list(outcomes_of(Path(folder)))
    records = read_records(folder)
    nothing_kept = outcomes and not any(outcome.kept for outcome in outcomes)
    sets = () if nothing_kept else read_candidates(folder, records=records)
    rejected: dict[str, Counter[str]] = defaultdict(Counter)
    for outcome in outcomes:
        rejected[outcome.concept].update(outcome.rejected)
    sides = defaultdict(list)
    for record in records:
        if record.kind == "spatiotemporal":
            sides[record.concept].append(max(record.width, record.height))
    summaries = []
    for concept in sorted({one.concept for one in sets} | set(rejected)):
        mine = [one for one in sets if one.concept == concept]
        clips = [clip for one in mine for clip in one.clips]
        ordered = sorted(sides[concept]) or [0]
        summaries.append(
            ConceptSummary(
                concept=concept,
                clips={one.kind: len(one.clips) for one in mine},
                candidates=len({clip.id for clip in clips}),
                sources=len({clip.source for clip in clips}),
                accepted=len({clip.id for clip in clips if clip.decision == "accepted"}),
                smallest_side=ordered[0],
                median_side=ordered[len(ordered) // 2],
                largest_side=ordered[-1],
                rejected=dict(rejected[concept].most_common()),
            )
        )
    return summaries


def contact_sheet(
    folder: Path | str, path: Path | str, *, columns: int = 4, most: int = 40, replace: bool = False
) -> int:
    """How many clips the picture at `path` shows: first, middle and last frame of up to `most` clips a concept.

    Shown are dynamic clips where there are any, spread evenly over the sources. A picture that the tool did not write
    is replaced only where `replace` says so. Raises OutputError.
    """
    path = Path(path)
    if path.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise OutputError(f"{path}: a contact sheet is a picture: end it in .png or .jpg")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: cannot be written: there is no folder {path.parent}; make it first")
    refuse_overwriting([path], replace=replace)
    rows: list[tuple[str, list[ConceptClip]]] = []
    sets = {(one.concept, one.kind): one.clips for one in read_candidates(folder)}
    for concept in sorted({concept for concept, _ in sets}):
        kinds = [kind for of, kind in sets if of == concept]
        clips = sets[concept, "spatiotemporal" if "spatiotemporal" in kinds else kinds[0]]
        rows.append((f"{concept}: {min(most, len(clips))} of {len(clips)}", _spread(clips, most)))
    width = columns * (_STRIP * _CELL + _GAP) + _GAP
    line = _CELL + 20
    height = sum(30 + -(-len(clips) // columns) * line for _, clips in rows)
    sheet = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(sheet)
    large, small = ImageFont.load_default(size=18), ImageFont.load_default(size=10)
    top = 0
    for heading, shown in rows:
        pen.text((_GAP, top + 4), heading, fill="black", font=large)
        top += 30
        for number, clip in enumerate(shown):
            left, y = _GAP + number % columns * (_STRIP * _CELL + _GAP), top + number // columns * line
            frames, _ = read_all(clip.path)
            for place, index in enumerate((0, len(frames) // 2, len(frames) - 1)):
                picture = ImageOps.contain(Image.fromarray(frames[index]), (_CELL, _CELL))
                sheet.paste(picture, (left + place * _CELL, y))
            pen.text((left, y + _CELL + 2), clip.id[:50], fill="#444", font=small)
        top += -(-len(shown) // columns) * line
    with whole_file(path) as unfinished:
        if path.suffix.lower() == ".png":
            said = PngInfo()
            said.add_text("Comment", MARK)
            sheet.save(unfinished, format="png", pnginfo=said)
        else:
            sheet.save(unfinished, format="jpeg", quality=85, comment=MARK)
    return sum(len(clips) for _, clips in rows)


def _spread(clips: Sequence[ConceptClip], most: int) -> list[ConceptClip]:
    """At most that many clips: the first of each source, then the second of each, in the order of the set."""
    turn: Counter[str] = Counter()
    ranked = []
    for place, clip in enumerate(clips):
        ranked.append((turn[clip.source], place, clip))
        turn[clip.source] += 1
    return [clip for _, _, clip in sorted(sorted(ranked, key=lambda item: item[:2])[:most], key=lambda item: item[1])]
