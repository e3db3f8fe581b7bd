"""The run folders below a path on one page: what each asked and found, what was changed, any of them side by side."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast, get_args
from urllib.parse import quote

from videotcav.errors import RunFolderError, UnreadableText
from videotcav.outputs import MARK, refuse_overwriting
from videotcav.report.answer import answer
from videotcav.report.comparison import comparison_answer, read_comparison
from videotcav.report.faithfulness import headlines, read_faithfulness
from videotcav.report.glance import Glance, glance
from videotcav.report.paper import PAPER_PAGE, read_paper, summary
from videotcav.report.probe import read_probe
from videotcav.report.probe_sentences import headline
from videotcav.report.render import PAGE, write_page
from videotcav.report.run import read_run
from videotcav.results import words
from videotcav.results.manifest import MANIFEST, Facts
from videotcav.results.table import table_html
from videotcav.texts import read_json

INDEX = "index.html"
RunKind = Literal["run", "comparison", "probe", "faithfulness", "paper"]

_NO_SETTINGS = ("format", "kind", "created", "command", "versions", "left_out", "remarks", "media")
"""Facts of a manifest that nobody chose."""

_Settings = Mapping[str, str]


@dataclass(frozen=True)
class ListedRun:
    """A run folder as the index lists it. `settings` are what it was asked with, by dotted names; `changed` those that
    differ from the run before it that asked the same question, as before → after.
    """

    folder: Path
    kind: RunKind
    question: str
    answer: str
    created: str
    model: str
    settings: Mapping[str, str]
    page: Path | None = None
    picture: Glance | None = None
    changed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, repr=False)
class RunIndex:
    """The index that was written to `page`: its runs, the latest first, and why other folders were `skipped`."""

    page: Path
    runs: tuple[ListedRun, ...]
    skipped: Mapping[Path, str]

    def __iter__(self) -> Iterator[ListedRun]:
        return iter(self.runs)

    def __len__(self) -> int:
        return len(self.runs)

    def _repr_html_(self) -> str:
        cells = ((str(run.folder), run.question, run.answer, run.created[:10], run.model) for run in self.runs)
        return table_html(("run", "question", "answer", "date", "model"), cells)

    def __repr__(self) -> str:
        return "\n".join(f"{run.created[:10]}  {run.folder}: {run.question} {run.answer}" for run in self.runs)


def write_runs_page(folder: Path | str, output: Path | str | None = None) -> RunIndex:
    """The index of the run folders below `folder`, written to `output`, by default `index.html` in that folder.

    Folders that are damaged or not the tool's own are skipped, each with its reason. Links are not followed.
    Raises RunFolderError where there is no run, OutputError where somebody else's file is in the way.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise RunFolderError(f"{folder} is not a folder: give one that holds runs")
    page = folder / INDEX if output is None else Path(output)
    refuse_overwriting([page])
    found: list[ListedRun] = []
    skipped: dict[Path, str] = {}
    for each in _folders(folder):
        try:
            found.append(_listed(each))
        except RunFolderError as error:
            skipped[each] = error.message
    if not found:
        reasons = f" ({'; '.join(skipped.values())})" if skipped else ""
        raise RunFolderError(f"{folder} holds no run that can be read{reasons}", hint="`run()` writes one")
    runs = _with_changes(found)
    index = RunIndex(page, tuple(reversed(runs)), skipped)
    write_page(page, "runs.html", **_shown(index, folder), mark=MARK)
    return index


def _folders(folder: Path) -> Iterator[Path]:
    """The outermost folders with a manifest: what lies in a run is its own affair."""
    for place, inner, files in os.walk(folder):
        inner.sort()
        inner[:] = [name for name in inner if not name.startswith(".")]
        if MANIFEST in files:
            inner.clear()
            yield Path(place)


def _listed(folder: Path) -> ListedRun:
    """A run as it lies on disk. Raises RunFolderError where it is none, or damaged."""
    kind = _kind(folder)
    return _READERS[kind](folder, kind)


def _kind(folder: Path) -> RunKind:
    path = folder / MANIFEST
    try:
        raw = read_json(path)
    except UnreadableText as error:
        raise RunFolderError(f"{path} is damaged: it {error.reason}") from error
    if not isinstance(raw, dict) or not isinstance(raw.get("videotcav"), str):
        raise RunFolderError(f"{path} was not written by videotcav")
    kind = raw.get("kind", "run")
    if kind not in get_args(RunKind):
        raise RunFolderError(f"{folder} holds {kind}, which answer no question")
    return cast("RunKind", kind)


def _run(folder: Path, kind: RunKind) -> ListedRun:
    run = read_run(folder)
    manifest = run.manifest
    return ListedRun(
        folder, kind, manifest.question, answer(run), manifest.created, manifest.model.name,
        settings=_of_study(manifest.study, manifest), page=_page(folder / PAGE), picture=glance(run),
    )  # fmt: skip


