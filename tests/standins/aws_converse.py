"""Bedrock's side of ConverseStream: reading a request as strictly as the service does, and the events of an answer.

Written after https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html and
https://docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference-call.html.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

from tests.standins.aws_eventstream import event
from tests.standins.base import HttpError
from tests.standins.replies import ChatMessage, ChatRequest, Reply, arguments_text, text_of, token_count

_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_TOOL_USE_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
_CHOICES = ({"auto"}, {"any"}, {"tool"})
_PIECE = 12
"""Characters of a tool's input in one event."""


def invalid(message: str) -> HttpError:
    """A ``ValidationException``."""
    return HttpError(400, message, code="ValidationException")


def parse_converse(model: str, body: dict[str, Any]) -> ChatRequest:
    """Read a request as strictly as Bedrock does.

    Raises:
        HttpError: With status 400: the conversation does not begin with the user or does not alternate, a text is
            blank, a tool is malformed, a ``toolUse`` is not answered by the next message, or tools were used and none
            are offered.
    """
    messages = [ChatMessage("system", _text(block)) for block in body.get("system") or []]
    raw = body.get("messages")
    if not isinstance(raw, list) or not raw or raw[0].get("role") != "user":
        raise invalid(
            "A conversation must start with a user message. Try again with a conversation that starts with a user "
            "message."
        )
    pending: set[str] = set()
    used = False
    for index, message in enumerate(raw):
        role, blocks = message.get("role"), _blocks(message)
        if role != ("user", "assistant")[index % 2]:
            raise invalid(
                "A conversation must alternate between user and assistant roles. Make sure the conversation alternates "
                "between user and assistant roles and try again."
            )
        results = [block["toolResult"] for block in blocks if "toolResult" in block]
        calls = [block["toolUse"] for block in blocks if "toolUse" in block]
        used = used or bool(results or calls)
        _check_results(pending, {result.get("toolUseId") for result in results}, index)
        pending = _check_calls(calls) if role == "assistant" else set()
        messages += [ChatMessage("tool", _result_text(result)) for result in results]
        text = text_of([{"text": _text(block)} for block in blocks if "text" in block])
        if text or not results:
            messages.append(ChatMessage(role, text))
    if raw[-1]["role"] != "user":
        raise invalid(
            "This model does not support assistant message prefill. The conversation must end with a user message."
        )
    tools = _tools(body, used)
    _check_sampling(body.get("inferenceConfig") or {})
    return ChatRequest(model, tuple(messages), tools, body)


def _blocks(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message.get("content")
    if not isinstance(content, list) or not content:
        raise invalid("The content field in the Message object is empty. Add a ContentBlock object and try again.")
    for block in content:
        if len(block) != 1:
            raise invalid("ContentBlock object must set one of the following keys: text, image, toolUse, toolResult.")
        if "text" in block:
            _text(block)
    return content


def _text(block: dict[str, Any]) -> str:
    text = block.get("text")
    if not isinstance(text, str) or not text.strip():
        raise invalid("The text field in the ContentBlock object is blank. Add text to the text field, and try again.")
    return text


def _result_text(result: dict[str, Any]) -> str:
    parts = result.get("content") or []
    return " ".join(str(part.get("text", "")) or json.dumps(part.get("json")) for part in parts)


def _check_results(pending: set[str], answered: set[Any], index: int) -> None:
    if pending - answered:
        raise invalid(
            f"Expected toolResult blocks at messages.{index}.content for the following Ids: "
            f"{', '.join(sorted(pending))}"
        )
    if answered - pending:
        raise invalid(
            f"The number of toolResult blocks at messages.{index}.content exceeds the number of toolUse blocks of "
            "previous turn."
        )


def _check_calls(calls: list[dict[str, Any]]) -> set[str]:
    for call in calls:
        named = _TOOL_USE_ID.fullmatch(str(call.get("toolUseId"))) and _TOOL_NAME.fullmatch(str(call.get("name")))
        if not named or not isinstance(call.get("input"), dict):
            raise invalid("The format of the value at messages.content.toolUse is invalid.")
    return {call["toolUseId"] for call in calls}


def _tools(body: dict[str, Any], used: bool) -> tuple[str, ...]:
    config = body.get("toolConfig")
    if config is None:
        if used:
            raise invalid("The toolConfig field must be defined when using toolUse and toolResult content blocks.")
        return ()
    names = []
    for tool in config.get("tools") or []:
        spec = tool.get("toolSpec") or {}
        schema = (spec.get("inputSchema") or {}).get("json") or {}
        if not _TOOL_NAME.fullmatch(str(spec.get("name"))) or spec.get("description") == "":
            raise invalid("1 validation error detected: toolConfig.tools.member.toolSpec failed to satisfy constraint.")
        if schema.get("type") != "object":
            raise invalid("The value at toolConfig.tools.0.toolSpec.inputSchema.json.type must be one of: object.")
        names.append(spec["name"])
    if not names:
        raise invalid("toolConfig.tools: Member must have length greater than or equal to 1")
    if "toolChoice" in config and set(config["toolChoice"]) not in _CHOICES:
        raise invalid("ToolChoice object must set one of the following keys: auto, any, tool.")
    return tuple(names)


def _check_sampling(config: dict[str, Any]) -> None:
    limits = {"maxTokens": (1, 10**9), "temperature": (0, 1), "topP": (0, 1)}
    for name, value in config.items():
        low, high = limits.get(name, (0, 0))
        if name not in limits and name != "stopSequences":
            raise invalid(f"inferenceConfig.{name} is unknown")
        if name in limits and not low <= value <= high:
            raise invalid(f"The value at inferenceConfig.{name} is out of range.")


async def events(chat: ChatRequest, reply: Reply, interval_s: float) -> AsyncIterator[bytes]:
    """The events of an answer, encoded, as they are streamed."""
    yield event("messageStart", {"role": "assistant"})
    index = 0
    if reply.full_text:
        for number, token in enumerate(reply.tokens):
            if number and interval_s > 0:
                await asyncio.sleep(interval_s)
            yield event("contentBlockDelta", {"contentBlockIndex": index, "delta": {"text": token}})
        yield event("contentBlockStop", {"contentBlockIndex": index})
        index += 1
    for number, (name, arguments) in enumerate(reply.tool_calls):
        start = {"toolUse": {"toolUseId": f"tooluse_{number}_{name}", "name": name}}
        yield event("contentBlockStart", {"contentBlockIndex": index, "start": start})
        text = arguments_text(arguments)
        for begin in range(0, len(text), _PIECE):
            delta = {"toolUse": {"input": text[begin : begin + _PIECE]}}
            yield event("contentBlockDelta", {"contentBlockIndex": index, "delta": delta})
        yield event("contentBlockStop", {"contentBlockIndex": index})
        index += 1
    yield event("messageStop", {"stopReason": "tool_use" if reply.tool_calls else "end_turn"})
    yield event("metadata", {"usage": usage(chat, reply), "metrics": {"latencyMs": 1}})


def usage(chat: ChatRequest, reply: Reply) -> dict[str, int]:
    """What an answer costs."""
    prompt = sum(token_count(message.text) for message in chat.messages)
    answer = token_count(reply.full_text) + len(reply.tool_calls)
    return {"inputTokens": prompt, "outputTokens": answer, "totalTokens": prompt + answer}
