"""Decisions about concept clips: nothing lost, nothing doubled, nothing changed; what they amount to; κ."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from videotcav.concepts.folder import ClipRecord, accept, write_records
from videotcav.concepts.review import ledger as ledger_module
from videotcav.concepts.review.agreement import agreement, cohen_kappa, fleiss_kappa
from videotcav.concepts.review.decisions import Candidate, Decision, from_lines, standings, to_lines
from videotcav.concepts.review.ledger import DATABASE, Ledger
from videotcav.concepts.review.review import export_decisions, import_decisions, recorded, reviewed_sets
from videotcav.errors import ConceptError

RACKET = [Candidate("racket", f"r{number}") for number in range(4)]
ADA, GRACE, ALAN = "Ada", "Grace", "Alan"


def plain_folder(folder: Path, **concepts: int) -> Path:
    """A concept folder without a table: empty files stand for the clips."""
    for concept, clips in concepts.items():
        for kind in ("spatiotemporal", "frozen"):
            for number in range(clips):
                clip = folder / concept / kind / f"{concept[0]}{number}.mp4"
                clip.parent.mkdir(parents=True, exist_ok=True)
                clip.touch()
    return folder


def with_table(folder: Path) -> Path:
    clips = sorted(folder.glob("*/*/*.mp4"))
    write_records(
        folder,
        [
            ClipRecord(
                file_name=str(clip.relative_to(folder)),
                id=clip.stem,
                concept=clip.parent.parent.name,
                kind=clip.parent.name,  # type: ignore[arg-type] # pydantic checks it
                label=clip.parent.parent.name,
                source=clip.stem,
                source_sha256="",
                source_video="",
                track="1",
                frames=(0,),
                boxes=((0, 0, 1, 1),),
                scores=(1.0,),
                frames_per_second=25.0,
                width=8,
                height=8,
                detector="",
                detector_sha256="",
                recipe="",
            )
            for clip in clips
        ],
    )
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return plain_folder(tmp_path / "concepts", racket=4, ball=2)


@pytest.fixture
def ledger(folder: Path):
    with Ledger(folder) as opened:
        yield opened


def outcomes(ledger: Ledger) -> dict[str, str]:
    return {candidate.id: standing.outcome for candidate, standing in standings(ledger.decisions()).items()}


# --- what is recorded -------------------------------------------------------------------------------------------


def test_an_undo_is_a_row_and_brings_back_what_was_before(ledger: Ledger) -> None:
    ledger.decide(RACKET[:1], reviewer=ADA, verdict="accept", gesture="gesture-1")
    ledger.decide(RACKET[:1], reviewer=ADA, verdict="reject", gesture="gesture-2")
    assert outcomes(ledger) == {"r0": "rejected"}
    ledger.undo(reviewer=ADA, gesture="gesture-3")
    assert outcomes(ledger) == {"r0": "accepted"}
    ledger.undo(reviewer=ADA, gesture="gesture-4")
    assert outcomes(ledger) == {"r0": "undecided"}
    assert ledger.undo(reviewer=ADA, gesture="gesture-5") == ()
    assert [row.verdict for row in ledger.decisions()] == ["accept", "reject", "undo", "undo"]


def test_one_undo_takes_back_a_whole_selection_and_only_ones_own(ledger: Ledger) -> None:
    ledger.decide(RACKET, reviewer=ADA, verdict="accept", gesture="gesture-1")
    ledger.decide(RACKET[:1], reviewer=GRACE, verdict="accept", gesture="gesture-2")
    assert len(ledger.undo(reviewer=ADA, gesture="gesture-3")) == len(RACKET)
    assert outcomes(ledger) == {"r0": "accepted", "r1": "undecided", "r2": "undecided", "r3": "undecided"}


def test_a_request_sent_twice_is_recorded_once(ledger: Ledger) -> None:
    for _ in range(2):
        first = ledger.decide(RACKET[:2], reviewer=ADA, verdict="accept", gesture="gesture-1")
        assert [row.id for row in first] == ["r0", "r1"]
    for _ in range(2):
        assert len(ledger.undo(reviewer=ADA, gesture="gesture-2")) == 2
    assert len(ledger.decisions()) == 4
    with pytest.raises(ConceptError, match="another decision"):
        ledger.decide(RACKET[:1], reviewer=ADA, verdict="reject", gesture="gesture-1")


def test_rows_can_neither_be_changed_nor_deleted(ledger: Ledger) -> None:
    ledger.decide(RACKET[:1], reviewer=ADA, verdict="accept", gesture="gesture-1")
    database = sqlite3.connect(ledger.path)
    for attempt in ("UPDATE decisions SET verdict = 'reject'", "DELETE FROM decisions"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            database.execute(attempt)
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()
    assert ledger._database.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


def test_a_clock_that_goes_backwards_does_not_reorder_decisions(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Yesterday(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override] # as much as is needed
            return datetime.now(UTC) - timedelta(days=1)

    ledger.decide(RACKET[:1], reviewer=ADA, verdict="accept", gesture="gesture-1")
    monkeypatch.setattr(ledger_module, "datetime", Yesterday)
    ledger.decide(RACKET[:1], reviewer=ADA, verdict="reject", gesture="gesture-2")
    assert outcomes(ledger) == {"r0": "rejected"}


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"reviewer": ""}, "reviewer: a name has 1 to 60"),
        ({"reviewer": "x" * 61}, "reviewer: a name has 1 to 60"),
        ({"reviewer": "a\x00b"}, "reviewer: a name has 1 to 60"),
        ({"verdict": "relabel"}, "needs a label"),
        ({"verdict": "relabel", "label": "../up"}, "label: a name has"),
        ({"gesture": "'; DROP"}, "gesture"),
    ],
)
def test_a_bad_decision_is_refused_in_a_sentence(ledger: Ledger, fields: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConceptError, match=sentence):
        ledger.decide(RACKET[:1], **{"reviewer": ADA, "verdict": "accept", "gesture": "gesture-1"} | fields)  # type: ignore[arg-type] # the point
    assert ledger.decisions() == []


def test_bad_databases_are_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConceptError, match="is not a folder"):
        Ledger(tmp_path / "nowhere")
    (folder / DATABASE).write_text("not a database, but long enough to be taken for one" * 100)
    with pytest.raises(ConceptError, match=r"review\.sqlite cannot be used"):
        Ledger(folder)
    (folder / DATABASE).unlink()
    with sqlite3.connect(folder / DATABASE) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(ConceptError, match="newer videotcav"):
        Ledger(folder)


def test_rows_of_another_program_are_told_in_a_sentence(folder: Path) -> None:
    with sqlite3.connect(folder / DATABASE) as database:
        database.execute("CREATE TABLE decisions (clip TEXT, keep INTEGER)")
    database.close()
    before = (folder / DATABASE).read_bytes()
    with pytest.raises(ConceptError, match=r"review\.sqlite holds no review, although it is there"):
        recorded(folder)
    assert (folder / DATABASE).read_bytes() == before
    (folder / DATABASE).unlink()
    Ledger(folder).close()
    with sqlite3.connect(folder / DATABASE) as database:
        database.execute(
            "INSERT INTO decisions (at, reviewer, concept, id, verdict, settles, gesture) "
            "VALUES ('yesterday', 'Ada', 'racket', 'r0', 'accept', 0, 'gesture-1')"
        )
    database.close()
    with pytest.raises(ConceptError, match="holds a row that this version cannot read"):
        recorded(folder)


def test_a_disk_without_hard_links_will_do(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", no_links)
    Ledger(folder).close()
    assert recorded(folder) == []
    assert [path.name for path in folder.glob("*review.sqlite*")] == [DATABASE]


def test_an_emptied_database_is_no_review_without_decisions(folder: Path) -> None:
    (folder / DATABASE).touch()
    for read in (recorded, reviewed_sets, Ledger):
        with pytest.raises(ConceptError, match=r"review\.sqlite is empty.*put back a copy"):
            read(folder)
    assert (folder / DATABASE).stat().st_size == 0


WRITER = """
import sys
from videotcav.concepts.review.decisions import Candidate
from videotcav.concepts.review.ledger import Ledger
folder, reviewer = sys.argv[1:]
with Ledger(folder) as ledger:
    for number in range(1000):
        ledger.decide([Candidate("racket", f"r{number}")], reviewer=reviewer, verdict="accept",
                      gesture=f"gesture-{reviewer}-{number}")
        print(number, flush=True)
