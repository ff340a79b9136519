"""Owns one call from the accepted socket to ``terminated``.

Whatever happens (hang-up, terminate, a vendor that refuses, an exception, a cancelled task), the AIcall is moved
through ``terminating`` to ``terminated`` exactly once, after everything it held was released within a hard deadline.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import Any

from loguru import logger
from starlette.websockets import WebSocket

from adapters.media.base import AudioReceived, DtmfReceived, Handshake, MarkReached, MediaEvent, Started, Stopped
from adapters.media.registry import choose
from adapters.vendor_errors import failure
from models.aicall import EndReason
from models.errors import InvalidField, MediaProtocolError, ProviderError
from models.ids import NIL_ID
from models.message import Role
from models.status import AicallStatus
from models.tools import enabled_tools
from models.turn import TurnRecord
from pipelines.conversation import Conversation, ConversationSettings, VoiceServices
from pipelines.failover.failover import Switch
from pipelines.failover.failures import Seat
from pipelines.failover.stall_watch import StallLimits
from pipelines.prompts import substitute
from pipelines.tools.dispatch import ToolDispatch
from pipelines.turns.barge_in import Decision
from pipelines.voice_services import make_voice_services
from runtime.calls.admission import Admitted
from runtime.calls.call_records import CallRecords
from runtime.calls.call_socket import CallSocket, Disconnected
from runtime.calls.call_tools import CallToolHost
from runtime.calls.close_codes import close_code
from runtime.services import Services

_STORE_OUTAGE_S = 30.0
"""How long the last records of a call wait for a store that does not answer, seconds."""


class CallWorker:
    """Runs one call.

    Args:
        services: The process.
        admitted: The AIcall that was taken for this connection.
        handshake: The upgrade request.
        socket: The WebSocket, not yet accepted.
    """

    def __init__(self, services: Services, admitted: Admitted, handshake: Handshake, socket: WebSocket) -> None:
        self._services = services
        self._settings = services.settings
        self._admitted = admitted
        self._aicall = admitted.aicall
        self._handshake = handshake
        self._socket = CallSocket(socket, on_lost=lambda: self.end(EndReason.HANGUP))
        self._records = CallRecords(services, self._aicall, lambda: self.end(EndReason.TERMINATE))
        self._end: asyncio.Future[EndReason] = asyncio.get_running_loop().create_future()
        self._ended = asyncio.Event()
        self._conversation: Conversation | None = None
        self._voice: VoiceServices | None = None
        self._failed_in_turn: set[Seat] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._conversing: asyncio.Task[None] | None = None
        self._duration_timer: asyncio.TimerHandle | None = None
        self._media_timer: asyncio.TimerHandle | None = None

    def end(self, reason: EndReason) -> None:
        """Ask the call to end. The first reason counts."""
        if not self._end.done():
            self._end.set_result(reason)

    async def wait_ended(self) -> None:
        """Wait until the AIcall is ``terminated`` and everything is released."""
        await self._ended.wait()

    async def run(self) -> None:
        """Conduct the call to its end. Never raises, unless it is cancelled, and then only after the end."""
        self._spawn(self._conduct(), "opening")
        cancelled = not await _wait_through({self._end})
        self.end(EndReason.DRAIN)
        tearing_down = asyncio.get_running_loop().create_task(self._tear_down(self._end.result()))
        while not tearing_down.done():
            cancelled = not await _wait_through({tearing_down}) or cancelled
        if cancelled:
            raise asyncio.CancelledError

    # Conducting.

    async def _conduct(self) -> None:
        offered, protocol = self._handshake.subprotocols, self._admitted.protocol
        # A client must fail a connection on which it is given a subprotocol that it did not offer (RFC 6455, 4.1).
        await self._socket.accept(protocol.subprotocol if protocol and protocol.subprotocol in offered else None)
        started, early = await self._wait_started()
        if self._end.done():
            return
        # Loaded when the AI was saved, but for one that another process saved meanwhile.
        await self._services.preloader.ensure(self._aicall.providers)
        conversation = self._build(started)
        self._conversation = conversation
        self._conversing = self._spawn(self._converse(conversation), "conversation")
        self._spawn(self._read(conversation, early), "reader")
        limit_s = self._aicall.options.max_duration_s or self._settings.max_duration_s
        self._duration_timer = asyncio.get_running_loop().call_later(limit_s, self.end, EndReason.MAX_DURATION)
        self._watch_media()

    async def _wait_started(self) -> tuple[Started, list[MediaEvent]]:
        """Read until the stream begins.

        Returns:
            The beginning, and what came with it in the same message.

        Raises:
            MediaProtocolError: It does not begin in time, or not as its protocol allows.
            Disconnected: The phone system closed the socket first.
        """
        try:
            async with asyncio.timeout(self._settings.start_timeout_s), aclosing(self._events()) as messages:
                async for events in messages:
                    for index, event in enumerate(events):
                        if isinstance(event, Started):
                            self._socket.started = True
                            return event, events[index + 1 :]
        except TimeoutError:
            raise MediaProtocolError("the stream did not start in time", fatal=True) from None
        raise MediaProtocolError("the stream ended before it started", fatal=True)

    async def _events(self) -> AsyncGenerator[list[MediaEvent], None]:
        """Yield each message's events. The first message may show which protocol it is."""
        chosen = self._admitted.protocol
        message = await self._socket.receive()
        if chosen is None:
            chosen = choose(self._handshake, message)
            if chosen is None:
                raise MediaProtocolError("the first message fits no media protocol", fatal=True)
        self._socket.speak(chosen())
        while True:
            yield self._socket.events_of(message)
            message = await self._socket.receive()

    def _build(self, started: Started) -> Conversation:
        aicall, ai = self._aicall, self._admitted.ai
        variables = self._variables(started)
        vad = aicall.ai_vad_config or ai.effective_vad
        voice = make_voice_services(
            aicall,
            ai.secrets,
            init_prompt=ai.init_prompt,
            variables=variables,
            sample_rate_hz=started.sample_rate_hz,
            stop_secs=vad.stop_secs,
            clients=self._services.clients,
            environ=self._services.environ,
            circuits=self._services.circuits,
        )
        self._voice = voice
        host = CallToolHost(self._services, aicall, self._records, variables)
        tools = ToolDispatch(
            enabled_tools(ai.tool_names, has_knowledge=ai.rag_id != NIL_ID), host, self._records.tool_called
        )
        options = aicall.options
        options = options.model_copy(update={"greeting": substitute(options.greeting, variables)})
        conversation = Conversation(
            voice,
            ConversationSettings(
                vad=vad,
                smart_turn_enabled=aicall.ai_smart_turn_enabled,
                options=options,
                language=aicall.stt_language,
                idle_timeout_s=options.idle_timeout_s or self._settings.idle_timeout_s,
                limits=StallLimits(
                    stt_s=self._settings.stt_stall_s,
                    llm_s=self._settings.llm_stall_s,
                    tts_s=self._settings.tts_stall_s,
                ),
                answers_early=options.answer_early and voice.may_speculate,
            ),
            tools.schemas(),
            sink=self._socket,
            inference=self._services.inference,
            listener=self,
            greetings=self._services.greetings,
            phrases=self._services.phrases,
        )
        host.serve(conversation)
        return conversation

    def _variables(self, started: Started) -> dict[str, str]:
        query = self._handshake.query
        return {
            **started.parameters,
            "aicall.id": str(self._aicall.id),
            "call.id": started.call_id,
            "call.session": query.get("session", started.call_id),
            "call.from": query.get("from", started.from_),
            "call.to": query.get("to", started.to),
        }

    async def _converse(self, conversation: Conversation) -> None:
        await conversation.run()
        # It ended though nobody asked it to.
        self.end(EndReason.INTERNAL_ERROR)

    async def _read(self, conversation: Conversation, early: list[MediaEvent]) -> None:
        events = early
        while True:
            for event in events:
                match event:
                    case AudioReceived():
                        await conversation.input.feed(event.pcm)
                    case MarkReached():
                        conversation.output.mark_reached(event.name)
                    case DtmfReceived():
                        await conversation.input.press(event.digit)
                    case Stopped():
                        self.end(EndReason.HANGUP)
                        return
                    case Started():
                        pass
            events = self._socket.events_of(await self._socket.receive())

    # Watching.

    def _spawn(self, work: Coroutine[object, object, None], name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=f"{name}-{self._aicall.id}")
        task.add_done_callback(self._task_done)
        self._tasks.append(task)
        return task

    def _task_done(self, task: asyncio.Task[None]) -> None:
        # The exception is always fetched: asyncio would complain about one that nobody has seen.
        error = None if task.cancelled() else task.exception()
        if error is None or self._end.done():
            return
        if isinstance(error, Disconnected):
            self.end(EndReason.MEDIA_ERROR if error.broken else EndReason.HANGUP)
        elif isinstance(error, MediaProtocolError):
            logger.info("aicall {}: {}", self._aicall.id, error.message)
            self.end(EndReason.MEDIA_ERROR)
        elif isinstance(error, InvalidField | ProviderError):
            logger.warning("aicall {}: {}", self._aicall.id, error.message)
            self.end(EndReason.PROVIDER_ERROR)
        else:
            logger.opt(exception=error).error("aicall {}: the call broke", self._aicall.id)
            self.end(EndReason.INTERNAL_ERROR)

    def _watch_media(self) -> None:
        """End the call when the phone system sends nothing any more: a half-open socket closes by itself only late."""
        loop = asyncio.get_running_loop()
        left_s = self._socket.last_received_s + self._settings.media_idle_timeout_s - loop.time()
        if left_s > 0:
            self._media_timer = loop.call_later(left_s, self._watch_media)
        else:
            self.end(EndReason.MEDIA_ERROR)

    # What the conversation says (`pipelines.conversation.ConversationListener`).

    def started(self) -> None:
        """Record that the pipeline runs."""
        self._records.moved(AicallStatus.PROGRESSING)

    def user_said(self, text: str) -> None:
        """Record the caller's turn."""
        self._worked(Seat.STT)
        self._records.said(Role.USER, text)

    def bot_said(self, text: str, *, interrupted: bool) -> None:
        """Record what the caller heard of the bot's turn."""
        self._records.said(Role.ASSISTANT, text, interrupted=interrupted)

    def turn_completed(self, record: TurnRecord) -> None:
        """Record a turn's latencies."""
        if record.llm_first_token_ms is not None:
            self._worked(Seat.LLM)
            if record.tts_first_audio_ms is not None:
                self._worked(Seat.TTS)
        self._failed_in_turn.clear()
        self._records.turn_completed(record)

    def barge_in_decided(self, decision: Decision) -> None:
        """Count what became of the caller's speech."""
        self._services.metrics.barge_in_decided(action=decision.action, cause=decision.cause)

    def provider_failed(self, seat: Seat, category: str, *, fatal: bool) -> None:
        """Record a vendor's failure, and let the other calls know of it."""
        provider = ""
        if self._voice is not None:
            provider = self._voice.provider(seat)
            if (circuit := self._voice.circuits.get(seat)) is not None:
                circuit.failed(category)
        self._failed_in_turn.add(seat)
        self._records.provider_failed(failure(provider, seat, category), fatal=fatal)

    def provider_switched(self, switch: Switch) -> None:
        """Record that another vendor took over."""
        error = failure(switch.failed, switch.seat, switch.category)
        self._records.provider_switched(error, switch.successor, switch.took_ms)

    def _worked(self, seat: Seat) -> None:
        circuit = self._voice.circuits.get(seat) if self._voice is not None else None
        if circuit is not None and seat not in self._failed_in_turn:
            circuit.succeeded()

    def filler_said(self, text: str, waits_for: str) -> None:
        """Record that the caller was asked to wait."""
        self._records.filler_said(text, waits_for)

    def finished(self, reason: EndReason) -> None:
        """End the call: the conversation is over."""
        self.end(reason)

    # Tearing down.

    async def _tear_down(self, reason: EndReason) -> None:
        self._records.moved(AicallStatus.TERMINATING, reason)
        for timer in (self._duration_timer, self._media_timer):
            if timer is not None:
                timer.cancel()
        deadline_s = self._settings.teardown_timeout_s
        try:
            async with asyncio.timeout(deadline_s + 1.0):
                await self._release(reason, deadline_s)
        except TimeoutError:
            logger.error("aicall {}: not everything could be released in time", self._aicall.id)
        except Exception:  # noqa: BLE001 - the last move must be made whatever went wrong
            logger.exception("aicall {}: releasing the call failed", self._aicall.id)
        finally:
            self._records.moved(AicallStatus.TERMINATED, reason)
            try:
                if not await self._records.journal.flush(_STORE_OUTAGE_S):
                    logger.error("aicall {}: its last records could not be written", self._aicall.id)
                await self._records.journal.close()
            finally:
                self._ended.set()

    async def _release(self, reason: EndReason, deadline_s: float) -> None:
        conversation, conversing = self._conversation, self._conversing
        if conversation is not None:
            early = conversation.early_answers
            self._services.metrics.answered_early(kept=early.kept, discarded=early.discarded)
        if (
            conversation is not None
            and conversing is not None
            and not await conversation.stop(conversing, deadline_s / 2)
        ):
            logger.error("aicall {}: the pipeline did not end in time and is left to itself", self._aicall.id)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=deadline_s / 4)
        await self._socket.close(*close_code(reason))


async def _wait_through(awaited: set[asyncio.Future[Any]]) -> bool:
    """Wait for something without cancelling it.

    Returns:
        False when the wait was cancelled.
    """
    try:
        await asyncio.wait(awaited)
    except asyncio.CancelledError:
        return False
    return True
