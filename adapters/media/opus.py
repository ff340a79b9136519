"""Opus (RFC 6716) to and from mono PCM, one packet at a time.

By libopus itself (https://opus-codec.org/docs/opus_api-1.5/), whose C interface has been stable since 2012: the
system's (Debian: ``libopus0``), else the one inside PyAV's wheel, which the extra ``opus`` brings. PyAV's own decoder
gives 48000 Hz only, which would have to be resampled; libopus decodes at 8000 and 16000 Hz.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, files
from typing import Final

from adapters.media.codecs import PCM_SAMPLE_BYTES, require_whole_samples
from models.errors import InvalidField, MediaProtocolError

FRAME_MS: Final = 20
"""Audio that one packet is made of, milliseconds."""

_LONGEST_MS: Final = 120
"""Longest audio of one packet (RFC 6716, 3.2.5), milliseconds."""

_SYSTEM_NAMES: Final = ("libopus.so.0", "libopus.0.dylib")
_MAX_PACKET_BYTES: Final = 1_500
_CHANNELS: Final = 1
_APPLICATION_VOIP: Final = 2_048
_SET_COMPLEXITY: Final = 4_010
_COMPLEXITY: Final = 5
"""Of 0 to 10; the default takes twice the time, and encoding is the dearest step of such a call by far."""


def decoder(sample_rate_hz: int) -> Callable[[bytes], bytes]:
    """Make one stream's decoder.

    Args:
        sample_rate_hz: Rate of the PCM, 8000 or 16000 Hz, whatever the packets were made of.

    Raises:
        MediaProtocolError: Fatal: libopus is not installed.
    """
    library = _require_library()
    state = ctypes.create_string_buffer(library.opus_decoder_get_size(_CHANNELS))
    if library.opus_decoder_init(state, sample_rate_hz, _CHANNELS):
        raise InvalidField("sample_rate_hz", "Opus does not run at this rate")
    longest = sample_rate_hz * _LONGEST_MS // 1000
    pcm = ctypes.create_string_buffer(longest * PCM_SAMPLE_BYTES)

    def decode(packet: bytes) -> bytes:
        samples = library.opus_decode(state, packet, len(packet), pcm, longest, 0) if packet else 0
        if samples < 0:
            raise MediaProtocolError("the payload is not an Opus packet")
        return ctypes.string_at(pcm, samples * PCM_SAMPLE_BYTES)

    return decode


def encoder(sample_rate_hz: int) -> Callable[[bytes], bytes]:
    """Make one stream's encoder. It takes exactly `FRAME_MS` at a time.

    Args:
        sample_rate_hz: Rate of the PCM, 8000 or 16000 Hz.

    Raises:
        MediaProtocolError: Fatal: libopus is not installed.
    """
    library = _require_library()
    state = ctypes.create_string_buffer(library.opus_encoder_get_size(_CHANNELS))
    if library.opus_encoder_init(state, sample_rate_hz, _CHANNELS, _APPLICATION_VOIP):
        raise InvalidField("sample_rate_hz", "Opus does not run at this rate")
    library.opus_encoder_ctl(state, _SET_COMPLEXITY, ctypes.c_int(_COMPLEXITY))
    samples = sample_rate_hz * FRAME_MS // 1000
    packet = ctypes.create_string_buffer(_MAX_PACKET_BYTES)

    def encode(pcm: bytes) -> bytes:
        require_whole_samples(pcm)
        if len(pcm) != samples * PCM_SAMPLE_BYTES:
            raise InvalidField("pcm", "Opus takes 20 ms at a time")
        return ctypes.string_at(packet, library.opus_encode(state, pcm, samples, packet, _MAX_PACKET_BYTES))

    return encode


def _require_library() -> ctypes.CDLL:
    library = _library()
    if library is None:
        raise MediaProtocolError("the audio is OPUS, which needs libopus or the extra 'opus'", fatal=True)
    return library


@cache
def _library() -> ctypes.CDLL | None:
    for name in _names():
        try:
            return _declared(ctypes.CDLL(name))
        except OSError:
            continue
    return None


def _names() -> Iterator[str]:
    yield from _SYSTEM_NAMES
    try:
        carried = files("av") or []
    except PackageNotFoundError:
        return
    yield from (str(file.locate()) for file in carried if file.name.startswith("libopus"))


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    """Tell ctypes what the functions take; those left out take and return C integers."""
    library.opus_decoder_init.argtypes = [ctypes.c_void_p, ctypes.c_int32, ctypes.c_int]
    library.opus_decode.argtypes = [
        ctypes.c_void_p,
        ctypes.c_char_p,
        ctypes.c_int32,
        ctypes.c_void_p,
        ctypes.c_int,
        ctypes.c_int,
    ]
    library.opus_encoder_init.argtypes = [ctypes.c_void_p, ctypes.c_int32, ctypes.c_int, ctypes.c_int]
    library.opus_encode.argtypes = [
        ctypes.c_void_p,
        ctypes.c_char_p,
        ctypes.c_int,
        ctypes.c_void_p,
        ctypes.c_int32,
    ]
    return library
