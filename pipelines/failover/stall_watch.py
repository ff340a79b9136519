"""Notices a vendor that falls silent: a connection that stands and from which nothing comes.

The caller must not sit in silence. Whoever the call waits for, the recogniser, then the model, then the voice, must
show a sign of life within a limit of its own. Who is waited for is also what `pipelines.speech.filler` goes by.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from pipelines.failover.failures import Seat

_ONE_WAIT_S = 1.0
"""How soon a question that follows an answer without words is the same one again, seconds."""


@dataclass(frozen=True, slots=True)
class StallLimits:
    """Longest silence of whoever is waited for, seconds.

    The filler explains the silence from 1.5 s after the end of the caller's turn. The recogniser comes before that
    end, so its limit is as long as the filler's wait; model and voice have the time that a filler gives them.

    Attributes:
        stt_s: From the moment at which the VAD is sure that the caller has fallen silent to any result.
        llm_s: From the question to the first token, and between two.
        tts_s: From the end of the text to the first audio.
    """

    stt_s: float = 1.5
    llm_s: float = 5.0
    tts_s: float = 3.0

    def of(self, seat: Seat) -> float:
        """Return a seat's limit, seconds."""
        return {Seat.STT: self.stt_s, Seat.LLM: self.llm_s, Seat.TTS: self.tts_s}[seat]


