"""Decisions on disk: append-only, on the disk before they are acknowledged, many reviewers at once.

Every decision is a new row of `review.sqlite` in the concept folder. An undo is a row too; nothing is ever changed
or deleted.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self
from urllib.parse import quote

from pydantic import ValidationError

from videotcav.concepts.review.decisions import Candidate, Decision, Judgement
from videotcav.errors import ConceptNotFound, ReviewError
from videotcav.outputs import short_name
from videotcav.texts import first_problem

DATABASE = "review.sqlite"

# WAL is chosen as the file is made: of several who choose it for one file at once, one is refused without any waiting.
_SCHEMA = """
PRAGMA journal_mode = WAL;
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS decisions (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    at       TEXT NOT NULL,
    reviewer TEXT NOT NULL,
    concept  TEXT NOT NULL,
    id       TEXT NOT NULL,
    verdict  TEXT NOT NULL CHECK (verdict IN ('accept', 'reject', 'unsure', 'relabel', 'undo')),
    label    TEXT CHECK ((label IS NOT NULL) = (verdict = 'relabel')),
    settles  INTEGER NOT NULL CHECK (settles IN (0, 1)),
    gesture  TEXT NOT NULL,
    undoes   TEXT CHECK ((undoes IS NOT NULL) = (verdict = 'undo')),
    UNIQUE (gesture, concept, id)
);
CREATE INDEX IF NOT EXISTS by_track ON decisions (concept, id);
CREATE INDEX IF NOT EXISTS by_time ON decisions (at);
CREATE INDEX IF NOT EXISTS by_reviewer ON decisions (reviewer, at);
CREATE INDEX IF NOT EXISTS by_undone ON decisions (undoes, concept, id) WHERE undoes IS NOT NULL;
CREATE TRIGGER IF NOT EXISTS no_update BEFORE UPDATE ON decisions BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER IF NOT EXISTS no_delete BEFORE DELETE ON decisions BEGIN SELECT RAISE(ABORT, 'append-only'); END;
PRAGMA user_version = 1;
COMMIT;
"""
_COLUMNS = "at, reviewer, concept, id, verdict, label, settles, gesture, undoes"
_INSERT = f"INSERT INTO decisions ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING"  # noqa: S608 - own text
_SELECT = f"SELECT {_COLUMNS} FROM decisions"  # noqa: S608 - own text
_ABOUT = "(SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?))"
_SELECT_ABOUT = f"{_SELECT} WHERE (concept, id) IN {_ABOUT} ORDER BY at, number"
_LAST_GESTURE = """
SELECT gesture FROM decisions AS row
WHERE reviewer = ? AND verdict != 'undo' AND NOT EXISTS (
    SELECT 1 FROM decisions AS later
    WHERE later.undoes = row.gesture AND later.concept = row.concept AND later.id = row.id
      AND later.reviewer = row.reviewer)
