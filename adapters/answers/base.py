"""The contract of an answering document: what makes a carrier open a media stream for a call."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlencode
from xml.etree.ElementTree import Element, tostring

JSON_TYPE: Final = "application/json"
XML_TYPE: Final = "application/xml"

LONGEST_VARIABLE: Final = 100
"""Characters of a call's id or number that are passed on; carriers bound the whole (Vonage and Plivo to 512 bytes)."""

# Everything but what XML 1.0 has a form for.
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Stream:
    """The stream to open.

    Attributes:
        media_url: ``ws(s)://…``, which holds the call's token.
        variables: ``session``, ``from`` and ``to``, as far as known, for the stream to tell again.
        bearer: Token that the stream must bear; '' for none.
        user_password: ``USER:PASSWORD`` that the stream must bear; '' for none.
        signed: Whether the stream must be signed where that is to be asked for.
    """

    media_url: str = field(repr=False)
    variables: Mapping[str, str] = field(default_factory=dict)
    bearer: str = field(default="", repr=False)
    user_password: str = field(default="", repr=False)
    signed: bool = False

    @property
    def url_with_variables(self) -> str:
        """The URL with the variables as its query."""
        query = urlencode(self.variables, quote_via=quote)
        return f"{self.media_url}?{query}" if query else self.media_url


@dataclass(frozen=True, slots=True)
class Answer:
    """A document.

    Attributes:
        media_type: Its media type.
        body: Its text.
    """

    media_type: str
    body: str = field(repr=False)


class AnswerFormat(ABC):
    """One family of documents.

    Contract (checked for every carrier by ``tests/adapters/answers/test_contract.py``): whatever the variables hold,
    the document is well-formed and says of them what they are; the stream's URL stands in it as it is, escaped as its
    language wants.
    """

    @abstractmethod
    def connect(self, stream: Stream) -> Answer:
        """Return the document that opens a stream in both directions and ends the call behind it."""

    @abstractmethod
    def decline(self, text: str) -> Answer | None:
        """Return the document that says a sentence and hangs up; None where the carrier knows none."""


def variables(**given: str) -> dict[str, str]:
    """Return the variables that are known, each fit for any document. An underscore behind a name is dropped."""
    clean = {name.rstrip("_"): _NOT_XML.sub("", value)[:LONGEST_VARIABLE] for name, value in given.items()}
    return {name: value for name, value in clean.items() if value}


def xml(root: Element) -> Answer:
    """Write a document of XML."""
    return Answer(XML_TYPE, '<?xml version="1.0" encoding="UTF-8"?>' + tostring(root, encoding="unicode"))


def as_json(document: Any) -> Answer:
    """Write a document of JSON."""
    return Answer(JSON_TYPE, json.dumps(document, separators=(",", ":")))
