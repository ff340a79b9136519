"""A voice with others behind it: the sentence that broke off is spoken on from its last word with the next voice."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from pipecat.frames.frames import (
    AggregatedTextFrame,
    ControlFrame,
    Frame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    SystemFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.utils.text.base_text_aggregator import TextType

from pipelines.failover.failover import Candidate, Failover
from pipelines.failover.failures import Seat
from pipelines.speech.spoken_part import SpeakingRate, letters_in, without_letters, words_within

_Text = LLMTextFrame | TTSSpeakFrame


@dataclass
class VoiceChangedFrame(ControlFrame):
    """What follows is spoken by another vendor's voice."""


class TtsFailover(Failover):
    """The seat of the voice.

    What a voice has sent goes on being played. The next voice gets the text that the failed one had and has not
    spoken: which that is, is told by the words that came with the audio, and within a sentence whose words the vendor
    does not time, by how long its audio is. Letters and digits are counted, so that it does not matter how a vendor
    cuts its text.

    Args:
        candidates: The voices, the best first.
    """

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        super().__init__(Seat.TTS, candidates)
        self._script: deque[Frame] = deque()
        """What the voice got and has not done with, in order."""
        self._announced = 0
        self._spoken = 0
        """Letters of the script's texts that the voice has begun on, and those that it has spoken."""
        self._audio_ms = 0.0
        """Audio since the last text that is known to be spoken, milliseconds."""
        self._times_words = False
        self._rate = SpeakingRate()
        self._context: str | None = None
        """The speech that has begun and not ended."""
        self._answering = False
        self._again: LLMFullResponseStartFrame | None = None

    def _entering(self, frame: Frame, direction: FrameDirection) -> bool:
        if isinstance(frame, InterruptionFrame):
            self._script = deque(it for it in self._script if not it.interruptible)
            self._answering = False
            self._context = None
            self._begin_text()
        if isinstance(frame, SystemFrame) or direction is FrameDirection.UPSTREAM:
            return False
        self._script.append(frame)
        return True

    def _leaving(self, frame: Frame, direction: FrameDirection) -> bool:
        if direction is FrameDirection.UPSTREAM:
            return True
        match frame:
            case TTSAudioRawFrame():
                self._audio_ms += len(frame.audio) / 2 / (frame.sample_rate or 1) * 1000
            case TTSTextFrame():
                self._take_spoken(frame)
            case AggregatedTextFrame():
                if frame.will_be_spoken:
                    self._announced += letters_in(frame.text)
            case TTSStartedFrame():
                self._context = frame.context_id
            case TTSStoppedFrame():
                self._take_stop()
            case _ if frame is self._again:
                self._again = None
                return False
            case _:
                if isinstance(frame, (LLMFullResponseStartFrame, LLMFullResponseEndFrame)):
                    self._answering = isinstance(frame, LLMFullResponseStartFrame)
                self._done_with(frame)
        return True

    def _busy(self) -> bool:
        return self._context is not None or any(isinstance(it, _Text) for it in self._script)

    async def _handover(self) -> Sequence[Frame]:
        await self.push_frame(VoiceChangedFrame())
        await self._close_speech()
        left, self._spoken = self._spoken, 0
        frames: list[Frame] = []
        for frame in self._script:
            if isinstance(frame, _Text) and left:
                text = frame.text
                rest = without_letters(text, left)
                left = max(0, left - letters_in(text))
                if letters_in(rest):
                    frames.append(_with_text(frame, rest))
                continue
            frames.append(frame)
        self._script = deque(frames)
        if self._answering:
            self._again = LLMFullResponseStartFrame()
            frames.insert(0, self._again)
        self._begin_text()
        return frames

    async def _close_speech(self) -> None:
        """End what the failed voice was saying, with the words of it that the caller will hear."""
        context, self._context = self._context, None
        if context is None:
            return
        if not self._times_words and self._audio_ms > 0:
            begun = max(0, self._announced - self._spoken)
            texts = "".join(it.text for it in self._script if isinstance(it, _Text))
            words = words_within(without_letters(texts, self._spoken), min(begun, self._rate.letters(self._audio_ms)))
            if words:
                self._spoken += letters_in(words)
                spoken = TTSTextFrame(words, text_type=TextType.SENTENCE)
                spoken.context_id = context
                await self.push_frame(spoken)
        await self.push_frame(TTSStoppedFrame(context_id=context))

    def _take_spoken(self, frame: TTSTextFrame) -> None:
        count = letters_in(frame.text)
        self._spoken += count
        if frame.pts:
            self._times_words = True
        else:
            self._rate.learn(count, self._audio_ms)
        self._audio_ms = 0.0

    def _take_stop(self) -> None:
        self._context = None
        if self._spoken:
            self._worked()
        self._audio_ms = 0.0
        first = next(iter(self._script), None)
        if isinstance(first, TTSSpeakFrame) and not self._answering:
            self._done_with(first)

    def _done_with(self, frame: Frame) -> None:
        """Forget the script up to a frame: a voice does one thing after the other."""
        if not any(it is frame for it in self._script):
            return
        while True:
            done = self._script.popleft()
            if isinstance(done, _Text):
                self._spoken = max(0, self._spoken - letters_in(done.text))
                self._announced = max(0, self._announced - letters_in(done.text))
            if done is frame:
                break
        if not any(isinstance(it, _Text) for it in self._script):
            self._begin_text()

    def _begin_text(self) -> None:
        self._announced = self._spoken = 0
        self._audio_ms = 0.0


def _with_text(frame: _Text, text: str) -> _Text:
    if isinstance(frame, LLMTextFrame):
        rest: _Text = LLMTextFrame(text)
    else:
        rest = TTSSpeakFrame(text, append_to_context=frame.append_to_context)
    rest.interruptible = frame.interruptible
    return rest