ORDER BY at DESC, number DESC LIMIT 1
"""
_SCHEMA_VERSION = 1
_BUSY_SECONDS = 60  # no queue: who waits is overtaken while others write, so a slow disk makes the wait long


class LedgerUnusable(ReviewError):
    """The database cannot be read or written: no room, no right, or not a database."""


class GestureTaken(ReviewError):
    """Another decision was recorded under the same gesture."""


class Ledger:
    """The decisions of one concept folder. May be used by many threads and processes of one machine at once."""

    def __init__(self, folder: Path | str) -> None:
        self.path = Path(folder) / DATABASE
        if not self.path.parent.is_dir():
            raise ConceptNotFound(f"{folder} is not a folder: give the concept folder that holds the clips")
        self._lock = threading.Lock()
        self._opened: sqlite3.Connection | None = None
        with self._sentences():
            self._database  # noqa: B018 - what is wrong with it should be known now

    @property
    def _database(self) -> sqlite3.Connection:
        if self._opened is None:
            self._opened = self._open()
        return self._opened

    def _open(self) -> sqlite3.Connection:
        if self.path.exists() and not os.access(self.path.parent, os.W_OK):
            # On a read-only disk SQLite cannot make its side files; nobody else can be writing either.
            return sqlite3.connect(_uri(self.path, "immutable=1"), uri=True, check_same_thread=False)
        if not self.path.exists():
            _make(self.path)
        database = sqlite3.connect(
            _uri(self.path, "mode=rw"), uri=True, timeout=_BUSY_SECONDS, check_same_thread=False, isolation_level=None
        )
        try:
            self._prepare(database)
        except BaseException:
            database.close()
            raise
        return database

    def _prepare(self, database: sqlite3.Connection) -> None:
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version > _SCHEMA_VERSION:
            raise LedgerUnusable(f"{self.path} was written by a newer videotcav: update this one")
        if version < _SCHEMA_VERSION:  # emptied, or another program's: not a review without decisions
            raise LedgerUnusable(
                f"{self.path} {'holds no review' if self.path.stat().st_size else 'is empty'}, although it is there: "
                "put back a copy with the decisions (or import them from a file of decisions), or remove it if nobody "
                "has decided yet"
            )
        database.execute("PRAGMA synchronous = FULL")  # the row is on the disk before the answer leaves

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hand the database back; everything acknowledged is on the disk already. The next use opens it again."""
        with self._lock:
            if self._opened is not None:
                self._opened.close()
            self._opened = None

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise LedgerUnusable(
                f"{self.path} cannot be used ({error}): check that the disk has room, that the folder may be written"
                " to, and that the file is a review database"
            ) from error
        except OSError as error:
            raise LedgerUnusable(
                f"{self.path} cannot be used ({error.strerror}): check the folder and its disk"
            ) from error
        except (TypeError, ValueError) as error:  # a table of another program, or of another time
            raise LedgerUnusable(
                f"{self.path} holds a row that this version cannot read ({error}): it was not written by videotcav"
            ) from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._sentences():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    def decide(
        self,
        candidates: Sequence[Candidate],
        *,
        reviewer: str,
        verdict: Judgement,
        gesture: str,
        label: str | None = None,
        settles: bool = False,
    ) -> tuple[Decision, ...]:
        """The rows recorded for these candidates, on the disk when this returns.

        The same gesture again records nothing new. Relabelling a candidate as what it is called already accepts it.
        """
        with self._transaction() as database:
            at = _next_moment(database)
            rows = [
                _decision(
                    at=at,
                    reviewer=reviewer,
                    candidate=candidate,
                    verdict="accept" if verdict == "relabel" and label == candidate.concept else verdict,
                    label=None if label == candidate.concept else label,
                    settles=settles,
                    gesture=gesture,
                )
                for candidate in candidates
            ]
            return _append(database, rows)

    def undo(self, *, reviewer: str, gesture: str) -> tuple[Decision, ...]:
        """The rows that take back this reviewer's last gesture which still stands; none when nothing is left."""
        with self._transaction() as database:
            repeated = _rows(database.execute(f"{_SELECT} WHERE gesture = ?", (gesture,)))
            if repeated:
                return tuple(repeated)
            last = database.execute(_LAST_GESTURE, (reviewer,)).fetchone()
            if last is None:
                return ()
            standing = _rows(database.execute(f"{_SELECT} WHERE gesture = ? AND reviewer = ?", (last[0], reviewer)))
            undone = _rows(database.execute(f"{_SELECT} WHERE undoes = ? AND reviewer = ?", (last[0], reviewer)))
            left = {row.candidate for row in standing} - {row.candidate for row in undone}
            at = _next_moment(database)
            rows = [
                _decision(
                    at=at, reviewer=reviewer, candidate=candidate, verdict="undo", gesture=gesture, undoes=last[0]
                )
                for candidate in sorted(left)
            ]
            return _append(database, rows)

    def merge(self, decisions: Iterable[Decision]) -> int:
        """How many of these rows were new. The others are here already; nothing is recorded twice."""
        rows = list(decisions)
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        for row in rows:
            if row.at > tomorrow:
                raise ReviewError(f"a decision by {row.reviewer} is dated {row.at}, in the future: check that clock")
        with self._transaction() as database:
            before = _last_number(database)
            _append(database, rows)
            return int(database.execute("SELECT count(*) FROM decisions WHERE number > ?", (before,)).fetchone()[0])

    def decisions(self, candidates: Collection[Candidate] | None = None) -> list[Decision]:
        """All rows in the order of their time, or those about some candidates."""
        with self._lock, self._sentences():
            if candidates is None:
                return _rows(self._database.execute(f"{_SELECT} ORDER BY at, number"))
            return _rows(self._database.execute(_SELECT_ABOUT, (json.dumps(list(candidates)),)))

    def changed(self, *, after: int) -> tuple[int, set[Candidate]]:
        """The number of the last row, and the candidates that rows after number `after` are about."""
        with self._lock, self._sentences():
            found = self._database.execute("SELECT DISTINCT concept, id FROM decisions WHERE number > ?", (after,))
            candidates = {Candidate(*row) for row in found}
            return _last_number(self._database), candidates


