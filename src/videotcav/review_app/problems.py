"""What goes wrong, as answers: one sentence each, under the status that fits."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from videotcav.concepts.review.ledger import GestureTaken, LedgerUnusable
from videotcav.errors import VideotcavError
from videotcav.records import Record


class Problem(Record):
    """What went wrong, and what to do, in a sentence."""

    detail: str


def answers_of(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """These statuses, as OpenAPI describes them."""
    return {status: {"model": Problem} for status in statuses}


def add_errors(app: FastAPI) -> None:
    """Answers in place of tracebacks."""

    @app.exception_handler(RequestValidationError)
    def bad_request(_: Request, error: RequestValidationError) -> JSONResponse:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"][1:] if isinstance(part, str))
        what = str(problem["msg"]).removeprefix("Value error, ")
        return JSONResponse({"detail": f"{where}: {what}" if where else what}, 422)

    @app.exception_handler(VideotcavError)
    def refused(_: Request, error: VideotcavError) -> JSONResponse:
        statuses: dict[type[VideotcavError], int] = {GestureTaken: 409, LedgerUnusable: 503}
        return JSONResponse({"detail": str(error)}, statuses.get(type(error), 422))
