"""One turn's latency record: every stage between the caller's last word and the bot's first, and what became of it.

All times are milliseconds since the call's pipeline began to run (its move to ``progressing``). None means "did not
happen".
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict


class TurnTrigger(StrEnum):
    """What made the bot speak."""

    GREETING = "greeting"
    SPEECH = "speech"
    DTMF = "dtmf"
    NOT_UNDERSTOOD = "not_understood"
    """Speech was heard, but no recogniser could make words of it."""
    IDLE = "idle"
    """The caller stayed silent."""


class TurnRecord(BaseModel):
    """One exchange: what triggered it, and when each stage was reached.

    Attributes:
        turn: 0 for the greeting, then 1, 2, 3, …
        trigger: What made the bot speak.
        user_text: What the caller said or keyed ('' for greeting, idle and not understood).
        bot_text: What the caller heard of the answer.
        interrupted: Whether the caller cut the answer off.
        speech_start_ms: The caller's speech began (VAD start, less its confirmation time).
        speech_end_ms: The caller's speech ended (VAD stop, less its silence window).
        turn_end_ms: The turn was judged complete.
        transcript_ms: The last transcript of the turn arrived.
        llm_first_token_ms: The model's first token arrived.
        llm_end_ms: The model finished.
        tts_first_audio_ms: The first synthesised audio arrived.
        bot_start_ms: The first audio of the answer went out on the wire.
        bot_stop_ms: The answer's last audio was played, or was cut off.
        clear_ms: Barge-in: the order to drop what was not yet played went out on the wire.
        voice_to_voice_ms: From the end of the caller's speech to the first audio out.
        barge_in_ms: From the VAD's confirmation that the caller speaks to the ``clear``; None when words cut in first.
    """

    model_config = ConfigDict(frozen=True)

    turn: int
    trigger: TurnTrigger
    user_text: str = ""
    bot_text: str = ""
    interrupted: bool = False
    speech_start_ms: int | None = None
    speech_end_ms: int | None = None
    turn_end_ms: int | None = None
    transcript_ms: int | None = None
    llm_first_token_ms: int | None = None
    llm_end_ms: int | None = None
    tts_first_audio_ms: int | None = None
    bot_start_ms: int | None = None
    bot_stop_ms: int | None = None
    clear_ms: int | None = None
    voice_to_voice_ms: int | None = None
    barge_in_ms: int | None = None

    def public(self) -> dict[str, Any]:
        """Return the JSON document that the event carries."""
        return self.model_dump(mode="json")
