"""Reading what Genesys Cloud says on an AudioHook connection: the envelope of every message, and the ``open``.

Source: https://developer.genesys.cloud/devapps/audiohook, and the MIT-licensed reference implementation's message
types, https://github.com/purecloudlabs/audiohook-reference-implementation
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from adapters.media import wire
from adapters.media.base import Started
from models.errors import MediaProtocolError

VERSION: Final = "2"
"""The only version of the protocol."""

SAMPLE_RATE_HZ: Final = 8000
"""The only rate of the protocol."""

NIL_ID: Final = "00000000-0000-0000-0000-000000000000"
"""The conversation of a connection probe, which is no call."""

CALLER: Final = "external"
"""Name of the caller's channel."""

_DURATION: Final = re.compile(r"PT((?:[0-9]{0,9}\.)?[0-9]{1,9})S")
_CHANNELS: Final = frozenset({CALLER, "internal"})
_MAX_SEQUENCE_NUMBER: Final = 2**53


@dataclass(frozen=True, slots=True)
class ClientMessage:
    """The envelope of a message.

    Attributes:
        type: What it says.
        session_id: Id of the AudioHook session.
        seq: Its number, one more than that of the message before.
        serverseq: Number of the last message of ours that Genesys had seen.
        parameters: Its content.
    """

    type: str
    session_id: str
    seq: int
    serverseq: int
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Opening:
    """What an ``open`` says.

    Attributes:
        started: The call.
        media: The offer to take; None when none of them carries the caller as µ-law.
        wants_languages: Whether the answer is to list the languages.
    """

    started: Started
    media: dict[str, Any] | None
    wants_languages: bool

    @property
    def is_probe(self) -> bool:
        """Whether Genesys only checks that the server answers, as it does when an integration is set up."""
        return self.started.call_id == NIL_ID


def read_message(document: dict[str, Any]) -> ClientMessage:
    """Read the envelope that every message has.

    Raises:
        MediaProtocolError: Something of it is missing or malformed.
    """
    if document.get("version") != VERSION:
        raise MediaProtocolError("the message is not of AudioHook version 2")
    parameters = document.get("parameters")
    if not isinstance(parameters, dict):
        raise MediaProtocolError("the message has no parameters")
    duration_s(document.get("position"))
    return ClientMessage(
        type=wire.name(document.get("type")),
        session_id=wire.name(document.get("id")),
        seq=sequence_number(document.get("seq")),
        serverseq=sequence_number(document.get("serverseq")),
        parameters=parameters,
    )


def read_open(session_id: str, parameters: dict[str, Any]) -> Opening:
    """Read the parameters of an ``open``.

    The flow's input variables and what the integration's configuration holds become custom parameters; the variables
    win where a name repeats.

    Raises:
        MediaProtocolError: They are malformed.
    """
    participant = wire.section(parameters.get("participant"))
    offers = parameters.get("media")
    if not isinstance(offers, list):
        raise MediaProtocolError("the media offer is missing")
    started = Started(
        stream_id=session_id,
        call_id=wire.name(parameters.get("conversationId")),
        account_id=wire.text(parameters.get("organizationId")),
        sample_rate_hz=SAMPLE_RATE_HZ,
        parameters={
            **_given("language", parameters.get("language")),
            **_given("aniName", participant.get("aniName")),
            **wire.plain_parameters(parameters.get("customConfig")),
            **wire.parameters(parameters.get("inputVariables")),
        },
        from_=wire.text(participant.get("ani")),
        to=wire.text(participant.get("dnis")),
    )
    return Opening(started, _choice(offers), parameters.get("supportedLanguages") is True)


def sequence_number(value: object) -> int:
    """Read a sequence number.

    Raises:
        MediaProtocolError: Not a whole number from 0.
    """
    if type(value) is not int or not 0 <= value <= _MAX_SEQUENCE_NUMBER:
        raise MediaProtocolError("not a sequence number")
    return value


def duration_s(value: object) -> float:
    """Read an ISO 8601 duration in the protocol's form, ``PT1.5S``; returns seconds.

    Raises:
        MediaProtocolError: Not of this form.
    """
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise MediaProtocolError("not a duration")
    return float(found[1])


def caller_channel(media: dict[str, Any]) -> tuple[int, int]:
    """Return the position of the caller's channel in an offer that was chosen, and the number of channels."""
    channels: list[str] = media["channels"]
    return channels.index(CALLER), len(channels)


def _choice(offers: list[Any]) -> dict[str, Any] | None:
    """Choose the offer with the fewest channels beside the caller's; what looks like no offer is passed over."""
    fitting = [offer["channels"] for offer in offers if isinstance(offer, dict) and _fits(offer)]
    if not fitting:
        return None
    return {"type": "audio", "format": "PCMU", "channels": min(fitting, key=len), "rate": SAMPLE_RATE_HZ}


def _fits(offer: dict[str, Any]) -> bool:
    channels = offer.get("channels")
    return (
        (offer.get("type"), offer.get("format"), offer.get("rate")) == ("audio", "PCMU", SAMPLE_RATE_HZ)
        and isinstance(channels, list)
        and len(channels) <= len(_CHANNELS)
        and all(isinstance(channel, str) and channel in _CHANNELS for channel in channels)
        and CALLER in channels
    )


def _given(name: str, value: object) -> dict[str, str]:
    found = wire.text(value)
    return {name: found} if found else {}
