"""The review as a person uses it: in the machine's Chromium, by keyboard, at two widths."""

from __future__ import annotations

import os
import socket
import statistics
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvicorn

from videotcav.concepts.folder import read_records, write_records
from videotcav.concepts.review.decisions import Candidate, standings
from videotcav.concepts.review.ledger import Ledger
from videotcav.concepts.review.review import recorded, reviewed_sets
from videotcav.review_app.app import create_app

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
WIDTHS = {"laptop": {"width": 1360, "height": 820}, "phone": {"width": 390, "height": 844}}
TOKEN = "token-of-the-tests"  # noqa: S105 - not a secret

pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists(), reason=f"there is no browser at {CHROMIUM}: apt install chromium"
)


class Site:
    """A review on a port of this machine, in a thread; it can go away and come back."""

    def __init__(
        self, folder: Path, videos: Path | None = None, find_more: Callable[[str], Path] | None = None
    ) -> None:
        self.find_more = find_more
        self.folder = folder
        self.videos = videos
        self.port = 0
        self.start()

    def start(self) -> None:
        app = create_app(self.folder, token=TOKEN, videos=self.videos, find_more=self.find_more)
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen()
        self.port = listener.getsockname()[1]
        self._server = uvicorn.Server(
            uvicorn.Config(app, log_level="error", access_log=False, ws="none", timeout_graceful_shutdown=1)
        )
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]})
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()

    @property
    def link(self) -> str:
        return f"http://127.0.0.1:{self.port}/?token={TOKEN}"


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with playwright.sync_playwright() as play:
        opened = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def site(folder: Path) -> Iterator[Site]:
    running = Site(folder)
    yield running
    running.stop()


@pytest.fixture
def visit(browser) -> Iterator[Callable]:
    """Opens a page on a site under a name. Complaints of the browser fail the test."""
    complaints: list[str] = []
    contexts = []

    def opened(
        site: Site,
        name: str | None = "Ada",
        *,
        width: str = "laptop",
        path: str = "",
        ready: str = "body.ready #clip:not(.waiting)",
        **options: object,
    ):
        context = browser.new_context(viewport=WIDTHS[width], **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda message: (
                complaints.append(message.text)
                if message.type == "error" and "Failed to load resource" not in message.text
                else None
            ),
        )
        page.goto(site.link.replace("/?", f"/{path}?"))
        page.wait_for_selector("#name-dialog[open]")
        if name is not None:
            page.keyboard.type(name)
            page.keyboard.press("Enter")
            page.wait_for_selector(ready)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def press(page, *keys: str) -> None:
    """Presses keys one after another; what decides waits for the clip, as a person does and the page insists."""
    for key in keys:
        if key in "arul":
            until(page, "document.getElementById('one').hidden || document.getElementById('clip').className === ''")
        page.keyboard.press(key)


def until(page, expression: str) -> None:
    """Waits for an expression to hold. (Playwright's own way needs eval, which the page's policy forbids.)"""
    for _ in range(750):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(20)
    pytest.fail(f"never came true: {expression}")


def saved(page) -> None:
    until(page, "document.getElementById('saved').textContent === 'saved'")


def text(page, selector: str) -> str:
    return page.inner_text(selector).strip()


def clip_on_show(page) -> str:
    return page.get_attribute("#clip", "src")


def look_at_the_other_clips(page) -> None:
    moving = clip_on_show(page)
    press(page, "2")
    assert clip_on_show(page) == moving.replace("spatiotemporal", "frozen")
    press(page, "t")
    assert clip_on_show(page) == moving.replace("spatiotemporal", "reversed")
    press(page, "1")
    assert clip_on_show(page) == moving
    press(page, ",", ",", "Space")
    assert text(page, "#speed") == "0.25×"
    assert page.evaluate("document.getElementById('clip').paused")
    press(page, ".", ".", "Space")


