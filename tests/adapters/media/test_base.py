"""What a protocol gets from the contract itself: it only writes what its wire can do."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import ClassVar

import pytest

from adapters.media.base import (
    AudioReceived,
    DtmfReceived,
    Handshake,
    MarkPolicy,
    MarkReached,
    MediaCapabilities,
    MediaEvent,
    MediaProtocol,
    Message,
    Started,
    Stopped,
)
from adapters.media.registry import ROWS


class Listening(MediaProtocol):
    """The least that a protocol is: it hears, and can do nothing else."""

    name: ClassVar[str] = "listening"
    label: ClassVar[str] = "Listening"
    capabilities: ClassVar[MediaCapabilities] = MediaCapabilities(marks=MarkPolicy.NONE, flush=False)

    @classmethod
    def matches_handshake(cls, handshake: Handshake) -> bool:
        return not handshake.query

    @classmethod
    def matches_message(cls, message: Message) -> bool:
        return isinstance(message, bytes)

    @property
    def sample_rate_hz(self) -> int:
        return 8000

    def receive(self, message: Message) -> list[MediaEvent]:
        return [AudioReceived(message)] if isinstance(message, bytes) else []

    def send_audio(self, pcm: bytes) -> list[Message]:
        return [pcm]

    def send_mark(self, name: str) -> list[Message]:
        return []

    def send_clear(self) -> list[Message]:
        return []


def test_a_protocol_need_not_send_digits_or_hang_up() -> None:
    protocol = Listening()
    assert protocol.send_dtmf("12#") == []
    assert protocol.send_hangup() == []
    assert protocol.subprotocol is None
    assert not protocol.capabilities.dtmf_out
    assert not protocol.capabilities.hangup_in_band


@pytest.mark.parametrize(
    "missing", ["matches_handshake", "matches_message", "receive", "send_audio", "send_mark", "send_clear"]
)
def test_everything_else_must_be_there(missing: str) -> None:
    body = {name: value for name, value in vars(Listening).items() if name != missing}
    with pytest.raises(TypeError, match=missing):
        type("Incomplete", (MediaProtocol,), body)()


@pytest.mark.parametrize(
    "event", [Started("s", "c", "a", 8000), AudioReceived(b"\0\0"), DtmfReceived("1"), MarkReached("m"), Stopped()]
)
def test_an_event_is_what_it_was(event: MediaEvent) -> None:
    with pytest.raises((FrozenInstanceError, AttributeError)):
        setattr(event, next(iter(type(event).__slots__)), "other")


def test_what_is_not_given_is_empty() -> None:
    assert Handshake(url="ws://host/x", path="/x") == Handshake("ws://host/x", "/x", {}, {}, ())
    assert Started("s", "c", "a", 8000) == Started("s", "c", "a", 8000, {}, "", "")


@pytest.mark.parametrize("protocol", [row.protocol for row in ROWS], ids=lambda it: it.name)
def test_a_protocols_capabilities_agree_with_each_other(protocol: type[MediaProtocol]) -> None:
    capabilities = protocol.capabilities
    # Audio that nobody buffers needs no flush, and marks without a buffer would mean nothing.
    assert capabilities.flush or capabilities.marks is MarkPolicy.NONE
    assert capabilities.frame_ms in (10, 20, 30, 40, 60)
    # One second of the widest audio that any of them carries must fit into a message.
    assert capabilities.max_message_bytes >= 32_000
    assert protocol.name == protocol.name.lower()
    assert protocol.label