"""


def test_killed_with_9_in_the_middle_nothing_acknowledged_is_lost(folder: Path) -> None:
    writers = {
        name: subprocess.Popen([sys.executable, "-c", WRITER, folder, name], stdout=subprocess.PIPE, text=True)
        for name in (ADA, GRACE)
    }
    acknowledged: dict[str, list[int]] = {}

    def read_some(name: str, writer: subprocess.Popen[str], lines: int) -> None:
        assert writer.stdout is not None
        acknowledged[name] = [int(writer.stdout.readline()) for _ in range(lines)]
        writer.send_signal(signal.SIGKILL)
        acknowledged[name] += [int(line) for line in writer.stdout if line.strip()]
        writer.stdout.close()
        writer.wait()

    readers = [
        threading.Thread(target=read_some, args=(name, writer, lines))
        for (name, writer), lines in zip(writers.items(), (40, 65), strict=True)
    ]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    with Ledger(folder) as ledger:
        rows = ledger.decisions()
        assert ledger._database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    for name, numbers in acknowledged.items():
        kept = [row.id for row in rows if row.reviewer == name]
        assert len(numbers) >= 40
        assert kept[: len(numbers)] == [f"r{number}" for number in numbers]
        assert len(kept) <= len(numbers) + 1  # one may be on the disk, its acknowledgement not yet sent
        assert len(set(kept)) == len(kept)


def test_eight_reviewers_at_once_lose_and_double_nothing(folder: Path) -> None:
    names = [f"reviewer {number}" for number in range(8)]

    def work(name: str) -> None:
        with Ledger(folder) as ledger:
            for number in range(20):
                for _ in range(2):  # every request is repeated, as after a lost answer
                    ledger.decide(RACKET, reviewer=name, verdict="accept", gesture=f"gesture-{name[-1]}-{number}")

    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = Counter(row.reviewer for row in recorded(folder))
    assert counts == dict.fromkeys(names, 20 * len(RACKET))


def test_opening_takes_no_lock_and_reading_waits_for_no_writer(folder: Path) -> None:
    """Of several that choose the journal's form at once, SQLite refuses all but one without waiting."""
    with Ledger(folder) as ledger:
        ledger.decide(RACKET, reviewer=ADA, verdict="accept", gesture="gesture-1")
    with closing(sqlite3.connect(folder / DATABASE, isolation_level=None)) as other:
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        other.execute("BEGIN EXCLUSIVE")
        assert len(recorded(folder)) == len(RACKET)
        other.execute("ROLLBACK")
        other.execute("PRAGMA journal_mode = DELETE")  # a copy that another program wrote
        other.execute("BEGIN IMMEDIATE")
        assert len(recorded(folder)) == len(RACKET)