def check_what_was_recorded(folder: Path) -> None:
    verdicts = [(row.id, row.verdict, row.label) for row in recorded(folder)]
    assert verdicts == [
        ("ball-000", "accept", None),
        ("ball-001", "reject", None),
        ("ball-002", "unsure", None),
        ("ball-002", "undo", None),
        ("ball-002", "relabel", "racket"),
        ("racket-000", "relabel", "string bed"),
        ("racket-001", "accept", None),
        ("racket-002", "accept", None),
        ("racket-003", "reject", None),
        ("racket-004", "accept", None),
        ("racket-004", "undo", None),
        ("racket-004", "accept", None),
    ]
    assert reviewed_sets(folder).accepted == {
        "ball": ("ball-000",),
        "racket": ("ball-002", "racket-001", "racket-002", "racket-004"),
        "string bed": ("racket-000",),
    }


@pytest.mark.parametrize("width", WIDTHS)
def test_a_whole_review_by_keyboard_alone(site: Site, visit: Callable, width: str) -> None:
    page = visit(site, width=width)
    assert page.url == f"http://127.0.0.1:{site.port}/"  # the token is gone from the address
    assert text(page, "#question") == "Is this ball?"
    assert text(page, "#position") == "1 of 8"
    until(page, "document.getElementById('clip').currentTime > 0")  # it plays
    until(page, "document.getElementById('picture').naturalWidth > 0")

    look_at_the_other_clips(page)
    press(page, "a")
    assert text(page, "#position") == "2 of 8"
    press(page, "r", "u")
    press(page, "ArrowLeft")
    assert "unsure" in text(page, "#verdict")
    press(page, "ArrowRight")
    press(page, "z")  # takes the unsure back and shows that clip again
    until(page, "document.getElementById('position').textContent.startsWith('3 ')")
    assert "Not judged" in text(page, "#verdict")
    press(page, "l")
    page.wait_for_selector("#relabel-dialog[open]")
    press(page, "1")  # the other concept of this folder
    press(page, "l")
    page.wait_for_selector("#relabel-dialog[open]")
    press(page, "Tab")
    page.keyboard.type("string bed")
    press(page, "Enter")
    press(page, "a", "a", "r", "a")
    page.wait_for_selector("#done:not([hidden])")
    assert text(page, "#done-title") == "Everything is judged."
    press(page, "z")
    page.wait_for_selector("#one:not([hidden])")
    press(page, "a")
    page.wait_for_selector("#done:not([hidden])")
    saved(page)
    until(page, "document.getElementById('meter-text').textContent === '8 of 8 judged'")

    check_what_was_recorded(site.folder)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")  # nothing to scroll sideways

    press(page, "p")
    page.wait_for_selector("#summary table")
    assert "string bed" in text(page, "#summary")
    press(page, "Tab", "Tab")
    with page.expect_download() as download:
        press(page, "Enter")
    assert len(Path(download.value.path()).read_text().splitlines()) == 12


def test_the_summary_finds_more_like_a_concept_and_says_where(folder: Path, visit: Callable) -> None:
    running = Site(folder, find_more=lambda concept: folder.with_name(f"like-{concept}"))
    try:
        page = visit(running)
        press(page, "p")
        page.wait_for_selector("#summary table")
        page.click("#summary tbody tr:last-child button")
        until(page, "document.getElementById('more-result').textContent.includes('like-racket')")
    finally:
        running.stop()


@pytest.mark.parametrize("width", WIDTHS)
def test_many_at_once_in_the_grid_and_one_undo(site: Site, visit: Callable, width: str) -> None:
    page = visit(site, width=width)
    press(page, "g")
    page.wait_for_selector(".card.focused")
    press(page, "x", "ArrowRight", "Shift+ArrowRight", "ArrowRight", "x")
    assert "4 selected" in text(page, "#chosen")
    press(page, "a")
    saved(page)
    assert page.locator(".card .badge.accept").count() == 4
    assert len(recorded(site.folder)) == 4
    press(page, "r")  # none is selected: the one in focus, which comes after
    saved(page)
    until(page, "document.getElementById('meter-text').textContent === '5 of 8 judged'")
    press(page, "z", "z")
    until(page, "document.getElementById('meter-text').textContent === '0 of 8 judged'")
    press(page, "Control+a", "u")
    saved(page)
    held = standings(recorded(site.folder))
    assert [standing.outcome for standing in held.values()] == ["unsure"] * 8
    press(page, "Home", "ArrowRight", "Enter")
    page.wait_for_selector("#one:not([hidden])")
    assert text(page, "#position") == "2 of 8"


