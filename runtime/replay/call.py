"""Places one call: the socket and the beat around a `Caller`."""

from __future__ import annotations

import asyncio
import itertools
import json
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.http11 import Response
from websockets.typing import Subprotocol

from adapters.media.base import Message
from runtime.replay.caller import Caller
from runtime.replay.record import FRAME_MS, CallRecord, Failure, FailureKind

_MAX_DETAIL_CHARS: Final = 200


@dataclass(frozen=True, slots=True)
class Line:
    """How to reach the far end.

    Attributes:
        url: Media URL, ``ws://`` or ``wss://``.
        headers: Extra headers of the upgrade request, as a phone system may sign it.
        subprotocol: WebSocket subprotocol to offer, or None.
        tls: Context for ``wss://``, shared by all calls since making one takes 20 ms; None for the default one.
        connect_timeout_s: Longest wait for the accepted WebSocket, seconds.
        stall_timeout_s: Longest time that the far end may not read, seconds.
        close_timeout_s: Longest wait for the far end's close, seconds.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    subprotocol: str | None = None
    tls: ssl.SSLContext | None = None
    connect_timeout_s: float = 10.0
    stall_timeout_s: float = 10.0
    close_timeout_s: float = 5.0


def utc_now() -> datetime:
    """Return the wall-clock time, UTC."""
    return datetime.now(UTC)


async def place_call(line: Line, caller: Caller, wall_clock: Callable[[], datetime] = utc_now) -> CallRecord:
    """Connect, walk through the caller's script in real time, hang up.

    The beat is the running loop's clock: one frame each 20 ms from the opening of the stream, never drifting; a late
    frame is caught up, as a network would deliver it.

    Args:
        line: How to reach the far end.
        caller: Who calls.
        wall_clock: Where `CallRecord.started_at` comes from.

    Returns:
        The caller's record. A call that fails is recorded, not raised.
    """
    clock = asyncio.get_running_loop().time
    dialled_s = clock()
    try:
        socket = await connect(
            line.url,
            additional_headers=dict(line.headers),
            subprotocols=[Subprotocol(line.subprotocol)] if line.subprotocol else None,
            compression=None,
            proxy=None,
            ping_interval=None,
            ssl=line.tls,
            open_timeout=line.connect_timeout_s,
            close_timeout=line.close_timeout_s,
        )
    except InvalidStatus as error:
        caller.fail(Failure(FailureKind.REFUSED, _refusal(error.response)))
        return caller.record
    except (InvalidHandshake, InvalidURI, OSError, EOFError) as error:
        caller.fail(Failure(FailureKind.UNREACHABLE, _reason(error)))
        return caller.record
    opened_s = clock()
    caller.record.setup_ms = (opened_s - dialled_s) * 1000
    caller.record.started_at = wall_clock()

    def now_ms() -> float:
        return (clock() - opened_s) * 1000

    listening = asyncio.create_task(_listen(socket, caller, now_ms))
    try:
        async with asyncio.timeout(line.stall_timeout_s) as watch:
            await _speak(socket, caller, opened_s, watch, line.stall_timeout_s)
    except TimeoutError:
        caller.fail(Failure(FailureKind.STALLED, f"nothing read for {line.stall_timeout_s:g} s"))
    except ConnectionClosed:
        await listening  # has read what came before the close, and the close itself
    finally:
        caller.end(now_ms())
        listening.cancel()
        await asyncio.wait([listening])
        await _hang_up(socket, line.close_timeout_s)
    if not listening.cancelled():
        listening.result()
    return caller.record


async def _speak(
    socket: ClientConnection, caller: Caller, opened_s: float, watch: asyncio.Timeout, stall_timeout_s: float
) -> None:
    clock = asyncio.get_running_loop().time
    await _write(socket, caller.opening())
    for frame in itertools.count(1):
        wait_s = opened_s + frame * FRAME_MS / 1000 - clock()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        if caller.done:
            break
        await _write(socket, caller.tick((clock() - opened_s) * 1000))
        if frame % 50 == 0:  # once a second: a timer for each frame would cost as much as the frame
            watch.reschedule(clock() + stall_timeout_s)
    await _write(socket, caller.stop())


async def _listen(socket: ClientConnection, caller: Caller, now_ms: Callable[[], float]) -> None:
    try:
        while True:
            message = await socket.recv()
            if not caller.done:
                await _write(socket, caller.receive(message, now_ms()))
    except ConnectionClosed as closed:
        received = closed.rcvd
        if not caller.done:
            caller.far_end_closed(received.code if received else None, received.reason if received else "")


async def _hang_up(socket: ClientConnection, timeout_s: float) -> None:
    """Close the socket; cut it off when the far end does not even read the close."""
    try:
        async with asyncio.timeout(timeout_s):
            await socket.close()
    except TimeoutError:
        socket.transport.abort()
        await socket.wait_closed()


async def _write(socket: ClientConnection, messages: Iterable[Message]) -> None:
    for message in messages:
        await socket.send(message)


def _refusal(response: Response) -> str:
    """Describe an HTTP answer: its status, and what its body says (RFC 9457 ``detail`` or ``title``, or plain text)."""
    body = bytes(response.body or b"").decode("utf-8", "replace").strip()
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if isinstance(document, dict):
        body = str(document.get("detail") or document.get("title") or "")
    body = " ".join(body.split())[:_MAX_DETAIL_CHARS]
    return f"HTTP {response.status_code}: {body or response.reason_phrase}"


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, InvalidURI):
        return "not a WebSocket URL"
    text = str(error).strip()
    return " ".join((text or type(error).__name__).split())[:_MAX_DETAIL_CHARS]
