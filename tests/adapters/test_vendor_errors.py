import json
import ssl
from typing import Any

import aiohttp
import anthropic
import botocore.eventstream
import botocore.exceptions
import google.genai.errors
import grpc
import httpx
import httpx2
import openai
import pytest
from google.api_core.exceptions import from_grpc_error
from google.auth.exceptions import MalformedError
from google.protobuf.message import DecodeError
from pipecat.utils.errors import ErrorCategory
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosedError, InvalidHandshake, InvalidStatus
from websockets.frames import Close
from websockets.http11 import Response

from adapters.tts.table import TTS_TABLE
from adapters.vendor_errors import STALLED, classify, failure, provider_error

REQUEST = httpx2.Request("POST", "http://host")


def status_error(kind: Any, status: int, body: object = None) -> Exception:
    response = httpx2.Response(status, request=REQUEST)
    error = kind("words", response=response, body=body)
    assert isinstance(error, Exception)
    return error


def closed(code: int, reason: str) -> ConnectionClosedError:
    return ConnectionClosedError(Close(code, reason), None)


def amazon(code: str, status: int | None = 400) -> Exception:
    metadata = {} if status is None else {"ResponseMetadata": {"HTTPStatusCode": status}}
    error = botocore.exceptions.ClientError({"Error": {"Code": code, "Message": "words"}, **metadata}, "Operation")
    assert isinstance(error, Exception)
    return error


AMAZON = [
    (amazon("UnrecognizedClientException", 403), ErrorCategory.AUTHENTICATION),
    (amazon("InvalidSignatureException", 403), ErrorCategory.AUTHENTICATION),
    (amazon("ExpiredTokenException", 403), ErrorCategory.AUTHENTICATION),
    (amazon("AccessDeniedException", 403), ErrorCategory.AUTHORIZATION),
    (amazon("ThrottlingException", 429), ErrorCategory.RATE_LIMIT),
    (amazon("ThrottlingException", 400), ErrorCategory.RATE_LIMIT),
    (amazon("ServiceQuotaExceededException", 402), ErrorCategory.RATE_LIMIT),
    (amazon("ValidationException", 400), ErrorCategory.INVALID_REQUEST),
    (amazon("ResourceNotFoundException", 404), ErrorCategory.INVALID_REQUEST),
    (amazon("EngineNotSupportedException", 400), ErrorCategory.INVALID_REQUEST),
    (amazon("ModelNotReadyException", 429), ErrorCategory.SERVER),
    (amazon("ModelTimeoutException", 408), ErrorCategory.SERVER),
    (amazon("ServiceUnavailableException", 503), ErrorCategory.SERVER),
    (amazon("ServiceFailureException", 500), ErrorCategory.SERVER),
    (amazon("503", 503), ErrorCategory.SERVER),
    (amazon("throttlingException", None), ErrorCategory.RATE_LIMIT),
    (amazon("modelStreamErrorException", None), ErrorCategory.SERVER),
    (amazon("validationException", None), ErrorCategory.INVALID_REQUEST),
    (amazon("somethingNew", None), ErrorCategory.UNKNOWN),
    (botocore.exceptions.EndpointConnectionError(endpoint_url="url"), ErrorCategory.CONNECTIVITY),
    (botocore.exceptions.ConnectTimeoutError(endpoint_url="url"), ErrorCategory.CONNECTIVITY),
    (botocore.exceptions.ReadTimeoutError(endpoint_url="url"), ErrorCategory.CONNECTIVITY),
    (botocore.exceptions.ConnectionClosedError(endpoint_url="url"), ErrorCategory.CONNECTIVITY),
    (botocore.exceptions.SSLError(endpoint_url="url", error="words"), ErrorCategory.CONNECTIVITY),
    (botocore.exceptions.ResponseStreamingError(error="words"), ErrorCategory.CONNECTIVITY),
    (botocore.exceptions.IncompleteReadError(actual_bytes=1, expected_bytes=2), ErrorCategory.CONNECTIVITY),
    (aiohttp.ClientPayloadError(), ErrorCategory.CONNECTIVITY),
    (botocore.exceptions.ParamValidationError(report="words"), ErrorCategory.INVALID_REQUEST),
    (botocore.eventstream.ChecksumMismatch(1, 2), ErrorCategory.SERVER),
]


def called(code: grpc.StatusCode) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), "words")


