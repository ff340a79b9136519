"""Frames that a recogniser of this runtime sends beside Pipecat's own."""

from __future__ import annotations

from dataclasses import dataclass

from pipecat.frames.frames import DataFrame


@dataclass
class SpeechNotUnderstoodFrame(DataFrame):
    """The caller has finished speaking and the recogniser is sure that it will give no text for it.

    Sent downstream in place of a final ``TranscriptionFrame``, right when decoding has ended, so that the turn logic
    can ask again at once and need not wait for a transcript that never comes.

    Attributes:
        duration_s: Length of the audio that was decoded, seconds, with the lead-in before the VAD's decision.
    """

    duration_s: float = 0.0
