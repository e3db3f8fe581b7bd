"""A connection that does not wait for ever: uvicorn bounds everything but the time that a request's head takes."""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

SLOWEST_HEAD_SECONDS = 10.0


class Connection(H11Protocol):
    """HTTP/1.1 as uvicorn speaks it, closed where a head is not whole some time after it was due.

    It is due when the connection is made, and after an answer when the next request's first byte arrives; between the
    two uvicorn's own keep-alive timeout holds. So whoever stalls takes none of the few places for long.
    """

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        """As uvicorn; the head of the first request is due."""
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """As uvicorn; a head is whole, or due."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._head_is_whole()
        elif self._deadline is None:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """As uvicorn; nothing is due any more."""
        self._head_is_whole()
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        self._deadline = self.loop.call_later(SLOWEST_HEAD_SECONDS, self.transport.close)

    def _head_is_whole(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
