"""What a stand-in answers with: a streamed HTTP body, or a WebSocket session with ordered background work."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Self

from aiohttp import WSMsgType, web

from tests.standins.base import LoggedRequest, StandIn
from tests.standins.faults import Gate, Verdict

GARBAGE_TEXT = '{"type": "Results", "audio": '
"""Malformed JSON, cut off in the middle."""

GARBAGE_BYTES = b"\x00\xff\xfe<html>bad gateway</html>\x80"
"""Bytes that are neither JSON, nor UTF-8, nor a whole number of 16-bit samples."""


_KEEP_ALIVE_S = 0.1


class ByteStream:
    """A chunked HTTP response whose chunks obey the stand-in's faults."""

    def __init__(
        self, stand_in: StandIn, request: web.BaseRequest, log: LoggedRequest, keep_alive: bytes = b""
    ) -> None:
        self._gate = Gate(lambda: stand_in.faults_of(log.endpoint), request.transport)
        self._request = request
        self._keep_alive = keep_alive
        self.response = web.StreamResponse()

    @classmethod
    async def open(
        cls,
        stand_in: StandIn,
        request: web.BaseRequest,
        log: LoggedRequest,
        content_type: str,
        headers: Mapping[str, str] | None = None,
        *,
        keep_alive: bytes = b"",
    ) -> Self:
        """Send the status line and headers of a 200 response.

        Args:
            stand_in: The stand-in.
            request: The request to answer.
            log: Its log.
            content_type: The body's type.
            headers: Further headers.
            keep_alive: What the vendor sends all the time while it has nothing to say.
        """
        stream = cls(stand_in, request, log, keep_alive)
        stream.response.content_type = content_type
        stream.response.headers.update(headers or {})
        await stream.response.prepare(request)
        return stream

    async def send(self, chunk: bytes, garbage: bytes = GARBAGE_BYTES) -> None:
        """Send one chunk, or what the faults make of it.

        Raises:
            ConnectionResetError: The connection is gone.
        """
        verdict = await self._gate.next()
        while verdict is Verdict.SWALLOW:
            await asyncio.sleep(_KEEP_ALIVE_S)
            if self._keep_alive:
                await self.response.write(self._keep_alive)
        if verdict is Verdict.GARBAGE:
            await self.response.write(garbage)
            return
        # A network cuts where it likes, and hence within a character.
        cut = _within_character(chunk) if self.response.content_type == "text/event-stream" else 0
        if cut:
            await self.response.write(chunk[:cut])
            await asyncio.sleep(0)
        await self.response.write(chunk[cut:])

    async def end(self) -> web.StreamResponse:
        """Finish the body."""
        await self.response.write_eof()
        return self.response


class Session:
    """The server's end of one WebSocket."""

    def __init__(self, stand_in: StandIn, request: web.BaseRequest, log: LoggedRequest) -> None:
        self._gate = Gate(lambda: stand_in.faults_of(log.endpoint), request.transport)
        self._log = log
        self._stand_in = stand_in
        self._heard_at_s = asyncio.get_running_loop().time()
        self._idle_timer: asyncio.TimerHandle | None = None
        self._closing: asyncio.Task[None] | None = None
        # Compressing noise-like audio gains nothing and would spend CPU at both ends, which benchmarks would count.
        self.ws = web.WebSocketResponse(compress=False, max_msg_size=16 * 1024 * 1024)

    @classmethod
    async def open(
        cls,
        stand_in: StandIn,
        request: web.BaseRequest,
        log: LoggedRequest,
        headers: Mapping[str, str] | None = None,
    ) -> Self:
        """Accept the upgrade."""
        session = cls(stand_in, request, log)
        session.ws.headers.update(headers or {})
        await session.ws.prepare(request)
        return session

    async def send(self, message: Mapping[str, Any] | bytes) -> None:
        """Send one message (a mapping as JSON text), or what the faults make of it; nothing after the close.

        Raises:
            ConnectionResetError: The connection is gone.
        """
        verdict = await self._gate.next()
        if verdict is Verdict.SWALLOW or self.ws.closed:
            return
        if verdict is Verdict.GARBAGE:
            await self.ws.send_str(GARBAGE_TEXT)
        elif isinstance(message, bytes):
            await self.ws.send_bytes(message)
        else:
            await self.ws.send_str(json.dumps(message))

    async def messages(self, *, as_json: bool = True) -> AsyncIterator[Any]:
        """Iterate over received messages: bytes as they are, text parsed; ``None`` stands for malformed JSON.

        Args:
            as_json: Whether text is parsed at all; a vendor's commands may be plain words.
        """
        loop = asyncio.get_running_loop()
        async for message in self.ws:
            self._heard_at_s = loop.time()
            if message.type is WSMsgType.BINARY:
                self._log.audio_bytes += len(message.data)
                if self._stand_in.keep_audio:
                    self._log.audio += message.data
                yield message.data
            elif message.type is WSMsgType.TEXT:
                parsed = _parsed(message.data) if as_json else message.data
                if self._stand_in.keep_log:
                    self._log.messages.append(parsed)
                    self._stand_in.note_received()
                yield parsed

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Send the close frame."""
        await self.ws.close(code=code, message=reason.encode())

    def close_when_idle(self, timeout_s: float, close: Callable[[], Awaitable[None]]) -> None:
        """Call `close` once nothing was received for a while.

        One timer per connection, renewed lazily, so that it costs nothing per message.
        """
        loop = asyncio.get_running_loop()

        def check() -> None:
            left_s = self._heard_at_s + timeout_s - loop.time()
            if left_s > 0:
                self._idle_timer = loop.call_later(left_s, check)
            else:
                self._closing = asyncio.ensure_future(_run(close))

        self._idle_timer = loop.call_later(timeout_s, check)

    def release(self) -> None:
        """Drop the idle timer."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()


def _within_character(text: bytes) -> int:
    """Where the first character of more than one byte can be cut in two; 0 for nowhere."""
    return next((index for index, byte in enumerate(text) if 0x80 <= byte < 0xC0), 0)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


async def _run(work: Callable[[], Awaitable[None]]) -> None:
    with contextlib.suppress(ConnectionResetError):
        await work()


class Jobs:
    """Background work of one session, done one after the other."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Callable[[], Awaitable[None]] | None] = asyncio.Queue()
        self._task: asyncio.Task[None] = asyncio.create_task(self._work())

    def put(self, job: Callable[[], Awaitable[None]]) -> None:
        """Append a job."""
        self._queue.put_nowait(job)

    def end(self) -> None:
        """Stop working once every job put so far is done."""
        self._queue.put_nowait(None)

    def clear(self) -> None:
        """Forget all jobs, the running one included, and be ready for new ones."""
        self._task.cancel()
        self._queue = asyncio.Queue()
        self._task = asyncio.create_task(self._work())

    async def drained(self) -> None:
        """Wait until every job put so far is done, or until the work ended or broke off."""
        join = asyncio.create_task(self._queue.join())
        try:
            await asyncio.wait({join, self._task}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            join.cancel()

    async def stop(self) -> None:
        """Cancel everything."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _work(self) -> None:
        queue = self._queue
        with contextlib.suppress(ConnectionResetError):
            while (job := await queue.get()) is not None:
                await job()
                queue.task_done()


async def sleep_until(due_s: float) -> None:
    """Sleep until a time of the event loop's clock, seconds; return at once when it has passed."""
    left_s = due_s - asyncio.get_running_loop().time()
    if left_s > 0:
        await asyncio.sleep(left_s)
