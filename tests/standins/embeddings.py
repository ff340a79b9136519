"""An endpoint for embeddings: OpenAI's ``POST /v1/embeddings``.

Written after https://platform.openai.com/docs/api-reference/embeddings/create; checked against the ``openai`` package.
Its vectors have one axis for each of the meanings that it is given, so that texts of one meaning lie close together,
whatever their words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from aiohttp import web

from tests.standins.base import HttpError, LoggedRequest, StandIn

MEANINGS = (("refund", "money back", "reimburse"), ("open", "hours", "closing time"), ("park", "garage", "car"))
"""Words of one meaning stand together."""


class EmbeddingsStandIn(StandIn):
    """Embeddings on loopback. `base_url` ends in ``/v1``.

    Args:
        meanings: For each axis the words that point along it.
        **common: Arguments of `StandIn`.
    """

    ENDPOINTS: ClassVar[tuple[str, ...]] = ("embeddings",)

    def __init__(self, *, meanings: Sequence[Sequence[str]] = MEANINGS, **common: Any) -> None:
        super().__init__(**common)
        self.meanings = meanings

    @property
    def base_url(self) -> str:
        """``http://127.0.0.1:PORT/v1``."""
        return f"{self.http_url}/v1"

    def route(self, request: web.BaseRequest) -> str:
        """Name the endpoint of a request."""
        if request.method == "POST" and request.path == "/v1/embeddings":
            return "embeddings"
        raise HttpError(404)

    def key_of(self, request: web.BaseRequest) -> str | None:
        """The bearer token."""
        return request.headers.get("Authorization", "").removeprefix("Bearer ") or None

    def error(self, status: int, message: str | None, detail: Mapping[str, Any]) -> web.Response:
        """``{"error": {"message", "type", "param", "code"}}``."""
        del detail
        body = {"message": message or "refused", "type": "invalid_request_error", "param": None, "code": None}
        return web.json_response({"error": body}, status=status)

    async def answer(self, request: web.BaseRequest, log: LoggedRequest) -> web.StreamResponse:
        """Serve one request."""
        texts = log.body.get("input")
        if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text for text in texts):
            raise HttpError(400, "'$.input' is invalid.")
        if not log.body.get("model"):
            raise HttpError(400, "you must provide a model parameter")
        if log.body.get("encoding_format", "float") != "float":
            raise HttpError(400, "this stand-in writes floats only")
        data = [
            {"object": "embedding", "index": index, "embedding": self.vector(text)} for index, text in enumerate(texts)
        ]
        usage = {"prompt_tokens": len(texts), "total_tokens": len(texts)}
        return web.json_response({"object": "list", "data": data, "model": log.body["model"], "usage": usage})

    def vector(self, text: str) -> list[float]:
        """The vector of a text: how often it names each meaning, and a little of everything."""
        folded = text.lower()
        return [0.1, *(float(sum(folded.count(word) for word in words)) for words in self.meanings)]
