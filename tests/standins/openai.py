"""OpenAI's API: chat completions, speech, models.

Written after https://platform.openai.com/docs/api-reference (chat, chat-streaming, audio/createSpeech, models) and its
error codes; checked against the ``openai`` package and Pipecat's OpenAI services.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar

from aiohttp import web

from tests.standins.audio import signature
from tests.standins.base import HttpError, LoggedRequest, StandIn
from tests.standins.openai_dialects import OPENAI, RULES, Rules
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

SPEECH_RATE_HZ = 24_000
"""Rate of ``response_format`` ``pcm`` and ``wav``, Hz."""
_SPEECH_CHUNK_BYTES = SPEECH_RATE_HZ * 2 // 10
_CREATED = 1_700_000_000
_APART_TOKENS = 1

_ERRORS: dict[int, tuple[str, str, str | None]] = {
    400: ("Invalid request.", "invalid_request_error", None),
    401: (
        "Incorrect API key provided. You can find your API key at https://platform.openai.com/account/api-keys.",
        "invalid_request_error",
        "invalid_api_key",
    ),
    404: ("Not found.", "invalid_request_error", None),
    429: ("Rate limit reached for requests.", "requests", "rate_limit_exceeded"),
    500: ("The server had an error while processing your request. Sorry about that!", "server_error", None),
    503: ("The server is overloaded. Please try again later.", "server_error", None),
}


class OpenAIStandIn(StandIn):
    """OpenAI on loopback, or a vendor that speaks its dialect. `base_url` ends in ``/v1``.

    Args:
        reply: The script: a function of `ChatRequest`, or replies in the order in which they are asked for (by
            whatever call); None echoes.
        first_token_s: Wait before the first token of a reply, seconds.
        token_interval_s: Wait between tokens, seconds.
        tts_first_byte_s: Wait before the first byte of speech, seconds.
        models: Models that exist.
        any_model: Whether models that are not in `models` are accepted as well.
        **common: Arguments of `StandIn`.
    """

    ENDPOINTS: ClassVar[tuple[str, ...]] = ("chat", "speech", "models", "key")
    RULES: ClassVar[Rules] = OPENAI

    def __init__(
        self,
        *,
        reply: ReplyScript | None = None,
        first_token_s: float = 0.0,
        token_interval_s: float = 0.0,
        tts_first_byte_s: float = 0.0,
        models: Sequence[str] = ("gpt-4.1", "gpt-4o", "gpt-4o-mini", "gpt-4o-mini-tts", "tts-1"),
        any_model: bool = True,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.script = Script(reply)
        self.first_token_s = first_token_s
        self.token_interval_s = token_interval_s
        self.tts_first_byte_s = tts_first_byte_s
        self.models = tuple(models)
        self.any_model = any_model
        self._ids = itertools.count(1)

    @property
    def base_url(self) -> str:
        """``http://127.0.0.1:PORT/v1``, or the vendor's path."""
        return self.http_url + (self.RULES.prefix if self.RULES.base_path is None else self.RULES.base_path)

    def route(self, request: web.BaseRequest) -> str:
        """Name the endpoint of a request."""
        path = request.path.removeprefix(self.RULES.prefix) if request.path.startswith(self.RULES.prefix) else ""
        if request.method == "POST" and path == "/chat/completions":
            return "chat"
        if request.method == "POST" and path == "/audio/speech" and self.RULES is OPENAI:
            return "speech"
        if request.method == "GET" and (path == "/models" or path.startswith("/models/")):
            return "models"
        if request.method == "GET" and path == "/key" and self.RULES is RULES["openrouter"]:
            return "key"
        raise HttpError(404, f"Invalid URL ({request.method} {request.path})")

    def key_of(self, request: web.BaseRequest) -> str | None:
        """The key: a bearer token, or the vendor's own header."""
        if self.RULES.key_header:
            return request.headers.get(self.RULES.key_header)
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return token if scheme == "Bearer" else None

    def check_key(self, request: web.BaseRequest) -> None:
        """Refuse a request without an accepted key, where the vendor does."""
        given = "Authorization" in request.headers or self.key_of(request) is not None
        is_list = request.path == f"{self.RULES.prefix}/models"
        if (self.RULES.keyless and not given) or (self.RULES.open_models and is_list) or self.key_is_good(request):
            return
        raise HttpError(self.RULES.bad_key_status, _ERRORS[401][0], code="invalid_api_key")

    def error(self, status: int, message: str | None, detail: Mapping[str, Any]) -> web.Response:
        """OpenAI's ``{"error": {"message", "type", "param", "code"}}``, or the vendor's document."""
        default, kind, code = _ERRORS.get(status, _ERRORS[500 if status >= 500 else 400])
        code = detail.get("code", code)
        body = self.RULES.error(status, message or default, kind, code)
        if self.RULES is OPENAI:
            body["error"]["param"] = detail.get("param")
        return web.json_response(body, status=status, headers={"x-request-id": "req_stand_in"})

    async def answer(self, request: web.BaseRequest, log: LoggedRequest) -> web.StreamResponse:
        """Serve one request."""
        if log.endpoint == "chat":
            return await self._chat(request, log)
        if log.endpoint == "speech":
            return await self._speech(request, log)
        if log.endpoint == "key":
            return web.json_response({"data": {"label": "stand-in", "usage": 0, "limit": None, "is_free_tier": False}})
        return self._models(request)

    def _models(self, request: web.BaseRequest) -> web.Response:
        wanted = request.path.removeprefix(f"{self.RULES.prefix}/models").lstrip("/")
        if not wanted:
            models = [_model(name) for name in self.models]
            return web.json_response(models if self.RULES.bare_models else {"object": "list", "data": models})
        self._check_model(wanted)
        return web.json_response(_model(wanted))

    def _check_model(self, name: object) -> None:
        if not isinstance(name, str) or not name:
            raise HttpError(400, "you must provide a model parameter")
        if name not in self.models and not self.any_model:
            raise HttpError(
                404,
                f"The model `{name}` does not exist or you do not have access to it.",
                param="model",
                code="model_not_found",
            )

    async def _chat(self, request: web.BaseRequest, log: LoggedRequest) -> web.StreamResponse:
        body = log.body if isinstance(log.body, dict) else {}
        self.RULES.check(body)
        self._check_model(body.get("model"))
        chat = parse_chat(body)
        reply = await self.script.reply(chat)
        frame = {
            "id": f"chatcmpl-{next(self._ids)}",
            "created": _CREATED,
            "model": chat.model,
            "service_tier": "default",
            "system_fingerprint": "fp_stand_in",
        }
        usage = _usage(chat, reply, apart=self.RULES.reasoning_apart)
        first_token_s = self.first_token_s if reply.first_token_s is None else reply.first_token_s
        if not body.get("stream"):
            await asyncio.sleep(first_token_s)
            return web.json_response(_completion(frame, reply, usage))
        comment = self.RULES.comment
        headers = {"x-request-id": "req_stand_in"}
        stream = await ByteStream.open(self, request, log, "text/event-stream", headers, keep_alive=comment)
        await asyncio.sleep(first_token_s)
        asked = bool((body.get("stream_options") or {}).get("include_usage")) and self.RULES.usage == "asked"
        chunk = frame | {"object": "chat.completion.chunk"} | ({"usage": None} if asked else {})
        async for delta, finish in self._deltas(reply, thinks=self.RULES.thinks(body)):
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
            last = {"usage": usage} if finish and self.RULES.usage == "last" else {}
            event = _event(chunk | {"choices": [choice]} | last)
            await stream.send(comment + event, garbage=b'data: {"id": "chatcmpl-\n\n')
        if asked:
            await stream.send(_event(chunk | {"choices": [], "usage": usage}))
        await stream.send(b"data: [DONE]\n\n")
        return await stream.end()

    async def _deltas(self, reply: Reply, *, thinks: bool) -> AsyncIterator[tuple[dict[str, Any], str | None]]:
        interval_s = self.token_interval_s if reply.token_interval_s is None else reply.token_interval_s
        yield (
            {"role": "assistant", "content": "" if reply.tokens or not reply.tool_calls else None, "refusal": None},
            None,
        )
        if thinks:
            yield {"content": None, "reasoning_content": "Let me think."}, None
        for number, token in enumerate(reply.tokens):
            if number and interval_s > 0:
                await asyncio.sleep(interval_s)
            yield {"content": token}, None
        if self.RULES.tool_calls == "whole" and reply.tool_calls:
            calls = [call | {"index": index} for index, call in enumerate(_tool_calls(reply))]
            yield {"content": "", "tool_calls": calls}, _finish_reason(reply)
            return
        for index, call in enumerate(_tool_calls(reply)):
            number = {"pieces": {"index": index}, "same": {"index": 0}, "unnumbered": {}}[self.RULES.tool_calls]
            arguments = call["function"]["arguments"]
            head = call | number | {"function": call["function"] | {"arguments": ""}}
            yield {"tool_calls": [head]}, None
            for start in range(0, len(arguments), 12):
                piece = {"arguments": arguments[start : start + 12]}
                yield {"tool_calls": [number | {"function": piece}]}, None
        yield {}, _finish_reason(reply)

    async def _speech(self, request: web.BaseRequest, log: LoggedRequest) -> web.StreamResponse:
        body = log.body if isinstance(log.body, dict) else {}
        self._check_model(body.get("model"))
        text, container = body.get("input"), body.get("response_format", "mp3")
        if not isinstance(text, str) or not text or len(text) > 4096:
            raise HttpError(400, "input must be a string of 1 to 4096 characters", param="input")
        if not body.get("voice"):
            raise HttpError(400, "Missing required parameter: 'voice'.", param="voice")
        if container not in ("pcm", "wav"):
            raise HttpError(400, "the stand-in has no encoder for this response_format", param="response_format")
        await asyncio.sleep(self.tts_first_byte_s)
        audio = signature(text, SPEECH_RATE_HZ)
        stream = await ByteStream.open(self, request, log, f"audio/{container}")
        if container == "wav":
            await stream.send(_wav_header())
        for start in range(0, len(audio), _SPEECH_CHUNK_BYTES):
            await stream.send(audio[start : start + _SPEECH_CHUNK_BYTES])
        return await stream.end()