def _make(path: Path) -> None:
    """An empty review that appears whole or not at all; whoever else makes one at the same time may be first."""
    draft = path.with_name(f".{short_name(path.name)}.{uuid.uuid4().hex}.part")
    try:
        with closing(sqlite3.connect(_uri(draft, "mode=rwc"), uri=True, isolation_level=None)) as database:
            database.executescript(_SCHEMA)
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        except OSError:  # a file system without hard links
            if not path.exists():
                draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _uri(path: Path, mode: str) -> str:
    return f"file:{quote(str(path.absolute()))}?{mode}"


def _last_number(database: sqlite3.Connection) -> int:
    return int(database.execute("SELECT coalesce(max(number), 0) FROM decisions").fetchone()[0])


def _next_moment(database: sqlite3.Connection) -> datetime:
    """Now, or just after the newest row where the clock went backwards: what is later must never look earlier."""
    now = datetime.now(UTC)
    newest = database.execute("SELECT max(at) FROM decisions").fetchone()[0]
    return now if newest is None else max(now, datetime.fromisoformat(newest) + timedelta(microseconds=1))


def _decision(*, candidate: Candidate, **fields: object) -> Decision:
    try:
        return Decision.model_validate({"concept": candidate.concept, "id": candidate.id, **fields})
    except ValidationError as error:
        raise ReviewError(first_problem(error)) from error


def _append(database: sqlite3.Connection, rows: Sequence[Decision]) -> tuple[Decision, ...]:
    kept = []
    for row in rows:
        if database.execute(_INSERT, _values(row)).rowcount:
            kept.append(row)
            continue
        (present,) = _rows(
            database.execute(f"{_SELECT} WHERE gesture = ? AND concept = ? AND id = ?", (row.gesture, *row.candidate))
        )
        if present.model_copy(update={"at": row.at}) != row:
            raise GestureTaken(f"gesture {row.gesture} is recorded already, with another decision on '{row.id}'")
        kept.append(present)
    return tuple(kept)


def _values(row: Decision) -> tuple[object, ...]:
    at = row.at.astimezone(UTC).isoformat(timespec="microseconds")
    return (
        at, row.reviewer, row.concept, row.id, row.verdict, row.label, int(row.settles), row.gesture, row.undoes,
    )  # fmt: skip


def _rows(cursor: sqlite3.Cursor) -> list[Decision]:
    # Every row was validated on its way in; once more for each of many thousands would be what a page waits for.
    return [
        Decision.model_construct(
            at=datetime.fromisoformat(at),
            reviewer=reviewer,
            concept=concept,
            id=track,
            verdict=verdict,
            label=label,
            settles=bool(settles),
            gesture=gesture,
            undoes=undoes,
        )
        for at, reviewer, concept, track, verdict, label, settles, gesture, undoes in cursor
    ]
