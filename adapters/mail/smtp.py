"""Email by SMTP (RFC 5321), over TLS."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib
from pydantic import SecretStr

from adapters.mail.base import MOST_RECIPIENTS, Email, Mailer, check_address
from models.errors import InvalidField, ToolFailed

_FORM = "must be smtp://HOST:PORT or smtps://HOST:PORT, with USER:PASSWORD@ before the host where one is needed"


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where email goes.

    Attributes:
        host: Its name.
        port: Its port.
        tls: Whether the connection is TLS from the start (RFC 8314); otherwise STARTTLS (RFC 3207) is demanded.
        plain: Whether neither is used, for a relay on the same machine.
        user: User name; '' for none.
        password: Password.
    """

    host: str
    port: int
    tls: bool
    plain: bool = False
    user: str = ""
    password: SecretStr = field(default=SecretStr(""))


def parse_smtp_url(name: str, url: str) -> SmtpServer:
    """Read ``smtp[s]://[USER:PASSWORD@]HOST[:PORT][?starttls=off]``.

    ``smtps`` is TLS from the start, port 465; ``smtp`` demands STARTTLS, port 587, unless it is switched off.

    Args:
        name: The setting, for errors.
        url: Its value.

    Raises:
        InvalidField: It is no such URL, or would send a password in the clear.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InvalidField(name, _FORM) from None
    query = parse_qs(parts.query)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or parts.path not in ("", "/"):
        raise InvalidField(name, _FORM)
    if query not in ({}, {"starttls": ["off"]}):
        raise InvalidField(name, "may have ?starttls=off and no other option")
    tls, plain = parts.scheme == "smtps", bool(query)
    if plain and (parts.username or tls):
        raise InvalidField(name, "must not have ?starttls=off with a password or with smtps")
    return SmtpServer(
        host=parts.hostname,
        port=port or (465 if tls else 587),
        tls=tls,
        plain=plain,
        user=unquote(parts.username or ""),
        password=SecretStr(unquote(parts.password or "")),
    )


class SmtpMailer(Mailer):
    """Sends each email over a connection of its own.

    Args:
        server: Where to.
        sender: The address that it comes from.
        ssl_context: For TLS.
        clock: Returns the present moment, in UTC.
        timeout_s: Longest that each step may take, seconds.

    Raises:
        InvalidField: The sender is no email address; names ``smtp_from``.
    """

    def __init__(
        self,
        server: SmtpServer,
        sender: str,
        *,
        ssl_context: ssl.SSLContext,
        clock: Callable[[], datetime],
        timeout_s: float = 5.0,
    ) -> None:
        self._server = server
        self._sender = check_address("smtp_from", sender)
        self._ssl_context = ssl_context
        self._clock = clock
        self._timeout_s = timeout_s

    async def send(self, email: Email) -> None:
        """Send one; see `Mailer.send`. A server that cannot be connected to is tried once more."""
        message = self._message(email)
        try:
            try:
                await self._deliver(message)
            except aiosmtplib.SMTPConnectError:
                # Nothing was handed over yet; of any later failure it cannot be known.
                await self._deliver(message)
        except aiosmtplib.SMTPRecipientsRefused:
            raise ToolFailed("the mail server takes no email for this address") from None
        except aiosmtplib.SMTPAuthenticationError:
            raise ToolFailed("the mail server refused the login") from None
        except aiosmtplib.SMTPResponseException as error:
            raise ToolFailed("the mail server refused the email", retryable=400 <= error.code < 500) from None
        except (aiosmtplib.SMTPException, OSError, TimeoutError):
            raise ToolFailed("the mail server cannot be reached", retryable=True) from None

    def _message(self, email: Email) -> EmailMessage:
        if not 1 <= len(email.to) <= MOST_RECIPIENTS:
            raise InvalidField("destinations", f"must be 1 to {MOST_RECIPIENTS} recipients")
        to = [
            Address(_one_line(it.name), addr_spec=check_address(f"destinations.{number}.target", it.address))
            for number, it in enumerate(email.to)
        ]
        message = EmailMessage(policy=SMTP)
        message["From"] = self._sender
        message["To"] = to
        message["Subject"] = _one_line(email.subject)
        message["Date"] = format_datetime(self._clock())
        message["Message-ID"] = f"<{email.message_id}@{self._sender.rpartition('@')[2]}>"
        # An answer that nobody reads need not be sent (RFC 3834).
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(email.content)
        return message

    async def _deliver(self, message: EmailMessage) -> None:
        server = self._server
        refused, _ = await aiosmtplib.send(
            message,
            hostname=server.host,
            port=server.port,
            username=server.user or None,
            password=server.password.get_secret_value() or None,
            use_tls=server.tls,
            start_tls=not (server.tls or server.plain),
            tls_context=None if server.plain else self._ssl_context,
            timeout=self._timeout_s,
        )
        if refused:
            raise ToolFailed("the mail server sent it, but not to all addresses", detail=", ".join(sorted(refused)))


def _one_line(text: str) -> str:
    """Return text without anything that could end a header: control characters and line breaks become spaces."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
