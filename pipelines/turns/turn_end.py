"""When the caller's turn is over: a state machine over speech, transcripts and Smart Turn's verdict.

It has no task and no clock. Moments are seconds on whatever clock the caller of it uses. `decide` says what is known at
a moment, `deadline_s` when to ask again if nothing else happens.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

_UNHEARD_PAUSE_S = 0.6
"""Text without any voice activity (a short, quiet "yes"): pause after the last of it that ends the turn, seconds."""
_SMART_TURN_SILENCE_S = 3.0
"""Silence that ends a turn which Smart Turn holds for unfinished, seconds (the model's own setting)."""


class TurnDecision(StrEnum):
    """How the turn ended."""

    COMPLETE = "complete"
    """The caller has finished, and there is text."""
    NOT_UNDERSTOOD = "not_understood"
    """The caller has finished, and nobody could make words of it."""


@dataclass(frozen=True, slots=True)
class TurnEndSettings:
    """How patient to be.

    Attributes:
        speech_timeout_s: Silence on top of the VAD's own window that ends a turn, seconds. Not with Smart Turn.
        smart_turn: Whether a verdict of Smart Turn is to be waited for.
        transcript_wait_s: How long after the VAD's stop a recogniser may still bring text when it does not say that it
            is done, seconds.
        no_text_wait_s: How long after the VAD's stop to wait for any text at all, seconds.
    """

    speech_timeout_s: float = 0.0
    smart_turn: bool = False
    transcript_wait_s: float = 0.15
    no_text_wait_s: float = 2.0


class TurnEnd:
    """Decides the end of one turn after the other.

    Args:
        settings: How patient to be. May be replaced between events (a recogniser says how late it is once it runs).
    """

    def __init__(self, settings: TurnEndSettings) -> None:
        self.settings = settings
        self._speaking = False
        self._paused = False
        self._silent_since_s: float | None = None
        self._stopped_s: float | None = None
        self._finished: bool | None = None
        self._text = False
        self._text_s = 0.0
        self._final = False
        self._settled = False
        self._nothing_understood = False

    @property
    def speaking(self) -> bool:
        """Whether the VAD holds the caller for speaking."""
        return self._speaking

    @property
    def paused(self) -> bool:
        """Whether the caller is silent for the moment, and the VAD has not confirmed it."""
        return self._paused

    @property
    def may_be_over(self) -> bool:
        """Whether the caller is silent for the moment and nothing is known that speaks against the end of the turn."""
        finished = bool(self._finished) or not self.settings.smart_turn
        return self._silent and self._text and self._settled and finished

    @property
    def _silent(self) -> bool:
        return self._paused or not self._speaking

    def turn_started(self) -> None:
        """Begin a turn. Whether the caller is speaking stays known."""
        self._stopped_s = self._silent_since_s = self._finished = None
        self._text = self._final = self._settled = self._nothing_understood = False

    def turn_stopped(self) -> None:
        """Forget the turn."""
        self.turn_started()

    def voice_started(self) -> None:
        """The VAD confirmed speech: whatever seemed to be an end was a pause."""
        self._speaking = True
        self._paused = False
        self._stopped_s = self._silent_since_s = self._finished = None
        self._final = self._settled = self._nothing_understood = False

    def voice_paused(self) -> None:
        """The speech may be over; the VAD has not confirmed it."""
        self._paused = True
        self._settled = False

    def voice_resumed(self) -> None:
        """It was not over."""
        self._paused = False
        self._finished = None
        self._final = self._settled = self._nothing_understood = False

    def voice_stopped(self, now_s: float, silence_s: float) -> None:
        """The VAD confirmed silence, which began `silence_s` ago."""
        self._speaking = self._paused = False
        self._stopped_s = now_s
        self._silent_since_s = now_s - silence_s

    def interim(self) -> None:
        """More text is on its way."""
        self._final = self._settled = False

    def transcript(self, now_s: float, *, final: bool) -> None:
        """Text arrived.

        Args:
            now_s: The moment.
            final: Whether the recogniser says that nothing more follows for this speech.
        """
        self._text = True
        self._text_s = now_s
        self._final = self._final or final
        self._settled = self._silent and final
        self._nothing_understood = False

    def text_complete(self) -> None:
        """The recogniser says that it has no more text for the speech so far."""
        self._final = self._settled = self._text and self._silent

    def nothing_understood(self) -> None:
        """The recogniser says that it could make nothing of the speech."""
        self._nothing_understood = True

    def verdict(self, *, finished: bool) -> None:
        """Smart Turn judged the last pause. Too late once the caller speaks again."""
        if not self._speaking or self._paused:
            self._finished = finished

    def listen_again(self, now_s: float) -> None:
        """Another recogniser hears the last speech again: it has the whole wait for text."""
        if self._stopped_s is not None and not self._text:
            self._stopped_s = max(self._stopped_s, now_s)

    def decide(self, now_s: float) -> TurnDecision | None:
        """Say whether the turn is over at this moment; None for not yet."""
        if self._speaking:
            return None
        if self._text:
            return TurnDecision.COMPLETE if now_s >= self._complete_at_s() else None
        if self._stopped_s is None:
            return None
        return TurnDecision.NOT_UNDERSTOOD if now_s >= self._give_up_at_s(self._stopped_s) else None

    def deadline_s(self) -> float | None:
        """Return the moment at which the turn ends if nothing else happens; None when only an event can end it."""
        if self._speaking:
            return None
        if self._text:
            return self._complete_at_s()
        return None if self._stopped_s is None else self._give_up_at_s(self._stopped_s)

    def _complete_at_s(self) -> float:
        if self._stopped_s is None:
            return self._text_s if self._final else self._text_s + _UNHEARD_PAUSE_S
        text_s = self._text_s if self._final else self._stopped_s + self.settings.transcript_wait_s
        return max(text_s, self._silence_enough_s(self._stopped_s))

    def _give_up_at_s(self, stopped_s: float) -> float:
        wait_s = 0.0 if self._nothing_understood else self.settings.no_text_wait_s
        return max(stopped_s + wait_s, self._silence_enough_s(stopped_s))

    def _silence_enough_s(self, stopped_s: float) -> float:
        if not self.settings.smart_turn:
            return stopped_s + self.settings.speech_timeout_s
        if self._finished:
            return stopped_s
        silent_since_s = stopped_s if self._silent_since_s is None else self._silent_since_s
        return silent_since_s + _SMART_TURN_SILENCE_S
