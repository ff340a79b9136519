"""What all recognisers behind a WebSocket have in common: connecting, and losing nothing when a connection breaks.

Pipecat's own services for these vendors are not used. They hold up the pipeline until they are connected, make a TLS
context per connection (18 ms of blocked loop each), wait four seconds before they connect anew, and what the caller
says meanwhile is gone. ``docs/providers.md`` has the figures.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from loguru import logger
from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    InterimTranscriptionFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessorSetup
from pipecat.services.settings import STTSettings
from pipecat.services.stt_service import STTService
from pipecat.transcriptions.language import Language
from pipecat.utils.errors import ErrorCategory
from pipecat.utils.time import time_now_iso8601
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from adapters.requests import SttRequest
from adapters.stt.frames import CallerPausedFrame, CallerResumedFrame, TranscriptCompleteFrame
from adapters.stt.recognizer_wire import Heard, RecognizerWire, Refusal
from adapters.stt.unheard_audio import UnheardAudio
from adapters.vendor_errors import classify

_LONGEST_REPLAY_S = 15.0
"""How much audio a new connection hears again, seconds."""

_LONGEST_CLOSE_S = 1.0
"""How long the end of a call waits for the vendor's goodbye, seconds."""

_END_TOLERANCE_S = 0.05
"""How much shorter than the audio a result may say that it is, seconds."""

_LARGEST_BACKLOG = 2**18
"""Bytes that may wait in a socket's buffer (16 s at 8 kHz) before the vendor counts as dead."""

_UNNOTICED_S = 0.6
"""How long a vendor adds no word to speech that no VAD noticed before that counts as over, seconds."""


