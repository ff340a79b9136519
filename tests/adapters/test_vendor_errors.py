import json
import ssl
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from pipecat.utils.errors import ErrorCategory
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosedError, InvalidHandshake, InvalidStatus
from websockets.frames import Close
from websockets.http11 import Response

from adapters.tts.table import TTS_TABLE
from adapters.vendor_errors import classify, provider_error

REQUEST = httpx2.Request("POST", "http://host")


def status_error(kind: Any, status: int, body: object = None) -> Exception:
    response = httpx2.Response(status, request=REQUEST)
    error = kind("words", response=response, body=body)
    assert isinstance(error, Exception)
    return error


def closed(code: int, reason: str) -> ConnectionClosedError:
    return ConnectionClosedError(Close(code, reason), None)


CASES = [
    (status_error(openai.AuthenticationError, 401), ErrorCategory.AUTHENTICATION),
    (status_error(openai.PermissionDeniedError, 403), ErrorCategory.AUTHORIZATION),
    (status_error(openai.NotFoundError, 404), ErrorCategory.INVALID_REQUEST),
    (status_error(openai.RateLimitError, 429), ErrorCategory.RATE_LIMIT),
    (status_error(openai.RateLimitError, 429, {"code": "insufficient_quota"}), ErrorCategory.QUOTA),
    (status_error(anthropic.InternalServerError, 529), ErrorCategory.SERVER),
    (status_error(anthropic.APIStatusError, 200, {"type": "error"}), ErrorCategory.SERVER),
    (openai.APIConnectionError(request=REQUEST), ErrorCategory.CONNECTIVITY),
    (openai.APITimeoutError(request=REQUEST), ErrorCategory.CONNECTIVITY),
    (openai.APIError("words", REQUEST, body=None), ErrorCategory.SERVER),
    (httpx2.ReadError("words"), ErrorCategory.CONNECTIVITY),
    (httpx2.ReadTimeout("words"), ErrorCategory.CONNECTIVITY),
    (TimeoutError(), ErrorCategory.CONNECTIVITY),
    (ConnectionResetError(), ErrorCategory.CONNECTIVITY),
    (ssl.SSLError(), ErrorCategory.CONNECTIVITY),
    (InvalidStatus(Response(401, "", Headers())), ErrorCategory.AUTHENTICATION),
    (InvalidStatus(Response(503, "", Headers())), ErrorCategory.SERVER),
    (InvalidHandshake("words"), ErrorCategory.CONNECTIVITY),
    (ConnectionClosedError(None, None), ErrorCategory.CONNECTIVITY),
    (closed(1011, "NET-0001"), ErrorCategory.CONNECTIVITY),
    (closed(1008, "Invalid API key"), ErrorCategory.AUTHENTICATION),
    (closed(1008, "A voice with voice_id x does not exist."), ErrorCategory.INVALID_REQUEST),
    (closed(1008, "This request exceeds your quota."), ErrorCategory.QUOTA),
    (closed(1008, "Have not received a new text input within the timeout of 20 seconds."), ErrorCategory.CONNECTIVITY),
    (json.JSONDecodeError("words", "", 0), ErrorCategory.SERVER),
    (KeyError("ours"), None),
]


@pytest.mark.parametrize(("exception", "category"), CASES, ids=lambda value: type(value).__name__)
def test_an_exception_has_a_category(exception: Exception, category: ErrorCategory | None) -> None:
    assert classify(exception) is category


@pytest.mark.parametrize("category", [*ErrorCategory, None])
def test_a_category_becomes_an_error_that_says_what_to_do(category: ErrorCategory | None) -> None:
    error = provider_error(TTS_TABLE["elevenlabs"], category)
    assert error.message.startswith("the ")
    assert (error.provider, error.seat) == ("elevenlabs", "tts")
    passing = (ErrorCategory.RATE_LIMIT, ErrorCategory.CONNECTIVITY, ErrorCategory.SERVER)
    assert error.retryable is (category in passing)
