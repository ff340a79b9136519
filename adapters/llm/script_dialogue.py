"""What a script answers: a function of the conversation so far, and of nothing else.

The state of the dialogue and the turn of each text are found by replaying the conversation, so a call that was paused,
moved to another process or cut short goes on where its messages say that it is.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from adapters.llm.script_model import START, Call, Rule, Script, fill
from models.prompts import CALL_CONNECTED, CALLER_SILENT, NOT_UNDERSTOOD, NOT_UNDERSTOOD_INTERRUPTED, TOOK_OVER

DTMF_PREFIX = "DTMF: "
"""How the message of a keypad entry begins (Pipecat's ``DTMFAggregator``)."""

_IN_PROGRESS = "IN_PROGRESS"
_PROMPTED = {"developer", "system"}


class EventKind(StrEnum):
    """What the script answers to."""

    CONNECTED = "connected"
    SAID = "said"
    DTMF = "dtmf"
    NOT_UNDERSTOOD = "not_understood"
    SILENT = "silent"
    RESULT = "result"


_PROMPTS = {
    CALL_CONNECTED: EventKind.CONNECTED,
    TOOK_OVER: EventKind.CONNECTED,
    NOT_UNDERSTOOD: EventKind.NOT_UNDERSTOOD,
    NOT_UNDERSTOOD_INTERRUPTED: EventKind.NOT_UNDERSTOOD,
    CALLER_SILENT: EventKind.SILENT,
}


@dataclass(frozen=True, slots=True)
class Event:
    """One step of a conversation.

    Attributes:
        kind: What happened.
        text: What was said, the digits that were keyed, or the result of a tool function as JSON.
    """

    kind: EventKind
    text: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer.

    Attributes:
        say: What to say; '' for nothing.
        call: Tool function to call in the same answer, with its arguments filled in.
    """

    say: str = ""
    call: Call | None = None


@dataclass(slots=True)
class _Progress:
    state: str = START
    used: Counter[int] = field(default_factory=Counter)
    rule: Rule | None = None
    values: dict[str, str] = field(default_factory=dict)


def events_of(messages: Iterable[Any]) -> list[Event]:
    """Read a conversation.

    Args:
        messages: Messages of an ``LLMContext``: mappings in OpenAI's form; others are passed over.

    Returns:
        Its events, oldest first. Without any, the call has just been connected.
    """
    events: list[Event] = []
    for message in messages:
        if not isinstance(message, Mapping):
            continue
        role, text = message.get("role"), _text(message.get("content"))
        if role == "user" and text.startswith(DTMF_PREFIX):
            events.append(Event(EventKind.DTMF, text.removeprefix(DTMF_PREFIX).strip().removesuffix("#")))
        elif role == "user" and text.strip():
            events.append(Event(EventKind.SAID, text))
        elif role == "tool" and text != _IN_PROGRESS:
            events.append(Event(EventKind.RESULT, text))
        elif role in _PROMPTED and (kind := _PROMPTS.get(text)):
            events.append(Event(kind))
    return events or [Event(EventKind.CONNECTED)]


def answer(script: Script, events: Sequence[Event], tools: frozenset[str]) -> Reply:
    """Answer the last event.

    Args:
        script: The script.
        events: The conversation, oldest first, at least one.
        tools: Names of the tool functions that may be called.
    """
    progress, reply = _Progress(), Reply()
    for event in events:
        reply = _step(script, progress, event, tools)
    return reply


def _step(script: Script, progress: _Progress, event: Event, tools: frozenset[str]) -> Reply:
    match event.kind:
        case EventKind.CONNECTED:
            return Reply(_next(progress, script.greeting))
        case EventKind.NOT_UNDERSTOOD:
            return Reply(_next(progress, script.not_understood))
        case EventKind.SILENT:
            return Reply(_next(progress, script.idle))
        case EventKind.RESULT:
            return _after_result(progress, event.text)
        case EventKind.SAID | EventKind.DTMF:
            found = _find(script, progress.state, event)
            progress.rule, progress.values = found or (None, {})
            if progress.rule is None:
                return Reply(_next(progress, script.no_match))
            return _apply(script, progress, progress.rule, tools)


def _apply(script: Script, progress: _Progress, rule: Rule, tools: frozenset[str]) -> Reply:
    action = rule.action
    # Who cannot hang up still says goodbye; any other rule says that it cannot do what it is for.
    if action is not None and action.tool not in tools and not rule.hangup:
        return Reply(fill(_next(progress, rule.else_say or script.cannot), progress.values))
    progress.state = rule.goto or progress.state
    say = fill(_next(progress, rule.say), progress.values) if rule.say else ""
    if action is None or action.tool not in tools:
        return Reply(say)
    return Reply(say, Call(tool=action.tool, arguments=_fill_all(action.arguments, progress.values)))


def _after_result(progress: _Progress, text: str) -> Reply:
    then = progress.rule.then if progress.rule else None
    if then is None:
        return Reply()
    try:
        result = json.loads(text)
    except ValueError:
        result = text
    fields = result if isinstance(result, dict) else {"result": result}
    values = progress.values | {
        f"result.{name}": value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in fields.items()
    }
    failed = fields.get("result") == "failed" or fields.get("ok") is False or text == "CANCELLED"
    return Reply(fill(_next(progress, (then.else_say or then.say) if failed else then.say), values))


def _find(script: Script, state: str, event: Event) -> tuple[Rule, dict[str, str]] | None:
    """Return the first rule that fits all that was said, else the first one that fits a part of it."""
    partial: tuple[Rule, dict[str, str]] | None = None
    for rule, patterns in script.patterns:
        if rule.states and state not in rule.states:
            continue
        if event.kind is EventKind.DTMF:
            if rule.dtmf is not None and re.fullmatch(rule.dtmf, event.text):
                return rule, {"digits": event.text}
            continue
        for pattern in patterns:
            match = pattern.match(event.text)
            if match is not None and match.whole:
                return rule, dict(match.slots)
            if match is not None and partial is None:
                partial = rule, dict(match.slots)
    return partial


def _next(progress: _Progress, texts: Sequence[str]) -> str:
    """Take the texts of one place in turn, beginning again after the last."""
    turn = progress.used[id(texts)]
    progress.used[id(texts)] += 1
    return texts[turn % len(texts)]


def _fill_all(value: Any, values: dict[str, str]) -> Any:
    match value:
        case str():
            return fill(value, values)
        case dict():
            return {key: _fill_all(item, values) for key, item in value.items()}
        case list():
            return [_fill_all(item, values) for item in value]
        case _:
            return value


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return " ".join(part["text"] for part in parts if isinstance(part, Mapping) and isinstance(part.get("text"), str))
