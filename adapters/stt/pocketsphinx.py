"""The embedded recogniser: pocketsphinx behind Pipecat's speech-to-text contract. For demos and tests.

It listens only between the VAD's start and stop frames, decodes while the caller speaks, and knows just the phrases it
is given. Decoding runs on one thread of the process (`docs/embedded.md` has the figures).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import Any

from loguru import logger
from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    InterimTranscriptionFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.settings import STTSettings
from pipecat.services.stt_service import STTService
from pipecat.transcriptions.language import Language
from pipecat.utils.time import time_now_iso8601

from adapters.stt.frames import SpeechNotUnderstoodFrame
from adapters.stt.lead_in import LeadIn
from adapters.stt.pocketsphinx_model import MIN_SCORE, RecognizerPool, grammar_phrases
from models.errors import AicallError, InvalidField

TTFS_P99_S = 0.3
"""From the end of speech to the final transcript, seconds, with the VAD's stop_secs of 0.2 in it (measured)."""

_PIECE_S = 0.1
_MAX_UTTERANCE_S = 30.0


class PocketsphinxSTTService(STTService):
    """Recognises a set of English phrases, with no key and no network.

    Push audio at any rate (16 kHz is best, 8 kHz telephone audio works), and VAD frames with it. For each stretch of
    speech there is either one final ``TranscriptionFrame`` or one `SpeechNotUnderstoodFrame`, in the order of speech.
    Interim frames carry the beginning of the likeliest phrase, from two words on, not yet checked for fit.

    Args:
        phrases: What callers may say, usually `Script.phrases()`. Case and punctuation do not matter. Phrases with a
            word that the dictionary lacks (digits, names) are left out with a warning. Empty: the general English
            model, slow (0.3 to 0.5 of real time) and often wrong.
        min_score: Lowest confidence that counts as understood (`Recognition.score`).
        audio_passthrough: Whether audio frames go on downstream.
        ttfs_p99_latency: See `TTFS_P99_S`.
        sample_rate: Rate of the incoming audio, Hz; None for the pipeline's.

    Raises:
        InvalidField: Phrases were given and none of them can be recognised.
        ProviderError: pocketsphinx is not installed.
    """

    Settings = STTSettings

    def __init__(
        self,
        *,
        phrases: Sequence[str] = (),
        min_score: float = MIN_SCORE,
        audio_passthrough: bool = False,
        ttfs_p99_latency: float | None = TTFS_P99_S,
        sample_rate: int | None = None,
        **kwargs: Any,
    ) -> None:
        if isinstance(phrases, str):
            raise InvalidField("phrases", "must be a list of phrases")
        super().__init__(
            audio_passthrough=audio_passthrough,
            ttfs_p99_latency=ttfs_p99_latency,
            sample_rate=sample_rate,
            settings=STTSettings(model="en-us", language=Language.EN_US),
            **kwargs,
        )
        self._phrases = grammar_phrases(tuple(phrases))
        self._min_score = min_score
        self._lead_in = LeadIn()
        self._utterance: _Utterance | None = None
        self._decoding: set[asyncio.Task[None]] = set()
        self._cepstral_mean = ""

    def can_generate_metrics(self) -> bool:
        """Say that this service measures its latency."""
        return True

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Follow the VAD's frames beside what the base class does."""
        await super().process_frame(frame, direction)
        if isinstance(frame, VADUserStartedSpeakingFrame):
            self._begin(frame.start_secs)
        elif isinstance(frame, VADUserStoppedSpeakingFrame):
            self._end()

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
        """Take audio of the caller; the transcripts come from the decoding task.

        Args:
            audio: 16-bit signed little-endian mono PCM at `sample_rate`.
        """
        if self._utterance is not None:
            self._utterance.add(audio)
        else:
            self._lead_in.add(audio, self.sample_rate)
        yield None

    async def stop(self, frame: EndFrame) -> None:
        """Stop listening; speech that was not finished is dropped."""
        await super().stop(frame)
        await self._drop()

    async def cancel(self, frame: CancelFrame) -> None:
        """Stop listening at once."""
        await super().cancel(frame)
        await self._drop()

    async def cleanup(self) -> None:
        """Release the decoders."""
        await super().cleanup()  # type: ignore[no-untyped-call]
        await self._drop()

    def _bytes(self, duration_s: float) -> int:
        return int(duration_s * self.sample_rate) * 2

    def _begin(self, start_s: float) -> None:
        self._end()
        utterance = _Utterance(piece_bytes=self._bytes(_PIECE_S), max_bytes=self._bytes(_MAX_UTTERANCE_S))
        utterance.add(self._lead_in.cut(self.sample_rate, start_s))
        self._utterance = utterance
        task = self.create_task(self._decode(utterance), name="decode")
        self._decoding.add(task)
        task.add_done_callback(self._decoding.discard)

    def _end(self) -> None:
        if self._utterance is not None:
            self._utterance.close()
            self._utterance = None

    async def _drop(self) -> None:
        self._utterance = None
        for task in tuple(self._decoding):
            await self.cancel_task(task)

    async def _decode(self, utterance: _Utterance) -> None:
        run = partial(asyncio.get_running_loop().run_in_executor, _worker())
        shown = ""
        try:
            recognizer = await run(_pool().borrow, self._phrases)
            try:
                await run(recognizer.begin, self.sample_rate, self._cepstral_mean, self._min_score)
                while (piece := await utterance.pieces.get()) is not None:
                    text = (await run(recognizer.feed, piece)).text
                    # A single word is what silence and noise begin with, too.
                    if " " in text and text != shown:
                        shown = text
                        await self.push_frame(InterimTranscriptionFrame(text, self._user_id, time_now_iso8601()))
                recognition = await run(recognizer.finish)
                self._cepstral_mean = recognizer.cepstral_mean
            finally:
                # Behind whatever is still in the thread, and without waiting: the task may have been cancelled.
                _worker().submit(_pool().give_back, self._phrases, recognizer)
        except AicallError as error:
            await self.push_error(error_msg=error.message, exception=error)
            return
        logger.debug("{}: score {:.1f}, understood: {}", self, recognition.score, bool(recognition.text))
        if recognition.text:
            await self.push_frame(
                TranscriptionFrame(recognition.text, self._user_id, time_now_iso8601(), Language.EN_US, finalized=True)
            )
        else:
            await self.push_frame(SpeechNotUnderstoodFrame(duration_s=utterance.length_bytes / 2 / self.sample_rate))
        await self.emit_stt_usage_metrics()  # type: ignore[no-untyped-call]


