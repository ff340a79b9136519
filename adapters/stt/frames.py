"""Frames that go to and come from the recognisers of this runtime beside Pipecat's own."""

from __future__ import annotations

from dataclasses import dataclass

from pipecat.frames.frames import DataFrame, SystemFrame


@dataclass
class SpeechNotUnderstoodFrame(DataFrame):
    """The caller has finished speaking and the recogniser is sure that it will give no text for it.

    Sent downstream in place of a final ``TranscriptionFrame``, right when decoding has ended, so that the turn logic
    can ask again at once and need not wait for a transcript that never comes.

    Attributes:
        duration_s: Length of the audio that was decoded, seconds, with the lead-in before the VAD's decision.
    """

    duration_s: float = 0.0


@dataclass
class TranscriptCompleteFrame(DataFrame):
    """The recogniser has no more text for the speech so far, and its last ``TranscriptionFrame`` did not say so."""


@dataclass
class CallerPausedFrame(SystemFrame):
    """The caller may have finished: a first silence, shorter than the one that ends speech.

    A recogniser that can be asked for its final result is asked now, so that it is there when the silence is confirmed.
    It is followed by ``VADUserStoppedSpeakingFrame`` or by `CallerResumedFrame`.

    Attributes:
        silence_s: How long the silence has lasted, seconds.
    """

    silence_s: float = 0.0


@dataclass
class CallerResumedFrame(SystemFrame):
    """The caller has not finished."""
