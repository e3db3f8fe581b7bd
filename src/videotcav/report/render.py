"""A template and what it shows in, one self-contained page out: the only place that knows how pages are made."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from videotcav.outputs import MARK, refuse_overwriting, write_text
from videotcav.report import figures
from videotcav.results import words
from videotcav.results.shown_figure import png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE = "report.html"
_HERE = Path(__file__).parent


def write_page(page: Path, template: str, *, script: str = "", **shown: Any) -> Path:
    """The page, written complete or not at all; `shown` are the names that the template knows.

    Names are escaped, and one that a template lacks is an error. The page may style itself with `page.css`, run
    `script` where there is one, and fetch nothing.
    """
    style = _text("page.css")
    code = _text(script) if script else ""
    policy = [
        "default-src 'none'",
        f"style-src '{_policy_hash(style)}'",
        *([f"script-src '{_policy_hash(code)}'"] if code else []),
        *("img-src data:", "media-src data:", "base-uri 'none'", "form-action 'none'"),
    ]
    text = _templates().get_template(template).render(shown, style=style, script=code, policy="; ".join(policy))
    write_text(page, text)
    return page


def write_figures_page(
    page: Path | str,
    figures: Iterable[tuple[str, Figure]],
    *,
    kicker: str,
    heading: str,
    sentences: Sequence[str],
    table: str,
    dpi: int,
    are_charts: bool = True,
) -> Path:
    """The page of results that lie in no run folder: sentences, figures with their captions, a table that is escaped.

    Charts are dark on a dark page; figures with photographs in them are not `are_charts`, and stay as they are.
    Raises OutputError where somebody else's file is in the way.
    """
    page = Path(page)
    refuse_overwriting([page])
    pictures = [(caption, data_uri(png(figure, dpi=dpi), "image/png")) for caption, figure in figures]
    return write_page(
        page,
        "results.html",
        kicker=kicker,
        heading=heading,
        answer=sentences[0] if sentences else "",
        trust=(),
        sentences=sentences[1:],
        pictures=pictures,
        table=Markup(table),  # noqa: S704 - escaped by whoever made it
        mark=MARK,
        are_charts=are_charts,
    )


def data_uri(data: bytes, kind: str) -> str:
    """A picture or video as a page holds it; `kind` as in `image/png`."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals.update(words=words, describe=figures.describe)
    return environment


def _text(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _policy_hash(text: str) -> str:
    """The text's hash as a content security policy names it: nothing else may style or run on the page."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
