"""How audio is written in a message, for the protocols that leave it to the caller's network.

The names are those of RTP (https://www.iana.org/assignments/rtp-parameters). G.722 and Opus come with the extras
``codecs`` and ``opus`` and are loaded when a stream first needs them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from adapters.media import g722, opus
from adapters.media.codecs import (
    PCM_SAMPLE_BYTES,
    alaw_to_pcm,
    pcm_to_alaw,
    pcm_to_ulaw,
    require_whole_samples,
    ulaw_to_pcm,
)
from models.errors import MediaProtocolError

Transcoder = Callable[[bytes], bytes]
"""Audio in, audio out. One of G.722 or Opus remembers what came before: it is one stream's, in one direction."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """One encoding.

    Attributes:
        name: Its RTP name.
        rates_hz: Rates of the PCM that it can be given and gives, Hz.
        decoder: Makes what turns one message's payload into PCM of that rate. Payloads that the encoding does not
            know raise `MediaProtocolError`.
        encoder: Makes what turns PCM of that rate into one message's payload; half samples raise `InvalidField`.
            Both raise `MediaProtocolError`, fatal, where the encoding is not installed.
    """

    name: str
    rates_hz: tuple[int, ...]
    decoder: Callable[[int], Transcoder]
    encoder: Callable[[int], Transcoder]


def _l16_to_pcm(payload: bytes) -> bytes:
    if len(payload) % PCM_SAMPLE_BYTES:
        raise MediaProtocolError("audio must be whole 16-bit samples")
    return payload


def _pcm_to_l16(pcm: bytes) -> bytes:
    require_whole_samples(pcm)
    return pcm


PCMU: Final = Encoding("PCMU", (8000,), lambda _: ulaw_to_pcm, lambda _: pcm_to_ulaw)
"""G.711 µ-law."""

PCMA: Final = Encoding("PCMA", (8000,), lambda _: alaw_to_pcm, lambda _: pcm_to_alaw)
"""G.711 A-law."""

L16: Final = Encoding("L16", (8000, 16000), lambda _: _l16_to_pcm, lambda _: _pcm_to_l16)
"""Linear 16-bit PCM, little-endian as on carriers' WebSockets, which RTP's own L16 is not (RFC 3551, 4.5.11)."""

G722: Final = Encoding("G722", (g722.SAMPLE_RATE_HZ,), lambda _: g722.decoder(), lambda _: g722.encoder())
"""G.722 at 64 kbit/s. Its RTP clock is 8000 Hz by an old mistake (RFC 3551, 4.5.2), its audio 16000 Hz."""

OPUS: Final = Encoding("OPUS", (8000, 16000), opus.decoder, opus.encoder)
"""Opus (RFC 6716), one packet a message."""

ENCODINGS: Final[Mapping[str, Encoding]] = MappingProxyType(
    {encoding.name: encoding for encoding in (PCMU, PCMA, L16, G722, OPUS)}
)
"""Every encoding by name."""
