"""Being told by PostgreSQL of other processes' events (https://www.postgresql.org/docs/current/sql-notify.html)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from typing import Any

import psycopg
from loguru import logger

CHANNEL = "aicall_events"
"""Where a transaction that appends an event sends a notification, which says `PROCESS`."""
PROCESS = secrets.token_hex(8)
"""Names this process among those that share a database."""

_RETRY_S = 2.0


class EventListener:
    """A connection that waits for notifications, on the event loop, and is made anew when it breaks.

    Whoever waits for events polls as well, so this makes them come sooner and nothing depends on it: it may not work
    behind a connection pooler.

    Args:
        arguments: For psycopg's ``connect``.
        on_events: Called when another process has written events, or may have.
    """

    def __init__(self, arguments: Mapping[str, Any], on_events: Callable[[], None]) -> None:
        self._arguments = arguments
        self._on_events = on_events
        self._task = asyncio.create_task(self._run(), name="postgresql-listener")

    async def close(self) -> None:
        """Stop listening."""
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _run(self) -> None:
        while True:
            try:
                await self._listen()
            except (psycopg.Error, OSError) as error:
                logger.debug("no notifications from the database: {}", type(error).__name__)
            await asyncio.sleep(_RETRY_S)

    async def _listen(self) -> None:
        connection = await psycopg.AsyncConnection.connect(**self._arguments, autocommit=True)
        try:
            await connection.execute(f"LISTEN {CHANNEL}")
            # What came while nobody listened.
            self._on_events()
            async for notification in connection.notifies():
                if notification.payload != PROCESS:
                    self._on_events()
        finally:
            await connection.close()
