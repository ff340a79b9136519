"""What a vendor's failure means: the one place where exceptions of many SDKs become a few categories.

Pipecat names the categories (`pipecat.utils.errors.ErrorCategory`) and knows HTTP statuses; it does not know the
exceptions by which SDKs say that a connection broke, that an answer made no sense, or that the credit is spent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pipecat.utils.errors import ErrorCategory, classify_http_status_code, extract_http_status_code
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close, CloseCode

from adapters.seats import ProviderRow
from models.errors import (
    ProviderBroken,
    ProviderError,
    ProviderForbidden,
    ProviderOutOfCredit,
    ProviderRateLimited,
    ProviderRefusedKey,
    ProviderRejectedRequest,
    ProviderStalled,
    ProviderUnreachable,
)

_CONNECTIVITY = frozenset(
    {
        "APIConnectionError",
        "TransportError",
        "InvalidHandshake",
        # Of aiohttp and botocore.
        "ClientPayloadError",
        "ConnectionError",
        "HTTPClientError",
        "IncompleteReadError",
    }
)
"""Names of exception classes, in any of the vendors' SDKs and HTTP libraries, that mean a broken connection."""

_OUT_OF_CREDIT = frozenset({"insufficient_quota", "billing_error", "quota_exceeded"})

_WRONG_KEY = re.compile(r"\b(incorrect|invalid) api key\b", re.IGNORECASE)
"""What xAI says of a wrong key, with status 400 (https://docs.x.ai/docs/key-information/debugging)."""

_AWS_CODES = {
    "accessdenied": ErrorCategory.AUTHORIZATION,
    "accessdeniedexception": ErrorCategory.AUTHORIZATION,
    "expiredtoken": ErrorCategory.AUTHENTICATION,
    "expiredtokenexception": ErrorCategory.AUTHENTICATION,
    "incompletesignature": ErrorCategory.AUTHENTICATION,
    "incompletesignatureexception": ErrorCategory.AUTHENTICATION,
    "invalidclienttokenid": ErrorCategory.AUTHENTICATION,
    "invalidsignatureexception": ErrorCategory.AUTHENTICATION,
    "missingauthenticationtoken": ErrorCategory.AUTHENTICATION,
    "missingauthenticationtokenexception": ErrorCategory.AUTHENTICATION,
    "requestexpired": ErrorCategory.AUTHENTICATION,
    "signaturedoesnotmatch": ErrorCategory.AUTHENTICATION,
    "unrecognizedclientexception": ErrorCategory.AUTHENTICATION,
    "requestlimitexceeded": ErrorCategory.RATE_LIMIT,
    "servicequotaexceededexception": ErrorCategory.RATE_LIMIT,
    "throttling": ErrorCategory.RATE_LIMIT,
    "throttlingexception": ErrorCategory.RATE_LIMIT,
    "toomanyrequestsexception": ErrorCategory.RATE_LIMIT,
    "internalserverexception": ErrorCategory.SERVER,
    "modelerrorexception": ErrorCategory.SERVER,
    "modelnotreadyexception": ErrorCategory.SERVER,
    "modelstreamerrorexception": ErrorCategory.SERVER,
    "modeltimeoutexception": ErrorCategory.SERVER,
    "serviceunavailableexception": ErrorCategory.SERVER,
    "validationexception": ErrorCategory.INVALID_REQUEST,
}
"""Codes of Amazon's errors, in small letters, as in mid-stream they begin with one. The statuses that go with them say
something else or nothing (https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html)."""

_GRPC_BROKEN = ("stream removed", "rst_stream", "socket closed", "connection reset", "goaway")
"""What gRPC says of a connection that broke, in statuses that a server may give for reasons of its own, too."""

_GRPC_CODES = {
    "UNAUTHENTICATED": ErrorCategory.AUTHENTICATION,
    "PERMISSION_DENIED": ErrorCategory.AUTHORIZATION,
    "INVALID_ARGUMENT": ErrorCategory.INVALID_REQUEST,
    "FAILED_PRECONDITION": ErrorCategory.INVALID_REQUEST,
    "OUT_OF_RANGE": ErrorCategory.INVALID_REQUEST,
    "NOT_FOUND": ErrorCategory.INVALID_REQUEST,
    "UNIMPLEMENTED": ErrorCategory.INVALID_REQUEST,
    "RESOURCE_EXHAUSTED": ErrorCategory.RATE_LIMIT,
    "UNAVAILABLE": ErrorCategory.CONNECTIVITY,
    "DEADLINE_EXCEEDED": ErrorCategory.CONNECTIVITY,
    "CANCELLED": ErrorCategory.CONNECTIVITY,
}
"""Statuses of gRPC (https://grpc.io/docs/guides/status-codes). gRPC itself says ``UNAVAILABLE`` when a
connection is lost."""

_GOOGLE_KEY_REASONS = frozenset({"API_KEY_INVALID", "API_KEY_EXPIRED"})
"""Reasons with which Google refuses an API key, by status 400 (https://docs.cloud.google.com/apis/design/errors)."""

STALLED = "stalled"
"""The category, beside Pipecat's own, of a vendor whose connection stands and from which nothing comes."""