def test_two_people_disagree_and_a_third_settles(site: Site, visit: Callable) -> None:
    with Ledger(site.folder) as ledger:
        for number, candidate in enumerate([Candidate("ball", "ball-000"), Candidate("ball", "ball-001")]):
            ledger.decide([candidate], reviewer="Grace", verdict="accept", gesture=f"gesture-grace-{number}")
            ledger.decide(
                [candidate], reviewer="Alan", verdict=("accept", "reject")[number], gesture=f"gesture-alan-{number}"
            )
    page = visit(site)
    assert "Grace" not in text(page, "#verdict")  # nobody leans on anybody
    press(page, "a")
    press(page, "ArrowLeft")
    until(page, "document.getElementById('verdict').textContent.includes('Grace')")
    press(page, "c")
    until(page, "document.getElementById('question').textContent === 'Settle: is this ball?'")
    assert text(page, "#position") == "1 of 1"
    assert "Alan: rejected" in text(page, "#verdict")
    press(page, "r")
    saved(page)
    settled = standings(recorded(site.folder))[Candidate("ball", "ball-001")]
    assert (settled.outcome, settled.settled_by, set(settled.opinions)) == ("rejected", "Ada", {"Grace", "Alan"})
    press(page, "p")
    page.wait_for_selector("#summary .agreement")
    assert "Fleiss' κ" in text(page, "#summary .agreement")


def test_a_key_held_down_decides_once(site: Site, visit: Callable) -> None:
    page = visit(site)
    for _ in range(5):
        page.keyboard.down("a")
    page.keyboard.up("a")
    saved(page)
    assert len(recorded(site.folder)) == 1


def test_nothing_is_decided_before_its_clip_is_seen(site: Site, visit: Callable) -> None:
    """Under a new question the old clip never stands, and keys pressed meanwhile decide nothing."""
    page = visit(site)
    held: list = []

    def hold(route) -> None:
        held.append(route)

    page.route("**/clips/reversed", hold)
    press(page, "3")
    until(page, "document.getElementById('clip').getAttribute('src').endsWith('reversed')")
    page.keyboard.press("a")
    assert page.locator("#stage video:not(.waiting)").count() == 0
    assert text(page, "#saved") == "wait for the clip"
    assert recorded(site.folder) == []
    page.unroute("**/clips/reversed", hold)  # lets go of those that it held
    press(page, "a")
    saved(page)
    assert len(recorded(site.folder)) == 1


def test_decisions_wait_while_the_server_is_away(site: Site, visit: Callable) -> None:
    page = visit(site)
    press(page, "a")
    saved(page)
    site.stop()
    press(page, "r", "r")
    page.wait_for_selector("#trouble:not([hidden])")
    assert "wait here" in text(page, "#trouble")
    assert text(page, "#saved") == "saving 2 …"
    site.start()
    saved(page)
    page.wait_for_selector("#trouble", state="hidden")
    assert [row.verdict for row in recorded(site.folder)] == ["accept", "reject", "reject"]


def test_names_are_text_wherever_they_come_from(tmp_path: Path, template: Path, visit: Callable) -> None:
    evil = "<img src=x onerror=alert(1)>"
    folder = tmp_path / "<script>alert(1)<" / "concepts & <b>"
    folder.mkdir(parents=True)
    clip = folder / evil / "spatial" / "\"'><svg onload=alert(2)>.mp4"
    clip.parent.mkdir(parents=True)
    clip.write_bytes((template / "ball" / "frozen" / "ball-000.mp4").read_bytes())
    with Ledger(folder) as ledger:
        gesture = "gesture-evil"
        ledger.decide([Candidate(evil, clip.stem)], reviewer="<i onclick=x>G<", verdict="accept", gesture=gesture)
    site = Site(folder)
    try:
        page = visit(site, "__proto__")
        dialogs = []
        page.on("dialog", lambda dialog: dialogs.append(dialog.message))
        assert text(page, "#question") == f"Is this {evil}?"
        assert "Not judged" in text(page, "#verdict")  # __proto__ is a name like any other
        until(page, "document.getElementById('caption').textContent.includes('does not say')")
        press(page, "a", "z")
        page.wait_for_selector("#one:not([hidden])")
        press(page, "r")
        saved(page)
        press(page, "c")
        page.wait_for_selector("#one:not([hidden])")
        assert "<i onclick=x>G<: accepted" in text(page, "#verdict")
        press(page, "p")
        page.wait_for_selector("#summary table")
        assert page.locator("img:not(#picture), script:not([src]), svg, i[onclick]").count() == 0
        assert dialogs == []
    finally:
        site.stop()


