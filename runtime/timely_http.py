"""Uvicorn's HTTP connection, which waits for the head of a request, an upgrade to a WebSocket too, only for so long.

Given to uvicorn by its public ``http`` setting. Uvicorn closes idle connections, but waits for ever for the rest of a
request whose first bytes have come, so that whoever sends a byte now and then would hold a place for ever.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


class TimelyHttp(H11Protocol):
    """One connection."""

    head_timeout_s: ClassVar[float] = 10.0
    """Longest time from the connection, or from the first byte of a later request, to the end of the head, seconds."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._late: asyncio.TimerHandle | None = None
        self._upgraded = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect a request."""
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Take a part of a request."""
        super().data_received(data)
        if self._upgraded:
            return
        if self.cycle is None or self.cycle.response_complete:
            self._expect_head()
        else:
            self._stop_expecting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing any more."""
        self._stop_expecting()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand the connection on."""
        self._upgraded = True
        self._stop_expecting()
        super().handle_websocket_upgrade(event)

    def _expect_head(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(self.head_timeout_s, self._give_up)

    def _stop_expecting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _give_up(self) -> None:
        self._late = None
        self.transport.abort()
