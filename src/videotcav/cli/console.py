"""What the command line says while it works: one live line, one sentence at the end, or nothing.

Results go to standard output, everything else to standard error. Progress is live on a terminal, a line now and then
where it is piped, and silent with `--quiet`.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Iterable, Iterator, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO, TypeVar

import typer
from pydantic import ByteSize, TypeAdapter, ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from videotcav.cli.wording import worded
from videotcav.errors import VideotcavError, VideotcavWarning, masked

T = TypeVar("T")

_FIRST_LINE_SECONDS, _NEXT_LINES_SECONDS = 10, 60


@dataclass(frozen=True, slots=True)
class Voice:
    """How this invocation speaks: set once by the global options, read by every command."""

    quiet: bool = False
    json: bool = False
    debug: bool = False

    def progress(self, items: Iterable[T], what: str, *, total: int | None = None) -> Iterator[T]:
        """The items, with one live line on a terminal that ends as `✓ reading 1200/1200 43.1/s 0:28`."""
        console = Console(stderr=True)
        if self.quiet or self.json:
            yield from items
            return
        if total is None and isinstance(items, Sized):
            total = len(items)
        if not console.is_terminal:
            yield from self._spoken(items, what, total)
            return
        started, done = time.monotonic(), 0
        columns = (
            TextColumn("  {task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console, transient=True) as live:
            task = live.add_task(what, total=total)
            for item in items:
                yield item
                done += 1
                live.advance(task)
        seconds = time.monotonic() - started
        rate = f"{done / seconds:.1f}/s " if seconds > 0 else ""
        minutes, rest = divmod(round(seconds), 60)
        console.print(f"[green]✓[/] {what} {done}/{total or done} {rate}{minutes}:{rest:02d}", highlight=False)

    def _spoken(self, items: Iterable[T], what: str, total: int | None) -> Iterator[T]:
        """The items, with a line now and then where work takes long and nobody sees a live one."""
        started = told = time.monotonic()
        for done, item in enumerate(items):
            now = time.monotonic()
            if done and now - told > (_FIRST_LINE_SECONDS if told == started else _NEXT_LINES_SECONDS):
                told = now
                left = f", about {round((now - started) / done * (total - done))} s left" if total else ""
                self.say(f"{what} {done}/{total or '?'}{left}")
            yield item

    def say(self, text: str) -> None:
        """A line for a person, on standard error; nothing with `--quiet` or `--json`."""
        if not (self.quiet or self.json):
            Console(stderr=True, highlight=False, soft_wrap=True).print(text, markup=False)

    def result(self, text: str, facts: Any) -> None:
        """The outcome on standard output: `text` for people, `facts` as one JSON document with `--json`."""
        if self.json:
            print(json.dumps(facts, ensure_ascii=False, default=str))  # noqa: T201 - the command's own output
        else:
            print(text)  # noqa: T201 - the command's own output

    def fail(self, error: Exception) -> None:
        """Why it did not work, in one sentence on standard error."""
        said = worded(error) if isinstance(error, VideotcavError) else str(error)
        text = f"error: {masked(said)}"
        Console(stderr=True, highlight=False, soft_wrap=True).print(text, markup=False, style="red")


def show_warnings(voice: Voice) -> None:
    """From now on the package's own warnings are said as one sentence; others are shown as Python does."""
    shown = warnings.showwarning

    def show(  # noqa: PLR0917 - the signature that Python calls
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, VideotcavWarning):
            voice.say(f"warning: {message}")
        else:
            shown(message, category, filename, lineno, file, line)

    warnings.showwarning = show


def command_line() -> str:
    """What was typed, as a manifest may keep it: without the passwords of any address."""
    return masked(" ".join([Path(sys.argv[0]).name, *sys.argv[1:]]))


def parsed_bytes(text: str) -> int:
    """A size in bytes, as `2GiB`, `500MB` or a number."""
    try:
        return int(TypeAdapter(ByteSize).validate_python(text))
    except ValidationError:
        raise typer.BadParameter(f"'{text}' is no size; write it as 2GiB or 500MB") from None
