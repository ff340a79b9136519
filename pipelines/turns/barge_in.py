"""Whether a caller who makes himself heard while the bot talks means to interrupt: a state machine.

Voice over the bot holds the bot's playback at once; words, the length of the voice or silence then decide between an
interruption and going on. It has no task and no clock. Moments are seconds on whatever clock the caller of it uses.
Every event returns what to do now, `deadline_s` says when to `decide` if nothing else happens.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from models.options import BargeInMode
from pipelines.turns.overheard import Overheard


class Action(StrEnum):
    """What to do."""

    HOLD = "hold"
    """Silence the bot and keep what it has to say."""
    START = "start"
    """Begin the caller's turn, which interrupts the bot."""
    RESUME = "resume"
    """Let the bot go on, and forget what the caller said."""
    FORGET = "forget"
    """Forget what the caller said; the bot was not held."""


class Cause(StrEnum):
    """Why."""

    VOICE = "voice"
    """The VAD confirmed speech."""
    LONG_VOICE = "long_voice"
    """The caller has spoken for longer than a backchannel takes."""
    WORDS = "words"
    """Words that are neither a backchannel nor an echo."""
    KEYS = "keys"
    BACKCHANNEL = "backchannel"
    ECHO = "echo"
    NO_WORDS = "no_words"
    """Nothing was recognised: a cough, a door."""
    ELSEWHERE = "elsewhere"
    """Somebody else interrupted the bot meanwhile, such as a key press."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, and why."""

    action: Action
    cause: Cause


class BargeInState(StrEnum):
    """Where the caller's attempt to speak stands."""

    LISTENING = "listening"
    """It is not the caller's turn."""
    HELD = "held"
    """The bot is silenced until it is clear what the caller means."""
    TURN = "turn"
    """It is the caller's turn."""


@dataclass(frozen=True, slots=True)
class BargeInSettings:
    """How easily the bot is interrupted.

    Attributes:
        mode: Not at all, at the first voice, or after a held moment in which it is made sure.
        interrupt_after_s: Voice after the VAD's confirmation that interrupts whatever is said, seconds.
        text_wait_s: How long after the VAD's stop text may still come, seconds. At least; a recogniser that is known
            to be slower gets more.
        settle_s: How long after a final text more of it may come, when the recogniser does not say that it is done,
            seconds.
        longest_hold_s: When a hold is decided at the latest, seconds.
        echoes: After so many echoes the line counts as one with echo, where only words stop the bot: a hold at each of
            them would chop up all that it says.
    """

    mode: BargeInMode = "confirm"
    interrupt_after_s: float = 0.8
    text_wait_s: float = 0.8
    settle_s: float = 0.2
    longest_hold_s: float = 2.5
    echoes: int = 2


