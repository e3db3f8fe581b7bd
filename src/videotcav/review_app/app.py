"""The web application: candidates and clips out, decisions in. Every answer of the API is described by OpenAPI."""

from __future__ import annotations

import getpass
import mimetypes
import secrets
import threading
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path
from typing import Annotated, Self

from fastapi import Body, Depends, FastAPI, HTTPException, Query
from fastapi import Path as InPath
from fastapi.responses import FileResponse, Response
from fastapi.security import HTTPBearer
from pydantic import Field, model_validator

from videotcav.concepts.review.agreement import Agreement, agreement, ratings
from videotcav.concepts.review.decisions import (
    Candidate,
    Gesture,
    Judgement,
    Name,
    Standing,
    checked_name,
    from_lines,
    standings,
    to_lines,
)
from videotcav.concepts.review.ledger import Ledger
from videotcav.concepts.review.review import SetReview, set_reviews
from videotcav.concepts.review.source_frame import source_picture
from videotcav.errors import ConceptError
from videotcav.records import Kind, Record
from videotcav.review_app.catalogue import CandidateTable, Catalogue, Entry, key_of
from videotcav.review_app.guard import IMPORT_PATH, LOCAL_HOSTS, MARK_PATH, Guard
from videotcav.review_app.marking import Videos, add_marking
from videotcav.review_app.more import FindMore, add_more
from videotcav.review_app.problems import add_errors, answers_of

MOST_AT_ONCE = 2000
JSON_LINES = "application/x-ndjson"

CandidateKey = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]


class Session(Record):
    """What the page needs to know first. `reviewer` is None where the person has to say who they are, and `finds`
    whether it can find more like a concept.
    """

    folder: str
    videos: int
    finds: bool
    reviewer: str | None
    suggestion: str


class DecisionRequest(Record):
    """One key press: the same word about one or many candidates. Sent again it is recorded once."""

    reviewer: Name
    verdict: Judgement
    keys: list[CandidateKey] = Field(min_length=1, max_length=MOST_AT_ONCE)
    gesture: Gesture
    label: Name | None = None
    settles: bool = False

    @model_validator(mode="after")
    def _has_label(self) -> Self:
        if (self.verdict == "relabel") != (self.label is not None):
            raise ValueError("'relabel', and nothing else, needs a label")
        return self


class UndoRequest(Record):
    """Take back this reviewer's last key press that still stands."""

    reviewer: Name
    gesture: Gesture


class Changes(Record):
    """Standings by key, up to decision number `last`."""

    last: int
    standings: dict[str, Standing]


class Recorded(Record):
    """The standings of what was decided just now; it is on the disk."""

    standings: dict[str, Standing]


class Imported(Record):
    """How many decisions of a file were new."""

    new: int


class Summary(Record):
    """What people did so far, for each concept and altogether."""

    reviews: list[SetReview]
    sentences: list[str]
    agreement: Agreement | None
    reviewers: dict[str, int]


_EVERYWHERE = answers_of(400, 401, 403, 408, 413, 422, 503)


def create_app(
    folder: Path | str,
    *,
    token: str | None = None,
    reviewer: str | None = None,
    hosts: Collection[str] = LOCAL_HOSTS,
    videos: Path | str | Sequence[Path | str] | None = None,
    sources: Mapping[str, str] | None = None,
    find_more: FindMore | None = None,
) -> FastAPI:
    """The application for one concept folder; `app.state.token` is what every request must carry.

    `reviewer` is who decides, unless the page is told another name. `videos` may be marked, and the folder be new then;
    `sources` is what they were cut from, as for `propose`. With `find_more` the page offers more like each concept.
    Raises ConceptError for a name that cannot be recorded, a folder without clips, or a database that cannot be used,
    VideoError for videos that are not there.
    """
    folder = Path(folder)
    to_mark = None if videos is None else Videos(videos, sources)
    reviewer = checked_name(reviewer) if reviewer is not None else None
    if to_mark is not None:
        folder.mkdir(parents=True, exist_ok=True)
    desk = _Desk(folder, may_be_empty=to_mark is not None)

    @asynccontextmanager
    async def closing(_: FastAPI) -> AsyncIterator[None]:
        yield
        desk.ledger.close()

    app = FastAPI(
        title="videotcav review",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=closing,
        responses=_EVERYWHERE,
        dependencies=[Depends(HTTPBearer(auto_error=False))],  # Guard checks it; this describes it
    )
    app.state.token = token or secrets.token_urlsafe(32)
    app.state.tickets = set[str]()
    app.state.desk = desk
    app.add_middleware(Guard, token=app.state.token, tickets=app.state.tickets, hosts=hosts)
    add_errors(app)
    _add_page(app, with_marking=to_mark is not None)
    if to_mark is not None:
        add_marking(app, folder, to_mark)
    if find_more is not None:
        add_more(app, find_more)
    _add_candidates(app, desk)
    _add_decisions(app, desk)

    @app.get("/api/session")
    def session() -> Session:
        many = len(to_mark.paths) if to_mark is not None else 0
        finds = find_more is not None
        return Session(folder=folder.resolve().name, videos=many, finds=finds, reviewer=reviewer, suggestion=_user())

    return app


