"""Reads what ``connect_call`` asks for: whom to connect the caller to, and how."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from models.errors import ToolFailed

_SEPARATORS = re.compile(r"[\s().\-/]")
_NUMBER = re.compile(r"\+?[0-9]{2,15}")
_SIP_URI = re.compile(r"sips?:[^\s<>\"']{1,250}")
_LANGUAGE = re.compile(r"[a-z]{2,3}-[A-Z]{2}")
_MOST_SUMMARY_CHARS = 500


class TransferMode(StrEnum):
    """How a caller is handed over."""

    COLD = "cold"
    """At once: whoever answers has the caller on the line."""
    WARM = "warm"
    """Somebody is called first and told what it is about, and the caller joins once they have answered."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Somebody to connect to.

    Attributes:
        kind: Kind of address, in lower case: ``tel``, ``sip``, ``extension``, ….
        target: The address; a ``tel`` is digits with or without a plus, a ``sip`` a SIP URI.
        name: Name to show; may be empty.
    """

    kind: str
    target: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Transfer:
    """What is asked for.

    Attributes:
        destinations: At least one.
        caller_id: Number to show to them; '' for the phone system's usual.
        mode: How.
        summary: What a person is told in a warm transfer before the caller joins; may be empty.
        language: BCP 47 tag of language and region in which the call is held, ``de-DE``; '' when unknown.
    """

    destinations: tuple[Destination, ...]
    caller_id: str
    mode: TransferMode
    summary: str
    language: str = ""

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of addresses in it."""
        return frozenset(it.kind for it in self.destinations)


def transfer_of(arguments: Mapping[str, Any], language: str = "") -> Transfer:
    """Read the arguments of ``connect_call``, which fit the tool's schema.

    Args:
        arguments: The arguments.
        language: In which the call is held; '' when unknown.

    Raises:
        ToolFailed: An address is none; says of which kind.
    """
    source = arguments.get("source")
    return Transfer(
        tuple(_destination(it) for it in arguments["destinations"]),
        _destination(source).target if source else "",
        TransferMode(arguments.get("mode") or TransferMode.COLD),
        spoken(str(arguments.get("summary") or "")),
        language if _LANGUAGE.fullmatch(language) else "",
    )


def spoken(text: str) -> str:
    """Return a text on one line, without what no document may hold (control characters), and not too long."""
    return "".join(it if it.isprintable() else " " for it in text).strip()[:_MOST_SUMMARY_CHARS]


def _destination(address: Mapping[str, Any]) -> Destination:
    kind, target = str(address["type"]).strip().lower(), str(address["target"]).strip()
    name = spoken(str(address.get("target_name") or ""))
    if kind == "tel":
        target = _SEPARATORS.sub("", target.removeprefix("tel:"))
        if not _NUMBER.fullmatch(target):
            raise ToolFailed("a target of type tel must be a phone number such as +15551230001")
    elif kind == "sip":
        target = target if target.startswith(("sip:", "sips:")) else f"sip:{target}"
        if not _SIP_URI.fullmatch(target):
            raise ToolFailed("a target of type sip must be a SIP address such as sip:ann@example.com")
    elif not target or not target.isprintable():
        raise ToolFailed("a target must be an address")
    return Destination(kind, target, name)
