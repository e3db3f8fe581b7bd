"""A run folder in, `report.html` out: `write_report`. One file that needs nothing else and nobody's network."""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from videotcav.errors import RunFolderError
from videotcav.records import KINDS, STATISTICS, Kind, Medium, Result, Statistic
from videotcav.report import figures, sentences, words
from videotcav.report.run import RunResults, read_run

PAGE = "report.html"
_HERE = Path(__file__).parent
_TYPES = {
    ".mp4": "video/mp4",
    ".webm": "video/webm",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
}


@dataclass(frozen=True)
class Picture:
    """A medium as the page shows it: its bytes as a data URI, or the reason why there are none."""

    medium: Medium
    uri: str = ""
    is_video: bool = False
    missing: str = ""


def write_report(run: Path | str) -> Path:
    """The path of the page that was written into the run folder `run`, from what lies in that folder alone.

    The page appears complete or not at all, and the same folder gives the same bytes.
    Raises RunFolderError when `run` is not a run folder, is damaged, or cannot be written to.
    """
    results = read_run(run)
    page = results.folder / PAGE
    _write_atomically(page, render(results))
    return page


def render(run: RunResults) -> str:
    """The whole page as HTML."""
    style = (_HERE / "page.css").read_text(encoding="utf-8")
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    pictures = [_picture(run, medium) for medium in run.media]
    template = _environment().get_template("page.html")
    return template.render(
        run=run,
        manifest=run.manifest,
        primary=run.manifest.tests.primary,
        layers=sentences.layer_order(run),
        answers=sentences.answers(run),
        cautions=sentences.cautions(run),
        figures=_figures(run),
        colour_stops=figures.colour_stops(run.manifest.cam.colour_map),
        accuracies=_accuracies(run),
        classic=[
            row
            for row in run.results
            if row.statistic == run.manifest.tests.primary and row.p_classic_corrected is not None
        ],
        by_statistic=_by_statistic(run),
        tests=run.manifest.tests.model_dump(exclude_none=True),
        thumbs=_first_of_each_kind(pictures),
        exemplars=_exemplars(pictures),
        class_pictures=[picture for picture in pictures if picture.medium.role == "class"],
        cams=_grouped([picture for picture in pictures if picture.medium.role == "cam"]),
        missing=[picture.missing for picture in pictures if picture.missing],
        style=style,
        script=script,
        style_hash=_policy_hash(style),
        script_hash=_policy_hash(script),
    )


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals.update(words=words, describe=figures.describe)
    return environment


def _figures(run: RunResults) -> list[figures.Figure]:
    primary = run.manifest.tests.primary
    wanted = [
        figures.figure(
            run.results,
            layers=sentences.layer_order(run),
            class_name=class_name,
            statistic=statistic,
            contrast=contrast,
        )
        for class_name in sentences.unique(row.class_name for row in run.results)
        for statistic in (primary, *(other for other in STATISTICS if other != primary))
        for contrast in (False, True)
    ]
    return [figure for figure in wanted if figure]


def _by_statistic(run: RunResults) -> list[tuple[Statistic, list[Result]]]:
    """The rows of each statistic, the primary one first."""
    primary = run.manifest.tests.primary
    grouped = [
        (statistic, [row for row in run.results if row.statistic == statistic])
        for statistic in (primary, *(other for other in STATISTICS if other != primary))
    ]
    return [(statistic, rows) for statistic, rows in grouped if rows]


def _accuracies(run: RunResults) -> list[tuple[str, Kind, list[Result | None]]]:
    """Concept, kind, and a row of results for each layer: an accuracy belongs to a CAV, not to a class."""
    by_cav = {(row.concept, row.kind, row.layer): row for row in run.results if row.against == "random"}
    return [
        (concept, kind, [by_cav.get((concept, kind, layer)) for layer in sentences.layer_order(run)])
        for concept, kind in sentences.unique((concept, kind) for concept, kind, _ in by_cav)
    ]


# --- media -------------------------------------------------------------------------------------------------------


def _picture(run: RunResults, medium: Medium) -> Picture:
    path = run.medium_path(medium)
    kind = _TYPES.get(path.suffix.lower())
    if not path.resolve().is_relative_to(run.folder.resolve()):
        return Picture(medium, missing=f"{medium.path} lies outside the run folder and is not shown.")
    if kind is None:
        return Picture(medium, missing=f"{medium.path} is neither a video nor a picture that a browser shows.")
    try:
        data = path.read_bytes()
    except OSError:
        return Picture(medium, missing=f"{medium.path} is missing from the run folder.")
    if not data:
        return Picture(medium, missing=f"{medium.path} is empty.")
    uri = f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
    return Picture(medium, uri=uri, is_video=kind.startswith("video/"))


def _first_of_each_kind(pictures: Sequence[Picture]) -> dict[tuple[str, str], Picture]:
    firsts: dict[tuple[str, str], Picture] = {}
    for picture in pictures:
        if picture.medium.role == "exemplar" and picture.uri:
            firsts.setdefault((picture.medium.concept, picture.medium.kind), picture)
    return firsts


def _exemplars(pictures: Sequence[Picture]) -> list[tuple[str, list[tuple[str, list[Picture]]]]]:
    """Concept → kind → its clips, kinds in their own order so that a clip stands above its twins."""
    shown = [picture for picture in pictures if picture.medium.role == "exemplar"]
    order = {kind: place for place, kind in enumerate(KINDS)}
    return [
        (
            concept,
            [
                (kind, [p for p in shown if (p.medium.concept, p.medium.kind) == (concept, kind)])
                for kind in sorted(
                    sentences.unique(p.medium.kind for p in shown if p.medium.concept == concept),
                    key=lambda kind: order.get(kind, len(order)),
                )
            ],
        )
        for concept in sentences.unique(p.medium.concept for p in shown)
    ]


def _grouped(pictures: Sequence[Picture]) -> list[list[Picture]]:
    """Overlays of the same clip and layer, side by side."""
    groups: dict[tuple[str, str], list[Picture]] = {}
    for picture in pictures:
        groups.setdefault((picture.medium.layer, picture.medium.source or picture.medium.path), []).append(picture)
    return list(groups.values())


# --- files -------------------------------------------------------------------------------------------------------


def _policy_hash(text: str) -> str:
    """The text's hash as a content security policy names it: nothing else may style or run on the page."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _write_atomically(path: Path, text: str) -> None:
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise RunFolderError(f"{path} cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise RunFolderError(f"{path} cannot be written: {error.strerror}") from error
        raise
