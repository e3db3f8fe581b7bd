"""Reviewers at once, a server that is killed under them, and a folder of 50 000 candidates.

Decisions: eight people decide over HTTP; the server is killed (SIGKILL) again and again and started anew; who got no
answer sends the same request again. Then every decision must be there once.
Candidates: a table of 50 000, what `concepts show` and the page's first requests take.
Seen: the same folder in Chromium by keyboard, from the link to the first picture and through the grid to its end.
Smooth: 5 000 candidates by the browser's own clock, in three visits of a reviewer each.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from harness import Book, Cells, need, options, taken
from validation.campaign.served import Served
from validation.targets import Promise, at_most
from videotcav.concepts.folder import ClipRecord, write_records
from videotcav.concepts.propose.show import summarise
from videotcav.concepts.review.ledger import Ledger
from videotcav.records import Kind
from videotcav.video.write import write_video

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
SMOOTH, VISITORS, KEYS = 5_000, ("Ada", "Grace", "Alan"), 20
MILLISECONDS = {"first paint": 1000, "key to the next clip's first frame": 100, "a step of scrolling in the grid": 50}
SCROLL = """async (pixels) => {
    const cards = document.getElementById('cards');
    const spent = [];
    for (let step = 0; step < 30; step += 1) {
        const begin = performance.now();
        cards.scrollTop = step * pixels;
        cards.dispatchEvent(new Event('scroll'));
        cards.getBoundingClientRect();
        spent.push(performance.now() - begin);
        await new Promise(requestAnimationFrame);
    }
    return spent;
}"""


def promises(cells: Cells) -> Iterator[Promise]:
    """No decision is lost or doubled, and 5 000 candidates are smooth.

    Other processes can only make a page slower: the quickest visit is the value.
    """
    if "decisions" in cells:
        found = cells["decisions"]["findings"]
        how = f"{found['reviewers']} reviewers at once, the server killed {found['kills']} times"
        for fate in ("lost", "doubled"):
            yield Promise(
                area="reliability",
                what=f"decisions {fate}, {how}",
                target=at_most(0),
                value=found[fate],
                n=found["decisions"],
                **taken(cells["decisions"]),
            )
    if "smooth" in cells:
        found = cells["smooth"]["findings"]
        for what, most in MILLISECONDS.items():
            visits = [visit[what] for visit in found["visits"]]
            yield Promise(
                area="reliability",
                what=f"review of {found['candidates']:,} candidates, {what}",
                unit="ms",
                target=at_most(most),
                value=min(visits),
                high=max(visits),
                n=len(visits),
                **taken(cells["smooth"]),
            )


def main() -> None:
    """Takes the cells."""
    parser = options(__doc__)
    parser.add_argument("--decisions", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--candidates", type=int, default=50_000)
    arguments = parser.parse_args()
    book = Book(__file__, "the review under load", arguments, promises)
    for title in book.wanted("decisions", "candidates", "seen", "smooth"):
        with tempfile.TemporaryDirectory() as folder:
            if title == "decisions":
                book.note(title, **_decisions(Path(folder), arguments.decisions, arguments.kills))
            elif title == "candidates":
                book.note(title, **_candidates(Path(folder), arguments.candidates))
            elif title == "seen":
                need(CHROMIUM, "Chromium")
                book.note(title, **_seen(Path(folder), arguments.candidates))
            else:
                need(CHROMIUM, "Chromium")
                book.note(title, candidates=SMOOTH, visits=_smooth(Path(folder), SMOOTH))


def table(folder: Path, candidates: int, clip: bytes = b"") -> Path:
    """A concept folder whose table names so many candidates; every clip is a file with the same bytes."""
    records = []
    kinds: tuple[Kind, ...] = ("spatiotemporal", "frozen")
    for kind in kinds:
        (folder / "racket" / kind).mkdir(parents=True)
    for number in range(candidates):
        for kind in kinds:
            name = f"racket/{kind}/{number:06}.mp4"
            (folder / name).write_bytes(clip)
            records.append(
                ClipRecord(
                    file_name=name, id=f"{number:06}", concept="racket", kind=kind, label="racket",
                    source=f"match {number // 20}", source_sha256="0" * 64, source_video=f"../v/{number // 20}.mp4",
                    track=str(number % 20), frames=tuple(range(16)), boxes=((10.0, 10.0, 60.0, 60.0),) * 16,
                    scores=(0.9,) * 16, frames_per_second=25.0, width=64, height=64, detector="yolo",
                    detector_sha256="0" * 64, recipe="",
                )
            )  # fmt: skip
    write_records(folder, records)
    return folder


def _decisions(folder: Path, decisions: int, kills: int, reviewers: int = 8) -> dict[str, object]:
    table(folder, 100)
    each = decisions // reviewers
    state = {"served": Served(folder)}
    keys = json.loads(state["served"].request("GET", "/api/candidates")[1])["key"]
    retried: Counter[str] = Counter()
    done: Counter[str] = Counter()
    refused: list[str] = []
    started = time.perf_counter()

    def review(name: str) -> None:
        for number in range(each):
            body: dict[str, object] = {
                "reviewer": name,
                "verdict": ("accept", "reject")[number % 2],
                "keys": [keys[number % len(keys)]],
            }
            body |= {"gesture": f"gesture-{name.replace(' ', '-')}-{number:06}"}
            again, refusal = _insisted(state, body)
            retried[name] += again
            if refusal:
                refused.append(refusal)
                return
            done[name] += 1

    people = [threading.Thread(target=review, args=(f"reviewer {number}",)) for number in range(reviewers)]
    for person in people:
        person.start()
    for kill in range(kills):
        while done.total() < (kill + 1) * decisions // (kills + 1) and not refused:
            time.sleep(0.01)
        state["served"].end(signal.SIGKILL)
        state["served"] = Served(folder)
    for person in people:
        person.join()
    seconds = time.perf_counter() - started
    state["served"].end(signal.SIGINT)
    if refused:
        raise SystemExit(f"the server refused a decision: {refused[0]}")
    return {
        "reviewers": reviewers,
        "kills": kills,
        "sent_again": retried.total(),
        **_kept(folder, reviewers, each),
        "decisions_per_second": each * reviewers / seconds,
    }


def _insisted(state: dict[str, Served], body: dict[str, object]) -> tuple[int, str]:
    """How often the decision had to be sent again for want of an answer, and why it was refused, if it was."""
    again = 0
    while True:
        try:
            status, answer = state["served"].request("POST", "/api/decisions", body)
        except (OSError, http.client.HTTPException):
            again += 1
            time.sleep(0.05)
            continue
        return again, "" if status == 200 else f"{status} {answer.decode()}"  # noqa: PLR2004 - HTTP's OK


def _kept(folder: Path, reviewers: int, each: int) -> dict[str, int]:
    """How many decisions were made, and how many of them the folder lost or holds twice."""
    with Ledger(folder) as ledger:
        found = Counter(row.gesture for row in ledger.decisions())
    wanted = {f"gesture-reviewer-{person}-{number:06}" for person in range(reviewers) for number in range(each)}
    doubled = sum(count - 1 for count in found.values())
    return {"decisions": len(wanted), "lost": len(wanted - set(found)), "doubled": doubled}


def _candidates(folder: Path, candidates: int) -> dict[str, object]:
    table(folder, candidates)
    taken: dict[str, object] = {"candidates": candidates}

    def timed(name: str, start: float) -> None:
        taken[f"{name}_seconds"] = time.perf_counter() - start

    start = time.perf_counter()
    summarise(folder)
    timed("concepts_show", start)
    start = time.perf_counter()
    served = Served(folder)
    timed("start", start)
    key = ""
    for name, address in (
        ("candidates", "/api/candidates"),
        ("standings", "/api/standings"),
        ("summary", "/api/summary"),
    ):
        start = time.perf_counter()
        answer = served.request("GET", address)[1]
        timed(name, start)
        if name == "candidates":
            key = json.loads(answer)["key"][0]
            taken["candidates_bytes"] = len(answer)
    for number, name in enumerate(("first_decision", "second_decision")):
        start = time.perf_counter()
        body = {"reviewer": "Ada", "verdict": "accept", "keys": [key], "gesture": f"gesture-{number}"}
        assert served.request("POST", "/api/decisions", body)[0] == 200  # noqa: PLR2004, S101 - HTTP's OK
        timed(name, start)
    served.end(signal.SIGINT)
    return taken


def _playing(folder: Path, candidates: int) -> Served:
    """The review of a table whose clips can be played."""
    made = folder / "one.mp4"
    noise = np.random.default_rng(0).integers(0, 255, (16, 8, 8, 3), dtype=np.uint8)
    write_video(made, noise.repeat(8, axis=1).repeat(8, axis=2), frames_per_second=25)
    return Served(table(folder / "concepts", candidates, made.read_bytes()))


def _smooth(folder: Path, candidates: int) -> list[dict[str, float]]:
    """Milliseconds of each visit by the browser's own clock: medians over keys and over steps of scrolling."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - the other cells need no browser

    served = _playing(folder, candidates)
    visits = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for name in VISITORS:
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{served.port}/?token={served.token}")
            page.wait_for_selector("#name-dialog[open]")
            page.keyboard.type(name)
            page.keyboard.press("Enter")
            page.wait_for_selector("body.ready #clip:not(.waiting)")
            for number in range(KEYS):
                page.keyboard.press("ar"[number % 2])
                while page.evaluate("performance.getEntriesByName('key to clip').length") <= number:
                    time.sleep(0.005)
            page.keyboard.press("g")
            page.wait_for_selector(".card")
            waits = page.evaluate("performance.getEntriesByName('key to clip').map((entry) => entry.duration)")
            paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
            times = (paint, statistics.median(waits), statistics.median(page.evaluate(SCROLL, 1_500)))
            visits.append(dict(zip(MILLISECONDS, times, strict=True)))
            page.context.close()
    served.end(signal.SIGINT)
    return visits


