"""A call around a `Conversation`: a phone that plays and speaks, a listener that writes down, services of every kind.

Everything runs on the loop's clock, so that a test marked ``virtual_time`` holds a call of a minute in a second.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.frames.frames import Frame

from adapters.llm.script import ScriptLLMService, parse_script
from adapters.stt.pocketsphinx import PocketsphinxSTTService
from adapters.tts.espeak import EspeakTTSService
from models.aicall import EndReason
from models.options import CallOptions
from models.tools import TOOLS
from models.turn import TurnRecord
from models.vad import EffectiveVad
from pipelines.conversation.conversation import Conversation
from pipelines.conversation.types import ConversationSettings, VoiceServices
from pipelines.failover.failover import Switch
from pipelines.failover.failures import Seat
from pipelines.failover.stall_watch import StallLimits
from pipelines.team.handover import Handover
from pipelines.tools.builtin import BUILTIN
from pipelines.tools.dispatch import ToolDispatch
from pipelines.turns.barge_in import Decision
from pipelines.vad.inference import InferenceEngine
from tests.pipelines import sounds
from tests.pipelines.tools.hosts import CallHost

RATE_HZ = 16_000
"""The embedded recogniser's own rate."""
FRAME_MS = 20
STOP_S = 3.0
"""Deadline for the end of a call, seconds."""
PATIENT_LIMITS = StallLimits(stt_s=6.0, llm_s=6.0, tts_s=6.0)
PATIENCE_S = 60.0
"""Longest wait for anything, seconds of the loop's clock."""

SCRIPT = parse_script(
    """
greeting: Good morning, this is the clinic. How can I help you?
not_understood: Could you say that again?
idle: Are you still there?
rules:
  - when: what are your opening hours
    say: >-
      We are open on Monday, Tuesday and Thursday from eight in the morning until six in the evening. On Wednesday we
      open at ten and close at eight, so that you can come after work.
  - when: i would like to make an appointment
    say: Please enter your customer number.
  - dtmf: '4711'
    call: {tool: set_variables, arguments: {variables: {number: '{digits}'}}}
    then: {say: Thank you., else_say: That did not work.}
  - dtmf: '[0-9]*'
    say: I do not know this number.
  - when: thank you goodbye
    say: Thank you for calling. Goodbye!
    hangup: true
"""
)
GREETING = SCRIPT.greeting[0]
HOURS, APPOINTMENT, GOODBYE = (rule.when[0] for rule in SCRIPT.rules if rule.when)
THE_HOURS, THE_NUMBER, FAREWELL = (rule.say[0] for rule in SCRIPT.rules if rule.say and rule.when)


def now() -> float:
    return asyncio.get_running_loop().time()


class Phone:
    """A `MediaSink`: a phone system that plays what it gets at real time and echoes marks when it reaches them.

    Args:
        rate_hz: Rate of the audio, Hz.
        delay_s: How late it plays, seconds.
        echoes: Whether it echoes marks at all.

    Attributes:
        on_mark: Gets each echoed mark.
        sent: When each frame arrived and its audio.
        heard: What was played or still will be: when each frame begins to play, and its audio.
        cleared: When each ``clear`` arrived.
        marks: The names of the marks that arrived.
        log: The kinds of all that arrived, in order.
    """

    frame_ms = FRAME_MS
    look_ahead_ms = 200
    echoes_marks = True
    has_room = True

    def __init__(self, rate_hz: int = RATE_HZ, *, delay_s: float = 0.05, echoes: bool = True) -> None:
        self.sample_rate_hz = rate_hz
        self.delay_s = delay_s
        self.echoes = echoes
        self.on_mark: Callable[[str], None] = lambda name: None
        self.sent: list[tuple[float, bytes]] = []
        self.heard: list[tuple[float, bytes]] = []
        self.cleared: list[float] = []
        self.marks: list[str] = []
        self.log: list[str] = []
        self._end_s = 0.0
        self._waiting: dict[str, asyncio.TimerHandle] = {}
        self._changed = asyncio.Condition()

    async def play(self, pcm: bytes) -> None:
        self.log.append("play")
        self.sent.append((now(), pcm))
        start_s = max(now() + self.delay_s, self._end_s)
        self.heard.append((start_s, pcm))
        self._end_s = start_s + len(pcm) / 2 / self.sample_rate_hz
        await self._notify()

    async def mark(self, name: str) -> None:
        self.log.append("mark")
        self.marks.append(name)
        if self.echoes:
            at_s = max(now() + self.delay_s, self._end_s)
            self._waiting[name] = asyncio.get_running_loop().call_at(at_s, self._echo, name)
        await self._notify()

    async def clear(self) -> None:
        """As Twilio does: what was not played is dropped, and the marks behind it come back at once."""
        self.log.append("clear")
        self.cleared.append(now())
        self.heard = [entry for entry in self.heard if entry[0] <= now()]
        self._end_s = now()
        for name, timer in list(self._waiting.items()):
            timer.cancel()
            self._echo(name)
        await self._notify()

    @property
    def unplayed_ms(self) -> float:
        """How much lies here unplayed."""
        return max(0.0, (self._end_s - now()) * 1000)

    def silent_after(self, moment_s: float) -> bool:
        return not any(sent_s > moment_s for sent_s, _ in self.sent)

    def heard_s(self) -> float:
        return sum(len(pcm) for _, pcm in self.heard) / 2 / self.sample_rate_hz

    async def until(self, condition: Callable[[], bool], timeout_s: float = PATIENCE_S) -> None:
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(condition)

    def hang_up(self) -> None:
        for timer in self._waiting.values():
            timer.cancel()

    def _echo(self, name: str) -> None:
        self._waiting.pop(name, None)
        self.on_mark(name)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


