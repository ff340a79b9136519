"""Google Cloud Text-to-Speech: ``SynthesizeSpeech``, ``StreamingSynthesize`` and ``ListVoices`` over gRPC.

Written after https://cloud.google.com/text-to-speech/docs/reference/rpc/google.cloud.texttospeech.v1 and
https://cloud.google.com/text-to-speech/docs/chirp3-hd; checked against ``google-cloud-texttospeech``.
"""

from __future__ import annotations

import asyncio
import re
import struct
from collections.abc import Mapping
from typing import Any, ClassVar
from xml.etree import ElementTree

from google.cloud.texttospeech_v1 import (
    AudioEncoding,
    ListVoicesRequest,
    ListVoicesResponse,
    SsmlVoiceGender,
    StreamingSynthesizeRequest,
    StreamingSynthesizeResponse,
    SynthesizeSpeechRequest,
    SynthesizeSpeechResponse,
)

from tests.standins.audio import signature
from tests.standins.google_accounts import GoogleStandIn
from tests.standins.grpc_base import GrpcCall, GrpcError, Method

_SERVICE = "/google.cloud.texttospeech.v1.TextToSpeech"
_INPUT_BYTES = 5000
_RATES_HZ = range(8000, 48_001)
_NATURAL_RATE_HZ = 24_000

VOICES: Mapping[str, tuple[str, SsmlVoiceGender]] = {
    "en-US-Wavenet-D": ("en-US", SsmlVoiceGender.MALE),
    "en-US-Neural2-C": ("en-US", SsmlVoiceGender.FEMALE),
    "en-US-Standard-B": ("en-US", SsmlVoiceGender.MALE),
    "en-US-Studio-O": ("en-US", SsmlVoiceGender.FEMALE),
    "en-US-Chirp3-HD-Charon": ("en-US", SsmlVoiceGender.MALE),
    "de-DE-Chirp3-HD-Kore": ("de-DE", SsmlVoiceGender.FEMALE),
    "cmn-CN-Wavenet-A": ("cmn-CN", SsmlVoiceGender.FEMALE),
}
"""The voices that exist, each with its language and gender."""


class GoogleTtsStandIn(GoogleStandIn):
    """Google's voices on loopback.

    Args:
        tts_first_byte_s: Wait before the first audio of an answer, seconds.
        **common: Arguments of `GoogleStandIn`.
    """

    AUDIENCE = "https://texttospeech.googleapis.com/"
    METHODS: ClassVar[Mapping[str, Method]] = {
        f"{_SERVICE}/SynthesizeSpeech": Method("speech", SynthesizeSpeechRequest, SynthesizeSpeechResponse),
        f"{_SERVICE}/StreamingSynthesize": Method("stream", StreamingSynthesizeRequest, StreamingSynthesizeResponse),
        f"{_SERVICE}/ListVoices": Method("voices", ListVoicesRequest, ListVoicesResponse),
    }

    def __init__(self, *, tts_first_byte_s: float = 0.0, **common: Any) -> None:
        super().__init__(**common)
        self.tts_first_byte_s = tts_first_byte_s

    async def answer(self, call: GrpcCall) -> None:
        """Serve one call."""
        match call.endpoint:
            case "speech":
                await self._speech(call)
            case "stream":
                await self._stream(call)
            case _:
                await self._voices(call)

    async def _voices(self, call: GrpcCall) -> None:
        wanted = (await call.read()).language_code
        voices = [
            {
                "name": name,
                "language_codes": [language],
                "ssml_gender": gender,
                "natural_sample_rate_hertz": _NATURAL_RATE_HZ,
            }
            for name, (language, gender) in VOICES.items()
            if not wanted or language == wanted or language.startswith(f"{wanted}-")
        ]
        await call.send(ListVoicesResponse(voices=voices))

    async def _speech(self, call: GrpcCall) -> None:
        request = await call.read()
        text = _text(request.input)
        _check_voice(request.voice)
        encoding = request.audio_config.audio_encoding
        if encoding != AudioEncoding.LINEAR16:
            names = "LINEAR16, MP3, OGG_OPUS, MULAW, ALAW"
            raise GrpcError(400, f"This voice currently only supports the following audio encodings: {names}.")
        rate_hz = _rate_hz(request.audio_config.sample_rate_hertz)
        await asyncio.sleep(self.tts_first_byte_s)
        pcm = signature(text, rate_hz)
        await call.send(SynthesizeSpeechResponse(audio_content=_wav(pcm, rate_hz)))

    async def _stream(self, call: GrpcCall) -> None:
        config = (await call.read()).streaming_config
        if not config.voice.language_code:
            raise GrpcError(400, "The first request must carry a `streaming_config`.")
        _check_voice(config.voice)
        if "-Chirp3-HD-" not in config.voice.name:
            raise GrpcError(400, "Currently, only Chirp 3: HD voices are supported for streaming synthesis.")
        if config.streaming_audio_config.audio_encoding != AudioEncoding.PCM:
            raise GrpcError(400, "Streaming synthesis supports PCM, ALAW, MULAW and OGG_OPUS.")
        rate_hz = _rate_hz(config.streaming_audio_config.sample_rate_hertz)
        await asyncio.sleep(self.tts_first_byte_s)
        while (request := await call.read()) is not None:
            if not request.input.text:
                raise GrpcError(400, "Requests after the first must carry an `input`.")
            pcm = signature(request.input.text, rate_hz)
            # An odd number of bytes, since nothing promises whole samples.
            size = rate_hz // 5 + 1
            for start in range(0, len(pcm), size):
                await call.send(StreamingSynthesizeResponse(audio_content=pcm[start : start + size]))


def _text(source: Any) -> str:
    if bool(source.text) == bool(source.ssml):
        raise GrpcError(400, "Either `input.text` or `input.ssml` must be set, and not both.")
    if len((source.text or source.ssml).encode()) > _INPUT_BYTES:
        raise GrpcError(400, "Either `input.text` or `input.ssml` is longer than the limit of 5000 bytes.")
    if source.text:
        return str(source.text)
    try:
        return "".join(ElementTree.fromstring(source.ssml).itertext())
    except ElementTree.ParseError:
        raise GrpcError(400, "Invalid SSML. Newer voices like Neural2 require valid SSML.") from None


def _check_voice(voice: Any) -> None:
    if not re.fullmatch(r"[a-z]{2,3}-[A-Z]{2}", voice.language_code):
        raise GrpcError(400, "Invalid `language_code`.")
    if voice.name not in VOICES:
        raise GrpcError(400, f"Voice '{voice.name}' does not exist. Is it misspelled?")
    if VOICES[voice.name][0] != voice.language_code:
        raise GrpcError(400, f"Requested language code '{voice.language_code}' doesn't match the voice '{voice.name}'.")


def _rate_hz(wanted_hz: int) -> int:
    if wanted_hz and wanted_hz not in _RATES_HZ:
        raise GrpcError(400, "Invalid `sample_rate_hertz`.")
    return wanted_hz or _NATURAL_RATE_HZ


def _wav(pcm: bytes, rate_hz: int) -> bytes:
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate_hz, rate_hz * 2, 2, 16)
    return struct.pack("<4sI4s", b"RIFF", len(pcm) + 36, b"WAVE") + fmt + struct.pack("<4sI", b"data", len(pcm)) + pcm
