"""More like a concept: what the review was opened with finds candidates, and the page says where they lie."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from fastapi import FastAPI, HTTPException

from videotcav.concepts.review.decisions import Name
from videotcav.records import Record
from videotcav.review_app.problems import answers_of

FindMore = Callable[[str], Path]
"""Candidates like those that count of a concept, in a new folder."""


class MoreRequest(Record):
    """Find more like this concept, as its candidates are called now."""

    concept: Name


class MoreFound(Record):
    """The new folder, which a review of its own opens."""

    folder: str


def add_more(app: FastAPI, find_more: FindMore) -> None:
    """The way to find more; one search at a time."""
    searching = threading.Lock()

    @app.post("/api/more", responses=answers_of(409))
    def more(request: MoreRequest) -> MoreFound:
        if not searching.acquire(blocking=False):
            raise HTTPException(409, "Another search goes on: wait until it is done.")
        try:
            return MoreFound(folder=str(find_more(request.concept)))
        finally:
            searching.release()
