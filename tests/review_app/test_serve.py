"""The review as a command runs it: real processes, real sockets, a real kill -9, a real Ctrl-C."""

from __future__ import annotations

import http.client
import json
import signal
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from validation.campaign.served import Served
from videotcav.concepts.review.review import recorded
from videotcav.errors import MissingExtra, VideotcavError
from videotcav.review_app import launch


def test_ctrl_c_ends_it_cleanly(folder: Path) -> None:
    served = Served(folder)
    status, page = served.request("GET", "/")
    assert status == 200
    assert b"<title>" in page
    assert served.request("GET", f"/?token={served.token}")[0] == 303
    code, out, err = served.end(signal.SIGINT)
    assert (code, err) == (0, "")  # no log, so no token in a log
    assert out.endswith("The review has ended.\n")
    assert not list(folder.glob("review.sqlite-*"))  # the side files are folded in


def test_killed_with_9_among_a_thousand_decisions_by_three_people(folder: Path) -> None:
    """Who gets no answer sends the same request again to the next server: nothing is lost, nothing doubled."""
    each = 334
    lost: list[str] = []
    acknowledged: Counter[str] = Counter()
    served = Served(folder)
    keys = json.loads(served.request("GET", "/api/candidates")[1])["key"]
    halfway = threading.Barrier(4)
    restarted = threading.Barrier(4)

    def review(name: str) -> None:
        for number in range(each):
            if number == each // 2:
                halfway.wait(timeout=60)  # the kill comes while the next requests are on their way
            body = {
                "reviewer": name,
                "verdict": ("accept", "reject")[number % 2],
                "keys": [keys[number % len(keys)]],
                "gesture": f"gesture-{name}-{number}",
            }
            while True:
                try:
                    status, _ = served.request("POST", "/api/decisions", body)
                    assert status == 200
                    acknowledged[name] += 1
                    break
                except (OSError, http.client.HTTPException):
                    lost.append(name)
                    restarted.wait(timeout=60)

    names = ["Ada", "Grace", "Alan"]
    threads = [threading.Thread(target=review, args=(name,), daemon=True) for name in names]
    for thread in threads:
        thread.start()
    halfway.wait(timeout=60)
    served.end(signal.SIGKILL)
    before = len(recorded(folder))
    assert before >= sum(acknowledged.values())  # what was acknowledged is there
    served = Served(folder)
    restarted.wait(timeout=60)
    for thread in threads:
        thread.join(timeout=60)
    served.end(signal.SIGINT)
    assert sorted(lost) == sorted(names)
    rows = recorded(folder)
    assert Counter(row.reviewer for row in rows) == dict.fromkeys(names, each)
    for name in names:
        own = [row.gesture for row in rows if row.reviewer == name]
        assert own == [f"gesture-{name}-{number}" for number in range(each)]


def test_without_the_extra_it_says_which_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(MissingExtra, match=r'pip install "videotcav\[review\]"'):
        launch(folder)


def test_a_port_that_is_taken_is_named(folder: Path) -> None:
    served = Served(folder)
    try:
        with pytest.raises(VideotcavError, match=f"port {served.port} cannot be used"):
            launch(folder, port=served.port, open_browser=False)
    finally:
        served.end(signal.SIGINT)
    with pytest.raises(VideotcavError, match="port 99999 cannot be used"):
        launch(folder, port=99999, open_browser=False)


def test_only_the_users_own_machine_can_connect(folder: Path) -> None:
    served = Served(folder)
    try:
        listening = [
            line.split()[1]
            for line in Path(f"/proc/{served.process.pid}/net/tcp").read_text().splitlines()[1:]
            if line.split()[1].endswith(f":{served.port:04X}") and line.split()[3] == "0A"
        ]
    finally:
        served.end(signal.SIGTERM)
    assert listening == [f"0100007F:{served.port:04X}"]  # 127.0.0.1


def test_the_browser_gets_a_link_that_works_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser's command line can be read by every user of the machine."""
    opened: list[str] = []
    said: list[str] = []
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("webbrowser.open", opened.append)

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("uvicorn.Server.run", interrupted)
    launch(folder, reviewer="Ada", announce=said.append)
    token = said[1].partition("token=")[2]
    assert len(opened) == 1
    assert token
    assert token not in opened[0]
    assert said[-1] == "The review has ended."
