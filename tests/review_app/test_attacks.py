"""Attacks on the review that its other tests leave out: guessing, leaking, stalling, multiplying."""

from __future__ import annotations

import http.client
import signal
import socket
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from validation.campaign.served import Served
from videotcav.review_app.app import create_app

HOME = "http://127.0.0.1:8123"
TOKEN = "token-of-the-tests"  # noqa: S105 - not a secret


@pytest.fixture
def stranger(folder: Path):
    with TestClient(create_app(folder, token=TOKEN, reviewer="Ada"), base_url=HOME, follow_redirects=False) as client:
        yield client


def test_tokens_cannot_be_guessed(folder: Path) -> None:
    """256 random bits each: 43 digits of 6 bits."""
    apps = [create_app(folder) for _ in range(4)]
    tokens = {app.state.token for app in apps}
    for app in apps:
        app.state.desk.ledger.close()
    assert len(tokens) == 4
    assert min(map(len, tokens)) >= 43


@pytest.mark.parametrize("near", ["", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), f" {TOKEN}", "é", "\x00"])
def test_a_near_miss_is_told_no_more_than_a_far_one(stranger: TestClient, near: str) -> None:
    far = stranger.get("/", params={"token": "nothing like it"})
    answer = stranger.get("/", params={"token": near})
    assert (answer.status_code, answer.content) == (far.status_code, far.content)
    assert "set-cookie" not in answer.headers


def test_no_answer_carries_the_token_or_lets_it_be_referred(stranger: TestClient) -> None:
    """But for the cookie that the link sets."""
    for address in (f"/?token={TOKEN}", "/?token=wrong", "/nowhere", f"/nowhere?token={TOKEN}", "/api/session"):
        answer = stranger.get(address)
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert TOKEN not in answer.text
        assert TOKEN not in str({name: value for name, value in answer.headers.items() if name != "set-cookie"})


def test_no_websocket_is_opened(stranger: TestClient) -> None:
    with pytest.raises(WebSocketDisconnect), stranger.websocket_connect("/api/standings"):
        pass


def test_many_ranges_are_no_more_than_the_file(stranger: TestClient) -> None:
    """Each byte asked for a thousand times over is sent once."""
    stranger.headers["authorization"] = f"Bearer {TOKEN}"
    key = stranger.get("/api/candidates").json()["key"][0]
    whole = stranger.get(f"/api/candidates/{key}/clips/frozen").content
    greedy = "bytes=" + ",".join(["0-"] * 1000)
    answer = stranger.get(f"/api/candidates/{key}/clips/frozen", headers={"range": greedy})
    assert len(answer.content) < 2 * len(whole)


def test_slow_clients_keep_nobody_waiting_and_nothing_is_logged(folder: Path) -> None:
    """Forty connections whose requests never end, some that are no requests; the token stands in no line."""
    served = Served(folder)
    stalled = []
    for number in range(40):
        connection = socket.create_connection(("127.0.0.1", served.port), timeout=20)
        connection.sendall(
            (
                b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: ",
                f"GET /?token={served.token} HTTP/1.1\r\nhost:".encode(),
                b"POST /api/decisions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 9999\r\n\r\n{",
                f"\x16\x03\x01 {served.token}\r\n\r\n".encode(),
            )[number % 4]
        )
        stalled.append(connection)
    assert served.request("GET", "/api/session")[0] == 200
    assert served.request("GET", f"/nowhere?token={served.token}")[0] == 404
    for connection in stalled:
        connection.close()
    _, out, err = served.end(signal.SIGINT)
    assert served.token not in out + err


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: "])
def test_a_head_that_never_ends_is_hung_up_on(folder: Path, said: bytes) -> None:
    served = Served(folder, slowest_head_seconds=0.2)
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as connection:
        connection.sendall(said)
        assert connection.recv(1) == b""  # not a timeout
    assert served.request("GET", "/api/session")[0] == 200
    served.end(signal.SIGINT)


def test_the_head_of_a_later_request_on_a_connection_is_due_too(folder: Path) -> None:
    served = Served(folder, slowest_head_seconds=0.2)
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
    for _ in range(2):
        connection.request("GET", "/api/session", headers={"authorization": f"Bearer {served.token}"})
        answer = connection.getresponse()
        assert (answer.status, bool(answer.read())) == (200, True)
    connection.sock.sendall(b"GET /api/sess")
    assert connection.sock.recv(1) == b""
    connection.close()
    served.end(signal.SIGINT)
