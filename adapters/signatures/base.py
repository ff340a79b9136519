"""The contract of an authentication: how a phone system's request shows that it comes from that phone system.

A scheme is sans-I/O: it is given a request and the moment, and raises or does not. One scheme serves the upgrade
request of a media stream and the request for an answering document alike.
"""

from __future__ import annotations

import hmac
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final
from urllib.parse import parse_qsl

_FORM: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request, as far as anybody signs it.

    Attributes:
        url: The public URL as it was dialled, path and query included: ``wss://…`` for a media stream.
        headers: Header names in lower case.
        method: ``GET`` or ``POST``, in capitals.
        body: The body as it came; empty for a media stream.
    """

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    method: str = "GET"
    body: bytes = field(default=b"", repr=False)

    @property
    def form(self) -> dict[str, list[str]]:
        """The fields of a form, each with all its values; empty where the body is none."""
        if self.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
            return {}
        fields: dict[str, list[str]] = {}
        for name, value in parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True):
            fields.setdefault(name, []).append(value)
        return fields


class RequestAuth(ABC):
    """One scheme with one phone system's secret.

    Contract (checked for every scheme by ``tests/adapters/signatures/test_contract.py``): whatever a request holds,
    `check` returns or raises `models.errors.Unauthorized` and nothing else, its messages are static, and comparing
    takes the same time wherever a wrong credential differs from the right one.

    Args:
        protocols: Names of the media protocols whose connections must pass it.
    """

    name: ClassVar[str]
    """Name of the scheme, for people."""
    exclusive: ClassVar[bool] = True
    """Whether its headers are its own, so that a wrong one shows a forger; others share ``Authorization``."""

    def __init__(self, protocols: Collection[str] = ()) -> None:
        self.protocols = frozenset(protocols)

    @abstractmethod
    def presented(self, request: SignedRequest) -> bool:
        """Say whether a request carries a credential of this kind, right or wrong."""

    @abstractmethod
    def check(self, request: SignedRequest, now_s: float) -> None:
        """Do nothing when the request is genuine.

        Args:
            request: The request.
            now_s: The moment, seconds since 1970.

        Raises:
            Unauthorized: The credential is missing, wrong, too old or was seen before.
        """


def credential(request: SignedRequest, scheme: str) -> str:
    """Return what follows a scheme's name in the header ``Authorization`` (RFC 9110, section 11.6.2); '' for nothing.

    Args:
        request: The request.
        scheme: ``basic`` or ``bearer``, in small letters.
    """
    given, _, value = request.headers.get("authorization", "").partition(" ")
    return value.strip() if given.lower() == scheme else ""


def same(given: str, right: str) -> bool:
    """Compare texts in a time that does not depend on where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), right.encode("utf-8", "surrogatepass"))


def any_same(given: Iterable[str], right: Iterable[str]) -> bool:
    """Say whether any of the given texts is one of the right ones, each compared with each."""
    candidates = list(right)
    found = False
    for one in given:
        for candidate in candidates:
            found |= same(one, candidate)
    return found
