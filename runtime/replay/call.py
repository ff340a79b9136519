"""Places one call: the socket and the beat around a `Caller`."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI
from websockets.http11 import Response

from adapters.media.base import Message
from runtime.replay.caller import Caller
from runtime.replay.link import CallLink, open_link
from runtime.replay.metronome import Metronome
from runtime.replay.record import CallRecord, Failure, FailureKind
from runtime.replay.tcp_link import SCHEME, open_tcp_link

_MAX_DETAIL_CHARS: Final = 200


@dataclass(frozen=True, slots=True)
class Line:
    """How to reach the far end.

    Attributes:
        url: Media URL, ``ws://`` or ``wss://``; ``tcp://HOST:PORT/UUID`` for AudioSocket.
        headers: Extra headers of the upgrade request, as a phone system may sign it.
        tls: Context for ``wss://``, shared by all calls since making one takes 20 ms; None for the default one.
        connect_timeout_s: Longest wait for the accepted WebSocket, seconds.
        stall_timeout_s: Longest time that the far end may not read, seconds.
        close_timeout_s: Longest wait for the far end's close, seconds.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    connect_timeout_s: float = 10.0
    stall_timeout_s: float = 10.0
    close_timeout_s: float = 5.0


def utc_now() -> datetime:
    """Return the wall-clock time, UTC."""
    return datetime.now(UTC)


async def place_call(
    line: Line,
    caller: Caller,
    wall_clock: Callable[[], datetime] = utc_now,
    metronome: Metronome | None = None,
) -> CallRecord:
    """Connect, walk through the caller's script in real time, hang up.

    The beat is the running loop's clock: one frame each 20 ms from the opening of the stream, never drifting; a late
    frame is caught up, as a network would deliver it.

    Args:
        line: How to reach the far end.
        caller: Who calls.
        wall_clock: Where `CallRecord.started_at` comes from.
        metronome: Shared by all calls of a run; None for one of its own.

    Returns:
        The caller's record. A call that fails is recorded, not raised.
    """
    clock = asyncio.get_running_loop().time
    dialled_s = clock()
    try:
        link = await _open(line, caller)
    except InvalidStatus as error:
        caller.fail(Failure(FailureKind.REFUSED, _refusal(error.response)))
        return caller.record
    except (InvalidHandshake, InvalidURI, OSError, EOFError) as error:
        caller.fail(Failure(FailureKind.UNREACHABLE, _reason(error)))
        return caller.record
    beat = _Beat(link, caller, metronome or Metronome(), line.stall_timeout_s)
    caller.record.setup_ms = (beat.opened_s - dialled_s) * 1000
    caller.record.started_at = wall_clock()
    try:
        beat.begin()
        await beat.over
    finally:
        beat.end()
        await link.hang_up(line.close_timeout_s)
    return caller.record


async def _open(line: Line, caller: Caller) -> CallLink:
    if line.url.startswith(f"{SCHEME}:"):
        return await open_tcp_link(line.url, timeout_s=line.connect_timeout_s)
    client = caller.client
    url = line.url
    if client.query:
        url += ("&" if "?" in url else "?") + urlencode(client.query)
    return await open_link(
        url,
        headers={**client.headers, **line.headers},
        subprotocol=client.subprotocol,
        tls=line.tls,
        timeout_s=line.connect_timeout_s,
    )


class _Beat:
    """Drives one caller: a callback of the event loop for each frame and for each message, and no task.

    Attributes:
        opened_s: When the media stream was opened, seconds of the loop's clock.
        over: Done when the call is; holds what went wrong in the harness itself.
    """

    def __init__(self, link: CallLink, caller: Caller, metronome: Metronome, stall_timeout_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self.opened_s = self._loop.time()
        self.over: asyncio.Future[None] = self._loop.create_future()
        self._link = link
        self._caller = caller
        self._stall_timeout_s = stall_timeout_s
        self._metronome = metronome
        self._frames = 0
        self._stall: asyncio.TimerHandle | None = None
        self._held = False
        self._ended = False

    def begin(self) -> None:
        """Open the stream and set the beat going."""
        self._link.send(self._caller.opening())
        self._link.listen(self)
        self._metronome.join(self.opened_s, 0, self._frame)

    def end(self) -> None:
        """Stop the beat and complete the record; once."""
        if self._ended:
            return
        self._ended = True
        if self._stall:
            self._stall.cancel()
        self._caller.end(self._now_ms())

    def received(self, message: Message) -> None:
        """Let the caller hear it, and write their echo; see `runtime.replay.link.Listener`."""
        if self._caller.done:
            return
        try:
            self._link.send(self._caller.receive(message, self._now_ms()))
        except Exception as error:  # noqa: BLE001 - raised where the call is awaited
            self._finish(error)

    def paused(self) -> None:
        """Hold the beat; a far end that does not go on reading ends the call."""
        if not self._ended and not self._stall:
            self._stall = self._loop.call_later(self._stall_timeout_s, self._stalled)

    def resumed(self) -> None:
        """Go on; what is due by now is caught up."""
        if not self._stall:
            return
        self._stall.cancel()
        self._stall = None
        if not self._ended and self._held:
            self._held = False
            self._metronome.join(self.opened_s, self._frames, self._frame)

    def closed(self, code: int | None, reason: str) -> None:
        """Let the caller judge whether it was due."""
        if not self._caller.done:
            self._caller.far_end_closed(code, reason)
        self._finish()

    def _frame(self, now_s: float) -> bool:
        """Live through one frame; see `runtime.replay.metronome.Beat`."""
        caller = self._caller
        if self._ended:
            return False
        if self._stall:
            self._held = True
            return False
        if caller.done:
            self._link.send(caller.stop())
            self._finish()
            return False
        self._frames += 1
        try:
            self._link.send(caller.tick((now_s - self.opened_s) * 1000))
        except Exception as error:  # noqa: BLE001 - raised where the call is awaited
            self._finish(error)
        return not self._ended

    def _stalled(self) -> None:
        self._caller.fail(Failure(FailureKind.STALLED, f"nothing read for {self._stall_timeout_s:g} s"))
        self._finish()

    def _finish(self, error: Exception | None = None) -> None:
        self.end()
        if self.over.done():
            return
        if error:
            self.over.set_exception(error)
        else:
            self.over.set_result(None)

    def _now_ms(self) -> float:
        return (self._loop.time() - self.opened_s) * 1000


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
