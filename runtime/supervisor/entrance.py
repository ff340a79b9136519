"""A worker's side of the one port: connections that another process accepted go into this process's HTTP server."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runtime.calls.audiosocket_door import AudioSocketDoor
from runtime.services import Services
from runtime.supervisor.placement import Load

_UNDECIDED_S: Final = 2.0
"""How long a connection that asks for nothing counts as a call that may come, seconds."""

_CONNECTION: Final = "aicall.connection"
"""Key of the connection's number in the state that uvicorn keeps for each connection."""

_TAKES_NO_MORE: Final = 503


class Entrance:
    """Takes in connections, and knows how many of them may become calls.

    Args:
        base_url: ``http://HOST:PORT`` on which the other process listens.
        on_change: Called when `load` may have changed.
        scrape: Returns the metrics of all processes that serve the port, in the Prometheus text format.

    Attributes:
        base_url: The given one.
        scrape: The given one.
        room_elsewhere: Whether another process that serves the port would take a call; to be kept up to date.
    """

    def __init__(self, base_url: str, on_change: Callable[[], None], scrape: Callable[[], Awaitable[bytes]]) -> None:
        self.base_url = base_url
        self.scrape = scrape
        self.room_elsewhere = False
        self._on_change = on_change
        self._loop = asyncio.get_running_loop()
        self._server: uvicorn.Server | None = None
        self._services: Services | None = None
        self._door: AudioSocketDoor | None = None
        self._http_port = urlsplit(base_url).port
        self._received = 0
        self._undecided: dict[int, asyncio.TimerHandle] = {}
        self._entering: set[asyncio.Task[Any]] = set()
        self._retiring = False

    def open(self, server: uvicorn.Server, services: Services, door: AudioSocketDoor) -> None:
        """Take in connections from now on.

        Args:
            server: It has started, and listens to nothing itself.
            services: What it serves with.
            door: Where those go that came on another port than that of HTTP.
        """
        self._server, self._services, self._door = server, services, door
        services.capacity.is_shared(lambda: self.room_elsewhere)

    def close(self) -> None:
        """Take in no more."""
        self._server = None
        for timer in self._undecided.values():
            timer.cancel()
        self._undecided.clear()

    def admit(self, connection: socket.socket) -> None:
        """Take in an accepted connection of which nothing was read, and own it."""
        self._received += 1
        if self._server is None:
            connection.close()
            return
        with contextlib.suppress(OSError):
            # asyncio does it only for sockets of which it knows the protocol, which not every system tells.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        number = self._received
        self._undecided[number] = self._loop.call_later(_UNDECIDED_S, self._decided, number)
        task = self._loop.create_task(self._enter(self._server, connection, number), name="connection handed over")
        self._entering.add(task)
        task.add_done_callback(self._entering.discard)

    def load(self) -> Load:
        """Return how busy this process is."""
        if self._services is None:
            return Load(received=self._received)
        capacity = self._services.capacity
        free = 0.0 if capacity.refusal() else max(0.0, capacity.limit - capacity.taken)
        # In whole places, so that the automatic limit's second thoughts do not show as a change.
        free = free if math.isinf(free) else float(math.floor(free))
        return Load(capacity.taken, free, len(self._undecided), self._received)

    def around(self, app: ASGIApp) -> ASGIApp:
        """Return the application with what it needs in front of it to serve connections of another process."""

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            # The first request's place among the calls is taken before this report is made.
            self._loop.call_soon(self._decided, scope.get("state", {}).get(_CONNECTION, 0))

            async def send_and_part(message: Message) -> None:
                await send(self._parting(message))

            try:
                await app(scope, receive, send_and_part if scope["type"] == "http" else send)
            finally:
                self._on_change()

        return serve

    def retire(self) -> None:
        """Send whoever still asks on an old connection to a new one, which another process will serve."""
        self._retiring = True

    @property
    def has_requests(self) -> bool:
        """Whether there are connections on which another request may come."""
        if self._server is None:
            return False
        kind = self._server.config.http_protocol_class
        connections = self._server.server_state.connections
        return bool(self._entering or self._undecided) or any(isinstance(it, kind) for it in connections)

    @property
    def has_undecided(self) -> bool:
        """Whether a connection has come lately that has not asked for anything yet."""
        return bool(self._undecided)

    def _parting(self, message: Message) -> Message:
        if message["type"] != "http.response.start":
            return message
        # Whoever finds no room here may find some in another process, but not on this connection.
        if not self._retiring and message["status"] != _TAKES_NO_MORE:
            return message
        return {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}

    async def _enter(self, server: uvicorn.Server, connection: socket.socket, number: int) -> None:
        try:
            await self._loop.connect_accepted_socket(self._protocol(server, connection, number), connection)
        except OSError:
            # Its other end is gone already.
            connection.close()
            self._decided(number)

    def _protocol(
        self, server: uvicorn.Server, connection: socket.socket, number: int
    ) -> Callable[[], asyncio.BaseProtocol]:
        """Return what makes the connection's protocol, which the port shows on which it came."""
        if self._door is not None and connection.getsockname()[1] != self._http_port:
            return partial(self._door.connection, partial(self._decided, number), self._on_change)
        kind: Callable[..., asyncio.Protocol] = server.config.http_protocol_class
        state = {**server.lifespan.state, _CONNECTION: number}
        return partial(kind, config=server.config, server_state=server.server_state, app_state=state)

    def _decided(self, number: int) -> None:
        timer = self._undecided.pop(number, None)
        if timer is not None:
            timer.cancel()
            self._on_change()