@dataclass(frozen=True)
class Said:
    """One line of the conversation."""

    who: str
    text: str
    interrupted: bool = False


@dataclass
class Witness:
    """A `ConversationListener` that writes everything down."""

    log: list[str] = field(default_factory=list)
    lines: list[Said] = field(default_factory=list)
    turns: list[TurnRecord] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    failures: list[tuple[Seat, str, bool]] = field(default_factory=list)
    switches: list[Switch] = field(default_factory=list)
    fillers: list[tuple[str, str]] = field(default_factory=list)
    reasons: list[EndReason] = field(default_factory=list)
    ended_s: float | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def started(self) -> None:
        self._note("started")

    def user_said(self, text: str) -> None:
        self.lines.append(Said("user", text))
        self._note("user_said")

    def bot_said(self, text: str, *, interrupted: bool) -> None:
        self.lines.append(Said("bot", text, interrupted))
        self._note("bot_said")

    def turn_completed(self, record: TurnRecord) -> None:
        self.turns.append(record)
        self._note("turn_completed")

    def barge_in_decided(self, decision: Decision) -> None:
        self.decisions.append(decision)

    def provider_failed(self, seat: Seat, category: str, *, fatal: bool) -> None:
        self.failures.append((seat, category, fatal))
        self._note("provider_failed")

    def provider_switched(self, switch: Switch) -> None:
        self.switches.append(switch)
        self._note("provider_switched")

    def filler_said(self, text: str, waits_for: str) -> None:
        self.fillers.append((text, waits_for))
        self._note("filler_said")

    def finished(self, reason: EndReason) -> None:
        self.reasons.append(reason)
        self.ended_s = now()
        self._note("finished")

    def bot_lines(self) -> list[str]:
        return [line.text for line in self.lines if line.who == "bot"]

    async def until(self, condition: Callable[[], object], timeout_s: float = PATIENCE_S) -> None:
        async with asyncio.timeout(timeout_s):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def count(self, what: str, number: int = 1, timeout_s: float = PATIENCE_S) -> None:
        """Wait until something happened so many times."""
        await self.until(lambda: self.log.count(what) >= number, timeout_s)

    def _note(self, what: str) -> None:
        self.log.append(what)
        self._changed.set()


class Voice(EspeakTTSService):
    """The embedded voice. Its thread is none that virtual time knows, so a job that it does know waits along."""

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        spoken = threading.Event()
        job = asyncio.get_running_loop().run_in_executor(None, spoken.wait)
        try:
            async for frame in super().run_tts(text, context_id):
                if not spoken.is_set():
                    spoken.set()
                    await job
                yield frame
        finally:
            spoken.set()


def embedded(**changes: Any) -> VoiceServices:
    """The services that need nobody: `SCRIPT` on the embedded recogniser and voice."""
    services = {
        "stt": PocketsphinxSTTService(phrases=SCRIPT.phrases()),
        "llm": ScriptLLMService(script=SCRIPT),
        "tts": Voice(),
    }
    return VoiceServices(**(services | changes))


class Host(CallHost):
    """A `ToolHost` that acts on a conversation."""

    def __init__(self) -> None:
        super().__init__()
        self.conversation: Conversation | None = None
        self.calls: list[tuple[str, bool]] = []

    async def stop_service(self, reason: EndReason = EndReason.STOP_SERVICE) -> None:
        await super().stop_service(reason)
        assert self.conversation is not None
        await self.conversation.hang_up(reason)

    async def when_heard(self) -> None:
        assert self.conversation is not None
        await self.conversation.when_heard()
        await super().when_heard()

    async def stop_media(self) -> None:
        await super().stop_media()
        assert self.conversation is not None
        await self.conversation.stop_media()

    def schemas(self) -> list[FunctionSchema]:
        """Every tool that this version carries out."""
        dispatch = ToolDispatch(
            [TOOLS[name] for name in BUILTIN],
            self,
            lambda call, result: self.calls.append((call.function.name, result.ok)),
        )
        return dispatch.schemas()


