"""Deepgram's live transcription on Pipecat's speech-to-text base.

Pipecat's own Deepgram service is not used. It builds an HTTP client per call that it never needs and a TLS context per
connection (18 ms of blocked loop each), its socket deflates audio, a lost connection waits four seconds, and what
the caller says meanwhile is gone. ``docs/providers.md`` has the figures.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

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
from pipecat.services.stt_latency import DEEPGRAM_TTFS_P99
from pipecat.services.stt_service import STTService
from pipecat.transcriptions.language import Language
from pipecat.utils.errors import ErrorCategory
from pipecat.utils.time import time_now_iso8601
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from adapters.clients import SharedClients
from adapters.requests import Credentials, SttRequest
from adapters.seats import ProviderRow
from adapters.stt.deepgram_wire import CLOSE_STREAM, FINALIZE, KEEP_ALIVE, Result, UnheardAudio, listen_url, parse
from adapters.stt.frames import CallerPausedFrame, CallerResumedFrame, TranscriptCompleteFrame
from adapters.vendor_errors import classify

_KEEP_ALIVE_S = 4.0
"""Deepgram closes after 10 s without a message and asks for one every 3 to 5 s."""

_LONGEST_REPLAY_S = 15.0
"""How much audio a new connection hears again, seconds."""

_LONGEST_CLOSE_S = 1.0
"""How long the end of a call waits for Deepgram's goodbye, seconds."""

_END_TOLERANCE_S = 0.05
"""How much shorter than the audio a result may say that it is, seconds."""

_LARGEST_BACKLOG = 2**18
"""Bytes that may wait in a socket's buffer (16 s at 8 kHz) before the vendor counts as dead."""


