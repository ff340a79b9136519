"""WebSocket close codes that tell a phone system why its call ended (RFC 6455, section 7.4)."""

from __future__ import annotations

from models.aicall import EndReason

NORMAL = 1000
GOING_AWAY = 1001
POLICY = 1008
INTERNAL = 1011
SERVICE_RESTART = 1012
"""Connect again: another process goes on with the call."""

_CODES = {
    EndReason.DRAIN: GOING_AWAY,
    EndReason.MEDIA_ERROR: POLICY,
    EndReason.PROVIDER_ERROR: INTERNAL,
    EndReason.INTERNAL_ERROR: INTERNAL,
    EndReason.WORKER_LOST: SERVICE_RESTART,
}


def close_code(reason: EndReason) -> tuple[int, str]:
    """Return the close code and reason for an end; normal unless something went wrong."""
    return _CODES.get(reason, NORMAL), reason.value
