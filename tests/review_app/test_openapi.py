"""schemathesis against the API's own description: no crash, no undescribed answer, nothing without the token."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from videotcav.concepts.review.decisions import Candidate
from videotcav.review_app.app import create_app
from videotcav.review_app.catalogue import key_of

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed: pip install schemathesis")
# JSON Schema cannot say that a name has no control characters, so some of what it allows is refused.
from schemathesis.specs.openapi.checks import positive_data_acceptance  # noqa: E402 - after importorskip

HEADERS = {"Authorization": "Bearer token-of-the-tests", "host": "127.0.0.1"}
KEY = key_of(Candidate("ball", "ball-000"))
OPERATIONS = [
    ("GET", "/api/session"),
    ("GET", "/api/candidates"),
    ("GET", "/api/candidates/{key}/clips/{kind}"),
    ("GET", "/api/candidates/{key}/picture"),
    ("GET", "/api/standings"),
    ("POST", "/api/decisions"),
    ("POST", "/api/undo"),
    ("GET", "/api/decisions"),
    ("POST", "/api/decisions/import"),
    ("GET", "/api/summary"),
    ("POST", "/api/more"),
    ("GET", "/api/videos"),
    ("GET", "/api/videos/{number}"),
    ("GET", "/api/videos/{number}/frames"),
    ("POST", "/api/videos/{number}/follow"),
    ("POST", "/api/videos/{number}/clips"),
]


@schemathesis.serializer("application/x-ndjson")
def as_it_is(_: object, value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


@pytest.fixture(scope="module")
def schema(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("openapi") / "concepts"
    shutil.copytree(template, folder)
    videos = template.parent / "videos"
    app = create_app(folder, token="token-of-the-tests", videos=videos, find_more=Path)  # noqa: S106 - not a secret
    yield schemathesis.openapi.from_asgi("/api/openapi.json", app, headers=HEADERS)
    app.state.desk.ledger.close()


def test_the_list_above_is_complete(schema: Any) -> None:
    described = {(method.upper(), path) for path, item in schema.raw_schema["paths"].items() for method in item}
    assert described == set(OPERATIONS)


@pytest.mark.parametrize("mode", ["positive", "negative"])
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_answer_is_as_described(schema: Any, method: str, path: str, mode: str) -> None:
    operation = schema[path][method]

    @settings(
        max_examples=15,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=schemathesis.GenerationMode(mode)))
    def check(case: Any) -> None:
        if mode == "positive":  # a key drawn at random leads nowhere
            if "key" in (case.path_parameters or {}):
                case.path_parameters["key"] = KEY
            if path == "/api/decisions" and method == "POST":
                case.body["keys"] = [KEY]
        case.call_and_validate(headers=HEADERS, excluded_checks=[positive_data_acceptance])

    check()
