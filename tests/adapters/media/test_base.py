"""What a protocol gets from the contract itself: it only writes what its wire can do."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import ClassVar

import pytest

from adapters.media.base import (
    AudioReceived,
    DtmfReceived,
    FlowControl,
    Handshake,
    MarkPolicy,
    MarkReached,
    MediaCapabilities,
    MediaEvent,
    MediaProtocol,
    Message,
    Reply,
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
    "event",
    [
        Started("s", "c", "a", 8000),
        AudioReceived(b"\0\0"),
        DtmfReceived("1"),
        MarkReached("m"),
        Stopped(),
        Reply(("x",)),
        FlowControl(paused=True),
    ],
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
    # Where nothing can be dropped little may lie there, or a caller who interrupts goes on hearing the bot.
    assert capabilities.flush or capabilities.look_ahead_ms <= 100
    assert capabilities.frame_ms % 10 == 0
    assert 20 <= capabilities.look_ahead_ms <= 400
    # The longest audio that it takes at the widest rate, in base64 where it is text.
    assert capabilities.frame_ms <= capabilities.max_audio_ms
    assert capabilities.max_audio_ms * 32 <= capabilities.max_message_bytes
    assert protocol.name == protocol.name.lower()
    assert protocol.label