# --- what it amounts to -----------------------------------------------------------------------------------------


def test_opinions_amount_to_what_the_documentation_says(ledger: Ledger) -> None:
    said = {
        "r0": ["accept", "accept"],
        "r1": ["accept", "unsure"],  # who is unsure abstains
        "r2": ["accept", "reject"],
        "r3": ["unsure", "unsure"],
    }
    for number, name in enumerate((ADA, GRACE)):
        for candidate in RACKET:
            verdict = said[candidate.id][number]
            ledger.decide([candidate], reviewer=name, verdict=verdict, gesture=f"gesture-{name}-{candidate.id}")  # type: ignore[arg-type] # from the table
    assert outcomes(ledger) == {"r0": "accepted", "r1": "accepted", "r2": "conflict", "r3": "unsure"}
    before = agreement({})
    ledger.decide(RACKET[2:3], reviewer=ALAN, verdict="reject", settles=True, gesture="gesture-settled")
    settled = standings(ledger.decisions())[RACKET[2]]
    assert before is None
    assert (settled.outcome, settled.settled_by) == ("rejected", ALAN)
    assert set(settled.opinions) == {ADA, GRACE}  # the settlement is not an opinion
    ledger.undo(reviewer=ALAN, gesture="gesture-unsettled")
    assert outcomes(ledger)["r2"] == "conflict"


