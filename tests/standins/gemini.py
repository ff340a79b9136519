"""Google's Gemini API: ``streamGenerateContent``, ``generateContent`` and models.

Written after https://ai.google.dev/api/generate-content, https://ai.google.dev/api/caching#Content (contents, parts and
tools), https://ai.google.dev/gemini-api/docs/thinking, https://ai.google.dev/api/models and
https://ai.google.dev/gemini-api/docs/troubleshooting (errors); checked against ``google-genai`` and Pipecat's service.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from aiohttp import web

from tests.standins.base import HttpError, LoggedRequest, StandIn
from tests.standins.gemini_request import parse_request
from tests.standins.replies import ChatRequest, Reply, ReplyScript, Script, token_count
from tests.standins.wire import ByteStream

_STATUSES = {
    400: ("INVALID_ARGUMENT", "Request contains an invalid argument."),
    401: ("UNAUTHENTICATED", "Request had invalid authentication credentials."),
    403: ("PERMISSION_DENIED", "The caller does not have permission"),
    404: ("NOT_FOUND", "Requested entity was not found."),
    429: ("RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan and billing details."),
    500: ("INTERNAL", "An internal error has occurred. Please retry or report."),
    503: ("UNAVAILABLE", "The model is overloaded. Please try again later."),
    504: ("DEADLINE_EXCEEDED", "The request timed out. Please try again."),
}
_METHODS = ("streamGenerateContent", "generateContent")
_PREFIX = "/v1beta/models"


class GeminiStandIn(StandIn):
    """Gemini on loopback. `base_url` is the bare host, as the SDK takes it.

    Args:
        reply: The script: a function of `ChatRequest`, or replies in the order in which they are asked for (by
            whatever call); None echoes.
        first_token_s: Wait before the first chunk, seconds.
        token_interval_s: Wait between tokens, seconds.
        models: Models that exist.
        any_model: Whether models that are not in `models` are accepted as well.
        **common: Arguments of `StandIn`.
    """

    ENDPOINTS: ClassVar[tuple[str, ...]] = ("generate", "models")

    def __init__(
        self,
        *,
        reply: ReplyScript | None = None,
        first_token_s: float = 0.0,
        token_interval_s: float = 0.0,
        models: Sequence[str] = ("gemini-3.6-flash", "gemini-2.5-pro", "gemini-embedding-001"),
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
        model, _, method = request.path.removeprefix(f"{_PREFIX}/").partition(":")
        if request.method == "POST" and request.path.startswith(f"{_PREFIX}/") and model and method in _METHODS:
            return "generate"
        if request.method == "GET" and (request.path == _PREFIX or request.path.startswith(f"{_PREFIX}/")):
            return "models"
        raise HttpError(404)

    def key_of(self, request: web.BaseRequest) -> str | None:
        """The ``x-goog-api-key`` header, or the query's ``key``."""
        return request.headers.get("x-goog-api-key") or request.query.get("key")

    def check_key(self, request: web.BaseRequest) -> None:
        """Refuse a wrong key with 400, as Google does, and a missing one with 403."""
        if not self.key_of(request):
            raise HttpError(
                403,
                "Method doesn't allow unregistered callers (callers without established identity). Please use API Key "
                "or other form of API consumer identity to call this API.",
            )
        if not self.key_is_good(request):
            raise HttpError(400, "API key not valid. Please pass a valid API key.", reason="API_KEY_INVALID")

    def error(self, status: int, message: str | None, detail: Mapping[str, Any]) -> web.Response:
        """``{"error": {"code", "message", "status", "details"}}``: a ``google.rpc.Status`` as JSON."""
        name, default = _STATUSES.get(status, _STATUSES[500 if status >= 500 else 400])
        error: dict[str, Any] = {"code": status, "message": message or default, "status": name}
        details: list[dict[str, Any]] = []
        if detail.get("reason"):
            metadata = {"service": "generativelanguage.googleapis.com"}
            info = {"reason": detail["reason"], "domain": "googleapis.com", "metadata": metadata}
            details.append({"@type": "type.googleapis.com/google.rpc.ErrorInfo"} | info)
        if detail.get("field") is not None:
            violations = [{"field": detail["field"], "description": error["message"]}]
            details.append({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations})
        if detail.get("retry_after_s") is not None:
            delay = f"{detail['retry_after_s']}s"
            details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay})
        return web.json_response({"error": error | ({"details": details} if details else {})}, status=status)

    async def answer(self, request: web.BaseRequest, log: LoggedRequest) -> web.StreamResponse:
        """Serve one request."""
        if log.endpoint == "models":
            return self._models(request)
        model, _, method = request.path.removeprefix(f"{_PREFIX}/").partition(":")
        self._check_model(model)
        chat = parse_request(model, log.body)
        reply = await self.script.reply(chat)
        first_token_s = self.first_token_s if reply.first_token_s is None else reply.first_token_s
        frame = {"modelVersion": model, "responseId": f"stand-in-{next(self._ids)}"}
        if method == "generateContent":
            await asyncio.sleep(first_token_s)
            return web.json_response(_whole(chat, reply) | frame)
        if request.query.get("alt") != "sse":
            raise HttpError(400, "the stand-in streams server-sent events only: alt=sse")
        stream = await ByteStream.open(self, request, log, "text/event-stream")
        await asyncio.sleep(first_token_s)
        interval_s = self.token_interval_s if reply.token_interval_s is None else reply.token_interval_s
        for number, chunk in enumerate(_chunks(chat, reply)):
            if number and interval_s > 0:
                await asyncio.sleep(interval_s)
            data = json.dumps(chunk | frame, ensure_ascii=False).encode()
            await stream.send(b"data: " + data + b"\r\n\r\n", garbage=b'data: {"candidates": [{"cont\r\n\r\n')
        return await stream.end()

    def _check_model(self, name: str) -> None:
        if name not in self.models and not self.any_model:
            raise HttpError(
                404,
                f"models/{name} is not found for API version v1beta, or is not supported for generateContent. Call "
                "ListModels to see the list of available models and their supported methods.",
            )

    def _models(self, request: web.BaseRequest) -> web.Response:
        wanted = request.path.removeprefix(_PREFIX).lstrip("/")
        if wanted:
            self._check_model(wanted)
            return web.json_response(_model(wanted))
        start = int(request.query.get("pageToken", "0"))
        size = int(request.query.get("pageSize", "50"))
        if not 1 <= size <= 1000:
            raise HttpError(400, "page_size must be between 1 and 1000", field="page_size")
        page = {"models": [_model(name) for name in self.models[start : start + size]]}
        more = {"nextPageToken": str(start + size)} if start + size < len(self.models) else {}
        return web.json_response(page | more)


