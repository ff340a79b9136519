"""Amazon's API: Bedrock's ConverseStream, foundation models and inference profiles; Polly's speech and voices.

Written after https://docs.aws.amazon.com/bedrock/latest/APIReference/welcome.html,
https://docs.aws.amazon.com/polly/latest/dg/API_Reference.html and
https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html; checked against ``botocore``'s descriptions of the
services. Other than Amazon's own, one host serves them all, which is told apart by the paths.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import unquote

from aiohttp import web

from tests.standins.audio import signature
from tests.standins.aws_converse import events, invalid, parse_converse
from tests.standins.aws_eventstream import exception
from tests.standins.aws_polly import VOICES, PollyVoice, read_order
from tests.standins.aws_signature import Received, Scope, access_key_of, check_signature
from tests.standins.base import HttpError, LoggedRequest, StandIn
from tests.standins.replies import ReplyScript, Script
from tests.standins.wire import ByteStream

ACCESS_KEY = "AKIASTANDIN000000001"
"""The access key id that exists; the stand-in's ``keys`` are its secrets."""

_CONVERSE = re.compile(r"/model/([^/]+)/converse-stream")
_MODEL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9:./_-]{0,2047}")
_SERVICES = {"converse": "bedrock", "models": "bedrock", "profiles": "bedrock", "speech": "polly", "voices": "polly"}
_PATHS = {
    ("POST", "/v1/speech"): "speech",
    ("GET", "/v1/voices"): "voices",
    ("GET", "/foundation-models"): "models",
    ("GET", "/inference-profiles"): "profiles",
}
_ERRORS: dict[int, tuple[int, str, str]] = {
    400: (400, "ValidationException", "The input fails to satisfy the constraints specified by the service."),
    # Amazon has no 401: a key that does not exist is a 403 with a code of its own.
    401: (403, "UnrecognizedClientException", "The security token included in the request is invalid."),
    403: (403, "AccessDeniedException", "You don't have access to the model with the specified model ID."),
    404: (
        404,
        "ResourceNotFoundException",
        "Could not resolve the foundation model from the provided model identifier.",
    ),
    429: (429, "ThrottlingException", "Too many requests, please wait before trying again."),
    500: (500, "InternalServerException", "The system encountered an unexpected error during processing."),
    503: (503, "ServiceUnavailableException", "Bedrock is unable to process your request."),
}
_PIECE_S = 0.1