def test_relabelling_as_what_it_is_called_accepts_it(ledger: Ledger) -> None:
    ledger.decide(RACKET[:1], reviewer=ADA, verdict="accept", gesture="gesture-1")
    ledger.decide(RACKET[:1], reviewer=GRACE, verdict="relabel", label="racket", gesture="gesture-2")
    ledger.decide(RACKET[1:2], reviewer=ADA, verdict="relabel", label="ball", gesture="gesture-3")
    found = standings(ledger.decisions())
    assert (found[RACKET[0]].outcome, found[RACKET[0]].label) == ("accepted", "racket")
    assert (found[RACKET[1]].outcome, found[RACKET[1]].label) == ("accepted", "ball")


def test_a_study_gets_what_people_accepted_and_hears_who_looked(folder: Path) -> None:
    whole = reviewed_sets(folder)
    assert whole.accepted == {"ball": ("b0", "b1"), "racket": ("r0", "r1", "r2", "r3")}
    assert not whole.reviews["racket"].reviewed
    assert whole.reviews["racket"].sentence == "'racket' is not reviewed: 4 taken unseen."
    assert not (folder / DATABASE).exists()  # looking makes no file

    with_table(folder)
    with pytest.raises(ConceptError, match="12 candidate clips and none accepted"):
        reviewed_sets(folder)
    accept(folder, include=["ball"])
    with Ledger(folder) as ledger:
        ledger.decide(RACKET[:2], reviewer=ADA, verdict="accept", gesture="gesture-1")
        ledger.decide(RACKET[:2], reviewer=GRACE, verdict="accept", gesture="gesture-2")
        ledger.decide(RACKET[2:3], reviewer=ADA, verdict="reject", gesture="gesture-3")
        ledger.decide(RACKET[2:3], reviewer=GRACE, verdict="reject", gesture="gesture-4")
        ledger.decide(RACKET[3:], reviewer=ADA, verdict="relabel", label="ball", gesture="gesture-5")
        ledger.decide([Candidate("ball", "b0")], reviewer=ADA, verdict="reject", gesture="gesture-6")
    found = reviewed_sets(folder)
    assert found.accepted == {"ball": ("b1", "r3"), "racket": ("r0", "r1")}
    assert [one.name for one in found.sets] == [
        "ball/spatiotemporal",
        "ball/frozen",
        "racket/spatiotemporal",
        "racket/frozen",
    ]
    assert {clip.path.parent.parent.name for clip in found.sets[0].clips} == {"ball", "racket"}
    assert found.reviews["racket"].sentence == (
        "'racket' is reviewed by 2 people: 2 accepted, 1 rejected; "
        "Cohen's κ = 1.00 over 3 candidates that at least two people judged."
    )
    assert (
        found.reviews["ball"].sentence
        == "'ball' is partly reviewed by 1 person: 1 accepted, 1 taken unseen, 1 rejected."
    )


# --- agreement --------------------------------------------------------------------------------------------------


def test_cohen_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    first = rng.choice(["accept", "reject", "unsure"], 60)
    second = np.where(rng.random(60) < 0.6, first, rng.choice(["accept", "reject", "unsure"], 60))
    ours = cohen_kappa(list(zip(first.tolist(), second.tolist(), strict=True)))
    assert ours == pytest.approx(cohen_kappa_score(first, second), abs=1e-12)


def test_fleiss_is_the_published_example() -> None:
    """Fleiss (1971), ten subjects by fourteen raters in five categories, as reprinted widely: κ = 0.210."""
    table = """0 0 0 0 14  0 2 6 4 2  0 0 3 5 6  0 3 9 2 0  2 2 8 1 1
               7 7 0 0 0   3 2 6 3 0  2 5 3 2 2  6 5 2 1 0  0 2 2 3 7"""
    counts = np.array(table.split(), dtype=int).reshape(10, 5)
    assert fleiss_kappa([Counter({str(c): int(n) for c, n in enumerate(row)}) for row in counts]) == pytest.approx(
        0.210, abs=5e-4
    )


def test_fleiss_with_unequal_numbers_of_raters_by_hand() -> None:
    """Three candidates: aa, ab, aab. Shares 5/7 and 2/7; mean raters 7/3; pairs apart 0 + 1 + 4/3."""
    found = fleiss_kappa([Counter(a=2), Counter(a=1, b=1), Counter(a=2, b=1)])
    assert found == pytest.approx(1 - (7 / 3) / (3 * (4 / 3) * (2 * (5 / 7) * (2 / 7))))


