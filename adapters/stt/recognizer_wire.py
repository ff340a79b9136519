"""What differs between recognisers behind a WebSocket: the messages, without a socket."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pipecat.utils.errors import ErrorCategory


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a vendor heard in a stretch of audio.

    Attributes:
        text: The words; '' for silence.
        is_final: Whether this stretch will not be heard differently any more.
        answers: Whether this is the answer to a request for the final result.
        end_s: Where the stretch ends, seconds of audio since the connection's first; 0 when that is not known.
        language: Language that was recognised, '' when the vendor does not say.
    """

    text: str
    is_final: bool = False
    answers: bool = False
    end_s: float = 0.0
    language: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A vendor's word that it does not go on; it closes the connection then.

    Attributes:
        message: What went wrong, for people. Never holds what the vendor quoted.
        category: Why; None when the session has only run its course and another one may begin.
    """

    message: str
    category: ErrorCategory | None


class RecognizerWire(ABC):
    """One vendor's protocol, for one recogniser. It keeps what belongs to the current connection.

    Args:
        url: Where to connect, with everything that the vendor wants to know.
        headers: Headers of the upgrade, the key among them.
    """

    name: ClassVar[str]
    """The vendor, for people."""
    keep_alive_s: ClassVar[float]
    """After how long without a message to the vendor one is sent to keep the connection, seconds."""
    ends_utterances: ClassVar[bool] = False
    """Whether the vendor ends an utterance by itself, so that speech that no VAD noticed becomes final as well."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self.url = url
        self.headers = headers

    def begin(self) -> None:  # noqa: B027 - a protocol may have nothing to forget
        """A new connection has begun."""

    def audio(self, pcm: bytes) -> str | bytes:
        """The message that carries audio, 16-bit little-endian mono PCM."""
        return pcm

    @abstractmethod
    def finalize(self, end_s: float) -> str:
        """The message that asks for the final result of all audio so far.

        Args:
            end_s: Where that audio ends, seconds since the connection's first.
        """

    @abstractmethod
    def keep_alive(self) -> str | bytes:
        """The message that keeps the connection."""

    def goodbye(self) -> str | None:
        """The message before the connection is closed; None for none."""
        return None

    @abstractmethod
    def receive(self, message: str | bytes) -> Heard | Refusal | None:
        """Read a message of the vendor.

        Returns:
            What it says; None for a message that says nothing about the caller.

        Raises:
            ValueError: It is not what the vendor sends.
        """

    def refused(self, headers: Mapping[str, str]) -> str:
        """Why the vendor refused the upgrade, from the headers of its answer; '' when they do not say."""
        del headers
        return ""


def json_object(message: str | bytes) -> dict[str, Any]:
    """Read a message that must be a JSON object.

    Raises:
        ValueError: It is something else.
    """
    document = json.loads(message)
    if not isinstance(document, dict):
        raise ValueError("not an object")
    return document


def text_of(document: Mapping[str, Any], field: str) -> str:
    """Return a field that is text; '' when it is absent or null.

    Raises:
        ValueError: It is something else.
    """
    value = document.get(field)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError("not a text")
    return value
