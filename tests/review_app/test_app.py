"""The API as a browser, a script and an attacker meet it; no server runs."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from videotcav.concepts.review.review import reviewed_sets
from videotcav.errors import ConceptError
from videotcav.review_app import guard
from videotcav.review_app.app import create_app

TOKEN = "token-of-the-tests"  # noqa: S105 - not a secret
HOME = "http://127.0.0.1:8123"
GESTURE = "gesture-000"


@pytest.fixture
def app(folder: Path) -> FastAPI:
    return create_app(folder, token=TOKEN, reviewer="Ada")


@pytest.fixture
def stranger(app: FastAPI) -> Iterator[TestClient]:
    """Somebody without the token."""
    with TestClient(app, base_url=HOME, follow_redirects=False) as client:
        yield client


@pytest.fixture
def client(stranger: TestClient) -> TestClient:
    """A script that knows the token."""
    stranger.headers["authorization"] = f"Bearer {TOKEN}"
    return stranger


def keys(client: TestClient) -> list[str]:
    return client.get("/api/candidates").json()["key"]


def decide(client: TestClient, **fields: object):
    request = {"reviewer": "Ada", "verdict": "accept", "gesture": GESTURE, "keys": keys(client)[:1]} | fields
    return client.post("/api/decisions", content=json.dumps(request), headers={"content-type": "application/json"})


# --- more like a concept ----------------------------------------------------------------------------------------


def test_more_like_a_concept_is_found_by_what_the_review_was_opened_with(folder: Path, client: TestClient) -> None:
    def find_more(concept: str) -> Path:
        if concept != "racket":
            raise ConceptError("none of its clips is accepted")
        return folder / concept

    headers = {"authorization": f"Bearer {TOKEN}"}
    with TestClient(create_app(folder, token=TOKEN, find_more=find_more), base_url=HOME, headers=headers) as page:
        assert page.get("/api/session").json()["finds"]
        assert page.post("/api/more", json={"concept": "racket"}).json() == {"folder": str(folder / "racket")}
        refused = page.post("/api/more", json={"concept": "ball"})
        assert (refused.status_code, refused.json()["detail"]) == (422, "none of its clips is accepted")
        assert page.post("/api/more", json={"concept": "../racket"}).status_code == 422
    assert not client.get("/api/session").json()["finds"]
    assert client.post("/api/more", json={"concept": "racket"}).status_code == 404


# --- the door ---------------------------------------------------------------------------------------------------


def test_the_link_opens_the_page_and_the_token_stays_nowhere(stranger: TestClient) -> None:
    assert stranger.get("/").status_code == 401
    entered = stranger.get(f"/?token={TOKEN}")
    assert (entered.status_code, entered.headers["location"]) == (303, "/")
    cookie = entered.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    page = stranger.get("/")
    assert page.status_code == 200
    assert TOKEN not in page.text
    session = stranger.get("/api/session").json()
    assert (session["folder"], session["reviewer"]) == ("concepts", "Ada")


def test_a_ticket_opens_the_door_once(stranger: TestClient, app: FastAPI) -> None:
    app.state.tickets.add("once")
    assert stranger.get("/?token=once").status_code == 303
    stranger.cookies.clear()
    assert stranger.get("/?token=once").status_code == 401


@pytest.mark.parametrize(
    "address",
    ["/", "/static/app.js", "/api/session", "/api/openapi.json", "/api/decisions", "/api/candidates", "/nowhere"],
)
def test_nothing_is_shown_without_the_token(stranger: TestClient, address: str) -> None:
    for headers in ({}, {"authorization": "Bearer wrong"}, {"cookie": "videotcav-review-8123=wrong"}):
        answer = stranger.get(address, headers=headers)
        assert answer.status_code == 401
        assert "link" in answer.json()["detail"]
    assert stranger.get("/?token=wrong").status_code == 401
    assert stranger.get("/?token=%ff%fe").status_code == 401


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8123", "127.0.0.1.evil.example", "127.0.0.1@evil", "", "0"]
)
def test_a_foreign_name_for_this_machine_is_refused(client: TestClient, host: str) -> None:
    """DNS rebinding: the attacker's name resolves to 127.0.0.1, and the browser sends that name as Host."""
    answer = client.get("/api/session", headers={"host": host})
    assert answer.status_code == 403
    assert "address of this machine" in answer.json()["detail"]