def speaking(vendor: str) -> type[OpenAIStandIn]:
    """The stand-in of a vendor in `RULES`."""
    return type(f"{vendor.title()}StandIn", (OpenAIStandIn,), {"RULES": RULES[vendor]})


def parse_chat(body: dict[str, Any]) -> ChatRequest:
    """Read a chat completion request as strictly as OpenAI does.

    Raises:
        HttpError: With status 400: no messages, an unknown role, or a tool call that nothing answers.
    """
    raw = body.get("messages")
    if not isinstance(raw, list) or not raw:
        raise HttpError(400, "Invalid 'messages': empty array.", param="messages", code="empty_array")
    messages = []
    unanswered: set[str] = set()
    for index, message in enumerate(raw):
        role = message.get("role")
        if role not in ("system", "developer", "user", "assistant", "tool"):
            raise HttpError(400, f"Invalid value: '{role}'.", param=f"messages[{index}].role", code="invalid_value")
        if role == "tool":
            if message.get("tool_call_id") not in unanswered:
                raise HttpError(
                    400,
                    "messages with role 'tool' must be a response to a preceding message with 'tool_calls'.",
                    param=f"messages.[{index}].role",
                )
            unanswered.discard(message["tool_call_id"])
        elif unanswered:
            raise _unanswered_tools(index)
        if role == "assistant":
            unanswered = {call["id"] for call in message.get("tool_calls") or []}
        messages.append(ChatMessage("system" if role == "developer" else role, text_of(message.get("content"))))
    if unanswered:
        raise _unanswered_tools(len(raw))
    tools = tuple(tool["function"]["name"] for tool in body.get("tools") or [] if tool.get("type") == "function")
    return ChatRequest(body["model"], tuple(messages), tools, body)


