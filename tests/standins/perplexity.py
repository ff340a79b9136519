"""Perplexity's agent API: ``POST /v1/agent``, also called ``/v1/responses``, and ``GET /v1/models``.

Written after https://docs.perplexity.ai/api-reference/agent-post, https://docs.perplexity.ai/api-reference/models-get,
https://docs.perplexity.ai/docs/agent-api/migrate-from-sonar/overview and the types of the ``perplexityai`` package;
checked against the ``openai`` package. Sonar's ``POST /chat/completions`` ended in September 2026.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar

from aiohttp import web

from tests.standins.base import HttpError, LoggedRequest, StandIn
from tests.standins.replies import (
    ChatMessage,
    ChatRequest,
    Reply,
    ReplyScript,
    Script,
    arguments_text,
    text_of,
    token_count,
)
from tests.standins.wire import ByteStream

_FIELDS = frozenset(
    {"input", "instructions", "language_preference", "max_output_tokens", "max_steps", "model", "models"}
)
_FIELDS |= {"background", "preset", "reasoning", "response_format", "stream", "tools"}
_PRESETS = frozenset({"fast", "low", "medium", "high", "xhigh"})
_SERVER_TOOLS = frozenset({"web_search", "fetch_url", "people_search", "finance_search", "sandbox", "mcp"})
_CREATED = 1_700_000_000

_ERRORS = {
    400: ("Invalid request.", "invalid_request"),
    401: ("Invalid API key provided.", "invalid_api_key"),
    404: ("Not found.", "not_found"),
    429: ("Rate limit exceeded.", "rate_limit_exceeded"),
    500: ("Internal server error.", "internal_server_error"),
}


class PerplexityStandIn(StandIn):
    """Perplexity on loopback. `base_url` ends in ``/v1``.

    Args:
        reply: The script: a function of `ChatRequest`, or replies in the order in which they are asked for; None
            echoes.
        models: Models that exist.
        any_model: Whether models that are not in `models` are accepted as well.
        **common: Arguments of `StandIn`.
    """

    ENDPOINTS: ClassVar[tuple[str, ...]] = ("agent", "models")

    def __init__(
        self,
        *,
        reply: ReplyScript | None = None,
        models: Sequence[str] = ("openai/gpt-5.6-luna", "perplexity/sonar"),
        any_model: bool = True,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.script = Script(reply)
        self.models = tuple(models)
        self.any_model = any_model
        self._ids = itertools.count(1)

    @property
    def base_url(self) -> str:
        """``http://127.0.0.1:PORT/v1``."""
        return f"{self.http_url}/v1"

    def route(self, request: web.BaseRequest) -> str:
        """Name the endpoint of a request."""
        if request.method == "POST" and request.path in ("/v1/agent", "/v1/responses"):
            return "agent"
        if request.method == "GET" and request.path == "/v1/models":
            return "models"
        if request.path.endswith("/chat/completions"):
            raise HttpError(410, "Sonar is now the Agent API")
        raise HttpError(404)

    def key_of(self, request: web.BaseRequest) -> str | None:
        """The bearer token."""
        return request.headers.get("Authorization", "").removeprefix("Bearer ") or None

    def check_key(self, request: web.BaseRequest) -> None:
        """Refuse a request without an accepted key; the list of models is open to everybody."""
        if request.method != "GET":
            super().check_key(request)

    def error(self, status: int, message: str | None, detail: Mapping[str, Any]) -> web.Response:
        """``{"error": {"message", "type", "code"}}``."""
        default, kind = _ERRORS.get(status, _ERRORS[500 if status >= 500 else 400])
        body = {"message": message or default, "type": detail.get("kind", kind), "code": status}
        return web.json_response({"error": body}, status=status)

    async def answer(self, request: web.BaseRequest, log: LoggedRequest) -> web.StreamResponse:
        """Serve one request."""
        if log.endpoint == "models":
            data = [
                {"id": name, "object": "model", "created": 0, "owned_by": name.split("/")[0]} for name in self.models
            ]
            return web.json_response({"object": "list", "data": data})
        chat = parse_request(log.body if isinstance(log.body, dict) else {})
        if chat.model not in self.models and not self.any_model:
            raise HttpError(400, f"validation failed: model {chat.model} is not supported", kind="invalid_model")
        if not chat.body.get("stream"):
            raise HttpError(400, "the stand-in streams only")
        reply = await self.script.reply(chat)
        stream = await ByteStream.open(self, request, log, "text/event-stream")
        await asyncio.sleep(reply.first_token_s or 0.0)
        number = itertools.count()
        async for event in self._events(chat, reply):
            body = json.dumps(event | {"sequence_number": next(number)}, ensure_ascii=False)
            text = f"event: {event['type']}\ndata: {body}\n\n"
            await stream.send(text.encode("utf-8", "backslashreplace"), garbage=b'data: {"type": "response.out\n\n')
        await stream.send(b"data: [DONE]\n\n")
        return await stream.end()

    async def _events(self, chat: ChatRequest, reply: Reply) -> AsyncIterator[dict[str, Any]]:
        head = {"id": f"resp_{next(self._ids)}", "object": "response", "created_at": _CREATED, "model": chat.model}
        started = head | {"status": "in_progress", "output": []}
        yield {"type": "response.created", "response": started}
        yield {"type": "response.in_progress", "response": started}
        index = 0
        if chat.body.get("preset"):
            # The search that a preset makes is announced as a call of a function, and done as its results.
            call = {"type": "function_call", "id": "fc_s", "call_id": "call_s", "name": "web_search", "arguments": ""}
            yield {
                "type": "response.output_item.added",
                "output_index": index,
                "item": call | {"status": "in_progress"},
            }
            yield {"type": "response.reasoning.search_queries", "queries": ["stand-in"], "thought": ""}
            done = {"type": "search_results", "queries": ["stand-in"], "results": []}
            yield {"type": "response.output_item.done", "output_index": index, "item": done}
            index += 1
        if reply.tokens:
            async for event in self._message(reply, index):
                yield event
            index += 1
        for number, (name, arguments) in enumerate(reply.tool_calls, start=index):
            identity = {"type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}", "name": name}
            text = arguments_text(arguments)
            added = identity | {"arguments": "", "status": "in_progress"}
            yield {"type": "response.output_item.added", "output_index": number, "item": added}
            for start in range(0, len(text), 12):
                piece = {"type": "response.function_call_arguments.delta", "delta": text[start : start + 12]}
                yield piece | {"item_id": identity["id"], "output_index": number}
            done = identity | {"arguments": text, "status": "completed"}
            yield {"type": "response.output_item.done", "output_index": number, "item": done}
        ended = head | {"status": "completed", "output": [], "usage": _usage(chat, reply)}
        yield {"type": "response.completed", "response": ended}

    async def _message(self, reply: Reply, index: int) -> AsyncIterator[dict[str, Any]]:
        place = {"item_id": "msg_1", "output_index": index, "content_index": 0}
        message = {"type": "message", "id": "msg_1", "role": "assistant"}
        added = message | {"content": [], "status": "in_progress"}
        yield {"type": "response.output_item.added", "output_index": index, "item": added}
        for number, token in enumerate(reply.tokens):
            if number and reply.token_interval_s:
                await asyncio.sleep(reply.token_interval_s)
            yield {"type": "response.output_text.delta", "delta": token} | place
        yield {"type": "response.output_text.done", "text": reply.full_text} | place
        content = [{"type": "output_text", "text": reply.full_text, "annotations": []}]
        done = message | {"content": content, "status": "completed"}
        yield {"type": "response.output_item.done", "output_index": index, "item": done}