@pytest.mark.parametrize("host", ["127.0.0.1:8123", "localhost", "LOCALHOST:1", "[::1]:99", "[::1]"])
def test_every_name_of_this_machine_is_good(client: TestClient, host: str) -> None:
    assert client.get("/api/session", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},  # another program of this machine
        {"origin": "https://127.0.0.1:8123"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {},  # a browser says at least one of them when it posts
    ],
)
def test_another_page_can_decide_nothing(stranger: TestClient, headers: dict[str, str]) -> None:
    """CSRF: the browser holds the cookie and sends it along."""
    stranger.get(f"/?token={TOKEN}")
    for path in ("/api/decisions", "/api/undo", "/api/decisions/import"):
        answer = stranger.post(path, content=b"", headers=headers)
        assert answer.status_code == 403
        assert "page" in answer.json()["detail"]
    assert stranger.get("/api/decisions").text == ""


def test_another_page_can_read_nothing_but_a_link_may_lead_here(stranger: TestClient) -> None:
    stranger.get(f"/?token={TOKEN}")
    embedded = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
    assert stranger.get("/api/decisions", headers=embedded).status_code == 403
    clicked = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert stranger.get("/", headers=clicked).status_code == 200
    own = {"sec-fetch-site": "same-origin", "origin": HOME}
    undone = stranger.post("/api/undo", json={"reviewer": "Ada", "gesture": GESTURE}, headers=own)
    assert undone.status_code == 200


def test_every_answer_is_locked_down(client: TestClient, stranger: TestClient) -> None:
    for answer in (
        client.get("/"),
        client.get("/api/candidates"),
        client.get("/nowhere"),
        client.get("/", headers={"host": "x"}),
    ):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_the_page_needs_nothing_from_elsewhere_and_no_inline_script(client: TestClient) -> None:
    page = client.get("/").text
    assert "http" not in page.replace("http-equiv", "")
    assert "style=" not in page
    assert page.count("<script") == page.count('<script type="module" src="/static/') == 1
    for name in ("app.js", "style.css", "icon.svg"):
        assert client.get(f"/static/{name}").status_code == 200
    for name in ("../app.py", "..%2Fapp.py", "%2e%2e/app.py", "nothing.js", "app.js/"):
        assert client.get(f"/static/{name}").status_code == 404


def test_large_bodies_are_refused(client: TestClient) -> None:
    large = b" " * (guard.LARGEST_BODY_BYTES + 1)
    for content in (
        large,
        (large[start : start + 65536] for start in range(0, len(large), 65536)),
    ):  # declared; chunked
        answer = client.post("/api/decisions", content=content)
        assert answer.status_code == 413
        assert "in parts" in answer.json()["detail"]
    assert client.post("/api/decisions", headers={"content-length": "-1"}, content=b"").status_code == 413


def test_a_body_that_does_not_arrive_is_not_waited_for(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "SLOWEST_BODY_SECONDS", 0.01)
    sent: list[dict[str, object]] = []
    headers = [(b"host", b"localhost"), (b"authorization", f"Bearer {TOKEN}".encode())]
    scope = {"type": "http", "method": "POST", "path": "/api/undo", "query_string": b"", "scheme": "http"}

    async def never() -> dict[str, object]:
        await asyncio.Event().wait()
        return {}

    async def keep(message: dict[str, object]) -> None:
        sent.append(message)

    asyncio.run(app(scope | {"headers": headers}, never, keep))
    app.state.desk.ledger.close()
    assert sent[0]["status"] == 408
    assert b"took longer" in sent[1]["body"]


# --- candidates -------------------------------------------------------------------------------------------------


def test_candidates_come_as_columns_with_keys_and_no_paths(client: TestClient, folder: Path) -> None:
    answer = client.get("/api/candidates")
    assert str(folder.parent) not in answer.text
    table = answer.json()
    assert table["concepts"] == ["ball", "racket"]
    assert len(table["key"]) == len(set(table["key"])) == 8
    assert [table["kinds"][kind] for kind in table["clips"][0]] == ["spatiotemporal", "frozen", "reversed"]
    assert table["score"][0] == pytest.approx((5 * 0.5 + 0.9) / 6, abs=1e-3)  # interpolated boxes have none
    assert table["frames"][0] == 12


def test_clips_come_whole_and_in_ranges(client: TestClient, folder: Path) -> None:
    address = f"/api/candidates/{keys(client)[0]}/clips/frozen"
    whole = client.get(address)
    assert whole.headers["content-type"] == "video/mp4"
    assert whole.content == (folder / "ball" / "frozen" / "ball-000.mp4").read_bytes()
    part = client.get(address, headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole.content)}"
    last = client.get(address, headers={"range": "bytes=-5"})
    assert (last.status_code, last.content) == (206, whole.content[-5:])
    for bad, status in (("bytes=99999999-", 416), ("bytes=9-1", 400), ("lines=1-2", 400), ("bytes=a-b", 400)):
        assert client.get(address, headers={"range": bad}).status_code == status


