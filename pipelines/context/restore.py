"""The model's context, made again from the stored messages of an AIcall. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from pipecat.processors.aggregators.llm_context import LLMContextMessage

from models.ids import NIL_ID
from models.message import Message, Role
from pipelines.context.cut import head_length, role_of, summary_message, summary_of

SUMMARY_NOTE = "context_summary"
"""``type`` of the notification that says what stands for the older part of a conversation from there on."""

_CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True)
class Summary:
    """What stands for the older part of a context.

    Attributes:
        text: The summary; '' when the older part was left out without one.
        kept: How many messages of user, assistant and tools were kept behind it.
    """

    text: str
    kept: int

    def note(self) -> str:
        """Return the content of the notification that is stored for it."""
        return json.dumps({"type": SUMMARY_NOTE, "summary": self.text, "kept": self.kept}, ensure_ascii=False)

    @classmethod
    def of_note(cls, content: str) -> Summary | None:
        """Read a notification; None when it says something else."""
        try:
            note = json.loads(content)
        except ValueError:
            return None
        if not isinstance(note, dict) or note.get("type") != SUMMARY_NOTE:
            return None
        text, kept = note.get("summary"), note.get("kept")
        return cls(text, kept) if isinstance(text, str) and isinstance(kept, int) and kept >= 0 else None


def restore_context(messages: Sequence[Message], *, waiting: Collection[UUID] = ()) -> list[LLMContextMessage]:
    """Make the context that a conversation had when the last of its messages was stored.

    The system prompt is not in it: services get it apart, made anew from the AI. A tool call whose result was not
    stored gets one that says so, and a result without a call is left out, since vendors refuse either.

    Args:
        messages: All messages of the AIcall, oldest first.
        waiting: Ids of those that wait for their turn; they are left out, unless the turn has begun.
    """
    context: list[LLMContextMessage] = []
    for message in _in_order(messages, waiting):
        if message.role is Role.NOTIFICATION:
            summary = Summary.of_note(message.content)
            if summary is not None:
                context = _summed_up(context, summary)
        elif (entry := context_message(message)) is not None:
            context.append(entry)
    return paired(context)


def restore_variables(messages: Sequence[Message]) -> dict[str, str]:
    """Return what the tool ``set_variables`` remembered, from the stored messages, oldest first."""
    results = {message.tool_call_id: message.content for message in messages if message.role is Role.TOOL}
    variables: dict[str, str] = {}
    for message in messages:
        for call in message.tool_calls:
            if call.function.name == "set_variables" and _succeeded(results.get(call.id, "")):
                given = _object(call.function.arguments).get("variables")
                if isinstance(given, dict):
                    variables.update({str(name): str(value) for name, value in given.items()})
    return variables


def context_message(message: Message) -> LLMContextMessage | None:
    """Return what the model sees of a stored message; None for nothing."""
    entry: dict[str, Any]
    match message.role:
        case Role.USER:
            entry = {"role": "user", "content": message.content}
        case Role.SYSTEM:
            # Said in the midst of the conversation; the system prompt itself is never stored.
            entry = {"role": "developer", "content": message.content}
        case Role.TOOL:
            entry = {"role": "tool", "content": message.content, "tool_call_id": message.tool_call_id}
        case Role.ASSISTANT if message.tool_calls:
            entry = {"role": "assistant", "tool_calls": [call.model_dump() for call in message.tool_calls]}
            if message.content:
                entry["content"] = message.content
        case Role.ASSISTANT if message.content:
            entry = {"role": "assistant", "content": message.content}
        case _:
            return None
    return cast("LLMContextMessage", entry)


def paired(messages: Sequence[LLMContextMessage]) -> list[LLMContextMessage]:
    """Return a context in which each tool call has its one result behind it, and no result is without a call."""
    results = {str(cast("Any", entry)["tool_call_id"]): entry for entry in messages if role_of(entry) == "tool"}
    found: list[LLMContextMessage] = []
    for entry in messages:
        if role_of(entry) == "tool":
            continue
        found.append(entry)
        if role_of(entry) == "assistant":
            for call in cast("Any", entry).get("tool_calls") or ():
                lost = {"role": "tool", "content": _CANCELLED, "tool_call_id": call["id"]}
                found.append(results.pop(call["id"], cast("LLMContextMessage", lost)))
    return found


def _in_order(messages: Sequence[Message], waiting: Collection[UUID]) -> list[Message]:
    """Put each message that had to wait in front of what answers it."""
    answered = {message.in_reply_to_message_id for message in messages} - {NIL_ID}
    by_id = {message.id: message for message in messages if message.id in answered}
    found: list[Message] = []
    for message in messages:
        question = by_id.pop(message.in_reply_to_message_id, None)
        if question is not None:
            found.append(question)
        if message.id not in answered and message.id not in waiting:
            found.append(message)
    return found


def _summed_up(context: Sequence[LLMContextMessage], summary: Summary) -> list[LLMContextMessage]:
    head = list(context[: head_length(context)])
    cut, left = len(context), summary.kept
    while left and cut > len(head):
        cut -= 1
        left -= role_of(context[cut]) in {"user", "assistant", "tool"}
    if summary.text:
        head = [entry for entry in head if summary_of(entry) is None]
        head.append(summary_message(summary.text))
    return [*head, *context[cut:]]


def _succeeded(result: str) -> bool:
    return _object(result).get("result") == "success"


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