class DeepgramRecognizer(STTService):
    """Transcribes over one WebSocket, which is opened in the background: a call does not wait for it.

    Audio that comes while there is no connection, and audio for which no final result came before a connection broke,
    is sent over the next one, so that the caller need not repeat anything.

    Failures are error frames pushed upstream: a refusal (``AUTHENTICATION``, …) makes the service unusable at once; a
    lost connection is ``CONNECTIVITY`` and leaves it usable until `VendorLimits.reconnects` connections failed in a
    row. Silence of `VendorLimits.quiet_s` after the caller stopped counts as a lost connection.

    Args:
        credentials: Key and endpoint.
        model: Deepgram's name of the model.
        language: BCP 47 tag; '' for the model's default.
        sample_rate: Rate of the caller's audio, Hz.
        clients: The process's shared clients.
        **kwargs: Arguments of Pipecat's `STTService`.
    """

    def __init__(
        self,
        *,
        credentials: Credentials,
        model: str,
        language: str,
        sample_rate: int,
        clients: SharedClients,
        **kwargs: Any,
    ) -> None:
        settings = STTSettings(model=model, language=language or None)
        super().__init__(sample_rate=sample_rate, settings=settings, **kwargs)
        self._credentials = credentials
        self._clients = clients
        self._url = listen_url(credentials.base_url, model=model, language=language, sample_rate_hz=sample_rate)
        self._unheard = UnheardAudio(sample_rate, _LONGEST_REPLAY_S)
        self._connection: asyncio.Task[None] | None = None
        self._socket: ClientConnection | None = None
        self._finalizes_due = 0
        self._asked_end_s = 0.0
        self._asked_in_pause = False
        self._overdue: asyncio.TimerHandle | None = None

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
        """Process a frame; the caller's silence asks Deepgram for its final result, already while it may be a pause."""
        await super().process_frame(frame, direction)
        match frame:
            case CallerPausedFrame():
                self._asked_in_pause = True
                await self._ask_for_final()
            case CallerResumedFrame() | VADUserStartedSpeakingFrame():
                self._asked_in_pause = False
            case VADUserStoppedSpeakingFrame():
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
            failure: Exception
            try:
                async with connect(
                    self._url,
                    additional_headers={"Authorization": f"Token {self._credentials.key.get_secret_value()}"},
                    ssl=self._clients.ssl_for(self._url),
                    compression=None,
                    open_timeout=limits.connect_s,
                    close_timeout=_LONGEST_CLOSE_S,
                    write_limit=_LARGEST_BACKLOG,
                ) as socket:
                    opened_s = loop.time()
                    await self._listen(socket)
                failure = ConnectionError("Deepgram closed the connection")
            except (OSError, WebSocketException, ValueError) as error:
                failure = error
            lasted_s = 0.0 if opened_s is None else loop.time() - opened_s
            failures = 0 if lasted_s >= limits.stable_s else failures + 1
            given_up = failures >= limits.reconnects
            await self.push_error(_describe(failure), exception=failure, force_treat_as_permanent=given_up)
            if not self.is_usable:
                return
            await asyncio.sleep(limits.reconnect_wait_s)

    async def _listen(self, socket: ClientConnection) -> None:
        """Serve one connection until it ends.

        Raises:
            ConnectionClosed: It broke.
            ValueError: Deepgram sent what makes no sense.
        """
        keep_alive = self.create_task(self._keep_alive(socket))
        try:
            self._unheard.rewind()
            await self._send_unheard(socket)
            if self._finalizes_due:
                # All that was asked for on the last connection is answered by one result on this one.
                self._finalizes_due = 1
                await self._send_finalize(socket)
            self._socket = socket
            async for message in socket:
                self._cancel_overdue()
                result = parse(message)
                if result is not None:
                    await self._hear(result)
        finally:
            self._socket = None
            self._cancel_overdue()
            await self.cancel_task(keep_alive)

    async def _hear(self, result: Result) -> None:
        language = _language(result.language)
        if not result.is_final:
            if result.text:
                await self.push_frame(InterimTranscriptionFrame(result.text, "", time_now_iso8601(), language))
            return
        settled = result.from_finalize and self._settles(result)
        self._unheard.settle(result.end_s)
        if result.text:
            if settled:
                self.confirm_finalize()  # type: ignore[no-untyped-call]
            await self.emit_stt_usage_metrics()  # type: ignore[no-untyped-call]
            await self.push_frame(TranscriptionFrame(result.text, "", time_now_iso8601(), language))
        elif result.from_finalize:
            await self.stop_ttfb_metrics()
            if settled:
                await self.push_frame(TranscriptCompleteFrame())

    def _settles(self, result: Result) -> bool:
        """Whether an answer to a `FINALIZE` is the one to the last of them.

        That to an earlier pause says nothing about what was spoken after it. Deepgram does not promise an answer to
        each, so it is also told from where the result ends.
        """
        self._finalizes_due = max(0, self._finalizes_due - 1)
        if result.end_s >= self._asked_end_s - _END_TOLERANCE_S:
            self._finalizes_due = 0
        return not self._finalizes_due

    async def _send_unheard(self, socket: ClientConnection) -> None:
        try:
            while (chunk := self._unheard.next()) is not None:
                await socket.send(chunk)
        except ConnectionClosed:
            return
        if socket.transport.get_write_buffer_size() >= _LARGEST_BACKLOG // 2:
            logger.warning("Deepgram takes no more audio; opening another connection")
            socket.transport.abort()

    async def _send_finalize(self, socket: ClientConnection) -> None:
        self._asked_end_s = self._unheard.end_s
        self._cancel_overdue()
        self._overdue = asyncio.get_running_loop().call_later(self._clients.limits.quiet_s, socket.transport.abort)
        try:
            await socket.send(FINALIZE)
        except ConnectionClosed:
            return

    def _cancel_overdue(self) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None

    async def _keep_alive(self, socket: ClientConnection) -> None:
        try:
            while True:
                await asyncio.sleep(_KEEP_ALIVE_S)
                await socket.send(KEEP_ALIVE)
        except ConnectionClosed:
            return

    async def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        socket, self._socket = self._socket, None
        if socket is not None:
            with contextlib.suppress(ConnectionClosed):
                await socket.send(CLOSE_STREAM)
        await self.cancel_task(connection)

    def _classify_error(self, exception: Exception) -> ErrorCategory | None:
        return classify(exception)


def _describe(failure: Exception) -> str:
    """What went wrong, in Deepgram's words where it gave some (the ``dg-error`` header of a refusal)."""
    if isinstance(failure, InvalidStatus):
        reason = failure.response.headers.get("dg-error", "")
        return f"Deepgram refused the connection (HTTP {failure.response.status_code}) {reason}".rstrip()
    return f"Deepgram connection failed: {type(failure).__name__}"


def _language(tag: str) -> Language | None:
    try:
        return Language(tag)
    except ValueError:
        return None


def build(row: ProviderRow, request: SttRequest) -> DeepgramRecognizer:
    """Make the service.

    Args:
        row: Deepgram's row.
        request: What to make it from.
    """
    del row
    return DeepgramRecognizer(
        credentials=request.credentials,
        model=request.model,
        language=request.language,
        sample_rate=request.sample_rate_hz,
        clients=request.clients,
        ttfs_p99_latency=DEEPGRAM_TTFS_P99 + request.extra_wait_s,
        audio_passthrough=False,
    )
