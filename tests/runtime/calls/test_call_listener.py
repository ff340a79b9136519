"""What a conversation says goes into its records. What the records do with it stands in test_call_records.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from adapters.breaker import Circuit
from models.aicall import EndReason
from models.turn import TurnRecord, TurnTrigger
from pipelines.conversation.types import VoiceServices
from pipelines.failover.failures import Seat
from runtime.calls.call_listener import CallListener
from runtime.calls.call_records import CallRecords
from tests.adapters.store.samples import make_aicall
from tests.runtime.calls.wires import services_in


class Noted:
    """A circuit that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def failed(self, category: str) -> None:
        self.told.append(category)

    def succeeded(self) -> None:
        self.told.append("worked")


async def test_what_is_said_is_recorded_and_the_vendors_are_judged_by_it(tmp_path: Path) -> None:
    async with services_in(tmp_path) as services:
        aicall = make_aicall()
        await services.store.create_aicall(aicall, owner=services.live_calls.owner)
        records = CallRecords(services, aicall, lambda: None)
        happened: list[object] = []
        listener = CallListener(
            services, records, on_started=lambda: happened.append("started"), on_finished=happened.append
        )
        circuits = {seat: Noted() for seat in Seat}
        nobody = cast("Any", None)
        voice = VoiceServices(
            nobody, nobody, nobody, providers={Seat.LLM: "openai"}, circuits=cast("dict[Seat, Circuit]", circuits)
        )
        listener.listen_to(voice)
        listener.started()
        listener.user_said("Hello")
        listener.provider_failed(Seat.LLM, "server", fatal=False)
        listener.turn_completed(TurnRecord(turn=1, trigger=TurnTrigger.SPEECH, llm_first_token_ms=1))
        listener.turn_completed(
            TurnRecord(turn=2, trigger=TurnTrigger.SPEECH, llm_first_token_ms=1, tts_first_audio_ms=2)
        )
        listener.bot_said("Good", interrupted=True)
        listener.filler_said("One moment.", "llm")
        listener.finished(EndReason.IDLE)
        assert await records.journal.flush(20)
        await records.journal.close()
        events = await services.store.list_events(limit=50, customer_id=None, aicall_id=aicall.id)
        assert [event.type for event in events][1:] == [
            "aimessage_created",
            "aicall_provider_failed",
            "aicall_turn_completed",
            "aicall_turn_completed",
            "aimessage_created",
            "aicall_filler_said",
        ]
        assert events[2].data["provider"] == "openai"
        assert happened == ["started", EndReason.IDLE]
        # A turn in which it failed says nothing good of a vendor.
        assert circuits[Seat.LLM].told == ["server", "worked"]
        assert (circuits[Seat.STT].told, circuits[Seat.TTS].told) == (["worked"], ["worked"])
