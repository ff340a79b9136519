"""Connecting to a phone system's media WebSocket, where it waits to be dialled and does not dial itself.

Asterisk's ``Dial(WebSocket/INCOMING)`` and ARI's external media with ``connection_type=server`` wait at
``ws://HOST:PORT/media/{id}`` for the application (pbx facts, B8). Once connected, the call is conducted as if it had
been accepted.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import httpx
from loguru import logger
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, WebSocketException
from websockets.typing import Subprotocol

from adapters.guard import AddressGuard, ForbiddenAddress, allows_private
from adapters.media.base import Handshake, MediaProtocol
from models.errors import InvalidField, Unavailable
from runtime.calls.admission import Admitted, admit_aicall
from runtime.calls.call_socket import SEND_TIMEOUT_S
from runtime.calls.conduct import conduct_admitted
from runtime.services import Services

_SCHEMES: Final = {"ws": "http", "wss": "https"}
_DEFAULT_PORTS: Final = {"ws": 80, "wss": 443}
_MAX_MESSAGE_BYTES: Final = 1_048_576
_ABNORMAL: Final = 1006


@dataclass(frozen=True, slots=True)
class Destination:
    """Where to connect, and what is known of the call there.

    Attributes:
        url: ``ws(s)://…``, checked by `check_url`.
        protocol: What is spoken there.
        session: The phone system's id of the session; '' when unknown.
        from_: Caller; '' when unknown.
        to: Called number; '' when unknown.
    """

    url: str
    protocol: type[MediaProtocol]
    session: str = ""
    from_: str = ""
    to: str = ""

    @property
    def handshake(self) -> Handshake:
        """What stands for the upgrade request of a phone system that dials itself."""
        parts = urlsplit(self.url)
        known = {"session": self.session, "from": self.from_, "to": self.to}
        said = {name: value for name, value in known.items() if value}
        offered = (self.protocol.subprotocol,) if self.protocol.subprotocol else ()
        return Handshake(self.url, parts.path, {**dict(parse_qsl(parts.query)), **said}, {}, offered)


class DialledSocket:
    """A WebSocket that was dialled, as a call's socket (`runtime.calls.call_socket.Socket`).

    Attributes:
        accepted: Set when the call takes it.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self.accepted = asyncio.Event()

    async def accept(self, subprotocol: str | None = None) -> None:
        """Say that the call takes it; it stands already."""
        del subprotocol
        self.accepted.set()

    async def receive(self) -> dict[str, Any]:
        """Return the next message, or the end, in the form of ASGI's WebSocket messages."""
        try:
            message = await self._connection.recv()
        except ConnectionClosed:
            return {"type": "websocket.disconnect", "code": self._connection.close_code or _ABNORMAL}
        return {"type": "websocket.receive", "text" if isinstance(message, str) else "bytes": message}

    async def send_text(self, data: str) -> None:
        """Send a text message.

        Raises:
            ConnectionClosed: It is closed.
        """
        await self._connection.send(data)

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message.

        Raises:
            ConnectionClosed: It is closed.
        """
        await self._connection.send(data)

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Close it; closed already, nothing happens."""
        await self._connection.close(code, reason or "")


