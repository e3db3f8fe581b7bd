"""What every build of the site (mkdocs.yml) does: a page that loads something from elsewhere is refused, a search
finds what explains before references and what was measured, and a number in a table stays with its unit.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

from mkdocs.exceptions import PluginError

_FOLLOWED = {"a", "area", "form"}  # what a reader follows, or not
_RELATIONS = {"alternate", "author", "canonical", "next", "prev"}  # links of a head that nothing is fetched for
_ELSEWHERE = re.compile(r"(?:https?:)?//[^\s,)\"']+", re.IGNORECASE)
_IN_CSS = re.compile(r"(?:url\(|@import)\s*[\"']?\s*((?:https?:)?//[^\s)\"';]+)", re.IGNORECASE)


class _Loads(HTMLParser):
    """Gathers what a browser would fetch from other hosts to show a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_style = tag == "style"
        given = {name: value or "" for name, value in attrs}
        self.found += _IN_CSS.findall(given.get("style", ""))
        if tag in _FOLLOWED or (tag == "link" and given.get("rel", "") in _RELATIONS):
            return
        for name in ("src", "srcset", "href", "data", "poster"):
            self.found += [
                each for each in _ELSEWHERE.findall(given.get(name, "")) if not given[name].startswith("data:")
            ]

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.found += _IN_CSS.findall(data)


def loaded_from_elsewhere(html: str) -> list[str]:
    """What a browser would fetch from other hosts to show the page."""
    parser = _Loads()
    parser.feed(html)
    return parser.found


_ROW = re.compile(r"^\|.*\|$", re.MULTILINE)
_BEFORE_UNIT = re.compile(r"(?<=\d) (?=(?:[%×σ]|ms|MiB)(?!\w))")
_LAST = ("api", "beside", "method", "mutants", "performance", "reliability", "scale", "validity")


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:  # noqa: ARG001 - as mkdocs calls it
    """The page's text, in whose tables no line ends between a number and its unit."""
    if page.file.name.startswith(_LAST):
        page.meta["search"] = {"boost": 0.2}
    return _ROW.sub(lambda row: _BEFORE_UNIT.sub("\N{NO-BREAK SPACE}", row[0]), markdown)


def on_post_page(output: str, *, page: Any, config: Any) -> str:  # noqa: ARG001 - as mkdocs calls it
    """The page as it is. Raises PluginError where it loads something from elsewhere."""
    if loads := loaded_from_elsewhere(output):
        raise PluginError(f"{page.file.src_uri}: loads {', '.join(loads)} from elsewhere")
    return output