def _unanswered_tools(index: int) -> HttpError:
    return HttpError(
        400,
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'.",
        param=f"messages.[{index}].role",
    )


def _event(data: dict[str, Any]) -> bytes:
    # Half of a character becomes JSON's escape of it.
    return b"data: " + json.dumps(data, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n\n"


def _tool_calls(reply: Reply) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call{number:05}",
            "type": "function",
            "function": {"name": name, "arguments": arguments_text(arguments)},
        }
        for number, (name, arguments) in enumerate(reply.tool_calls)
    ]


def _finish_reason(reply: Reply) -> str:
    return "tool_calls" if reply.tool_calls else "stop"


def _completion(frame: dict[str, Any], reply: Reply, usage: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.full_text or None, "refusal": None}
    if reply.tool_calls:
        message["tool_calls"] = _tool_calls(reply)
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish_reason(reply)}
    return frame | {"object": "chat.completion", "choices": [choice], "usage": usage}


def _usage(chat: ChatRequest, reply: Reply, *, apart: bool) -> dict[str, Any]:
    prompt = sum(token_count(message.text) for message in chat.messages)
    completion = token_count(reply.full_text) + len(reply.tool_calls)
    reasoning = _APART_TOKENS if apart else 0
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion - reasoning,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": reasoning, "audio_tokens": 0},
    }


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": _CREATED, "owned_by": "stand-in"}


def _wav_header() -> bytes:
    # A streamed WAV file carries the largest sizes, since its length is not known yet.
    rate = SPEECH_RATE_HZ
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16)
    return struct.pack("<4sI4s", b"RIFF", 0xFFFFFFFF, b"WAVE") + fmt + struct.pack("<4sI", b"data", 0xFFFFFFFF)