def _chunks(chat: ChatRequest, reply: Reply) -> Iterator[dict[str, Any]]:
    """The answer as it is streamed: text token by token, each tool call in one piece, the end with the usage."""
    prompt = _usage(chat, 0)
    for token in reply.tokens:
        yield {"candidates": [_candidate([{"text": token}])], "usageMetadata": prompt}
    for part in _calls(reply):
        yield {"candidates": [_candidate([part])], "usageMetadata": prompt}
    ended = _candidate([{"text": ""}]) | {"finishReason": "STOP"}
    yield {"candidates": [ended], "usageMetadata": _usage(chat, _length(reply))}


def _whole(chat: ChatRequest, reply: Reply) -> dict[str, Any]:
    parts = ([{"text": reply.full_text}] if reply.full_text else []) + _calls(reply)
    ended = _candidate(parts) | {"finishReason": "STOP"}
    return {"candidates": [ended], "usageMetadata": _usage(chat, _length(reply))}


def _candidate(parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {"content": {"parts": parts, "role": "model"}, "index": 0}


def _calls(reply: Reply) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = [
        {"functionCall": {"name": name, "args": arguments, "id": f"call_{number}_{name}"}}
        for number, (name, arguments) in enumerate(reply.tool_calls)
    ]
    if parts:
        # Only the first of parallel calls carries one.
        parts[0]["thoughtSignature"] = "c3RhbmQtaW4="
    return parts


def _length(reply: Reply) -> int:
    return token_count(reply.full_text) + len(reply.tool_calls)


def _usage(chat: ChatRequest, answered: int) -> dict[str, Any]:
    prompt = sum(token_count(message.text) for message in chat.messages)
    usage: dict[str, Any] = {
        "promptTokenCount": prompt,
        "totalTokenCount": prompt + answered,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt}],
    }
    return usage | ({"candidatesTokenCount": answered} if answered else {})


def _model(name: str) -> dict[str, Any]:
    methods = ["embedContent"] if "embedding" in name else ["generateContent", "countTokens"]
    return {
        "name": f"models/{name}",
        "version": "001",
        "displayName": name.replace("-", " ").title(),
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": methods,
    }