@pytest.mark.parametrize(
    "address",
    [
        "/api/candidates/{key}/clips/spatial",  # a kind that this track lacks
        "/api/candidates/0123456789abcdef/clips/frozen",
        "/api/candidates/0123456789abcdef/picture",
        "/api/candidates/..%2F..%2Fetc/clips/frozen",
        "/api/candidates/{key}/clips/..%2Ffrozen",
        "/api/candidates/{key}/clips/frozen%00",
        "/api/candidates/%2e%2e%2f%2e%2e%2f/picture",
    ],
)
def test_only_keys_and_kinds_lead_to_files(client: TestClient, address: str) -> None:
    answer = client.get(address.format(key=keys(client)[0]))
    assert answer.status_code in (404, 422)
    assert answer.json()["detail"]


def test_a_clip_that_leads_out_of_the_folder_or_is_gone_is_not_sent(client: TestClient, folder: Path) -> None:
    first, second, *_ = keys(client)
    clip = folder / "ball" / "frozen" / "ball-000.mp4"
    clip.unlink()
    assert client.get(f"/api/candidates/{first}/clips/frozen").status_code == 404
    clip.symlink_to("/etc/passwd")
    assert client.get(f"/api/candidates/{first}/clips/frozen").status_code == 404
    assert client.get(f"/api/candidates/{second}/clips/frozen").status_code == 200


def test_the_source_frame_is_shown_only_of_the_very_file(client: TestClient, folder: Path) -> None:
    address = f"/api/candidates/{keys(client)[0]}/picture"
    picture = client.get(address)
    assert picture.headers["content-type"] == "image/jpeg"
    assert picture.content[:3] == b"\xff\xd8\xff"
    source = folder.parent / "videos" / "ball match 0.mp4"
    source.write_bytes(source.read_bytes() + b"another file")
    assert (
        client.get(address).json()["detail"]
        == "The source video has changed since the clip was cut: judge by the clip alone."
    )
    source.unlink()
    assert "not at hand" in client.get(address).json()["detail"]


def test_a_folder_without_a_table_works_and_says_what_it_lacks(tmp_path: Path) -> None:
    clip = tmp_path / "a <b>&\n'é🎾" / "spatial" / "x\ny.mp4"
    clip.parent.mkdir(parents=True)
    clip.write_bytes(b"not really a video")
    with TestClient(create_app(tmp_path, token=TOKEN), base_url=HOME) as client:
        client.headers["authorization"] = f"Bearer {TOKEN}"
        table = client.get("/api/candidates").json()
        assert (table["concepts"], table["score"], table["frames"]) == (["a <b>&\n'é🎾"], [None], [None])
        assert client.get(f"/api/candidates/{table['key'][0]}/clips/spatial").content == b"not really a video"
        assert "does not say" in client.get(f"/api/candidates/{table['key'][0]}/picture").json()["detail"]
        assert decide(client).json()["standings"][table["key"][0]]["outcome"] == "accepted"


def test_a_name_that_cannot_be_recorded_is_refused_at_once(folder: Path) -> None:
    with pytest.raises(ConceptError, match="a name has 1 to 60"):
        create_app(folder, reviewer="a/b")


def test_a_folder_that_cannot_be_reviewed_is_named(tmp_path: Path) -> None:
    for bad in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ConceptError, match=str(bad)):
            create_app(bad)
    clip = tmp_path / "racket" / "spatial" / os.fsdecode(b"\xff.mp4")
    clip.parent.mkdir(parents=True)
    clip.touch()
    with pytest.raises(ConceptError, match="rename the clip"):
        create_app(tmp_path)


# --- decisions --------------------------------------------------------------------------------------------------


def test_decisions_reach_the_study(client: TestClient, folder: Path) -> None:
    decide(client, keys=keys(client), gesture="gesture-all")
    rejected = keys(client)[0]
    assert (
        decide(client, verdict="reject", keys=[rejected], gesture="gesture-one").json()["standings"][rejected][
            "outcome"
        ]
        == "rejected"
    )
    found = reviewed_sets(folder)
    assert found.accepted == {"ball": ("ball-001", "ball-002"), "racket": tuple(f"racket-{n:03}" for n in range(5))}
    assert client.get("/api/summary").json()["sentences"] == [
        "'ball' is reviewed by 1 person: 2 accepted, 1 rejected.",
        "'racket' is reviewed by 1 person: 5 accepted.",
    ]
    client.post("/api/undo", json={"reviewer": "Ada", "gesture": "gesture-undo"})
    assert "ball-000" in reviewed_sets(folder).accepted["ball"]