@pytest.mark.parametrize(("width", "scheme"), [("laptop", "light"), ("phone", "dark")])
def test_axe_finds_nothing_to_complain_about(site: Site, visit: Callable, width: str, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page = visit(site, None, width=width, color_scheme=scheme)
    tags = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}

    def complaints() -> list[str]:
        found = axe.Axe().run(page, options=tags).response["violations"]
        return [f"{one['id']}: {node['html'][:120]}" for one in found for node in one["nodes"]]

    assert complaints() == []  # who is reviewing
    page.keyboard.type("Ada")
    press(page, "Enter")
    page.wait_for_selector("body.ready #clip:not(.waiting)")
    press(page, "a", "r", "u", "ArrowLeft")
    saved(page)
    assert complaints() == []
    for key, selector in (("p", "#summary table"), ("?", "#help-dialog[open]"), ("l", "#relabel-dialog[open]")):
        press(page, key)
        page.wait_for_selector(selector)
        assert complaints() == []
        press(page, "Escape")
    press(page, "g", "x")
    page.wait_for_selector(".card[aria-selected=true]")
    assert complaints() == []


def many(folder: Path, template: Path, count: int) -> Path:
    """A folder of many candidates; their clips are links to one."""
    folder.mkdir()
    (line,) = (record for record in read_records(template) if record.file_name == "ball/frozen/ball-000.mp4")
    clip = template / line.file_name
    records = []
    for number in range(count):
        concept = ("ball", "racket", "person")[number % 3]
        name = f"{concept}/spatiotemporal/{number:05}.mp4"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).hardlink_to(clip)
        changes = {"file_name": name, "id": f"{number:05}", "concept": concept, "kind": "spatiotemporal",
                   "source": f"match {number // 10:04}", "source_video": ""}  # fmt: skip
        records.append(line.model_copy(update=changes))
    write_records(folder, records)
    return folder


SCROLL = """async () => {
    const cards = document.getElementById('cards');
    const spent = [];
    for (let step = 0; step < 30; step += 1) {
        const begin = performance.now();
        cards.scrollTop = step * 1500;
        cards.dispatchEvent(new Event('scroll'));
        cards.getBoundingClientRect();
        spent.push(performance.now() - begin);
        await new Promise(requestAnimationFrame);
    }
    return spent;
}"""


def measured(page) -> dict[str, float]:
    """Milliseconds by the browser's own clock, of a page just opened: medians over keys and over steps of scrolling."""
    for number in range(20):
        press(page, "ar"[number % 2])
        until(page, f"performance.getEntriesByName('key to clip').length > {number}")
    saved(page)
    press(page, "g")
    page.wait_for_selector(".card")
    press(page, "End")
    page.wait_for_selector("#card-4999")
    assert page.locator(".card").count() < 100
    waits = page.evaluate("performance.getEntriesByName('key to clip').map((entry) => entry.duration)")
    return {
        "first paint": page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"),
        "key to clip": statistics.median(waits),
        "scroll": statistics.median(page.evaluate(SCROLL)),
    }


def test_five_thousand_candidates_are_smooth(template: Path, tmp_path: Path, visit: Callable) -> None:
    """First paint under 1 s, from a key to the next clip's first frame under 100 ms, a step of scrolling under 50 ms.

    Other processes on the machine can only make the page slower: the best of three visits counts, and where more
    processes want to run than there are cores, each gets its share of the time only.
    """
    share = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    most = {"first paint": 1000 * share, "key to clip": 100 * share, "scroll": 50 * share}
    best = dict.fromkeys(most, float("inf"))
    site = Site(many(tmp_path / "concepts", template, 5000))
    try:
        for name in ("Ada", "Grace", "Alan"):
            page = visit(site, name)
            assert text(page, "#position") == "1 of 5,000"
            now = measured(page)
            best = {what: min(best[what], now[what]) for what in most}
            if all(best[what] < most[what] for what in most):
                break
    finally:
        site.stop()
    assert {what: best[what] for what in most if best[what] >= most[what]} == {}
