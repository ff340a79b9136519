"""The demo's call as it should be, as documents; tests take from it or change it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from models.timestamps import format_timestamp
from models.turn import TurnRecord, TurnTrigger
from runtime.replay.record import CallRecord

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)


def moment(second: float) -> str:
    return format_timestamp(NOON + timedelta(seconds=second))


def event(second: float, kind: str, **data: Any) -> dict[str, Any]:
    return {"type": kind, "tm_create": moment(second), "data": data}


def status(second: float, name: str, end_reason: str = "") -> dict[str, Any]:
    return event(second, f"aicall_status_{name}", status=name, end_reason=end_reason)


def message(second: float, role: str, content: str, **fields: Any) -> dict[str, Any]:
    usual = {"role": role, "content": content, "interrupted": False, "tool_calls": [], "tool_call_id": ""}
    return event(second, "aimessage_created", **{**usual, **fields})


def tool(second: float, name: str, arguments: str) -> dict[str, Any]:
    call = {"id": "1", "type": "function", "function": {"name": name, "arguments": arguments}}
    return message(second, "assistant", "", tool_calls=[call])


def turn(second: float, number: int, trigger: TurnTrigger, **fields: Any) -> dict[str, Any]:
    return event(second, "aicall_turn_completed", **TurnRecord(turn=number, trigger=trigger, **fields).public())


SPEECH = {
    "speech_start_ms": 3000,
    "speech_end_ms": 4000,
    "turn_end_ms": 4200,
    "llm_first_token_ms": 4210,
    "tts_first_audio_ms": 4240,
    "bot_start_ms": 4241,
    "bot_stop_ms": 6000,
    "voice_to_voice_ms": 241,
}


def good_events() -> list[dict[str, Any]]:
    question, cut_in = "what are your opening hours", "i would like to make an appointment"
    keyed, goodbye = "DTMF: 4711#", "thank you goodbye"
    events = [
        status(0, "initiating"),
        status(0.1, "progressing"),
        message(3, "assistant", "Welcome."),
        turn(4.0, 0, TurnTrigger.GREETING, bot_text="Welcome."),
        message(5, "user", question),
        message(7, "assistant", "We are open", interrupted=True),
        turn(9, 1, TurnTrigger.SPEECH, user_text=question, bot_text="We are open", interrupted=True, barge_in_ms=12),
        message(9.001, "user", cut_in),
        message(12, "assistant", "Gladly."),
        turn(13, 2, TurnTrigger.SPEECH, user_text=cut_in, bot_text="Gladly."),
        message(13.001, "user", keyed),
        event(13.002, "aicall_variables_set", variables={"customer_number": "4711"}),
        tool(13.003, "set_variables", '{"variables": {"customer_number": "4711"}}'),
        message(13.004, "tool", '{"result": "success", "variables": {"customer_number": "4711"}}'),
        message(17, "assistant", "Thank you."),
        turn(18, 3, TurnTrigger.DTMF, user_text=keyed, bot_text="Thank you."),
        message(19, "user", goodbye),
        tool(19.001, "stop_service", "{}"),
        message(19.002, "tool", '{"result": "success"}'),
        message(22, "assistant", "Goodbye!"),
        status(22.001, "terminating", "stop_service"),
        turn(22.002, 4, TurnTrigger.SPEECH, user_text=goodbye, bot_text="Goodbye!"),
        status(22.003, "terminated", "stop_service"),
    ]
    return [event | {"sequence": at} for at, event in enumerate(events, start=1)]


@dataclass
class Call:
    """What the verdict is given."""

    record: CallRecord = field(default_factory=lambda: CallRecord(clears_ms=[7000.0]))
    aicall: dict[str, Any] = field(default_factory=lambda: {"status": "terminated", "end_reason": "stop_service"})
    events: list[dict[str, Any]] = field(default_factory=good_events)

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [event["data"] for event in self.events if event["type"] == "aimessage_created"]

    def of(self, number: int) -> dict[str, Any]:
        """The data of a turn, to be changed."""
        found = [it["data"] for it in self.events if it["type"] == "aicall_turn_completed"]
        data: dict[str, Any] = found[number]
        return data

    def drop(self, kind: str, **data: Any) -> None:
        """Take out the events of a type whose data is so; the rest is numbered anew."""

        def goes(it: dict[str, Any]) -> bool:
            return it["type"] == kind and all(it["data"].get(name) == value for name, value in data.items())

        kept = [it for it in self.events if not goes(it)]
        assert len(kept) < len(self.events)
        self.events = [it | {"sequence": at} for at, it in enumerate(kept, start=1)]