_ERRORS: dict[str, tuple[type[ProviderError], str]] = {
    ErrorCategory.AUTHENTICATION.value: (ProviderRefusedKey, "the provider refused the key"),
    ErrorCategory.AUTHORIZATION.value: (ProviderForbidden, "the key does not open what is asked of the provider"),
    ErrorCategory.INVALID_REQUEST.value: (ProviderRejectedRequest, "the provider refused the request"),
    ErrorCategory.RATE_LIMIT.value: (ProviderRateLimited, "the provider has too many requests from this account"),
    ErrorCategory.QUOTA.value: (ProviderOutOfCredit, "the account with the provider has no credit left"),
    ErrorCategory.CONNECTIVITY.value: (ProviderUnreachable, "the provider could not be reached"),
    ErrorCategory.SERVER.value: (ProviderBroken, "the provider failed"),
    STALLED: (ProviderStalled, "the provider fell silent"),
}

PASSING = frozenset({ErrorCategory.RATE_LIMIT, ErrorCategory.CONNECTIVITY, ErrorCategory.SERVER})
"""Why a vendor failed when the same may succeed later."""


def classify(exception: BaseException) -> ErrorCategory | None:
    """Say why a vendor's client failed.

    Args:
        exception: What an SDK, an HTTP library or a WebSocket raised.

    Returns:
        The category, or None when the exception says nothing about the vendor.
    """
    if isinstance(exception, ConnectionClosed):
        return ErrorCategory.CONNECTIVITY if exception.rcvd is None else _classify_close(exception.rcvd)
    if {getattr(exception, "code", None), getattr(exception, "type", None)} & _OUT_OF_CREDIT:
        return ErrorCategory.QUOTA
    response = getattr(exception, "response", None)
    if isinstance(response, dict) and "Error" in response:
        return _classify_aws(response)
    grpc_code = _grpc_code(exception)
    if grpc_code:
        return _classify_grpc(grpc_code, str(exception).lower())
    if _google_reasons(getattr(exception, "details", None)) & _GOOGLE_KEY_REASONS:
        return ErrorCategory.AUTHENTICATION
    status = extract_http_status_code(exception)
    if status == 400 and _WRONG_KEY.search(f"{exception} {getattr(exception, 'body', '')}"):
        return ErrorCategory.AUTHENTICATION
    if status is not None:
        # An error inside a stream that began well carries the status with which it began.
        return classify_http_status_code(status) if status >= 400 else ErrorCategory.SERVER
    names = {kind.__name__ for kind in type(exception).__mro__}
    if names & _CONNECTIVITY or isinstance(exception, OSError):
        return ErrorCategory.CONNECTIVITY
    if "MalformedError" in names:
        # Of google-auth: no service account's key.
        return ErrorCategory.AUTHENTICATION
    if "ParamValidationError" in names:
        # The SDK refuses what the vendor would.
        return ErrorCategory.INVALID_REQUEST
    if names & {"APIError", "ParserError", "DecodeError"} or isinstance(exception, ValueError):
        return ErrorCategory.SERVER
    return None


def _classify_aws(response: Mapping[str, Any]) -> ErrorCategory:
    """Say what the document of an error of Amazon's means: `botocore.exceptions.ClientError.response`."""
    code = str(response["Error"].get("Code", "")).lower()
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return _AWS_CODES.get(code) or classify_http_status_code(status)


def _classify_grpc(code: str, text: str) -> ErrorCategory:
    if code in ("UNKNOWN", "INTERNAL") and any(sign in text for sign in _GRPC_BROKEN):
        return ErrorCategory.CONNECTIVITY
    return _GRPC_CODES.get(code, ErrorCategory.SERVER)


def _grpc_code(exception: BaseException) -> str:
    """The name of the status in an exception of gRPC's own or of Google's clients; '' for none."""
    code = getattr(exception, "grpc_status_code", None)
    if code is None and any(kind.__name__ == "RpcError" for kind in type(exception).__mro__):
        ask = getattr(exception, "code", None)
        code = ask() if callable(ask) else None
    return str(getattr(code, "name", ""))


def _google_reasons(document: Any) -> set[str]:
    """The reasons in a ``google.rpc.Status`` as JSON, as Google's HTTP APIs answer it."""
    error = document.get("error", document) if isinstance(document, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    if not isinstance(details, list):
        return set()
    return {str(detail.get("reason", "")) for detail in details if isinstance(detail, dict)}


def _classify_close(close: Close) -> ErrorCategory:
    """Say why a vendor closed a WebSocket: some refuse a key only after the upgrade, with 1008 and words."""
    reason = close.reason.lower()
    if close.code == CloseCode.POLICY_VIOLATION:
        if any(word in reason for word in ("api key", "api_key", "unauthorized", "credentials")):
            return ErrorCategory.AUTHENTICATION
        if "quota" in reason or "credit" in reason:
            return ErrorCategory.QUOTA
        if any(word in reason for word in ("does not exist", "not found", "invalid", "unsupported")):
            return ErrorCategory.INVALID_REQUEST
    return ErrorCategory.CONNECTIVITY


def provider_error(row: ProviderRow, category: ErrorCategory | None) -> ProviderError:
    """Make the error that says what went wrong with a vendor.

    Args:
        row: The vendor.
        category: Why, as an ``ErrorFrame`` or `classify` says.

    Returns:
        An error with a static message; ``retryable`` when the same may succeed later.
    """
    return failure(row.name, row.seat, category)


def failure(provider: str, seat: str, category: ErrorCategory | str | None) -> ProviderError:
    """Make the error of a failure in a call.

    Args:
        provider: The vendor's name in the seat's table.
        seat: ``stt``, ``llm`` or ``tts``.
        category: Why: one of Pipecat's categories or its value, or ``stalled``.
    """
    name = category.value if isinstance(category, ErrorCategory) else category or ""
    kind, message = _ERRORS.get(name, (ProviderError, "the provider failed"))
    return kind(message, provider=provider, seat=seat)