class Caller:
    """Somebody on the phone: a stream of audio that never stops, 20 ms at a time.

    Args:
        conversation: Who hears it.
        rate_hz: Rate of the audio, Hz.
    """

    def __init__(self, conversation: Conversation, rate_hz: int) -> None:
        self._conversation = conversation
        self._rate_hz = rate_hz
        self._words = bytearray()
        self._spoken = asyncio.Event()
        self.muted = False

    async def say(self, text: str) -> float:
        """Say something; returns when it was said, with the moment of its last sound."""
        return await self.play(sounds.speech(self._rate_hz, text, "en-gb").tobytes())

    async def play(self, pcm: bytes) -> float:
        """The same with any audio."""
        self._spoken.clear()
        self._words += pcm
        await self._spoken.wait()
        return now()

    async def dial(self, digits: str, pause_s: float = 0.2) -> None:
        for digit in digits:
            await self._conversation.input.press(digit)
            await asyncio.sleep(pause_s)

    async def stream(self) -> None:
        """Send audio for ever."""
        size = self._rate_hz * FRAME_MS // 1000 * 2
        next_s = now()
        while True:
            if not self.muted:
                frame = bytes(self._words[:size])
                del self._words[:size]
                await self._conversation.input.feed(frame.ljust(size, b"\0"))
                if not self._words:
                    self._spoken.set()
            next_s += FRAME_MS / 1000
            await asyncio.sleep(next_s - now())


@dataclass
class Call:
    """A call that is going on."""

    conversation: Conversation
    phone: Phone
    witness: Witness
    caller: Caller
    running: asyncio.Task[None]

    async def bot_lines(self, number: int, timeout_s: float = PATIENCE_S) -> list[str]:
        """Wait until the bot has said so many things; returns all of them."""
        await self.witness.until(lambda: len(self.witness.bot_lines()) >= number, timeout_s)
        return self.witness.bot_lines()

    async def end(self) -> bool:
        """Stop the conversation as a call's worker does."""
        return await self.conversation.stop(self.running, STOP_S)


@asynccontextmanager
async def calling(
    services: VoiceServices | None = None,
    *,
    inference: InferenceEngine,
    host: Host | None = None,
    options: dict[str, Any] | None = None,
    phone: Phone | None = None,
    smart_turn: bool = False,
    idle_timeout_s: float = 20.0,
    limits: StallLimits = PATIENT_LIMITS,
    answers_early: bool = False,
    starts: bool = True,
    handover: Handover | None = None,
) -> AsyncIterator[Call]:
    """Hold a call; at the end it is stopped, which must succeed, and its records are checked.

    Args:
        services: Recogniser, model and voice; the embedded ones if not given.
        inference: The shared models.
        host: What the model's tools act on.
        options: The AI's ``parameter``.
        phone: The phone system.
        smart_turn: Whether Smart Turn is on.
        idle_timeout_s: See `ConversationSettings`.
        limits: See `ConversationSettings`.
        answers_early: See `ConversationSettings`.
        starts: Whether to wait until the pipeline runs.
        handover: The team whose call it is.
    """
    phone = phone or Phone()
    witness = Witness()
    host = host or Host()
    settings = ConversationSettings(
        vad=EffectiveVad(),
        smart_turn_enabled=smart_turn,
        options=CallOptions.model_validate(options or {}),
        idle_timeout_s=idle_timeout_s,
        limits=limits,
        answers_early=answers_early,
    )
    conversation = Conversation(
        services or embedded(),
        settings,
        host.schemas() if handover is None else handover.schemas(),
        sink=phone,
        inference=inference,
        listener=witness,
        handover=handover,
    )
    host.conversation = conversation
    phone.on_mark = conversation.output.mark_reached
    caller = Caller(conversation, phone.sample_rate_hz)
    running = asyncio.create_task(conversation.run())
    streaming = asyncio.create_task(caller.stream())
    call = Call(conversation, phone, witness, caller, running)
    try:
        if starts:
            await witness.count("started")
        yield call
        assert await call.end()
        check_records(witness)
    finally:
        streaming.cancel()
        phone.hang_up()
        running.cancel()
        await asyncio.wait({running, streaming}, timeout=STOP_S)


def check_records(witness: Witness) -> None:
    """What holds of every call's records: each thing once, and times that do not run backwards."""
    assert witness.log.count("started") <= 1
    assert witness.log[:1] in ([], ["started"], ["finished"])
    assert len(witness.reasons) <= 1
    assert [record.turn for record in witness.turns] == list(range(len(witness.turns)))
    for record in witness.turns:
        stages = (
            record.speech_start_ms,
            record.speech_end_ms,
            record.turn_end_ms,
            record.llm_first_token_ms,
            record.tts_first_audio_ms,
            record.bot_start_ms,
            record.bot_stop_ms,
        )
        reached = [stage for stage in stages if stage is not None]
        assert reached == sorted(reached), record
        assert record.turn_end_ms is not None
    ends = [record.turn_end_ms for record in witness.turns if record.turn_end_ms is not None]
    assert ends == sorted(ends)


def loud(pcm: bytes) -> bool:
    return bool(np.abs(np.frombuffer(pcm, dtype=np.int16)).max(initial=0) > 500)