def gemini(status: int, reason: str = "", answered: int | None = None) -> Exception:
    document: dict[str, Any] = {"code": status, "message": "words", "status": "NAME"}
    if reason:
        document["details"] = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}]
    response = httpx.Response(status if answered is None else answered)
    return google.genai.errors.APIError(status, {"error": document}, response)


GOOGLE = [
    (called(grpc.StatusCode.UNAUTHENTICATED), ErrorCategory.AUTHENTICATION),
    (called(grpc.StatusCode.PERMISSION_DENIED), ErrorCategory.AUTHORIZATION),
    (called(grpc.StatusCode.INVALID_ARGUMENT), ErrorCategory.INVALID_REQUEST),
    (called(grpc.StatusCode.NOT_FOUND), ErrorCategory.INVALID_REQUEST),
    (called(grpc.StatusCode.RESOURCE_EXHAUSTED), ErrorCategory.RATE_LIMIT),
    (called(grpc.StatusCode.UNAVAILABLE), ErrorCategory.CONNECTIVITY),
    (called(grpc.StatusCode.DEADLINE_EXCEEDED), ErrorCategory.CONNECTIVITY),
    (called(grpc.StatusCode.INTERNAL), ErrorCategory.SERVER),
    (called(grpc.StatusCode.UNKNOWN), ErrorCategory.SERVER),
    (from_grpc_error(called(grpc.StatusCode.UNAVAILABLE)), ErrorCategory.CONNECTIVITY),
    (from_grpc_error(called(grpc.StatusCode.UNAUTHENTICATED)), ErrorCategory.AUTHENTICATION),
    (DecodeError("words"), ErrorCategory.SERVER),
    (MalformedError("words"), ErrorCategory.AUTHENTICATION),
    (gemini(400), ErrorCategory.INVALID_REQUEST),
    (gemini(400, "API_KEY_INVALID"), ErrorCategory.AUTHENTICATION),
    (gemini(400, "API_KEY_EXPIRED"), ErrorCategory.AUTHENTICATION),
    (gemini(403, "SERVICE_DISABLED"), ErrorCategory.AUTHORIZATION),
    (gemini(429), ErrorCategory.RATE_LIMIT),
    (gemini(503), ErrorCategory.SERVER),
    (gemini(503, answered=200), ErrorCategory.SERVER),
    (google.genai.errors.UnknownApiResponseError("words"), ErrorCategory.SERVER),
]


CASES = [
    (status_error(openai.AuthenticationError, 401), ErrorCategory.AUTHENTICATION),
    (status_error(openai.BadRequestError, 400), ErrorCategory.INVALID_REQUEST),
    (status_error(openai.BadRequestError, 400, "Incorrect API key provided: sk"), ErrorCategory.AUTHENTICATION),
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
    *AMAZON,
    *GOOGLE,
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


@pytest.mark.parametrize(
    ("category", "code"),
    [
        ("authentication", "key_refused"),
        ("authorization", "forbidden"),
        ("quota", "out_of_credit"),
        ("rate_limit", "rate_limited"),
        ("invalid_request", "request_rejected"),
        ("connectivity", "unreachable"),
        (STALLED, "stalled"),
        ("server", "broken"),
        ("unknown", "provider_error"),
        ("", "provider_error"),
        (None, "provider_error"),
    ],
)
def test_a_failure_in_a_call_is_one_of_a_few(category: str | None, code: str) -> None:
    error = failure("openai", "llm", category)
    assert (error.code, error.provider, error.seat) == (code, "openai", "llm")
    assert failure("openai", "llm", ErrorCategory.SERVER).code == "broken"


@pytest.mark.parametrize(
    ("code", "details", "category"),
    [
        ("UNKNOWN", "Stream removed", ErrorCategory.CONNECTIVITY),
        ("INTERNAL", "Received RST_STREAM with error code 2", ErrorCategory.CONNECTIVITY),
        ("INTERNAL", "it broke", ErrorCategory.SERVER),
        ("UNKNOWN", "it broke", ErrorCategory.SERVER),
    ],
)
def test_a_grpc_connection_that_breaks_is_no_fault_of_the_server(
    code: str, details: str, category: ErrorCategory
) -> None:
    error = grpc.aio.AioRpcError(grpc.StatusCode[code], grpc.aio.Metadata(), grpc.aio.Metadata(), details=details)
    assert classify(error) is category