class BargeIn:
    """Decides on one attempt to speak after the other.

    Args:
        settings: How easily the bot is interrupted.
    """

    def __init__(self, settings: BargeInSettings) -> None:
        self.state = BargeInState.LISTENING
        self._settings = settings
        self._speaking = False
        self._over_bot = False
        self._voice_s = 0.0
        self._voiced_s = 0.0
        self._silent_s = 0.0
        self._stopped_s = 0.0
        self._text_by_s = 0.0
        self._held_s = 0.0
        self._heard: Overheard | None = None
        self._final_s: float | None = None
        self._complete = False
        self._alone_s: float | None = None
        self._echoes = 0

    def change(self, settings: BargeInSettings) -> None:
        """Go by other settings from now on."""
        self._settings = settings

    @property
    def held(self) -> bool:
        """Whether the bot is silenced and nothing is decided."""
        return self.state is BargeInState.HELD

    @property
    def in_turn(self) -> bool:
        """Whether it is the caller's turn, so that there is nothing to decide."""
        return self.state is BargeInState.TURN

    # What happens.

    def turn_started(self) -> None:
        """It is the caller's turn, whoever decided that."""
        self._set_state(BargeInState.TURN)

    def turn_stopped(self) -> None:
        """It no longer is."""
        self._set_state(BargeInState.LISTENING)

    def voice_started(self, now_s: float, *, audible: bool) -> Decision | None:
        """The VAD confirmed speech.

        Args:
            now_s: The moment.
            audible: Whether the bot can be heard.
        """
        self._speaking = True
        self._complete = False
        self._voice_s = now_s
        match self.state:
            case BargeInState.TURN | BargeInState.HELD:
                return None
            case BargeInState.LISTENING:
                self._over_bot = audible
                if not audible or self._settings.mode == "immediate":
                    return self._start(Cause.VOICE)
                if self._settings.mode == "off" or self._echoes >= self._settings.echoes:
                    return None
                return self._hold(now_s)

    def voice_stopped(self, now_s: float, silence_s: float, late_s: float = 0.0) -> Decision | None:
        """The VAD confirmed silence.

        Args:
            now_s: The moment.
            silence_s: How long ago the silence began, seconds.
            late_s: How late after the end of speech the recogniser's text may come, seconds.
        """
        self._speaking = False
        self._alone_s = None
        self._stopped_s = now_s
        self._silent_s = now_s - silence_s
        self._voiced_s += max(0.0, self._silent_s - self._voice_s)
        self._text_by_s = now_s + max(self._settings.text_wait_s, late_s - silence_s)
        return self._resume() if self.held and self._complete else None

    def voice_went_on(self) -> None:
        """What seemed to be the end of the speech was a pause: a complete text is complete no more."""
        self._complete = False

    def bot_silent(self, now_s: float) -> None:
        """The bot has nothing more to say; from here on the caller speaks alone."""
        if self._speaking:
            self._alone_s = now_s

    def text(
        self, now_s: float, heard: Overheard, *, audible: bool, final: bool = True, complete: bool = False
    ) -> Decision | None:
        """Something was recognised.

        Args:
            now_s: The moment.
            heard: What kind of words it is.
            audible: Whether the bot can be heard.
            final: Whether these words stay as they are.
            complete: Whether the recogniser says that nothing more follows for this speech.
        """
        match self.state:
            case BargeInState.TURN:
                return None
            case BargeInState.HELD:
                if heard is Overheard.WORDS:
                    return self._start(Cause.WORDS)
                self._heard = heard
                self._final_s = now_s if final else None
                self._complete = complete
                return self._resume() if complete and not self._speaking else None
            case BargeInState.LISTENING:
                if self._means_something(heard, audible=audible):
                    return self._start(Cause.WORDS)
                # Only final words are kept by anybody.
                return Decision(Action.FORGET, Cause(heard)) if final else None

    def _means_something(self, heard: Overheard, *, audible: bool) -> bool:
        """Whether words for which nothing was held are for the bot."""
        match self._settings.mode:
            case "immediate":
                return True
            case "off":
                return not audible
            case "confirm" if audible:
                return heard is Overheard.WORDS
            case "confirm":
                # What the caller's telephone sent back of the last words comes after them.
                return not (self._over_bot and heard is Overheard.ECHO)

    def text_complete(self) -> Decision | None:
        """The recogniser says that nothing more follows for this speech, whether there were words or not."""
        self._complete = True
        return self._resume() if self.held and not self._speaking else None

    def keys(self) -> Decision | None:
        """The caller has keyed something."""
        return None if self.state is BargeInState.TURN else self._start(Cause.KEYS)

    def interrupted(self) -> Decision | None:
        """Somebody else interrupted the bot; there is nothing left to go on with."""
        if not self.held:
            return None
        if self._speaking:
            return self._start(Cause.ELSEWHERE)
        self._set_state(BargeInState.LISTENING)
        return Decision(Action.RESUME, Cause.ELSEWHERE)

    # What time decides.

    def decide(self, now_s: float, *, audible: bool) -> Decision | None:
        """Say what to do when nothing happened until now.

        Args:
            now_s: The moment.
            audible: Whether the bot can be heard.
        """
        deadline_s = self.deadline_s()
        if deadline_s is None or now_s < deadline_s:
            return None
        if self.held:
            return self._start(Cause.LONG_VOICE) if self._speaking else self._resume()
        self._alone_s = None
        return None if audible else self._start(Cause.LONG_VOICE)

    def deadline_s(self) -> float | None:
        """Return when to decide if nothing else happens; None when only an event can."""
        match self.state:
            case BargeInState.TURN:
                return None
            case BargeInState.LISTENING:
                return None if self._alone_s is None else self._alone_s + self._settings.interrupt_after_s
            case BargeInState.HELD:
                latest_s = self._held_s + self._settings.longest_hold_s
                if not self._speaking:
                    return min(latest_s, self._settled_s())
                if self._heard is Overheard.ECHO:
                    return latest_s
                return min(latest_s, self._voice_s + self._settings.interrupt_after_s - self._voiced_s)

    def _settled_s(self) -> float:
        """When the text of speech that is over is as complete as it will be."""
        if self._final_s is None or self._final_s < self._silent_s:
            return self._text_by_s
        return min(self._text_by_s, max(self._final_s, self._stopped_s) + self._settings.settle_s)

    # Moves.

    def _hold(self, now_s: float) -> Decision:
        self._held_s = now_s
        self._voiced_s = 0.0
        self._heard = None
        self._set_state(BargeInState.HELD)
        return Decision(Action.HOLD, Cause.VOICE)

    def _start(self, cause: Cause) -> Decision:
        if self._over_bot and cause is Cause.WORDS:
            self._echoes = max(0, self._echoes - 1)
        self._set_state(BargeInState.TURN)
        return Decision(Action.START, cause)

    def _resume(self) -> Decision:
        if self._heard is Overheard.ECHO:
            self._echoes += 1
        self._set_state(BargeInState.LISTENING)
        return Decision(Action.RESUME, Cause.NO_WORDS if self._heard is None else Cause(self._heard))

    def _set_state(self, state: BargeInState) -> None:
        self.state = state