def test_what_others_decide_can_be_followed(client: TestClient) -> None:
    first = client.get("/api/standings").json()
    assert first == {"last": 0, "standings": {}}
    decide(client)
    second = client.get("/api/standings?after=0").json()
    assert next(iter(second["standings"].values()))["opinions"] == {"Ada": {"verdict": "accept", "label": None}}
    assert client.get(f"/api/standings?after={second['last']}").json() == {"last": second["last"], "standings": {}}
    client.post("/api/undo", json={"reviewer": "Ada", "gesture": "gesture-undo"})
    third = client.get(f"/api/standings?after={second['last']}").json()
    assert [standing["outcome"] for standing in third["standings"].values()] == ["undecided"]


@pytest.mark.parametrize(
    ("fields", "status", "sentence"),
    [
        ({"keys": []}, 422, "keys"),
        ({"keys": ["../../etc/passwd"]}, 422, "keys"),
        ({"keys": ["0" * 16]}, 404, "no candidate"),
        ({"keys": ["0" * 16] * 3000}, 422, "keys"),
        ({"verdict": "delete"}, 422, "verdict"),
        ({"verdict": "undo"}, 422, "verdict"),
        ({"verdict": "relabel"}, 422, "needs a label"),
        ({"label": "x"}, 422, "needs a label"),
        ({"verdict": "relabel", "label": "../up"}, 422, "label"),
        ({"verdict": "relabel", "label": "\ud800"}, 422, ""),
        ({"reviewer": " "}, 422, "reviewer"),
        ({"reviewer": "a\u202eb"}, 422, "reviewer"),  # turns the reading direction round
        ({"reviewer": {"$ne": 1}}, 422, "reviewer"),
        ({"gesture": "short"}, 422, "gesture"),
        ({"extra": 1}, 422, "extra"),
    ],
)
def test_bad_requests_get_a_sentence(client: TestClient, fields: dict[str, object], status: int, sentence: str) -> None:
    answer = decide(client, **fields)
    assert answer.status_code == status
    assert sentence in answer.json()["detail"]
    assert client.get("/api/decisions").text == ""


def test_a_gesture_cannot_be_used_for_another_decision(client: TestClient) -> None:
    assert decide(client).status_code == decide(client).status_code == 200
    answer = decide(client, verdict="reject")
    assert answer.status_code == 409
    assert client.get("/api/decisions").text.count("\n") == 1


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b'{"a":' * 5000, b'"' + b"x" * 1000 + b'"'])
def test_bodies_that_are_not_requests(client: TestClient, body: bytes) -> None:
    answer = client.post("/api/decisions", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422)
    assert isinstance(answer.json()["detail"], str)


def test_decisions_move_as_a_file(client: TestClient, template: Path, tmp_path: Path) -> None:
    decide(client)
    exported = client.get("/api/decisions")
    assert exported.headers["content-disposition"] == 'attachment; filename="decisions.jsonl"'
    row = json.loads(exported.text)
    assert (row["reviewer"], row["concept"], row["id"], row["verdict"]) == ("Ada", "ball", "ball-000", "accept")

    def send(text: bytes):
        return client.post("/api/decisions/import", content=text, headers={"content-type": "application/x-ndjson"})

    assert send(exported.content).json() == {"new": 0}
    grace = exported.text.replace("Ada", "Grace").replace(GESTURE, "gesture-999").replace("accept", "reject")
    assert send(grace.encode()).json() == {"new": 1}
    assert next(iter(client.get("/api/standings").json()["standings"].values()))["outcome"] == "conflict"
    for bad, sentence in ((b"\xff", "UTF-8"), (b"nonsense", "line 1"), (grace.encode() + b"{}", "line 2")):
        answer = send(bad)
        assert answer.status_code == 422
        assert sentence in answer.json()["detail"]


def test_a_full_disk_is_said_and_nothing_is_acknowledged(client: TestClient, app: FastAPI) -> None:
    database = app.state.desk.ledger._database
    pages = database.execute("PRAGMA page_count").fetchone()[0]
    database.execute(f"PRAGMA max_page_count = {pages}")
    statuses = set()
    for number in range(400):
        answer = decide(client, reviewer="x" * 60, gesture=f"{number:064}")
        statuses.add(answer.status_code)
        if answer.status_code != 200:
            break
    assert answer.status_code == 503
    assert "disk" in answer.json()["detail"]
    assert len(client.get("/api/decisions").text.splitlines()) == number