def test_agreement_picks_its_measure_and_knows_when_it_has_none() -> None:
    def of(**said: str) -> object:
        return agreement({Candidate("c", "1"): said, Candidate("c", "2"): said})

    assert of(a="accept") is None
    same = agreement({Candidate("c", "1"): {"a": "accept", "b": "accept"}})
    assert same is not None
    assert (same.kappa, same.agreed) == (None, 1.0)
    assert "undefined" in same.sentence
    two = agreement({Candidate("c", "1"): {"a": "x", "b": "x"}, Candidate("c", "2"): {"a": "x", "b": "y"}})
    assert two is not None
    assert (two.measure, two.agreed) == ("Cohen's κ", 0.5)
    three = agreement({Candidate("c", "1"): {"a": "x", "b": "x"}, Candidate("c", "2"): {"c": "x", "b": "y"}})
    assert three is not None
    assert three.measure == "Fleiss' κ"


# --- files of decisions -----------------------------------------------------------------------------------------


def test_export_and_import_bring_two_machines_together(folder: Path, tmp_path: Path) -> None:
    other = plain_folder(tmp_path / "other", racket=4, ball=2)
    with Ledger(folder) as here, Ledger(other) as there:
        here.decide(RACKET[:2], reviewer=ADA, verdict="accept", gesture="gesture-1")
        here.undo(reviewer=ADA, gesture="gesture-2")
        there.decide(RACKET[:2], reviewer=GRACE, verdict="reject", gesture="gesture-3")
    assert export_decisions(other, tmp_path / "grace.jsonl") == 2
    assert import_decisions(folder, tmp_path / "grace.jsonl") == 2
    assert import_decisions(folder, tmp_path / "grace.jsonl") == 0  # a second time changes nothing
    assert export_decisions(folder, tmp_path / "all.jsonl") == 6
    assert import_decisions(other, tmp_path / "all.jsonl") == 4
    assert recorded(folder) == recorded(other)


BARE = '{"at": "%s", "reviewer": "A", "concept": "c", "id": "i", "verdict": "accept", "gesture": "12345678"}'


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("{", "line 2 is not a decision"),
        ('{"verdict": "accept"}', "line 2 is not a decision"),
        (BARE % "2999-01-01T00:00:00Z", "in the future"),
        (BARE % "2020-01-01T00:00:00", "needs a time zone"),
    ],
)
def test_a_bad_file_of_decisions_goes_in_not_at_all(folder: Path, tmp_path: Path, line: str, sentence: str) -> None:
    good = Decision(
        at=datetime.now(UTC), reviewer=ADA, concept="racket", id="r0", verdict="accept", gesture="gesture-1"
    )
    path = tmp_path / "decisions.jsonl"
    path.write_text("".join(to_lines([good])) + line)
    with pytest.raises(ConceptError, match=sentence):
        import_decisions(folder, path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConceptError, match="cannot be read"):
        import_decisions(folder, path)
    assert recorded(folder) == []


moves = st.lists(
    st.tuples(
        st.sampled_from([ADA, GRACE]),
        st.sampled_from(["accept", "reject", "unsure", "undo"]),
        st.sets(st.sampled_from(RACKET), min_size=1),
    ),
    max_size=25,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=moves)
def test_the_newest_word_that_is_not_taken_back_stands(moves: list, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Against a stack of whole states, which an undo pops; and the same after a round trip through a file."""
    stacks: dict[str, list[dict[Candidate, str]]] = {ADA: [{}], GRACE: [{}]}
    with Ledger(tmp_path_factory.mktemp("review")) as ledger:
        for number, (name, verdict, chosen) in enumerate(moves):
            if verdict == "undo":
                ledger.undo(reviewer=name, gesture=f"gesture-{number}")
                if len(stacks[name]) > 1:
                    stacks[name].pop()
            else:
                ledger.decide(sorted(chosen), reviewer=name, verdict=verdict, gesture=f"gesture-{number}")
                stacks[name].append(stacks[name][-1] | dict.fromkeys(chosen, verdict))
        rows = ledger.decisions()
    for read in (rows, from_lines("".join(to_lines(rows)))):
        held = {
            name: {
                candidate: standing.opinions[name].verdict
                for candidate, standing in standings(read).items()
                if name in standing.opinions
            }
            for name in stacks
        }
        assert held == {name: stack[-1] for name, stack in stacks.items()}