def parse_request(body: dict[str, Any]) -> ChatRequest:
    """Read a request as strictly as Perplexity documents it.

    Raises:
        HttpError: With status 400: an unknown field, preset, tool or role, neither model nor preset, no input, or an
            output of a call that was not made.
    """
    unknown = set(body) - _FIELDS
    if unknown:
        raise HttpError(400, f"validation failed: unknown field {min(unknown)}")
    if not (body.get("model") or body.get("models") or body.get("preset")):
        raise HttpError(400, "validation failed: one of model, models, preset is required")
    if body.get("preset") is not None and body["preset"] not in _PRESETS:
        raise HttpError(400, f"validation failed: unknown preset {body['preset']}")
    if body.get("model") and "/" not in body["model"]:
        raise HttpError(400, "validation failed: model must have the form provider/model", kind="invalid_model")
    items = body.get("input")
    if not isinstance(items, list) or not items:
        raise HttpError(400, "validation failed: input is required")
    messages = [ChatMessage("system", body["instructions"])] if body.get("instructions") else []
    called: set[str] = set()
    for index, item in enumerate(items):
        messages += _messages_of(item, index, called)
    if called:
        raise HttpError(400, "validation failed: No tool output found for a function call")
    return ChatRequest(body.get("model") or "", tuple(messages), _tools(body), body)


def _messages_of(item: dict[str, Any], index: int, called: set[str]) -> list[ChatMessage]:
    match item.get("type", "message"):
        case "function_call":
            if not all(isinstance(item.get(name), str) for name in ("call_id", "name", "arguments")):
                raise HttpError(400, f"validation failed: input[{index}] lacks call_id, name or arguments")
            called.add(item["call_id"])
            return []
        case "function_call_output":
            if item.get("call_id") not in called:
                raise HttpError(400, f"validation failed: input[{index}] answers no call")
            called.discard(item["call_id"])
            return [ChatMessage("tool", str(item.get("output", "")))]
        case "message":
            role = item.get("role")
            if role not in ("system", "developer", "user", "assistant"):
                raise HttpError(400, f"validation failed: input[{index}].role is unknown")
            return [ChatMessage("system" if role == "developer" else role, text_of(item.get("content")))]
        case kind:
            raise HttpError(400, f"validation failed: input[{index}].type {kind} is unknown")


def _tools(body: dict[str, Any]) -> tuple[str, ...]:
    names = []
    for tool in body.get("tools") or []:
        if tool.get("type") == "function":
            if not tool.get("name"):
                raise HttpError(400, "validation failed: tools.name is required")
            names.append(tool["name"])
        elif tool.get("type") not in _SERVER_TOOLS:
            raise HttpError(400, f"validation failed: tools.type {tool.get('type')} is unknown")
    return tuple(names)


def _usage(chat: ChatRequest, reply: Reply) -> dict[str, Any]:
    prompt = sum(token_count(message.text) for message in chat.messages)
    completion = token_count(reply.full_text) + len(reply.tool_calls)
    return {
        "input_tokens": prompt,
        "output_tokens": completion,
        "total_tokens": prompt + completion,
        "input_tokens_details": {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0},
        "cost": {"currency": "USD", "total_cost": 0.0},
    }
