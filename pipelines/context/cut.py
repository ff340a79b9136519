"""Where a context may be cut, and where it is best cut. Pure.

A context is cut from its old end only. Three things hold wherever it is cut: system messages stay, a tool call and its
result are kept or left out together, and the order of what is kept is the order in which it was said.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from pipecat.processors.aggregators.llm_context import LLMContextMessage, LLMSpecificMessage

from models.prompts import SUMMARY_OF_BEFORE
from pipelines.context.tokens import context_tokens, message_tokens

_OPEN = "IN_PROGRESS"
"""What Pipecat writes in place of a result that has not come."""
_ASYNC_OPEN = ('"type": "async_tool"', '"status": "started"')
"""The same for a tool that the model does not wait for (`pipecat.processors.aggregators.async_tool_messages`)."""


def role_of(message: LLMContextMessage) -> str:
    """Return a message's role; '' for what only one vendor understands."""
    return "" if isinstance(message, LLMSpecificMessage) else str(message["role"])


def summary_message(summary: str) -> LLMContextMessage:
    """Make the message that stands for everything before it."""
    return cast("LLMContextMessage", {"role": "developer", "content": f"{SUMMARY_OF_BEFORE}{summary}"})


def summary_of(message: LLMContextMessage) -> str | None:
    """Return the text of a summary message; None when the message is none."""
    if isinstance(message, LLMSpecificMessage) or message["role"] != "developer":
        return None
    content = message.get("content")
    if not isinstance(content, str) or not content.startswith(SUMMARY_OF_BEFORE):
        return None
    return content.removeprefix(SUMMARY_OF_BEFORE)


def head_length(messages: Sequence[LLMContextMessage]) -> int:
    """Return how many messages at the beginning are never cut: system messages and a summary."""
    for index, message in enumerate(messages):
        if role_of(message) != "system" and summary_of(message) is None:
            return index
    return len(messages)


def boundaries(messages: Sequence[LLMContextMessage]) -> list[int]:
    """Return before which messages a context may be cut, ascending.

    Not between a tool call and its result, not at all behind a call whose result has not come, not between a vendor's
    own message and the one that it belongs to, and not before an instruction, which belongs to what it followed.
    """
    results = {
        str(message.get("tool_call_id")): index
        for index, message in enumerate(messages)
        if not isinstance(message, LLMSpecificMessage) and message["role"] == "tool" and not _is_open(message)
    }
    found: list[int] = []
    bound_until = head_length(messages)
    for index in range(bound_until, len(messages)):
        message = messages[index]
        held = isinstance(messages[index - 1], LLMSpecificMessage) if index else False
        if index >= bound_until and not held and role_of(message) not in {"tool", "developer", "system"}:
            found.append(index)
        for call_id in _calls(message):
            bound_until = max(bound_until, results.get(call_id, len(messages)) + 1)
    return found


def best_cut(messages: Sequence[LLMContextMessage], keep_tokens: int) -> int:
    """Return the index of the first message to keep.

    The earliest place behind which at most `keep_tokens` are left, at the beginning of the user's turn where there is
    such a place, since half a turn says little. When not even the last piece fits, that piece alone is kept.

    Args:
        messages: The context; its head (`head_length`) is kept whatever is returned.
        keep_tokens: How much may be left, the head not counted.

    Returns:
        The index; that of the first message behind the head when nothing has to be cut.
    """
    start = head_length(messages)
    places = [index for index in boundaries(messages) if index > start]
    left = context_tokens(messages[start:])
    if left <= keep_tokens or not places:
        return start
    fits: list[int] = []
    at = start
    for place in places:
        left -= sum(map(message_tokens, messages[at:place]))
        at = place
        if left <= keep_tokens:
            fits.append(place)
    turns = [place for place in fits if role_of(messages[place]) == "user"]
    return (turns or fits or places[-1:])[0]


def without(messages: Sequence[LLMContextMessage], cut: int) -> list[LLMContextMessage]:
    """Return the context without what lies between its head and the cut."""
    return [*messages[: head_length(messages)], *messages[cut:]]


def told(messages: Sequence[LLMContextMessage]) -> int:
    """Count the messages of user, assistant and tools: those that are in the store whatever kind of AIcall it is."""
    return sum(role_of(message) in {"user", "assistant", "tool"} for message in messages)


def _calls(message: LLMContextMessage) -> list[str]:
    if isinstance(message, LLMSpecificMessage) or message["role"] != "assistant":
        return []
    calls: Any = message.get("tool_calls") or ()
    return [str(call["id"]) for call in calls]


def _is_open(message: Any) -> bool:
    content = message.get("content")
    return content == _OPEN or (isinstance(content, str) and all(part in content for part in _ASYNC_OPEN))
