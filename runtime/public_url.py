"""The URLs under which phone systems reach this server."""

from __future__ import annotations

from uuid import UUID

from starlette.requests import HTTPConnection

from runtime.settings import Settings

_WEBSOCKET_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_HTTP_SCHEMES = {"ws": "http", "wss": "https"}


def media_base(connection: HTTPConnection, settings: Settings) -> str:
    """Return the ``ws(s)://HOST[/PREFIX]`` of this server, with no slash at its end.

    Args:
        connection: The request or WebSocket being served. Its scheme already honours ``X-Forwarded-Proto`` of a
            trusted proxy, its host is the ``Host`` header.
        settings: ``public_url`` wins over the request.
    """
    base = settings.public_url or str(connection.base_url).rstrip("/")
    scheme, _, rest = base.partition("://")
    return f"{_WEBSOCKET_SCHEMES[scheme]}://{rest}"


def media_url(connection: HTTPConnection, settings: Settings, resource_id: UUID, token: str, protocol: str = "") -> str:
    """Return the URL that a phone system dials for one AIcall or AI: ``ws(s)://HOST/ws/{id}/{token}``.

    Args:
        connection: The request being served.
        settings: ``public_url`` wins over the request.
        resource_id: Id of the AIcall or AI.
        token: Its media token.
        protocol: Name of the media protocol, which then ends the path; '' for none.
    """
    return f"{media_base(connection, settings)}/ws/{resource_id}/{token}" + (f"/{protocol}" if protocol else "")


def requested_url(connection: HTTPConnection, settings: Settings) -> str:
    """Return the public ``http(s)://`` URL of this very request, path and query included: what a phone system signs."""
    scheme, _, rest = dialled_url(connection, settings).partition("://")
    return f"{_HTTP_SCHEMES[scheme]}://{rest}"


def dialled_url(connection: HTTPConnection, settings: Settings) -> str:
    """Return the public URL of this very connection, path and query included: what a phone system signs.

    Twilio signs the URL as it dialled it (pbx facts, B1), so a proxy's own address must not show.
    """
    query = connection.scope.get("query_string", b"").decode("latin-1")
    path = connection.scope.get("raw_path", b"").decode("latin-1") or connection.url.path
    return f"{media_base(connection, settings)}{path}" + (f"?{query}" if query else "")
