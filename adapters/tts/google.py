"""Google Cloud Text-to-Speech over gRPC.

https://cloud.google.com/text-to-speech/docs/reference/rpc/google.cloud.texttospeech.v1
"""

from __future__ import annotations

import re
import struct
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Any

from google.cloud.texttospeech_v1 import (
    AudioConfig,
    AudioEncoding,
    StreamingAudioConfig,
    StreamingSynthesisInput,
    StreamingSynthesizeConfig,
    StreamingSynthesizeRequest,
    StreamingSynthesizeResponse,
    SynthesisInput,
    SynthesizeSpeechRequest,
    SynthesizeSpeechResponse,
    VoiceSelectionParams,
)
from pipecat.frames.frames import ErrorFrame, Frame, TTSAudioRawFrame
from pipecat.processors.frame_processor import FrameProcessorSetup
from pipecat.services.settings import TTSSettings
from pipecat.services.tts_service import TTSService
from pipecat.utils.errors import ErrorCategory

from adapters.clients import SharedClients
from adapters.google_cloud import GoogleApi, google_api
from adapters.requests import Credentials, TtsRequest
from adapters.seats import ProviderRow
from adapters.tts.voice import Voice
from adapters.vendor_errors import classify

AUDIENCE = "https://texttospeech.googleapis.com/"
"""What the account's tokens are for, whichever endpoint is asked."""

_SERVICE = "/google.cloud.texttospeech.v1.TextToSpeech"
_STREAMS = "-Chirp3-HD-"
"""What the names of the voices that stream have in them."""

_INPUT_BYTES = 5000
"""Longest text of a request, bytes of UTF-8."""

_CHUNK_S = 0.1


class GoogleVoice(Voice, TTSService):
    """A voice of Google's.

    Chirp 3 HD voices answer piece by piece; the others answer a sentence at once, when all of it is synthesized.
    Pipecat has a service for each; both make a client of their own for every call, the one for whole sentences hides
    why the vendor refused, and neither is told where the vendor is.

    Args:
        clients: The process's shared clients.
        credentials: Key and endpoint.
        voice: The voice's name; it begins with its language.
        language: BCP 47 tag, for a voice whose name does not tell it.
        **kwargs: Arguments of Pipecat's base class.
    """

    def __init__(
        self, *, clients: SharedClients, credentials: Credentials, voice: str, language: str, **kwargs: Any
    ) -> None:
        super().__init__(
            push_start_frame=True,
            push_stop_frames=True,
            stop_frame_timeout_s=2 * clients.limits.voice_quiet_s,
            settings=TTSSettings(model=None, voice=voice, language=None),
            **kwargs,
        )
        self._clients = clients
        self._credentials = credentials
        named = re.match(r"[a-z]{2,3}-[A-Z]{2}(?=-)", voice)
        self._voice = VoiceSelectionParams(name=voice, language_code=named[0] if named else language or "en-US")
        self._streams = _STREAMS in voice
        self._quiet_s = clients.limits.voice_quiet_s
        self._retries = clients.limits.retries

    def can_generate_metrics(self) -> bool:
        """Whether the service can be measured: it can."""
        return True

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        """Set the service up; the connection for the first sentence is opened meanwhile."""
        await super().setup(setup)
        api = self._api()
        self._clients.preconnect_by(api.connect, ("google", self._credentials.base_url, id(api)), "tts")

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame, None]:
        """Speak a text.

        Yields:
            Audio frames at the rate that was asked for; an error frame when the vendor fails.
        """
        await self.start_tts_usage_metrics(text)
        try:
            for piece in split_text(text, _INPUT_BYTES):
                async with aclosing(self._speak(piece)) as speech:
                    async for pcm in speech:
                        await self.stop_ttfb_metrics()
                        yield TTSAudioRawFrame(pcm, self.sample_rate, 1, context_id=context_id)
        except Exception as error:
            if classify(error) is None:
                raise
            yield ErrorFrame("Google speech failed", exception=error)

    def _api(self) -> GoogleApi:
        return google_api(self._credentials, AUDIENCE, self._clients)

    async def _speak(self, text: str) -> AsyncGenerator[bytes, None]:
        """Speak a text of no more than `_INPUT_BYTES`, asking again while nothing was heard."""
        tries = 1 + self._retries
        while tries:
            tries -= 1
            heard = False
            try:
                async with aclosing(self._stream(text) if self._streams else self._sentence(text)) as pieces:
                    async for pcm in pieces:
                        heard = True
                        yield pcm
            except Exception as error:
                lost = classify(error) is ErrorCategory.CONNECTIVITY and not isinstance(error, TimeoutError)
                if heard or not tries or not lost:
                    raise
            else:
                return

    async def _stream(self, text: str) -> AsyncGenerator[bytes, None]:
        audio = StreamingAudioConfig(audio_encoding=AudioEncoding.PCM, sample_rate_hertz=self.sample_rate)
        config = StreamingSynthesizeConfig(voice=self._voice, streaming_audio_config=audio)
        requests = (
            StreamingSynthesizeRequest(streaming_config=config),
            StreamingSynthesizeRequest(input=StreamingSynthesisInput(text=text)),
        )
        odd = b""
        sent = map(StreamingSynthesizeRequest.serialize, requests)
        async with aclosing(self._ask("StreamingSynthesize", sent)) as messages:
            async for message in messages:
                pcm = odd + StreamingSynthesizeResponse.deserialize(message).audio_content
                whole = len(pcm) // 2 * 2
                odd = pcm[whole:]
                if whole:
                    yield pcm[:whole]

    async def _sentence(self, text: str) -> AsyncGenerator[bytes, None]:
        request = SynthesizeSpeechRequest(
            input=SynthesisInput(text=text),
            voice=self._voice,
            # Not every voice has the encoding that goes without a header.
            audio_config=AudioConfig(audio_encoding=AudioEncoding.LINEAR16, sample_rate_hertz=self.sample_rate),
        )
        size = int(self.sample_rate * _CHUNK_S) * 2
        async with aclosing(self._ask("SynthesizeSpeech", [SynthesizeSpeechRequest.serialize(request)])) as messages:
            async for message in messages:
                pcm = wav_samples(SynthesizeSpeechResponse.deserialize(message).audio_content)
                for start in range(0, len(pcm), size):
                    yield pcm[start : start + size]

    async def _ask(self, method: str, requests: Iterable[bytes]) -> AsyncGenerator[bytes, None]:
        call = self._api().call(f"{_SERVICE}/{method}", requests)
        try:
            async for message in call.responses(self._quiet_s):
                yield message
        finally:
            call.close()

    def _classify_error(self, exception: Exception) -> ErrorCategory | None:
        return classify(exception)


