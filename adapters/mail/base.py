"""What the runtime asks of a mail system: the contract of the mail seat."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from models.errors import InvalidField

MOST_RECIPIENTS = 20
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+{_LABEL}")
"""A mailbox of RFC 5321 4.1.2 without quoted local parts and address literals, which nobody dictates on the phone."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom an email is for.

    Attributes:
        address: The mailbox, for example ``ann@example.com``.
        name: Name to show; may be empty.
    """

    address: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Email:
    """One email.

    Attributes:
        to: Whom it is for.
        subject: Subject line; whatever breaks a line counts as a space.
        content: Body, plain text.
        message_id: The same for every try of the same email; different for all others.
    """

    to: Sequence[Recipient]
    subject: str
    content: str
    message_id: str


class Mailer(ABC):
    """Sends email. One for all calls of a process."""

    @abstractmethod
    async def send(self, email: Email) -> None:
        """Send one.

        Raises:
            InvalidField: A recipient is none; nothing was sent.
            ToolFailed: The mail system refused it, or cannot be reached.
        """


def check_address(field: str, address: str) -> str:
    """Accept a mailbox.

    Raises:
        InvalidField: It is none, or too long (RFC 5321 4.5.3.1); names the field.
    """
    local, _, domain = address.rpartition("@")
    if not _ADDRESS.fullmatch(address) or len(local) > 64 or len(domain) > 255:
        raise InvalidField(field, "is not an email address")
    return address