class _Utterance:
    """Audio on its way to the decoder, in pieces large enough to be worth a thread hop."""

    def __init__(self, *, piece_bytes: int, max_bytes: int) -> None:
        self.pieces: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.length_bytes = 0
        self._piece_bytes = piece_bytes
        self._max_bytes = max_bytes
        self._pending = bytearray()

    def add(self, audio: bytes) -> None:
        """Take more audio; what exceeds the longest utterance is dropped, since no phrase is that long."""
        audio = audio[: self._max_bytes - self.length_bytes]
        self.length_bytes += len(audio)
        self._pending += audio
        if len(self._pending) >= self._piece_bytes:
            self.pieces.put_nowait(bytes(self._pending))
            self._pending.clear()

    def close(self) -> None:
        """Let the decoder finish."""
        if self._pending:
            self.pieces.put_nowait(bytes(self._pending))
        self.pieces.put_nowait(None)


@lru_cache(maxsize=1)
def _worker() -> ThreadPoolExecutor:
    # One thread: the decoder holds the GIL, and each utterance's pieces must stay in order.
    return ThreadPoolExecutor(1, "aicall-pocketsphinx")


@lru_cache(maxsize=1)
def _pool() -> RecognizerPool:
    return RecognizerPool()


# A forked child inherits the executor but not its thread.
os.register_at_fork(after_in_child=_worker.cache_clear)
