"""Whether the demo's call went as it should: every expected status, turn and message, as the server recorded them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from models.aicall import EndReason
from models.event import EventType
from models.message import Role
from models.turn import TurnTrigger
from runtime.demo.call_plan import CUSTOMER_NUMBER, CUT_IN, GOODBYE, QUESTION
from runtime.replay.record import CallRecord

_STATUSES = ["initiating", "progressing", "terminating", "terminated"]
_STATUS_PREFIX = "aicall_status_"
_TRIGGERS = [TurnTrigger.GREETING, TurnTrigger.SPEECH, TurnTrigger.SPEECH, TurnTrigger.DTMF, TurnTrigger.SPEECH]
_WORDS = ["", QUESTION, CUT_IN, CUSTOMER_NUMBER, GOODBYE]
"""What the runtime must have understood of each turn."""
_LONGEST_CLEAR_MS = 1_000


def shortcomings(
    record: CallRecord,
    aicall: Mapping[str, Any],
    messages: Sequence[Mapping[str, Any]],
    events: Sequence[Mapping[str, Any]],
) -> list[str]:
    """Return what was not as it should be, one line each; nothing when all was well.

    Args:
        record: The call as the caller lived it.
        aicall: The AIcall at its end.
        messages: Its messages, oldest first.
        events: Its events, oldest first.
    """
    found: list[str] = []
    if record.failure is not None:
        found.append(f"the caller's side failed: {record.failure}")
    statuses = [event["type"].removeprefix(_STATUS_PREFIX) for event in events if _STATUS_PREFIX in event["type"]]
    if statuses != _STATUSES:
        found.append(f"statuses were {statuses}, expected {_STATUSES}")
    sequences = [event["sequence"] for event in events]
    if sequences != list(range(1, len(events) + 1)):
        found.append(f"event sequences have gaps: {sequences}")
    if aicall["status"] != _STATUSES[-1]:
        found.append(f"the AIcall is {aicall['status']!r}, expected {_STATUSES[-1]!r}")
    if aicall["end_reason"] != EndReason.STOP_SERVICE:
        found.append(f"the call ended by {aicall['end_reason']!r}, expected the model's stop_service")
    turns = [event["data"] for event in events if event["type"] == EventType.TURN_COMPLETED]
    found += _turn_shortcomings(turns)
    found += _message_shortcomings(turns, messages)
    if not record.clears_ms:
        found.append("the barge-in sent no clear")
    return found


def _turn_shortcomings(turns: Sequence[Mapping[str, Any]]) -> list[str]:
    triggers = [str(turn["trigger"]) for turn in turns]
    if triggers != _TRIGGERS:
        return [f"turns were {triggers}, expected {[str(trigger) for trigger in _TRIGGERS]}"]
    found = [
        f"turn {turn['turn']} was understood as {turn['user_text']!r}, the caller gave {words!r}"
        for turn, words in zip(turns, _WORDS, strict=True)
        if words not in turn["user_text"] or bool(turn["user_text"]) != bool(words)
    ]
    found += [f"turn {turn['turn']} has no answer" for turn in turns if not turn["bot_text"]]
    interrupted = [turn["turn"] for turn in turns if turn["interrupted"]]
    if interrupted != [1]:
        found.append(f"turns cut off by the caller were {interrupted}, expected [1]")
    barge_in_ms = turns[1]["barge_in_ms"]
    if barge_in_ms is not None and barge_in_ms > _LONGEST_CLEAR_MS:
        found.append(f"the bot went on for {barge_in_ms} ms after the caller was noticed")
    return found


def _message_shortcomings(turns: Sequence[Mapping[str, Any]], messages: Sequence[Mapping[str, Any]]) -> list[str]:
    found = []
    if not any(message["role"] == Role.TOOL and CUSTOMER_NUMBER in message["content"] for message in messages):
        found.append(f"no tool remembered the number {CUSTOMER_NUMBER}")
    said = [message["content"] for message in messages if message["role"] == Role.USER]
    answered = [message["content"] for message in messages if message["role"] == Role.ASSISTANT and message["content"]]
    for turn in turns:
        if turn["user_text"] and turn["user_text"] not in said:
            found.append(f"the caller's words of turn {turn['turn']} are no message")
        if turn["bot_text"] and turn["bot_text"] not in answered:
            found.append(f"the bot's words of turn {turn['turn']} are no message")
    return found
