"""Both sides of every media protocol, for the tests that all protocols share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from types import MappingProxyType

from adapters.media.base import AudioReceived, Handshake, MediaEvent, MediaProtocol, Message, Reply
from adapters.media.clients.base import CallLeg, ClientEvent, MediaClient, PlayAudio
from adapters.media.codecs import pcm_to_ulaw, ulaw_to_pcm
from adapters.media.registry import ROWS, ProtocolRow

PARAMETERS: Mapping[str, str] = MappingProxyType({"plan": 'go"ld', "ключ": "值"})
BARE = Handshake(url="ws://h/ws/1/t", path="/ws/1/t")


def through_ulaw(pcm: bytes) -> bytes:
    return ulaw_to_pcm(pcm_to_ulaw(pcm))


def leg(
    stream_id: str,
    *,
    call_id: str = "CA1",
    account_id: str = "",
    from_: str = "+15551230001",
    to: str = "100",
    parameters: Mapping[str, str] = MappingProxyType({}),
) -> CallLeg:
    """A call with what the protocol's wire carries of it; '' for what it does not."""
    return CallLeg(stream_id, call_id, account_id, from_=from_, to=to, parameters=dict(parameters))


@dataclass(frozen=True)
class Wire:
    """One protocol in one of its settings.

    Attributes:
        id: Name of the setting.
        sample_rate_hz: Rate of the audio, Hz.
        leg: The call; its rate is that above.
        codec: What the wire's encoding does to audio.
        client: Makes the phone system's side; None for the table's.
        handshake: The upgrade request with which the setting comes.
        digits: The keys that the wire can carry.
        mark_names: Names of marks as they may come from the runtime, beside plain ones.
        recognised: Whether the first messages show the protocol.
        reads: Whether a message that is garbage to most protocols means something here.
        stops: Whether the phone system ends a stream with a message; otherwise it only closes the socket.
        starts: Whether a message of its own starts the stream; otherwise the first one does, whatever it is.
        bot_codec: What the way to the phone system does to audio; None for the same as `codec`.
        early: What of the client may come before the start and waits for it: names of its ``send_*``.
        second_start: Which message of the opening may not come again; any behind it is audio, which may.
    """

    id: str
    sample_rate_hz: int
    leg: CallLeg
    codec: Callable[[bytes], bytes] = bytes
    client: Callable[[CallLeg], MediaClient] | None = None
    handshake: Handshake = BARE
    digits: str = "0123456789*#ABCD"
    mark_names: tuple[str, ...] = ('a "quoted" \\ name', "марка", "x" * 1024)
    recognised: bool = True
    reads: Callable[[Message], bool] = lambda message: False
    stops: bool = True
    starts: bool = True
    bot_codec: Callable[[bytes], bytes] | None = None
    early: tuple[str, ...] = ()
    second_start: int = -1


@dataclass(frozen=True)
class Setting:
    """A wire and the protocol that it belongs to."""

    row: ProtocolRow
    wire: Wire

    @property
    def sample_rate_hz(self) -> int:
        return self.wire.sample_rate_hz

    @property
    def codec(self) -> Callable[[bytes], bytes]:
        return self.wire.codec

    @property
    def bot_codec(self) -> Callable[[bytes], bytes]:
        return self.wire.bot_codec or self.wire.codec

    @property
    def second_bytes(self) -> int:
        return self.sample_rate_hz * 2

    @property
    def frame_bytes(self) -> int:
        """Size of the PCM of one message, as the runtime sends it."""
        return self.second_bytes * self.row.capabilities.frame_ms // 1000

    @property
    def grain_bytes(self) -> int:
        """Size of the PCM whose multiples go out as they are."""
        return self.frame_bytes if self.row.capabilities.exact_frames else 2

    def pair(self) -> Pair:
        call = replace(self.wire.leg, sample_rate_hz=self.sample_rate_hz)
        client = (self.wire.client or self.row.client)(call)
        return Pair(self.row.protocol.begin(self.wire.handshake), client, call)

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
        """Give the server messages; what it has to answer goes back to the client at once."""
        events: list[MediaEvent] = []
        for message in messages:
            for event in self.server.receive(message):
                if isinstance(event, Reply):
                    self.answer(event.messages)
                else:
                    events.append(event)
        return events

    def answer(self, messages: Iterable[Message]) -> list[ClientEvent]:
        return [event for message in messages for event in self.client.receive(message)]

    def caller_audio(self, messages: Iterable[Message]) -> bytes:
        return b"".join(event.pcm for event in self.deliver(messages) if isinstance(event, AudioReceived))

    def bot_audio(self, messages: Iterable[Message]) -> bytes:
        return b"".join(event.pcm for event in self.answer(messages) if isinstance(event, PlayAudio))

    def usable(self) -> bool:
        """Whether audio still passes in both directions."""
        tone = b"\x00\x10" * (self.leg.sample_rate_hz * max(20, self.server.capabilities.frame_ms) // 1000)
        return bool(self.caller_audio(self.client.send_audio(tone)) and self.bot_audio(self.server.send_audio(tone)))


def _wires(row: ProtocolRow) -> list[Wire]:
    return list(import_module(f"tests.adapters.media.wires.{row.name}").WIRES)


SETTINGS = [Setting(row, wire) for row in ROWS for wire in _wires(row)]
