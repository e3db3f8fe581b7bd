"""A page as a browser would take it apart, and a name that wants to be more than text."""

from __future__ import annotations

from html.parser import HTMLParser

EVIL = '<script>alert("x")</script><img src=http://evil.example/x onerror=alert(1)>'


class Elements(HTMLParser):
    """Every start tag of a page with its attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data
