"""Amazon Polly's SynthesizeSpeech (https://docs.aws.amazon.com/polly/latest/dg/API_SynthesizeSpeech.html)."""

from __future__ import annotations

import asyncio
import re
import textwrap
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from functools import partial
from html import unescape
from typing import Any

from botocore.exceptions import ClientError  # type: ignore[import-untyped]
from pipecat.frames.frames import ErrorFrame, Frame, TTSAudioRawFrame
from pipecat.processors.frame_processor import FrameProcessorSetup
from pipecat.services.settings import TTSSettings
from pipecat.utils.errors import ErrorCategory

from adapters.aws import aws_client
from adapters.requests import TtsRequest
from adapters.seats import ProviderRow
from adapters.tts.polly_voices import PollyVoices, VoiceFacts
from adapters.tts.voice import Voice
from adapters.vendor_errors import classify

_PIECE_S = 0.1
_LONGEST_TEXT = 3000
"""Most characters that Polly takes in one request."""


class PollyVoice(Voice):
    """A voice of Polly's, through the process's shared client.

    Pipecat's service makes a client, and with it a TLS connection, for each sentence, reads the whole answer before it
    passes on the first sample, asks for 16 kHz always and loses the end when that is resampled. It has no hook for any
    of this, so nothing of it is used.

    Each piece of audio, the first one included, must come within `VendorLimits.voice_quiet_s`. An interruption closes
    the connection.

    Args:
        request: What to make it from.
        **kwargs: Arguments of Pipecat's base class.
    """

    Settings = TTSSettings
    _settings: TTSSettings

    def __init__(self, *, request: TtsRequest, **kwargs: Any) -> None:
        clients, credentials, options = request.clients, request.credentials, request.options
        self._quiet_s = clients.limits.voice_quiet_s
        super().__init__(
            push_start_frame=True,
            push_stop_frames=True,
            stop_frame_timeout_s=2 * self._quiet_s,
            sample_rate=request.sample_rate_hz,
            settings=TTSSettings(model=None, voice=request.voice, language=None),
            **kwargs,
        )
        self._clients = clients
        self._credentials = credentials
        self._language_code = request.language
        self._engine = options.get("engine", "")
        self._ssml = options.get("text_type") == "ssml"
        self._client = client = aws_client("polly", credentials, options, clients, self._quiet_s)
        self._voices = clients.shared(("polly voices", client), lambda: PollyVoices(client))
        self._may_list = True

    def can_generate_metrics(self) -> bool:
        """Say that this service measures its latency."""
        return True

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        """Set the service up; what the first sentence needs is opened and asked for meanwhile."""
        await super().setup(setup)
        self._client.preconnect("tts")
        if self._needs_facts:
            ask = partial(self._voices.facts, self._credentials, str(self._settings.voice))
            self._clients.preconnect_by(ask, self._voices, "voices")

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        """Speak a text.

        Args:
            text: What to say.
            context_id: The turn it belongs to.

        Yields:
            Audio frames at the service's rate; an error frame when the vendor fails.
        """
        try:
            async with aclosing(self._speak(text)) as speech:
                async for audio in speech:
                    await self.stop_ttfb_metrics()
                    yield TTSAudioRawFrame(audio, self.sample_rate, 1, context_id=context_id)
        except Exception as error:
            if classify(error) is None:
                raise
            # What Amazon says of a wrong signature quotes the request, so nothing of it is logged.
            yield ErrorFrame(f"Polly failed: {type(error).__name__}", exception=error)

    async def _speak(self, text: str) -> AsyncGenerator[bytes, None]:
        facts = await self._facts()
        await self.start_tts_usage_metrics(text)
        for part in self._parts(text):
            async with aclosing(self._synthesize(part, facts)) as audio:
                async for piece in audio:
                    yield piece

    def _parts(self, text: str) -> Iterator[str]:
        if self._ssml:
            # Where a document could be cut is not known, and its tags do not count.
            yield text
        else:
            yield from textwrap.wrap(text, _LONGEST_TEXT, replace_whitespace=False, drop_whitespace=True)

    async def _synthesize(self, text: str, facts: VoiceFacts) -> AsyncGenerator[bytes, None]:
        async with asyncio.timeout(self._quiet_s):
            body = await self._ask(text, facts)
        try:
            odd = b""
            while True:
                async with asyncio.timeout(self._quiet_s):
                    data = await body.read(int(self.sample_rate * _PIECE_S) * 2)
                if not data:
                    break
                whole = odd + data
                end = len(whole) // 2 * 2
                odd = whole[end:]
                if end:
                    yield whole[:end]
        finally:
            # Of an answer that was read to its end, this leaves the connection open.
            body.close()

    async def _ask(self, text: str, facts: VoiceFacts) -> Any:
        parameters = {
            "OutputFormat": "pcm",
            "SampleRate": str(self.sample_rate),
            "VoiceId": str(self._settings.voice),
        }
        engine = self._engine or facts.engine
        if engine:
            parameters["Engine"] = engine
        language = facts.language_for(self._language_code)
        if language:
            parameters["LanguageCode"] = language
        synthesize = partial(self._client.ask, self._credentials, "synthesize_speech")
        if not self._ssml:
            answer = await synthesize(parameters | {"Text": text, "TextType": "text"})
        else:
            try:
                answer = await synthesize(parameters | {"Text": _document(text), "TextType": "ssml"})
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") != "InvalidSsmlException":
                    raise
                # A model forgets to close a tag now and then; its words are worth more than their intonation.
                answer = await synthesize(parameters | {"Text": _words(text), "TextType": "text"})
        body = answer["AudioStream"]
        if not answer.get("ContentType", "").startswith("audio/"):
            # What a gateway in between says with status 200 must not be played.
            body.close()
            raise ValueError("what came is no audio")
        return body

    @property
    def _needs_facts(self) -> bool:
        return self._may_list and not (self._engine and not self._language_code)

    async def _facts(self) -> VoiceFacts:
        if not self._needs_facts:
            return VoiceFacts()
        try:
            async with asyncio.timeout(self._quiet_s):
                return await self._voices.facts(self._credentials, str(self._settings.voice))
        except ClientError as error:
            if classify(error) is not ErrorCategory.AUTHORIZATION:
                raise
            # A key may be restricted to speech.
            self._may_list = False
            return VoiceFacts()


def _document(text: str) -> str:
    return text if text.lstrip().startswith("<speak") else f"<speak>{text}</speak>"


def _words(text: str) -> str:
    return unescape(re.sub(r"<[^>]*>", " ", text)).strip()


def build(row: ProviderRow, request: TtsRequest) -> PollyVoice:
    """Make the service.

    Args:
        row: Polly's row.
        request: What to make it from.
    """
    del row
    return PollyVoice(request=request)