def _seen(folder: Path, candidates: int) -> dict[str, object]:
    """Seconds by the clock of whoever waits, and milliseconds by the browser's for a step of scrolling."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - the other cells need no browser

    served = _playing(folder, candidates)
    found: dict[str, object] = {"candidates": candidates}
    with sync_playwright() as play:
        page = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS).new_page()
        start = time.perf_counter()
        page.goto(f"http://127.0.0.1:{served.port}/?token={served.token}")
        page.wait_for_selector("#name-dialog[open]")
        found["first_paint_seconds"] = time.perf_counter() - start
        page.keyboard.type("Ada")
        page.keyboard.press("Enter")
        page.wait_for_selector("body.ready #clip:not(.waiting)")
        found["first_picture_seconds"] = time.perf_counter() - start
        start = time.perf_counter()
        page.keyboard.press("g")
        page.wait_for_selector(".card")
        found["grid_seconds"] = time.perf_counter() - start
        start = time.perf_counter()
        page.keyboard.press("End")
        page.wait_for_selector(f"#card-{candidates - 1}")
        found["last_card_seconds"] = time.perf_counter() - start
        found["cards_at_once"] = page.locator(".card").count()
        found["scroll_milliseconds"] = statistics.median(page.evaluate(SCROLL, 15_000))
    served.end(signal.SIGINT)
    return found


if __name__ == "__main__":
    main()