class _Desk:
    """What the requests share: the candidates and the decisions on them."""

    def __init__(self, folder: Path, *, may_be_empty: bool = False) -> None:
        self._lock = threading.Lock()
        self._may_be_empty = may_be_empty
        self.catalogue = Catalogue(folder, may_be_empty=may_be_empty)
        self.ledger = Ledger(folder)
        self._last = 0
        self._held: dict[Candidate, Standing] = {}

    def refreshed(self) -> Catalogue:
        with self._lock:
            if self.catalogue.is_stale:
                self.catalogue = Catalogue(self.catalogue.folder, may_be_empty=self._may_be_empty)
            return self.catalogue

    def entry(self, key: str) -> Entry:
        try:
            return self.catalogue.entries[key]
        except KeyError:
            raise HTTPException(404, f"There is no candidate {key}: load the page again.") from None

    def held(self) -> tuple[int, dict[Candidate, Standing]]:
        """The number of the last decision, and all standings up to it; only what changed is worked out anew."""
        with self._lock:
            last, touched = self.ledger.changed(after=self._last)
            if touched:
                everything = self._last == 0
                self._held |= standings(self.ledger.decisions(None if everything else touched))
                self._last = last
            return last, dict(self._held)

    def standings(self, candidates: Iterable[Candidate]) -> dict[str, Standing]:
        """Standings by key, of those candidates that are in the folder."""
        _, held = self.held()
        found = {key_of(candidate): held[candidate] for candidate in candidates if candidate in held}
        return {key: standing for key, standing in found.items() if key in self.catalogue.entries}


def _add_page(app: FastAPI, *, with_marking: bool) -> None:
    folder = resources.files("videotcav.review_app") / "static"
    files = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}

    def send(name: str) -> Response:
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return Response(files[name], media_type=kind, headers={"cache-control": "no-cache"})

    @app.get("/", include_in_schema=False)
    def page() -> Response:
        return send("index.html")

    if with_marking:

        @app.get(MARK_PATH, include_in_schema=False)
        def mark_page() -> Response:
            return send("mark.html")

    @app.get("/static/{name}", include_in_schema=False)
    def static(name: str) -> Response:
        if name not in files:
            raise HTTPException(404, "There is no such file.")
        return send(name)


def _add_candidates(app: FastAPI, desk: _Desk) -> None:
    @app.get("/api/candidates")
    def candidates() -> CandidateTable:
        return desk.refreshed().table()

    @app.get(
        "/api/candidates/{key}/clips/{kind}",
        response_class=FileResponse,
        responses={
            200: {"content": {"video/*": {}}},
            206: {"description": "The range asked for", "content": {"video/*": {}}},
            **answers_of(404),
            416: {"description": "The range lies outside the file"},
        },
    )
    def clip(key: Annotated[CandidateKey, InPath()], kind: Kind) -> FileResponse:
        path = desk.entry(key).path(kind)
        if path is None:
            raise HTTPException(404, f"There is no {kind} clip of this candidate.")
        return FileResponse(path, headers={"cache-control": "private, max-age=300"})

    @app.get(
        "/api/candidates/{key}/picture",
        response_class=Response,
        responses={200: {"content": {"image/jpeg": {}}}, **answers_of(404)},
    )
    def picture(key: Annotated[CandidateKey, InPath()]) -> Response:
        record = desk.entry(key).record
        if record is None:
            raise HTTPException(404, "The folder does not say what this clip was cut from: judge by the clip alone.")
        try:
            jpeg = source_picture(desk.catalogue.folder, record)
        except ConceptError as error:
            raise HTTPException(404, str(error)) from error
        return Response(jpeg, media_type="image/jpeg", headers={"cache-control": "private, max-age=300"})


def _add_decisions(app: FastAPI, desk: _Desk) -> None:
    @app.get("/api/standings")
    def changes(after: Annotated[int, Query(ge=0, le=2**53)] = 0) -> Changes:
        if after:
            last, touched = desk.ledger.changed(after=after)
            return Changes(last=last, standings=desk.standings(touched))
        last, held = desk.held()
        return Changes(last=last, standings=desk.standings(held))

    @app.post("/api/decisions", responses=answers_of(404, 409))
    def decide(request: DecisionRequest) -> Recorded:
        chosen = [desk.entry(key).candidate for key in dict.fromkeys(request.keys)]
        desk.ledger.decide(
            chosen,
            reviewer=request.reviewer,
            verdict=request.verdict,
            gesture=request.gesture,
            label=request.label,
            settles=request.settles,
        )
        return Recorded(standings=desk.standings(chosen))

    @app.post("/api/undo")
    def undo(request: UndoRequest) -> Recorded:
        rows = desk.ledger.undo(reviewer=request.reviewer, gesture=request.gesture)
        return Recorded(standings=desk.standings({row.candidate for row in rows}))

    @app.get("/api/decisions", response_class=Response, responses={200: {"content": {JSON_LINES: {}}}})
    def export() -> Response:
        lines = "".join(to_lines(desk.ledger.decisions()))
        named = {"content-disposition": 'attachment; filename="decisions.jsonl"'}
        return Response(lines, media_type=JSON_LINES, headers=named)

    @app.post(IMPORT_PATH, responses=answers_of(409))
    def merge(lines: Annotated[bytes, Body(media_type=JSON_LINES)]) -> Imported:
        try:
            text = lines.decode()
        except UnicodeDecodeError:
            raise HTTPException(422, "The file is not text in UTF-8: choose a file of decisions.") from None
        return Imported(new=desk.ledger.merge(from_lines(text)))

    @app.get("/api/summary")
    def summary() -> Summary:
        return _summary(desk)


def _summary(desk: _Desk) -> Summary:
    _, held = desk.held()
    reviews = set_reviews(list(desk.catalogue.reviewed(held))).values()
    people = Counter(name for standing in held.values() for name in standing.opinions)
    return Summary(
        reviews=list(reviews),
        sentences=[review.sentence for review in reviews],
        agreement=agreement(ratings(held)),
        reviewers=dict(sorted(people.items())),
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # nobody: a container without a user database
        return ""
