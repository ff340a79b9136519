"""A mail server on loopback, by aiosmtpd: it keeps what it takes."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = "mailer", "p@ss/word"


@dataclass
class Mail:
    """One email as it came.

    Attributes:
        sender: Envelope sender.
        recipients: Envelope recipients.
        message: The parsed message.
        encrypted: Whether it came over TLS.
        login: Whether somebody had logged in.
    """

    sender: str | None
    recipients: list[str]
    message: EmailMessage
    encrypted: bool
    login: bool


@dataclass
class SmtpStandIn:
    """What the server does.

    Attributes:
        mails: What it took, oldest first.
        refused: Recipients that it does not take.
        data_answer: What it answers to a message in place of taking it; '' to take it.
        connections: How many there were.
        port: TCP port.
    """

    mails: list[Mail] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    data_answer: str = ""
    connections: int = 0
    port: int = 0

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.data_answer:
            return self.data_answer
        content = envelope.content
        assert isinstance(content, bytes)
        message = message_from_bytes(content, policy=default)
        assert isinstance(message, EmailMessage)
        encrypted = session.ssl is not None or server.transport.get_extra_info("ssl_object") is not None
        login = bool(session.authenticated)
        self.mails.append(Mail(envelope.mail_from, list(envelope.rcpt_tos), message, encrypted, login))
        return "250 OK"


def _authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=good, handled=good)


@asynccontextmanager
async def smtp_stand_in(tls: ssl.SSLContext | None = None, *, implicit: bool = False) -> AsyncIterator[SmtpStandIn]:
    """Run a mail server while the context lasts.

    Args:
        tls: Its certificate; None for a server without TLS.
        implicit: Whether connections are TLS from the start, rather than by STARTTLS.
    """
    stand_in = SmtpStandIn()
    made: list[SMTP] = []

    def protocol() -> SMTP:
        stand_in.connections += 1
        server = SMTP(
            stand_in,
            hostname="mail.example.com",
            tls_context=tls if not implicit else None,
            require_starttls=tls is not None and not implicit,
            authenticator=_authenticate,
            auth_require_tls=not implicit,
            loop=asyncio.get_running_loop(),
        )
        made.append(server)
        return server

    listener = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0, ssl=tls if implicit else None)
    stand_in.port = listener.sockets[0].getsockname()[1]
    try:
        yield stand_in
    finally:
        listener.close()
        for server in made:
            if server.transport is not None:
                server.transport.close()
            if server._handler_coroutine is not None:
                server._handler_coroutine.cancel()
        await asyncio.sleep(0)
