"""The application's side of a WebSocket without a network: what an ASGI server hands to it and gets from it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import FastAPI

from models.event import Event
from runtime.ending import wait_ended
from runtime.server import open_services
from runtime.services import Services
from tests.runtime.calls.phones import WAIT_S
from tests.runtime.serving import _models, settings_in


class Wire:
    """One connection to the whole application, served from the first moment.

    Args:
        app: The application.
        url: The URL that is dialled.
        headers: Further headers of the upgrade request.

    Attributes:
        sent: What the application sent, as ASGI has it.
        serving: The application's task for this connection, which a server cancels when it stops.
    """

    def __init__(self, app: FastAPI, url: str, headers: Mapping[str, str] | None = None) -> None:
        parts = urlsplit(url)
        pairs = {"host": parts.netloc, **(headers or {})}
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "ws",
            "server": ("127.0.0.1", 80),
            "client": ("127.0.0.1", 1),
            "root_path": "",
            "path": parts.path,
            "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in pairs.items()],
            "subprotocols": [],
            "state": {},
            "extensions": {"websocket.http.response": {}},
        }
        self.sent: list[dict[str, Any]] = []
        self._inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._inbox.put_nowait({"type": "websocket.connect"})
        self._gone = False
        self.serving = asyncio.create_task(app(scope, self._inbox.get, self._send))

    def put(self, *messages: Mapping[str, Any] | bytes) -> None:
        """Let messages arrive; mappings as JSON."""
        for message in messages:
            content = {"bytes": message} if isinstance(message, bytes) else {"text": json.dumps(message)}
            self._inbox.put_nowait({"type": "websocket.receive", **content})

    def disconnect(self, code: int = 1005) -> None:
        """Let the phone system be gone."""
        if not self._gone:
            self._gone = True
            self._inbox.put_nowait({"type": "websocket.disconnect", "code": code})

    @property
    def kinds(self) -> list[str]:
        """The kinds of what was sent, the audio and the like left out."""
        kinds = [message["type"].removeprefix("websocket.") for message in self.sent]
        return [kind for kind in kinds if kind != "send"]

    @property
    def status(self) -> int | None:
        """HTTP status of a refusal."""
        return next((message["status"] for message in self.sent if "status" in message), None)

    @property
    def closed_with(self) -> tuple[int, str] | None:
        """Code and reason with which the application closed the socket."""
        return next(((message["code"], message["reason"]) for message in self.sent if "code" in message), None)

    async def done(self) -> None:
        """Wait until the application has finished with the connection."""
        async with asyncio.timeout(WAIT_S):
            await asyncio.wait({self.serving})

    async def _send(self, message: Any) -> None:
        if self._gone:
            raise OSError("the phone system is gone")
        self.sent.append(message)
        if message["type"] == "websocket.close":
            self.disconnect(message["code"])


@asynccontextmanager
async def services_in(folder: Path, **changes: Any) -> AsyncIterator[Services]:
    """Open what a server is made of, without the server."""
    async with open_services(settings_in(folder, **changes), inference=_models()) as services:
        yield services


async def history(services: Services, aicall_id: UUID) -> list[Event]:
    """Wait for the end of an AIcall; returns all its events."""
    assert await wait_ended(services.store, aicall_id, timeout_s=WAIT_S), "the AIcall did not end"
    return await services.store.list_events(limit=1000, customer_id=None, aicall_id=aicall_id)
