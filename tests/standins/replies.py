"""What a language-model stand-in says: one script for every vendor's wire format."""

from __future__ import annotations

import inspect
import itertools
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

GREETING = "Hello, this is the stand-in speaking."
"""The default reply when nobody has said anything yet."""


@dataclass(frozen=True)
class ChatMessage:
    """One message of the conversation, the same for all vendors.

    Attributes:
        role: ``system``, ``user``, ``assistant`` or ``tool``.
        text: Its text parts, joined.
    """

    role: str
    text: str


@dataclass(frozen=True)
class ChatRequest:
    """A request for a reply, the same for all vendors.

    Attributes:
        model: Model asked for.
        messages: The conversation, system prompt included, oldest first.
        tools: Names of the tools offered.
        body: The request as it was sent.
    """

    model: str
    messages: tuple[ChatMessage, ...]
    tools: tuple[str, ...]
    body: dict[str, Any] = field(repr=False)

    @property
    def last_user_text(self) -> str:
        """What the user said last, or an empty string."""
        return next((m.text for m in reversed(self.messages) if m.role == "user"), "")

    @property
    def tool_result(self) -> str | None:
        """The result of a tool when that is what the model is to answer to, otherwise None."""
        last = self.messages[-1] if self.messages else None
        return last.text if last is not None and last.role == "tool" else None


@dataclass(frozen=True)
class Reply:
    """What the model answers.

    Attributes:
        text: Words to say; may be empty when there are tool calls.
        tool_calls: Tools to call after the words, as (name, arguments); arguments that are a string are sent as they
            are by vendors that send text, JSON or not.
        chunks: The text cut into tokens by hand; None cuts it before every word.
        first_token_s: Wait before the first token, seconds; None takes the stand-in's.
        token_interval_s: Wait between tokens, seconds; None takes the stand-in's.
    """

    text: str = ""
    tool_calls: Sequence[tuple[str, dict[str, Any] | str]] = ()
    chunks: Sequence[str] | None = None
    first_token_s: float | None = None
    token_interval_s: float | None = None

    @property
    def tokens(self) -> Sequence[str]:
        """The text as it is streamed."""
        return self.chunks if self.chunks is not None else re.findall(r"\s*\S+\s*$|\s*\S+", self.text)

    @property
    def full_text(self) -> str:
        """The whole text."""
        return self.text if self.chunks is None else "".join(self.chunks)


Answer = Reply | str
ReplyFunction = Callable[[ChatRequest], Answer | Awaitable[Answer]]
ReplyScript = ReplyFunction | Iterable[Answer]


def echo(request: ChatRequest) -> Reply:
    """The default script: repeats the user's words, or reports a tool's result."""
    if request.tool_result is not None:
        return Reply(f"The tool answered {request.tool_result}.")
    said = request.last_user_text.strip()
    return Reply(f"You said: {said.rstrip('.!?')}." if said else GREETING)


class Script:
    """Turns a function or a list into replies; a list that has run out is followed by `echo`."""

    def __init__(self, source: ReplyScript | None) -> None:
        self._function = source if callable(source) else None
        self._list = itertools.chain([] if source is None or callable(source) else source)

    async def reply(self, request: ChatRequest) -> Reply:
        """The next reply."""
        answer = self._function(request) if self._function else next(self._list, None)
        if inspect.isawaitable(answer):
            answer = await answer
        if answer is None:
            return echo(request)
        return Reply(answer) if isinstance(answer, str) else answer


def text_of(content: Any) -> str:
    """The text of a message's content: a string, or a list of parts of which the textual ones count."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict) and "text" in part)


def arguments_text(arguments: Any) -> str:
    """The arguments of a tool call as the text that a vendor streams."""
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def token_count(text: str) -> int:
    """A stable stand-in for a tokenizer: one token per word."""
    return len(text.split())
