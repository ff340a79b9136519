"""What a conversation says of itself, recorded and counted (`pipelines.conversation.types.ConversationListener`)."""

from __future__ import annotations

from collections.abc import Callable

from adapters.vendor_errors import failure
from models.aicall import EndReason
from models.message import Role
from models.turn import TurnRecord
from pipelines.conversation.types import VoiceServices
from pipelines.failover.failover import Switch
from pipelines.failover.failures import Seat
from pipelines.turns.barge_in import Decision
from runtime.calls.call_records import CallRecords
from runtime.services import Services


class CallListener:
    """One call's listener.

    Args:
        services: The process.
        records: The call's records.
        on_started: Called when the pipeline runs.
        on_finished: Called when the conversation came to its end by itself, with why.
    """

    def __init__(
        self,
        services: Services,
        records: CallRecords,
        *,
        on_started: Callable[[], None],
        on_finished: Callable[[EndReason], None],
    ) -> None:
        self._services = services
        self._records = records
        self._on_started = on_started
        self._on_finished = on_finished
        self._voice: VoiceServices | None = None
        self._failed_in_turn: set[Seat] = set()

    def listen_to(self, voice: VoiceServices) -> None:
        """Hear of a conversation on these services from now on."""
        self._voice = voice

    def started(self) -> None:
        """Pass on that the pipeline runs."""
        self._on_started()

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
            if (circuit := self._voice.circuit(seat)) is not None:
                circuit.failed(category)
        self._failed_in_turn.add(seat)
        self._records.provider_failed(failure(provider, seat, category), fatal=fatal)

    def provider_switched(self, switch: Switch) -> None:
        """Record that another vendor took over."""
        error = failure(switch.failed, switch.seat, switch.category)
        self._records.provider_switched(error, switch.successor, switch.took_ms)

    def filler_said(self, text: str, waits_for: str) -> None:
        """Record that the caller was asked to wait."""
        self._records.filler_said(text, waits_for)

    def finished(self, reason: EndReason) -> None:
        """Pass on that the conversation is over."""
        self._on_finished(reason)

    def _worked(self, seat: Seat) -> None:
        circuit = self._voice.circuit(seat) if self._voice is not None else None
        if circuit is not None and seat not in self._failed_in_turn:
            circuit.succeeded()
