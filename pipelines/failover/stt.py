"""A recogniser with others behind it: the next one hears again what no transcript has told of."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection

from adapters.stt.frames import (
    CallerPausedFrame,
    CallerResumedFrame,
    SpeechNotUnderstoodFrame,
    TranscriptCompleteFrame,
)
from pipelines.failover.failover import Candidate, Failover
from pipelines.failover.failures import Seat

_LONGEST_S = 15.0
"""How much audio a successor hears again at most, seconds."""
_LEAD_IN_S = 1.0
"""How much audio is kept while the caller is silent, seconds: speech begins before the VAD is sure of it."""
_DOUBTFUL_S = 0.5
"""How much audio a final transcript in mid-speech is not taken to cover, where the recogniser does not say, seconds."""
_OVERLAP_WORDS = 6
"""How many words of that doubtful audio may come twice."""

_Voice = VADUserStartedSpeakingFrame | VADUserStoppedSpeakingFrame | CallerPausedFrame | CallerResumedFrame


@runtime_checkable
class TellsUnheard(Protocol):
    """A recogniser that knows which audio its final transcripts have covered."""

    @property
    def unheard_s(self) -> float:
        """How much of the latest audio is in no final transcript, seconds."""


@dataclass(slots=True)
class _Kept:
    frame: InputAudioRawFrame | _Voice
    passed: bool = False
    """Whether the recogniser has passed it on, so that nobody behind must get it again."""


class SttFailover(Failover):
    """The seat of the recogniser.

    The caller's audio, and when they spoke and fell silent, are kept until a final transcript covers them. A successor
    gets all of it at once, in order, and then what the caller says. Where the recogniser does not say how far its
    transcripts reach, words that come twice are dropped.

    Args:
        candidates: The recognisers, the best first.
    """

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        super().__init__(Seat.STT, candidates)
        self._kept: deque[_Kept] = deque()
        self._kept_s = 0.0
        self._speaking_before = False
        """Whether the caller spoke where what is kept begins."""
        self._unsettled = False
        """Whether there is speech in what is kept."""
        self._again: set[int] = set()
        self._last_words: list[str] = []
        self._overlaps = False

    @property
    def kept_s(self) -> float:
        """How much audio is kept, seconds."""
        return self._kept_s

    def _entering(self, frame: Frame, direction: FrameDirection) -> bool:
        if direction is FrameDirection.UPSTREAM:
            return False
        match frame:
            case InputAudioRawFrame():
                self._kept.append(_Kept(frame))
                self._kept_s += _seconds(frame)
                self._keep(_LONGEST_S if self._unsettled else _LEAD_IN_S)
                return True
            case _ if isinstance(frame, _Voice):
                self._unsettled = self._unsettled or isinstance(frame, VADUserStartedSpeakingFrame)
                self._kept.append(_Kept(frame))
                return True
        return False

    def _leaving(self, frame: Frame, direction: FrameDirection) -> bool:
        if direction is FrameDirection.UPSTREAM:
            return True
        match frame:
            case TranscriptionFrame():
                self._worked()
                return self._take_final(frame)
            case TranscriptCompleteFrame() | SpeechNotUnderstoodFrame():
                self._worked()
                self._settle_to_silence()
            case _ if isinstance(frame, _Voice):
                return self._take_passed(frame)
        return True

    async def _handover(self) -> Sequence[Frame]:
        self._again = {kept.frame.id for kept in self._kept if kept.passed}
        frames: list[Frame] = [kept.frame for kept in self._kept]
        if self._speaking_before:
            begun = VADUserStartedSpeakingFrame()
            self._again.add(begun.id)
            self._kept.appendleft(_Kept(begun, passed=True))
            self._speaking_before = False
            frames.insert(0, begun)
        self._overlaps = bool(self._last_words)
        return frames

    def _take_passed(self, frame: _Voice) -> bool:
        if frame.id in self._again:
            self._again.discard(frame.id)
            return False
        for kept in self._kept:
            if kept.frame is frame:
                kept.passed = True
        return True

    def _take_final(self, frame: TranscriptionFrame) -> bool:
        if self._overlaps:
            self._overlaps = False
            frame.text = without_overlap(self._last_words, frame.text)
        service = self.service
        if isinstance(service, TellsUnheard):
            self._last_words = []
            self._keep(service.unheard_s)
            self._unsettled = self._speaking_now
        elif frame.finalized:
            self._settle_to_silence()
        else:
            self._last_words = frame.text.split()[-_OVERLAP_WORDS:]
            self._keep(_DOUBTFUL_S)
        return bool(frame.text.strip()) or frame.finalized

    def _settle_to_silence(self) -> None:
        """Forget everything up to where the caller last fell silent: a final result was asked for there."""
        self._last_words = []
        last = max(
            (place for place, kept in enumerate(self._kept) if _is_silence(kept.frame)),
            default=-1,
        )
        for _ in range(last + 1):
            self._drop_oldest()
        self._unsettled = self._speaking_now

    @property
    def _speaking_now(self) -> bool:
        speaking = self._speaking_before
        for kept in self._kept:
            if isinstance(kept.frame, VADUserStartedSpeakingFrame):
                speaking = True
            elif isinstance(kept.frame, VADUserStoppedSpeakingFrame):
                speaking = False
        return speaking

    def _keep(self, longest_s: float) -> None:
        while self._kept and self._kept_s > longest_s + 1e-6:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        frame = self._kept.popleft().frame
        match frame:
            case InputAudioRawFrame():
                self._kept_s = max(0.0, self._kept_s - _seconds(frame))
            case VADUserStartedSpeakingFrame():
                self._speaking_before = True
            case VADUserStoppedSpeakingFrame():
                self._speaking_before = False


def without_overlap(before: Sequence[str], text: str) -> str:
    """Drop from the beginning of a transcript the words with which the one before it ended.

    Args:
        before: The last words of the one before.
        text: The transcript.
    """
    words = text.split()
    ended, begun = [_plain(word) for word in before], [_plain(word) for word in words]
    for count in range(min(len(ended), len(begun)), 0, -1):
        if ended[-count:] == begun[:count]:
            return " ".join(words[count:])
    return text


def _plain(word: str) -> str:
    return "".join(char for char in word.casefold() if char.isalnum())


def _seconds(frame: InputAudioRawFrame) -> float:
    return len(frame.audio) / 2 / frame.sample_rate


def _is_silence(frame: Frame) -> bool:
    return isinstance(frame, (VADUserStoppedSpeakingFrame, CallerPausedFrame))