class AwsStandIn(StandIn):
    """Amazon on loopback. `base_url` is the bare host.

    Args:
        reply: The script: a function of `ChatRequest`, or replies in the order in which they are asked for (by
            whatever call); None echoes.
        first_token_s: Wait before the first token of a reply, seconds.
        token_interval_s: Wait between tokens, seconds.
        tts_first_byte_s: Wait before the first byte of speech, seconds.
        region: The region in which it stands.
        models: Models that exist.
        any_model: Whether models that are not in `models` are accepted as well.
        voices: The voices.
        page: How many voices or inference profiles one answer lists at most.
        **common: Arguments of `StandIn`; ``keys`` are the secrets of `ACCESS_KEY`.

    Attributes:
        stream_exception: An event of this exception type ends an answer instead of `messageStop`, such as
            ``throttlingException``; None for none.
        speech_piece_bytes: Size of the pieces in which speech is sent; None for 100 ms.
    """

    ENDPOINTS: ClassVar[tuple[str, ...]] = ("converse", "speech", "voices", "models", "profiles")

    def __init__(
        self,
        *,
        reply: ReplyScript | None = None,
        first_token_s: float = 0.0,
        token_interval_s: float = 0.0,
        tts_first_byte_s: float = 0.0,
        region: str = "us-east-1",
        models: Sequence[str] = ("amazon.nova-lite-v1:0", "anthropic.claude-3-haiku-20240307-v1:0"),
        any_model: bool = True,
        voices: Sequence[PollyVoice] = VOICES,
        page: int = 4,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.script = Script(reply)
        self.first_token_s = first_token_s
        self.token_interval_s = token_interval_s
        self.tts_first_byte_s = tts_first_byte_s
        self.region = region
        self.models = tuple(models)
        self.any_model = any_model
        self.voices = tuple(voices)
        self.page = page
        self.stream_exception: str | None = None
        self.speech_piece_bytes: int | None = None

    @property
    def base_url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return self.http_url

    def route(self, request: web.BaseRequest) -> str:
        """Name the endpoint of a request."""
        if request.method == "POST" and _CONVERSE.fullmatch(request.rel_url.raw_path):
            return "converse"
        endpoint = _PATHS.get((request.method, request.path))
        if endpoint is None:
            raise HttpError(
                404, "Unable to determine service/operation name to be authorized", code="UnknownOperationException"
            )
        return endpoint

    def key_of(self, request: web.BaseRequest) -> str | None:
        """The access key id, which is no secret."""
        return access_key_of({name.lower(): value for name, value in request.headers.items()})

    def check_key(self, request: web.BaseRequest) -> None:
        """Nothing yet: the signature covers the body, so `answer` checks it."""

    def error(self, status: int, message: str | None, detail: Mapping[str, Any]) -> web.Response:
        """``{"message": …}`` with the code in ``x-amzn-errortype`` (AWS restJson1)."""
        real_status, code, default = _ERRORS.get(status, _ERRORS[500 if status >= 500 else 400])
        if "code" in detail:
            real_status, code = status, detail["code"]
        headers = {"x-amzn-errortype": f"{code}:http://internal.amazon.com/coral/com.amazon.coral.service/"}
        return web.json_response({"message": message or default}, status=real_status, headers=headers)

    async def answer(self, request: web.BaseRequest, log: LoggedRequest) -> web.StreamResponse:
        """Serve one request."""
        received = Received(
            method=request.method,
            raw_path=request.rel_url.raw_path,
            query=list(request.rel_url.query.items()),
            headers=log.headers,
            body=await request.read(),
        )
        check_signature(received, Scope(self.region, _SERVICES[log.endpoint]), ACCESS_KEY, self.keys)
        match log.endpoint:
            case "converse":
                return await self._converse(request, log)
            case "speech":
                return await self._speech(request, log)
            case "voices":
                return self._voices(log.query)
            case "models":
                return self._list_models(log.query)
        return self._list_profiles(log.query)

    async def _converse(self, request: web.BaseRequest, log: LoggedRequest) -> web.StreamResponse:
        match = _CONVERSE.fullmatch(request.rel_url.raw_path)
        model = unquote(match[1]) if match else ""
        if not _MODEL_ID.fullmatch(model) or not (self.any_model or model in self.models):
            raise invalid("The provided model identifier is invalid.")
        chat = parse_converse(model, log.body if isinstance(log.body, dict) else {})
        reply = await self.script.reply(chat)
        interval_s = self.token_interval_s if reply.token_interval_s is None else reply.token_interval_s
        stream = await ByteStream.open(self, request, log, "application/vnd.amazon.eventstream")
        await asyncio.sleep(self.first_token_s if reply.first_token_s is None else reply.first_token_s)
        async for message in events(chat, reply, interval_s):
            if self.stream_exception and b"messageStop" in message:
                await stream.send(exception(self.stream_exception, "The stream ends here."))
                break
            await stream.send(message)
        return await stream.end()

    async def _speech(self, request: web.BaseRequest, log: LoggedRequest) -> web.StreamResponse:
        order = read_order(log.body if isinstance(log.body, dict) else {}, self.voices)
        await asyncio.sleep(self.tts_first_byte_s)
        audio = signature(order.text, order.sample_rate_hz)
        size = self.speech_piece_bytes or int(order.sample_rate_hz * _PIECE_S) * 2
        headers = {"x-amzn-RequestCharacters": str(order.characters)}
        stream = await ByteStream.open(self, request, log, "audio/pcm", headers)
        for start in range(0, len(audio), size):
            await stream.send(audio[start : start + size])
        return await stream.end()

    def _voices(self, query: Mapping[str, str]) -> web.Response:
        engine = query.get("Engine")
        chosen = [voice.document for voice in self.voices if engine is None or engine in voice.engines]
        page, token = self._page(chosen, query.get("NextToken"), "InvalidNextTokenException")
        return web.json_response({"Voices": page} | ({"NextToken": token} if token else {}))

    def _list_models(self, query: Mapping[str, str]) -> web.Response:
        if query.get("byOutputModality") not in (None, "TEXT", "IMAGE", "EMBEDDING"):
            raise invalid("1 validation error detected: Value at 'byOutputModality' failed to satisfy constraint")
        summaries = [
            {
                "modelArn": f"arn:aws:bedrock:{self.region}::foundation-model/{name}",
                "modelId": name,
                "modelName": name.partition(".")[2],
                "providerName": name.partition(".")[0],
                "inputModalities": ["TEXT"],
                "outputModalities": ["TEXT"],
                "responseStreamingSupported": True,
                "inferenceTypesSupported": ["ON_DEMAND"],
                "modelLifecycle": {"status": "ACTIVE"},
            }
            for name in self.models
        ]
        return web.json_response({"modelSummaries": summaries})

    def _list_profiles(self, query: Mapping[str, str]) -> web.Response:
        area = self.region.partition("-")[0]
        profiles = [
            {
                "inferenceProfileName": f"{area.upper()} {name}",
                "inferenceProfileArn": f"arn:aws:bedrock:{self.region}:000000000000:inference-profile/{area}.{name}",
                "inferenceProfileId": f"{area}.{name}",
                "models": [{"modelArn": f"arn:aws:bedrock:{self.region}::foundation-model/{name}"}],
                "status": "ACTIVE",
                "type": "SYSTEM_DEFINED",
            }
            for name in self.models
        ]
        page, token = self._page(profiles, query.get("nextToken"), "ValidationException")
        return web.json_response({"inferenceProfileSummaries": page} | ({"nextToken": token} if token else {}))

    def _page(self, items: list[Any], token: str | None, code: str) -> tuple[list[Any], str]:
        if token is not None and not token.isdigit():
            raise HttpError(400, "The next token is invalid.", code=code)
        start = int(token or 0)
        end = start + self.page
        return items[start:end], str(end) if end < len(items) else ""