def split_text(text: str, limit_bytes: int) -> list[str]:
    """Cut a text into pieces that a request may hold.

    Args:
        text: What is to be said.
        limit_bytes: Longest piece, bytes of UTF-8.

    Returns:
        The pieces, cut at spaces where there are some.
    """
    pieces = []
    rest = text.encode()
    while len(rest) > limit_bytes:
        # A character is not cut in two: its bytes after the first are 10xxxxxx.
        end = next(index for index in range(limit_bytes, 0, -1) if rest[index] & 0xC0 != 0x80)
        space = rest.rfind(b" ", 1, end)
        end = space if space > 0 else end
        pieces.append(rest[:end].decode())
        rest = rest[end:].lstrip(b" ")
    return [*pieces, rest.decode()]


def wav_samples(wav: bytes) -> bytes:
    """Take the samples out of a WAV file.

    Args:
        wav: The file; the sizes in its header may be those of a stream, which are too large.

    Returns:
        What the ``data`` chunk holds, whole 16-bit samples.

    Raises:
        ValueError: It is no WAV file with samples.
    """
    if wav[:4] != b"RIFF" or wav[8:12] != b"WAVE":
        raise ValueError("no WAV file")
    at = 12
    while at + 8 <= len(wav):
        name, size = struct.unpack_from("<4sI", wav, at)
        at += 8
        if name == b"data":
            size = min(size, len(wav) - at)
            return wav[at : at + size // 2 * 2]
        at += size + size % 2
    raise ValueError("a WAV file without samples")


def build(row: ProviderRow, request: TtsRequest) -> GoogleVoice:
    """Make the service.

    Args:
        row: Google's row.
        request: What to make it from.
    """
    del row
    return GoogleVoice(
        clients=request.clients,
        credentials=request.credentials,
        voice=request.voice,
        language=request.language,
        sample_rate=request.sample_rate_hz,
    )
