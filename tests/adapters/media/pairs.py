"""Both sides of every media protocol, for the tests that all protocols share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from adapters.media.base import AudioReceived, MediaEvent, MediaProtocol, Message
from adapters.media.client_base import CallLeg, ClientEvent, MediaClient, PlayAudio
from adapters.media.codecs import pcm_to_ulaw, ulaw_to_pcm
from adapters.media.registry import ROWS, ProtocolRow


def through_ulaw(pcm: bytes) -> bytes:
    return ulaw_to_pcm(pcm_to_ulaw(pcm))


@dataclass(frozen=True)
class Setting:
    """One protocol at one sample rate, and what its wire codec does to audio."""

    row: ProtocolRow
    sample_rate_hz: int
    codec: Callable[[bytes], bytes]

    @property
    def second_bytes(self) -> int:
        return self.sample_rate_hz * 2

    def pair(self) -> Pair:
        leg = CallLeg(
            stream_id="MZ1" if self.row.name == "twilio" else "CA1",
            call_id="CA1",
            account_id="AC1" if self.row.name == "twilio" else "",
            sample_rate_hz=self.sample_rate_hz,
            from_="+15551230001",
            to="100",
            parameters={"plan": 'go"ld', "ключ": "值"},
        )
        return Pair(self.row.protocol(), self.row.client(leg), leg)

    def open_pair(self) -> Pair:
        pair = self.pair()
        pair.deliver(pair.client.opening())
        return pair


@dataclass
class Pair:
    """The runtime's and the phone system's side of one stream."""

    server: MediaProtocol
    client: MediaClient
    leg: CallLeg

    def deliver(self, messages: Iterable[Message]) -> list[MediaEvent]:
        return [event for message in messages for event in self.server.receive(message)]

    def answer(self, messages: Iterable[Message]) -> list[ClientEvent]:
        return [event for message in messages for event in self.client.receive(message)]

    def caller_audio(self, messages: Iterable[Message]) -> bytes:
        return b"".join(event.pcm for event in self.deliver(messages) if isinstance(event, AudioReceived))

    def bot_audio(self, messages: Iterable[Message]) -> bytes:
        return b"".join(event.pcm for event in self.answer(messages) if isinstance(event, PlayAudio))

    def usable(self) -> bool:
        """Whether audio still passes in both directions."""
        tone = b"\x00\x10" * (self.leg.sample_rate_hz // 50)
        return bool(self.caller_audio(self.client.send_audio(tone)) and self.bot_audio(self.server.send_audio(tone)))


_CODECS: dict[str, list[tuple[int, Callable[[bytes], bytes]]]] = {
    "twilio": [(8000, through_ulaw)],
    "plain": [(8000, bytes), (16000, bytes)],
}

SETTINGS = [Setting(row, rate, codec) for row in ROWS for rate, codec in _CODECS[row.name]]
