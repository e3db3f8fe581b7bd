"""What makes a concept folder safe to add to: which videos are done, by which recipe, and with what outcome.

    <folder>/.propose/recipe.json                 recipe and detector; the same for all clips of a folder
    <folder>/.propose/done/<video>/<concept>.json the outcome of one video for one concept, written after its clips
    <folder>/.propose/tmp/                        clips under way

Generated clips have a state of their own beside it, `.generate`, since they are made by other rules.

A clip is moved to its place when it is complete, an outcome is written when all its clips are in place, and the table
is made from the outcomes. What a killed run leaves behind is finished, with the same bytes, by the next.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from videotcav.concepts.detectors.detect import Detector
from videotcav.concepts.folder import ClipRecord, as_json, held_folder, read_as, read_records, write_records
from videotcav.concepts.propose.recipe import Recipe
from videotcav.errors import PathTaken, UnreadableText
from videotcav.outputs import write_text
from videotcav.records import Record
from videotcav.texts import read_json
from videotcav.video.segment import clip_name

STATE = ".propose"  # a leading dot keeps it out of sight of Hugging Face datasets


class VideoOutcome(Record):
    """What became of one video, or segment, for one concept. `sha256` is as of `clip_sha256`, `rejected` counts
    candidates by reason.
    """

    video: str
    source: str
    sha256: str
    concept: str
    labels: tuple[str, ...]
    tracks: int
    rejected: dict[str, int]
    hashes: dict[str, str]
    clips: tuple[ClipRecord, ...]

    @property
    def kept(self) -> int:
        """How many candidates became clips (with their twins)."""
        return len({clip.id for clip in self.clips})


class Workshop:
    """The state of a concept folder while clips are added to it."""

    def __init__(self, folder: Path, recipe: Recipe, detector: Detector, *, state: str = STATE) -> None:
        self.folder = folder
        self.detector = detector
        self._state = folder / state
        self._rules = {
            **recipe.model_dump(mode="json"),
            **{f"detector_{key}": value for key, value in detector.settings.items()},
            "detector": detector.name,
        }
        self._begun = False
        self._require_same_rules()
        self.outcomes = {(outcome.video, outcome.concept): outcome for outcome in outcomes_of(folder, state)}

    @property
    def rules(self) -> str:
        """Recipe and detector as JSON: the provenance that all clips of the folder share."""
        return as_json(self._rules)

    @property
    def temporary(self) -> Path:
        """Where clips lie until they are complete."""
        return self._state / "tmp"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Write the table from all outcomes; what was decided about a clip, and foreign clips, stay in it."""
        shutil.rmtree(self.temporary, ignore_errors=True)
        made = {record.file_name: record for outcome in self.outcomes.values() for record in outcome.clips}
        if not made:
            return
        with held_folder(self.folder):
            for old in read_records(self.folder):
                kept = {"decision": old.decision, "who": old.who, "when": old.when}
                new = made.get(old.file_name)
                made[old.file_name] = new.model_copy(update=kept) if new else old
            write_records(self.folder, made.values())

    def begin(self) -> None:
        """Make the folder, once, with the rules written down and nothing half-made in it."""
        if self._begun:
            return
        self._begun = True
        shutil.rmtree(self.temporary, ignore_errors=True)
        self.temporary.mkdir(parents=True)
        write_text(self._state / "recipe.json", json.dumps(self._rules, indent=1) + "\n")

    def name_of(self, path: Path, sha256: str) -> str:
        """The name of a clip in this folder: its own, with a piece of its hash where another clip has it already."""
        name = clip_name(path)
        taken = any(one.video == name and one.sha256 != sha256 for one in self.outcomes.values())
        return f"{name}-{sha256[:8]}" if taken else name

    def knows(self, sha256: str, concept: str, labels: tuple[str, ...]) -> bool:
        """Whether a clip of this content (`clip_sha256`), whatever its name, is done for this concept.

        Raises PathTaken where the concept was made of other labels.
        """
        for outcome in self.of(concept):
            if outcome.labels != labels:
                raise PathTaken(
                    f"{self.folder}: its '{concept}' is made of {', '.join(outcome.labels)}, not of "
                    f"{', '.join(labels)}; give the concept another name (LABEL=NAME) or use another folder"
                )
        return any(outcome.sha256 == sha256 for outcome in self.of(concept))

    def finish(self, outcome: VideoOutcome) -> None:
        """Write down that all clips of this outcome are in place."""
        target = self._state / "done" / outcome.video / f"{outcome.concept}.json"
        write_text(target, outcome.model_dump_json(indent=1) + "\n")
        self.outcomes[outcome.video, outcome.concept] = outcome

    def of(self, concept: str) -> Iterator[VideoOutcome]:
        """All outcomes of one concept."""
        return (outcome for outcome in self.outcomes.values() if outcome.concept == concept)

    def _require_same_rules(self) -> None:
        before = _rules_in(self.folder, self._state.name)
        if before is None:
            return
        now = json.loads(self.rules)
        changed = [key for key in now if before.get(key) != now[key]]
        if changed:
            listed = "; ".join(f"{key} was {before.get(key)}, now {now[key]}" for key in changed)
            raise PathTaken(
                f"{self.folder}: its clips were made by other rules ({listed}); use the same rules or another folder"
            )


def recipe_of(folder: Path) -> Recipe | None:
    """The recipe by which the clips of a folder were proposed; None where none were."""
    rules = _rules_in(folder)
    known = {key: value for key, value in (rules or {}).items() if key in Recipe.model_fields}
    return None if rules is None else read_as(Recipe, as_json(known), where=str(folder / STATE / "recipe.json"))


def _rules_in(folder: Path, state: str = STATE) -> dict[str, Any] | None:
    path = folder / state / "recipe.json"
    if not path.exists():
        return None
    try:
        return dict(read_json(path))
    except (ValueError, TypeError, UnreadableText):
        raise PathTaken(f"{path}: cannot be read as the rules of its clips; use another folder") from None


def outcomes_of(folder: Path, state: str = STATE) -> Iterator[VideoOutcome]:
    """What became of every video that was proposed into this folder; nothing where it was made otherwise."""
    for path in sorted((folder / state / "done").glob("*/*.json")):
        yield read_as(VideoOutcome, path.read_bytes(), where=str(path))