class SpeechLink(STTService):
    """Transcribes over one WebSocket, which is opened in the background: a call does not wait for it.

    Audio that comes while there is no connection, and audio for which no final result came before a connection broke,
    is sent over the next one, so that the caller need not repeat anything.

    Failures are error frames pushed upstream: a refusal (``AUTHENTICATION``, …) makes the service unusable at once; a
    lost connection is ``CONNECTIVITY`` and leaves it usable until `VendorLimits.reconnects` connections failed in a
    row. Silence of `VendorLimits.quiet_s` after the caller stopped counts as a lost connection.

    Args:
        wire: The vendor's protocol.
        request: What the service is made from.
        model: The vendor's name of the model.
        latency_s: How long the final result takes after the caller's last word, 99th percentile after 0.2 s of silence.
    """

    def __init__(self, wire: RecognizerWire, request: SttRequest, *, model: str, latency_s: float) -> None:
        super().__init__(
            sample_rate=request.sample_rate_hz,
            settings=STTSettings(model=model, language=request.language or None),
            ttfs_p99_latency=latency_s + request.extra_wait_s,
            audio_passthrough=False,
        )
        self._wire = wire
        self._clients = request.clients
        self._unheard = UnheardAudio(request.sample_rate_hz, _LONGEST_REPLAY_S)
        self._connection: asyncio.Task[None] | None = None
        self._socket: ClientConnection | None = None
        self._sent_at_s = 0.0
        self._finalizes_due = 0
        self._asked_end_s = 0.0
        self._asked_in_pause = False
        self._speaking = False
        self._alive_s = float("-inf")
        self._told = False
        """Whether it is known already that the connection is lost."""
        self._overdue: asyncio.TimerHandle | None = None
        self._unnoticed: asyncio.TimerHandle | None = None

    @property
    def unheard_s(self) -> float:
        """How much of the latest audio is in no final transcript, seconds."""
        return self._unheard.kept_s

    async def reconnect(self) -> bool:
        """Break the connection, from which nothing comes; what it has not told of is heard again over the next."""
        if self._socket is None:
            return False
        self._told = True
        self._socket.transport.abort()
        return True

    @property
    def alive_s(self) -> float:
        """When the vendor sent something last, on the loop's clock; minus infinity for never."""
        return self._alive_s

    def can_generate_metrics(self) -> bool:
        """Latency and usage are measured."""
        return True

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        """Begin to connect."""
        await super().setup(setup)
        self._connection = self.create_task(self._stay_connected())

    async def stop(self, frame: EndFrame) -> None:
        """Close the stream at the end of the call."""
        await super().stop(frame)
        await self._hang_up()

    async def cancel(self, frame: CancelFrame) -> None:
        """Close the stream at once."""
        await super().cancel(frame)
        await self._hang_up()

    async def cleanup(self) -> None:
        """Release everything."""
        await super().cleanup()  # type: ignore[no-untyped-call]
        await self._hang_up()

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
        """Send audio; transcripts come from the connection's task."""
        self._unheard.add(audio)
        if self._socket is not None:
            await self._send_unheard(self._socket)
        yield None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Process a frame; the caller's silence asks for the final result, already while it may be a pause."""
        await super().process_frame(frame, direction)
        match frame:
            case CallerPausedFrame():
                self._asked_in_pause = True
                await self._ask_for_final()
            case CallerResumedFrame():
                self._asked_in_pause = False
            case VADUserStartedSpeakingFrame():
                self._asked_in_pause = False
                self._speaking = True
                self._stop_waiting_for_vad()
            case VADUserStoppedSpeakingFrame():
                self._speaking = False
                # Since the pause there was only silence.
                if not self._asked_in_pause:
                    await self._ask_for_final()
                self._asked_in_pause = False

    async def _ask_for_final(self) -> None:
        self.request_finalize()  # type: ignore[no-untyped-call]
        self._finalizes_due += 1
        if self._socket is not None:
            await self._send_finalize(self._socket)

    async def _stay_connected(self) -> None:
        limits = self._clients.limits
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            opened_s: float | None = None
            refusal: Refusal | None = None
            failure: Exception | None = None
            try:
                async with connect(
                    self._wire.url,
                    additional_headers=self._wire.headers,
                    ssl=self._clients.ssl_for(self._wire.url),
                    compression=None,
                    open_timeout=limits.connect_s,
                    close_timeout=_LONGEST_CLOSE_S,
                    write_limit=_LARGEST_BACKLOG,
                ) as socket:
                    opened_s = loop.time()
                    refusal = await self._listen(socket)
                if refusal is None:
                    failure = ConnectionError(f"{self._wire.name} closed the connection")
            except (OSError, WebSocketException, ValueError) as error:
                failure = error
            lasted_s = 0.0 if opened_s is None else loop.time() - opened_s
            if refusal is not None and refusal.category is None and lasted_s >= limits.stable_s:
                logger.debug(f"{refusal.message}; opening another connection")
                continue
            told, self._told = self._told, False
            if not told:
                failures = 0 if lasted_s >= limits.stable_s else failures + 1
                await self._report(refusal, failure, given_up=failures >= limits.reconnects)
            if not self.is_usable:
                return
            await asyncio.sleep(limits.reconnect_wait_s)

    async def _report(self, refusal: Refusal | None, failure: Exception | None, *, given_up: bool) -> None:
        if refusal is not None:
            await self.push_error(
                refusal.message,
                category=refusal.category or ErrorCategory.CONNECTIVITY,
                force_treat_as_permanent=given_up,
            )
        elif failure is not None:
            await self.push_error(self._describe(failure), exception=failure, force_treat_as_permanent=given_up)

    def _describe(self, failure: Exception) -> str:
        if isinstance(failure, InvalidStatus):
            words = self._wire.refused(failure.response.headers)
            return f"{self._wire.name} refused the connection (HTTP {failure.response.status_code}) {words}".rstrip()
        return f"{self._wire.name} connection failed: {type(failure).__name__}"

    async def _listen(self, socket: ClientConnection) -> Refusal | None:
        """Serve one connection until it ends.

        Returns:
            What the vendor said before it ended the connection; None when it said nothing.

        Raises:
            ConnectionClosed: It broke.
            ValueError: The vendor sent what makes no sense.
        """
        self._wire.begin()
        keep_alive = self.create_task(self._keep_alive(socket))
        try:
            self._unheard.rewind()
            await self._send_unheard(socket)
            if self._finalizes_due:
                # All that was asked for on the last connection is answered by one result on this one.
                self._finalizes_due = 1
                await self._send_finalize(socket)
            self._socket = socket
            await self._call_event_handler("on_connected")
            async for message in socket:
                self._alive_s = asyncio.get_running_loop().time()
                self._cancel_overdue()
                heard = self._wire.receive(message)
                if isinstance(heard, Refusal):
                    return heard
                if heard is not None:
                    await self._hear(heard)
        finally:
            self._socket = None
            self._cancel_overdue()
            self._stop_waiting_for_vad()
            await self.cancel_task(keep_alive)
        return None

    async def _hear(self, heard: Heard) -> None:
        language = _language(heard.language)
        if not heard.is_final:
            if heard.text:
                self._wait_for_vad()
                await self.push_frame(InterimTranscriptionFrame(heard.text, "", time_now_iso8601(), language))
            return
        settled = heard.answers and self._settles(heard)
        self._unheard.settle(heard.end_s)
        if heard.text:
            if settled:
                self.confirm_finalize()  # type: ignore[no-untyped-call]
            await self.emit_stt_usage_metrics()  # type: ignore[no-untyped-call]
            await self.push_frame(TranscriptionFrame(heard.text, "", time_now_iso8601(), language))
        elif heard.answers:
            await self.stop_ttfb_metrics()
            if settled:
                await self.push_frame(TranscriptCompleteFrame())

    def _settles(self, heard: Heard) -> bool:
        """Whether an answer to a request for the final result is the one to the last of them.

        That to an earlier pause says nothing about what was spoken after it. Deepgram does not promise an answer to
        each, so it is also told from where the result ends.
        """
        self._finalizes_due = max(0, self._finalizes_due - 1)
        if heard.end_s >= self._asked_end_s - _END_TOLERANCE_S:
            self._finalizes_due = 0
        return not self._finalizes_due

    def _wait_for_vad(self) -> None:
        """Ask for the final result of speech that no VAD notices, for a vendor that would never end it."""
        if self._wire.ends_utterances or self._speaking or self._finalizes_due:
            return
        self._stop_waiting_for_vad()
        self._unnoticed = asyncio.get_running_loop().call_later(
            _UNNOTICED_S, lambda: self.create_task(self._ask_for_final())
        )

    def _stop_waiting_for_vad(self) -> None:
        if self._unnoticed is not None:
            self._unnoticed.cancel()
            self._unnoticed = None

    async def _send_unheard(self, socket: ClientConnection) -> None:
        try:
            while (chunk := self._unheard.next()) is not None:
                await socket.send(self._wire.audio(chunk))
        except ConnectionClosed:
            return
        self._sent_at_s = asyncio.get_running_loop().time()
        if socket.transport.get_write_buffer_size() >= _LARGEST_BACKLOG // 2:
            logger.warning(f"{self._wire.name} takes no more audio; opening another connection")
            socket.transport.abort()

    async def _send_finalize(self, socket: ClientConnection) -> None:
        self._asked_end_s = self._unheard.end_s
        self._cancel_overdue()
        self._overdue = asyncio.get_running_loop().call_later(self._clients.limits.quiet_s, socket.transport.abort)
        try:
            await socket.send(self._wire.finalize(self._asked_end_s))
        except ConnectionClosed:
            return

    def _cancel_overdue(self) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None

    async def _keep_alive(self, socket: ClientConnection) -> None:
        loop = asyncio.get_running_loop()
        self._sent_at_s = loop.time()
        try:
            while True:
                left_s = self._sent_at_s + self._wire.keep_alive_s - loop.time()
                if left_s > 0:
                    await asyncio.sleep(left_s)
                    continue
                await socket.send(self._wire.keep_alive())
                self._sent_at_s = loop.time()
        except ConnectionClosed:
            return

    async def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        socket, self._socket = self._socket, None
        goodbye = self._wire.goodbye()
        if socket is not None and goodbye is not None:
            with contextlib.suppress(ConnectionClosed):
                await socket.send(goodbye)
        await self.cancel_task(connection)

    def _classify_error(self, exception: Exception) -> ErrorCategory | None:
        return classify(exception)


def _language(tag: str) -> Language | None:
    try:
        return Language(tag)
    except ValueError:
        return None
