"""Each codec in both directions. The query tells what Telnyx expects where that would not be taken for granted."""

from __future__ import annotations

from functools import partial

from adapters.media.base import Handshake
from adapters.media.clients.telnyx import TelnyxClient
from adapters.media.encodings import ENCODINGS
from tests.adapters.media.pairs import PARAMETERS, Wire, leg

LEG = leg("32DE0DEA-53CB", call_id="v2:T02llQ", account_id="3E6F995F", parameters=PARAMETERS)


def through(codec: str, rate_hz: int, pcm: bytes) -> bytes:
    """What a codec leaves of audio that is sent in frames of 20 ms."""
    encode, decode = ENCODINGS[codec].encoder(rate_hz), ENCODINGS[codec].decoder(rate_hz)
    frame = rate_hz // 25
    whole = pcm + bytes(-len(pcm) % frame)
    return b"".join(decode(encode(whole[at : at + frame])) for at in range(0, len(whole), frame))[: len(pcm)]


def _wire(codec: str, rate_hz: int, *, told: bool = False) -> Wire:
    query = {"bidirectional_codec": codec} if told else {}
    return Wire(
        f"telnyx-{codec.lower()}-{rate_hz}",
        rate_hz,
        LEG,
        partial(through, codec, rate_hz),
        client=partial(TelnyxClient, codec=codec),
        handshake=Handshake(url="wss://h/ws/1/t", path="/ws/1/t", query=query),
    )


WIRES = [
    _wire("PCMU", 8000),
    _wire("PCMA", 8000, told=True),
    _wire("L16", 8000),
    _wire("L16", 16000),
    _wire("G722", 16000),
    _wire("OPUS", 16000, told=True),
]
