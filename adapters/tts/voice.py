"""What every vendor's voice owes the call, whatever goes wrong at the vendor."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, ClassVar

from pipecat.frames.frames import ErrorFrame, Frame, TTSAudioRawFrame, TTSStartedFrame, TTSStoppedFrame, TTSTextFrame
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.tts_service import TTSService
from pipecat.utils.errors import ErrorCategory

from adapters.vendor_errors import classify


@dataclass
class Speech:
    """How far one audio context has come.

    Attributes:
        asked: The vendor was told that no more text comes, so it owes an end.
        audio: Some audio has come.
        ended: The vendor said that all audio was sent.
        failed: Something went wrong with it, and an error frame says so.
        started: A ``TTSStartedFrame`` was pushed.
        stopped: A ``TTSStoppedFrame`` was pushed.
    """

    asked: bool = False
    audio: bool = False
    ended: bool = False
    failed: bool = False
    started: bool = False
    stopped: bool = False


class Voice(TTSService):
    """To be placed before one of Pipecat's services in the bases of a class.

    - What an SDK raises gets a category, so that a refused key makes the service unusable.
    - A text that cannot be spoken ends at once; Pipecat's services hold the pipeline for seconds.
    - A text of which nothing was spoken does not enter the conversation.
    - A vendor that falls silent in mid-sentence is an error frame of category ``CONNECTIVITY``.
    - Every ``TTSStartedFrame`` is followed by one ``TTSStoppedFrame``, an interruption aside.
    """

    times_words: ClassVar[bool] = False
    """Whether the vendor says when each word is spoken, so that text always comes after audio."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._speeches: dict[str, Speech] = {}

    async def report(self, context_id: str, message: str, error: Exception | None = None) -> None:
        """Push an error frame for an audio context, the first time that something goes wrong with it."""
        speech = self._speech(context_id)
        if not (speech.failed or speech.ended):
            speech.failed = True
            await self.push_error_frame(ErrorFrame(message, exception=error, category=ErrorCategory.CONNECTIVITY))

    async def append_to_audio_context(self, context_id: str | None, frame: Any) -> None:
        """Append to a context, noting how far it has come."""
        if context_id:
            speech = self._speech(context_id)
            match frame:
                case TTSAudioRawFrame():
                    speech.audio = True
                case TTSStoppedFrame():
                    speech.ended = True
                case ErrorFrame():
                    speech.failed = True
        await super().append_to_audio_context(context_id, frame)
        if context_id and not self.audio_context_available(context_id):
            self._speeches.pop(context_id, None)

    async def push_frame(self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM) -> None:
        """Push a frame on, except text of which nothing was spoken."""
        if isinstance(frame, TTSStartedFrame | TTSStoppedFrame | TTSTextFrame) and frame.context_id in self._speeches:
            speech = self._speeches[frame.context_id]
            if isinstance(frame, TTSStartedFrame):
                speech.started = True
            elif isinstance(frame, TTSStoppedFrame):
                speech.stopped = True
            elif not speech.audio and (speech.failed or self.times_words or not self.is_usable):
                return
        await super().push_frame(frame, direction)

    async def tts_process_generator(self, context_id: str, generator: AsyncGenerator[Frame | None, None]) -> None:
        """Speak a text; a context for which that failed gets nothing more."""
        await super().tts_process_generator(context_id, generator)
        await self._close_failed(context_id)

    async def flush_audio(self, context_id: str | None = None) -> None:
        """Ask the vendor for the rest of the audio, noting that an end is due."""
        if context_id and self.audio_context_available(context_id):
            self._speech(context_id).asked = True
            if not self.is_usable:
                await self._close_failed(context_id)
                return
        await super().flush_audio(context_id)

    async def on_audio_context_completed(self, context_id: str) -> None:
        """Complete a context; one that the vendor never ended gets its end here."""
        speech = self._speech(context_id)
        if speech.asked and speech.audio:
            await self.report(context_id, "the voice fell silent in mid-sentence")
        if speech.started and not speech.stopped:
            await self.push_frame(TTSStoppedFrame(context_id=context_id))
        self._speeches.pop(context_id, None)
        await super().on_audio_context_completed(context_id)

    async def on_audio_context_interrupted(self, context_id: str) -> None:
        """Forget an interrupted context."""
        self._speeches.pop(context_id, None)
        await super().on_audio_context_interrupted(context_id)

    def _speech(self, context_id: str) -> Speech:
        return self._speeches.setdefault(context_id, Speech())

    async def _close_failed(self, context_id: str) -> None:
        speech = self._speeches.get(context_id, Speech())
        if (speech.failed or not self.is_usable) and self.audio_context_available(context_id):
            await self.remove_audio_context(context_id)

    def _classify_error(self, exception: Exception) -> ErrorCategory | None:
        return classify(exception)
