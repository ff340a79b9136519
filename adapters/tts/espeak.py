"""The embedded voice: espeak-ng behind Pipecat's text-to-speech contract, and as plain functions.

No key, no network. Every word is reported with the time at which it is heard, so that after a barge-in the conversation
holds exactly the words that were played.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from typing import Any

from pipecat.frames.frames import Frame, TTSAudioRawFrame
from pipecat.services.settings import TTSSettings
from pipecat.services.tts_service import TTSService

from adapters.tts.espeak_engine import DEFAULT_RATE_WPM, DEFAULT_VOICE, Utterance, shared_engine
from models.errors import AicallError

_PIECE_S = 0.1


def synthesize(
    text: str, voice: str = DEFAULT_VOICE, sample_rate_hz: int = 16_000, *, rate_wpm: int = DEFAULT_RATE_WPM
) -> bytes:
    """Speak a text, waiting for the result. For scripts and tests; `synthesize_async` is for event loops.

    Args:
        text: What to say.
        voice: espeak-ng voice with an optional variant: ``en-us``, ``en-gb``, ``en-us+f3``.
        sample_rate_hz: Rate of the result, Hz.
        rate_wpm: Speaking rate, words per minute.

    Returns:
        16-bit signed little-endian mono PCM, at about -2 dB below full scale in its peaks.

    Raises:
        InvalidField: No such voice, or the rate is out of range.
        ProviderError: espeak-ng is not installed.
    """
    return shared_engine().synthesize(text, voice, sample_rate_hz, rate_wpm).result().pcm


async def synthesize_async(
    text: str, voice: str = DEFAULT_VOICE, sample_rate_hz: int = 16_000, *, rate_wpm: int = DEFAULT_RATE_WPM
) -> bytes:
    """Speak a text without blocking the event loop; arguments, result and errors as in `synthesize`."""
    return (await _utterance(text, voice, sample_rate_hz, rate_wpm)).pcm


def list_voices() -> tuple[str, ...]:
    """Return the voice names of this build, sorted, without variants (``+f3``).

    Raises:
        ProviderError: espeak-ng is not installed.
    """
    return shared_engine().voices().result()


async def _utterance(text: str, voice: str, sample_rate_hz: int, rate_wpm: int) -> Utterance:
    return await asyncio.wrap_future(shared_engine().synthesize(text, voice, sample_rate_hz, rate_wpm))


class EspeakTTSService(TTSService):
    """Speaks with espeak-ng, sentence by sentence, with word times.

    Args:
        voice: espeak-ng voice with an optional variant.
        rate_wpm: Speaking rate, words per minute.
        sample_rate: Rate of the audio that is pushed, Hz; None for the pipeline's.
        settings: Overrides of `voice` by Pipecat's own settings object.
    """

    Settings = TTSSettings
    _settings: TTSSettings

    def __init__(
        self,
        *,
        voice: str = DEFAULT_VOICE,
        rate_wpm: int = DEFAULT_RATE_WPM,
        sample_rate: int | None = None,
        settings: TTSSettings | None = None,
        **kwargs: Any,
    ) -> None:
        effective = TTSSettings(model="espeak-ng", voice=voice, language=None)
        if settings is not None:
            effective.apply_update(settings)
        super().__init__(
            push_text_frames=False,
            push_start_frame=True,
            push_stop_frames=True,
            sample_rate=sample_rate,
            settings=effective,
            **kwargs,
        )
        self._rate_wpm = rate_wpm
        self._timed_context_id = ""
        self._context_s = 0.0

    def can_generate_metrics(self) -> bool:
        """Say that this service measures its latency."""
        return True

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        """Synthesise one sentence.

        Args:
            text: What to say.
            context_id: The turn it belongs to; word times run on over the sentences of a turn.

        Yields:
            Audio in pieces of 100 ms. An unknown voice or a missing library is an error frame, and leaves the service
            unusable until its settings change.
        """
        try:
            utterance = await _utterance(text, str(self._settings.voice), self.sample_rate, self._rate_wpm)
        except AicallError as error:
            await self.push_error(error_msg=error.message, exception=error, force_treat_as_permanent=True)
            # Without any audio the base class would keep the turn open for seconds.
            await self.remove_audio_context(context_id)
            return
        await self.start_tts_usage_metrics(text)
        if context_id != self._timed_context_id:
            self._timed_context_id, self._context_s = context_id, 0.0
        begin_s = self._context_s
        self._context_s += utterance.duration_s
        words = deque((word.text, begin_s + word.start_s) for word in utterance.words)
        size = int(_PIECE_S * self.sample_rate) * 2
        for offset in range(0, len(utterance.pcm), size):
            end_s = begin_s + (offset + size) / 2 / self.sample_rate
            # Each word goes with its own audio, so that a word behind the audio that was dropped is never reported.
            while words and words[0][1] < end_s:
                await self.add_word_timestamps([words.popleft()], context_id)
            yield TTSAudioRawFrame(utterance.pcm[offset : offset + size], self.sample_rate, 1, context_id=context_id)
        await self.add_word_timestamps(list(words), context_id)
