"""Opens what the tools of all calls reach outside of the process, from the settings."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime

from cryptography.fernet import Fernet

from adapters.callcontrol.documents import DocumentLinks
from adapters.callcontrol.router import ControlRouter
from adapters.callcontrol.webhook import WebhookControl
from adapters.clients import SharedClients
from adapters.guard import AddressGuard, allows_private, guarded_client
from adapters.mail.smtp import SmtpMailer, parse_smtp_url
from models.errors import InvalidField
from pipelines.tools.host import ToolDesk
from runtime.call_control import make_systems
from runtime.settings import Settings

_MCP_TIMEOUT_S = 30.0


@asynccontextmanager
async def open_tool_desk(
    settings: Settings,
    clients: SharedClients,
    environ: Mapping[str, str],
    clock: Callable[[], datetime],
    *,
    secret_key: str = "",
) -> AsyncIterator[ToolDesk]:
    """Open it, and close every connection afterwards. Connects to nobody.

    Args:
        settings: The settings.
        clients: For the TLS context.
        environ: Environment variables: whether private networks may be reached.
        clock: Returns the present moment, in UTC.
        secret_key: The process's Fernet keys, which seal what phone systems are told; '' for one of its own.

    Raises:
        InvalidField: A setting is wrong; names it.
    """
    tls = clients.ssl_context
    guard = AddressGuard(allow_private=allows_private(environ))
    # What the operator configures may stand in the operator's own network.
    trusted = AddressGuard(allow_private=True)
    async with AsyncExitStack() as opened:
        http = guarded_client(guard, tls)
        opened.push_async_callback(http.aclose)
        links = DocumentLinks(secret_key or Fernet.generate_key().decode(), settings.public_url, clock=time.time)
        systems = make_systems(settings, environ, trusted, links, lambda: guarded_client(trusted, tls))
        if settings.tool_webhook_url:
            url = trusted.check_url("tool_webhook_url", settings.tool_webhook_url)
            client = guarded_client(trusted, tls)
            systems.append(WebhookControl(url, settings.tool_webhook_secret, client, clock=time.time))
        for system in systems:
            opened.push_async_callback(system.aclose)
        yield ToolDesk(
            control=ControlRouter(systems) if systems else None,
            documents=links,
            mailer=_mailer(settings, clients, clock),
            http=http,
            mcp_client=lambda: guarded_client(guard, tls, timeout_s=_MCP_TIMEOUT_S),
        )


def _mailer(settings: Settings, clients: SharedClients, clock: Callable[[], datetime]) -> SmtpMailer | None:
    url = settings.smtp_url.get_secret_value()
    if not url:
        return None
    if not settings.smtp_from:
        raise InvalidField("smtp_from", "is required: smtp_url is set")
    server = parse_smtp_url("smtp_url", url)
    return SmtpMailer(server, settings.smtp_from, ssl_context=clients.ssl_context, clock=clock)