def check_url(services: Services, field: str, url: str) -> str:
    """Check the URL of a media WebSocket, as far as that goes without asking a name server.

    Args:
        services: The process.
        field: The URL's field, for the error.
        url: A ``wss://`` URL; ``ws://`` too where private addresses are allowed.

    Raises:
        InvalidField: It is no such URL, or its host is a private address.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in _SCHEMES:
        raise InvalidField(field, "must be a URL such as wss://host/media/id")
    try:
        _guard(services).check_url(field, f"{_SCHEMES[scheme]}://{rest}")
    except InvalidField as error:
        raise InvalidField(field, error.message.replace("https://", "wss://")) from None
    return url


async def dial_out(services: Services, aicall_id: UUID, destination: Destination) -> None:
    """Connect to a phone system and begin an AIcall there; returns when the AIcall has taken the connection.

    Args:
        services: The process.
        aicall_id: The AIcall.
        destination: Where.

    Raises:
        InvalidField: Field ``url``: the host is in a private network, or whoever is there refuses the WebSocket.
        Unavailable: Nobody can be reached there in time, or this process takes no more calls.
        Conflict: The AIcall is in use on another connection, or has ended.
        NotFound: The AIcall or its AI was deleted.
    """
    # Before anybody is disturbed.
    services.capacity.check()
    dialled = DialledSocket(await _connect(services, destination))

    async def admit_it() -> Admitted:
        return await admit_aicall(services, aicall_id, destination.protocol, owner=services.live_calls.owner)

    async def conduct_it() -> None:
        try:
            await conduct_admitted(services, dialled, destination.handshake, str(aicall_id), admit_it)
        finally:
            await dialled.close()

    conducting = asyncio.create_task(conduct_it(), name=f"dialled-{aicall_id}")
    services.dialled.add(conducting)
    conducting.add_done_callback(services.dialled.discard)
    taken = asyncio.create_task(dialled.accepted.wait(), name="taken")
    try:
        await asyncio.wait({conducting, taken}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        taken.cancel()
    if conducting.done() and not dialled.accepted.is_set():
        conducting.result()
    # Whatever becomes of it from here on stands in the AIcall.
    conducting.add_done_callback(_look_at)


def _look_at(conducting: asyncio.Task[None]) -> None:
    """Fetch the outcome: asyncio would complain about an exception that nobody has seen."""
    if not conducting.cancelled() and (error := conducting.exception()) is not None:
        logger.opt(exception=error).error("a dialled call broke")


async def _connect(services: Services, destination: Destination) -> ClientConnection:
    parts = urlsplit(destination.url)
    host, port = parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme]
    offered = destination.protocol.subprotocol
    timeout_s = services.settings.start_timeout_s
    # The library takes no "ssl=None" for wss://, and nothing but that for ws://.
    tls: dict[str, Any] = {"ssl": services.clients.ssl_context} if parts.scheme == "wss" else {}
    try:
        async with asyncio.timeout(timeout_s):
            # A connected socket is dialled by address, goes through no proxy and follows no redirect.
            sock = await _open(await _guard(services).addresses(host, port), port)
            return await connect(
                destination.url,
                sock=sock,
                subprotocols=[Subprotocol(offered)] if offered else None,
                compression=None,
                open_timeout=timeout_s,
                # The call itself notices when nothing comes any more.
                ping_interval=None,
                close_timeout=SEND_TIMEOUT_S / 2,
                max_size=_MAX_MESSAGE_BYTES,
                **tls,
            )
    except ForbiddenAddress:
        raise InvalidField("url", "is in a private network") from None
    except (InvalidHandshake, ValueError) as error:
        logger.info("a phone system refused to be dialled: {}", type(error).__name__)
        raise InvalidField("url", "whoever is there refuses the WebSocket") from None
    except (OSError, TimeoutError, httpx.ConnectError, WebSocketException) as error:
        logger.info("a phone system cannot be dialled: {}", type(error).__name__)
        raise Unavailable("nobody can be reached at the media URL") from None


async def _open(addresses: list[str], port: int) -> socket.socket:
    """Connect to the first address that answers.

    Raises:
        OSError: None does.
    """
    loop = asyncio.get_running_loop()
    failed = OSError("no address")
    for address in addresses:
        # Addresses only, so that no name server is asked.
        [(family, kind, protocol, _, target), *_] = socket.getaddrinfo(
            address, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_NUMERICHOST
        )
        opened = socket.socket(family, kind, protocol)
        try:
            opened.setblocking(False)
            await loop.sock_connect(opened, target)
        except OSError as error:
            opened.close()
            failed = error
        except BaseException:
            opened.close()
            raise
        else:
            return opened
    raise failed


def _guard(services: Services) -> AddressGuard:
    return AddressGuard(allow_private=allows_private(services.environ))
