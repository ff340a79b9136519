"""Explains every millisecond of a turn: collects when each stage was reached and makes one `TurnRecord` of each turn.

A turn is one answer of the bot and what led to it. Times are taken on the event loop's clock and written as
milliseconds since the call's first audio.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from models.turn import TurnRecord, TurnTrigger


@dataclass(slots=True)
class _Draft:
    """A turn in the making. Times are seconds on the ledger's clock."""

    trigger: TurnTrigger
    user_text: str = ""
    bot_text: list[str] = field(default_factory=list)
    interrupted: bool = False
    speech_start: float | None = None
    speech_end: float | None = None
    turn_end: float | None = None
    transcript: float | None = None
    llm_first_token: float | None = None
    llm_end: float | None = None
    tts_first_audio: float | None = None
    bot_start: float | None = None
    bot_stop: float | None = None
    clear: float | None = None
    barge_in: float | None = None


class TurnLedger:
    """One call's turns.

    Args:
        clock: Monotonic seconds.
        on_turn: Gets each finished record.
        on_begin: Told why each answer is asked for.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        on_turn: Callable[[TurnRecord], None],
        on_begin: Callable[[TurnTrigger], None] | None = None,
    ) -> None:
        self._clock = clock
        self._on_turn = on_turn
        self._on_begin = on_begin
        self._origin = clock()
        self._count = 0
        self._open: _Draft | None = None
        self._speech_start: float | None = None
        self._speech_end: float | None = None
        self._speech_confirmed: float | None = None
        self._transcript: float | None = None
        self._held: float | None = None

    def media_started(self) -> None:
        """Take this moment as millisecond 0."""
        self._origin = self._clock()

    def speech_started(self, *, confirmation_s: float) -> None:
        """Voice activity was confirmed; it began `confirmation_s` ago."""
        if self._open is not None and self._open.bot_stop is not None:
            self.close()
        self._speech_confirmed = self._clock()
        if self._speech_start is None:
            self._speech_start = self._speech_confirmed - confirmation_s
        self._speech_end = None

    def speech_stopped(self, *, silence_s: float) -> None:
        """Silence was confirmed; it began `silence_s` ago."""
        self._speech_end = self._clock() - silence_s

    def speech_forgotten(self) -> None:
        """What the caller said so far was not meant to be a turn."""
        self._speech_start = self._speech_end = self._transcript = self._speech_confirmed = None

    def transcript(self) -> None:
        """A transcript of the caller's speech arrived."""
        self._transcript = self._clock()

    def begin(self, trigger: TurnTrigger, user_text: str = "") -> None:
        """The bot is asked to speak. An answer still open is closed first."""
        self.close()
        # A hold that nobody resolved belonged to the answer before.
        self._held = None
        self._open = _Draft(trigger, user_text)
        if trigger in (TurnTrigger.SPEECH, TurnTrigger.NOT_UNDERSTOOD):
            self._open.speech_start = self._speech_start
            self._open.speech_end = self._speech_end
            self._open.transcript = self._transcript
        self._open.turn_end = self._clock()
        self._speech_start = self._speech_end = self._transcript = self._speech_confirmed = None
        if self._on_begin is not None:
            self._on_begin(trigger)

    def llm_started(self) -> None:
        """The model's first token arrived."""
        if self._open is not None and self._open.llm_first_token is None:
            self._open.llm_first_token = self._clock()

    def llm_ended(self) -> None:
        """The model finished."""
        if self._open is not None:
            self._open.llm_end = self._clock()

    def audio_arrived(self) -> None:
        """Synthesised audio arrived."""
        if self._open is not None and self._open.tts_first_audio is None:
            self._open.tts_first_audio = self._clock()

    def audio_sent(self) -> None:
        """Audio went out on the wire after a silence of the bot."""
        if self._open is not None and self._open.bot_start is None:
            self._open.bot_start = self._clock()

    def heard(self, text: str) -> None:
        """The caller heard a piece of the answer."""
        if self._open is not None:
            self._open.bot_text.append(text)

    def held(self) -> None:
        """The order to drop what was not yet played went out on the wire, and the answer may go on after all."""
        self._held = self._clock()

    def resumed(self) -> None:
        """The answer goes on."""
        self._held = None

    def cleared(self) -> None:
        """The answer is cut off; the order to drop what was not played went out on the wire, now or with the hold."""
        held, self._held = self._held, None
        if self._open is not None:
            self._open.clear = self._clock() if held is None else held
            self._open.interrupted = True
            if self._speech_confirmed is not None:
                self._open.barge_in = self._open.clear - self._speech_confirmed

    def bot_stopped(self) -> None:
        """The last audio so far was played or dropped."""
        if self._open is not None and self._open.bot_start is not None:
            self._open.bot_stop = self._clock()

    def close(self) -> None:
        """Finish the open turn, if there is one, and hand its record on."""
        draft, self._open = self._open, None
        if draft is None:
            return
        voice_to_voice: int | None = None
        if draft.bot_start is not None and draft.speech_end is not None:
            voice_to_voice = round((draft.bot_start - draft.speech_end) * 1000)
        record = TurnRecord(
            turn=self._count,
            trigger=draft.trigger,
            user_text=draft.user_text,
            bot_text=" ".join(draft.bot_text),
            interrupted=draft.interrupted,
            speech_start_ms=self._ms(draft.speech_start),
            speech_end_ms=self._ms(draft.speech_end),
            turn_end_ms=self._ms(draft.turn_end),
            transcript_ms=self._ms(draft.transcript),
            llm_first_token_ms=self._ms(draft.llm_first_token),
            llm_end_ms=self._ms(draft.llm_end),
            tts_first_audio_ms=self._ms(draft.tts_first_audio),
            bot_start_ms=self._ms(draft.bot_start),
            bot_stop_ms=self._ms(draft.bot_stop),
            clear_ms=self._ms(draft.clear),
            voice_to_voice_ms=voice_to_voice,
            barge_in_ms=None if draft.barge_in is None else round(draft.barge_in * 1000),
        )
        self._count += 1
        self._on_turn(record)

    def _ms(self, moment: float | None) -> int | None:
        return None if moment is None else round((moment - self._origin) * 1000)
