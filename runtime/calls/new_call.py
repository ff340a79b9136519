"""A new AIcall that waits for its phone system."""

from __future__ import annotations

from datetime import timedelta

from adapters.store.base import GrantKind
from models.aicall import Aicall
from runtime.media_access import media_grant
from runtime.services import Services
from runtime.tokens import new_token


async def create_call(services: Services, aicall: Aicall) -> str:
    """Store an AIcall with a media token of its own.

    Args:
        services: The process.
        aicall: The AIcall, as it was made just now.

    Returns:
        The token, which nobody can read again.

    Raises:
        LimitReached: Its customer has as many calls as it may have.
        Unavailable: The store does not answer.
    """
    token = new_token()
    expiry = aicall.tm_create + timedelta(seconds=services.settings.media_token_ttl_s)
    grant = media_grant(services.settings, GrantKind.AICALL, aicall.id, token, expiry)
    await services.store.create_aicall(aicall, grant=grant)
    services.metrics.status_moved(aicall.status)
    return token
