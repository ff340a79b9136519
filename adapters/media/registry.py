"""The seat's table: every media protocol, and how the one that a connection speaks is found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from adapters.media import wire
from adapters.media.asterisk import AsteriskProtocol
from adapters.media.audiosocket import AudioSocketProtocol
from adapters.media.base import Handshake, MediaCapabilities, MediaProtocol, Message
from adapters.media.clients.asterisk import AsteriskClient
from adapters.media.clients.audiosocket import AudioSocketClient
from adapters.media.clients.base import MediaClient
from adapters.media.clients.cloudonix import CloudonixClient
from adapters.media.clients.exotel import ExotelClient
from adapters.media.clients.genesys import GenesysClient
from adapters.media.clients.jambonz import JambonzClient
from adapters.media.clients.mod_audio_fork import ModAudioForkClient
from adapters.media.clients.mod_audio_stream import ModAudioStreamClient
from adapters.media.clients.plain import PlainClient
from adapters.media.clients.plivo import PlivoClient
from adapters.media.clients.signalwire import SignalWireClient
from adapters.media.clients.telnyx import TelnyxClient
from adapters.media.clients.twilio import TwilioClient
from adapters.media.clients.vobiz import VobizClient
from adapters.media.clients.voipbin import VoipbinClient
from adapters.media.clients.vonage import VonageClient
from adapters.media.cloudonix import CloudonixProtocol
from adapters.media.exotel import ExotelProtocol
from adapters.media.genesys import GenesysProtocol
from adapters.media.jambonz import JambonzProtocol
from adapters.media.mod_audio_fork import ModAudioForkProtocol
from adapters.media.mod_audio_stream import ModAudioStreamProtocol
from adapters.media.plain import PlainProtocol
from adapters.media.plivo import PlivoProtocol
from adapters.media.signalwire import SignalWireProtocol
from adapters.media.telnyx import TelnyxProtocol
from adapters.media.twilio import TwilioProtocol
from adapters.media.vobiz import VobizProtocol
from adapters.media.voipbin import VoipbinProtocol
from adapters.media.vonage import VonageProtocol
from models.errors import InvalidField, MediaProtocolError


@dataclass(frozen=True, slots=True)
class ProtocolRow:
    """One protocol of the table.

    Attributes:
        protocol: The runtime's side.
        client: The phone system's side, for the replay harness and the tests.
    """

    protocol: type[MediaProtocol]
    client: type[MediaClient]

    @property
    def name(self) -> str:
        """Name in ``protocol=``."""
        return self.protocol.name

    @property
    def label(self) -> str:
        """Name for people."""
        return self.protocol.label

    @property
    def capabilities(self) -> MediaCapabilities:
        """What the protocol can do."""
        return self.protocol.capabilities


ROWS: Final = (
    ProtocolRow(PlainProtocol, PlainClient),
    ProtocolRow(VoipbinProtocol, VoipbinClient),
    ProtocolRow(AsteriskProtocol, AsteriskClient),
    ProtocolRow(AudioSocketProtocol, AudioSocketClient),
    ProtocolRow(VobizProtocol, VobizClient),
    ProtocolRow(PlivoProtocol, PlivoClient),
    ProtocolRow(ExotelProtocol, ExotelClient),
    ProtocolRow(VonageProtocol, VonageClient),
    ProtocolRow(GenesysProtocol, GenesysClient),
    ProtocolRow(CloudonixProtocol, CloudonixClient),
    ProtocolRow(SignalWireProtocol, SignalWireClient),
    ProtocolRow(TelnyxProtocol, TelnyxClient),
    ProtocolRow(ModAudioForkProtocol, ModAudioForkClient),
    ProtocolRow(JambonzProtocol, JambonzClient),
    ProtocolRow(ModAudioStreamProtocol, ModAudioStreamClient),
    ProtocolRow(TwilioProtocol, TwilioClient),
)
"""In the order in which they are tried on a connection."""

PROTOCOLS: Final[Mapping[str, type[MediaProtocol]]] = MappingProxyType({row.name: row.protocol for row in ROWS})
"""The runtime's side by name."""

CLIENTS: Final[Mapping[str, type[MediaClient]]] = MappingProxyType({row.name: row.client for row in ROWS})
"""The phone system's side by name."""


def by_name(name: str) -> type[MediaProtocol]:
    """Find a protocol by its name in ``protocol=``.

    Raises:
        InvalidField: Field ``protocol``: the table has no such name.
    """
    protocol = PROTOCOLS.get(name)
    if protocol is None:
        raise InvalidField("protocol", "unknown media protocol")
    return protocol


def client_by_name(name: str) -> type[MediaClient]:
    """Find the phone system's side of a protocol by name.

    Raises:
        InvalidField: Field ``protocol``: the table has no such name.
    """
    client = CLIENTS.get(name)
    if client is None:
        raise InvalidField("protocol", "unknown media protocol")
    return client


def detect_handshake(handshake: Handshake) -> type[MediaProtocol] | None:
    """Recognise a protocol by the upgrade request, or None when that does not tell."""
    return next((row.protocol for row in ROWS if row.protocol.matches_handshake(handshake)), None)


def detect_message(message: Message) -> type[MediaProtocol] | None:
    """Recognise a protocol by the first message; None for a greeting, behind which another one has to be awaited.

    Raises:
        MediaProtocolError: Fatal: no protocol of the table begins like this.
    """
    if wire.is_greeting(message):
        return None
    for row in ROWS:
        if row.protocol.matches_message(message):
            return row.protocol
    raise MediaProtocolError("the first message fits no media protocol", fatal=True)


def choose(
    handshake: Handshake, first_message: Message | None = None, forced: str | None = None
) -> type[MediaProtocol] | None:
    """Find the protocol of a connection: what was asked for, else the handshake, else the first message.

    Args:
        handshake: The upgrade request.
        first_message: The first message, a greeting apart, once there is one. Both are to be given to the protocol's
            `receive` as well.
        forced: Value of ``protocol=``; None or '' when the URL has none.

    Returns:
        The protocol, or None when the first message has to be awaited.

    Raises:
        InvalidField: Field ``protocol``: ``forced`` names no protocol.
        MediaProtocolError: Fatal: neither handshake nor first message fits any protocol.
    """
    if forced:
        return by_name(forced)
    found = detect_handshake(handshake)
    if found is None and first_message is not None:
        return detect_message(first_message)
    return found
