"""Showing what a command wrote: `--open`."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from videotcav.cli.console import Voice

Open = Annotated[bool, typer.Option("--open", help="Open what was written in the browser.")]


def show(voice: Voice, page: Path, *, asked: bool) -> None:
    """Opens a page, a picture or a video in the browser where that is asked; where there is none, says so."""
    if asked and not webbrowser.open(page.resolve().as_uri()):
        voice.say(f"warning: no browser could be opened; the page is {page}")
