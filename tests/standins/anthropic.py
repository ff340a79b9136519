"""Anthropic's API: messages and models.

Written after https://docs.anthropic.com/en/api (messages, messages-streaming, models-list, errors); checked against the
``anthropic`` package and Pipecat's Anthropic service.
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

_ERRORS = {
    400: ("invalid_request_error", "Invalid request."),
    401: ("authentication_error", "invalid x-api-key"),
    403: ("permission_error", "Your API key does not have permission to use the specified resource."),
    404: ("not_found_error", "Not found"),
    429: ("rate_limit_error", "This request would exceed your organization's rate limit."),
    500: ("api_error", "Internal server error"),
    529: ("overloaded_error", "Overloaded"),
}
_REQUEST_ID = "req_stand_in"


class AnthropicStandIn(StandIn):
    """Anthropic on loopback. `base_url` is the bare host, as the SDK takes it.

    Args:
        reply: The script: a function of `ChatRequest`, or replies in the order in which they are asked for (by
            whatever call); None echoes.
        first_token_s: Wait before the first content block, seconds.
        token_interval_s: Wait between tokens, seconds.
        models: Models that exist.
        any_model: Whether models that are not in `models` are accepted as well.
        **common: Arguments of `StandIn`.
    """

    ENDPOINTS: ClassVar[tuple[str, ...]] = ("messages", "models")

    def __init__(
        self,
        *,
        reply: ReplyScript | None = None,
        first_token_s: float = 0.0,
        token_interval_s: float = 0.0,
        models: Sequence[str] = ("claude-sonnet-4-6", "claude-haiku-4-5"),
        any_model: bool = True,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.script = Script(reply)
        self.first_token_s = first_token_s
        self.token_interval_s = token_interval_s
        self.models = tuple(models)
        self.any_model = any_model
        self._ids = itertools.count(1)

    @property
    def base_url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return self.http_url

    def route(self, request: web.BaseRequest) -> str:
        """Name the endpoint of a request."""
        if request.method == "POST" and request.path == "/v1/messages":
            return "messages"
        if request.method == "GET" and (request.path == "/v1/models" or request.path.startswith("/v1/models/")):
            return "models"
        raise HttpError(404)

    def key_of(self, request: web.BaseRequest) -> str | None:
        """The ``x-api-key`` header."""
        return request.headers.get("x-api-key")

    def error(self, status: int, message: str | None, detail: Mapping[str, Any]) -> web.Response:
        """``{"type": "error", "error": {"type", "message"}, "request_id"}``."""
        kind, default = _ERRORS.get(status, _ERRORS[500 if status >= 500 else 400])
        body = {"type": "error", "error": {"type": kind, "message": message or default}, "request_id": _REQUEST_ID}
        return web.json_response(body, status=status, headers={"request-id": _REQUEST_ID})

    async def answer(self, request: web.BaseRequest, log: LoggedRequest) -> web.StreamResponse:
        """Serve one request."""
        if "anthropic-version" not in request.headers:
            raise HttpError(400, "anthropic-version: header is required")
        if log.endpoint == "messages":
            return await self._messages(request, log)
        return self._models(request)

    def _models(self, request: web.BaseRequest) -> web.Response:
        wanted = request.path.removeprefix("/v1/models").lstrip("/")
        if wanted:
            self._check_model(wanted)
            return web.json_response(_model(wanted))
        data = [_model(name) for name in self.models]
        ends = {"first_id": self.models[0], "last_id": self.models[-1]} if self.models else {}
        return web.json_response({"data": data, "has_more": False, "first_id": None, "last_id": None} | ends)

    def _check_model(self, name: object) -> None:
        if not isinstance(name, str) or not name:
            raise HttpError(400, "model: Field required")
        if name not in self.models and not self.any_model:
            raise HttpError(404, f"model: {name}")

    async def _messages(self, request: web.BaseRequest, log: LoggedRequest) -> web.StreamResponse:
        body = log.body if isinstance(log.body, dict) else {}
        self._check_model(body.get("model"))
        chat = parse_messages(body)
        reply = await self.script.reply(chat)
        head = {"id": f"msg_{next(self._ids)}", "type": "message", "role": "assistant", "model": chat.model}
        usage = _usage(chat, reply)
        stop = "tool_use" if reply.tool_calls else "end_turn"
        first_token_s = self.first_token_s if reply.first_token_s is None else reply.first_token_s
        if not body.get("stream"):
            await asyncio.sleep(first_token_s)
            ended = {"content": _content(reply), "stop_reason": stop, "stop_sequence": None, "usage": usage}
            return web.json_response(head | ended, headers={"request-id": _REQUEST_ID})
        stream = await ByteStream.open(self, request, log, "text/event-stream", {"request-id": _REQUEST_ID})
        opened: dict[str, Any] = {
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage | {"output_tokens": 1},
        }
        await stream.send(_event("message_start", message=head | opened))
        await stream.send(_event("ping"))
        await asyncio.sleep(first_token_s)
        async for event in self._blocks(reply):
            await stream.send(event, garbage=b'event: content_block_delta\ndata: {"type": "content_bl\n\n')
        ended = {"stop_reason": stop, "stop_sequence": None}
        await stream.send(_event("message_delta", delta=ended, usage=usage))
        await stream.send(_event("message_stop"))
        return await stream.end()

    async def _blocks(self, reply: Reply) -> AsyncIterator[bytes]:
        interval_s = self.token_interval_s if reply.token_interval_s is None else reply.token_interval_s
        for index, block in enumerate(_content(reply)):
            if block["type"] == "text":
                yield _event("content_block_start", index=index, content_block={"type": "text", "text": ""})
                for number, token in enumerate(reply.tokens):
                    if number and interval_s > 0:
                        await asyncio.sleep(interval_s)
                    yield _event("content_block_delta", index=index, delta={"type": "text_delta", "text": token})
            else:
                yield _event("content_block_start", index=index, content_block=block | {"input": {}})
                arguments = arguments_text(block["input"])
                for piece in ("", *(arguments[start : start + 12] for start in range(0, len(arguments), 12))):
                    delta = {"type": "input_json_delta", "partial_json": piece}
                    yield _event("content_block_delta", index=index, delta=delta)
            yield _event("content_block_stop", index=index)


def parse_messages(body: dict[str, Any]) -> ChatRequest:
    """Read a messages request as strictly as Anthropic does.

    Raises:
        HttpError: With status 400: no ``max_tokens``, no messages, an unknown role, an empty text block, or a
            ``tool_use`` that the next message does not answer.
    """
    if not isinstance(body.get("max_tokens"), int):
        raise HttpError(400, "max_tokens: Field required")
    raw = body.get("messages")
    if not isinstance(raw, list) or not raw:
        raise HttpError(400, "messages: at least one message is required")
    messages = [ChatMessage("system", text_of(body["system"]))] if body.get("system") else []
    pending: set[str] = set()
    for index, message in enumerate(raw):
        role = message.get("role")
        if role not in ("user", "assistant"):
            raise HttpError(400, f'messages: Unexpected role "{role}". Allowed roles are "user" or "assistant".')
        blocks = _blocks_of(message.get("content"), index)
        results = [block for block in blocks if block.get("type") == "tool_result"]
        if pending - {block.get("tool_use_id") for block in results}:
            raise HttpError(
                400, f"messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after"
            )
        if {block.get("tool_use_id") for block in results} - pending:
            raise HttpError(400, f"messages.{index}: unexpected `tool_use_id` found in `tool_result` blocks")
        pending = {block["id"] for block in blocks if block.get("type") == "tool_use"} if role == "assistant" else set()
        messages += [ChatMessage("tool", text_of(block.get("content"))) for block in results]
        text = text_of(blocks)
        if text or not results:
            messages.append(ChatMessage(role, text))
    if pending:
        raise HttpError(
            400, f"messages.{len(raw)}: `tool_use` ids were found without `tool_result` blocks immediately after"
        )
    tools = tuple(tool["name"] for tool in body.get("tools") or [])
    return ChatRequest(body["model"], tuple(messages), tools, body)


def _blocks_of(content: Any, index: int) -> list[dict[str, Any]]:
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(blocks, list):
        raise HttpError(400, f"messages.{index}.content: Field required")
    if any(block.get("type") == "text" and not block.get("text") for block in blocks):
        raise HttpError(400, "messages: text content blocks must be non-empty")
    return blocks


def _event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind} | fields)}\n\n".encode()


def _content(reply: Reply) -> list[dict[str, Any]]:
    text = [{"type": "text", "text": reply.full_text}] if reply.full_text else []
    return text + [
        {"type": "tool_use", "id": f"toolu_{number}_{name}", "name": name, "input": arguments}
        for number, (name, arguments) in enumerate(reply.tool_calls)
    ]


def _usage(chat: ChatRequest, reply: Reply) -> dict[str, Any]:
    return {
        "input_tokens": sum(token_count(message.text) for message in chat.messages),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": token_count(reply.full_text) + len(reply.tool_calls),
    }


def _model(name: str) -> dict[str, Any]:
    return {"type": "model", "id": name, "display_name": name, "created_at": "2025-01-01T00:00:00Z"}
