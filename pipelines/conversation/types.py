"""What a conversation runs with, and who is told of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pipecat.processors.aggregators.llm_context import LLMContextMessage
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.llm_service import LLMService
from pipecat.services.stt_service import STTService
from pipecat.services.tts_service import TTSService

from adapters.breaker import Circuit
from models.aicall import EndReason
from models.options import CallOptions
from models.turn import TurnRecord
from models.vad import EffectiveVad
from pipelines.failover.failover import Failover, Switch
from pipelines.failover.failures import Seat
from pipelines.failover.stall_watch import StallLimits
from pipelines.speech.phrase_recorder import SpareVoice
from pipelines.team.seat import MemberSeat
from pipelines.turns.barge_in import Decision


@dataclass(frozen=True, slots=True)
class VoiceServices:
    """The three services of a voice call, made for it.

    Attributes:
        stt: The recogniser.
        llm: The model.
        tts: The voice.
        voice_identity: What decides how the voice sounds (`adapters.tts.build.voice_identity`); '' for one whose
            greetings are not to be kept.
        spare_voice: The voice that the call begins with, to be made once more; None when nothing is to be recorded.
        providers: The vendors' names in the seats' tables.
        circuits: What the process knows of the vendors of seats that have but one.
        may_speculate: Whether the model may be asked for an answer that is then not used.
    """

    stt: STTService | Failover | MemberSeat
    llm: LLMService[Any] | Failover | MemberSeat
    tts: TTSService | Failover | MemberSeat
    voice_identity: str = ""
    spare_voice: SpareVoice | None = None
    providers: Mapping[Seat, str] = field(default_factory=dict)
    circuits: Mapping[Seat, Circuit] = field(default_factory=dict)
    may_speculate: bool = True

    def of(self, seat: Seat) -> FrameProcessor:
        """Return what stands in a seat."""
        return {Seat.STT: self.stt, Seat.LLM: self.llm, Seat.TTS: self.tts}[seat]

    def provider(self, seat: Seat) -> str:
        """Return the vendor that has a seat now; '' when that is not known."""
        service = self.of(seat)
        return service.provider if isinstance(service, Failover | MemberSeat) else self.providers.get(seat, "")

    def circuit(self, seat: Seat) -> Circuit | None:
        """Return what the process knows of the vendor that has a seat now; None where the seat sees to that itself."""
        service = self.of(seat)
        return service.circuit if isinstance(service, MemberSeat) else self.circuits.get(seat)


@dataclass(frozen=True, slots=True)
class Past:
    """What was said before a conversation goes on in a new pipeline.

    Attributes:
        messages: The model's context, without the system prompt.
        cut_off: Whether the bot's last words were not heard to their end.
        owed: Whether the caller's last words were not answered.
    """

    messages: Sequence[LLMContextMessage]
    cut_off: bool = False
    owed: bool = False


@dataclass(frozen=True, slots=True)
class ConversationSettings:
    """How a conversation runs.

    Attributes:
        vad: The effective VAD values.
        smart_turn_enabled: Whether Smart Turn decides the end of a turn.
        options: What the AI's ``parameter`` says.
        idle_timeout_s: Silence of the caller before they are asked whether they are there, seconds.
        limits: Longest silence of the vendors.
        answers_early: Whether answers may be begun before the caller's turn is certainly over.
        language: BCP 47 tag of the caller's speech; '' for the recogniser's default.
        past: What was said before; the conversation then begins on hold, and goes on with `Conversation.resume`. None
            for one that begins.
    """

    vad: EffectiveVad
    smart_turn_enabled: bool
    options: CallOptions
    idle_timeout_s: float
    limits: StallLimits = field(default_factory=StallLimits)
    answers_early: bool = False
    language: str = ""
    past: Past | None = None


class ConversationListener(Protocol):
    """Gets what happens in a conversation. Its methods return at once and never raise."""

    def started(self) -> None:
        """The pipeline runs."""

    def user_said(self, text: str) -> None:
        """The caller's turn is over."""

    def bot_said(self, text: str, *, interrupted: bool) -> None:
        """The bot's turn is over; the text is what the caller heard."""

    def turn_completed(self, record: TurnRecord) -> None:
        """A turn's latency record is complete."""

    def barge_in_decided(self, decision: Decision) -> None:
        """The caller made himself heard over the bot, or the turn began."""

    def provider_failed(self, seat: Seat, category: str, *, fatal: bool) -> None:
        """A vendor failed."""

    def provider_switched(self, switch: Switch) -> None:
        """A vendor failed and another one took its place; the conversation goes on."""

    def filler_said(self, text: str, waits_for: str) -> None:
        """The caller is asked to wait for ``stt``, ``llm``, ``tts`` or a ``tool``."""

    def finished(self, reason: EndReason) -> None:
        """The conversation came to its end by itself; it is to be stopped now. Called at most once."""