class StallWatch:
    """One call's watch over its vendors. Must be used on the event loop's thread.

    Args:
        limits: How long each may be silent.
        on_stall: Called with who stalled. Nobody is waited for then, until it is asked again.
        on_due: Called when an answer becomes due.
        listens: Whether the recogniser has shown, by whatever it sent, that it listens since a moment on the loop's
            clock: then there was nothing to hear.

    Attributes:
        waits_for: Who is waited for for the answer; None for nobody.
        tools: How many of the model's tools run.
        due_since_s: Since when an answer is due and nothing of it has come, on the loop's clock; None when none is.
    """

    def __init__(
        self,
        limits: StallLimits,
        on_stall: Callable[[Seat], None],
        on_due: Callable[[], None] | None = None,
        listens: Callable[[float], bool] | None = None,
    ) -> None:
        self.waits_for: Seat | None = None
        self.tools = 0
        self.due_since_s: float | None = None
        self._limits = limits
        self._on_stall = on_stall
        self._on_due = on_due
        self._listens = listens
        self._alive_s = 0.0
        self._text = False
        self._asks_again = False
        self._emptied = (float("-inf"), 0.0)
        """When the model answered without words, and since when the answer had been due."""
        self._over = False
        self._timer: asyncio.TimerHandle | None = None
        self._heard = True
        self._due_to_speech = False
        self._silent_since_s = 0.0
        self._speech_timer: asyncio.TimerHandle | None = None

    # The recogniser.

    def voice_started(self) -> None:
        """The caller speaks: nothing need be heard of the recogniser before they have stopped."""
        self._heard = False
        self._cancel_speech()

    def voice_stopped(self) -> None:
        """The caller is silent: the recogniser owes what they said, or that it is nothing."""
        if not self._heard and not self._over:
            self._silent_since_s = self._now()
            self._arm_speech()

    def interim(self) -> None:
        """The recogniser is alive, and still owes its result."""
        if self._speech_timer is not None:
            self._arm_speech()

    def recognised(self) -> None:
        """The recogniser has given a result, if only that there is none."""
        self._heard = True
        self._cancel_speech()
        if self._due_to_speech:
            # Whether an answer is due is for the end of the turn to say.
            self.due_since_s, self._due_to_speech = None, False

    def listen_again(self) -> None:
        """The recogniser was replaced or connected anew, and hears the last speech again."""
        if not self._heard and not self._over:
            self._arm_speech()

    # The answer.

    def asked(self, seat: Seat = Seat.LLM) -> None:
        """The bot was asked to speak.

        Args:
            seat: The model, or the voice when the text is already there.
        """
        if self._over:
            return
        self._text = seat is Seat.TTS
        self._asks_again = self._due_to_speech = False
        self._wait_for(seat)
        now_s = self._now()
        at_s, since_s = self._emptied
        # What follows an answer without words at once is a second try of it.
        self._due(since_s if now_s - at_s < _ONE_WAIT_S else now_s)

    def token(self) -> None:
        """The model is alive."""
        self._text = True
        self._alive_s = self._now()

    def tools_started(self, count: int) -> None:
        """The model called tools."""
        self.tools += count
        if self.waits_for is None:
            self._due(self._now())

    def tool_ended(self, *, asks_again: bool) -> None:
        """A tool has ended.

        Args:
            asks_again: Whether the model is asked what to say about it.
        """
        self.tools = max(0, self.tools - 1)
        self._asks_again = self._asks_again or asks_again
        if self.waits_for is None and not self.tools and not self._asks_again:
            self.due_since_s = None

    def replied(self) -> None:
        """The model finished. What it said, if anything, must now be heard."""
        if self.waits_for is Seat.LLM:
            self._wait_for(Seat.TTS if self._text else None)
        if self.tools or self._asks_again:
            # What it has said so far was not the answer.
            self._due(self._now())
        elif not self._text and self.waits_for is None and self.due_since_s is not None:
            self._emptied = (self._now(), self.due_since_s)
            self.due_since_s = None

    def audio(self) -> None:
        """The voice is alive, and the answer has begun."""
        self._alive_s = self._now()
        self.due_since_s = None
        self._due_to_speech = False
        if self.waits_for is Seat.TTS:
            self._wait_for(None)
        self._text = False
        if self.tools and self.waits_for is None:
            # It only announces what the tools will bring.
            self._due(self._alive_s)

    def replaced(self, seat: Seat) -> None:
        """Another vendor has taken a seat, and has its whole limit."""
        if seat is Seat.STT:
            self.listen_again()
        elif seat is self.waits_for:
            self._alive_s = self._now()

    def stop(self) -> None:
        """Nobody is waited for any more: what was being said or made was dropped."""
        self._wait_for(None)
        self._text = False

    def turn_started(self) -> None:
        """The caller has the word: no answer is due."""
        self.stop()
        self.due_since_s = None
        self._emptied = (float("-inf"), 0.0)
        self._due_to_speech = False

    def rest(self) -> None:
        """Nothing is waited for until `go_on`."""
        self.finish()

    def go_on(self) -> None:
        """The rest is over."""
        self._over = False
        self._heard = True

    def finish(self) -> None:
        """Nothing is waited for any more in this call."""
        self._over = True
        self.turn_started()
        self._cancel_speech()

    # Time.

    def _due(self, since_s: float) -> None:
        if self.due_since_s is None:
            self.due_since_s = since_s
            if self._on_due is not None:
                self._on_due()

    def _wait_for(self, seat: Seat | None) -> None:
        if seat is not self.waits_for:
            self._cancel()
        self.waits_for = seat
        self._alive_s = self._now()
        if seat is not None and self._timer is None:
            self._arm(self._limits.of(seat))

    def _arm(self, delay_s: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._check)

    def _check(self) -> None:
        self._timer = None
        seat = self.waits_for
        if seat is None:
            return
        left_s = self._alive_s + self._limits.of(seat) - self._now()
        if left_s > 0:
            self._arm(left_s)
            return
        self.waits_for = None
        self._on_stall(seat)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm_speech(self) -> None:
        self._cancel_speech()
        self._speech_timer = asyncio.get_running_loop().call_later(self._limits.stt_s, self._nothing_heard)

    def _nothing_heard(self) -> None:
        self._speech_timer = None
        if self._listens is not None and self._listens(self._silent_since_s):
            return
        if self.due_since_s is None:
            # The caller waits for an answer to what nobody has heard yet.
            self._due_to_speech = True
            self._due(self._silent_since_s)
        self._on_stall(Seat.STT)

    def _cancel_speech(self) -> None:
        if self._speech_timer is not None:
            self._speech_timer.cancel()
            self._speech_timer = None

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