def _comparison(folder: Path, kind: RunKind) -> ListedRun:
    found = read_comparison(folder)
    facts = found.facts
    return ListedRun(
        folder, kind, facts.question, comparison_answer(facts, found.standings), facts.created,
        words.listing([*facts.models]), settings=_of_study(facts.study, facts), page=_page(folder / PAGE),
    )  # fmt: skip


def _probe(folder: Path, kind: RunKind) -> ListedRun:
    found = read_probe(folder)
    facts = found.manifest
    return ListedRun(
        folder, kind, headline(facts), found.sentences[0], facts.created, words.listing([*facts.models]),
        settings=_chosen(facts), page=_page(folder / PAGE),
    )  # fmt: skip


def _faithfulness(folder: Path, kind: RunKind) -> ListedRun:
    found = read_faithfulness(folder)
    facts = found.manifest
    said = next(iter(headlines(found.results)), "")
    return ListedRun(
        folder, kind, "Are the maps true?", said, facts.created, facts.model.name, settings=_chosen(facts),
        page=_page(folder / PAGE),
    )  # fmt: skip


def _paper(folder: Path, kind: RunKind) -> ListedRun:
    found = read_paper(folder)
    manifest = found.run.manifest
    return ListedRun(
        folder, kind, manifest.question, summary(found), found.facts.created, manifest.model.name,
        settings=_of_study(manifest.study, manifest), page=_page(folder / PAPER_PAGE),
    )  # fmt: skip


_READERS: Mapping[RunKind, Callable[[Path, RunKind], ListedRun]] = {
    "run": _run,
    "comparison": _comparison,
    "probe": _probe,
    "faithfulness": _faithfulness,
    "paper": _paper,
}


def _page(page: Path) -> Path | None:
    return page if page.is_file() else None


# --- settings ----------------------------------------------------------------------------------------------------


def _of_study(text: str, facts: Facts) -> _Settings:
    """What a study's file says, but for its question; of one that cannot be read what the manifest says."""
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return _chosen(facts)
    said.pop("question", None)
    return dict(_flat(said)) | {"videotcav": facts.videotcav}


def _chosen(facts: Facts) -> _Settings:
    said = facts.model_dump(mode="json", exclude=set(_NO_SETTINGS))
    return {name: value for name, value in _flat(said) if not name.endswith("sha256")}


def _flat(said: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Dotted names with their values as text."""
    for name, value in said.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        elif isinstance(value, list):
            yield f"{above}{name}", ", ".join(map(str, value))
        else:
            yield f"{above}{name}", str(value)


def _with_changes(found: Sequence[ListedRun]) -> list[ListedRun]:
    """The runs by their dates, each with what differs from the one before it of the same kind and question."""
    before: dict[tuple[str, str], ListedRun] = {}
    runs = []
    for run in sorted(found, key=lambda run: (run.created, str(run.folder))):
        last = before.get((run.kind, run.question))
        before[run.kind, run.question] = run
        changed = {} if last is None else differing(last.settings, run.settings)
        told = {name: f"{old or 'not said'} → {new or 'not said'}" for name, (old, new) in changed.items()}
        runs.append(ListedRun(**(vars(run) | {"changed": told})))
    return runs


def differing(first: _Settings, second: _Settings) -> dict[str, tuple[str, str]]:
    """The settings that are not the same in both, empty where one of them does not say."""
    names = sorted(first.keys() | second.keys())
    pairs = {name: (first.get(name, ""), second.get(name, "")) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


# --- the page ----------------------------------------------------------------------------------------------------


def _shown(index: RunIndex, folder: Path) -> dict[str, Any]:
    """What the template knows."""
    latest = index.runs[0]
    questions = len({run.question for run in index})
    varying = {
        name
        for name in {name for run in index for name in run.settings}
        if len({run.settings.get(name, "") for run in index}) > 1
    }
    return {
        "heading": f"Runs below {folder.resolve().name}",
        "answer": f"The latest of {words.count(len(index), 'run')}: {latest.question} {latest.answer}",
        "trust": [],
        "questions": questions,
        "runs": [(run, _link(run, index.page), os.path.relpath(run.folder, folder)) for run in index],
        "varying": sorted(varying),
        "skipped": [*index.skipped.values()],
        "below": folder,
    }


def _link(run: ListedRun, page: Path) -> str:
    """The way from the index to the run's own page; it leads nowhere else, whatever the folders are called."""
    if run.page is None:
        return ""
    way = os.path.relpath(run.page.resolve(), page.resolve().parent)
    return f"./{quote(way)}"
