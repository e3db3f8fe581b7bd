"""The review as a command runs it: a local server, a link with a token, a browser; Ctrl-C ends it."""

from __future__ import annotations

import gc
import os
import secrets
import socket
import sys
import webbrowser
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from videotcav.errors import ArgumentError, MissingExtra

_HOST = "127.0.0.1"
_KEEP_ALIVE_SECONDS = 60
_GRACE_SECONDS = 2
_MOST_CONNECTIONS = 256
_LARGEST_HEAD_BYTES = 32 * 1024


def launch(
    folder: Path | str,
    *,
    videos: Path | str | Sequence[Path | str] | None = None,
    sources: Mapping[str, str] | None = None,
    find_more: Callable[[str], Path] | None = None,
    port: int = 0,
    reviewer: str | None = None,
    open_browser: bool = True,
    announce: Callable[[str], None] | None = None,
) -> None:
    """Serve the review of a concept folder on this machine until Ctrl-C. Returns nothing; all is on the disk.

    With `videos` it opens where clips are marked in them, and the folder may be new; `sources` is what they were cut
    from, as for `propose`. With `find_more` the page offers more like each concept. `port` 0 takes a free one.
    `announce` gets the lines for the person, the link among them; by default they go to the standard output. Raises
    MissingExtra without FastAPI and uvicorn, ConceptError for a folder that cannot be reviewed, VideoError for videos
    that are not there, and VideotcavError for a port that is taken.
    """
    try:
        import uvicorn  # noqa: PLC0415 - an optional extra

        from videotcav.review_app.app import create_app  # noqa: PLC0415 - as uvicorn
        from videotcav.review_app.connection import Connection  # noqa: PLC0415 - as uvicorn
        from videotcav.review_app.guard import MARK_PATH  # noqa: PLC0415 - as uvicorn
    except ModuleNotFoundError as error:
        raise MissingExtra(str(error.name), extra="review", purpose="Reviewing concepts") from error
    say = announce or _print
    app = create_app(folder, reviewer=reviewer, videos=videos, sources=sources, find_more=find_more)
    with closing(app.state.desk.ledger), _listening(port) as listener:
        site = f"http://{_HOST}:{listener.getsockname()[1]}/"
        if videos is None:
            say(f"Review {len(app.state.desk.catalogue.entries)} candidates of {folder} at")
        else:
            site = site.removesuffix("/") + MARK_PATH
            say(f"Mark clips for {folder} at")
        say(f"  {site}?token={app.state.token}")
        say("Ctrl-C ends it; every decision is saved as it is made.")
        if open_browser and _has_screen():
            ticket = secrets.token_urlsafe(32)  # works once: other users can read a browser's command line
            app.state.tickets.add(ticket)
            webbrowser.open(f"{site}?token={ticket}")
        gc.freeze()  # the candidates stay: requests need not wait while garbage is sought among them
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,  # a log of addresses would hold the token
                server_header=False,
                ws="none",
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=_GRACE_SECONDS,
                limit_concurrency=_MOST_CONNECTIONS,
                h11_max_incomplete_event_size=_LARGEST_HEAD_BYTES,
                http=Connection,
            )
        )
        try:
            server.run(sockets=[listener])
        except KeyboardInterrupt:
            say("The review has ended.")


def _listening(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_HOST, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise ArgumentError(f"port {port} cannot be used ({error}): choose another, or 0 for any free one") from error
    listener.listen()
    return listener


def _has_screen() -> bool:
    """Whether a browser would open a window: a text browser would take the terminal over."""
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
