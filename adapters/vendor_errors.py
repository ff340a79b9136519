"""What a vendor's failure means: the one place where exceptions of many SDKs become a few categories.

Pipecat names the categories (`pipecat.utils.errors.ErrorCategory`) and knows HTTP statuses; it does not know the
exceptions by which SDKs say that a connection broke, that an answer made no sense, or that the credit is spent.
"""

from __future__ import annotations

from pipecat.utils.errors import ErrorCategory, classify_http_status_code, extract_http_status_code
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close, CloseCode

from adapters.seats import ProviderRow
from models.errors import ProviderError

_CONNECTIVITY = frozenset({"APIConnectionError", "TransportError", "InvalidHandshake"})
"""Names of exception classes, in any of the vendors' SDKs and HTTP libraries, that mean a broken connection."""

_OUT_OF_CREDIT = frozenset({"insufficient_quota", "billing_error", "quota_exceeded"})

_MESSAGES = {
    ErrorCategory.AUTHENTICATION: "the provider refused the key",
    ErrorCategory.AUTHORIZATION: "the key does not open what is asked of the provider",
    ErrorCategory.INVALID_REQUEST: "the provider refused the request",
    ErrorCategory.RATE_LIMIT: "the provider has too many requests from this account",
    ErrorCategory.QUOTA: "the account with the provider has no credit left",
    ErrorCategory.CONNECTIVITY: "the provider could not be reached",
    ErrorCategory.SERVER: "the provider failed",
}

_PASSING = frozenset({ErrorCategory.RATE_LIMIT, ErrorCategory.CONNECTIVITY, ErrorCategory.SERVER})


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
    status = extract_http_status_code(exception)
    if status is not None:
        # An error inside a stream that began well carries the status with which it began.
        return classify_http_status_code(status) if status >= 400 else ErrorCategory.SERVER
    names = {kind.__name__ for kind in type(exception).__mro__}
    if names & _CONNECTIVITY or isinstance(exception, OSError):
        return ErrorCategory.CONNECTIVITY
    if "APIError" in names or isinstance(exception, ValueError):
        return ErrorCategory.SERVER
    return None


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
    message = _MESSAGES.get(category or ErrorCategory.UNKNOWN, "the provider failed")
    return ProviderError(message, provider=row.name, seat=row.seat, retryable=category in _PASSING)
