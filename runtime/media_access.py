"""What a media token opens, as it is kept, and what the operator of a phone system is told of it this once."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from starlette.requests import HTTPConnection

from adapters.store.base import GrantKind, MediaGrant
from runtime.public_url import media_url
from runtime.settings import Settings
from runtime.tokens import audiosocket_uuid, hash_audiosocket_uuid, hash_token


def media_grant(settings: Settings, kind: GrantKind, resource_id: UUID, token: str, expiry: datetime) -> MediaGrant:
    """Return what is kept of a media token.

    Args:
        settings: The settings.
        kind: What it opens.
        resource_id: Id of the AIcall, AI or team.
        token: The token.
        expiry: From when on it opens nothing.
    """
    uuid_sha256 = hash_audiosocket_uuid(audiosocket_uuid(token)) if settings.audiosocket_port >= 0 else None
    return MediaGrant(kind, resource_id, hash_token(token), expiry, uuid_sha256)


def audiosocket_access(settings: Settings, token: str) -> dict[str, str]:
    """Return the field that tells what opens the same by AudioSocket; none where that is not served."""
    return {"audiosocket_uuid": str(audiosocket_uuid(token))} if settings.audiosocket_port >= 0 else {}


def media_access(connection: HTTPConnection, settings: Settings, resource_id: UUID, token: str) -> dict[str, str]:
    """Return the fields that tell where a phone system connects.

    Args:
        connection: The request being served.
        settings: The settings.
        resource_id: Id of the AIcall, AI or team.
        token: Its media token.
    """
    url = media_url(connection, settings, resource_id, token)
    return {"media_url": url, **audiosocket_access(settings, token)}
