"""An answer in pieces, as every vendor of OpenAI's chat completions shall send it and not every one does.

Pipecat's service takes one tool call from a chunk, trusts its number, and only logs arguments that are no JSON. Vendors
send several calls in one chunk (Mistral), leave the number out (SambaNova), give all the same (Ollama), think aloud in
the text (``<think>``), keep a dead answer alive with comments (OpenRouter, DeepSeek) and cut emoji in two.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import uuid4

import openai
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletionChunk
from openai.types.chat.chat_completion_chunk import (
    Choice,
    ChoiceDelta,
    ChoiceDeltaToolCall,
    ChoiceDeltaToolCallFunction,
)

from adapters.llm.spoken_text import SpokenText


class ChatStream:
    """The chunks of an answer: text to be spoken as it comes, then each tool call whole in a chunk of its own.

    Args:
        stream: The SDK's stream.
        quiet_s: Longest wait for a chunk, seconds. The HTTP client's own limit does not see that a vendor sends nothing
            but comments.
        reasoning_apart: Whether the vendor counts reasoning beside ``completion_tokens`` and not within.
    """

    def __init__(
        self, stream: openai.AsyncStream[ChatCompletionChunk], *, quiet_s: float, reasoning_apart: bool = False
    ) -> None:
        self._stream = stream
        self._quiet_s = quiet_s
        self._reasoning_apart = reasoning_apart

    def __aiter__(self) -> AsyncIterator[ChatCompletionChunk]:
        """Iterate over the chunks, once.

        Raises:
            TimeoutError: No chunk came in time.
            ConnectionError: The answer broke off.
            ValueError: Arguments of a tool call are no JSON object.
        """
        return self._chunks()

    async def close(self) -> None:
        """Close the vendor's stream."""
        await self._stream.close()

    async def _chunks(self) -> AsyncGenerator[ChatCompletionChunk, None]:
        chunks = cast("AsyncGenerator[ChatCompletionChunk, None]", aiter(self._stream))
        text, calls = SpokenText(), _ToolCalls()
        finished = False
        last: ChatCompletionChunk | None = None
        try:
            async for chunk in _in_time(chunks, self._quiet_s):
                if chunk.usage is not None and self._reasoning_apart:
                    _count_reasoning(chunk.usage)
                # Vendors leave the list out, or the delta of the last chunk, though the SDK's types say otherwise.
                choice = cast("Any", chunk.choices[0] if chunk.choices else None)
                if choice is not None:
                    last = chunk
                    finished = finished or bool(choice.finish_reason)
                    if choice.delta is not None:
                        calls.add(choice.delta.tool_calls or ())
                        choice.delta.tool_calls = None
                        choice.delta.content = text.visible(_words(choice.delta.content))
                yield chunk
            if last is None or not finished:
                raise ConnectionError("the answer broke off")
            rest = text.rest()
            if rest:
                yield _chunk(last, ChoiceDelta(content=rest))
            for call in calls.whole():
                yield _chunk(last, ChoiceDelta(tool_calls=[call]))
        finally:
            await chunks.aclose()


@dataclass(slots=True)
class _Call:
    id: str
    name: str = ""
    arguments: str = ""


class _ToolCalls:
    """Puts the pieces of tool calls together, however they are numbered."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._by_index: dict[int | None, _Call] = {}

    def add(self, pieces: Sequence[ChoiceDeltaToolCall]) -> None:
        """Add the pieces of one chunk."""
        for piece in pieces:
            function = piece.function
            name, arguments = (function.name or "", function.arguments or "") if function else ("", "")
            call = self._by_index.get(piece.index)
            if call is None or (name and piece.id and piece.id != call.id):
                call = _Call(piece.id or uuid4().hex[:9])
                self._calls.append(call)
                self._by_index[piece.index] = call
            # Some vendors repeat the name with every piece.
            call.name = call.name or name
            call.arguments += arguments

    def whole(self) -> list[ChoiceDeltaToolCall]:
        """Return the calls, numbered from 0.

        Raises:
            ValueError: One has no name, or its arguments are no JSON object.
        """
        return [
            ChoiceDeltaToolCall(
                index=index,
                id=call.id,
                type="function",
                function=ChoiceDeltaToolCallFunction(name=call.name, arguments=json.dumps(parsed(call.arguments))),
            )
            for index, call in enumerate(self._calls)
            if _named(call)
        ]


def parsed(arguments: str) -> dict[str, Any]:
    """Return the arguments of a tool call; none for '' and for JSON's null.

    Raises:
        ValueError: They are no JSON object.
    """
    value = json.loads(arguments or "{}")
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError("the arguments of a tool call are no JSON object")
    return value


def _named(call: _Call) -> bool:
    if not call.name:
        raise ValueError("a tool call has no name")
    return True


async def _in_time(
    chunks: AsyncGenerator[ChatCompletionChunk, None], quiet_s: float
) -> AsyncGenerator[ChatCompletionChunk, None]:
    while True:
        try:
            async with asyncio.timeout(quiet_s):
                chunk = await anext(chunks)
        except StopAsyncIteration:
            return
        yield chunk


def _words(content: Any) -> str:
    """The text of a delta: Mistral's thinking models send a list of parts, of which only text is said."""
    if isinstance(content, list):
        return "".join(it.get("text") or "" for it in content if isinstance(it, dict) and it.get("type") == "text")
    return content or ""


def _count_reasoning(usage: CompletionUsage) -> None:
    details = usage.completion_tokens_details
    reasoning = (details.reasoning_tokens if details else 0) or 0
    # Where the total says that reasoning was counted within, it was.
    if usage.total_tokens == usage.prompt_tokens + usage.completion_tokens + reasoning:
        usage.completion_tokens += reasoning


def _chunk(like: ChatCompletionChunk, delta: ChoiceDelta) -> ChatCompletionChunk:
    return ChatCompletionChunk(
        id=like.id or "",
        choices=[Choice(index=0, delta=delta)],
        created=like.created or 0,
        model=like.model or "",
        object="chat.completion.chunk",
    )
